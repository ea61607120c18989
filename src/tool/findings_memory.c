/* SPDX-License-Identifier: MIT */
/*
 * Memory that is held and not used, by size class: inside blocks, which are longer than
 * what was asked for, and between them, in slabs that few blocks keep from going back.
 *
 * The figures are counters, so exact, but for what of the blocks in use was asked for: the
 * counters know that only of all blocks that ever were, so it is estimated from the samples
 * among them. Where samples tell it, the code is named that has most of it in use.
 */
#include "src/tool/analysis.h"

#include <stdlib.h>

/* ---- Waste inside blocks ----------------------------------------------------------------- */

/* What to do depends on whether a class could fit: they are multiples of 16. */
static char *waste_advice(double mean, const struct nt_class_figures *c)
{
    uint64_t fitting = ((uint64_t)mean / 16 + 1) * 16;

    if (fitting < c->block_bytes)
        return nt__say("Give them a class of their own: put %llu into the list of the "
                       "setting `classes'.",
                       (unsigned long long)fitting);
    if (c->block_bytes > 16)
        return nt__say(
            "No class fits them better, as classes are multiples of 16 bytes: make "
            "one block for many of them (an array, or a pool of the program's own), "
            "or make them fit into %llu bytes.",
            (unsigned long long)c->block_bytes - 16);
    return nt__say(
        "These are the smallest blocks there are: make one for many of what is in "
        "them (an array, or a pool of the program's own).");
}

static char *size_of_blocks(const struct nt_class_figures *c)
{
    return nt__say("%s", nt__bytes((double)c->block_bytes).s);
}

/* A class's blocks that are in use at the end, by those of them that were sampled. */
struct filled {
    uint64_t samples;
    double asked, given;  /* bytes */
    double unasked_error; /* of the part of `given` that was not asked for */
    struct nt_spot most;  /* who has most of what was not */
};

static struct nt_weight weight_of(const struct nt_profile *p,
                                  const struct nt_sample_figures *s)
{
    return nt__estimate_weight(s->requested_bytes, p->interval_bytes);
}

static bool in_class(const struct nt_sample_figures *s, const void *block_bytes)
{
    return s->block_bytes == *(const uint64_t *)block_bytes;
}

static bool counts(const struct nt_profile *p, size_t i, uint64_t block_bytes)
{
    const struct nt_sample_figures *s = &p->samples[i];

    return s->site < p->nsites && s->requested_bytes > 0 && in_class(s, &block_bytes);
}

static struct filled filled(const struct nt_analysis *a, uint64_t block_bytes)
{
    const struct nt_profile *p = &a->record->profile;
    double *unasked = nt__tool_memory(calloc(p->nsites + 1, sizeof *unasked));
    double block = (double)block_bytes, squares = 0;
    struct filled f = {0};

    for (size_t i = 0; i < p->nsamples; i++) {
        struct nt_weight w;

        if (!counts(p, i, block_bytes))
            continue;
        w = weight_of(p, &p->samples[i]);
        f.samples++;
        f.asked += w.bytes;
        f.given += w.blocks * block;
        unasked[p->samples[i].site] += w.blocks * block - w.bytes;
    }
    /* Of a ratio of two sums: by how far each sample is from it. */
    for (size_t i = 0; i < p->nsamples && f.samples > 0; i++)
        if (counts(p, i, block_bytes)) {
            struct nt_weight w = weight_of(p, &p->samples[i]);
            double off = w.bytes - w.blocks * block * f.asked / f.given;

            squares += off * off;
        }
    if (f.samples > 0)
        f.unasked_error = nt__estimate_root(squares) / f.given;
    f.most = nt__heaviest(a, NULL, unasked);
    free(unasked);
    return f;
}

static void report_waste(struct nt_analysis *a, const struct nt_class_figures *c,
                         double cost, const struct filled *in_use)
{
    double mean = in_use->asked / in_use->given * (double)c->block_bytes;
    double error = in_use->unasked_error * (double)c->live_bytes_now;
    struct nt_finding *f =
        nt__finding_add(a, "internal-waste", NT_COST_BYTES, cost, error);
    char *size = size_of_blocks(c);

    nt__finding_where(a, f, in_use->most);
    f->sentence = nt__say(
        "%s of the %s in use at the end in blocks of %s were not asked for: on average "
        "%.1f bytes of each are used. Most of it is in blocks of %s.",
        nt__bytes_pm(cost, error).s, nt__bytes((double)c->live_bytes_now).s, size, mean,
        in_use->most.place->name);
    f->advice = waste_advice(mean, c);
    free(size);
}

