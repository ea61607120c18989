/* SPDX-License-Identifier: MIT */
/*
 * The text of a job of a few ranks, against sentences and numbers written down here by
 * hand. (The figures of large jobs are compared by tests/tool/merge.sh.)
 */
#include "src/base/fmt.h"
#include "src/track/job.h"
#include "src/track/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 100 };

static struct nt_snapshot sum;
static struct nt_job_row rows[ROWS];
static uint32_t order[ROWS];
static char text[1 << 20];

static void add(struct nt_job *job, int64_t rank, const char *host, uint64_t peak_mib)
{
    struct nt_job_row *row = &rows[job->nrows++];

    *row = (struct nt_job_row){.rank = rank,
                               .pid = 1000 + (int64_t)job->nrows,
                               .processes = 1,
                               .end = NT_JOB_FINALIZED,
                               .live_bytes_peak = peak_mib * NT_MIB,
                               .nodes = 1,
                               .node = {{0, 0, peak_mib * NT_MIB}}};
    nt__name_copy(row->host, sizeof row->host, host);
    strcpy(row->program, "lmp");
}

static struct nt_job begin(uint64_t ranks)
{
    memset(&sum, 0, sizeof sum);
    sum.nodes = 1;
    sum.start_unix_ns = 1000000000;
    sum.now_unix_ns = 3500000000;
    strcpy(sum.version_string, "0.1.0");
    strcpy(sum.program, "lmp");
    return (struct nt_job){.ranks = ranks, .rows = rows, .order = order};
}

static const char *print(const struct nt_job *job)
{
    const struct nt_tables tables = {.job = job};
    char path[] = "/tmp/numatally-job-XXXXXX";
    int fd = mkstemp(path);
    ssize_t n;

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(nt__report_write(fd, NT_FORMAT_TEXT, &sum, &tables), 0);
    n = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    text[n] = '\0';
    return text;
}

static void has(const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void has_not(const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("\"%s\" is in:\n%s", part, text);
}

static void test_a_good_job(void **state)
{
    struct nt_job job = begin(4);

    (void)state;
    for (int64_t i = 0; i < 4; i++)
        add(&job, i, i < 2 ? "n1" : "n2", 100 + (uint64_t)i);
    print(&job);
    has("numatally 0.1.0: a job of 4 ranks on 2 hosts: lmp\n"
        "From the first start to the last figure: 2.500 s\n\n"
        "Far from the others:\n    no rank, in none of its figures\n");
    has("\nLive, peak                  406.00        101.50        101.50        "
        "100.00    "
        "         0        103.00             3\n");
    has("\nLive, peak                  203.00        201.00        205.00  n1, n2\n");
    has("\nn2                               2        205.00        102.50        "
        "102.00    "
        "    103.00             3\n"
        "n1                               2        201.00        100.50        100.00  "
        "  "
        "    101.00             1\n");
    has("\nNode 0                           4        406.00        101.50        "
        "100.00    "
        "    103.00             3\n");
    has("'@' is 103.00 MiB, ' ' is none\nNode 0               |@@@@|\n");
    has("\nThe sum of all:\nCounts are blocks");
    has_not("did not end well");
    has_not("No figures of");
}

static void test_how_ranks_ended(void **state)
{
    static const struct {
        int end, code;
        uint64_t stale_ns;
        const char *want;
    } ends[] = {
        {NT_JOB_SIGNALLED, 9, 950000000,
         "    rank 0 on n1, pid 1001, lmp: ended by signal 9; figures of 0.950 s "
         "before "
         "that\n"},
        {NT_JOB_EXITED, 3, 0,
         "    rank 1 on n1, pid 1002, lmp: exited with status 3\n"},
        {NT_JOB_ABORTED, 1, 0,
         "    rank 2 on n1, pid 1003, lmp: aborted the job with 1\n"},
        {NT_JOB_RUNNING, 0, 0,
         "    rank 3 on n1, pid 1004, lmp: ran on, or ended without its last word (a "
         "signal, exec)\n"},
        {NT_JOB_UNFINALIZED, 0, 0,
         "    rank 4 on n1, pid 1005, lmp: exited without MPI_Finalize\n"},
        {NT_JOB_EXITED, 0, 0, NULL},
        {NT_JOB_ENDED, 0, 0, NULL},
        {NT_JOB_FINALIZED, 0, 0, NULL},
    };
    struct nt_job job = begin(8);

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(ends); i++) {
        add(&job, (int64_t)i, "n1", 100);
        rows[i].end = ends[i].end;
        rows[i].code = ends[i].code;
        rows[i].stale_ns = ends[i].stale_ns;
    }
    print(&job);
    has("\n5 ranks did not end well, or not yet:\n    rank 0");
    for (size_t i = 0; i < NT_ARRAY_LEN(ends); i++) {
        char name[16];

        nt__fmt_into(name, sizeof name, "    rank %zu on", i);
        if (ends[i].want != NULL)
            has(ends[i].want);
        else
            has_not(name);
    }
    /* Of many the first are named. */
    job = begin(60);
    for (int64_t i = 0; i < 60; i++) {
        add(&job, i, "n1", 100);
        rows[i].end = NT_JOB_RUNNING;
    }
    print(&job);
    has("\n60 ranks did not end well, or not yet:\n");
    has("\n    rank 19 on");
    has_not("\n    rank 20 on");
    has("\n    and 40 more\n");
}

