/* SPDX-License-Identifier: MIT */
#include "numa/arena.h"

#include "numa/promise.h"
#include "numa/topo.h"
#include "numa/units.h"
#include "src/base/os.h"

#include <string.h>

#define FIRST_PIECE 16u                  /* units: 32 MiB */
#define LARGEST_PIECE (NT_GIB / NT_UNIT) /* 1 GiB */
#define HUGE_AFTER (32 * NT_MIB)         /* small programs must not bloat */
#define FILLED_AFTER (16 * NT_MIB)       /* nor middling ones that did not ask */
#define FILLED_WITHIN 100u               /* ms; else it would be given back before */

struct nt_arena_config nt__arena_config = {.return_ms = 1000};

/* ---- Pieces -------------------------------------------------------------------- */

/* With several nodes it is known of every unit whose it is: residency.h asks. */
static void own(const struct nt_arena *a, uint32_t u, uint32_t length)
{
    for (uint32_t i = 0; nt__topo()->nodes > 1 && i < length; i++)
        nt__unit_own(a, nt__window_unit(u + i));
}

static uint32_t map_promised(struct nt_arena *a, uint32_t length, size_t align)
{
    size_t bytes = (size_t)length << NT_UNIT_SHIFT;
    if (!nt__promise_begin(&a->policy, bytes))
        return NT_NO_UNIT;
    uint32_t u = nt__window_map(length, align, false);
    if (u != NT_NO_UNIT)
        own(a, u, length);
    nt__promise_end(&a->policy, bytes);
    return u;
}

/* Map, bind and advise a piece of at least `units`. Called without the lock. */
static bool grow(struct nt_arena *a, uint32_t units, size_t align, uint32_t piece)
{
    uint8_t huge = nt__arena_config.huge;
    bool hugetlb = false;
    uint32_t length = units > piece ? units : piece;
    uint32_t u = NT_NO_UNIT;
    /* They are reserved of the whole machine's: on nodes that have none left the first
     * touch would be SIGBUS, where a policy leaves no others. */
    if (huge == NT_HUGE_HUGETLB && !nt__bind_is_strict(&a->policy)) {
        u = nt__window_map(units, align, true);
        hugetlb = u != NT_NO_UNIT;
        if (hugetlb)
            own(a, u, length = units);
    }
    /* Under a tight limit ask for less and less, down to what is needed. */
    for (; u == NT_NO_UNIT; length = length / 2 > units ? length / 2 : units) {
        u = map_promised(a, length, align);
        if (u != NT_NO_UNIT || length == units)
            break;
    }
    if (u == NT_NO_UNIT)
        return false;
    void *at = nt__window_unit_address(u);
    size_t bytes = (size_t)length << NT_UNIT_SHIFT;
    bool bound = nt__bind(at, bytes, &a->policy, a->home) == 0;
    bool advised = hugetlb;
    uint64_t known = nt__max(nt__figure_get(&a->reserved), a->reserve / NT_UNIT_SLICES);
    if (huge == NT_HUGE_THP && known << NT_UNIT_SHIFT >= HUGE_AFTER)
        advised = nt__os_advise_huge(at, bytes);

    nt__lock(&a->lock);
    nt__figure_set(&a->reserved, a->reserved + length);
    nt__figure_set(&a->bound, a->bound + (bound ? length : 0));
    nt__figure_set(&a->huge, a->huge + (advised ? length : 0));
    nt__figure_set(&a->mappings, a->mappings + 1);
    uint64_t share = a->reserved / (nt__topo()->nodes > 1 ? 2 : 8);
    a->next_piece =
        (uint32_t)nt__min(nt__max(FIRST_PIECE, (size_t)share), LARGEST_PIECE);
    nt__extent_insert(a, u, length, 0, nt__unit_now_ms());
    nt__unlock(&a->lock);
    return true;
}

void nt__arena_keep(struct nt_arena *a, uint32_t units)
{
    a->reserve = (uint64_t)units * NT_UNIT_SLICES;
}

bool nt__arena_grow(struct nt_arena *a, uint32_t units)
{
    return grow(a, units, NT_UNIT, units);
}

/* ---- Runs ---------------------------------------------------------------------- */

static uint32_t run_mask(unsigned first, size_t slices)
{
    return (slices >= NT_UNIT_SLICES ? NT_ALL_SLICES : ((1u << slices) - 1)) << first;
}

