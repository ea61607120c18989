/* SPDX-License-Identifier: MIT */
/*
 * The most that was ever live: in all, by node, by class, by shard.
 *
 * A peak of sums over many single-writer counters cannot be read off them afterwards,
 * and an atomic sum on every operation would cost more than the operation. So each
 * shard *publishes* what changed in a class when the class changes slabs, into a few
 * shared sums; and when a sum comes out above its peak by a step, one thread *settles*:
 * publishes everything of all shards, so that the sums are exact, and takes the peaks.
 *
 * step = 1/128 of the peak, 64 KiB at least. So a peak is short of the true one by at
 * most the step plus one slab per class and thread; it is never above it. Snapshots
 * settle too.
 *
 * Published values are exchanged atomically, so owner and settler may meet.
 */
#ifndef NT_POOLS_PEAK_H
#define NT_POOLS_PEAK_H

#include "pools/shard.h"

/* Make what changed in class `c` of `s` known. The owner; at slab changes. */
NT_HIDDEN void nt__peak_publish(struct nt_shard *s, unsigned c);

/* A new owner: the shard's own peak begins at what is live in it, which is returned. */
NT_HIDDEN int64_t nt__peak_restart(struct nt_shard *s);

/* Make everything known and take the peaks. Any thread; does nothing if another is
 * at it. */
NT_HIDDEN void nt__peak_settle(void);

struct nt_peaks {
    int64_t total;
    int64_t process; /* of it, outside explicit pools */
    int64_t node[NT_TOPO_NODES], class_[NT_CLASSES];
};
/* As they were taken last; to be read by atomic loads while threads run. */
NT_HIDDEN const struct nt_peaks *nt__peaks(void);

/* In a forked child: peaks begin anew, at what is live. */
NT_HIDDEN void nt__peak_fork_child(void);

#endif
