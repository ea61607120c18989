/* SPDX-License-Identifier: MIT */
/*
 * What is mapped at the start and kept when it is free: settings `reserve` and `prefault`.
 *
 * A reserve is a floor of an arena (numa/arena.h), the one that slabs of the process's
 * placement come from on a node; with one node, or a policy that binds large blocks too,
 * these come from it as well. It is mapped, and so bound, as soon as the library starts. What
 * cannot be had costs a line on stderr: the program goes on, and memory is taken as it is
 * needed.
 */
#ifndef NT_HEAP_RESERVE_H
#define NT_HEAP_RESERVE_H

#include "src/base/conf.h"

/* Once, at the start, when the process's placement is made. */
NT_HIDDEN void nt__reserve_start(const struct nt_conf *conf);

/* prefault.c: bring pages in without changing them. 0 or a negative errno. */
NT_HIDDEN int nt__populate(uintptr_t at, size_t size);

#endif
