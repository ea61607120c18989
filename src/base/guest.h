/* SPDX-License-Identifier: MIT */
/*
 * Who else in the process keeps book of its memory.
 *
 * An MPI over a fast network registers the buffers that it sends with the adapter, which
 * then knows their pages by number, and keeps them registered. It learns by hooks in munmap,
 * madvise and mremap that pages are gone. Such a hook takes locks and calls malloc and
 * free: run from inside ours it may wait for ever, and where a hook is missing data goes to
 * pages that are nobody's. So with an MPI in the process no allocation and no free takes
 * pages away; nt_purge and malloc_trim do, which the program calls when it is safe.
 */
#ifndef NT_BASE_GUEST_H
#define NT_BASE_GUEST_H

#include "src/base/base.h"

/* Is an MPI, or a library by which one registers memory, in the process? Once one was, the
 * answer stays. They are looked for in /proc/self/maps, at most every 250 ms and less than a
 * thousandth of the time, so call it only where something is to be taken away; and in the
 * environment, for programs that are linked statically: a process with a rank is taken for
 * one with MPI. Without locks, as the caller may hold any; changes errno. */
NT_HIDDEN bool nt__guest_mpi(void);

#endif