/* First place of `slices` free slices at a multiple of `step` in a unit, or -1. */
static int run_find(uint32_t used, unsigned slices, unsigned step)
{
    for (unsigned at = 0; at + slices <= NT_UNIT_SLICES; at += step) {
        uint32_t clash = used & run_mask(at, slices);
        if (clash == 0)
            return (int)at;
        if (step == 1) /* go on behind the last slice in the way */
            at = 31u - (unsigned)__builtin_clz(clash);
    }
    return -1;
}

static void *unit_lend(struct nt_arena *a, uint32_t u, unsigned at, unsigned slices,
                       bool *clean)
{
    struct nt_unit *unit = nt__window_unit(u);
    uint32_t mask = run_mask(at, slices);
    NT_ASSERT((unit->used & mask) == 0);
    *clean = (unit->dirty & mask) == 0;
    unit->used |= mask;
    nt__partial_insert(a, u);
    nt__unit_note_loose(a, unit); /* it was not left alone, and the rest may wait */
    nt__figure_set(&a->committed, a->committed + slices);
    return nt__window_unit_address(u) + ((size_t)at << NT_SLICE_SHIFT);
}

/* A run at the beginning of a free unit. */
static void *take_unit(struct nt_arena *a, unsigned slices, bool *clean)
{
    uint32_t at;
    uint32_t u = nt__extent_find(a, 1, NT_UNIT, &at);
    if (u == NT_NO_UNIT)
        return NULL;
    uint32_t dirty = nt__extent_cut(a, u, at, 1);
    nt__window_unit(at)->used = 0;
    nt__window_unit(at)->dirty = dirty != 0 ? NT_ALL_SLICES : 0;
    return unit_lend(a, at, 0, slices, clean);
}

/* A run within one unit: the fullest unit that has room, else a free one. */
static void *take_small(struct nt_arena *a, unsigned slices, size_t align, bool *clean)
{
    unsigned step = (unsigned)(align >> NT_SLICE_SHIFT);
    uint32_t bins =
        slices < NT_UNIT_SLICES ? a->partial_bins & (NT_ALL_SLICES << slices) : 0;
    for (; bins != 0; bins &= bins - 1) {
        uint32_t u = a->partial[__builtin_ctz(bins)];
        for (int tries = 0; u != NT_NO_UNIT && tries < 8; tries++) {
            int at = run_find(nt__window_unit(u)->used, slices, step);
            if (at >= 0) {
                nt__partial_remove(a, u);
                return unit_lend(a, u, (unsigned)at, slices, clean);
            }
            u = nt__window_unit(u)->next;
        }
    }
    return take_unit(a, slices, clean);
}

/* Lend `slices` from the extent at `u` on: `units` units, the last perhaps in part. How
 * many of these slices are dirty. */
static uint32_t lend_units(struct nt_arena *a, uint32_t u, uint32_t at, uint32_t units,
                           size_t slices)
{
    uint32_t dirty = nt__extent_cut(a, u, at, units);
    unsigned tail = (unsigned)(slices % NT_UNIT_SLICES);
    if (tail != 0) { /* the rest of the last unit serves others */
        struct nt_unit *last = nt__window_unit(at + units - 1);
        last->used = run_mask(0, tail);
        last->dirty = dirty != 0 ? NT_ALL_SLICES : 0;
        nt__partial_insert(a, at + units - 1);
        nt__unit_note_loose(a, last);
    }
    nt__figure_set(&a->committed, a->committed + slices);
    return dirty;
}

static void *take_large(struct nt_arena *a, size_t slices, size_t align,
                        uint32_t *dirty)
{
    uint32_t units = (uint32_t)((slices + NT_UNIT_SLICES - 1) / NT_UNIT_SLICES);
    uint32_t at;
    uint32_t u = nt__extent_find(a, units, align, &at);
    if (u == NT_NO_UNIT)
        return NULL;
    *dirty = lend_units(a, u, at, units, slices);
    return nt__window_unit_address(at);
}

/* Where all is a huge page that may be: a clean unit whose first run this is, of a part of it, is
 * not to be one; and what a long run takes of such units is to be as the system has it. */
static void *lent(struct nt_arena *a, void *run, size_t slices, bool clean)
{
    uint32_t u = nt__window_unit_number(run);
    if (!nt__arena_config.always)
        return run;
    if (slices < NT_UNIT_SLICES && clean && (uintptr_t)run % NT_UNIT == 0)
        nt__unit_advise(a, u, NT_ADVICE_SMALL);
    for (uint32_t i = 0; i < slices / NT_UNIT_SLICES; i++)
        if (nt__unit_is_advised(u + i, NT_ADVICE_SMALL))
            nt__unit_advise(a, u + i, NT_ADVICE_HUGE);
    return run;
}