/* Without samples: what was in use at the peak less all that was ever asked for, by reallocs
 * in place, too. Where most blocks did not last to the peak, that is nothing: who they were
 * asked for is not known. */
static void find_waste_counted(struct nt_analysis *a, const struct nt_class_figures *c)
{
    double asked = (double)c->requested_bytes_total;
    double again = (double)a->record->snapshot.total.realloc_requested_bytes_total;
    double peak = (double)c->live_bytes_peak, cost = peak - asked - again;
    double mean =
        asked / (c->allocations_total != 0 ? (double)c->allocations_total : 1);
    struct nt_finding *f;
    char *size;

    if (cost < NT_WASTE_PART * peak || !nt__finding_counts(a, NT_COST_BYTES, cost, 0))
        return;
    f = nt__finding_add(a, "internal-waste", NT_COST_BYTES, cost, 0);
    size = size_of_blocks(c);
    f->sentence = nt__say(
        "At least %s of the %s in use at the peak in blocks of %s were not asked for: "
        "%s such blocks were allocated in all, for %.1f bytes each on average.",
        nt__bytes(cost).s, nt__bytes(peak).s, size,
        nt__count((double)c->allocations_total).s, mean);
    f->advice = waste_advice(mean, c);
    free(size);
}

static void find_waste_in(struct nt_analysis *a, const struct nt_class_figures *c)
{
    double now = (double)c->live_bytes_now, cost;
    struct filled in_use = filled(a, c->block_bytes);

    /* What is in use at the end says nothing about a peak that was far higher. */
    if (in_use.samples < NT_LEAST_SAMPLES || now < (double)c->live_bytes_peak / 2) {
        find_waste_counted(a, c);
        return;
    }
    cost = (1 - in_use.asked / in_use.given) * now;
    if (in_use.most.place != NULL &&
        cost - NT_SURE * in_use.unasked_error * now >= NT_WASTE_PART * now &&
        nt__finding_counts(a, NT_COST_BYTES, cost, in_use.unasked_error * now))
        report_waste(a, c, cost, &in_use);
}

/* Large blocks are longer than what was asked for by less than a page. */
void nt__find_waste(struct nt_analysis *a)
{
    const struct nt_snapshot *s = &a->record->snapshot;

    for (uint32_t i = 0; i < s->classes; i++)
        if (s->class_[i].block_bytes != 0)
            find_waste_in(a, &s->class_[i]);
}

/* ---- Free room between blocks -------------------------------------------------------------- */

/* Of the classes of which free room is pinned. */
struct room {
    double pinned, held, used;            /* bytes */
    const struct nt_class_figures *worst; /* of which most is pinned */
    double worst_pinned;
};

/* Of the free memory in a class's slabs what blocks in use keep there: each keeps one slab at
 * most, and one slab a thread would be there anyway. What was never in use at once with the
 * rest are no holes that blocks left: threads had slabs of their own, and hardly filled them. */
static double pinned(const struct nt_snapshot *s, const struct nt_class_figures *c)
{
    double slabs = (double)c->slabs_now, blocks = (double)c->live_blocks_now;
    double free_room = (double)c->slab_bytes_now - (double)c->live_bytes_now;
    double at_work = (double)s->threads_now + 1; /* sampled blocks have one, too */
    double holding = (blocks < slabs ? blocks : slabs) - at_work;
    double holes = (double)c->live_bytes_peak - (double)c->live_bytes_now;

    if (slabs < 1 || holding <= 0 || free_room <= 0 || c->block_bytes == 0)
        return 0;
    free_room *= holding / slabs;
    return holes < free_room ? holes : free_room;
}

static struct room room_at_the_end(const struct nt_snapshot *s)
{
    struct room room = {0};

    for (uint32_t i = 0; i < s->classes; i++) {
        double x = pinned(s, &s->class_[i]);

        if (x <= 0)
            continue;
        room.pinned += x;
        room.held += (double)s->class_[i].slab_bytes_now;
        room.used += (double)s->class_[i].live_bytes_now;
        if (x > room.worst_pinned) {
            room.worst_pinned = x;
            room.worst = &s->class_[i];
        }
    }
    return room;
}

