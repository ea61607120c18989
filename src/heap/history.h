/* SPDX-License-Identifier: MIT */
/*
 * Keeping the history: what was live and committed, from the start of the process on
 * (src/track/history.h).
 *
 * A point is due when the interval is over and what is live has changed: whoever publishes a
 * change looks at the clock (pools/peak.h), so where nothing changes nobody does. It is
 * noted at the end of that thread's slow call: the peaks' sums are made exact, which costs a
 * walk over the shards, a thousandth of one thread's time at most. The lock is held while a
 * point is put in or the history is copied, and nobody waits for it to put one in.
 *
 * A report shows a copy, with the present added.
 */
#ifndef NT_HEAP_HISTORY_H
#define NT_HEAP_HISTORY_H

#include "src/track/history.h"

/* It begins: with nothing live, when the heap works; in a forked child with what `*now`
 * says. */
NT_HIDDEN void nt__history_begin(const struct nt_snapshot *now);

/* What is due is noted. Hold no lock. */
NT_HIDDEN void nt__history_note(void);

/* Copy it to `*out` and add what `*now` says. If it must not be waited for and cannot be
 * had, what `*out` had before stands for it. */
NT_HIDDEN void nt__history_read(struct nt_history *out, const struct nt_snapshot *now,
                                bool wait);

#endif
