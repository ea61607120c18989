/* SPDX-License-Identifier: MIT */
/* Threads and nodes that hold more than others, and pages elsewhere than asked. */
#include "tests/tool/findings.h"

static void thread(unsigned i, int64_t tid, int64_t node, uint64_t mib)
{
    made.threads[i] = (struct nt_thread_figures){.tid = tid,
                                                 .node = node,
                                                 .allocated_bytes_total = mib * NT_MIB,
                                                 .live_bytes_peak = mib * NT_MIB};
    made.record.nthreads = i + 1;
}

/* The row of the gone, the main thread, and three others. */
static void crew(uint64_t first, uint64_t second, uint64_t third)
{
    thread(0, 0, 0, 5000);
    thread(1, 100, 0, 900);
    thread(2, 101, 0, first);
    thread(3, 102, 4, second);
    thread(4, 103, 4, third);
}

static void test_threads(void **state)
{
    (void)state;
    crew(100, 100, 400);
    finds("imbalance", (400 - 100) * NT_MIB * 2.0 / 3);
    assert_non_null(strstr(made.found.list[0].sentence, "4.0 times"));
    crew(20, 20, 800);
    finds("imbalance", (800 - 20) * NT_MIB * 2.0 / 3);
    assert_non_null(strstr(made.found.list[0].sentence, "40.0 times"));
    crew(1, 1, 400); /* hardly anything to compare with */
    made.threads[2].allocated_bytes_total = made.threads[3].allocated_bytes_total =
        100 * (uint64_t)NT_MIB;
    finds("imbalance", (400 - 1) * NT_MIB * 2.0 / 3);
    assert_non_null(strstr(made.found.list[0].sentence, "the others next to nothing."));
    assert_null(strstr(made.found.list[0].sentence, "times"));
    crew(100, 100, 199); /* less than twice */
    finds_nothing();
    crew(2, 2, 10); /* little */
    finds_nothing();
    crew(3, 100, 400); /* one of them hardly allocates: that leaves two */
    finds_nothing();
    crew(0, 0, 400);
    finds_nothing();
    crew(100, 100, 400); /* but others free what it allocates */
    made.record.snapshot.total.frees_total = 1000;
    made.record.snapshot.total.remote_frees_total = 51;
    finds_nothing();
    made.record.snapshot.total.remote_frees_total = 49;
    assert_int_equal(find(), 1);
}

/* Where all take memory of one node, it costs nothing: said, and last. */
static void test_one_node(void **state)
{
    (void)state;
    crew(100, 100, 400);
    assert_int_equal(find(), 1);
    assert_null(strstr(made.found.list[0].sentence, "costs nothing"));
    made.threads[2].node = 4;
    assert_int_equal(find(), 1);
    assert_string_equal(made.found.list[0].kind, "imbalance");
    assert_true(made.found.list[0].cost == 0 && made.found.list[0].share == 0);
    assert_non_null(strstr(made.found.list[0].sentence, "costs nothing"));
    made.record.snapshot.total.remote_frees_total = 20000000; /* 200 ms of 10 s */
    made.record.snapshot.total.frees_total = 2000000000;
    assert_int_equal(find(), 2);
    assert_string_equal(made.found.list[1].kind, "imbalance");
    made.record.snapshot.total.remote_frees_total = 0;
    thread(5, 104, 0, 3); /* hardly allocates: where it does says nothing */
    find();
    assert_true(made.found.list[0].cost == 0);
    crew(100, 100, 199);
    made.threads[2].node = 4;
    finds_nothing();
}

static void test_thread_where(void **state)
{
    (void)state;
    crew(100, 100, 400);
    make_profile();
    made.record.profile.nsamples = 2;
    made.samples[0] =
        (struct nt_sample_figures){.requested_bytes = 100000, .site = 1, .tid = 101};
    made.samples[1] =
        (struct nt_sample_figures){.requested_bytes = 100, .site = 2, .tid = 103};
    finds("imbalance", (400 - 100) * NT_MIB * 2.0 / 3);
    is_at(2);
    strcpy(made.threads[4].name, "a\nb");
    finds("imbalance", (400 - 100) * NT_MIB * 2.0 / 3);
    assert_non_null(strstr(made.found.list[0].sentence, "\"a?b\""));
}

static void test_nodes(void **state)
{
    struct nt_snapshot *s = &made.record.snapshot;

    (void)state;
    crew(100, 100, 100);
    s->node[0].lying_bytes_now = 700 * (uint64_t)NT_MIB;
    s->node[1].lying_bytes_now = 100 * (uint64_t)NT_MIB;
    finds_nothing(); /* only two threads are on the other node */
    thread(5, 104, 4, 100);
    finds("imbalance", 300.0 * NT_MIB);
    assert_non_null(strstr(made.found.list[0].sentence, "700 MiB are on node 0"));
    made.threads[3].node = made.threads[4].node = made.threads[5].node =
        0; /* nobody is on the other */
    finds_nothing();
    crew(100, 100, 100);
    thread(5, 104, 4, 100);
    s->node[1].lying_bytes_now = 400 * (uint64_t)NT_MIB;
    finds_nothing();
}

static void test_elsewhere(void **state)
{
    struct nt_snapshot *s = &made.record.snapshot;
    static const char *const reasons[] = {"is full", "refused", "moved"};

    (void)state;
    s->residency_pages_now = PEAK / 4096;
    s->total.reserved_bytes_now = PEAK;
    for (int i = 0; i < 3; i++) {
        uint64_t *figure = &s->node[1].elsewhere_full_bytes_now + i;

        *figure = PEAK / 50;
        finds("elsewhere", PEAK / 50);
        assert_true(made.found.list[0].error == 0);
        assert_non_null(strstr(made.found.list[0].sentence, reasons[i]));
        assert_non_null(strstr(made.found.list[0].sentence, "node 4"));
        *figure = PEAK / 101;
        finds_nothing();
        *figure = PEAK / 50;
        s->residency_pages_now = 16384; /* of a sample: it may be less */
        finds_nothing();
        *figure = PEAK / 40;
        finds("elsewhere", PEAK / 40);
        assert_true(made.found.list[0].error > 0);
        *figure = 0;
        s->residency_pages_now = PEAK / 4096;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_threads), TEST(test_one_node),  TEST(test_thread_where),
        TEST(test_nodes),   TEST(test_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
