/* SPDX-License-Identifier: MIT */
/*
 * From a policy to the kernel's: mbind and its kin, and where pages really are.
 *
 * Binding is a request for pages that are yet to be touched. It is made for large pieces,
 * once. With one node, a made-up topology, or where a sandbox refuses mbind, nothing is
 * asked of the kernel and the answer says so.
 *
 *   policy               mode             nodes           home
 *   local                PREFERRED        the home        -
 *     with cpu-less nodes PREFERRED_MANY  those with cpus the home
 *   bind                 BIND             its             the home, of several
 *   preferred            PREFERRED        its             -
 *   preferred-many       PREFERRED_MANY   its             the home
 *   interleave           INTERLEAVE       its             -
 *   weighted-interleave  6                its             -
 *   inherit              nothing is asked
 *
 * Where memory is placed by first touch there is no home: then the kernel begins at the
 * node of whoever touches, and for `local` nothing need be asked, unless there are
 * cpu-less nodes to be kept out of. What an older kernel does not know is replaced:
 * PREFERRED_MANY (5.15) by PREFERRED, 6 (6.9) by INTERLEAVE, a home (5.17) by none.
 *
 * Calls here change errno.
 */
#ifndef NT_NUMA_BIND_H
#define NT_NUMA_BIND_H

#include "numa/policy.h"

#define NT_BY_TOUCH (-1)

/* Find out whether binding works here. Once, after the topology is known. */
NT_HIDDEN void nt__bind_start(void);

/* Has somebody (numactl) given this process a policy? Known after start. */
NT_HIDDEN bool nt__bind_inherits(void);

/* Does the kernel kill who touches a page that the policy's nodes have no room for? */
NT_HIDDEN bool nt__bind_is_strict(const struct nt_policy *policy);

/* 0 when binding works; -ENOSYS: one node, or a made-up machine; else why the kernel
 * refuses it (-EPERM). */
NT_HIDDEN int nt__bind_error(void);

/* Slots that this process may take memory of, asked for now: cpusets change. */
NT_HIDDEN uint64_t nt__bind_allowed(void);

/* Ask for the pages of the range as the policy has it, seen from slot `home` or
 * NT_BY_TOUCH. 0; -ENOSYS: nothing was to be asked; nt__bind_error(); or mbind's
 * negative errno. */
NT_HIDDEN int nt__bind(void *at, size_t size, const struct nt_policy *policy, int home);

/* Prefer node `slot` for the range from now on and move what is there already. 0, or a
 * negative errno; -EIO: some pages could not be moved. */
NT_HIDDEN int nt__bind_move(void *at, size_t size, unsigned slot);

/* For each page (any address in it) the system's number of its node, or -ENOENT (not in
 * memory), -EFAULT (not mapped). 0, or the negative errno of move_pages. */
NT_HIDDEN int nt__bind_where(const void *const *pages, size_t count, int *status);

#endif
