/* SPDX-License-Identifier: MIT */
/*
 * Records, summed up. Nothing in a record is believed: rows of sizes that are none, or whose
 * sums cannot be those of blocks of such sizes, are refused before anything is added.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/tune.h"

#include <math.h>
#include <string.h>

#define FINE (NT_SIZE_FINE / NT_SIZE_GRAIN)
#define THREADS_MAX 64 /* of a record: they are not all there at once */

uint64_t nt__evidence_size(size_t row)
{
    return row < FINE ? (row + 1) * NT_SIZE_GRAIN
                      : NT_SIZE_FINE + (row + 1 - FINE) * NT_SIZE_COARSE;
}

/* The row, or NT_SIZE_ROWS: there is none. */
static size_t row_of(uint64_t up_to)
{
    size_t row;

    if (up_to == 0)
        return NT_SIZE_ROWS - 1;
    row = up_to <= NT_SIZE_FINE ? up_to / NT_SIZE_GRAIN - 1
                                : FINE + (up_to - NT_SIZE_FINE) / NT_SIZE_COARSE - 1;
    return up_to <= NT_SIZE_MAX && nt__evidence_size(row) == up_to ? row : NT_SIZE_ROWS;
}

/* Can so many blocks of this row ask for so much? Estimates are rounded, each by itself. */
static bool possible(size_t row, uint64_t blocks, uint64_t requested, uint64_t held,
                     uint64_t allocated, uint64_t samples)
{
    if (samples > blocks + 1 || (samples == 0) != (blocks == 0))
        return false;
    if ((double)held + 1 < (double)requested || (double)allocated + 1 < (double)held)
        return false;
    return row == NT_SIZE_ROWS - 1 ||
           (double)held <= ((double)blocks + 1) * (double)nt__evidence_size(row);
}

/* Records of before it was kept have no `held`. */
static uint64_t held_or(uint64_t held, uint64_t requested)
{
    return held != 0 ? held : requested;
}

/* What is wrong with a row; `last` is the one before it. */
static const char *wrong_row(const struct nt_size_figures *s, size_t last)
{
    size_t row = row_of(s->up_to_bytes);

    if (row == NT_SIZE_ROWS)
        return "is none of those that there are";
    if (last != SIZE_MAX && row <= last)
        return "is out of order";
    if (!possible(row, s->allocations_total, s->requested_bytes_total,
                  held_or(s->held_bytes_total, s->requested_bytes_total),
                  s->allocated_bytes_total, s->samples_total) ||
        !possible(row, s->at_peak_blocks, s->at_peak_requested_bytes,
                  held_or(s->at_peak_held_bytes, s->at_peak_requested_bytes),
                  s->at_peak_allocated_bytes, s->at_peak_samples) ||
        s->at_peak_samples > s->samples_total)
        return "contradicts itself";
    if (s->align_bytes != 0 &&
        (!nt__is_pow2(s->align_bytes) || s->up_to_bytes % NT_SIZE_GRAIN != 0))
        return "has an alignment that is no power of two";
    return NULL;
}

static const char *look(const struct nt_profile *p)
{
    static char text[128];
    size_t last = SIZE_MAX;

    for (size_t i = 0; i < p->nsizes; i++) {
        const char *wrong = wrong_row(&p->sizes[i], last);

        if (wrong != NULL) {
            nt__fmt_into(text, sizeof text, "its row of sizes up to %llu %s",
                         (unsigned long long)p->sizes[i].up_to_bytes, wrong);
            return text;
        }
        last = row_of(p->sizes[i].up_to_bytes);
    }
    return NULL;
}

static void add_sizes(struct nt_evidence *e, const struct nt_profile *p)
{
    for (size_t i = 0; i < p->nsizes; i++) {
        const struct nt_size_figures *s = &p->sizes[i];
        size_t row = row_of(s->up_to_bytes);
        struct nt_tune_blocks *peak = &e->peak[row], *all = &e->all[row];

        peak->samples += (double)s->at_peak_samples;
        peak->blocks += (double)s->at_peak_blocks;
        peak->held +=
            (double)held_or(s->at_peak_held_bytes, s->at_peak_requested_bytes);
        peak->allocated += (double)s->at_peak_allocated_bytes;
        all->samples += (double)s->samples_total;
        all->blocks += (double)s->allocations_total;
        all->held += (double)held_or(s->held_bytes_total, s->requested_bytes_total);
        all->allocated += (double)s->allocated_bytes_total;
        e->requested_at_peak += (double)s->at_peak_requested_bytes;
        e->align[row] = nt__max(e->align[row], s->align_bytes);
    }
    e->sampled++;
    if (p->interval_bytes > e->interval)
        e->interval = p->interval_bytes;
}

