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

/*
 * Where a stack's return addresses lie, so that it is known again without unwinding: if
 * they are all there still when the same function is called at the same depth, it is
 * the same stack. For the size of a frame is fixed by the address in the function, so each
 * address that is found says where its caller's is. (A function whose frame varies, by
 * alloca, and that leaves an older call's addresses lie where they were, in front of others
 * that did not change either, would have the older call's stack.) Stacks through signal
 * frames are not known again, nor others than x86-64's, where calls push the address.
 */
#define NT_TRACE_OWN 8

struct nt_trace {
    uintptr_t frame;     /* of the function that looked; 0: nothing is known */
    uint32_t generation; /* of modules: for who keeps it */
    uint16_t n, own;     /* addresses; of them this library's */
    uint32_t at[NT_TRACE_OWN + NT_STACK_MAX]; /* from `frame` on */
    uintptr_t pc[NT_TRACE_OWN + NT_STACK_MAX];
};

/* As nt__unwind, by tables, of the function with the frame address `frame`, which runs and
 * whose callees are left out; `*trace`: to know it by. */
NT_HIDDEN unsigned nt__unwind_trace(uintptr_t frame, uintptr_t *pc, unsigned max,
                                    struct nt_trace *trace);

/* Is this the stack of the function with the frame address trace->frame, which runs? */
NT_HIDDEN bool nt__unwind_is(const struct nt_trace *trace);

/* By frames, from the frame pointer `frame` on, whatever it is. */
NT_HIDDEN unsigned nt__unwind_frames(uintptr_t frame, uintptr_t *pc, unsigned max);

#endif