static void test_missing(void **state)
{
    struct nt_job job = begin(12);

    (void)state;
    add(&job, 1, "n1", 1);
    add(&job, 1, "n2", 1); /* of another job: it is there all the same */
    add(&job, 2, "n1", 1);
    add(&job, 6, "n1", 1);
    print(&job);
    has("a job of 12 ranks on 2 hosts");
    has("\nNo figures of 9 ranks: 0, 3-5, 7-11\n");
    /* As many as there are, whatever the job said. */
    job = begin(0);
    add(&job, 4, "n1", 1);
    print(&job);
    has("a job of 5 ranks on 1 host: lmp\n");
    has("\nNo figures of 4 ranks: 0-3\n");
    job = begin(0);
    for (int64_t i = 0; i < 50; i++)
        add(&job, 2 * i, "n1", 1);
    print(&job);
    has("\nNo figures of 49 ranks: 1, 3, 5, ");
    has(", 37, 39 and so on\n");
    has_not("41");
}

static void test_outliers(void **state)
{
    struct nt_job job = begin(20);

    (void)state;
    for (int64_t i = 0; i < 20; i++)
        add(&job, i, "n1", 100 + (uint64_t)i % 3);
    rows[7].live_bytes_peak = 300 * NT_MIB;
    rows[11].live_bytes_peak = 2 * NT_MIB;
    rows[12].live_bytes_peak = 400 * NT_MIB;
    rows[13].far_frees_total = 900;     /* nobody minds */
    rows[14].frees_total = 1000;        /* somebody might */
    rows[15].cpu_ns_total = 1500000000; /* the others: none */
    print(&job);
    has("\nFar from the others:\n"
        "    Frees: rank 14 on n1 has 1000, above the median of 0 by 1000\n"
        "    Live, peak: rank 12 on n1 has 400.00 MiB, above the median of 101.00 MiB "
        "by "
        "299.00 MiB\n"
        "    Live, peak: rank 7 on n1 has 300.00 MiB, above the median of 101.00 MiB "
        "by "
        "199.00 MiB\n"
        "    Live, peak: rank 11 on n1 has 2.00 MiB, below the median of 101.00 MiB by "
        "99.00 MiB\n"
        "    Processor time, s: rank 15 on n1 has 1.500 s, above the median of 0.000 s "
        "by "
        "1.500 s\n\n");
    rows[16].live_bytes_peak = 500 * NT_MIB;
    print(&job);
    has("    Live, peak: rank 16 on n1 has 500.00 MiB");
    has("    Live, peak: and 1 more\n");
    has_not("rank 11 on");
    /* Spread widely, none is far off. */
    for (uint64_t i = 0; i < 20; i++)
        rows[i].live_bytes_peak = (100 + 30 * i) * NT_MIB;
    print(&job);
    has_not("    Live, peak: ");
    /* Of three nobody knows what is usual. */
    job = begin(3);
    for (int64_t i = 0; i < 3; i++)
        add(&job, i, "n1", i == 2 ? 900 : 1);
    print(&job);
    has_not("Far from the others");
}

