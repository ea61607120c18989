/* SPDX-License-Identifier: MIT */
/*
 * The process's arenas: one per node, and one for large blocks.
 *
 * Index n < nodes is the arena of node slot n, bound to it when there is more than one
 * node. Large blocks are placed by first touch, so with several nodes they come from an
 * arena of their own that is bound to none; its figures go to the slot it is asked for.
 * With one node there is one arena for all.
 */
#ifndef NT_NUMA_ARENAS_H
#define NT_NUMA_ARENAS_H

#include "numa/arena.h"

/* Window, topology and binding must have started. */
NT_HIDDEN void nt__arenas_start(void);

NT_HIDDEN unsigned nt__arenas_count(void);
NT_HIDDEN struct nt_arena *nt__arenas_get(unsigned index);

/* The arena large blocks of slot `slot` come from. */
NT_HIDDEN struct nt_arena *nt__arenas_large(unsigned slot);

/* nt__arena_take; when the system has no more, all arenas first give back the address
 * space of what is free in them. */
NT_HIDDEN void *nt__arenas_take(struct nt_arena *a, size_t slices, size_t align,
                                bool *clean);

/* nt__arena_purge of all. */
NT_HIDDEN size_t nt__arenas_purge(void);

NT_HIDDEN void nt__arenas_fork_lock(void);
NT_HIDDEN void nt__arenas_fork_unlock(enum nt_fork how);

#endif
