/* SPDX-License-Identifier: MIT */
/*
 * The counted wrapper: around any allocator, with no knowledge of ours.
 *
 * A tracker is an allocator's table of calls and the blocks it has in use (blocks.h). Each
 * call passes on to the table and counts what came of it. No lock is held meanwhile, so the
 * table's calls may do as they like, be they another tracker's. errno is as libc's calls
 * would leave it: kept on success, and set on failure even if the allocator said nothing.
 *
 * Trackers are kept in a register, made of the library's own memory, never unmade, and used
 * again when they were closed: counters only grow, and `base` is what had been counted
 * before this life, the last reset, or the fork.
 */
#ifndef NT_TRACK_WRAP_H
#define NT_TRACK_WRAP_H

#include "src/track/blocks.h"

struct nt_tracker {
    struct nt_blocks blocks;
    struct nt_allocator inner; /* constant while it is open */
    bool open;                 /* written under the register's lock, read by anyone */
    bool closing;              /* this and what follows: under the register's lock */
    char name[32];
    struct nt_block_counts base;
    uint64_t failed_base;
    uint64_t failed;         /* requests, ever; anyone's, atomically */
    struct nt_tracker *next; /* in the register; constant */
};

/* A tracker around `inner`, whose malloc and free are there. NULL: no memory. */
NT_HIDDEN struct nt_tracker *nt__tracker_new(const struct nt_allocator *inner,
                                             const char *name);

/* What nt_tracked_figures and its like do. `t` may be anything:
 * -EINVAL if it is no open tracker. */
NT_HIDDEN int nt__tracker_figures(const void *t, struct nt_tracked_figures *out);
NT_HIDDEN int nt__tracker_reset(const void *t);
NT_HIDDEN int nt__tracker_forget(const void *t);
NT_HIDDEN int nt__tracker_release(const void *t);

/* The calls of a tracked allocator. Those on one that was released fail with EINVAL, or pass
 * on without counting. */
NT_HIDDEN void *nt__tracker_malloc(struct nt_tracker *t, size_t size);
NT_HIDDEN void *nt__tracker_calloc(struct nt_tracker *t, size_t count, size_t size);
NT_HIDDEN void *nt__tracker_realloc(struct nt_tracker *t, void *p, size_t size);
NT_HIDDEN void *nt__tracker_aligned_alloc(struct nt_tracker *t, size_t alignment,
                                          size_t size);
NT_HIDDEN void nt__tracker_free(struct nt_tracker *t, void *p);
NT_HIDDEN size_t nt__tracker_usable_size(struct nt_tracker *t, void *p);

/* The figures of all that are open into out[0..max), the oldest first; how many there are in
 * *n. False: the register was not to be had, and it must not be waited for. */
NT_HIDDEN bool nt__trackers_read(struct nt_tracked_figures *out, size_t max, bool wait,
                                 size_t *n);

/* How many are open. */
NT_HIDDEN uint64_t nt__trackers_count(void);

NT_HIDDEN void nt__trackers_fork_lock(void);
NT_HIDDEN void nt__trackers_fork_unlock(enum nt_fork how);

#endif
