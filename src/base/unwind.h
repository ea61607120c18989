/* SPDX-License-Identifier: MIT */
/*
 * The stack of the calling thread, as return addresses.
 *
 * By tables: libgcc's _Unwind_Backtrace, which needs no frame pointers and goes through
 * signal frames. With glibc 2.35 or later it takes no lock. By frames: following the frame
 * pointers, much faster, for programs that have them (-fno-omit-frame-pointer, all the way);
 * code without them hides its callers. No word is read that is not known to be readable.
 *
 * Each address is such that the byte before it lies in the function that the stack was in:
 * return addresses are so, and where a signal interrupted, its address plus one is kept.
 * A caller that jumped to what it called (a tail call) is not on the stack.
 */
#ifndef NT_BASE_UNWIND_H
#define NT_BASE_UNWIND_H

#include "src/base/base.h"

#define NT_STACK_MAX 64 /* return addresses kept of a stack, the innermost */

enum nt_unwinder { NT_UNWIND_TABLES, NT_UNWIND_FRAMES };

/* Make ready, where dlopen may be called: never inside malloc. 0, or -ENOENT: libgcc_s.so.1
 * cannot be loaded. Further calls do nothing. */
NT_HIDDEN int nt__unwind_start(enum nt_unwinder how);

/* The calling thread's return addresses, innermost first, at most `max`, without those of
 * this library at the top (in a program that has the library linked in statically, where
 * they cannot be told apart, with them). Allocates nothing; takes no lock of ours. 0
 * if nt__unwind_start was not called. */
NT_HIDDEN unsigned nt__unwind(enum nt_unwinder how, uintptr_t *pc, unsigned max);

/* By frames, from the frame pointer `frame` on, whatever it is. */
NT_HIDDEN unsigned nt__unwind_frames(uintptr_t frame, uintptr_t *pc, unsigned max);

#endif
