/* SPDX-License-Identifier: MIT */
/*
 * The process's arenas, and the placements they carry out.
 *
 * A *placement* is a policy and the memory that is had under it: an arena for each node
 * that threads are served from, and one more a node for large blocks where these are
 * placed by first touch. Such memory is bound to no node, and what was used before is
 * purged before it is used again. The process has one placement (setting `policy`);
 * pools, threads and single allocations may have others. Placements of the same policy
 * are the same. They and their arenas are made when first needed and kept.
 *
 * Each arena has a number, by which a unit's header names its owner.
 */
#ifndef NT_NUMA_ARENAS_H
#define NT_NUMA_ARENAS_H

#include "numa/arena.h"
#include "numa/topo.h"

#define NT_ARENAS 1024    /* room */
#define NT_PLACEMENTS 256 /* room */

struct nt_placement {
    /* constant */
    struct nt_policy policy;
    unsigned index;
    uint8_t serve[NT_TOPO_NODES]; /* the slot whose memory threads on a slot get */
    /* made when first asked for */
    struct nt_arena *arena[NT_TOPO_NODES];
    struct nt_arena *large[NT_TOPO_NODES];
};

/* The process's placement is made. Window, topology and binding must have started. */
NT_HIDDEN void nt__arenas_start(const struct nt_policy *process);

NT_HIDDEN struct nt_placement *nt__placement_process(void);

/* The placement of a policy; NULL: no memory, or no room for another. */
NT_HIDDEN struct nt_placement *nt__placement_of(const struct nt_policy *policy);

/* The arena that slabs, or large blocks, of slot `slot` come from; NULL as above. */
NT_HIDDEN struct nt_arena *nt__placement_arena(struct nt_placement *p, unsigned slot);
NT_HIDDEN struct nt_arena *nt__placement_large(struct nt_placement *p, unsigned slot);

/* All arenas, of all placements, by their numbers. */
NT_HIDDEN unsigned nt__arenas_count(void);
NT_HIDDEN struct nt_arena *nt__arenas_get(unsigned index);

/* nt__arena_take; when the system has no more, all arenas first give back the address
 * space of what is free in them. */
NT_HIDDEN void *nt__arenas_take(struct nt_arena *a, size_t slices, size_t align,
                                bool *clean);

/* nt__arena_purge of all. */
NT_HIDDEN size_t nt__arenas_purge(void);

/* Placements before the shards', arenas after them. */
NT_HIDDEN void nt__placements_fork_lock(void);
NT_HIDDEN void nt__placements_fork_unlock(enum nt_fork how);
NT_HIDDEN void nt__arenas_fork_lock(void);
NT_HIDDEN void nt__arenas_fork_unlock(enum nt_fork how);

#endif
