/* SPDX-License-Identifier: MIT */
/*
 * Which file is mapped where, also after it is gone: what turns an address into a symbol.
 *
 * Addresses are used again when a library is unloaded. So each unloading begins a new
 * *generation*: a generation and an address always mean the same place. A module is there
 * in the generations from .. to - 1.
 *
 * The table only grows, apart from `to`, and is read without a lock. It is written under
 * one, around the dynamic linker's own, so that no thread is in there when the process
 * forks: the child would find it locked for ever. A thread that comes from inside the linker
 * (dlopen allocates) must not wait for it, and nobody does: what one does not get to note,
 * the next one does.
 */
#ifndef NT_BASE_MODULES_H
#define NT_BASE_MODULES_H

#include "src/base/lock.h"

#define NT_MODULE_PATH_MAX 488
#define NT_BUILD_ID_MAX 32

struct nt_module {
    uint64_t start, end; /* from its first segment's first byte to behind its last */
    uint64_t bias;       /* address in memory - address in the file's headers */
    uint32_t from, to;   /* UINT32_MAX: it is still there */
    uint8_t build_id[NT_BUILD_ID_MAX];
    uint32_t build_id_bytes;       /* 0: it has none */
    char path[NT_MODULE_PATH_MAX]; /* "": not known; cut if it is longer */
};

/* Was it there in the generation, at this address? */
static inline bool nt__module_has(const struct nt_module *m, uint32_t generation,
                                  uint64_t address)
{
    return address - m->start < m->end - m->start && m->from <= generation &&
           generation < __atomic_load_n(&m->to, __ATOMIC_RELAXED);
}

/* Bring the table up to date, unless somebody is at it; the generation of now. Cheap if
 * nothing came or went. */
NT_HIDDEN uint32_t nt__modules_refresh(void);

/* How many there ever were, and the i-th. */
NT_HIDDEN unsigned nt__modules_count(void);
NT_HIDDEN const struct nt_module *nt__modules_get(unsigned i);

/* False: in a child of a process with threads the linker's lock may be held for ever. */
NT_HIDDEN bool nt__modules_may_ask(void);

NT_HIDDEN void nt__modules_fork_lock(void);
NT_HIDDEN void nt__modules_fork_unlock(enum nt_fork how);

#endif