/* Do pages of this arena go to nodes in turn, one by one, or may they? */
static bool takes_turns(const struct nt_arena *a)
{
    return nt__topo()->nodes > 1 && a->policy.mode >= NT_INTERLEAVE;
}

void nt__arena_will_fill(struct nt_arena *a, void *run, size_t slices)
{
    uint32_t u = nt__window_unit_number(run);
    if (nt__arena_config.huge != NT_HUGE_AUTO ||
        nt__arena_config.return_ms < FILLED_WITHIN || (uintptr_t)run % NT_UNIT != 0 ||
        NT_RACY(nt__window_unit(u)->used) != run_mask(0, slices) ||
        nt__figure_get(&a->committed) << NT_SLICE_SHIFT < FILLED_AFTER ||
        takes_turns(a))
        return;
    nt__unit_advise(a, u, NT_ADVICE_HUGE);
}

void *nt__arena_take(struct nt_arena *a, size_t slices, size_t align, bool *clean)
{
    if (slices > (UINT32_MAX / 2) * (size_t)NT_UNIT_SLICES)
        return NULL;
    bool small = slices <= NT_UNIT_SLICES && align <= NT_UNIT;
    uint32_t units = (uint32_t)((slices + NT_UNIT_SLICES - 1) / NT_UNIT_SLICES);
    align = nt__max(align, small ? NT_SLICE : NT_UNIT);
    for (;;) {
        uint32_t dirty = 0;
        nt__lock(&a->lock);
        void *run = small ? take_small(a, (unsigned)slices, align, clean)
                          : take_large(a, slices, align, &dirty);
        uint32_t piece = a->next_piece;
        nt__unlock(&a->lock);
        if (run && small)
            return lent(a, run, slices, *clean);
        size_t gone = dirty < slices ? nt__arena_yield(a, slices - dirty) : 0;
        if (run) {
            *clean = dirty == 0;
            return lent(a, run, slices, *clean);
        }
        if (gone == 0 && !grow(a, units, nt__max(align, NT_UNIT), piece))
            return NULL;
    }
}

void *nt__arena_take_ahead(struct nt_arena *a, size_t slices, bool *clean)
{
    if (slices >= NT_UNIT_SLICES)
        return NULL;
    nt__lock(&a->lock);
    void *run = take_unit(a, (unsigned)slices, clean);
    nt__unlock(&a->lock);
    return run ? lent(a, run, slices, *clean) : NULL;
}

/* Slices [at, at+slices) of unit `u` come back. */
static void unit_give(struct nt_arena *a, uint32_t u, unsigned at, size_t slices,
                      bool clean)
{
    struct nt_unit *unit = nt__window_unit(u);
    uint32_t mask = run_mask(at, slices);
    if (unit->state ==
        NT_UNIT_OTHER) { /* within a long run: nothing is noted of it yet */
        nt__unit_own(a, unit);
        unit->state = NT_UNIT_LENT;
        unit->used = NT_ALL_SLICES;
        unit->dirty = NT_ALL_SLICES;
    }
    NT_ASSERT((unit->used & mask) == mask);
    nt__partial_remove(a, u);
    unit->used &= ~mask;
    if (!clean)
        unit->dirty |= mask;
    nt__unit_free_again(a, u);
    if (unit->used != 0)
        nt__unit_note_loose(a, unit);
}

static void give_locked(struct nt_arena *a, uint32_t u, unsigned at, size_t slices,
                        bool clean)
{
    nt__figure_set(&a->committed, a->committed - slices);
    if (at != 0 || slices < NT_UNIT_SLICES) {
        size_t here = nt__min(slices, NT_UNIT_SLICES - at);
        unit_give(a, u, at, here, clean);
        slices -= here;
        u++;
    }
    uint32_t full = (uint32_t)(slices / NT_UNIT_SLICES);
    unsigned tail = (unsigned)(slices % NT_UNIT_SLICES);
    if (full != 0)
        nt__extent_insert(a, u, full, clean ? 0 : full * NT_UNIT_SLICES,
                          nt__unit_now_ms());
    if (tail != 0)
        unit_give(a, u + full, 0, tail, clean);
}

void nt__arena_give(struct nt_arena *a, void *run, size_t slices, bool clean)
{
    uint32_t u = nt__window_unit_number(run);
    unsigned at = (unsigned)(((uintptr_t)run >> NT_SLICE_SHIFT) % NT_UNIT_SLICES);
    if (clean && at == 0) /* its pages were moved elsewhere, or never touched */
        nt__units_forgo_huge(a, u, slices / NT_UNIT_SLICES);
    nt__lock(&a->lock);
    give_locked(a, u, at, slices, clean);
    nt__unlock(&a->lock);
}

