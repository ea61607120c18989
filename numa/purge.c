/* SPDX-License-Identifier: MIT */
/* The part of arena.h that gives memory back to the system. */
#include "numa/promise.h"
#include "numa/units.h"

#define PURGE_AT_ONCE (256 * NT_MIB / NT_SLICE) /* slices purged by one caller */
#define LOOSE_AT_ONCE 64                        /* partial ones */
#define LOOSE_LOOKS 4096                        /* looked at for these */

/* Take units that have been free for `age_ms` off the lists: a dirty extent's, up to some
 * `most` dirty slices. NT_NO_UNIT: there are none. */
static uint32_t dirty_take(struct nt_arena *a, uint32_t age_ms, size_t most,
                           uint32_t *length, uint32_t *dirty)
{
    uint32_t now = nt__unit_now_ms();
    for (uint32_t bins = a->extent_bins[true]; bins != 0; bins &= bins - 1) {
        uint32_t u = a->extents[true][__builtin_ctz(bins)];
        for (; u != NT_NO_UNIT; u = nt__window_unit(u)->next) {
            const struct nt_unit *first = nt__window_unit(u);
            if (now - first->stamp_ms < age_ms)
                continue;
            *length = first->length;
            if (first->dirty > most) /* the share of the first units will do */
                *length =
                    (uint32_t)((first->length * (uint64_t)most + first->dirty - 1) /
                               first->dirty);
            *dirty = nt__extent_cut(a, u, u, *length);
            return u;
        }
    }
    return NT_NO_UNIT;
}

/* Unmap units that are off the lists. Which of them were in pieces that were advised whole, or
 * made a mapping of their own, is not noted: none of these figures is ever above what is left. */
static bool unmap(struct nt_arena *a, uint32_t u, uint32_t units)
{
    uint32_t advised = 0, huge = 0;
    for (uint32_t i = 0; i < units; i++) {
        advised += !nt__unit_is_advised(u + i, NT_ADVICE_NONE);
        huge += nt__unit_is_advised(u + i, NT_ADVICE_HUGE);
    }
    if (!nt__window_unmap(u, units))
        return false;
    nt__unit_forget_advice(advised);
    nt__lock(&a->lock);
    nt__figure_set(&a->reserved, a->reserved - units);
    nt__figure_set(&a->bound, nt__min(a->bound, a->reserved));
    huge = (uint32_t)nt__min(huge, a->huge);
    nt__figure_set(&a->huge, nt__min(a->huge - huge, a->reserved));
    nt__figure_set(&a->mappings, nt__min(a->mappings, a->reserved));
    nt__figure_set(&a->returned, a->returned + ((uint64_t)units << NT_UNIT_SHIFT));
    nt__unlock(&a->lock);
    return true;
}

/* An extent off the lists goes back to the system, and on the lists again. Where room was
 * promised it is unmapped instead: the room may go to others now, and is to be asked for
 * before the memory is used again. */
static bool give_back(struct nt_arena *a, uint32_t u, uint32_t length, uint32_t dirty)
{
    if (nt__promise_is_kept(&a->policy) && unmap(a, u, length))
        return true;
    bool purged =
        nt__os_purge(nt__window_unit_address(u), (size_t)length << NT_UNIT_SHIFT);
    nt__units_forgo_huge(a, u, length);
    nt__lock(&a->lock);
    nt__extent_insert(a, u, length, purged ? 0 : dirty, nt__unit_now_ms());
    if (purged)
        nt__figure_set(&a->returned, a->returned + ((uint64_t)dirty << NT_SLICE_SHIFT));
    nt__unlock(&a->lock);
    return purged;
}

