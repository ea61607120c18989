/* SPDX-License-Identifier: MIT */
/*
 * The figures of the process: reading them, and the moments they are shown.
 *
 * nt_snapshot adds up the counters of all shards, pools and arenas; nothing is stopped
 * and nothing allocated. The live file gets a snapshot from whichever thread makes a
 * slow call when one is due: at most every 10 ms, and so rarely that reading costs a
 * thousandth of the time; but where that were rarer than each second, a hundredth. So does
 * the history (track/history.h), which is always kept: whoever publishes a change in what
 * is live when a point is due (pools/peak.h) notes it at the end of that call.
 *
 * After a fork the child's figures begin at zero: what was counted by then is kept as a
 * base and taken off, and blocks in use at that moment are shown as inherited.
 */
#ifndef NT_HEAP_FIGURES_H
#define NT_HEAP_FIGURES_H

#include "pools/peak.h"
#include "src/base/base.h"
#include "src/base/lock.h"

#include <numatally/stats.h>

/* What is left of a difference of sums. While threads run, a block's free may be read
 * and its allocation not yet: then the difference has wrapped around below zero. */
static inline uint64_t nt__not_below_zero(uint64_t difference)
{
    return (int64_t)difference < 0 ? 0 : difference;
}

/* A peak, or what is live now if that is more. */
static inline uint64_t nt__peak_above(const int64_t *peak, uint64_t now)
{
    int64_t top = __atomic_load_n(peak, __ATOMIC_RELAXED);
    return top > 0 && (uint64_t)top > now ? (uint64_t)top : now;
}

/* Add up all counters into `out`, whose nodes and classes are set and whose figures are zero.
 * `base`: what was counted before a fork, to be taken off; or NULL. */
NT_HIDDEN void nt__figures_add(struct nt_snapshot *out, const struct nt_snapshot *base);

/* Once, when the heap works. */
NT_HIDDEN void nt__figures_start(void);

/* At the program's very end: the report, the final live file. */
NT_HIDDEN void nt__figures_end(void);

/* The same at _exit: may be called in a signal handler, at any moment. Waits for nothing:
 * there is no last word if somebody reads the figures just then. Does nothing in a
 * process that borrows its parent's memory (vfork), or before the library started. */
NT_HIDDEN void nt__figures_exit(void);

/* MPI_Finalize: `*out` becomes all that a report shows in its snapshot. With `write` a
 * report of the setting report: is written of that very snapshot. */
NT_HIDDEN void nt__figures_take(struct nt_snapshot *out, bool write);

/* The report of the setting report: is written: none is at the end. */
NT_HIDDEN void nt__figures_reported(void);

/* A block of glibc's own was passed on to it. */
NT_HIDDEN void nt__figures_foreign(void);

/* Is this the process whose figures these are? Not in a child of vfork, nor in one of _Fork
 * or clone that has not allocated yet. */
NT_HIDDEN bool nt__figures_are_ours(void);

/* A signal asks for a report: in its handler. Nothing is waited for: what the interrupted
 * thread, or another, is in the middle of is left alone, and the report stays due. */
NT_HIDDEN void nt__figures_signalled(void);

/* At the end of slow calls, and of those that hold what a report needs, when no lock is
 * held: what is due is done. A point of the history; the live file, if there is one and it
 * is time; a report that a signal asked for; the callback at a limit. */
extern NT_HIDDEN bool nt__figures_watched, nt__figures_due;
NT_HIDDEN NT_SLOW void nt__figures_act(void);

static inline bool nt__figures_waiting(void)
{
    return NT_RACY(nt__figures_watched) | NT_RACY(nt__figures_due) |
           NT_RACY(nt__peak_crossed) | NT_RACY(nt__peak_noted);
}

static inline void nt__figures_tick(void)
{
    if (NT_UNLIKELY(nt__figures_waiting()))
        nt__figures_act();
}

/* pools.c: nt_snapshot_pools, its result put in `*n`. False: the register was not to be
 * had, and it must not be waited for. */
NT_HIDDEN bool nt__pools_read(struct nt_pool_figures *out, size_t max, bool wait,
                              size_t *n);
NT_HIDDEN void nt__pools_begin_child(void);

NT_HIDDEN void nt__figures_fork_lock(void);
NT_HIDDEN void nt__figures_fork_unlock(enum nt_fork how);

#endif
