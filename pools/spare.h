/* SPDX-License-Identifier: MIT */
/*
 * Spare runs: those of large blocks that a thread freed, kept for its next ones, so that
 * arrays that come and go in a loop cost neither a lock nor page faults.
 *
 * A spare's pages are where they were. Where all of a shard's large blocks lie on one
 * node (there is only one, or the policy is bound) that is right for whoever comes next.
 * By first touch it is not: the next block might be written to by threads of other nodes.
 * So there a run is kept only of a length that this thread has a *habit* with: PROVED
 * times in a row its block of that length was the one that it had allocated last, had no
 * page in memory when it was handed out, and came back with none on another node, asked
 * of the kernel at PAGES_PROVED places.
 *
 * From then on the run is handed out with its pages, but for probes: those at PAGES_PROBED
 * places are given back first, and when the block is freed the kernel is asked who wrote
 * to them. One on another node ends the habit. The first probe comes after PROBE_FIRST
 * blocks, each next after twice as many, up to PROBE_LAST: a program that changes its ways
 * has no more blocks placed by the old ones than it had by them before, and less than
 * PROBE_LAST. The places are the same each time, so that few huge pages are split.
 * Longer runs than MOST are never kept.
 *
 * Everything here is the shard's owner's.
 */
#ifndef NT_POOLS_SPARE_H
#define NT_POOLS_SPARE_H

#include "src/base/base.h"

struct nt_shard;
struct nt_slab;

#define NT_HABITS 4 /* lengths of runs remembered */

struct nt_habit {
    void *run;         /* the spare; NULL: none */
    const void *last;  /* the run of this length handed out last */
    uint32_t slices;   /* 0: unused */
    uint16_t interval; /* blocks from probe to probe; 0: not proved */
    uint16_t left;     /* until the next one; not proved: times to be right yet */
    uint8_t ask;       /* pages to ask for when `last` comes back */
    bool used;         /* since the last look at what is kept */
};

struct nt_spares {
    struct nt_habit habit[NT_HABITS];
    uint32_t slices; /* of all spares */
    uint32_t ms;     /* of the last look */
    uint8_t next;    /* habit to be forgotten next */
};

/* The spare of exactly so many slices, or NULL. What it holds is left from before. */
NT_HIDDEN void *nt__spare_take(struct nt_shard *s, size_t slices);

/* A run that was no spare is handed out, without a page in memory. */
NT_HIDDEN void nt__spare_note(struct nt_shard *s, size_t slices, const void *run);

/* Keep the run of a block that is freed in `s`. False: it is not to be kept. */
NT_HIDDEN bool nt__spare_keep(struct nt_shard *s, const struct nt_slab *slab);

/* Give back all spares and forget all habits. */
NT_HIDDEN void nt__spare_drop(struct nt_shard *s);

/* Give back the spares, where they are more than a unit, that nobody needed for the delay
 * after which free memory goes back. Is there to be another look? */
NT_HIDDEN bool nt__spare_age(struct nt_shard *s);

#endif
