/* SPDX-License-Identifier: MIT */
/*
 * nt_on_limit: a callback of the program's when live bytes cross a number upwards.
 *
 * The sum that peaks are taken from shows the crossing (pools/peak.h), deep inside an
 * allocation. The callback waits for the end of that call, where no lock is held:
 * nt__figures_tick finds what is due there. While it runs nothing is watched.
 */
#ifndef NT_HEAP_LIMIT_H
#define NT_HEAP_LIMIT_H

#include "src/base/lock.h"

/* Somebody crossed: if it was this thread, call back. */
NT_HIDDEN void nt__limit_crossed(void);

NT_HIDDEN void nt__limit_fork_lock(void);
NT_HIDDEN void nt__limit_fork_unlock(enum nt_fork how);

#endif
