/* SPDX-License-Identifier: MIT */
#include "src/base/base.h"
#include "src/tool/analysis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Leaks before growth, which they may explain. */
static nt_find *const analyses[] = {
    nt__find_leaks,        nt__find_growth,    nt__find_fragmentation, nt__find_waste,
    nt__find_elsewhere,    nt__find_imbalance, nt__find_short_lived,   nt__find_chains,
    nt__find_remote_frees, nt__find_small};

/* ---- Words --------------------------------------------------------------------------- */

char *nt__say(const char *format, ...)
{
    char *text = NULL;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vasprintf(&text, format, ap);
    va_end(ap);
    return nt__tool_memory(n < 0 ? NULL : text);
}

struct unit {
    double size;
    const char *name;
};

static const struct unit byte_units[] = {{1.0 * NT_MIB * NT_MIB, "TiB"},
                                         {1024.0 * NT_MIB, "GiB"},
                                         {1.0 * NT_MIB, "MiB"},
                                         {1024.0, "KiB"},
                                         {0, "bytes"}};
static const struct unit count_units[] = {
    {1e12, "trillion"}, {1e9, "billion"}, {1e6, "million"}, {0, ""}};
static const struct unit time_units[] = {
    {3600e9, "h"}, {1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {0, "ns"}};

/* The unit that leaves a number of 1 or more. */
static struct unit unit_for(const struct unit *units, double x)
{
    while (units->size > 0 && x < units->size)
        units++;
    return (struct unit){units->size > 0 ? units->size : 1, units->name};
}

/* Places behind the point for three figures in all. */
static int places_for(double x)
{
    return x >= 99.95 ? 0 : x >= 9.995 ? 1 : 2;
}

struct nt_words nt__bytes(double bytes)
{
    struct unit u = unit_for(byte_units, bytes);
    struct nt_words w;

    snprintf(w.s, sizeof w.s, "%.*f %s", u.size > 1 ? places_for(bytes / u.size) : 0,
             bytes / u.size, u.name);
    return w;
}

struct nt_words nt__bytes_pm(double bytes, double error)
{
    struct unit u = unit_for(byte_units, bytes);
    int places = u.size > 1 ? places_for(bytes / u.size) : 0;
    struct nt_words w;

    if (error < 0.0005 * bytes)
        return nt__bytes(bytes);
    snprintf(w.s, sizeof w.s, "%.*f +- %.*f %s", places, bytes / u.size, places,
             error / u.size, u.name);
    return w;
}

struct nt_words nt__count(double n)
{
    struct unit u = unit_for(count_units, n);
    struct nt_words w;

    if (u.size > 1)
        snprintf(w.s, sizeof w.s, "%.*f %s", places_for(n / u.size), n / u.size,
                 u.name);
    else if (n >= 999.5)
        snprintf(w.s, sizeof w.s, "%d,%03d", (int)(n + 0.5) / 1000,
                 (int)(n + 0.5) % 1000);
    else
        snprintf(w.s, sizeof w.s, "%.0f", n);
    return w;
}

struct nt_words nt__time(double ns)
{
    struct unit u = unit_for(time_units, ns);
    struct nt_words w;

    snprintf(w.s, sizeof w.s, "%.*f %s", u.size > 1 ? places_for(ns / u.size) : 0,
             ns / u.size, u.name);
    return w;
}

/* ---- What is worth a finding ------------------------------------------------------------ */

static double whole(const struct nt_analysis *a, enum nt_cost unit)
{
    return unit == NT_COST_BYTES ? a->out->memory_bytes : a->out->cpu_ns;
}

bool nt__finding_counts(const struct nt_analysis *a, enum nt_cost unit, double cost,
                        double error)
{
    double sure = cost - NT_SURE * error;
    double least = unit == NT_COST_BYTES ? NT_LEAST_BYTES : NT_LEAST_NS;

    return sure >= least && sure >= NT_LEAST_SHARE * whole(a, unit);
}

struct nt_finding *nt__finding_add(struct nt_analysis *a, const char *kind,
                                   enum nt_cost unit, double cost, double error)
{
    struct nt_findings *out = a->out;
    struct nt_finding *f;

    if (cost > whole(a, unit))
        cost = whole(a, unit); /* a price, or an estimate, was too high */
    out->list = nt__tool_memory(reallocarray(out->list, out->n + 1, sizeof *out->list));
    f = &out->list[out->n++];
    *f = (struct nt_finding){.kind = kind,
                             .unit = unit,
                             .cost = cost,
                             .error = error,
                             .share = cost / whole(a, unit)};
    return f;
}

void nt__finding_where(struct nt_analysis *a, struct nt_finding *f, struct nt_spot spot)
{
    if (spot.place != NULL)
        f->nwhere =
            nt__place_lines(&a->record->profile, a->symbols, spot.site, &f->where);
}

/* ---- Where most of something is --------------------------------------------------------- */

struct nt_spot nt__heaviest(const struct nt_analysis *a, const struct nt_place *place,
                            const double *weight)
{
    size_t nsites = a->record->profile.nsites, best = 0;
    double *sum = nt__tool_memory(calloc(a->places.n + 1, sizeof *sum));
    struct nt_spot spot = {.place = place};

    for (size_t i = 0; i < nsites && a->places.n > 0; i++)
        sum[a->places.of_site[i]] += weight[i];
    for (size_t i = 1; i < a->places.n; i++)
        if (sum[i] > sum[best])
            best = i;
    if (place == NULL && sum[best] > 0)
        spot.place = &a->places.list[best];
    free(sum);
    best = nsites;
    for (size_t i = 0; i < nsites && spot.place != NULL; i++)
        if (&a->places.list[a->places.of_site[i]] == spot.place &&
            (best == nsites || weight[i] > weight[best]))
            best = i;
    spot.site = best;
    return spot;
}

struct nt_spot nt__most_of(const struct nt_analysis *a, const struct nt_place *place,
                           size_t offset)
{
    const struct nt_profile *p = &a->record->profile;
    double *weight = nt__tool_memory(calloc(p->nsites + 1, sizeof *weight));
    struct nt_spot spot = {0};

    for (size_t i = 0; i < p->nsites; i++) {
        uint64_t v;

        memcpy(&v, (const char *)&p->sites[i] + offset, sizeof v);
        weight[i] = (double)v;
    }
    if (place != NULL)
        spot = nt__heaviest(a, place, weight);
    free(weight);
    return spot;
}

struct nt_spot nt__holder(const struct nt_analysis *a, nt_mine *mine,
                          const void *context)
{
    const struct nt_profile *p = &a->record->profile;
    double *weight = nt__tool_memory(calloc(p->nsites + 1, sizeof *weight));
    struct nt_spot spot;

    for (size_t i = 0; i < p->nsamples; i++) {
        const struct nt_sample_figures *s = &p->samples[i];

        if (s->site < p->nsites && s->requested_bytes > 0 && mine(s, context))
            weight[s->site] +=
                nt__estimate_weight(s->requested_bytes, p->interval_bytes).bytes;
    }
    spot = nt__heaviest(a, NULL, weight);
    free(weight);
    return spot;
}

/* ---- The record as a whole --------------------------------------------------------------- */

double nt__largest_class(const struct nt_snapshot *s)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < s->classes; i++)
        most = s->class_[i].block_bytes > most ? s->class_[i].block_bytes : most;
    return (double)most;
}

