/* SPDX-License-Identifier: MIT */
/*
 * From a node to the kernel's memory policy.
 *
 * Binding is a request for pages that are yet to be touched: the node when it has
 * room, else the nearest that has (MPOL_PREFERRED). With a fake topology, or where a
 * sandbox refuses mbind, nothing is asked of the kernel and the answer says so.
 */
#ifndef NT_NUMA_BIND_H
#define NT_NUMA_BIND_H

#include "src/base/base.h"

/* Find out whether binding works here. Once, after the topology is known. */
NT_HIDDEN void nt__bind_start(void);

/* Prefer node `node` (the system's number) for the pages of the range. 0, -ENOSYS
 * where binding is off (one node, fake topology, refused), or mbind's negative errno.
 * Changes errno. */
NT_HIDDEN int nt__bind_node(void *at, size_t size, int node);

#endif
