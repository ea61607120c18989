/* SPDX-License-Identifier: MIT */
#include "src/tool/tune_classes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Position i + 1 stands for a class of size[i]; position 0 for none. */
struct search {
    const struct nt_classes_problem *p;
    int64_t *sum;         /* of blocks, below each position */
    int64_t *beyond;      /* the first size that may not follow each */
    int64_t *best;        /* twice the least cost up to each position, with the price */
    uint32_t *queue;      /* positions that may be followed, and */
    int64_t *turn;        /* from which size on each is better than the one before it */
    uint32_t *few, *many; /* the position before each, in two tables */
};

/* ---- one pass with a price -------------------------------------------------------------- */

/* For each position the first size that may not follow it. */
static void fill_beyond(const struct nt_classes_problem *p, int64_t *beyond)
{
    int64_t must = INT64_MAX; /* what is above the next that must be */

    beyond[p->n] = INT64_MAX;
    for (size_t i = p->n; i-- > 0;) {
        int64_t size = (int64_t)p->size[i];

        if (p->must != NULL && p->must[i])
            must = size + 1;
        beyond[i] = must;
        /* size - first <= size * guard / 100, of the first size that it would serve */
        if (p->guard < 100 && size * 100 / (int64_t)(100 - p->guard) + 1 < must)
            beyond[i] = size * 100 / (int64_t)(100 - p->guard) + 1;
    }
}

/* The least size from which on `later` is the better one of two to follow. */
static int64_t turns_at(const struct search *s, uint32_t earlier, uint32_t later)
{
    int64_t end = s->beyond[earlier], turn = INT64_MAX;
    int64_t blocks = 2 * (s->sum[later] - s->sum[earlier]);
    int64_t more = s->best[later] - s->best[earlier];

    if (blocks > 0)
        turn = more < 0 ? 0 : more / blocks + 1;
    else if (more < 0)
        turn = 0;
    return turn < end ? turn : end;
}

/* The best table at half of `price2` a class; into before[]. How many classes. */
static size_t pass(const struct search *s, int64_t price2, uint32_t *before)
{
    const struct nt_classes_problem *p = s->p;
    size_t head = 0, tail = 0, count = 0;

    s->best[0] = 0;
    s->queue[tail++] = 0;
    for (uint32_t i = 1; i <= p->n; i++) {
        int64_t size = (int64_t)p->size[i - 1];

        while (head + 1 < tail && s->turn[head + 1] <= size)
            head++;
        uint32_t j = s->queue[head];

        before[i] = j;
        s->best[i] = s->best[j] + 2 * size * (s->sum[i] - s->sum[j]) + price2;
        while (head + 1 < tail &&
               turns_at(s, s->queue[tail - 1], i) <= s->turn[tail - 1])
            tail--;
        s->turn[tail] = turns_at(s, s->queue[tail - 1], i);
        s->queue[tail++] = i;
    }
    for (uint32_t i = (uint32_t)p->n; i > 0; i = before[i])
        count++;
    return count;
}

/* ---- the price --------------------------------------------------------------------------- */

/* The least number of classes that is allowed. */
static size_t fewest(const struct nt_classes_problem *p, const int64_t *beyond)
{
    size_t count = 0;

    for (size_t at = 0; at < p->n; count++) {
        size_t next = at;

        while (next + 1 < p->n && (int64_t)p->size[next + 1] < beyond[at])
            next++;
        at = next + 1;
    }
    return count;
}

static int64_t cost2(const struct search *s, int64_t price2, size_t count)
{
    return s->best[s->p->n] - price2 * (int64_t)count;
}

static void swap(uint32_t **a, uint32_t **b)
{
    uint32_t *was = *a;

    *a = *b;
    *b = was;
}

/* Find the least whole k with at most `most` classes at k + 1/2: s->few is that table, of the
 * number returned; s->many, of *many, the one at k - 1/2. At `floor` - 1/2 there are more. */
