/* SPDX-License-Identifier: MIT */
/* Leaks and what is none: by when what is in use was born, by whom, and how long others lived. */
#include "tests/tool/findings.h"

/* `n` sampled blocks of a site in use, born evenly from `from` to `to` (of the run). */
static void in_use_of(unsigned site, unsigned n, double from, double to)
{
    struct nt_profile *p = &made.record.profile;
    struct nt_site_figures *s = &made.sites[site];

    for (unsigned i = 0; i < n; i++)
        made.samples[p->nsamples++] = (struct nt_sample_figures){
            .requested_bytes = 100,
            .block_bytes = 112,
            .site = site,
            .born_ns = (uint64_t)((from + (to - from) * i / n) * RUN)};
    s->samples_total += n;
    s->live_samples_now += n;
    s->live_requested_bytes_now = PEAK / 2;
    s->live_requested_bytes_now_error = PEAK / 50;
    s->live_blocks_now = PEAK / 200;
}

static void in_use(unsigned n, double from, double to)
{
    in_use_of(1, n, from, to);
}

static void nothing_in_use(void)
{
    made.record.profile.nsamples = 0;
    for (unsigned i = 0; i < SITES; i++)
        made.sites[i].live_samples_now = 0;
}

/* `n` sampled blocks of a site that were freed after 4^(step - 1) microseconds or more. */
static void freed_of(unsigned site, uint64_t n, unsigned step)
{
    made.sites[site].samples_total += n;
    made.sites[site].sampled_frees_total += n;
    made.sites[site].lifetimes[step] += n;
}

static bool says(const char *text)
{
    return strstr(made.found.list[0].sentence, text) != NULL;
}

static void test_leak(void **state)
{
    (void)state;
    make_profile();
    in_use(400, 0, 1);
    finds("leak", PEAK / 2);
    is_at(1);
    assert_true(made.found.list[0].error == PEAK / 50);
    assert_true(says("all through the run by 0x2000 and never freed"));
    assert_true(says("from the last quarter of the run"));
    made.record.snapshot.final = 0;
    finds("leak", PEAK / 2);
    assert_true(says("so far not freed"));
    freed_of(1, 100000, 5); /* others of the place are freed soon */
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
    nothing_in_use();
    in_use(400, 0, 0.05); /* ... and a little that followed */
    in_use(40, 0.05, 1);
    finds_nothing();
    nothing_in_use();
    in_use(200, 0, 0.15); /* ... in two phases, with as long a pause to the end */
    in_use(200, 0.5, 0.65);
    finds_nothing();
    nothing_in_use();
    in_use(400, 0.8, 1); /* what is worked on lately */
    finds_nothing();
    nothing_in_use();
    in_use(400, 0.1, 0.8); /* nothing of late */
    finds_nothing();
    nothing_in_use();
    in_use(19, 0, 1); /* too few to say */
    finds_nothing();
    nothing_in_use();
    in_use(400, 0, 1);
    freed_of(1, 100, 12); /* 16.8 s: these might have lived as long as those */
    finds_nothing();
}

/* Its time is its own: from its first blocks on, and pauses are none of it. */
static void test_late(void **state)
{
    (void)state;
    make_profile();
    in_use(400, 0.55, 1);
    finds("leak", PEAK / 2);
    assert_true(says("from 5.72 s of the run on by 0x2000"));
    assert_true(says("from the last quarter of that time"));
    nothing_in_use();
    in_use(3, 0, 0.001); /* a few came before */
    in_use(400, 0.55, 1);
    finds("leak", PEAK / 2);
    nothing_in_use();
    made.record.snapshot.now_unix_ns = made.record.snapshot.start_unix_ns + RUN / 5;
    in_use(400, 0.11, 0.2); /* in 0.9 s */
    finds_nothing();
}

static void test_pauses(void **state)
{
    (void)state;
    make_profile();
    for (unsigned i = 0; i < 3; i++)
        in_use(100, i / 3.0, i / 3.0 + 0.1);
    finds("leak", PEAK / 2);
    assert_true(says("were allocated again and again by 0x2000"));
    /* The pause at the end is far longer than those before: it was over. */
    nothing_in_use();
    for (unsigned i = 0; i < 6; i++)
        in_use(100, i / 8.0, i / 8.0 + 0.06);
    finds_nothing();
}

/* A function with three callers: one whose blocks are gone soon, one of the start, one that
 * leaks. */
static void test_callers(void **state)
{
    (void)state;
    make_profile();
    for (unsigned i = 0; i < 3; i++) {
        made.sites[i].depth = 2;
        made.sites[i].stack[0] = 0x9000;
        made.sites[i].stack[1] = 0xa000 + i;
    }
    freed_of(0, 100000, 3);
    made.sites[0].requested_bytes_total = 100 * PEAK; /* most of all */
    in_use_of(1, 400, 0, 0.1);
    in_use_of(2, 60, 0, 1);
    made.sites[2].live_requested_bytes_now = PEAK / 4;
    finds("leak", PEAK / 4);
    assert_int_equal(made.found.list[0].nwhere, 2);
    assert_string_equal(made.found.list[0].where[1], "0xa002");
    assert_true(says("by 0x9000, called as below, and never freed"));
    assert_true(says("Of 60 samples 60 are still in use"));
    /* A cache that another caller fills does not hide it. */
    freed_of(1, 1000, 13);
    finds("leak", PEAK / 4);
    /* Callers with few samples are judged together. */
    nothing_in_use();
    memset(made.sites[1].lifetimes, 0, sizeof made.sites[1].lifetimes);
    in_use_of(1, 30, 0, 1);
    in_use_of(2, 30, 0, 1);
    made.sites[2].live_requested_bytes_now = PEAK / 4;
    finds("leak", PEAK / 2 + PEAK / 4);
    assert_string_equal(made.found.list[0].where[1], "0xa001");
    assert_false(says("as below"));
    /* Two that have many, both leaking: one finding. */
    in_use_of(1, 300, 0, 1);
    in_use_of(2, 300, 0.5, 1);
    finds("leak", PEAK);
    assert_true(says(" 660 are still in use"));
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
    nothing_in_use();
    in_use(400, 0, 2);
    in_use(1, 3, 3);
    finds_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_leak),   TEST(test_no_leak), TEST(test_late),
        TEST(test_pauses), TEST(test_callers), TEST(test_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
