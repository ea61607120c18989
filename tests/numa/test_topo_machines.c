/* SPDX-License-Identifier: MIT */
/*
 * Machines nobody here owns, from tests/numa/topo/: what is read of /sys is what the
 * file expects, so are free memory and the nearest nodes; and the longer form of
 * NUMATALLY_TOPOLOGY, in which it is expected, makes up the same machine.
 */
#define _GNU_SOURCE
#include "numa/topo.h"

#include "tests/child.h"

#include <ftw.h>
#include <glob.h>
#include <libgen.h>
#include <sys/stat.h>

#define TEXT_MAX ((size_t)1 << 16)

static char folder[] = "/tmp/nt-machine-XXXXXX";
static const char *machine;                                     /* the file in hand */
static char expect[TEXT_MAX], unused[TEXT_MAX], near[TEXT_MAX]; /* its sections */
static struct nt_topo seen, wanted;

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return strcmp(path, folder) == 0 ? 0 : remove(path);
}

/* ---- the file ---------------------------------------------------------------- */

static FILE *create(const char *name)
{
    char path[256], *slash;
    snprintf(path, sizeof path, "%s/%.200s", folder, name);
    slash = strrchr(path, '/');
    *slash = '\0';
    mkdir(path, 0700);
    *slash = '/';
    return fopen(path, "w");
}

/* The text that a section's lines are gathered in; NULL: they are a file's. */
static char *gathered(const char *section)
{
    return strcmp(section, "expect") == 0    ? expect
           : strcmp(section, "free") == 0    ? unused
           : strcmp(section, "nearest") == 0 ? near
                                             : NULL;
}

/* Write what is under /sys into the folder and keep the rest. */
static int expand(void)
{
    char *text = NULL, line[TEXT_MAX];
    FILE *in = fopen(machine, "r"), *out = NULL;
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    expect[0] = unused[0] = near[0] = '\0';
    CHECK(in);
    while (fgets(line, sizeof line, in)) {
        if (strncmp(line, "== ", 3) != 0) {
            if (out)
                fputs(line, out);
            else if (text)
                strcat(text, line);
            continue;
        }
        line[strcspn(line, "\n")] = '\0';
        text = gathered(line + 3);
        if (out)
            fclose(out);
        out = text ? NULL : create(line + 3);
        CHECK(text || out);
    }
    CHECK(!out && expect[0] && near[0]); /* a section of ours comes last */
    fclose(in);
    char *to = expect;
    for (const char *from = expect; *from; from++)
        if (*from != '\n')
            *to++ = *from;
    *to = '\0';
    return 0;
}

/* ---- what it says ---------------------------------------------------------------- */

static int compare(void)
{
    CHECK(seen.nodes == wanted.nodes);
    for (unsigned i = 0; i < seen.nodes; i++) {
        const struct nt_topo_node *s = &seen.node[i], *w = &wanted.node[i];
        fprintf(stderr, "node %d:\n", w->id); /* shown when something is wrong below */
        CHECK(s->id == w->id);
        CHECK(s->has_memory == w->has_memory && s->has_cpus == w->has_cpus);
        CHECK(s->memory_bytes == w->memory_bytes);
        CHECK(memcmp(s->distance, w->distance, sizeof s->distance) == 0);
        for (unsigned cpu = 0; cpu < NT_TOPO_CPUS; cpu++)
            CHECK(seen.slot_of_cpu[cpu] != i || i == 0 || wanted.slot_of_cpu[cpu] == i);
    }
    return 0;
}

static int compare_free(void)
{
    char *rest = unused;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line;) {
        unsigned id;
        unsigned long long kib;
        CHECK(sscanf(line, "%u %lluK", &id, &kib) == 2);
        fprintf(stderr, "free, %s:\n", line);
        CHECK(nt__topo_sysfs_free(folder, id) == kib * NT_KIB);
    }
    return 0;
}

static bool add_slot(void *slots, unsigned long id)
{
    int slot = nt__topo_slot((int)id);
    if (slot >= 0)
        *(uint64_t *)slots |= (uint64_t)1 << slot;
    return slot >= 0;
}

/* The library itself starts on the made-up machine here. */
static int compare_nearest(void)
{
    char *rest = near;
    setenv("NUMATALLY_TOPOLOGY", expect, 1);
    nt__topo_start();
    CHECK(nt__topo()->fake);
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line;) {
        char among[256];
        int from, to;
        uint64_t slots = 0;
        CHECK(sscanf(line, "%d of %255s is %d", &from, among, &to) == 3);
        CHECK(nt__topo_list(among, NT_NODE_ID_MAX, add_slot, &slots));
        fprintf(stderr, "nearest, %s:\n", line);
        unsigned nearest = nt__topo_nearest((unsigned)nt__topo_slot(from), slots);
        CHECK(nt__topo()->node[nearest].id == to);
    }
    return 0;
}

static int act_machine(void)
{
    if (expand() != 0)
        return 1;
    CHECK(nt__topo_sysfs(&seen, folder));
    CHECK(nt__topo_fake(&wanted, expect));
    return compare() != 0 || compare_free() != 0 || compare_nearest() != 0;
}

/* ---- all of them ------------------------------------------------------------------ */

static void test_machines(void **state)
{
    static char said[TEXT_MAX];
    const char *source = getenv("NT_SOURCE");
    char here[] = __FILE__, pattern[4096];
    glob_t found;
    (void)state;
    snprintf(pattern, sizeof pattern, "%s%s/topo/*.machine", source ? source : "",
             source ? "/tests/numa" : dirname(here));
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 8);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        machine = found.gl_pathv[i];
        if (child_status(act_machine, said, sizeof said) != 0)
            fail_msg("%s: the last of these lines is wrong:\n%s", machine, said);
    }
    globfree(&found);
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_machines)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    rmdir(folder);
    return failed;
}