static size_t find_price(struct search *s, int64_t floor, size_t *many)
{
    int64_t low = floor - 1, high = (int64_t)NT_CLASSES_COST_MAX;
    size_t most = s->p->most, n_low, n_high;
    int64_t cost_low, cost_high;

    n_low = pass(s, 2 * low + 1, s->many);
    cost_low = cost2(s, 2 * low + 1, n_low);
    n_high = pass(s, 2 * high + 1, s->few);
    cost_high = cost2(s, 2 * high + 1, n_high);
    for (bool halve = false; high - low > 1; halve = !halve) {
        int64_t fewer = n_low > n_high ? (int64_t)(n_low - n_high) : 1;
        int64_t chord = (cost_high - cost_low) / (2 * fewer);
        int64_t k = halve ? low + (high - low) / 2 : chord;

        k = k <= low ? low + 1 : k >= high ? high - 1 : k;
        size_t n = pass(s, 2 * k + 1, s->few);
        int64_t cost = cost2(s, 2 * k + 1, n);

        if (n <= most) {
            high = k;
            n_high = n;
            cost_high = cost;
        } else {
            swap(&s->few, &s->many);
            low = k;
            n_low = n;
            cost_low = cost;
        }
    }
    n_high = pass(s, 2 * high + 1, s->few); /* the swaps may have lost it */
    *many = n_low;
    return n_high;
}

/* ---- tables ------------------------------------------------------------------------------- */

/* The positions of a table, ascending, from 0 on. */
static void walk(const uint32_t *before, size_t n, size_t count, uint32_t *out)
{
    for (uint32_t i = (uint32_t)n; i > 0; i = before[i])
        out[count--] = i;
    out[0] = 0;
}

/* A table of `want` classes from the two: the beginning of the one with many, then the end of
 * the one with few. They are crossed where a step of the first lies inside one of the
 * second. */
static bool cross(const struct search *s, size_t few, size_t many, size_t want,
                  uint32_t *chosen)
{
    uint32_t *a = calloc(few + 1, sizeof *a), *b = calloc(many + 1, sizeof *b);
    size_t skip = want - few, i = 0;
    bool made = a != NULL && b != NULL;

    if (made) {
        walk(s->few, s->p->n, few, a);
        walk(s->many, s->p->n, many, b);
        while (b[i + skip + 1] > a[i + 1])
            i++;
        for (size_t k = 1; k <= i + skip; k++)
            *chosen++ = b[k] - 1;
        for (size_t k = i + 1; k <= few; k++)
            *chosen++ = a[k] - 1;
    }
    free(a);
    free(b);
    return made;
}

static bool copy(const struct search *s, const uint32_t *before, size_t count,
                 uint32_t *chosen)
{
    for (uint32_t i = (uint32_t)s->p->n; i > 0; i = before[i])
        chosen[--count] = i - 1;
    return true;
}

static size_t search(struct search *s, uint32_t *chosen)
{
    const struct nt_classes_problem *p = s->p;
    int64_t floor = (int64_t)p->class_cost;
    size_t few, many = 0;

    few = pass(s, 2 * floor, s->few);
    if (few <= p->most)
        return copy(s, s->few, few, chosen) ? few : 0;
    few = find_price(s, floor, &many);
    if (few == p->most)
        return copy(s, s->few, few, chosen) ? few : 0;
    return cross(s, few, many, p->most, chosen) ? p->most : 0;
}

size_t nt__classes_best(const struct nt_classes_problem *p, uint32_t *chosen)
{
    struct search s = {.p = p};
    size_t n = p->n + 1, count = 0;

    errno = 0;
    s.beyond = calloc(n, sizeof *s.beyond);
    s.sum = calloc(n, sizeof *s.sum);
    s.best = calloc(n, sizeof *s.best);
    s.queue = calloc(n, sizeof *s.queue);
    s.turn = calloc(n, sizeof *s.turn);
    s.few = calloc(n, sizeof *s.few);
    s.many = calloc(n, sizeof *s.many);
    if (s.beyond != NULL && s.sum != NULL && s.best != NULL && s.queue != NULL &&
        s.turn != NULL && s.few != NULL && s.many != NULL) {
        for (size_t i = 0; i < p->n; i++)
            s.sum[i + 1] = s.sum[i] + (int64_t)p->blocks[i];
        fill_beyond(p, s.beyond);
        count = fewest(p, s.beyond) <= p->most ? search(&s, chosen) : 0;
    }
    free(s.beyond);
    free(s.sum);
    free(s.best);
    free(s.queue);
    free(s.turn);
    free(s.few);
    free(s.many);
    return count;
}

uint64_t nt__classes_waste(const struct nt_classes_problem *p, const uint32_t *chosen,
                           size_t count)
{
    uint64_t waste = 0;
    size_t i = 0;

    for (size_t k = 0; k < count; k++)
        for (; i <= chosen[k]; i++)
            waste += p->blocks[i] * (p->size[chosen[k]] - p->size[i]);
    return waste;
}