/* What was asked for of its whole units went with their mapping. Under the lock. */
static void unadvise(struct nt_arena *a, const void *run, size_t slices)
{
    uintptr_t from = nt__align_up((uintptr_t)run, NT_UNIT);
    uintptr_t to = (uintptr_t)run + (slices << NT_SLICE_SHIFT);
    for (; from + NT_UNIT <= to; from += NT_UNIT) {
        uint32_t u = nt__window_unit_number((void *)from);
        nt__unit_note_advice(a, nt__window_unit(u), NT_ADVICE_NONE);
    }
}

void nt__arena_give_anew(struct nt_arena *a, void *run, size_t slices, bool clean)
{
    size_t bytes = slices << NT_SLICE_SHIFT;
    bool anew = !nt__guest_mpi() && nt__os_remap(run, bytes);
    if (!anew) {
        if (nt__guest_mpi() || nt__os_is_mapped(run, bytes))
            nt__arena_give(a, run, slices, clean);
        return;
    }
    nt__bind(run, bytes, &a->policy, a->home);
    nt__lock(&a->lock);
    unadvise(a, run, slices);
    nt__figure_set(&a->returned, a->returned + bytes);
    give_locked(a, nt__window_unit_number(run),
                (unsigned)(((uintptr_t)run >> NT_SLICE_SHIFT) % NT_UNIT_SLICES), slices,
                true);
    nt__unlock(&a->lock);
}

/* Is there a row of extents of at least `units` units from `u` on? */
static bool is_free_from(const struct nt_arena *a, uint32_t u, size_t units)
{
    while (units != 0 && nt__extent_at(a, u)) {
        uint32_t length = nt__window_unit(u)->length;
        if (length >= units)
            return true;
        units -= length;
        u += length;
    }
    return units == 0;
}

/* Lend `slices` from `u` on, of the extents that lie there. */
static void lend_row(struct nt_arena *a, uint32_t u, size_t slices, bool *clean)
{
    while (slices != 0) {
        size_t here = (size_t)nt__window_unit(u)->length * NT_UNIT_SLICES;
        here = nt__min(here, slices);
        uint32_t units = (uint32_t)((here + NT_UNIT_SLICES - 1) / NT_UNIT_SLICES);
        *clean &= lend_units(a, u, u, units, here) == 0;
        slices -= here;
        u += units;
    }
}

bool nt__arena_extend(struct nt_arena *a, void *run, size_t slices, size_t more,
                      bool *clean)
{
    const char *end = (char *)run + (slices << NT_SLICE_SHIFT);
    uint32_t u = nt__window_unit_number(end);
    unsigned at = (unsigned)(((uintptr_t)end >> NT_SLICE_SHIFT) % NT_UNIT_SLICES);
    size_t want = more - slices;
    size_t here = at == 0 ? 0 : nt__min(want, NT_UNIT_SLICES - at);
    size_t units = (want - here + NT_UNIT_SLICES - 1) / NT_UNIT_SLICES;
    uint32_t next = u + (at != 0);
    *clean = true;
    nt__lock(&a->lock);
    bool got = here == 0 || (nt__window_unit(u)->used & run_mask(at, here)) == 0;
    got = got && is_free_from(a, next, units);
    if (got && here != 0) {
        nt__partial_remove(a, u);
        unit_lend(a, u, at, (unsigned)here, clean);
    }
    if (got)
        lend_row(a, next, want - here, clean);
    nt__unlock(&a->lock);
    return got;
}

/* ---- Start and check ---------------------------------------------------------------- */

void nt__arena_init(struct nt_arena *a, unsigned index, unsigned slot,
                    const struct nt_policy *policy, int home)
{
    struct nt_policy kept = *policy; /* it may be a's own */
    uint64_t reserve = a->reserve;   /* 0 in one that is made */
    memset(a, 0, sizeof *a);
    a->reserve = reserve;
    nt__lock_init(&a->lock, NT_RANK_ARENA);
    a->index = (uint16_t)index;
    a->slot = (uint8_t)slot;
    a->home = (int8_t)home;
    a->policy = kept;
    a->next_piece = FIRST_PIECE;
    for (unsigned i = 0; i < NT_UNIT_SLICES; i++)
        a->partial[i] = NT_NO_UNIT;
    for (unsigned i = 0; i < NT_EXTENT_BINS; i++)
        a->extents[false][i] = a->extents[true][i] = NT_NO_UNIT;
}
