/* SPDX-License-Identifier: MIT */
/*
 * Memory for the library's own structures: a bump allocator over pages of its own.
 *
 * Nothing is ever given back, so what a reader once saw stays readable: a snapshot
 * or a late free may look at a dead thread's shard without a lock. Callers that
 * retire a structure keep it on a list and use it again.
 */
#ifndef NT_BASE_META_H
#define NT_BASE_META_H

#include "src/base/lock.h"

/* `size` zeroed bytes at a multiple of `align` (a power of two up to a page).
 * NULL when the system has no memory. Any thread. */
NT_HIDDEN void *nt__meta_alloc(size_t size, size_t align);

/* Bytes taken from the system so far. */
NT_HIDDEN size_t nt__meta_bytes(void);

/* fork: around it, and after it in the child. */
NT_HIDDEN void nt__meta_fork_lock(void);
NT_HIDDEN void nt__meta_fork_unlock(enum nt_fork how);

#endif
