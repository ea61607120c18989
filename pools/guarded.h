/* SPDX-License-Identifier: MIT */
/*
 * check:full: blocks that say how they were misused.
 *
 * Every block of the process's heap comes from a hidden shard (sampled.h), so each of its
 * allocations and frees leaves the fast path, which is as it was, and comes here. What is
 * known of a block lies out of line, in a table: its size as asked for, whether it is in use.
 * So nothing that a program writes beyond a block can change what is believed of another, and
 * no list runs through freed memory.
 *
 *   in use   what lies between the bytes asked for and the block's end, NT_GUARDED_GAP bytes
 *            and an eighth of it or more, holds a canary, made of a secret and the address:
 *            looked at by free and realloc, and at the end.
 *   free     filled with NT_GUARDED_FREE, and in a bin of its arena and class. The bin keeps
 *            NT_GUARDED_KEEP bytes' worth of blocks; only beyond that are blocks handed out
 *            again, one at random of those that have waited longest, looked at before. One
 *            of four new blocks waits there first.
 *   sites    of a block that is sampled, where it was allocated and freed is kept, and said.
 *   large    from NT_GUARDED_PAGES bytes on: the block has pages of its own and one behind it
 *            that cannot be touched. When it is freed none of it can, until NT_GUARDED_WAIT
 *            others were freed. Each such block costs the process two mappings, of which it
 *            may have 65,530: with NT_GUARDED_MOST in place blocks go without.
 *
 * The idea of canaries, quarantine and guard pages is that of OpenBSD's malloc, of
 * hardened_malloc and of Scudo. Explicit pools, blocks under a policy of their own and divided
 * arrays have the ordinary checks.
 *
 * All of it is under the hidden shards' lock, which these calls take. Figures are counted in
 * the calling thread's shard when the program allocates and frees, as ever.
 */
#ifndef NT_POOLS_GUARDED_H
#define NT_POOLS_GUARDED_H

#include "pools/misuse.h"

enum {
    NT_GUARDED_FREE = 0xdf, /* what freed blocks are filled with */
    NT_GUARDED_NEW = 0xa5,  /* and new ones, unless they are to be zero */
    NT_GUARDED_GAP = 16,
    NT_GUARDED_PAGES = 4096,
    NT_GUARDED_KEEP = 128 << 10,
    NT_GUARDED_WAIT = 256,
    NT_GUARDED_MOST = 16384,
};

/* Set at the start, constant then. */
extern NT_HIDDEN bool nt__guarded;

/* `size` bytes, counted in `s`. NULL: no memory. */
NT_HIDDEN void *nt__guarded_malloc(struct nt_shard *s, size_t size, size_t align,
                                   bool zero);

/* Is `slab`, with a block in use at its start, one of these? */
NT_HIDDEN bool nt__guarded_has(const struct nt_slab *slab);

/* Free the block at `p`, which was checked as any is; counted in `s`. Misuse is said, as by
 * `call`, and ends the program. */
NT_HIDDEN void nt__guarded_free(struct nt_shard *s, struct nt_slab *slab, void *p,
                                const char *call);

/* As nt__misuse for a block of these; where it was allocated and freed is said before, as far
 * as sampling knows. */
NT_HIDDEN void nt__guarded_misuse(enum nt_misuse what, const char *call, const void *p);

/* Bytes that may be used at `p`: what was asked for, at least one; 0: no block in use. */
NT_HIDDEN size_t nt__guarded_size(const void *p);

/* Look at every block there is, in use or freed. At the end; elsewhere from tests. */
NT_HIDDEN void nt__guarded_look(void);

/* Freed blocks of size classes go back to their slabs. */
NT_HIDDEN void nt__guarded_trim(void);

/* After a raw fork that found the lock held: nothing is known of any block any more. */
NT_HIDDEN void nt__guarded_forget(void);

#endif
