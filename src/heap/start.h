/* SPDX-License-Identifier: MIT */
/*
 * The library's start, forks and end.
 *
 * It starts at the first allocation, which another library's constructor may make before
 * any of ours runs; in malloc's place in a constructor at the latest: settings, topology,
 * arenas, classes, in that order, none of which allocates. What may allocate (registering handlers) follows once the
 * heap works.
 *
 * fork: prepare takes every lock, so that what they guard is whole in the
 * child. A child of _Fork or clone passes no handler: it finds at its next slow call
 * that a page which the kernel wipes in children reads 0, and then starts anew what a
 * lock was held on. So does the child of a fork in a signal handler that interrupted the
 * process's only thread while it held a lock, once that is given up. Other threads' shards
 * are lost in the child: their owners may have been in the middle of a pop.
 *
 * The end: the report is registered, with no library's name, before the dynamic linker
 * registers the end of the libraries, so it runs after the program's handlers and after
 * every destructor.
 */
#ifndef NT_HEAP_START_H
#define NT_HEAP_START_H

#include "src/base/base.h"

/* Start, if that has not happened. Any thread; cheap when it has. */
NT_HIDDEN void nt__start(void);

extern NT_HIDDEN const uint8_t *nt__start_alive; /* reads 0 in an unprepared child */
NT_HIDDEN NT_SLOW void nt__start_raw_child(void);

/* At every slow call: is this a child that no fork handler prepared? */
static inline void nt__start_check_fork(void)
{
    if (NT_UNLIKELY(*nt__start_alive == 0))
        nt__start_raw_child();
}

#endif
