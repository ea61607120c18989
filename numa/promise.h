/* SPDX-License-Identifier: MIT */
/*
 * Promises: memory of a strict policy (bind) that is mapped must fit on its nodes.
 *
 * The kernel gives addresses without looking; on the first touch of a page that finds
 * the nodes full it kills the process. So before a piece is mapped under `bind` its
 * nodes' free memory is asked for, what earlier pieces may still take is taken off, and
 * what does not fit is refused: the caller answers ENOMEM.
 *
 * Not kept: another process may fill the node afterwards. Some memory is left alone for
 * that, for the kernel's own, and for two that look at the same time.
 */
#ifndef NT_NUMA_PROMISE_H
#define NT_NUMA_PROMISE_H

#include "numa/policy.h"

/* Is room asked for before memory is mapped under `policy`? */
NT_HIDDEN bool nt__promise_is_kept(const struct nt_policy *policy);

/* May `bytes` more be mapped under `policy`? True: until nt__promise_end with the same
 * arguments they are taken off what others may have. Policies other than bind: true. */
NT_HIDDEN bool nt__promise_begin(const struct nt_policy *policy, size_t bytes);
NT_HIDDEN void nt__promise_end(const struct nt_policy *policy, size_t bytes);

/* In the child of a fork: the threads that were between the two did not come along. */
NT_HIDDEN void nt__promise_fork_child(void);

/* Bytes that the nodes of `slots` have left, beyond what is left alone. */
NT_HIDDEN uint64_t nt__promise_room(uint64_t slots);

/* The same for who touches what was promised. Page tables and other small things come out
 * of what is left alone meanwhile: half of it is theirs. */
NT_HIDDEN uint64_t nt__promise_touchable(uint64_t slots);

#endif
