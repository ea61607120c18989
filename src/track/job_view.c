/* SPDX-License-Identifier: MIT */
#include "src/track/job_view.h"

#include <string.h>

/* ---- sorting ------------------------------------------------------------------------ */

typedef int compare(const struct nt_job_row *a, const struct nt_job_row *b,
                    const struct nt_figure *g);

static int by_value(const struct nt_job_row *a, const struct nt_job_row *b,
                    const struct nt_figure *g)
{
    uint64_t x = nt__job_value(a, g), y = nt__job_value(b, g);

    return (x > y) - (x < y);
}

static int by_host(const struct nt_job_row *a, const struct nt_job_row *b,
                   const struct nt_figure *g)
{
    (void)g;
    return strcmp(a->host, b->host);
}

/* The rows' own order decides between those alike. */
static bool after(const struct nt_job_view *v, uint32_t a, uint32_t b, compare *how,
                  const struct nt_figure *g)
{
    int c = how(&v->rows[a], &v->rows[b], g);

    return c != 0 ? c > 0 : a > b;
}

static void sift(const struct nt_job_view *v, size_t at, size_t n, compare *how,
                 const struct nt_figure *g)
{
    uint32_t *o = v->order, moved = o[at];

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && after(v, o[child + 1], o[child], how, g);
        if (!after(v, o[child], moved, how, g))
            break;
        o[at] = o[child];
    }
    o[at] = moved;
}

/* Heapsort: it needs no more memory, and there is no bad case. */
static void sort(const struct nt_job_view *v, compare *how, const struct nt_figure *g)
{
    uint32_t *o = v->order;

    for (size_t i = 0; i < v->n; i++)
        o[i] = (uint32_t)i;
    for (size_t i = v->n / 2; i-- > 0;)
        sift(v, i, v->n, how, g);
    for (size_t n = v->n; n > 1;) {
        uint32_t last = o[--n];

        o[n] = o[0];
        o[0] = last;
        sift(v, 0, n, how, g);
    }
}

size_t nt__job_sort_hosts(const struct nt_job_view *v)
{
    size_t hosts = 0;

    sort(v, by_host, NULL);
    for (size_t i = 0; i < v->n; i++)
        hosts +=
            i == 0 || strcmp(nt__job_at(v, i - 1)->host, nt__job_at(v, i)->host) != 0;
    return hosts;
}

/* The value that is number `i`, of rows that are sorted by it. */
static uint64_t number(const struct nt_job_view *v, const struct nt_figure *g, size_t i)
{
    return nt__job_value(nt__job_at(v, i), g);
}

/* The median of the distances, which grow from the median on downwards and upwards. */
static uint64_t median_distance(const struct nt_job_view *v, const struct nt_figure *g,
                                uint64_t median)
{
    size_t middle = (v->n - 1) / 2, low = middle + 1, high = middle + 1;
    uint64_t distance = 0;

    for (size_t taken = 0; taken <= middle; taken++) {
        uint64_t below = UINT64_MAX, above = UINT64_MAX;

        if (low > 0)
            below = median - number(v, g, low - 1);
        if (high < v->n)
            above = number(v, g, high) - median;
        distance = nt__min(below, above);
        low -= below <= above;
        high += below > above;
    }
    return distance;
}

struct nt_job_spread nt__job_spread(const struct nt_job_view *v,
                                    const struct nt_figure *g)
{
    struct nt_job_spread s = {0};
    size_t last = v->n - 1;

    sort(v, by_value, g);
    for (size_t i = 0; i < v->n; i++)
        s.sum = nt__job_plus(s.sum, nt__job_value(&v->rows[i], g));
    while (last > 0 && number(v, g, last - 1) == number(v, g, v->n - 1))
        last--;
    s.min = nt__job_at(v, 0);
    s.max = nt__job_at(v, last);
    s.median = number(v, g, (v->n - 1) / 2);
    s.distance = median_distance(v, g, s.median);
    return s;
}
