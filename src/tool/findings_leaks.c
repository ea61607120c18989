/* SPDX-License-Identifier: MIT */
/*
 * Leaks: what is allocated on and on, and not freed.
 *
 * A leak is told from what is simply in use at the end by when its blocks were allocated.
 * What a program sets up is allocated at its beginning, or in one phase, and then no more; a
 * leak leaves some in most parts of its time, up to the end, and what reaches a certain age is
 * never freed. Its time begins with its first blocks: what they wait for may come late. All of
 * this is read from the sampled blocks: when those in use were born, and how long those freed
 * had lived.
 *
 * A place's sites that have samples enough are judged each by itself, the others together:
 * of those who call one function one may leak, and the others not.
 */
#include "src/tool/analysis.h"

#include <stdlib.h>

enum { PARTS = 8 };

/* A sampled block that is in use. */
struct birth {
    size_t place;
    size_t unit; /* its site; of a place's sites that have few, the number of sites */
    double at;   /* ns after the run's start; before it: a parent's */
};

/* What of a place is a leak. */
struct leak {
    double bytes, error, blocks;
    double from; /* when it began, ns after the start */
    uint64_t samples, in_use;
    uint64_t lately; /* in use, from the last quarter of its time */
    unsigned parts;  /* of its time, as bits: those that left some */
};

static bool has_few(const struct nt_site_figures *s)
{
    return s->live_samples_now < NT_LEAK_SITE;
}

static int compare_births(const void *left, const void *right)
{
    const struct birth *a = left, *b = right;

    return a->place != b->place ? (a->place < b->place ? -1 : 1)
           : a->unit != b->unit ? (a->unit < b->unit ? -1 : 1)
                                : (a->at > b->at) - (a->at < b->at);
}

/* All of them, by place, unit and time; how many there are. */
static size_t all_births(const struct nt_analysis *a, struct birth **out)
{
    const struct nt_profile *p = &a->record->profile;
    struct birth *list = nt__tool_memory(calloc(p->nsamples + 1, sizeof *list));
    size_t n = 0;

    for (size_t i = 0; i < p->nsamples && a->places.n > 0; i++) {
        size_t site = p->samples[i].site;

        if (site < p->nsites)
            list[n++] = (struct birth){
                .place = a->places.of_site[site],
                .unit = has_few(&p->sites[site]) ? p->nsites : site,
                .at = (double)p->samples[i].born_ns - a->began_ns,
            };
    }
    qsort(list, n, sizeof *list, compare_births);
    *out = list;
    return n;
}

/* ---- Is it one? ---------------------------------------------------------------------------- */

/* Freed samples that may have lived so long: whole steps of the histogram. */
static uint64_t freed_after(const struct nt_place *sum, double ns)
{
    uint64_t n = sum->lifetimes[NT_LIFETIMES - 1];
    double below = 1e3;

    for (size_t i = 0; i < NT_LIFETIMES - 1; i++, below *= 4)
        n += below > ns ? sum->lifetimes[i] : 0;
    return n;
}

/* Were these, in order of time, born in most parts of their time, and up to its end? */
static bool goes_on(const struct nt_analysis *a, const struct birth *b, size_t n,
                    struct leak *leak)
{
    size_t skip = n / 20; /* what came long before the others is not when it began */
    double from = b[skip].at, span = a->run_ns - from, pause = span / PARTS;
    size_t in[PARTS] = {0}, parts = 0;

    if (span < NT_LEAST_RUN_NS || span < NT_LEAK_SPAN * a->run_ns)
        return false;
    for (size_t i = skip; i < n; i++) {
        double part = (b[i].at - from) / span * PARTS;
        double since = i > skip ? b[i].at - b[i - 1].at : 0;

        in[part < PARTS ? (size_t)part : PARTS - 1]++;
        if (NT_LEAK_PAUSE * since > pause)
            pause = NT_LEAK_PAUSE * since;
    }
    for (size_t k = 0; k < PARTS; k++)
        if (in[k] >= 2 && (double)in[k] >= NT_LEAK_PART * (double)n) {
            leak->parts |= 1u << k;
            parts++;
        }
    leak->from = from;
    leak->in_use = n;
    leak->lately = in[PARTS - 2] + in[PARTS - 1];
    return parts >= NT_LEAK_PARTS && a->run_ns - b[n - 1].at <= pause;
}

/* b[0] to b[n - 1] are the sampled blocks in use of all that `sum` has. */
static bool is_leak(const struct nt_analysis *a, const struct birth *b, size_t n,
                    const struct nt_place *sum, struct leak *leak)
{
    size_t before = 0, old = 0;
    double age, own;

    while (before < n && b[before].at < 0)
        before++;
    if (n - before < NT_LEAST_SAMPLES || !goes_on(a, b + before, n - before, leak))
        return false;
    age = NT_LEAK_AGE * (a->run_ns - leak->from);
    while (before + old < n && b[before + old].at < a->run_ns - age)
        old++;
    own = (double)(n - before) / (double)n;
    leak->bytes = own * sum->live_bytes;
    leak->error = own * sum->live_error;
    leak->blocks = own * sum->live_blocks;
    leak->samples = sum->samples;
    return (double)old >= NT_LEAK_KEPT * (double)(old + freed_after(sum, age));
}

