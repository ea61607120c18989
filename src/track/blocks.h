/* SPDX-License-Identifier: MIT */
/*
 * Blocks in use of an allocator that is not ours, and what was counted of them.
 *
 * A table by address, in sixteen shards, each behind a lock that is held for some
 * instructions: rows are found by linear probing and moved up when one goes. There are
 * sixteen locks for all tables, so that a fork takes no more, however many tables there are. A crowded shard
 * is given a larger table, mapped and unmapped while the lock is not held. Where no memory is
 * to be had the old one is filled up to its last row but one; then a block finds no room.
 *
 * Counters are the shard's, written under its lock and read by anyone, without: a reader
 * waits for nobody, not even in a signal handler. What is live is one more number, changed
 * by one atomic add for each operation, so that the peak is the true one.
 *
 * Always, in each shard, when no realloc is under way: rows = allocations - frees, and their
 * sizes sum up to requested - freed. nt__blocks_check tests it.
 */
#ifndef NT_TRACK_BLOCKS_H
#define NT_TRACK_BLOCKS_H

#include "src/base/lock.h"

#include <numatally/wrap.h>

#define NT_BLOCK_SHARDS 16

/* All fields are uint64_t: they are added up as an array. */
struct nt_block_counts {
    uint64_t allocations, requested;
    uint64_t in_place;
    uint64_t frees, freed;
    uint64_t foreign;
    uint64_t sizes[NT_TRACKED_SIZES];
};

struct nt_block_row {
    uintptr_t address; /* 0: empty */
    size_t size;       /* asked for */
};

/* The locks of the shards of that number, of all tables. */
struct nt_block_lock {
    struct nt_lock lock;
} __attribute__((aligned(NT_CACHE_LINE)));
extern NT_HIDDEN struct nt_block_lock nt__block_locks[NT_BLOCK_SHARDS];

/* All under its lock; counts are read without. */
struct nt_block_shard {
    struct nt_block_row *rows;
    size_t room; /* rows there are; a power of two, or 0 */
    size_t used;
    struct nt_block_counts counts;
} __attribute__((aligned(NT_CACHE_LINE)));

/* Zeroed, it is empty. */
struct nt_blocks {
    struct nt_block_shard shard[NT_BLOCK_SHARDS];
    int64_t live; /* bytes asked for; changed by anyone, atomically */
    int64_t peak; /* the largest `live` was */
};

/* The block at `p` was handed out; one that was still in mind there is counted as freed.
 * False: no room for it, nothing was counted. */
NT_HIDDEN bool nt__blocks_add(struct nt_blocks *b, const void *p, size_t size);

/* The block at `p` is about to be freed: counted so, or as foreign. */
NT_HIDDEN void nt__blocks_remove(struct nt_blocks *b, const void *p);

/* What had been asked for of the block at `p`. False: it is not known. */
NT_HIDDEN bool nt__blocks_find(struct nt_blocks *b, const void *p, size_t *size);

/* A realloc begins: the block's row is taken out, as another thread may be handed the
 * address before it ends. False: the block is not known. */
NT_HIDDEN bool nt__blocks_take(struct nt_blocks *b, const void *p, size_t *size);

/* It ends: the block at `p` of `old` bytes that was taken is now at `q`, with `size`; NULL:
 * it stayed as it was. A block that finds no room is counted as freed. */
NT_HIDDEN void nt__blocks_settle(struct nt_blocks *b, const void *p, size_t old,
                                 const void *q, size_t size);

/* A realloc made a block at `q` of one that is not known. */
NT_HIDDEN void nt__blocks_adopt(struct nt_blocks *b, const void *p, const void *q,
                                size_t size);

/* All that was ever counted. */
NT_HIDDEN void nt__blocks_sums(const struct nt_blocks *b, struct nt_block_counts *out);

/* The peak begins anew. */
NT_HIDDEN void nt__blocks_restart_peak(struct nt_blocks *b);

/* Give the tables back: what is in use counts as freed. No call is under way. */
NT_HIDDEN void nt__blocks_close(struct nt_blocks *b);

/* Are the rows where they are found, and do they agree with the counters? */
NT_HIDDEN bool nt__blocks_check(struct nt_blocks *b);

NT_HIDDEN void nt__blocks_fork_lock(void);

/* A bit for each shard, of any table, that may be half changed: nt__blocks_forget it. */
NT_HIDDEN uint32_t nt__blocks_fork_unlock(enum nt_fork how);
NT_HIDDEN void nt__blocks_forget(struct nt_blocks *b, uint32_t shards);

#endif
