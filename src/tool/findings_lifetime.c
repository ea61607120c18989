/* SPDX-License-Identifier: MIT */
/*
 * How long blocks live: not freed at all, more and more of them, or gone at once.
 *
 * A leak is told from what is simply in use at the end by when its blocks were allocated.
 * What a program sets up is allocated at its beginning, and what it is working on lately; a
 * leak leaves some in each part of the run, and what reaches a certain age is never freed.
 * Both are read from the sampled blocks: when those in use were born, and how long those
 * freed had lived.
 */
#include "src/tool/analysis.h"

#include <stdlib.h>

/* ---- Leaks --------------------------------------------------------------------------------- */

enum { QUARTERS = 4 };

/* Sampled blocks of a place that are in use, by when they were born. */
struct births {
    uint64_t in[QUARTERS], old, all;
    uint64_t before; /* the record's start: a parent's */
};

/* The lower end of the interval that holds the true share of k in n, by Wilson. */
static double share_at_least(uint64_t k, uint64_t n)
{
    double z2 = NT_SURE * NT_SURE, p = (double)k / (double)n;
    double spread = p * (1 - p) / (double)n + z2 / (4.0 * (double)n * (double)n);

    return (p + z2 / (2.0 * (double)n) - NT_SURE * nt__estimate_root(spread)) /
           (1 + z2 / (double)n);
}

/* A forked child goes on with its parent's clock, and with its samples. */
static struct births *births_by_place(const struct nt_analysis *a)
{
    const struct nt_profile *p = &a->record->profile;
    struct births *births = nt__tool_memory(calloc(a->places.n + 1, sizeof *births));
    double end = a->run_ns, begin;

    for (size_t i = 0; i < p->nsamples; i++)
        if ((double)p->samples[i].born_ns > end)
            end = (double)p->samples[i].born_ns;
    begin = end - a->run_ns;
    for (size_t i = 0; i < p->nsamples; i++) {
        const struct nt_sample_figures *s = &p->samples[i];
        double at = ((double)s->born_ns - begin) / a->run_ns;
        struct births *b;

        if (s->site >= p->nsites)
            continue;
        b = &births[a->places.of_site[s->site]];
        if (at < 0) {
            b->before++;
            continue;
        }
        b->in[at < 1 ? (int)(at * QUARTERS) : QUARTERS - 1]++;
        b->old += at < 1 - NT_LEAK_AGE;
        b->all++;
    }
    return births;
}

/* Freed samples that may have lived so long: whole steps of the histogram. */
static uint64_t freed_after(const struct nt_place *place, double ns)
{
    uint64_t n = place->lifetimes[NT_LIFETIMES - 1];
    double below = 1e3;

    for (size_t i = 0; i < NT_LIFETIMES - 1; i++, below *= 4)
        n += below > ns ? place->lifetimes[i] : 0;
    return n;
}

/* What part of the place's figures is since the start. */
static double own_part(const struct births *b)
{
    return (double)b->all / (double)(b->all + b->before);
}

static bool is_leak(const struct nt_analysis *a, const struct nt_place *place,
                    const struct births *b)
{
    uint64_t gone = freed_after(place, NT_LEAK_AGE * a->run_ns);

    if (a->run_ns < NT_LEAST_RUN_NS || b->all < NT_LEAST_SAMPLES ||
        (double)b->old < NT_LEAK_KEPT * (double)(b->old + gone))
        return false;
    for (int q = 1; q < QUARTERS; q++)
        if (share_at_least(b->in[q], b->all) < NT_LEAK_QUARTER)
            return false;
    return nt__finding_counts(a, NT_COST_BYTES, own_part(b) * place->live_bytes,
                              own_part(b) * place->live_error);
}

static double report_leak(struct nt_analysis *a, const struct nt_place *place,
                          const struct births *b)
{
    double bytes = own_part(b) * place->live_bytes;
    double error = own_part(b) * place->live_error;
    struct nt_finding *f = nt__finding_add(a, "leak", NT_COST_BYTES, bytes, error);

    nt__finding_where(a, f, place);
    f->sentence = nt__say(
        "%s, in about %s blocks, were allocated all through the run by %s and %s "
        "freed: %s a second. Of %llu samples %llu are still in use, %llu of them "
        "from the last quarter of the run.",
        nt__bytes_pm(bytes, error).s, nt__count(own_part(b) * place->live_blocks).s,
        place->name, a->record->snapshot.final ? "never" : "so far not",
        nt__bytes(bytes / (a->run_ns / 1e9)).s, (unsigned long long)place->samples,
        (unsigned long long)b->all, (unsigned long long)b->in[QUARTERS - 1]);
    f->advice = nt__say(
        "Free them when they are done with. If they are results that are kept to "
        "the end on purpose, nothing is wrong but that the memory grows with the "
        "length of the run: blocks that all end together cost less in a pool that "
        "is destroyed as a whole (nt_pool_create, nt_pool_destroy).");
    return bytes;
}

void nt__find_leaks(struct nt_analysis *a)
{
    struct births *births = births_by_place(a);

    for (size_t i = 0; i < a->places.n; i++)
        if (is_leak(a, &a->places.list[i], &births[i]))
            a->leaked_bytes += report_leak(a, &a->places.list[i], &births[i]);
    free(births);
}

