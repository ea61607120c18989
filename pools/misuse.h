/* SPDX-License-Identifier: MIT */
/*
 * Proven misuse of the heap: one line on stderr that says what, and abort.
 *
 * The fast path finds what cannot be right with a few compares (an address that is not
 * ours, not where a block starts, or bears the mark of a free block); here it is proved.
 * With check:off nothing is said, nobody is stopped, and the call is ignored.
 */
#ifndef NT_POOLS_MISUSE_H
#define NT_POOLS_MISUSE_H

#include "pools/shard.h"

enum nt_misuse {
    NT_MISUSE_NONE = 0,
    NT_MISUSE_DOUBLE_FREE,
    NT_MISUSE_INTERIOR,    /* inside a block, not at its start */
    NT_MISUSE_UNALLOCATED, /* in our memory, where no block is in use */
    NT_MISUSE_FOREIGN,     /* not our memory, nor glibc's */
    NT_MISUSE_SIZE,        /* the size or alignment given is not the block's */
};

/* Is `p` the start of a block in use of `slab` (NULL: of none), as far as `s`, the
 * calling thread's shard or NULL, can tell? */
NT_HIDDEN enum nt_misuse nt__misuse_check(const struct nt_shard *s,
                                          const struct nt_slab *slab, const void *p);

/* Say what was wrong in `call` ("free") and abort; returns with check:off only. */
NT_HIDDEN NT_SLOW void nt__misuse(enum nt_misuse what, const char *call, const void *p);

/* As nt__misuse for a wrong size. */
NT_HIDDEN NT_SLOW void nt__misuse_size(const char *call, const void *p, size_t size,
                                       size_t align);

#endif
