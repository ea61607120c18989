/* SPDX-License-Identifier: MIT */
/* Intervals, beside figures from tables. */
#include "src/tool/tune_stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void near(double a, double b, double by)
{
    if (!(fabs(a - b) <= by))
        fail_msg("%f is not %f", a, b);
}

static void test_t(void **unused)
{
    (void)unused;
    near(nt__stats_t(1), 12.706, 0.001);
    near(nt__stats_t(9), 2.262, 0.001);
    near(nt__stats_t(30), 2.042, 0.001);
    near(nt__stats_t(40), 2.0211, 0.001);
    near(nt__stats_t(100), 1.9840, 0.001);
    near(nt__stats_t(100000), 1.960, 0.001);
}

static void test_ratio(void **unused)
{
    (void)unused;
    const double a[] = {1.00, 2.00, 1.50, 1.20, 1.10};
    const double b[] = {1.10, 2.10, 1.70, 1.25, 1.16};
    /* By hand: exp of the mean of log(b/a), and of 2.776 standard errors beside it. */
    struct nt_interval r = nt__stats_ratio(a, b, 5);

    near(r.value, 1.0753423, 1e-6);
    near(r.low, 1.0281065, 1e-5);
    near(r.high, 1.1247484, 1e-5);
    /* The other way round it is the reciprocal, and scale does not matter. */
    struct nt_interval back = nt__stats_ratio(b, a, 5);
    near(back.value * r.value, 1, 1e-12);
    near(back.low * r.high, 1, 1e-12);
    r = nt__stats_ratio(a, a, 5);
    near(r.low, 1, 1e-12);
    near(r.high, 1, 1e-12);
}

/* Of 100 intervals 95 hold the truth: 4000 of pairs with noise of half a percent each. */
static void test_cover(void **unused)
{
    (void)unused;
    uint64_t state = 1;
    int held = 0;

    for (int round = 0; round < 4000; round++) {
        double v[2][6];
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < 6; i++) {
                double sum = 0; /* nearly normal */
                for (int d = 0; d < 12; d++) {
                    state = state * 6364136223846793005u + 1442695040888963407u;
                    sum += (double)(state >> 11) * 0x1p-53;
                }
                v[k][i] = exp((sum - 6) * 0.005) * (k ? 1.05 : 1);
            }
        struct nt_interval r = nt__stats_ratio(v[0], v[1], 6);
        held += r.low <= 1.05 && 1.05 <= r.high;
    }
    assert_in_range(held, 3740, 3860); /* 3800, and four standard errors */
}

static void test_median(void **unused)
{
    (void)unused;
    const double v[] = {5, 1, 3, 2};

    near(nt__stats_median(v, 1), 5, 0);
    near(nt__stats_median(v, 3), 3, 0);
    near(nt__stats_median(v, 4), 2.5, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t),
        cmocka_unit_test(test_ratio),
        cmocka_unit_test(test_cover),
        cmocka_unit_test(test_median),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