/* At the end: exact, and by class. */
static bool find_pinned(struct nt_analysis *a, const char *advice)
{
    struct room room = room_at_the_end(&a->record->snapshot);
    const struct nt_place *place;
    struct nt_spot most;
    struct nt_finding *f;

    if (room.worst == NULL || room.held - room.used < NT_FRAGMENT_PART * room.held ||
        room.pinned < NT_FRAGMENT_EMPTY ||
        !nt__finding_counts(a, NT_COST_BYTES, room.pinned, 0))
        return false;
    most = nt__holder(a, in_class, &room.worst->block_bytes);
    place = most.place;
    f = nt__finding_add(a, "fragmentation", NT_COST_BYTES, room.pinned, 0);
    nt__finding_where(a, f, most);
    f->sentence = nt__say(
        "%s are free but cannot be given back, as blocks in use lie among them: of "
        "%s in slabs %s are in use. Most of it, %s, is in slabs of blocks of %s, "
        "where %s of %s blocks are left%s%s.",
        nt__bytes(room.pinned).s, nt__bytes(room.held).s, nt__bytes(room.used).s,
        nt__bytes(room.worst_pinned).s, nt__bytes((double)room.worst->block_bytes).s,
        nt__count((double)room.worst->live_blocks_now).s,
        nt__count((double)room.worst->allocations_total).s,
        place != NULL ? ", most by " : "", place != NULL ? place->name : "");
    f->advice = nt__say("%s", advice);
    return true;
}

/* Committed and not in use as long as an eighth of the run: the most of it. */
static double lasting_room(const struct nt_history *h, double *committed)
{
    double least[NT_HISTORY_PARTS], held[NT_HISTORY_PARTS] = {0}, worst = 0;

    for (size_t k = 0; k < NT_HISTORY_PARTS; k++)
        least[k] = -1;
    for (size_t i = 0; i < h->count; i++) {
        struct nt_moment m = nt__moment(h, i);

        if (least[m.part] < 0 || m.committed - m.live < least[m.part]) {
            least[m.part] = m.committed - m.live;
            held[m.part] = m.committed;
        }
    }
    for (size_t k = 0; k < NT_HISTORY_PARTS; k++)
        if (least[k] > worst) {
            worst = least[k];
            *committed = held[k];
        }
    return worst;
}

/* What threads kept at most: all that ever were, as if at once. Of a class each has one slab that
 * it allocates from, if there were as many blocks. */
static double kept_anyway(const struct nt_snapshot *s)
{
    double threads = s->threads_total > 1 ? (double)s->threads_total : 1;
    double kept = threads * NT_FRAGMENT_EMPTY;

    for (uint32_t i = 0; i < s->classes; i++) {
        double slab = NT_FRAGMENT_BLOCKS * (double)s->class_[i].block_bytes;
        double blocks = (double)s->class_[i].allocations_total;

        if (slab < NT_FRAGMENT_SLAB_LEAST)
            slab = NT_FRAGMENT_SLAB_LEAST;
        if (slab > NT_FRAGMENT_SLAB)
            slab = NT_FRAGMENT_SLAB;
        kept += s->class_[i].block_bytes == 0
                    ? 0
                    : slab * (blocks < threads ? blocks : threads);
    }
    return kept;
}

/* While it ran: all classes together, so that much may be what threads keep. */
static void find_lasting(struct nt_analysis *a, const char *advice)
{
    double committed = 0, unused = lasting_room(&a->record->history, &committed);
    double cost = unused - kept_anyway(&a->record->snapshot);
    struct nt_finding *f;

    if (unused < NT_FRAGMENT_PART * committed ||
        !nt__finding_counts(a, NT_COST_BYTES, cost, 0))
        return;
    f = nt__finding_add(a, "fragmentation", NT_COST_BYTES, cost, 0);
    f->sentence = nt__say(
        "For an eighth of the run %s of the %s that slabs and large blocks held were "
        "free, %s more than threads keep for what they allocate next.",
        nt__bytes(unused).s, nt__bytes(committed).s, nt__bytes(cost).s);
    f->advice = nt__say("%s", advice);
}

void nt__find_fragmentation(struct nt_analysis *a)
{
    static const char advice[] =
        "Take what lives long from a pool of its own (nt_pool_create), so that it "
        "does not sit among blocks that go; or take what goes together from one, and "
        "give it back whole by nt_pool_reset.";

    if (!find_pinned(a, advice))
        find_lasting(a, advice);
}
