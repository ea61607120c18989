/* SPDX-License-Identifier: MIT */
/* How long blocks live: more and more of them, or gone at once. */
#include "src/tool/analysis.h"

#include <stdlib.h>

/* ---- Growth -------------------------------------------------------------------------------- */

/* The least that was live in each part of the run but the first, leaving out parts with too
 * few points; how many there are. None, if the last is such a part: then it had levelled off. */
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
    return points[NT_HISTORY_PARTS - 1] >= NT_GROWTH_POINTS ? n : 0;
}

static bool goes_on(const double floor[NT_HISTORY_PARTS], size_t n)
{
    for (size_t k = 1; k < n; k++)
        if (floor[k] <= floor[k - 1])
            return false;
    return floor[n - 1] - floor[n - 4] >= NT_GROWTH_LATE * (floor[n - 1] - floor[0]);
}

/* Of each site: bytes that were in use at the peak, less those of its blocks in use at the end
 * that are of the first eighth of the run. What came later, up to the peak, is among them. */
static double *came_later(const struct nt_analysis *a)
{
    const struct nt_profile *p = &a->record->profile;
    double *bytes = nt__tool_memory(calloc(p->nsites + 1, sizeof *bytes));
    double begun = a->began_ns + a->run_ns / NT_HISTORY_PARTS;

    for (size_t i = 0; i < p->nsites; i++)
        bytes[i] = (double)p->sites[i].at_peak_requested_bytes;
    for (size_t i = 0; i < p->nsamples; i++) {
        const struct nt_sample_figures *s = &p->samples[i];

        if (s->site < p->nsites && s->requested_bytes > 0 && (double)s->born_ns < begun)
            bytes[s->site] -=
                nt__estimate_weight(s->requested_bytes, p->interval_bytes).bytes;
    }
    for (size_t i = 0; i < p->nsites; i++)
        bytes[i] = bytes[i] > 0 ? bytes[i] : 0;
    return bytes;
}

/* Whose memory grew. Nobody's, if all that came later could be without it. */
struct grower {
    struct nt_spot spot;
    double bytes;   /* of the place, that came later */
    bool this_site; /* and not only this place */
};

static struct grower grower(const struct nt_analysis *a, double grown)
{
    double *bytes = came_later(a), all = 0;
    struct grower g = {.spot = nt__heaviest(a, NULL, bytes)};

    for (size_t i = 0; i < a->record->profile.nsites && g.spot.place != NULL; i++) {
        all += bytes[i];
        if (&a->places.list[a->places.of_site[i]] == g.spot.place)
            g.bytes += bytes[i];
    }
    if (g.spot.place != NULL) {
        g.this_site = all - bytes[g.spot.site] < grown;
        if (all - g.bytes >= grown || g.bytes < grown / 2)
            g.spot.place = NULL;
    }
    free(bytes);
    return g;
}

void nt__find_growth(struct nt_analysis *a)
{
    double floor[NT_HISTORY_PARTS], grown;
    size_t n = floors(&a->record->history, floor);
    struct nt_finding *f;
    struct grower by;
    char *who;

    if (a->run_ns < NT_LEAST_RUN_NS || n < NT_GROWTH_PARTS || !goes_on(floor, n))
        return;
    grown = floor[n - 1] - floor[0];
    if (grown < NT_GROWTH_SHARE * a->out->memory_bytes ||
        !nt__finding_counts(a, NT_COST_BYTES, grown, 0) || a->leaked_bytes > grown / 2)
        return;
    by = grower(a, grown);
    f = nt__finding_add(a, "growth", NT_COST_BYTES, grown, 0);
    nt__finding_where(a, f, by.spot);
    while (f->nwhere > 1 && !by.this_site)
        free(f->where[--f->nwhere]);
    who = by.spot.place != NULL
              ? nt__say(" Of what was in use at the peak, and not yet at the start, "
                        "most was allocated by %s: %s.",
                        by.spot.place->name, nt__bytes(by.bytes).s)
              : nt__say("%s", "");
    f->sentence =
        nt__say("What is in use grew all through the run, and did not level off: by %s "
                "between its first eighths and its last.%s",
                nt__bytes(grown).s, who);
    free(who);
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
        nt__finding_where(
            a, f,
            nt__most_of(a, place,
                        offsetof(struct nt_site_figures, requested_bytes_total)));
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
