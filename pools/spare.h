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
 * Where all is bound a habit is proved from the start, and never probed.
 *
 * There one more run is kept, whatever its length: the longest of blocks that had grown by
 * realloc, from small ones. The next such gets it with all its slices, and grows within them.
 *
 * Longer runs than MOST are never kept.
 *
 * A spare's header says what it said while the block was in use, but for `kind`: to make a
 * block of it again is to say so, and how many bytes it has.
 *
 * Everything here is the shard's owner's, and leaves errno alone.
 */
#ifndef NT_POOLS_SPARE_H
#define NT_POOLS_SPARE_H

#include "pools/shard.h"

/* What is known of runs of so many slices; NULL: nothing. */
NT_FAST struct nt_habit *nt__spare_habit(struct nt_shard *s, size_t slices)
{
    struct nt_habit *h = s->spares.habit;
    _Static_assert(NT_HABITS == 4, "no loop");
    return h[0].slices == slices   ? &h[0]
           : h[1].slices == slices ? &h[1]
           : h[2].slices == slices ? &h[2]
           : h[3].slices == slices ? &h[3]
                                   : NULL;
}

/* The spare of exactly so many slices, or NULL. What it holds is left from before. */
NT_HIDDEN void *nt__spare_take(struct nt_shard *s, size_t slices);

/* The same; NULL, too, when there is more to do than to hand it out. */
NT_FAST void *nt__spare_at_hand(struct nt_shard *s, size_t slices)
{
    struct nt_habit *h = nt__spare_habit(s, slices);
    if (!h || !h->run || h->left == 1)
        return NULL;
    void *run = h->run;
    h->run = NULL;
    h->left--;
    nt__count_add(&s->spares.slices, -(uint64_t)h->slices);
    return run;
}

/* A run that was no spare is handed out, without a page in memory. */
NT_HIDDEN void nt__spare_note(struct nt_shard *s, size_t slices, const void *run);

/* The run of a block in use has another length from now on: what is known of its pages was
 * found out of a run of the old one. */
NT_HIDDEN void nt__spare_resized(struct nt_shard *s, const void *run);

/* Keep the run of a block that is freed in `s`. False: it is not to be kept. */
NT_HIDDEN bool nt__spare_keep(struct nt_shard *s, struct nt_slab *slab, void *run);

/* The same, where the block is used as always and its home is `s`. False, too, when there is
 * more to do than to keep it. */
NT_FAST bool nt__spare_put(struct nt_shard *s, const struct nt_slab *slab, void *run)
{
    struct nt_habit *h = nt__spare_habit(s, slab->run_slices);
    if (!h || h->run || h->last != run || h->interval == 0 || h->ask != 0 ||
        slab->moved || slab->clean || s->spares.slices + h->slices > NT_UNIT_SLICES)
        return false;
    h->run = run;
    h->used = true;
    nt__count_add(&s->spares.slices, h->slices);
    return true;
}

/* The run of a block that had grown, if it has at least so many slices and is no longer than a
 * unit: its header. Else NULL. */
NT_HIDDEN struct nt_slab *nt__spare_take_ahead(struct nt_shard *s, size_t slices);

/* Give back all spares and forget all habits. */
NT_HIDDEN void nt__spare_drop(struct nt_shard *s);

/* Give back the spares, where they are more than a unit, that nobody needed for the delay
 * after which free memory goes back. Is there to be another look? */
NT_HIDDEN bool nt__spare_age(struct nt_shard *s);

#endif
