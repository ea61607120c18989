/* SPDX-License-Identifier: MIT */
/*
 * Memory that is held and not used, by size class: inside blocks, which are longer than
 * what was asked for, and between them, in slabs that few blocks keep from going back.
 *
 * The figures are counters, so exact; where samples tell it, the code is named that has
 * most of the class's blocks in use at the end.
 */
#include "src/tool/analysis.h"

#include <stdlib.h>

/* ---- Who has a class's blocks ------------------------------------------------------------ */

static bool in_class(const struct nt_sample_figures *s, const void *block_bytes)
{
    return s->block_bytes == *(const uint64_t *)block_bytes;
}

/* The place that asked for most in blocks of `below` (not itself) to `size` bytes. */
static const struct nt_place *asker(const struct nt_analysis *a, uint64_t below,
                                    uint64_t size)
{
    const struct nt_place *best = NULL;

    for (size_t i = 0; i < a->places.n; i++) {
        const struct nt_place *place = &a->places.list[i];
        double mean = place->bytes / (place->blocks > 0 ? place->blocks : 1);

        if (mean > (double)below && mean <= (double)size &&
            (best == NULL || place->bytes > best->bytes))
            best = place;
    }
    return best;
}

/* ---- Waste inside blocks ----------------------------------------------------------------- */

/* What to do depends on whether a class could fit: they are multiples of 16. */
static char *waste_advice(double mean, const struct nt_class_figures *c)
{
    uint64_t fitting = ((uint64_t)mean / 16 + 1) * 16;

    if (c->block_bytes == 0)
        return nt__say(
            "Large blocks are whole pages: ask for sizes that fill them, or put "
            "several into one block.");
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

static void find_waste_in(struct nt_analysis *a, const struct nt_class_figures *c,
                          uint64_t below)
{
    double asked = (double)c->requested_bytes_total;
    double given = (double)c->allocated_bytes_total;
    double part = given > asked ? 1 - asked / given : 0;
    double cost = part * (double)c->live_bytes_peak;
    double mean =
        asked / (c->allocations_total != 0 ? (double)c->allocations_total : 1);
    const struct nt_place *place;
    struct nt_spot most;
    struct nt_finding *f;

    if (part < NT_WASTE_PART || !nt__finding_counts(a, NT_COST_BYTES, cost, 0))
        return;
    most = nt__holder(a, in_class, &c->block_bytes);
    if (most.place == NULL)
        most = nt__most_of(a, asker(a, below, c->block_bytes),
                           offsetof(struct nt_site_figures, requested_bytes_total));
    place = most.place;
    f = nt__finding_add(a, "internal-waste", NT_COST_BYTES, cost, 0);
    nt__finding_where(a, f, most);
    f->sentence = nt__say(
        "%s of the %s in blocks of %s were not asked for: on average %.1f bytes of "
        "each are used, of %s blocks in all%s%s.",
        nt__bytes(cost).s, nt__bytes((double)c->live_bytes_peak).s,
        c->block_bytes != 0 ? nt__bytes((double)c->block_bytes).s : "whole pages", mean,
        nt__count((double)c->allocations_total).s, place != NULL ? ", most by " : "",
        place != NULL ? place->name : "");
    f->advice = waste_advice(mean, c);
}

void nt__find_waste(struct nt_analysis *a)
{
    const struct nt_snapshot *s = &a->record->snapshot;

    for (uint32_t i = 0; i < s->classes; i++)
        find_waste_in(a, &s->class_[i], i > 0 ? s->class_[i - 1].block_bytes : 0);
}

/* ---- Free room between blocks -------------------------------------------------------------- */

/* Of the classes of which free room is pinned. */
struct room {
    double pinned, held, used;            /* bytes */
    const struct nt_class_figures *worst; /* of which most is pinned */
    double worst_pinned;
};

/* Of the free memory in a class's slabs what blocks in use keep there: each keeps one slab at
 * most, and one slab a thread would be there anyway. */
static double pinned(const struct nt_snapshot *s, const struct nt_class_figures *c)
{
    double slabs = (double)c->slabs_now, blocks = (double)c->live_blocks_now;
    double free_room = (double)c->slab_bytes_now - (double)c->live_bytes_now;
    double at_work = (double)s->threads_now + 1; /* sampled blocks have one, too */
    double holding = (blocks < slabs ? blocks : slabs) - at_work;

    if (slabs < 1 || holding <= 0 || free_room <= 0 || c->block_bytes == 0)
        return 0;
    return free_room * holding / slabs;
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

/* What threads kept at most: all that ever were at once, with all classes in use. */
static double kept_anyway(const struct nt_snapshot *s)
{
    double threads = s->threads_total > 1 ? (double)s->threads_total : 1;
    unsigned classes = 0;

    for (uint32_t i = 0; i < s->classes; i++)
        classes += s->class_[i].allocations_total != 0;
    return threads * (NT_FRAGMENT_EMPTY + classes * NT_FRAGMENT_SLAB);
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
