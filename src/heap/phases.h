/* SPDX-License-Identifier: MIT */
/*
 * Phases: what the process did between two marks, by name (nt_mark).
 *
 * At a mark all counters are added up, once: the difference to the last mark's sums goes to
 * the phase that ends, and the sums are where the next begins. So phases add up, and nothing
 * is counted for them while they run; their peaks are pools/peak.h's.
 *
 * A mark by a signal only counts itself, and whoever has the table then, the handler or
 * the thread that was at it already, makes the mark before giving it up. So none is lost
 * and no handler waits.
 */
#ifndef NT_HEAP_PHASES_H
#define NT_HEAP_PHASES_H

#include "src/base/lock.h"

#include <numatally/stats.h>

/* In a signal's handler: mark "signal N", for the N-th such call. */
NT_HIDDEN void nt__phases_signalled(void);

/* nt_snapshot_phases, its result put in `*n`. False: the table was not to be had, and it
 * must not be waited for. */
NT_HIDDEN bool nt__phases_read(struct nt_phase_figures *out, size_t max, bool wait,
                               size_t *n);

NT_HIDDEN void nt__phases_fork_lock(void);
/* After the figures' own: in the child the phase that runs begins anew. */
NT_HIDDEN void nt__phases_fork_unlock(enum nt_fork how);

#endif
