/* SPDX-License-Identifier: MIT */
/*
 * Explicit pools: a shard per node behind a lock, given back all at once.
 *
 * nt_free finds a pool's block by its slab's owner and frees it under the pool's lock;
 * nothing of a pool is ever gathered in a thread's batches, so reset and destroy leave
 * no block under way. Pools that are gone are used again, being read without a lock.
 */
#ifndef NT_POOLS_POOL_H
#define NT_POOLS_POOL_H

#include "pools/sums.h"

struct nt_pool {
    struct nt_lock lock;
    struct nt_shard *shard[NT_TOPO_NODES]; /* made as needed, kept; under `lock` */
    struct nt_placement *placement;
    struct nt_sizetable sizes; /* constant while it is open */
    struct nt_budget budget;   /* under `lock` */
    bool open;                 /* in use: not destroyed; under the register's lock */
    char name[32];
    uint64_t limit; /* bytes, as given */
    /* blocks freed, by slot of the thread and of their home: a free matrix */
    uint64_t freed_by[NT_TOPO_NODES][NT_TOPO_NODES];
    struct nt_sums base;  /* counted before it was opened, or before the fork */
    struct nt_pool *next; /* in the register, constant */
};

/* The register of all pools there ever were. */
NT_HIDDEN struct nt_pool *nt__pool_first(void);

/* While it is held no pool is opened, renamed or closed. As nt__lock_or_try. */
NT_HIDDEN bool nt__pool_register_lock(bool wait);
NT_HIDDEN void nt__pool_register_unlock(void);

/* How many are open. */
NT_HIDDEN uint64_t nt__pool_count(void);

/* Everything counted in the pool's shards, ever. */
NT_HIDDEN struct nt_sums nt__pool_sums(const struct nt_pool *pool);

/* A table for nt__pool_new; as nt__sizeclass_add. */
NT_HIDDEN bool nt__pool_sizes(const uint32_t *sizes, unsigned count,
                              struct nt_sizetable *out);

/* A pool; NULL: no memory. `sizes` NULL: the process's. */
NT_HIDDEN struct nt_pool *nt__pool_new(const char *name, size_t limit,
                                       struct nt_placement *placement,
                                       const struct nt_sizetable *sizes);
NT_HIDDEN void nt__pool_close(struct nt_pool *pool);

NT_HIDDEN void nt__pool_rename(struct nt_pool *pool, const char *name);

NT_HIDDEN void *nt__pool_malloc(struct nt_pool *pool, size_t size, size_t align,
                                bool zero);

/* Free a block that the caller found to be of `slab`, whose owner is the pool's. */
NT_HIDDEN void nt__pool_free(struct nt_pool *pool, struct nt_slab *slab, void *p);

/* The large block `slab` of the pool gets another size; as nt__large_realloc. */
NT_HIDDEN void *nt__pool_realloc_large(struct nt_pool *pool, struct nt_slab *slab,
                                       size_t size);

/* A realloc that moved nothing of a block counted in `home`, a shard of the pool's. */
NT_HIDDEN void nt__pool_count_realloc(struct nt_pool *pool, struct nt_shard *home,
                                      size_t size);

/* Move all memory of the pool to a node; later blocks come under `placement`, which is
 * preferred there. As nt__bind_move. */
NT_HIDDEN int nt__pool_migrate(struct nt_pool *pool, struct nt_placement *placement,
                               unsigned slot);

NT_HIDDEN void nt__pool_empty(struct nt_pool *pool);

/* Give back what holds no block, of all pools. */
NT_HIDDEN void nt__pool_trim_all(void);

NT_HIDDEN void nt__pool_fork_lock(void);
NT_HIDDEN void nt__pool_fork_unlock(enum nt_fork how);

#endif
