/* SPDX-License-Identifier: MIT */
/*
 * Text and the JSON record: written by the library's own writer, src/track/report.c. In text
 * the tool has it print functions and lines, where the library could but say file + place.
 */
#include "src/base/fmt.h"
#include "src/tool/report.h"
#include "src/track/report.h"

#include <errno.h>
#include <unistd.h>

static void print_frames(struct nt_fmt *f, void *symbols, uint32_t generation,
                         uint64_t pc)
{
    const struct nt_frame *frame;
    size_t n = nt__symbols_find(symbols, generation, pc, &frame);

    for (size_t i = 0; i < n; i++) {
        const char *where = frame[i].file != NULL ? frame[i].file : frame[i].module;

        nt__fmt_print(f, "    %s", frame[i].function);
        if (where != NULL)
            nt__fmt_print(f, " (%s", where);
        if (where != NULL && frame[i].line != 0)
            nt__fmt_print(f, ":%u", frame[i].line);
        nt__fmt_str(f, where != NULL ? ")\n" : "\n");
    }
}

static int write_one(FILE *out, enum nt_format format, const struct nt_record *r)
{
    struct nt_profile profile = r->profile;
    const struct nt_tables tables = {.threads = r->threads,
                                     .pools = r->pools,
                                     .phases = r->phases,
                                     .tracked = r->tracked,
                                     .nthreads = r->nthreads,
                                     .npools = r->npools,
                                     .nphases = r->nphases,
                                     .ntracked = r->ntracked,
                                     .profile = profile.sites != NULL ? &profile : NULL,
                                     .history = &r->history,
                                     .job = r->job.rows != NULL ? &r->job : NULL};
    struct nt_symbols *symbols = nt__symbols_open(&profile);
    int err;

    profile.print_frame = print_frames;
    profile.print_context = symbols;
    err = nt__report_write(fileno(out), format, &r->snapshot, &tables);
    nt__symbols_close(symbols);
    return err;
}

static int write_all(FILE *out, enum nt_format format, struct nt_record *const *records,
                     size_t n)
{
    int err = fflush(out) != 0 ? -errno : 0;

    for (size_t i = 0; i < n && err == 0; i++)
        err = write_one(out, format, records[i]);
    return err;
}

int nt__out_text(FILE *out, struct nt_record *const *records, size_t n, size_t written)
{
    (void)written;
    return write_all(out, NT_FORMAT_TEXT, records, n);
}

int nt__out_json(FILE *out, struct nt_record *const *records, size_t n, size_t written)
{
    (void)written;
    return write_all(out, NT_FORMAT_JSON, records, n);
}
