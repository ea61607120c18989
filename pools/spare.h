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
 * page in memory when it was handed out, and came back with none on another node (asked
 * of the kernel, a sample of SAMPLE pages). And every PROBE-th time the spare's pages are
 * given back before it is handed out, and where they lie is looked at anew: a program that
 * changes its ways has at most PROBE - 1 blocks placed by the old ones, and then PROVED
 * by first touch again before it is believed. Longer runs than MOST are never kept.
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
    void *run;        /* the spare; NULL: none */
    const void *last; /* the run of this length handed out last */
    uint32_t slices;  /* 0: unused */
    uint8_t proved;   /* times in a row, up to PROVED */
    uint8_t reused;   /* times handed out since its pages were given back */
    bool fresh;       /* `last` had no page in memory when it was handed out */
    bool used;        /* since the last look */
};

struct nt_spares {
    struct nt_habit habit[NT_HABITS];
    uint32_t slices; /* of all spares */
    uint32_t ms;     /* of the last look */
    uint8_t next;    /* habit to be forgotten next */
};

/* The spare of exactly so many slices, or NULL. `*probe`: its pages are to be given back
 * before it is used. */
NT_HIDDEN void *nt__spare_take(struct nt_shard *s, size_t slices, bool *probe);

/* A run that was no spare is handed out, without a page in memory. */
NT_HIDDEN void nt__spare_note(struct nt_shard *s, size_t slices, const void *run);

/* Keep the run of a block that `s` frees. False: it is not to be kept. */
NT_HIDDEN bool nt__spare_keep(struct nt_shard *s, const struct nt_slab *slab);

/* Give back all spares and forget all habits. */
NT_HIDDEN void nt__spare_drop(struct nt_shard *s);

/* Give back the spares, where they are more than a unit, that nobody needed for the delay
 * after which free memory goes back. Is there to be another look? */
NT_HIDDEN bool nt__spare_age(struct nt_shard *s);

#endif
