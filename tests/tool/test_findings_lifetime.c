/* SPDX-License-Identifier: MIT */
/* Leaks and what is none, growth and what is none, large blocks that live shortly. */
#include "tests/tool/findings.h"

/* `n` sampled blocks of site 1 in use, born evenly from `from` to `to` (of the run). */
static void in_use(unsigned n, double from, double to)
{
    struct nt_profile *p = &made.record.profile;
    struct nt_site_figures *s = &made.sites[1];

    for (unsigned i = 0; i < n; i++)
        made.samples[p->nsamples++] = (struct nt_sample_figures){
            .requested_bytes = 100,
            .block_bytes = 112,
            .site = 1,
            .born_ns = (uint64_t)((from + (to - from) * i / n) * RUN)};
    s->samples_total += n;
    s->live_samples_now += n;
    s->live_requested_bytes_now = PEAK / 2;
    s->live_requested_bytes_now_error = PEAK / 50;
    s->live_blocks_now = PEAK / 200;
}

/* `n` sampled blocks of site 1 that were freed after 4^(step - 1) microseconds or more. */
static void freed(uint64_t n, unsigned step)
{
    made.sites[1].samples_total += n;
    made.sites[1].sampled_frees_total += n;
    made.sites[1].lifetimes[step] += n;
}

static void test_leak(void **state)
{
    (void)state;
    make_profile();
    in_use(400, 0, 1);
    finds("leak", PEAK / 2);
    is_at(1);
    assert_true(made.found.list[0].error == PEAK / 50);
    assert_non_null(strstr(made.found.list[0].sentence, "never freed"));
    assert_non_null(strstr(made.found.list[0].sentence, "51.2 MiB a second"));
    made.record.snapshot.final = 0;
    finds("leak", PEAK / 2);
    assert_non_null(strstr(made.found.list[0].sentence, "so far not freed"));
    freed(100000, 5); /* others of the place are freed soon */
    finds("leak", PEAK / 2);
    made.record.snapshot.now_unix_ns = made.record.snapshot.start_unix_ns + SECOND - 1;
    finds_nothing(); /* in a second of a run */
    made.record.snapshot.now_unix_ns = made.record.snapshot.start_unix_ns + RUN;
    made.sites[1].live_requested_bytes_now = PEAK / 120; /* too little */
    finds_nothing();
}

static void test_no_leak(void **state)
{
    (void)state;
    make_profile();
    in_use(400, 0, 0.25); /* what was set up at the start */
    finds_nothing();
    made.record.profile.nsamples = 0;
    in_use(400, 0.5, 1); /* what is worked on lately */
    finds_nothing();
    made.record.profile.nsamples = 0;
    in_use(400, 0.1, 0.7); /* nothing of late */
    finds_nothing();
    made.record.profile.nsamples = 0;
    in_use(19, 0, 1); /* too few to say */
    finds_nothing();
    made.record.profile.nsamples = 0;
    in_use(400, 0, 1);
    freed(100, 12); /* 16.8 s: these might have lived as long as those */
    finds_nothing();
}

/* A forked child goes on with its parent's clock and blocks. */
static void test_child(void **state)
{
    (void)state;
    make_profile();
    made.record.snapshot.inherited = 1;
    in_use(400, 0, 3);
    in_use(10, 2.99, 3); /* its run: from 2 to 3, with 143 of the 410 */
    finds("leak", PEAK / 2 * 143.0 / 410);
    made.record.profile.nsamples = 0;
    in_use(400, 0, 2);
    in_use(1, 3, 3);
    finds_nothing();
}

/* Live bytes at 80 points: by a function of how much of the run is over. */
static void history(double (*level)(double at))
{
    struct nt_history *h = &made.record.history;

    nt__history_start(h, 2);
    for (unsigned i = 0; i <= 80; i++) {
        uint64_t live = (uint64_t)(level(i / 80.0) * PEAK);
        uint64_t point[] = {i * SECOND / 8, live / 2, live - live / 2, live, 0};

        nt__history_add(h, point);
    }
}

