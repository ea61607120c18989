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
 *
 * One may be loaded at any time. The dynamic linker knows, under a lock that it holds while
 * it frees memory: so it is asked where we hold none of ours (nt__guest_meet), if somebody
 * who is about to take pages away finds the last answer too old.
 */
#ifndef NT_BASE_GUEST_H
#define NT_BASE_GUEST_H

#include "src/base/base.h"

enum nt_guest {
    NT_GUEST_NONE,
    NT_GUEST_MPI,    /* or a library by which one registers memory; this answer stays */
    NT_GUEST_UNSURE, /* the last answer is older than NT_GUEST_MS: wait for another */
};

#define NT_GUEST_MS 250

/* What is known. Unsure: somebody will ask. Any time, whatever locks are held. */
NT_HIDDEN enum nt_guest nt__guest(void);

/* Is one known? For what is better done now than later. */
extern NT_HIDDEN bool nt__guest_found;
NT_FAST bool nt__guest_mpi(void)
{
    return __atomic_load_n(&nt__guest_found, __ATOMIC_RELAXED);
}

extern NT_HIDDEN bool nt__guest_wanted;
NT_HIDDEN NT_SLOW void nt__guest_look(void);

/* Ask, if somebody waits for it. The caller holds no lock of ours. */
NT_FAST void nt__guest_meet(void)
{
    if (NT_UNLIKELY(__atomic_load_n(&nt__guest_wanted, __ATOMIC_RELAXED)))
        nt__guest_look();
}

/* Ask, if the last answer is too old: before what takes long anyway. As nt__guest_meet. */
static inline void nt__guest_refresh(void)
{
    if (nt__guest() == NT_GUEST_UNSURE)
        nt__guest_look();
}

/* In a forked child, when the modules' part is done. */
NT_HIDDEN void nt__guest_fork_child(void);

#endif
