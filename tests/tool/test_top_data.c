/* SPDX-License-Identifier: MIT */
/*
 * What numatally top makes of the snapshots in a live file, which this process writes as a
 * program's library does: rates, rows and their order, and files that are gone or no longer
 * what they were.
 */
#include "src/tool/top.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND 1000000000ull

static struct nt_live live; /* what is written */
static struct nt_top top;
static char folder[] = "/tmp/numatally-test-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* A process of two nodes that began a hundred seconds ago. */
static int begin(void **state)
{
    struct nt_snapshot *s = &live.snapshot;

    (void)state;
    memset(&live, 0, sizeof live);
    s->size = sizeof *s;
    s->version = NT_SNAPSHOT_VERSION;
    s->pid = getpid();
    s->rank = -1;
    s->start_unix_ns = ((uint64_t)time(NULL) - 100) * SECOND;
    s->now_unix_ns = s->start_unix_ns + 100 * SECOND;
    s->nodes = 2;
    s->node_id[1] = 5;
    s->classes = 3;
    for (size_t i = 0; i < 3; i++) {
        s->class_[i].block_bytes = i < 2 ? (uint64_t)16 << i : 0;
        s->class_[i].allocations_total = 1;
    }
    assert_true(nt__live_open(folder));
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (top.live != NULL)
        nt__top_end(&top);
    memset(&top, 0, sizeof top);
    unlink(nt__live_path());
    nt__live_fork_child(); /* the file is forgotten */
    return 0;
}

static void watch(void)
{
    nt__live_write(&live);
    assert_int_equal(nt__watched_open(&top.watched, getpid(), NULL), 0);
    nt__top_begin(&top);
    assert_int_equal(top.error, 0);
}

static void look_after(uint64_t seconds)
{
    live.snapshot.now_unix_ns += seconds * SECOND;
    nt__live_write(&live);
    nt__top_look(&top);
    assert_int_equal(top.error, 0);
}

static const struct nt_top_row *row(enum nt_table table, const char *name,
                                    int64_t number)
{
    for (size_t i = 0; i < top.nrows; i++)
        if (top.rows[i].table == table &&
            (name != NULL ? strcmp(top.rows[i].name, name) == 0
                          : top.rows[i].number == number))
            return &top.rows[i];
    fail_msg("no row %s of %s", name != NULL ? name : "with that number",
             nt__table_name(table));
    return NULL;
}

static double rate(const struct nt_top_row *r, const char *figure)
{
    return r->rates[nt__top_column(r->table, figure)];
}

/* ---- rates ---------------------------------------------------------------------------- */

static void test_first_rates_are_since_the_start(void **state)
{
    (void)state;
    live.snapshot.total.allocations_total = 5000;
    watch();
    assert_true(top.some && top.newer && top.since_start);
    assert_true(top.seconds == 100);
    assert_true(rate(row(NT_TABLE_TOTAL, NULL, 0), "allocations_total") == 50);
}

static void test_rates_are_of_what_was_added(void **state)
{
    const struct nt_top_row *r;

    (void)state;
    live.snapshot.node[1].allocations_total = 1000;
    live.snapshot.node[1].live_bytes_now = 77;
    live.snapshot.class_[0].allocations_total = 0;
    live.snapshot.class_[1].frees_total = 500;
    live.snapshot.free_matrix[0][1] = 40;
    watch();
    live.snapshot.node[1].allocations_total += 30;
    live.snapshot.node[1].allocated_bytes_total += 3000;
    live.snapshot.node[1].live_bytes_now = 33;
    live.snapshot.class_[1].frees_total += 5;
    live.snapshot.class_[0].allocations_total = 8; /* had none, and so no row */
    live.snapshot.free_matrix[0][1] += 7;
    look_after(2);
    assert_true(top.newer && !top.since_start && top.seconds == 2);
    r = row(NT_TABLE_NODE, NULL, 5);
    assert_true(r->rated);
    assert_true(rate(r, "allocations_total") == 15);
    assert_true(rate(r, "allocated_bytes_total") == 1500);
    assert_true(rate(r, "live_bytes_now") == 0); /* is no total */
    assert_int_equal(r->values[nt__top_column(NT_TABLE_NODE, "live_bytes_now")], 33);
    assert_true(rate(row(NT_TABLE_CLASS, NULL, 32), "frees_total") == 2.5);
    assert_true(rate(row(NT_TABLE_CLASS, NULL, 16), "allocations_total") == 4);
    assert_int_equal(nt__top_freed(&top, 0, 1), 47);
    assert_true(nt__top_freed_rate(&top, 0, 1) == 3.5);
    assert_true(nt__top_freed_rate(&top, 1, 0) == 0);
}

