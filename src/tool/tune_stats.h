/* SPDX-License-Identifier: MIT */
/*
 * Intervals of measured pairs: Student's, of 95 %. A ratio is that of the geometric means, its
 * interval that of the mean of the pairs' logarithms: what slows both of a pair down cancels.
 */
#ifndef NT_TOOL_TUNE_STATS_H
#define NT_TOOL_TUNE_STATS_H

#include <stddef.h>

struct nt_interval {
    double value, low, high;
};

/* The ratio b[i] / a[i] of `n` >= 2 pairs. Values that are not above 0 count as 1e-9. */
struct nt_interval nt__stats_ratio(const double *a, const double *b, size_t n);

double nt__stats_median(const double *v, size_t n);

/* The 97.5 % quantile of Student's distribution with `freedom` >= 1. */
double nt__stats_t(size_t freedom);

#endif
