/* SPDX-License-Identifier: MIT */
/*
 * Live files and profiles: binary files that another process writes, perhaps of another
 * version, perhaps while it dies.
 *
 * Real ones are large and of this version only, so an input is what is done to a good one
 * that is made here: which of the two, then (where, how many, which bytes), and how much of
 * it there is. What can still be read goes into formats; a profile that was read, saved and
 * read again is the same.
 */
#include "src/base/base.h"
#include "src/track/live.h"
#include "src/track/profile_out.h"
#include "tests/fuzz/warn.h"
#include "tests/tool/records.h"

static struct good {
    uint8_t *bytes;
    size_t size;
} good_live, good_profile;

static char folder[] = "/tmp/numatally-fuzz-XXXXXX", live_path[128], profile_path[128];

static struct good take_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct good g = {NULL, 0};

    FUZZ_CHECK(f != NULL && fseek(f, 0, SEEK_END) == 0);
    g.size = (size_t)ftell(f);
    rewind(f);
    g.bytes = malloc(g.size + 1);
    FUZZ_CHECK(g.bytes != NULL && fread(g.bytes, 1, g.size, f) == g.size);
    fclose(f);
    return g;
}

static void put_file(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");

    FUZZ_CHECK(f != NULL && fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
}

static void remove_files(void)
{
    unlink(live_path);
    unlink(profile_path);
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct nt_live live;
    struct nt_record *r = records_make();

    (void)argc;
    (void)argv;
    FUZZ_CHECK(mkdtemp(folder) != NULL && nt__live_open(folder));
    live.snapshot = r->snapshot;
    live.history = r->history;
    live.nthreads = live.nphases = live.ntracked = 2;
    live.npools = 3;
    memcpy(live.threads, r->threads, 2 * sizeof *r->threads);
    memcpy(live.pools, r->pools, 3 * sizeof *r->pools);
    memcpy(live.phases, r->phases, 2 * sizeof *r->phases);
    memcpy(live.tracked, r->tracked, 2 * sizeof *r->tracked);
    nt__live_write(&live);
    nt__live_write(&live);
    snprintf(live_path, sizeof live_path, "%s", nt__live_path());
    FUZZ_CHECK(nt__profile_path(profile_path, sizeof profile_path, live_path));
    FUZZ_CHECK(nt__profile_save(profile_path, &r->profile) == 0);
    good_live = take_file(live_path);
    good_profile = take_file(profile_path);
    records_free(r);
    atexit(remove_files);
    return 0;
}

static void show(struct nt_record *record, void *context)
{
    static nt_write *const writes[] = {nt__out_text, nt__out_json, nt__out_csv};

    (void)context;
    for (size_t i = 0; i < NT_ARRAY_LEN(writes); i++)
        FUZZ_CHECK(writes[i](fuzz_nowhere(), &record, 1, 0) == 0);
    records_free(record);
}

static void check_profile(void)
{
    struct nt_profile first = {0}, second = {0};

    if (nt__profile_load(profile_path, &first) != 0)
        return;
    FUZZ_CHECK(nt__profile_save(profile_path, &first) == 0);
    FUZZ_CHECK(nt__profile_load(profile_path, &second) == 0);
    FUZZ_CHECK(first.nsites == second.nsites && first.nsamples == second.nsamples &&
               first.nremotes == second.nremotes && first.nmodules == second.nmodules &&
               first.nsizes == second.nsizes);
    FUZZ_CHECK(first.nsites == 0 || memcmp(first.sites, second.sites,
                                           first.nsites * sizeof *first.sites) == 0);
    nt__profile_free(&first);
    nt__profile_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes b = {data, data + size};
    unsigned which = fuzz_byte(&b);
    const struct good *good = which & 1 ? &good_profile : &good_live;
    uint8_t *bytes = malloc(good->size);
    size_t keep = which & 2 ? (fuzz_word(&b) << 8 | fuzz_byte(&b)) % (good->size + 1)
                            : good->size;

    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, good->bytes, good->size);
    while (b.at < b.end) {
        size_t at = fuzz_word(&b);

        at = (which & 4 ? at << 4 : at) % good->size;
        for (unsigned n = fuzz_byte(&b) % 16 + 1; n > 0 && b.at < b.end; n--, at++)
            if (at < good->size)
                bytes[at] = (uint8_t)fuzz_byte(&b);
    }
    put_file(live_path, which & 1 ? good_live.bytes : bytes,
             which & 1 ? good_live.size : keep);
    put_file(profile_path, which & 1 ? bytes : good_profile.bytes,
             which & 1 ? keep : good_profile.size);
    free(bytes);
    nt__records_each(live_path, show, NULL);
    check_profile();
    return 0;
}
