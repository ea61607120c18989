/* SPDX-License-Identifier: MIT */
/*
 * Where pages really are, which a policy does not prove: the kernel is asked, by
 * move_pages without a target. For ranges any caller names, and for the heap's own
 * memory, page by page up to a budget and by samples above it.
 *
 * On a made-up machine our own memory lies where it was asked for.
 */
#ifndef NT_NUMA_RESIDENCY_H
#define NT_NUMA_RESIDENCY_H

#include "numa/arenas.h"

#include <numatally/numa.h>

/* The system's number of the node that the page at `p` is on; -ENOENT: not in memory;
 * -EFAULT: not mapped; another negative errno: the kernel does not say. */
NT_HIDDEN int nt__residency_of(const void *p);

/* nt_residency. */
NT_HIDDEN int nt__residency_range(const void *p, size_t bytes, size_t most,
                                  struct nt_residency *out);

/* nt__bind_move, and a look at whether it did: when the node is full the kernel moves pages
 * to wherever there is room, and says that all went well. -EIO, then. */
NT_HIDDEN int nt__residency_move(void *at, size_t size, unsigned slot);

/* What the heap has on each slot: bytes, estimated where not every page was asked. */
struct nt_lying {
    uint64_t pages_asked; /* 0: the kernel does not say, or there is one node */
    struct {
        uint64_t resident; /* asked for by threads of this slot, and in memory */
        /* of this, not on a node that its policy wants, since */
        uint64_t full;    /* that node is full now */
        uint64_t refused; /* binding is refused, or the node not allowed any more */
        uint64_t moved;   /* neither: it was moved, or the node was full then */
        uint64_t on_node; /* lies on this slot, whoever asked for it */
        uint64_t huge;    /* of this in huge pages */
    } slot[NT_TOPO_NODES];
};

/* Look at the memory of all arenas. Some milliseconds with several nodes. One caller at a
 * time: the figures' lock sees to it. */
NT_HIDDEN void nt__residency_heap(struct nt_lying *out);

/* Bytes of the units of `a` that are mapped and not in memory yet: what it may still
 * take. Exact up to 16 GiB, above a cautious estimate. */
NT_HIDDEN uint64_t nt__residency_owed(const struct nt_arena *a);

#endif