/* ---- Growth -------------------------------------------------------------------------------- */

/* The least that was live in each part of the run but the first, leaving out parts with too
 * few points; how many there are. */
static size_t floors(const struct nt_history *h, double floor[NT_HISTORY_PARTS])
{
    double least[NT_HISTORY_PARTS] = {0};
    unsigned points[NT_HISTORY_PARTS] = {0};
    size_t n = 0;

    /* The last is of the end, when much may have been freed already. */
    for (size_t i = 0; i + 1 < h->count; i++) {
        struct nt_moment m = nt__moment(h, i);

        if (points[m.part]++ == 0 || m.live < least[m.part])
            least[m.part] = m.live;
    }
    for (size_t k = 1; k < NT_HISTORY_PARTS; k++)
        if (points[k] >= NT_GROWTH_POINTS)
            floor[n++] = least[k];
    return n;
}

static bool goes_on(const double floor[NT_HISTORY_PARTS], size_t n)
{
    for (size_t k = 1; k < n; k++)
        if (floor[k] <= floor[k - 1])
            return false;
    return floor[n - 1] - floor[n - 4] >= NT_GROWTH_LATE * (floor[n - 1] - floor[0]);
}

/* The place with most of what was live at the peak. */
static const struct nt_place *largest(const struct nt_analysis *a)
{
    const struct nt_place *best = NULL;

    for (size_t i = 0; i < a->places.n; i++)
        if (best == NULL || a->places.list[i].peak_bytes > best->peak_bytes)
            best = &a->places.list[i];
    return best;
}

void nt__find_growth(struct nt_analysis *a)
{
    double floor[NT_HISTORY_PARTS], grown;
    size_t n = floors(&a->record->history, floor);
    const struct nt_place *place = largest(a);
    struct nt_finding *f;

    if (a->run_ns < NT_LEAST_RUN_NS || n < NT_GROWTH_PARTS || !goes_on(floor, n))
        return;
    grown = floor[n - 1] - floor[0];
    if (grown < NT_GROWTH_SHARE * a->out->memory_bytes ||
        !nt__finding_counts(a, NT_COST_BYTES, grown, 0) || a->leaked_bytes > grown / 2)
        return;
    f = nt__finding_add(a, "growth", NT_COST_BYTES, grown, 0);
    nt__finding_where(a, f, place);
    f->sentence = nt__say(
        "What is in use grew all through the run, and did not level off: by %s "
        "between its first eighths and its last.%s%s%s%s%s",
        nt__bytes(grown).s, place != NULL ? " The most at the peak, " : "",
        place != NULL ? nt__bytes_pm(place->peak_bytes, place->peak_error).s : "",
        place != NULL ? ", had been allocated by " : "",
        place != NULL ? place->name : "", place != NULL ? "." : "");
    f->advice = nt__say(
        "Give what collects there (a queue, a cache, a log) a bound, or empty it as "
        "fast as it is filled. If it grows with the input by design, expect the "
        "same of a longer run.");
}

/* ---- Large blocks that live shortly ------------------------------------------------------- */

static double large_bytes(const struct nt_snapshot *s)
{
    for (uint32_t i = 0; i < s->classes; i++)
        if (s->class_[i].block_bytes == 0)
            return (double)s->class_[i].requested_bytes_total;
    return 0;
}

void nt__find_short_lived(struct nt_analysis *a)
{
    const struct nt_snapshot *s = &a->record->snapshot;
    double above = nt__largest_class(s), all = large_bytes(s);

    for (size_t i = 0; i < a->places.n; i++) {
        const struct nt_place *place = &a->places.list[i];
        double lived = nt__place_lived(place, a->run_ns);
        double part = all > place->bytes ? place->bytes / all : 1;
        double faults = part * (double)s->total.returned_bytes_total * NT_PRICE_FAULT;
        double cost = place->blocks * NT_PRICE_LARGE + faults;
        double error = place->bytes > 0 ? cost * place->bytes_error / place->bytes : 0;
        bool given_back = faults > cost / 2;
        struct nt_finding *f;

        if (place->blocks < 1 || place->bytes / place->blocks <= above ||
            place->freed_samples < NT_LEAST_SAMPLES ||
            lived > NT_SHORT_PART * a->run_ns ||
            !nt__finding_counts(a, NT_COST_NS, cost, error))
            continue;
        f = nt__finding_add(a, "short-lived-large", NT_COST_NS, cost, error);
        nt__finding_where(a, f, place);
        f->sentence = nt__say(
            "About %s blocks of %s on average, %s in all, were allocated by %s and "
            "lived for %s, in a run of %s: some %s of processor time to find room "
            "for them%s.",
            nt__count(place->blocks).s, nt__bytes(place->bytes / place->blocks).s,
            nt__bytes_pm(place->bytes, place->bytes_error).s, place->name,
            nt__time(lived).s, nt__time(a->run_ns).s, nt__time(f->cost).s,
            given_back ? ", most of it for pages given back and mapped anew" : "");
        f->advice = nt__say(
            "Keep one such block and use it again: allocate it outside the loop, as "
            "large as it is ever needed.%s",
            given_back ? " If that cannot be, keep free memory for longer: the setting "
                         "`return', in milliseconds."
                       : "");
    }
}
