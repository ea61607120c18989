/* SPDX-License-Identifier: MIT */
/*
 * The figures of the process: reading them, and the moments they are shown.
 *
 * nt_snapshot adds up the counters of all shards, pools and arenas; nothing is stopped
 * and nothing allocated. The live file gets a snapshot from whichever thread makes a
 * slow call when one is due: at most every 10 ms, and so rarely that reading costs a
 * thousandth of the time.
 *
 * After a fork the child's figures begin at zero: what was counted by then is kept as a
 * base and taken off, and blocks in use at that moment are shown as inherited.
 */
#ifndef NT_HEAP_FIGURES_H
#define NT_HEAP_FIGURES_H

#include "src/base/base.h"
#include "src/base/lock.h"

/* Once, when the heap works. */
NT_HIDDEN void nt__figures_start(void);

/* At the program's very end: the report, the final live file. */
NT_HIDDEN void nt__figures_end(void);

/* The same at _exit: may be called in a signal handler, at any moment. Waits for nothing:
 * there is no last word if somebody reads the figures just then. Does nothing in a
 * process that borrows its parent's memory (vfork), or before the library started. */
NT_HIDDEN void nt__figures_exit(void);

/* A block of glibc's own was passed on to it. */
NT_HIDDEN void nt__figures_foreign(void);

/* At slow calls: write the live file if there is one and it is time. */
extern NT_HIDDEN bool nt__figures_watched;
NT_HIDDEN NT_SLOW void nt__figures_watch(void);

static inline void nt__figures_tick(void)
{
    if (NT_UNLIKELY(nt__figures_watched))
        nt__figures_watch();
}

NT_HIDDEN void nt__figures_fork_lock(void);
NT_HIDDEN void nt__figures_fork_unlock(enum nt_fork how);

#endif