static void test_without_a_newer_snapshot(void **state)
{
    (void)state;
    watch();
    live.snapshot.node[0].frees_total = 9;
    look_after(3);
    nt__top_look(&top);
    assert_false(top.newer);
    /* This process has used more processor time than the snapshot's 0: it is not idle. */
    for (volatile long i = 0; i < 100000000; i++)
        continue;
    nt__top_look(&top);
    assert_false(top.still);
    assert_true(rate(row(NT_TABLE_NODE, NULL, 0), "frees_total") == 3);
    live.snapshot.cpu_ns_total = 1000000 * SECOND; /* none since then */
    look_after(1);
    assert_true(top.newer);
    nt__top_look(&top);
    assert_true(top.still && !top.newer);
    assert_true(rate(row(NT_TABLE_NODE, NULL, 0), "frees_total") == 0);
}

/* After exec, or in a forked child that has its parent's number. */
static void test_another_process_begins_anew(void **state)
{
    (void)state;
    live.snapshot.total.frees_total = 1000000;
    watch();
    live.snapshot.start_unix_ns += 101 * SECOND;
    live.snapshot.total.frees_total = 90;
    look_after(4);
    assert_true(top.since_start && top.seconds == 3);
    assert_true(rate(row(NT_TABLE_TOTAL, NULL, 0), "frees_total") == 30);
}

static void add_pool(const char *name, uint64_t allocations)
{
    struct nt_pool_figures *p = &live.pools[live.npools++];

    memset(p, 0, sizeof *p);
    strcpy(p->name, name);
    p->allocations_total = allocations;
}

static void test_pools_are_the_same_by_their_names(void **state)
{
    (void)state;
    add_pool("process", 10);
    add_pool("gone", 1000);
    add_pool("mesh", 100);
    watch();
    live.npools = 0;
    add_pool("process", 20);
    add_pool("mesh", 130); /* in the other's place */
    add_pool("new", 5);
    look_after(1);
    assert_true(rate(row(NT_TABLE_POOL, "process", 0), "allocations_total") == 10);
    assert_true(rate(row(NT_TABLE_POOL, "mesh", 0), "allocations_total") == 30);
    assert_false(row(NT_TABLE_POOL, "new", 0)->rated);
    live.npools = 0;
    add_pool("process", 20);
    add_pool("mesh", 1); /* destroyed, and made again */
    look_after(1);
    assert_true(row(NT_TABLE_POOL, "process", 0)->rated);
    assert_false(row(NT_TABLE_POOL, "mesh", 0)->rated);
}

static void test_threads(void **state)
{
    (void)state;
    live.nthreads = 3;
    for (size_t i = 0; i < 3; i++) {
        live.threads[i].tid = (int64_t)i;
        strcpy(live.threads[i].name, i == 0 ? "exited" : "t");
        live.threads[i].frees_total = 100;
    }
    watch();
    live.threads[0].frees_total += live.threads[1].frees_total + 1;
    live.threads[1] = live.threads[2];
    live.threads[1].frees_total += 8;
    live.nthreads = 2;
    look_after(1);
    assert_true(rate(row(NT_TABLE_THREAD, NULL, 2), "frees_total") == 8);
    assert_false(row(NT_TABLE_THREAD, NULL, 0)->rated); /* it took over the other's */
}

/* ---- order ---------------------------------------------------------------------------- */

static void expect_order(struct nt_order order, const char *names)
{
    size_t n;
    const struct nt_top_row **rows = nt__top_rows(&top, NT_VIEW_POOLS, order, &n);
    char got[64] = "";

    for (size_t i = 0; i < n; i++)
        strcat(got, rows[i]->name);
    assert_string_equal(got, names);
    free(rows);
}

static void test_order(void **state)
{
    int c = nt__top_column(NT_TABLE_POOL, "allocations_total");

    (void)state;
    add_pool("b", 5);
    add_pool("c", 7);
    add_pool("a", 7);
    add_pool("d", 1);
    watch();
    expect_order((struct nt_order){-1, false, false}, "abcd");
    expect_order((struct nt_order){-1, false, true}, "dcba");
    expect_order((struct nt_order){c, false, false}, "acbd");
    expect_order((struct nt_order){c, false, true}, "dbac");
    live.pools[3].allocations_total += 4;
    live.pools[0].allocations_total += 3;
    add_pool("e", 100);
    look_after(1);
    expect_order((struct nt_order){c, true, false}, "dbace"); /* "e" has no rate */
    expect_order((struct nt_order){c, false, false}, "ebacd");
}