struct nt_moment nt__moment(const struct nt_history *h, size_t i)
{
    const uint64_t *point = nt__history_point(h, i);
    double end = (double)nt__history_point(h, h->count - 1)[0] + 1;
    double part = (double)point[0] / end * NT_HISTORY_PARTS;
    struct nt_moment m = {.part = part < NT_HISTORY_PARTS ? (size_t)part
                                                          : NT_HISTORY_PARTS - 1};

    for (uint32_t n = 0; n < h->nodes; n++) {
        m.live += (double)point[1 + n];
        m.committed += (double)point[1 + h->nodes + n];
    }
    return m;
}

/* The wholes that costs are parts of, none of them 0. */
static void measure(struct nt_analysis *a)
{
    const struct nt_snapshot *s = &a->record->snapshot;
    const struct nt_profile *p = &a->record->profile;

    a->run_ns = s->now_unix_ns > s->start_unix_ns
                    ? (double)(s->now_unix_ns - s->start_unix_ns)
                    : 1;
    /* A forked child goes on with its parent's clock, and with its samples. */
    for (size_t i = 0; i < p->nsamples; i++)
        if ((double)p->samples[i].born_ns - a->run_ns > a->began_ns)
            a->began_ns = (double)p->samples[i].born_ns - a->run_ns;
    a->out->memory_bytes = (double)nt__max(s->total.live_bytes_peak, 1);
    /* A record of before the processor time was in it: as if one thread had run always. */
    a->out->cpu_ns = s->cpu_ns_total != 0 ? (double)s->cpu_ns_total : a->run_ns;
}

