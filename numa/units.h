/* SPDX-License-Identifier: MIT */
/*
 * The units of an arena and the lists they are on: what arena.c and purge.c share.
 *
 * Partial units by how many slices are free, extents by the power of two in their
 * length (arena.h tells what they are and what always holds). Every call here is made
 * under the arena's lock but where it says otherwise.
 */
#ifndef NT_NUMA_UNITS_H
#define NT_NUMA_UNITS_H

#include "numa/arena.h"
#include "src/base/os.h"

enum nt_unit_state {
    NT_UNIT_OTHER = 0, /* inside an extent or a long run: nothing is noted of it */
    NT_UNIT_EXTENT,    /* first or last of an extent */
    NT_UNIT_PARTIAL,
    NT_UNIT_LENT, /* all slices are lent, by runs of up to a unit */
};

#define NT_ALL_SLICES UINT32_MAX

/* Figures have one writer, whoever holds the lock, and readers without it. */
static inline void nt__figure_set(uint64_t *figure, uint64_t value)
{
    __atomic_store_n(figure, value, __ATOMIC_RELAXED);
}

static inline uint64_t nt__figure_get(const uint64_t *figure)
{
    return __atomic_load_n(figure, __ATOMIC_RELAXED);
}

static inline uint32_t nt__unit_now_ms(void)
{
    return (uint32_t)nt__os_now_ms();
}

/* The unit is `a`'s. Neighbours in other arenas read this without our lock. Release: who
 * finds it (numa/residency.c) finds the arena. */
static inline void nt__unit_own(const struct nt_arena *a, struct nt_unit *unit)
{
    __atomic_store_n(&unit->arena, (uint16_t)(a->index + 1), __ATOMIC_RELEASE);
}

/* Free slices of a unit that are in memory: they were written to, or belong to what is to be a huge
 * page, of which the system brings all. */
static inline uint32_t nt__unit_waiting(const struct nt_unit *unit)
{
    bool huge = unit->advised == NT_ADVICE_HUGE;
    return (huge ? NT_ALL_SLICES : unit->dirty) & ~unit->used;
}

/* Is so much of it free and in memory that to give it back is worth a huge page? */
static inline bool nt__unit_is_loose(const struct nt_unit *unit)
{
    return nt__bits(nt__unit_waiting(unit)) >= NT_UNIT_SLICES / 2;
}

/* Put a unit with slices lent where its `used` says; take it away before that changes. */
NT_HIDDEN void nt__partial_insert(struct nt_arena *a, uint32_t u);
NT_HIDDEN void nt__partial_remove(struct nt_arena *a, uint32_t u);

/* A unit off the lists, some of whose slices came back: to where it belongs now. */
NT_HIDDEN void nt__unit_free_again(struct nt_arena *a, uint32_t u);

/* A partial unit is to be looked at, if it is loose, when it was left alone for the delay. */
NT_HIDDEN void nt__unit_note_loose(struct nt_arena *a, struct nt_unit *unit);

/* This was asked for of a unit; nothing: its mapping is made anew. */
NT_HIDDEN void nt__unit_note_advice(struct nt_arena *a, struct nt_unit *unit,
                                    enum nt_advice how);

/* So many units of which something was asked for were unmapped. */
NT_HIDDEN void nt__unit_forget_advice(uint32_t units);

/* Is it known of a unit, without the lock, that this was asked for? */
static inline bool nt__unit_is_advised(uint32_t u, enum nt_advice how)
{
    return NT_RACY(nt__window_unit(u)->advised) == how;
}

/* Ask for a unit to be a huge page, or not to be one, unless that was asked for already, or
 * something of too many: each may split a mapping, and there are few to be had. That it is not
 * to be one is noted even if the system refuses: nobody is to try again each second. Without
 * the lock; the unit is the caller's, lent or taken. */
NT_HIDDEN void nt__unit_advise(struct nt_arena *a, uint32_t u, enum nt_advice how);

/* Units that are, or will be, clean: those that were to be huge pages are not to be such any more,
 * as others will lie there. Without the lock; they are the caller's. */
NT_HIDDEN void nt__units_forgo_huge(struct nt_arena *a, uint32_t u, size_t units);

/* Is unit `u` the edge of an extent of this arena? */
NT_HIDDEN bool nt__extent_at(const struct nt_arena *a, uint32_t u);

/* Free units with so many dirty slices in them, merged with what is free beside them if
 * that is dirty, or clean, too. The age of the whole is that of its largest part: a big
 * old extent must not stay young by what joins it. */
NT_HIDDEN void nt__extent_insert(struct nt_arena *a, uint32_t u, uint32_t length,
                                 uint32_t dirty, uint32_t stamp);

/* Cut units [at, at+units) out of the extent that begins at `u`. How many of their slices
 * are dirty: their share. */
NT_HIDDEN uint32_t nt__extent_cut(struct nt_arena *a, uint32_t u, uint32_t at,
                                  uint32_t units);

/* An extent, a dirty one if there is one, that has `units` units at `align`, from *at on;
 * NT_NO_UNIT: none has. */
NT_HIDDEN uint32_t nt__extent_find(struct nt_arena *a, uint32_t units, size_t align,
                                   uint32_t *at);

#endif