/* Purge extents free for `age_ms` until `budget` dirty slices are. How many were. */
static size_t purge_extents(struct nt_arena *a, uint32_t age_ms, size_t budget)
{
    size_t done = 0;
    while (done < budget) {
        uint32_t length, dirty;
        nt__lock(&a->lock);
        uint32_t u = dirty_take(a, age_ms, budget - done, &length, &dirty);
        nt__unlock(&a->lock);
        if (u == NT_NO_UNIT)
            break;
        if (!give_back(a, u, length, dirty))
            break;
        done += dirty;
    }
    return done;
}

/* Those of `mask` in a unit that the system took back. */
static uint32_t purge_mask(uint32_t u, uint32_t mask)
{
    uint32_t purged = 0;
    while (mask != 0) { /* row by row */
        unsigned first = (unsigned)__builtin_ctz(mask);
        uint32_t rest = ~(mask >> first); /* 0: of all */
        unsigned row = rest != 0 ? (unsigned)__builtin_ctz(rest) : NT_UNIT_SLICES;
        uint32_t bits = (row < NT_UNIT_SLICES ? (1u << row) - 1 : NT_ALL_SLICES)
                        << first;
        char *at = nt__window_unit_address(u) + ((size_t)first << NT_SLICE_SHIFT);
        if (nt__os_purge(at, (size_t)row << NT_SLICE_SHIFT))
            purged |= bits;
        mask &= ~bits;
    }
    return purged;
}

/* Free slices of a partial unit that are in memory; beyond age 0: if they are half of it, and it
 * was left alone for so long. They are lent to ourselves meanwhile. Bytes. */
static size_t purge_slices(struct nt_arena *a, uint32_t u, uint32_t age_ms)
{
    struct nt_unit *unit = nt__window_unit(u);
    nt__lock(&a->lock);
    uint32_t mask = 0;
    if (unit->state == NT_UNIT_PARTIAL &&
        (age_ms == 0 ||
         (nt__unit_is_loose(unit) && nt__unit_now_ms() - unit->stamp_ms >= age_ms)))
        mask = nt__unit_waiting(unit);
    if (mask == 0 || unit->arena != a->index + 1) {
        nt__unlock(&a->lock);
        return 0;
    }
    nt__partial_remove(a, u);
    unit->used |= mask;
    nt__partial_insert(a, u);
    nt__unlock(&a->lock);
    /* A huge page of which a part is purged stays whole until memory is short, and may come to
     * be filled up again. */
    if (nt__unit_is_advised(u, NT_ADVICE_HUGE))
        nt__unit_advise(a, u, NT_ADVICE_SMALL);
    nt__os_split(nt__window_unit_address(u) +
                 ((size_t)__builtin_ctz(mask) << NT_SLICE_SHIFT));
    uint32_t purged = purge_mask(u, mask);
    size_t bytes = (size_t)nt__bits(purged) << NT_SLICE_SHIFT;
    nt__lock(&a->lock);
    nt__partial_remove(a, u);
    unit->used &= ~mask;
    unit->dirty &= ~purged;
    nt__figure_set(&a->returned, a->returned + bytes);
    nt__unit_free_again(a, u);
    nt__unlock(&a->lock);
    return bytes;
}

/* Up to LOOSE_AT_ONCE loose units that were left alone since before the delay, from where the
 * last look ended. Notes how many there are yet to be looked at: all, if some are yet to age.
 * What is purged stays in its list, so a look at lists would always begin with it. */
static unsigned find_loose(struct nt_arena *a, uint32_t age_ms, uint32_t *found)
{
    uint32_t now = nt__unit_now_ms();
    uint32_t units = (uint32_t)(NT_RACY(nt__window.limit) >> NT_UNIT_SHIFT);
    uint32_t left = (uint32_t)nt__min(a->loose, units);
    unsigned n = 0;
    bool young = false;
    for (unsigned i = 0; left != 0 && i < LOOSE_LOOKS && n < LOOSE_AT_ONCE;
         i++, left--) {
        uint32_t u = a->next_loose < units ? a->next_loose : 0;
        const struct nt_unit *unit = nt__window_unit(u);
        a->next_loose = u + 1;
        if (__atomic_load_n(&unit->arena, __ATOMIC_RELAXED) != a->index + 1u ||
            unit->state != NT_UNIT_PARTIAL || !nt__unit_is_loose(unit))
            continue;
        if (now - unit->stamp_ms >= age_ms)
            found[n++] = u;
        else
            young = true;
    }
    __atomic_store_n(&a->loose, young ? UINT32_MAX : left, __ATOMIC_RELAXED);
    return n;
}

