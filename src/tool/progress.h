/* SPDX-License-Identifier: MIT */
/*
 * How far the reading of files is, as a bar on a terminal.
 *
 * It is drawn on stderr, if that is a terminal which can go back to the beginning of a line,
 * once the work has lasted for a second. It is plain ASCII, without colours or escape
 * sequences. Whoever writes to the terminal clears it first.
 */
#ifndef NT_TOOL_PROGRESS_H
#define NT_TOOL_PROGRESS_H

#include <stddef.h>

/* Before the work: it is to read these files. Those without a size count nothing. */
void nt__progress_begin(char *const *paths, size_t n);

/* So many more bytes were read. */
void nt__progress_add(size_t bytes);

/* Take the bar away, until it is drawn again. */
void nt__progress_clear(void);

#endif
