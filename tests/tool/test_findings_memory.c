/* SPDX-License-Identifier: MIT */
/* Waste inside blocks and between them: on both sides of each threshold. */
#include "tests/tool/findings.h"

/* The class of blocks of 32 bytes: all the process had, so much of each asked for. */
static struct nt_class_figures *waste(uint64_t asked)
{
    struct nt_class_figures *c = &made.record.snapshot.class_[0];

    c->allocations_total = PEAK / 32;
    c->allocated_bytes_total = PEAK;
    c->live_bytes_peak = PEAK;
    c->requested_bytes_total = PEAK / 32 * asked;
    made.record.snapshot.cpu_ns_total = 100 * RUN; /* allocating took little of it */
    return c;
}

static void test_waste(void **state)
{
    struct nt_class_figures *c = waste(17);

    (void)state;
    finds("internal-waste", 15.0 / 32 * PEAK);
    assert_non_null(strstr(made.found.list[0].sentence, "At least"));
    assert_non_null(strstr(made.found.list[0].advice, "multiples of 16"));
    assert_int_equal(made.found.list[0].nwhere, 0);
    c->live_bytes_peak = PEAK * 17 / 32; /* those may have been whole */
    finds_nothing();
    c->live_bytes_peak = PEAK;
    made.record.snapshot.total.realloc_requested_bytes_total = PEAK / 4;
    finds_nothing(); /* of what is left a quarter is not wasted */
    made.record.snapshot.total.realloc_requested_bytes_total = 0;
    c = waste(17);
    made.record.snapshot.total.live_bytes_peak = 48 * PEAK; /* 0.98 % of all */
    finds_nothing();
    made.record.snapshot.total.live_bytes_peak = PEAK;
    waste(25); /* a quarter is not wasted */
    finds_nothing();
    waste(40); /* what cannot be */
    finds_nothing();
    c = waste(17);
    c->block_bytes = 0; /* of large blocks it is less than a page each */
    finds_nothing();
}

static void test_advice(void **state)
{
    struct nt_class_figures *c = waste(17);

    (void)state;
    c->block_bytes = 48; /* a class of 32 would fit */
    finds("internal-waste", 15.0 / 32 * PEAK);
    assert_non_null(strstr(made.found.list[0].advice, "put 32 into"));
}

/* `n` sampled blocks of 32 bytes in use, which were asked for so. */
static void in_use(unsigned n, unsigned site, uint64_t bytes)
{
    struct nt_profile *p = &made.record.profile;

    for (unsigned i = 0; i < n; i++)
        made.samples[p->nsamples++] = (struct nt_sample_figures){
            .requested_bytes = bytes, .block_bytes = 32, .site = site};
}

/* What is in use may be others than those that passed: by its samples. */
static void test_waste_in_use(void **state)
{
    struct nt_class_figures *c = waste(20);

    (void)state;
    c->live_bytes_now = PEAK / 2;
    c->allocations_total *= 4;
    c->requested_bytes_total *= 4;
    c->allocated_bytes_total *= 4;
    make_profile();
    finds_nothing();
    in_use(400, 2, 32);
    finds_nothing();
    in_use(10, 1, 17);
    finds_nothing();
    made.record.profile.nsamples = 0;
    in_use(400, 3, 17);
    finds("internal-waste", 15.0 / 32 * PEAK / 2);
    is_at(3);
    assert_true(made.found.list[0].error < 1);
    in_use(400, 2,
           32); /* has more of the bytes, but wastes none: about a third is wasted */
    assert_int_equal(find(), 1);
    assert_true(made.found.list[0].cost > 0.29 * PEAK / 2 &&
                made.found.list[0].cost < 0.34 * PEAK / 2);
    assert_true(made.found.list[0].error > 0.005 * PEAK / 2);
    is_at(3);
    made.record.profile.nsamples = 0;
    in_use(19, 3, 17);       /* too few */
    in_use(19, 1000000, 17); /* of no site */
    finds_nothing();
    in_use(1, 3, 17);
    finds("internal-waste", 15.0 / 32 * PEAK / 2);
    c->live_bytes_now = PEAK / 2 - 32; /* of the peak this says little */
    finds_nothing();
}

