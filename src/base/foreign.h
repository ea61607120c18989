/* SPDX-License-Identifier: MIT */
/*
 * Blocks of glibc's own heap. They reach us legitimately when a library was loaded by
 * dlmopen, or with RTLD_DEEPBIND where our dlopen was not asked (a program that our archive is
 * linked into), or when they are older than our arrival; then they go back to glibc.
 * Everything else that is not ours is the caller's mistake, so the question "is it glibc's?"
 * is answered strictly.
 *
 * Common to all calls: any thread, no locks held, nothing is allocated, errno is kept.
 */
#ifndef NT_BASE_FOREIGN_H
#define NT_BASE_FOREIGN_H

#include "src/base/base.h"

/* Is `p`, which is not ours, the start of a block that a glibc in this process has
 * handed out? Never touches memory that cannot be read, whatever `p` is. */
NT_HIDDEN bool nt__foreign_is_glibc(const void *p);

/* Bytes that may be used at `p`. Here and below nt__foreign_is_glibc(p) holds. */
NT_HIDDEN size_t nt__foreign_usable_size(const void *p);

/* Give `p` back to glibc. A block of another link namespace stays allocated: that
 * namespace's glibc is out of reach, and ours would mix it into its own lists. */
NT_HIDDEN void nt__foreign_free(void *p);

#endif
