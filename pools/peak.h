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
 * most the step plus one slab per class and thread (of large blocks 64 KiB a thread); it is
 * never above it. Snapshots settle too.
 *
 * Two more things are taken from the sum of all, by the same test (what starts a settling
 * is the least of three): the peak of the phase that runs, which begins anew at each mark;
 * and the crossing of a number of bytes that somebody watches, with the same step. While
 * the sum is above that number, a published sum that is not starts a settling, too: so the
 * way back is seen, if a publication shows it or the sum falls by more than the step.
 *
 * Published values are exchanged atomically, so owner and settler may meet. Nothing is
 * waited for while settling. Who finds somebody else at it leaves it to them; but while a
 * number is watched, waits, so that no crossing is lost to a reader.
 */
#ifndef NT_POOLS_PEAK_H
#define NT_POOLS_PEAK_H

#include "pools/shard.h"
#include "src/base/lock.h"

/* Make what changed in class `c` of `s` known. The owner; at slab changes. */
NT_HIDDEN void nt__peak_publish(struct nt_shard *s, unsigned c);

extern NT_HIDDEN bool nt__peak_watching; /* for crossings */

/* Bytes of large blocks that were handed out here less those freed here. What was freed is
 * read last, and where a block takes the place of another counted first: so a reader beside
 * the owner never sees both in use. */
static inline int64_t nt__peak_large(const struct nt_shard *s)
{
    uint64_t allocated = __atomic_load_n(&s->large_allocated, __ATOMIC_ACQUIRE);
    return (int64_t)(allocated - nt__count_read(&s->large_freed) -
                     nt__count_read(&s->large_sent));
}

/* Has nt__peak_publish little to do for the large blocks, less than a slice? So it is when one
 * takes the place of another, since frees are not published, or grows by little. Who adds to a
 * sum looks at it: that was not us. */
NT_FAST bool nt__peak_large_is_known(const struct nt_shard *s)
{
    int64_t published =
        __atomic_load_n(&s->published[nt__sizeclass_large()], __ATOMIC_ACQUIRE);
    int64_t change = nt__peak_large(s) - published, slice = (int64_t)NT_SLICE;
    return change < slice && change > -slice &&
           __atomic_load_n(&s->live_bytes, __ATOMIC_RELAXED) <= s->live_peak &&
           !NT_RACY(nt__peak_watching);
}

/* A new owner: the shard's own peak begins at what is live in it, which is returned. */
NT_HIDDEN int64_t nt__peak_restart(struct nt_shard *s);

/* The most since then: as noted at slab changes, or what is live now. By anyone. */
NT_HIDDEN int64_t nt__peak_of_shard(const struct nt_shard *s);

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

/* The sums themselves: what is live, as far as it is published. Read in the same way. */
NT_HIDDEN const struct nt_peaks *nt__peak_live(void);

/* Whoever publishes a change at the time nt__peak_note_ms (of nt__os_now_ms) or later sets
 * nt__peak_noted: what is live has changed, and it is time to note it. So nobody looks at
 * the clock where nothing changes, and of many small changes some are passed over. */
extern NT_HIDDEN uint64_t nt__peak_note_ms;
extern NT_HIDDEN bool nt__peak_noted;

/* A phase begins: its peak is what is live. Ends with the next, or with nt__peak_phase_end:
 * then there is none. One caller at a time; also in a signal handler, whatever it
 * interrupted. */
NT_HIDDEN void nt__peak_phase_begin(void);
NT_HIDDEN void nt__peak_phase_end(void);

/* The most bytes live since then, as taken last; 0: not known yet. */
NT_HIDDEN uint64_t nt__peak_phase(void);

/* Watch for more than `bytes` being live, once they are not; 0: no longer. No other lock
 * of the rank may be held. */
NT_HIDDEN void nt__peak_watch(uint64_t bytes);

/* The number was crossed. The thread that crossed it is to call nt__peak_take_crossing when
 * it holds no lock: true, once, for that thread, with what was live then; from then on
 * nothing is watched until nt__peak_watch. */
extern NT_HIDDEN bool nt__peak_crossed;
NT_HIDDEN bool nt__peak_crossed_here(void); /* by this thread, as far as is known */
NT_HIDDEN bool nt__peak_take_crossing(uint64_t *bytes);

/* Is the way back waited for? Then frees had better be published. */
NT_HIDDEN bool nt__peak_is_above(void);

NT_HIDDEN void nt__peak_fork_lock(void);
/* In the child peaks begin anew, at what is live. */
NT_HIDDEN void nt__peak_fork_unlock(enum nt_fork how);

#endif
