/* SPDX-License-Identifier: MIT */
/* Growth and what is none, and who is named; large blocks that live shortly. */
#include "tests/tool/findings.h"

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

/* Those of one eighth of the run, but the last of all. */
static void drop_points(unsigned part)
{
    struct nt_history *h = &made.record.history;
    struct nt_history old = *h;

    nt__history_start(h, 2);
    for (unsigned i = 0; i < old.count; i++)
        if (nt__history_point(&old, i)[0] * 8 / (RUN + 1) != part || i + 1 == old.count)
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
    drop_points(7); /* it had come to its end by then */
    finds_nothing();
    history(even);
    made.record.history.count = 15; /* too few points */
    finds_nothing();
    made.record.history.count = 1;
    finds_nothing();
}

/* What a site had at the peak; and that these are still there, born at so much of the run. */
static void at_peak(unsigned site, double part)
{
    made.sites[site].at_peak_requested_bytes = (uint64_t)(part * PEAK);
}

static void still_there(unsigned site, double born)
{
    struct nt_profile *p = &made.record.profile;

    for (uint64_t i = 0; i < made.sites[site].at_peak_requested_bytes >> 20; i++)
        made.samples[p->nsamples++] = (struct nt_sample_figures){
            .requested_bytes = NT_MIB, .site = site, .born_ns = (uint64_t)(born * RUN)};
}

static void test_growth_where(void **state)
{
    (void)state;
    make_profile();
    history(even); /* by three quarters of the peak */
    at_peak(0, 0.01);
    at_peak(3, 0.5);
    finds("growth", 0.75 * PEAK);
    is_at(3);
    assert_non_null(strstr(made.found.list[0].sentence, "by 0x4000: 512 MiB"));
    at_peak(0, 0.8); /* it may be the one or the other */
    at_peak(3, 0.8);
    finds("growth", 0.75 * PEAK);
    assert_int_equal(made.found.list[0].nwhere, 0);
    still_there(0, 0.12); /* and this was there from the start on */
    finds("growth", 0.75 * PEAK);
    is_at(3);
    made.record.profile.nsamples = 0;
    still_there(0, 0.13);
    finds("growth", 0.75 * PEAK);
    assert_int_equal(made.found.list[0].nwhere, 0);
    made.record.profile.nsamples = 0;
    at_peak(0, 0.01); /* too little to be what grew */
    at_peak(3, 0.3);
    finds("growth", 0.75 * PEAK);
    assert_int_equal(made.found.list[0].nwhere, 0);
    at_peak(0, 0);
    at_peak(3, 0);
    finds("growth", 0.75 * PEAK);
    assert_int_equal(made.found.list[0].nwhere, 0);
}

/* Of two sites of a place: the one that must have grown, or only the place. */
static void test_growth_site(void **state)
{
    (void)state;
    make_profile();
    history(even);
    for (unsigned i = 2; i < 4; i++) {
        made.sites[i].depth = 2;
        made.sites[i].stack[0] = 0x3000;
        made.sites[i].stack[1] = 0x50000 + i;
    }
    at_peak(2, 0.2);
    at_peak(3, 0.7);
    finds("growth", 0.75 * PEAK);
    assert_int_equal(made.found.list[0].nwhere, 2);
    assert_string_equal(made.found.list[0].where[1], "0x50003");
    at_peak(2, 0.8);
    finds("growth", 0.75 * PEAK);
    assert_int_equal(made.found.list[0].nwhere, 2);
    assert_string_equal(made.found.list[0].where[1], "0x50002");
    at_peak(3, 0.76);
    finds("growth", 0.75 * PEAK);
    is_at(2);
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
        TEST(test_growth),
        TEST(test_growth_where),
        TEST(test_growth_site),
        TEST(test_short_lived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