/* A class of 256 slabs of 1 MiB with so many blocks in use. */
static struct nt_class_figures *fragment(uint64_t blocks)
{
    struct nt_class_figures *c = &made.record.snapshot.class_[1];

    c->allocations_total = 1000000;
    c->slabs_now = 256;
    c->slab_bytes_now = c->live_bytes_peak = 256 * (uint64_t)NT_MIB;
    c->requested_bytes_total = c->allocated_bytes_total = c->live_bytes_peak;
    c->live_blocks_now = blocks;
    c->live_bytes_now = blocks * 1024;
    return c;
}

static void test_fragmentation(void **state)
{
    struct nt_class_figures *c;

    (void)state;
    /* A slab for the thread, and one for what is sampled, are no fragmentation. */
    fragment(1000);
    finds("fragmentation", (256.0 * NT_MIB - 1000 * 1024) * 254 / 256);
    fragment(200000); /* more than half is in use */
    finds_nothing();
    fragment(100); /* 100 blocks hold 100 slabs at most */
    finds("fragmentation", (256.0 * NT_MIB - 100 * 1024) * 98 / 256);
    fragment(2); /* the rest is empty, and waits to be given back */
    finds_nothing();
    fragment(30); /* below what a thread keeps */
    finds_nothing();
    c = fragment(1000);
    c->live_bytes_peak = 100 * (uint64_t)NT_MIB; /* so many holes at most */
    finds("fragmentation", 100.0 * NT_MIB - 1000 * 1024);
    c->live_bytes_peak = 30 * (uint64_t)NT_MIB;
    finds_nothing();
    c->live_bytes_peak = 0; /* what cannot be */
    finds_nothing();
    c = fragment(1000);
    made.record.snapshot.threads_now = 300;
    finds_nothing();
    made.record.snapshot.threads_now = 1;
    c->block_bytes = 0; /* large blocks go back one by one */
    finds_nothing();
}

/* Points of the history: so much committed, a tenth of it in use, while `held`. */
static void history(uint64_t committed, unsigned from, unsigned to)
{
    struct nt_history *h = &made.record.history;

    nt__history_start(h, 2);
    for (unsigned i = 0; i < 80; i++) {
        uint64_t now = i >= from && i < to ? committed : 10 * (uint64_t)NT_MIB;
        uint64_t point[] = {i * SECOND / 8, now / 10, 0, now / 2, now - now / 2};

        nt__history_add(h, point);
    }
}

static void test_while_it_ran(void **state)
{
    /* Two classes were used, by one thread: 512 blocks of 32 bytes are less than 64 KiB. */
    double kept = NT_FRAGMENT_EMPTY + NT_FRAGMENT_SLAB_LEAST + 512.0 * 1024;

    (void)state;
    made.record.snapshot.class_[0].allocations_total = 1;
    made.record.snapshot.class_[1].allocations_total = 2;
    history(PEAK, 30, 50); /* two eighths and a bit */
    finds("fragmentation", 0.9 * PEAK - kept);
    assert_int_equal(made.found.list[0].nwhere, 0);
    history(PEAK, 31, 39); /* no eighth from one end to the other */
    finds_nothing();
    history(40 * NT_MIB, 0, 80);
    finds_nothing();
    made.record.snapshot.threads_total = 10;
    history(PEAK, 30, 50);
    kept = 10 * NT_FRAGMENT_EMPTY + NT_FRAGMENT_SLAB_LEAST + 2 * 512.0 * 1024;
    finds("fragmentation", 0.9 * PEAK - kept);
    made.record.snapshot.threads_total = 100; /* each kept some */
    history(PEAK, 30, 50);
    finds_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_waste),         TEST(test_advice),       TEST(test_waste_in_use),
        TEST(test_fragmentation), TEST(test_while_it_ran),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
