/* SPDX-License-Identifier: MIT */
/*
 * An arena: memory asked for in one way (a policy, seen from a node), lent in slices.
 *
 * Terms. A *run* is a number of consecutive slices lent to one slab or large block: up
 * to 32 slices lie within one unit, more begin at a unit's start. A *partial* unit is
 * lent in part; an *extent* is a maximal row of wholly free units.
 *
 * Ideas. Partial units are filled fullest first, so that the emptiest come to be wholly
 * free: these are given back to the system, and of a unit that stays half free the half, for
 * which its huge page is split. Extents are kept by length in powers of two, with their
 * length noted at both ends, so that neighbours merge in constant time (Knuth's boundary tags).
 * A run's memory is `clean` when it is known to read as zero.
 *
 * Always, under the arena's lock:
 *  - a unit is in exactly one state: EXTENT (only its first and last carry the state),
 *    PARTIAL (in bin[number of free slices], 1..31), or LENT (all slices lent);
 *  - no two extents that are both clean or both dirty touch;
 *  - committed is the slices lent; reserved the units mapped.
 *
 * Memory is given back by whoever comes by: at most every quarter of the delay one
 * caller purges extents that have been free for the delay. No lock is held meanwhile.
 * What waits for that does not make the process larger: it is taken first, and where it
 * does not fit, as much of it is purged as a long run takes of what is clean. What is lent
 * and what waits do not come to be less than the arena's *reserve* by it; by nt__arena_purge
 * and under pressure (nt__arena_release) they do.
 */
#ifndef NT_NUMA_ARENA_H
#define NT_NUMA_ARENA_H

#include "numa/bind.h"
#include "numa/window.h"
#include "src/base/guest.h"
#include "src/base/lock.h"

/* Bins of extents: by the power of two in their length. */
#define NT_EXTENT_BINS 24

struct nt_arena {
    struct nt_lock lock;
    /* constant */
    uint16_t index;          /* place in the table of arenas */
    uint8_t slot;            /* node whose figures its memory goes to */
    int8_t home;             /* slot its pages are asked for from, or NT_BY_TOUCH */
    struct nt_policy policy; /* what the kernel is asked for them */
    uint64_t reserve;        /* slices; 0: none */

    /* under `lock` */
    uint32_t partial[NT_UNIT_SLICES];    /* first unit with that many free slices */
    uint32_t partial_bins;               /* a bit for each list that is not empty */
    uint32_t extents[2][NT_EXTENT_BINS]; /* first clean, first dirty extent */
    uint32_t extent_bins[2];             /* as partial_bins */
    uint32_t next_piece;                 /* units to map next time */
    uint32_t next_look_ms;
    uint32_t next_loose; /* unit that the next look for loose ones begins at */
    uint32_t
        loose; /* units to be looked at for those at least half of which is free and
                       waits; read by anyone */

    /* figures: written under `lock`, read by anyone */
    uint64_t reserved;  /* units mapped */
    uint64_t committed; /* slices lent */
    uint64_t cached;    /* units in dirty extents: free, not yet given back */
    uint64_t bound;     /* units that mbind took */
    uint64_t huge;      /* units advised or mapped as huge pages */
    uint64_t mappings;  /* pieces mapped */
    uint64_t returned;  /* bytes given back, ever */
};

/* How new pieces are mapped, from the settings. Set before the first arena is. */
struct nt_arena_config {
    uint8_t huge; /* enum nt_huge */
    bool always;  /* AUTO: the system gives huge pages where nobody asks for them */
    uint32_t return_ms; /* free memory is given back after so long */
};
/* AUTO: units that are going to be filled with slabs, in arenas that lend a lot; and others that
 * slabs share are not to be huge pages where all would be: of each slab little may be touched. */
enum nt_huge { NT_HUGE_AUTO, NT_HUGE_OFF, NT_HUGE_THP, NT_HUGE_HUGETLB };

/* What was asked for of a unit by itself. */
enum nt_advice { NT_ADVICE_NONE = 0, NT_ADVICE_HUGE, NT_ADVICE_SMALL };
extern NT_HIDDEN struct nt_arena_config nt__arena_config;

