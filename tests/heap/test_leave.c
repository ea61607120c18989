/* SPDX-License-Identifier: MIT */
/*
 * A process's part of its job's report: asked for only where one report of all is wanted,
 * and then the report of the setting is written once, in MPI_Finalize and not at the end.
 */
#include "src/base/fmt.h"
#include "src/heap/figures.h"
#include "src/heap/leave.h"
#include "src/track/job.h"
#include "tests/child.h"

#include <sys/stat.h>

static char folder[] = "/tmp/numatally-leave-XXXXXX";
static struct nt_snapshot s, sum;
static struct nt_job_row row;
static uint32_t order[1];

/* Bytes of the file in the folder; -1: there is none. */
static long size_of(const char *name)
{
    char path[128];
    struct stat st;

    nt__fmt_into(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static void ask_for(const char *name)
{
    char conf[256];

    nt__fmt_into(conf, sizeof conf, "report:%s/%s", folder, name);
    setenv("NUMATALLY_CONF", conf, 1);
    setenv("PMIX_RANK", "3", 1);
}

static int act_nobody(void)
{
    nt_free(nt_malloc(100));
    CHECK(!nt__leave_take(&s) && nt__leave_folder() == NULL);
    return 0;
}

static int act_each_rank(void)
{
    ask_for("each-%r.json");
    nt_free(nt_malloc(100));
    CHECK(!nt__leave_take(&s) && size_of("each-3.json") < 0);
    nt__figures_end();
    CHECK(size_of("each-3.json") > 0);
    return 0;
}

/* The job's for `numatally run`, and for the setting one of each rank, of the same moment. */
static int act_both(void)
{
    char run[256];
    void *p;

    ask_for("both-%r.json");
    nt__fmt_into(run, sizeof run, "%d:%s:j", (int)getpid(), folder);
    setenv("NUMATALLY_RUN", run, 1);
    p = nt_malloc(100);
    CHECK(strcmp(nt__leave_folder(), folder) == 0);
    CHECK(nt__leave_take(&s) && s.total.live_blocks_now == 1 && s.rank == 3);
    CHECK(size_of("both-3.json") > 0);
    nt_free(p);
    long before = size_of("both-3.json");
    nt__leave_done(NULL, NULL);
    nt__figures_end();
    CHECK(size_of("both-3.json") == before);
    return 0;
}

/* Rank 0 writes the job's, and it is not overwritten by its own; the others write none. */
static int one(bool first)
{
    const struct nt_job job = {.ranks = 1, .rows = &row, .nrows = 1, .order = order};
    const struct nt_tables tables = {.job = &job};
    const char *name = first ? "first.json" : "other.json";
    long size;

    ask_for(name);
    nt_free(nt_malloc(100));
    CHECK(nt__leave_take(&s) && size_of(name) < 0);
    CHECK(nt__job_add(&sum, &s));
    nt__job_row(&row, &s);
    nt__leave_done(first ? &sum : NULL, first ? &tables : NULL);
    size = size_of(name);
    CHECK(first ? size > 0 : size < 0);
    nt_free(nt_malloc(100));
    nt__figures_end();
    CHECK(size_of(name) == size);
    return 0;
}

static int act_first(void)
{
    return one(true);
}

static int act_other(void)
{
    return one(false);
}

/* Whose folder it is not, or that wants records, gets no part of a job. */
static int act_folders(void)
{
    char run[256];

    nt__fmt_into(run, sizeof run, "%d:%s:0", (int)getpid(), folder);
    setenv("NUMATALLY_RUN", run, 1);
    nt_free(nt_malloc(100));
    CHECK(!nt__leave_take(&s) && nt__leave_folder() == NULL);
    return 0;
}

static void test_leaving(void **state)
{
    (void)state;
    child_ok(act_nobody);
    child_ok(act_each_rank);
    child_ok(act_both);
    child_ok(act_first);
    child_ok(act_other);
    child_ok(act_folders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_leaving)};
    char remove[64];

    unsetenv("NUMATALLY_RUN");
    if (mkdtemp(folder) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nt__fmt_into(remove, sizeof remove, "rm -r %s", folder);
    return system(remove) != 0 || failed;
}
