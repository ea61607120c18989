/* SPDX-License-Identifier: MIT */
/* Records, summed up, and what their samples missed. */
#include "src/base/base.h"
#include "src/tool/tune.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct nt_evidence e;

static struct nt_record record_of(struct nt_size_figures *sizes, size_t n,
                                  uint64_t interval)
{
    static struct nt_record r;

    memset(&r, 0, sizeof r);
    memset(&e, 0, sizeof e);
    r.profile.sizes = sizes;
    r.profile.nsizes = n;
    r.profile.interval_bytes = interval;
    r.snapshot.page_bytes = 4096;
    strcpy(r.snapshot.program, "a");
    return r;
}

static void test_rows(void **unused)
{
    (void)unused;
    assert_int_equal(nt__evidence_size(0), 16);
    assert_int_equal(nt__evidence_size(2047), 32768);
    assert_int_equal(nt__evidence_size(2048), 34816);
    assert_int_equal(nt__evidence_size(NT_SIZE_ROWS - 2), 524288);
}

static void test_sums(void **unused)
{
    (void)unused;
    struct nt_size_figures sizes[] = {
        {32, 4, 8, 200, 256, 2, 4, 100, 128, 220, 110, 0},
        {0, 1, 1, 1000000, 1003520, 1, 1, 1000000, 1003520, 0, 0, 0}}; /* of before */
    struct nt_record r = record_of(sizes, 2, 4096);
    struct nt_waste waste;

    assert_null(nt__evidence_add(&e, &r));
    assert_null(nt__evidence_add(&e, &r));
    assert_int_equal(e.records, 2);
    assert_int_equal(e.sampled, 2);
    assert_true(fabs(e.peak[1].blocks - 8) < 1e-9 && fabs(e.all[1].held - 440) < 1e-9);
    assert_true(fabs(e.peak[1].held - 220) < 1e-9 &&
                fabs(e.peak[NT_SIZE_ROWS - 1].held - 2000000) < 1e-9);
    nt__evidence_waste(&e, &waste);
    assert_true(fabs(waste.waste - 36 - 7040) < 1e-9 && fabs(waste.room - 20) < 1e-9 &&
                fabs(waste.requested - 2000200) < 1e-9);
    assert_true(fabs(e.peak[NT_SIZE_ROWS - 1].allocated - 2007040) < 1e-9);
    assert_string_equal(e.program, "a");
    strcpy(r.snapshot.program, "b");
    assert_null(nt__evidence_add(&e, &r));
    assert_string_equal(e.program, "");
}

/* A record that is refused leaves nothing behind. */
static void test_refused(void **unused)
{
    (void)unused;
    static const uint64_t bad[][12] = {{17, 1, 1, 10, 16},
                                       {1 << 20, 1, 1, 10, 16},
                                       {16, 2, 0, 10, 16},
                                       {16, 1, 1, 100, 112},
                                       {16, 1, 1, 16, 8},
                                       {16, 1, 1, 16, 16, 2, 2, 32, 32},
                                       {16, 0, 1, 16, 16},
                                       {16, UINT64_MAX, 1, 16, 16},
                                       {34817, 1, 1, 16, 64},
                                       {UINT64_MAX, 1, 1, 16, 64},
                                       {16, 1, 1, 16, 16, 1, 1, 16, 16, 14, 16},
                                       {16, 1, 1, 8, 16, 1, 1, 8, 16, 40, 8},
                                       {16, 1, 1, 16, 16, 1, 1, 16, 16, 16, 16, 48},
                                       {0, 1, 1, 16, 16, 1, 1, 16, 16, 16, 16, 3}};

    for (size_t i = 0; i < NT_ARRAY_LEN(bad); i++) {
        struct nt_size_figures sizes[2] = {{.up_to_bytes = 16}};

        memcpy(&sizes[1], bad[i], sizeof sizes[1]);
        struct nt_record r = record_of(sizes + 1, 1, 4096);

        assert_non_null(nt__evidence_add(&e, &r));
        r.profile.sizes = sizes;
        r.profile.nsizes = 2;
        assert_non_null(nt__evidence_add(&e, &r));
        assert_int_equal(e.records, 0);
        assert_true(e.peak[0].blocks <= 0);
    }
}

/* What the rows of one sample make is expected of rows of their octave without any: all but that
 * of 32 bytes, which is alone in its octave. What all make stays the same, and so does what was
 * sampled block by block. */
static void test_missed(void **unused)
{
    (void)unused;
    enum { ONCE = 60, ROWS = ONCE + 2 };
    struct nt_size_figures sizes[ROWS];
    double requested = 0, expected = 0, unseen = 0, once = 0;

    for (uint64_t i = 0; i < ROWS; i++) {
        uint64_t n = i < ONCE ? 1 : 940, size = 32 * (i + 1), blocks = n * 10;

        if (i == ROWS - 1)
            blocks = n;
        sizes[i] = (struct nt_size_figures){size,          n, blocks, blocks * size,
                                            blocks * size, n, blocks, blocks * size,
                                            blocks * size, 0, 0,      0};
        once += i > 0 && i < ONCE ? (double)(blocks * size) : 0;
    }
    struct nt_record r = record_of(sizes, ROWS, 16384);
    assert_null(nt__evidence_add(&e, &r));
    nt__evidence_expect(&e);
    for (size_t i = 0; i < NT_SIZE_ROWS; i++) {
        requested += e.peak[i].held;
        expected += e.expected[i].held;
        if (e.peak[i].samples <= 0)
            unseen += e.expected[i].held;
    }
    assert_true(fabs(expected / requested - 1) < 1e-9);
    assert_true(fabs(unseen / once - 1) < 1e-9);
    assert_true(fabs(e.missed - once / requested) < 1e-9);
    assert_true(fabs(e.expected[2 * ROWS - 1].blocks - 940) < 1e-9);
    assert_true(e.expected[2].blocks > 0 && e.expected[200].blocks <= 0);
    assert_true(e.expected[0].blocks <= 0); /* there is nothing of its octave */
    /* Where every block is sampled nothing is missed. */
    for (size_t i = 0; i < ROWS; i++) {
        sizes[i].at_peak_blocks = sizes[i].at_peak_samples;
        sizes[i].at_peak_requested_bytes =
            sizes[i].at_peak_blocks * sizes[i].up_to_bytes;
    }
    r = record_of(sizes, ROWS, 1);
    assert_null(nt__evidence_add(&e, &r));
    nt__evidence_expect(&e);
    assert_true(e.missed <= 0);
}

/* The longest time that less than half of the most was live. */
static void test_valley(void **unused)
{
    (void)unused;
    struct nt_record r = record_of(NULL, 0, 0);
    const uint64_t points[][2] = {{100, 10},  {200, 90},  {300, 100},
                                  {400, 20},  {900, 30},  {1000, 95},
                                  {1100, 10}, {1300, 80}, {1400, 1}};

    r.history.nodes = 1;
    r.history.count = NT_ARRAY_LEN(points);
    for (size_t i = 0; i < NT_ARRAY_LEN(points); i++) {
        uint64_t *point = r.history.word + 3 * i;

        point[0] = points[i][0];
        point[1] = points[i][1];
    }
    assert_null(nt__evidence_add(&e, &r));
    assert_int_equal(e.valley_ns, 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),    cmocka_unit_test(test_sums),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_missed),
        cmocka_unit_test(test_valley),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
