/* SPDX-License-Identifier: MIT */
/*
 * Threads: which shard is whose, and each thread's figures over all its shards.
 *
 * A thread takes a shard at its first allocation and gives it up when it ends, or when
 * it is seen to run on another node; shards and their counters live on. So a thread's
 * figures are what its shard counted since it took it, plus what earlier ones did.
 */
#ifndef NT_HEAP_THREAD_H
#define NT_HEAP_THREAD_H

#include "pools/shard.h"

#include <numatally/stats.h>

/* Once, when the library starts. */
NT_HIDDEN void nt__thread_start(void);

/* The calling thread's shard on the node it runs on; takes one if needed. NULL: no
 * memory, or the thread is past its end. */
NT_HIDDEN struct nt_shard *nt__thread_shard(void);

/* What the calling thread allocates from now on comes under this placement. False: no
 * memory, or the thread is past its end; nothing changed. */
NT_HIDDEN bool nt__thread_place(struct nt_placement *placement);

/* Threads with a shard now, and ever. */
NT_HIDDEN void nt__thread_counts(uint64_t *now, uint64_t *total);

/* nt_snapshot_threads, its result put in `*n`. False: the register was not to be had, and
 * it must not be waited for. */
NT_HIDDEN bool nt__thread_read(struct nt_thread_figures *out, size_t max, bool wait,
                               size_t *n);

/* Only the forking thread is left. */
NT_HIDDEN void nt__thread_fork_lock(void);
NT_HIDDEN void nt__thread_fork_unlock(enum nt_fork how);

#endif
