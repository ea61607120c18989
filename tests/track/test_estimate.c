/* SPDX-License-Identifier: MIT */
/* The arithmetic of sampling, against its definitions. */
#include "src/track/estimate.h"

#include <fenv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* No libm: exp(-x) by its series, in long double, small steps. */
static long double exp_minus(long double x)
{
    long double term = 1, sum = 1, part = x / 1024;
    for (int k = 1; k < 30; k++) {
        term *= -part / k;
        sum += term;
    }
    for (int i = 0; i < 10; i++)
        sum *= sum;
    return sum;
}

static void assert_near(double got, long double wanted, double relative)
{
    long double off = got / wanted - 1;
    if (off > relative || off < -relative)
        fail_msg("%.17g is not %.17g", got, (double)wanted);
}

static void test_weight(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1,      16,     100,     4096,
                                     300000, 524288, 5000000, 1u << 30};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t interval = 524288;
        long double x = (long double)sizes[i] / interval;
        long double p = x < 1e-3L ? x - x * x / 2 + x * x * x / 6 - x * x * x * x / 24
                                  : 1 - exp_minus(x);
        struct nt_weight w = nt__estimate_weight(sizes[i], interval);
        assert_near(w.blocks, 1 / p, 1e-12);
        assert_near(w.bytes, sizes[i] / p, 1e-12);
        if (x < 30)
            assert_near(w.variance, w.bytes * w.bytes * (1 - p), 1e-9);
    }
    struct nt_weight each = nt__estimate_weight(77, 1);
    assert_true(each.blocks == 1 && each.bytes == 77 && each.variance == 0);
}

static uint64_t random_bits(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1du;
}

/* How often is a block of `size` hit, and what do the hits stand for? */
static void test_draw(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {10, 1000, 3000};
    enum { INTERVAL = 1000, DRAWS = 1000000 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t bits = 88172645463325252u + i, hits = 0;
        for (int n = 0; n < DRAWS; n++)
            hits += nt__estimate_draw(INTERVAL, random_bits(&bits)) <= sizes[i];
        long double p = 1 - exp_minus((long double)sizes[i] / INTERVAL);
        double deviation = nt__estimate_root((double)(p * (1 - p) * DRAWS));
        assert_true((double)hits > (double)p * DRAWS - 5 * deviation);
        assert_true((double)hits < (double)p * DRAWS + 5 * deviation);
    }
}

static void test_draw_ends(void **state)
{
    (void)state;
    assert_int_equal(nt__estimate_draw(1, 0), 1);
    assert_int_equal(nt__estimate_draw(1, UINT64_MAX), 1);
    assert_int_equal(nt__estimate_draw(1000, UINT64_MAX), 1);
    /* 53 bits of chance: no more than 53 ln 2 intervals. */
    assert_in_range(nt__estimate_draw(1000, 0), 36000, 37000);
    assert_true(nt__estimate_draw((uint64_t)1 << 40, 0) < (uint64_t)1 << 62);
}

static void test_root(void **state)
{
    (void)state;
    assert_true(nt__estimate_root(0) == 0 && nt__estimate_root(-1) == 0);
    for (double x = 1e-6; x < 1e30; x *= 7)
        assert_near(nt__estimate_root(x) * nt__estimate_root(x), x, 1e-14);
}

/* The program's rounding, traps and flags are as they were. */
static void test_environment(void **state)
{
    (void)state;
    fesetround(FE_UPWARD);
    feclearexcept(FE_ALL_EXCEPT);
    nt_float_state before = nt__estimate_begin();
    struct nt_weight w = nt__estimate_weight(100, 524288);
    nt__estimate_end(before);
    assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
    assert_int_equal(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
    struct nt_weight again = nt__estimate_weight(100, 524288);
    assert_true(w.bytes == again.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weight),      cmocka_unit_test(test_draw),
        cmocka_unit_test(test_draw_ends),   cmocka_unit_test(test_root),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
