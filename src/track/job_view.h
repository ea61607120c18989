/* SPDX-License-Identifier: MIT */
/*
 * What the texts of a job are made with: the rows that are compared, in an order of the
 * moment. They are sorted in the memory that the job brings (nt_job.order), by a figure,
 * which gives its median and its extremes, or by host.
 */
#ifndef NT_TRACK_JOB_VIEW_H
#define NT_TRACK_JOB_VIEW_H

#include "src/track/job.h"
#include "src/track/report.h"

#include <string.h>

struct nt_job_view {
    const struct nt_job_row *rows;
    size_t n;
    bool ranked;     /* they are ranks; else processes without one */
    uint32_t *order; /* numbers of rows, as they were sorted last */
};

/* One figure of them. */
struct nt_job_spread {
    uint64_t sum;
    uint64_t median;   /* of an even number the lower of the two in the middle */
    uint64_t distance; /* such a median of the distances from the median */
    const struct nt_job_row *min, *max; /* of several the first */
};

static inline uint64_t nt__job_value(const struct nt_job_row *row,
                                     const struct nt_figure *g)
{
    uint64_t v;

    memcpy(&v, (const char *)row + g->offset, sizeof v);
    return v;
}

/* The row that is number `i` in the order. */
static inline const struct nt_job_row *nt__job_at(const struct nt_job_view *v, size_t i)
{
    return &v->rows[v->order[i]];
}

static inline uint64_t nt__job_plus(uint64_t a, uint64_t b)
{
    return b > INT64_MAX - nt__min(a, INT64_MAX) ? INT64_MAX : a + b;
}

static inline uint64_t nt__job_apart(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Sort the rows, of which there are some, by a figure. */
NT_HIDDEN struct nt_job_spread nt__job_spread(const struct nt_job_view *v,
                                              const struct nt_figure *g);

/* Sort the rows by host. How many hosts there are. */
NT_HIDDEN size_t nt__job_sort_hosts(const struct nt_job_view *v);

/* job_tables.c: figures over all ranks, over hosts and nodes, and the picture. */
NT_HIDDEN void nt__job_tables(struct nt_fmt *f, const struct nt_job_view *v,
                              const struct nt_snapshot *sum);

#endif
