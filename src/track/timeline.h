/* SPDX-License-Identifier: MIT */
/*
 * The timeline: a row of figures appended to a file now and then, as the setting
 * report:every=TIME asks for, in CSV or in JSON lines, by the file's name.
 *
 * A row is whole or not there: what a full disk leaves of one is taken away again. The file
 * is opened for each row, since a program may close descriptors it does not know, and get
 * their numbers for files of its own; and a row is written only if the file is the one that
 * was made and as long as it was left. So if another process has the name, too (of another
 * host, by one number), the later one has the file, and the other ends its timeline.
 *
 * The file stays below NT_TIMELINE_BYTES: from half of that on rows come half as often, from
 * three quarters on a quarter as often, and so on.
 *
 * What goes wrong is said once, in one line on stderr, and the timeline has ended.
 *
 * Callers serialise all calls.
 */
#ifndef NT_TRACK_TIMELINE_H
#define NT_TRACK_TIMELINE_H

#include "src/base/base.h"

#include <numatally/stats.h>

#define NT_TIMELINE_BYTES ((uint64_t)16 << 20)

/* Is there to be another row? */
NT_HIDDEN bool nt__timeline_goes_on(void);

/* Append a row; the first makes the file. */
NT_HIDDEN void nt__timeline_write(const struct nt_snapshot *s);

/* Milliseconds to the next row, at least. */
NT_HIDDEN uint64_t nt__timeline_pause_ms(void);

/* In a forked child: its own timeline begins. */
NT_HIDDEN void nt__timeline_fork_child(void);

#endif