/* ---- What is said -------------------------------------------------------------------------- */

static bool is_early(const struct nt_analysis *a, const struct leak *leak)
{
    return leak->from < a->run_ns / PARTS;
}

/* When they were allocated; the caller's to free. */
static char *when(const struct nt_analysis *a, const struct leak *leak)
{
    bool pauses = leak->parts != (1u << PARTS) - 1;

    if (is_early(a, leak))
        return nt__say("%s", pauses ? "again and again" : "all through the run");
    return nt__say("%sfrom %s of the run on", pauses ? "again and again, " : "",
                   nt__time(leak->from).s);
}

static void report(struct nt_analysis *a, const struct leak *leak, struct nt_spot spot)
{
    double span = a->run_ns - leak->from;
    struct nt_finding *f;
    char *times;

    if (!nt__finding_counts(a, NT_COST_BYTES, leak->bytes, leak->error))
        return;
    times = when(a, leak);
    f = nt__finding_add(a, "leak", NT_COST_BYTES, leak->bytes, leak->error);
    nt__finding_where(a, f, spot);
    f->sentence = nt__say(
        "%s, in about %s blocks, were allocated %s by %s%s and %s freed: %s a second. "
        "Of %llu samples %llu are still in use, %llu of them from the last quarter of "
        "%s.",
        nt__bytes_pm(leak->bytes, leak->error).s, nt__count(leak->blocks).s, times,
        spot.place->name,
        leak->samples == spot.place->samples ? "" : ", called as below,",
        a->record->snapshot.final ? "never" : "so far not",
        nt__bytes(leak->bytes / (span / 1e9)).s, (unsigned long long)leak->samples,
        (unsigned long long)leak->in_use, (unsigned long long)leak->lately,
        is_early(a, leak) ? "the run" : "that time");
    free(times);
    f->advice = nt__say(
        "Free them when they are done with. If they are results that are kept to "
        "the end on purpose, nothing is wrong but that the memory grows with the "
        "length of the run: blocks that all end together cost less in a pool that "
        "is destroyed as a whole (nt_pool_create, nt_pool_destroy).");
    a->leaked_bytes += leak->bytes;
}

/* ---- All of them --------------------------------------------------------------------------- */

/* One more unit of a place is a leak. */
static void join(struct leak *all, const struct leak *one)
{
    if (all->in_use == 0 || one->from < all->from)
        all->from = one->from;
    all->bytes += one->bytes;
    all->error = nt__estimate_root(all->error * all->error + one->error * one->error);
    all->blocks += one->blocks;
    all->samples += one->samples;
    all->in_use += one->in_use;
    all->lately += one->lately;
    all->parts |= one->parts;
}

struct search {
    struct nt_place *rest; /* of each place: its sites that have few, summed */
    struct leak *leaks;    /* of each place */
    double *live;          /* of each site that is part of one: bytes in use */
};

/* Note the live bytes of the unit's sites. */
static void note_sites(struct nt_analysis *a, struct search *s,
                       const struct birth *unit)
{
    const struct nt_profile *p = &a->record->profile;
    bool one = unit->unit < p->nsites;

    for (size_t i = one ? unit->unit : 0; i < (one ? unit->unit + 1 : p->nsites); i++)
        if (one || (has_few(&p->sites[i]) && a->places.of_site[i] == unit->place))
            s->live[i] = (double)p->sites[i].live_requested_bytes_now;
}

static void judge(struct nt_analysis *a, struct search *s, const struct birth *b,
                  size_t n)
{
    const struct nt_profile *p = &a->record->profile;
    struct nt_place alone = {0};
    struct leak leak = {0};

    if (b->unit < p->nsites)
        nt__place_add(&alone, &p->sites[b->unit]);
    if (!is_leak(a, b, n, b->unit < p->nsites ? &alone : &s->rest[b->place], &leak))
        return;
    join(&s->leaks[b->place], &leak);
    note_sites(a, s, b);
}

void nt__find_leaks(struct nt_analysis *a)
{
    const struct nt_profile *p = &a->record->profile;
    struct birth *births;
    size_t n = all_births(a, &births);
    struct search s = {
        .rest = nt__tool_memory(calloc(a->places.n + 1, sizeof *s.rest)),
        .leaks = nt__tool_memory(calloc(a->places.n + 1, sizeof *s.leaks)),
        .live = nt__tool_memory(calloc(p->nsites + 1, sizeof *s.live)),
    };

    for (size_t i = 0; i < p->nsites && a->places.n > 0; i++)
        if (has_few(&p->sites[i]))
            nt__place_add(&s.rest[a->places.of_site[i]], &p->sites[i]);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && births[end].place == births[i].place &&
                          births[end].unit == births[i].unit;)
            end++;
        judge(a, &s, &births[i], end - i);
    }
    for (size_t i = 0; i < a->places.n; i++)
        if (s.leaks[i].in_use > 0)
            report(a, &s.leaks[i], nt__heaviest(a, &a->places.list[i], s.live));
    free(births);
    free(s.rest);
    free(s.leaks);
    free(s.live);
}