/* Live bytes of all nodes at a point of the history. */
static double live_at(const struct nt_history *h, size_t i)
{
    const uint64_t *point = nt__history_point(h, i);
    double live = 0;

    for (size_t n = 0; n < h->nodes; n++)
        live += (double)point[1 + n];
    return live;
}

static void look_at_history(struct nt_evidence *e, const struct nt_history *h)
{
    double most = 0;
    uint64_t left = 0; /* when it was last above the half; 0: not yet */

    for (size_t i = 0; i < h->count; i++)
        if (live_at(h, i) > most)
            most = live_at(h, i);
    for (size_t i = 0; i < h->count; i++) {
        uint64_t ns = nt__history_point(h, i)[0];

        if (live_at(h, i) <= most / 2)
            continue;
        if (left != 0 && ns > left && live_at(h, i - 1) <= most / 2 &&
            ns - left > e->valley_ns)
            e->valley_ns = ns - left;
        left = ns;
    }
}

static void name(char *to, size_t cap, const char *from, bool first)
{
    if (first)
        nt__name_copy(to, cap, from);
    else if (strcmp(to, from) != 0)
        to[0] = '\0';
}

const char *nt__evidence_add(struct nt_evidence *e, const struct nt_record *r)
{
    const struct nt_snapshot *s = &r->snapshot;
    const char *wrong = look(&r->profile);

    if (wrong != NULL)
        return wrong;
    if (r->profile.nsizes > 0)
        add_sizes(e, &r->profile);
    look_at_history(e, &r->history);
    nt__evidence_reserve(e, r);
    name(e->program, sizeof e->program, s->program, e->records == 0);
    name(e->host, sizeof e->host, s->host, e->records == 0);
    e->records++;
    e->threads += (double)nt__min(nt__max(s->threads_total, 1), THREADS_MAX);
    e->live_peak += (double)s->total.live_bytes_peak;
    e->allocated += (double)s->total.allocated_bytes_total;
    e->requested += (double)s->total.requested_bytes_total;
    e->returned += (double)s->total.returned_bytes_total;
    e->cpu_ns += (double)s->cpu_ns_total;
    e->huge += (double)s->total.huge_bytes_now;
    e->page_bytes = nt__max(e->page_bytes, s->page_bytes);
    return NULL;
}

/* The power of two that a row lies below. */
static unsigned octave_of(size_t row)
{
    return (unsigned)(64 - __builtin_clzll(nt__evidence_size(row) - 1));
}

/* Rows [from, to), an octave. */
static void expect(struct nt_evidence *e, size_t from, size_t to)
{
    double once = 0, some = 0, shares = 0, missed, share[NT_SIZE_ROWS];

    for (size_t i = from; i < to; i++) {
        const struct nt_tune_blocks *b = &e->peak[i];
        double size = (double)nt__evidence_size(i);

        once += b->blocks > b->samples && b->samples < 2 ? b->held : 0;
        some += b->blocks > b->samples ? b->held : 0;
        share[i] = b->samples <= 0 ? exp(-size / (double)e->interval) : 0;
        shares += share[i];
    }
    missed = some > 0 && shares > 0 ? once / some : 0;
    e->missed += missed * some;
    for (size_t i = from; i < to; i++) {
        struct nt_tune_blocks *b = &e->expected[i];

        if (b->blocks > b->samples) {
            b->blocks *= 1 - missed;
            b->held *= 1 - missed;
            b->allocated *= 1 - missed;
        } else if (share[i] > 0 && missed > 0) {
            b->held = once * share[i] / shares;
            b->blocks = b->held / ((double)nt__evidence_size(i) - NT_SIZE_GRAIN / 2.0);
        }
    }
}

/* Sizes that the samples missed will be asked for, too, and a table that was made for those
 * seen alone looks better than it is. How much of all there is of them, the samples say
 * themselves: as many bytes as the samples stand for that are the only one of their row (Good
 * and Turing, 1953). Not blocks so large that all are sampled. Where they are, nobody knows: in
 * each octave there are as many as its own samples say, spread evenly over the rows without a
 * sample, as far as a block could be missed there. */
void nt__evidence_expect(struct nt_evidence *e)
{
    double held = 0;
    size_t rows = NT_SIZE_ROWS - 1, from = 0;

    memcpy(e->expected, e->peak, sizeof e->expected);
    e->missed = 0;
    while (rows > 0 && e->all[rows - 1].samples <= 0)
        rows--;
    for (size_t i = 0; i < rows; i++) {
        held += e->peak[i].held;
        if (i + 1 == rows || octave_of(i + 1) != octave_of(i)) {
            expect(e, from, i + 1);
            from = i + 1;
        }
    }
    e->missed = held > 0 ? e->missed / held : 0;
}
