/* SPDX-License-Identifier: MIT */
/*
 * Large blocks: above 512 KiB, or aligned to more than a slice. Each has slices of its
 * own and is first touched by its user: nothing here writes to fresh memory, so that an
 * array lies where the threads that initialise it run.
 *
 * A block grows where it is when what follows is free, else its pages are moved by page
 * table (mremap); only where the kernel refuses is it copied. Which of two frees of the
 * same block was the first is decided by an atomic exchange of the slab's kind.
 *
 * The run of a block that was freed may be kept for the next one of its length (spare.h);
 * any other has its pages given back before it is handed out again by first touch.
 *
 * A block may be divided: its parts are bound to nodes. Its mapping then is not as its
 * neighbours' are, so it is made anew when the block is freed, as is that of a block
 * whose pages came by mremap or were migrated.
 *
 * Counted in the shard that allocated it (`home`). Callers hold the pool's lock when
 * `s` is a pool's.
 */
#ifndef NT_POOLS_LARGE_H
#define NT_POOLS_LARGE_H

#include "pools/shard.h"

/* `size` bytes at a multiple of `align`, counted; zeroed if `zero`. NULL: no memory. */
NT_HIDDEN void *nt__large_malloc(struct nt_shard *s, size_t size, size_t align,
                                 bool zero);

/* The same, for one that grew and may go on to: with room behind it, if that is at hand. */
NT_HIDDEN void *nt__large_malloc_ahead(struct nt_shard *s, size_t size);

/* Free a block, counted in `s`. False: another free came first. */
NT_HIDDEN bool nt__large_free(struct nt_shard *s, struct nt_slab *slab);

/* Is `p` a block of `s` that has just the pages that `size` bytes need? Then it is that large
 * now. */
NT_HIDDEN bool nt__large_stays(struct nt_shard *s, struct nt_slab *slab, const void *p,
                               size_t size);

/* Give the block `size` bytes (more than it has, or than NT_CLASSED_MAX), keeping its contents. The
 * block, perhaps elsewhere, or NULL: no memory, nothing changed. `s` must be its home;
 * another's is moved as if freed here and allocated here. */
NT_HIDDEN void *nt__large_realloc(struct nt_shard *s, struct nt_slab *slab,
                                  size_t size);

/* Divide a block in equal parts on the nodes of `slots`, in order. Its pages that are in
 * memory move. */
NT_HIDDEN void nt__large_divide(struct nt_slab *slab, uint64_t slots);

/* Have the whole block on one node from now on; as nt__bind_move. */
NT_HIDDEN int nt__large_migrate(struct nt_slab *slab, unsigned slot);

#endif
