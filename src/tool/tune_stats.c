/* SPDX-License-Identifier: MIT */
#include "src/tool/tune_stats.h"
#include "src/base/base.h"
#include "src/tool/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double nt__stats_t(size_t freedom)
{
    static const double few[] = {
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
        2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
        2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};

    if (freedom <= NT_ARRAY_LEN(few))
        return few[freedom > 0 ? freedom - 1 : 0];
    return 1.960 + 2.42 / (double)freedom; /* within 0.001 */
}

static double log_ratio(double a, double b)
{
    return log(b > 0 ? b : 1e-9) - log(a > 0 ? a : 1e-9);
}

struct nt_interval nt__stats_ratio(const double *a, const double *b, size_t n)
{
    double sum = 0, squares = 0, mean, half;

    for (size_t i = 0; i < n; i++)
        sum += log_ratio(a[i], b[i]);
    mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (log_ratio(a[i], b[i]) - mean) * (log_ratio(a[i], b[i]) - mean);
    half = nt__stats_t(n - 1) * sqrt(squares / (double)(n - 1) / (double)n);
    return (struct nt_interval){exp(mean), exp(mean - half), exp(mean + half)};
}

static int ascending(const void *a, const void *b)
{
    double x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

double nt__stats_median(const double *v, size_t n)
{
    double *sorted = nt__tool_memory(malloc(n * sizeof *sorted)), median;

    memcpy(sorted, v, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    median = (sorted[n / 2] + sorted[(n - 1) / 2]) / 2;
    free(sorted);
    return median;
}