/* Where the line is between far and near; of an even number of ranks, too. */
static void test_bounds(void **state)
{
    static const uint64_t spread[] = {16, 17, 18, 19, 20, 25, 26, 27};
    struct nt_job job;

    (void)state;
    for (uint64_t last = 40; last <= 41; last++) {
        job = begin(9); /* distances from 20: 0 to 7, of which 4 is in the middle */
        for (int64_t i = 0; i < 8; i++)
            add(&job, i, "n1", spread[i]);
        add(&job, 8, "n1", last);
        print(&job);
        (last == 41 ? has
                    : has_not)("    Live, peak: rank 8 on n1 has 41.00 MiB, above "
                               "the median of 20.00 MiB by 21.00 MiB\n");
        has_not("    Live, peak: rank 8 on n1 has 40");
    }
    for (uint64_t last = 125; last <= 126; last++) {
        job = begin(6); /* a quarter */
        for (int64_t i = 0; i < 6; i++)
            add(&job, i, "n1", i == 2 ? last : 100);
        print(&job);
        (last == 126 ? has : has_not)("    Live, peak: rank 2 on n1 has ");
    }
    job = begin(6);
    for (int64_t i = 0; i < 6; i++)
        add(&job, i, "n1", 100);
    rows[1].far_frees_total = 999;
    rows[2].frees_total = 1000;
    rows[3].live_bytes_now = NT_MIB - 1;
    rows[4].committed_bytes_now = NT_MIB;
    rows[0].cpu_ns_total = 99999999;
    print(&job);
    has("\nFar from the others:\n    Frees: rank 2 on n1 has 1000, above the median of "
        "0 "
        "by 1000\n    Committed: rank 4 on n1 has 1.00 MiB, above the median of 0.00 "
        "MiB "
        "by 1.00 MiB\n\n");
}

static void test_without_ranks(void **state)
{
    struct nt_job job = begin(2);

    (void)state;
    add(&job, 0, "n1", 100);
    add(&job, 1, "n1", 200);
    add(&job, -1, "n0", 5000);
    strcpy(rows[2].program, "mpirun");
    rows[2].end = NT_JOB_RUNNING;
    print(&job);
    has("a job of 2 ranks on 1 host: lmp\n");
    has("\n1 process without a rank, as mpirun (pid 1003) on n0, in the sums");
    has("\nLive, peak                  300.00        150.00 ");
    has_not("did not end well");
    /* All of them: they are what is compared. */
    job = begin(0);
    add(&job, -1, "n1", 100);
    add(&job, -1, "n2", 300);
    strcpy(rows[1].program, "sh");
    print(&job);
    has("a job of 2 processes on 2 hosts: lmp and others\n");
    has("\nLive, peak                  400.00        200.00        200.00        "
        "100.00    "
        "      1001        300.00          1002\n");
    has_not("No figures of");
    job = begin(3);
    print(&job);
    has("a job of 0 processes on 0 hosts: nobody\n");
}

static void test_picture(void **state)
{
    struct nt_job job = begin(0);

    (void)state;
    sum.nodes = 2;
    sum.node_id[1] = 4;
    for (int64_t i = 0; i < 10; i++)
        add(&job, i, "n1", 10 * (uint64_t)i);
    rows[3].node[0].node = 4;
    rows[4].nodes = 2;
    rows[4].node[1] = (struct nt_job_node){NT_JOB_NODE_REST, 0, 1};
    print(&job);
    has("\nLive, peak: ranks go across, in order; '@' is 90.00 MiB, ' ' is none\n"
        "Node 0               | .: =+*#%@|\n"
        "Node 4               |   -      |\n"
        "Other nodes          |    .     |\n\n");
    job = begin(0);
    for (int64_t i = 0; i < 100; i++)
        add(&job, i, "n1", i == 50 ? 9 : 1);
    print(&job);
    has("in order, the most of 1 or 2 in a column; '@' is 9.00 MiB");
    has("|................................@...............................|\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_job), cmocka_unit_test(test_how_ranks_ended),
        cmocka_unit_test(test_missing),    cmocka_unit_test(test_outliers),
        cmocka_unit_test(test_bounds),     cmocka_unit_test(test_without_ranks),
        cmocka_unit_test(test_picture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