/* ---- files ---------------------------------------------------------------------------- */

static void test_last_figures_stay(void **state)
{
    (void)state;
    watch();
    assert_int_equal(unlink(nt__live_path()), 0); /* the open file is read on */
    live.snapshot.total.frees_total = 43;
    look_after(1);
    assert_int_equal(live.snapshot.total.frees_total,
                     top.live->snapshot.total.frees_total);
}

static void expect_kept(int error)
{
    nt__top_look(&top);
    assert_int_equal(top.error, error);
    assert_false(top.newer);
    assert_true(top.some);
    assert_int_equal(top.live->snapshot.total.frees_total, 42);
    assert_int_equal(row(NT_TABLE_TOTAL, NULL, 0)
                         ->values[nt__top_column(NT_TABLE_TOTAL, "frees_total")],
                     42);
}

static void test_torn_files(void **state)
{
    char bad[8] = "rubbish";
    int fd;

    (void)state;
    live.snapshot.total.frees_total = 42;
    watch();
    fd = open(nt__live_path(), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bad, sizeof bad, 0), sizeof bad);
    expect_kept(-EBADMSG);
    assert_int_equal(ftruncate(fd, 100000), 0);
    expect_kept(-EBADMSG);
    assert_int_equal(ftruncate(fd, 0), 0);
    expect_kept(-EBADMSG);
    close(fd);
}

static void test_finding_and_refusing(void **state)
{
    char path[NT_LIVE_PATH_MAX], other[NT_LIVE_PATH_MAX];
    struct nt_watched w;
    pid_t child;

    (void)state;
    nt__live_write(&live);
    strcpy(path, nt__live_path());
    assert_int_equal(nt__watched_open(&w, getpid(), NULL), 0);
    assert_string_equal(w.path, path);
    assert_int_equal(nt__watched_life(&w), NT_LIFE_RUNS);
    nt__watched_close(&w);
    assert_int_equal(nt__watched_open(&w, getpid(), folder), 0);
    assert_int_equal(nt__watched_life(&w), NT_LIFE_RUNS);
    nt__watched_close(&w);
    assert_int_equal(nt__watched_open_file(&w, path), 0);
    nt__watched_close(&w);
    /* By the name another process's, which does not have it mapped. */
    child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    snprintf(other, sizeof other, "%s/numatally-%d.live", folder, (int)child);
    assert_int_equal(link(path, other), 0);
    assert_int_equal(nt__watched_open(&w, child, folder), 1); /* of another start */
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(nt__watched_open(&w, child, folder), 0);
    assert_int_equal(nt__watched_life(&w), NT_LIFE_ENDED);
    nt__watched_close(&w);
    unlink(other);
    /* Others could have written what is in it. */
    assert_int_equal(chmod(path, 0622), 0);
    assert_int_equal(nt__watched_open(&w, getpid(), NULL), 1);
    assert_int_equal(nt__watched_open_file(&w, path), 1);
    assert_int_equal(chmod(path, 0600), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_int_equal(nt__watched_open(&w, getpid(), NULL), 1);
        assert_int_equal(nt__watched_open(&w, getpid(), folder), 1);
        assert_int_equal(nt__watched_open_file(&w, path), 1);
    }
    assert_int_equal(nt__watched_open_file(&w, "/etc/hostname"), 1);
    assert_int_equal(nt__watched_open_file(&w, folder), 1);
    assert_int_equal(nt__watched_open_file(&w, "/nowhere/numatally-1.live"), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_rates_are_since_the_start, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_rates_are_of_what_was_added, begin, end),
        cmocka_unit_test_setup_teardown(test_without_a_newer_snapshot, begin, end),
        cmocka_unit_test_setup_teardown(test_another_process_begins_anew, begin, end),
        cmocka_unit_test_setup_teardown(test_pools_are_the_same_by_their_names, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_threads, begin, end),
        cmocka_unit_test_setup_teardown(test_order, begin, end),
        cmocka_unit_test_setup_teardown(test_last_figures_stay, begin, end),
        cmocka_unit_test_setup_teardown(test_torn_files, begin, end),
        cmocka_unit_test_setup_teardown(test_finding_and_refusing, begin, end),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