/* `home`: a slot or NT_BY_TOUCH, as nt__bind has it. */
NT_HIDDEN void nt__arena_init(struct nt_arena *a, unsigned index, unsigned slot,
                              const struct nt_policy *policy, int home);

/* Keep so many units, lent or free, from now on. Before the arena is used. */
NT_HIDDEN void nt__arena_keep(struct nt_arena *a, uint32_t units);

/* Map so many units more, in one piece. False: the system has no memory. */
NT_HIDDEN bool nt__arena_grow(struct nt_arena *a, uint32_t units);

/* Borrow a run of `slices` at a multiple of `align` bytes (a power of two; a slice at
 * least). `*clean`: it reads as zero. NULL when the system has no memory. */
NT_HIDDEN void *nt__arena_take(struct nt_arena *a, size_t slices, size_t align,
                               bool *clean);

/* A run of less than a unit with room behind it, for a block that grows: at the beginning of
 * a free unit. NULL: there is none; no memory is asked for. */
NT_HIDDEN void *nt__arena_take_ahead(struct nt_arena *a, size_t slices, bool *clean);

/* `run`, just lent and clean, is a slab's that will be filled: its unit is to be a huge page, if
 * the setting is auto, the run begins a unit of which nothing else is lent, the arena lends much
 * already, and does not give back what is free within a moment. */
NT_HIDDEN void nt__arena_will_fill(struct nt_arena *a, void *run, size_t slices);

/* Give a run, or the end of one, back. `clean`: it still reads as zero. */
NT_HIDDEN void nt__arena_give(struct nt_arena *a, void *run, size_t slices, bool clean);

/* Make the run `slices` -> `more` slices long where it is. False: it can't be. The
 * added part is clean if *clean. */
NT_HIDDEN bool nt__arena_extend(struct nt_arena *a, void *run, size_t slices,
                                size_t more, bool *clean);

/* Give a run back with its pages returned to the system and its mapping made anew.
 * For runs that pages were moved into: the kernel does not merge such mappings with
 * their neighbours. Where the system refuses, the run is given as nt__arena_give does; and if it
 * took the mapping all the same, the run stays lent for ever. */
NT_HIDDEN void nt__arena_give_anew(struct nt_arena *a, void *run, size_t slices,
                                   bool clean);

/* Beyond the reserve: purge what has been free for longer than the delay, if it is time to look: true. That
 * is extents, and, but with `thp` and `hugetlb`, units at least half of which is free. */
NT_HIDDEN bool nt__arena_decay(struct nt_arena *a);

/* Slices that are lent, or wait in free units, beyond the reserve. */
static inline size_t nt__arena_spare(const struct nt_arena *a)
{
    uint64_t held = __atomic_load_n(&a->committed, __ATOMIC_RELAXED) +
                    __atomic_load_n(&a->cached, __ATOMIC_RELAXED) * NT_UNIT_SLICES;
    return held > a->reserve ? held - a->reserve : 0;
}

/* Will there be something to purge when it is time? Not with an MPI: guest.h. */
static inline bool nt__arena_waits(const struct nt_arena *a)
{
    return (__atomic_load_n(&a->cached, __ATOMIC_RELAXED) != 0 ||
            __atomic_load_n(&a->loose, __ATOMIC_RELAXED) != 0) &&
           nt__arena_spare(a) != 0 && !nt__guest_mpi();
}

/* Purge so many slices of what is free and dirty, however late it came, or what there is
 * beyond the reserve. How many it were. */
NT_HIDDEN size_t nt__arena_yield(struct nt_arena *a, size_t slices);

/* Purge everything free, single slices too, the reserve as well. Returns bytes given back. */
NT_HIDDEN size_t nt__arena_purge(struct nt_arena *a);

/* Unmap every wholly free unit. Returns bytes. For when address space is short. */
NT_HIDDEN size_t nt__arena_release(struct nt_arena *a);

/* Debug: panic unless everything under "Always" holds. Takes the lock. */
NT_HIDDEN void nt__arena_check(struct nt_arena *a);

#endif
