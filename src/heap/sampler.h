/* SPDX-License-Identifier: MIT */
/*
 * Turning the sampling profiler on and off: by setting, call and signal.
 *
 * What it needs of the dynamic linker (libgcc's unwinder) is loaded in a constructor when a
 * setting says that there may be sampling, else by nt_sample; never inside malloc, which the
 * linker itself calls.
 */
#ifndef NT_HEAP_SAMPLER_H
#define NT_HEAP_SAMPLER_H

#include "src/base/lock.h"

struct nt_tables;
struct nt_profile;

/* What a report is to show of the profile: `profile` is filled and put in the tables. To be
 * freed. False: the lock was not to be had, and it must not be waited for. */
NT_HIDDEN bool nt__sampler_read(struct nt_profile *profile, struct nt_tables *tables,
                                bool wait);

/* Write the profile beside the live file, if there is something new. */
NT_HIDDEN void nt__sampler_save(bool wait);

NT_HIDDEN void nt__sampler_fork_lock(void);
NT_HIDDEN void nt__sampler_fork_unlock(enum nt_fork how);

/* On if it is off, and off if it is on. In a signal handler. */
NT_HIDDEN void nt__sampler_signalled(void);

#endif