/* Those of one eighth of the run. */
static void drop_points(unsigned part)
{
    struct nt_history *h = &made.record.history;
    struct nt_history old = *h;

    nt__history_start(h, 2);
    for (unsigned i = 0; i < old.count; i++)
        if (nt__history_point(&old, i)[0] * 8 / (RUN + 1) != part)
            nt__history_add(h, nt__history_point(&old, i));
}

static double even(double at)
{
    return at;
}

/* To the very end, which frees everything. */
static double freed_at_the_end(double at)
{
    return at < 0.999 ? at : 0;
}

static double saw(double at)
{
    return at * 0.8 + 0.2 * (at * 40 - (int)(at * 40));
}

static double levelling_off(double at)
{
    return 1 - 1 / (1 + 20 * at);
}

static double up_and_down(double at)
{
    return at < 0.5 ? 2 * at : 2 - 2 * at;
}

static double steps(double at)
{
    return (int)(at * 4) / 4.0;
}

static double little(double at)
{
    return 0.7 + 0.2 * at;
}

static void test_growth(void **state)
{
    (void)state;
    history(even);
    finds("growth", 0.75 * PEAK);
    assert_int_equal(made.found.list[0].nwhere, 0);
    history(freed_at_the_end);
    finds("growth", 0.75 * PEAK);
    history(saw);
    assert_int_equal(find(), 1);
    history(levelling_off);
    finds_nothing();
    history(up_and_down);
    finds_nothing();
    history(steps);
    finds_nothing();
    history(little);
    finds_nothing();
    history(even);
    drop_points(2); /* nothing ran for an eighth of the run, or for two */
    finds("growth", 0.75 * PEAK);
    drop_points(5);
    finds_nothing();
    history(even);
    made.record.history.count = 15; /* too few points */
    finds_nothing();
    made.record.history.count = 1;
    finds_nothing();
}

static void test_growth_where(void **state)
{
    (void)state;
    make_profile();
    history(even);
    made.sites[0].at_peak_requested_bytes = 10;
    made.sites[3].at_peak_requested_bytes = PEAK / 2;
    finds("growth", 0.75 * PEAK);
    is_at(3);
    /* A leak is why. */
    in_use(400, 0, 1);
    finds("leak", PEAK / 2);
}

/* Blocks of 4 MiB from site 2 that lived for `ns`. */
static void large(uint64_t n, uint64_t ns)
{
    struct nt_site_figures *s = &made.sites[2];

    s->samples_total = s->allocations_total = s->sampled_frees_total = n;
    s->requested_bytes_total = n * 4 * NT_MIB;
    s->lifetime_ns_total = n * ns;
    made.record.snapshot.class_[3].requested_bytes_total = s->requested_bytes_total;
}

static void test_short_lived(void **state)
{
    struct nt_snapshot *s = &made.record.snapshot;

    (void)state;
    make_profile();
    large(1000000, 1000);
    finds("short-lived-large", 150e6);
    is_at(2);
    large(1000000, RUN / 40); /* a good part of the run */
    finds_nothing();
    large(1000, 1000); /* few */
    finds_nothing();
    s->total.returned_bytes_total = 1000 * (uint64_t)NT_MIB; /* but mapped anew */
    finds("short-lived-large", 1000 * NT_PRICE_LARGE + 1000.0 * NT_MIB / 4);
    assert_non_null(strstr(made.found.list[0].advice, "`return'"));
    large(19, 1000);
    finds_nothing();
    large(1000000, 1000);
    made.sites[2].requested_bytes_total =
        1000000 * UINT64_C(500000); /* a class has these */
    finds_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_leak),   TEST(test_no_leak),      TEST(test_child),
        TEST(test_growth), TEST(test_growth_where), TEST(test_short_lived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