static void purge_loose(struct nt_arena *a, uint32_t age_ms)
{
    uint32_t found[LOOSE_AT_ONCE];
    if (__atomic_load_n(&a->loose, __ATOMIC_RELAXED) == 0)
        return;
    nt__lock(&a->lock);
    unsigned n = find_loose(a, age_ms, found);
    nt__unlock(&a->lock);
    for (unsigned i = 0; i < n; i++)
        purge_slices(a, found[i], age_ms);
}

bool nt__arena_decay(struct nt_arena *a)
{
    if (!nt__arena_waits(a))
        return false;
    uint32_t now = nt__unit_now_ms(), delay = nt__arena_config.return_ms;
    uint32_t due = __atomic_load_n(&a->next_look_ms, __ATOMIC_RELAXED);
    /* Only what is due soon is yet to come: the milliseconds wrap around in 50 days, and
     * nobody may have looked for that long. */
    uint32_t wait = due - now;
    if (wait != 0 && wait <= delay / 4 + 1)
        return false;
    if (nt__guest() != NT_GUEST_NONE)
        return false;
    /* One of those who find it due goes. */
    if (!__atomic_compare_exchange_n(&a->next_look_ms, &due, now + delay / 4 + 1, false,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return false;
    purge_extents(a, delay, nt__min(PURGE_AT_ONCE, nt__arena_spare(a)));
    if (nt__arena_spare(a) != 0)
        purge_loose(a, delay);
    return true;
}

size_t nt__arena_yield(struct nt_arena *a, size_t slices)
{
    if (__atomic_load_n(&a->cached, __ATOMIC_RELAXED) == 0 ||
        nt__guest() != NT_GUEST_NONE)
        return 0;
    return purge_extents(a, 0, nt__min(slices, nt__arena_spare(a)));
}

size_t nt__arena_purge(struct nt_arena *a)
{
    size_t bytes = purge_extents(a, 0, SIZE_MAX) << NT_SLICE_SHIFT;
    size_t units = nt__window.limit >> NT_UNIT_SHIFT;
    for (uint32_t u = 0; u < units; u++)
        if (__atomic_load_n(&nt__window_unit(u)->arena, __ATOMIC_RELAXED) ==
            a->index + 1)
            bytes += purge_slices(a, u, 0);
    return bytes;
}

/* Any extent; NT_NO_UNIT: there is none. */
static uint32_t any_extent(const struct nt_arena *a)
{
    for (int dirty = 0; dirty < 2; dirty++)
        if (a->extent_bins[dirty] != 0)
            return a->extents[dirty][__builtin_ctz(a->extent_bins[dirty])];
    return NT_NO_UNIT;
}

size_t nt__arena_release(struct nt_arena *a)
{
    size_t bytes = 0;
    while (!nt__guest_mpi()) {
        nt__lock(&a->lock);
        uint32_t u = any_extent(a);
        if (u == NT_NO_UNIT) {
            nt__unlock(&a->lock);
            return bytes;
        }
        uint32_t length = nt__window_unit(u)->length;
        uint32_t dirty = nt__extent_cut(a, u, u, length);
        nt__unlock(&a->lock);
        if (!unmap(a, u, length)) {
            nt__lock(&a->lock);
            nt__extent_insert(a, u, length, dirty, nt__unit_now_ms());
            nt__unlock(&a->lock);
            return bytes;
        }
        bytes += (size_t)length << NT_UNIT_SHIFT;
    }
    return bytes;
}