/* A power of two that would give some thousand samples. */
static unsigned fitting_kib(const struct nt_snapshot *s)
{
    unsigned kib = 4;

    while (kib < 512 && (double)s->total.requested_bytes_total / 4096 > 1024.0 * kib)
        kib *= 2;
    return kib;
}

static char *sampling_note(const struct nt_record *r)
{
    const struct nt_profile *p = &r->profile;
    unsigned kib = fitting_kib(&r->snapshot);

    if (p->nsites == 0)
        return nt__say(
            "Nothing was sampled, so only the counters could be asked. Run the "
            "program again with `numatally run --sample %uK': then leaks, chains of "
            "realloc and short-lived large blocks are looked for, too, and findings "
            "say where in the code.",
            kib);
    if (p->total.samples_total < 500 && p->interval_bytes > 2048ull * kib)
        return nt__say("There were only %llu samples: with `--sample %uK' more can be "
                       "told from chance.",
                       (unsigned long long)p->total.samples_total, kib);
    return NULL;
}

static char *note(const struct nt_analysis *a)
{
    const struct nt_record *r = a->record;
    char *sampling, *both;

    if ((double)r->snapshot.total.requested_bytes_total < NT_LEAST_BYTES)
        return NULL;
    sampling = sampling_note(r);
    if (a->run_ns >= NT_LEAST_RUN_NS)
        return sampling;
    both =
        nt__say("Leaks and growth are not looked for in a run of less than a second: "
                "this one took %s.%s%s",
                nt__time(a->run_ns).s, sampling != NULL ? " " : "",
                sampling != NULL ? sampling : "");
    free(sampling);
    return both;
}

static int compare_findings(const void *left, const void *right)
{
    const struct nt_finding *a = left, *b = right;

    if (a->share != b->share)
        return a->share < b->share ? 1 : -1;
    return strcmp(a->sentence, b->sentence);
}

void nt__findings_make(const struct nt_record *record, struct nt_symbols *symbols,
                       struct nt_findings *out)
{
    struct nt_analysis a = {.record = record, .symbols = symbols, .out = out};

    *out = (struct nt_findings){0};
    measure(&a);
    if (record->profile.nsites > 0)
        nt__places_make(&record->profile, symbols, &a.places);
    for (size_t i = 0; i < NT_ARRAY_LEN(analyses); i++)
        analyses[i](&a);
    if (out->n > 0)
        qsort(out->list, out->n, sizeof *out->list, compare_findings);
    out->note = note(&a);
    nt__places_free(&a.places);
}

static void free_lines(char **lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(lines[i]);
    free(lines);
}

void nt__findings_free(struct nt_findings *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->list[i].sentence);
        free(f->list[i].advice);
        free_lines(f->list[i].where, f->list[i].nwhere);
        free_lines(f->list[i].freed, f->list[i].nfreed);
    }
    free(f->list);
    free(f->note);
    *f = (struct nt_findings){0};
}
