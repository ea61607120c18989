/* SPDX-License-Identifier: MIT */
/*
 * How far the reading of files is, and then the naming of what is in their stacks, as a bar on a
 * terminal.
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

/* What is written meanwhile goes to no terminal. */
void nt__progress_apart(void);

/* So many more bytes were read. */
void nt__progress_add(size_t bytes);

/* From here on so many addresses are named, which is shown if nt__progress_apart was called; one
 * more was; and on with the reading. */
void nt__progress_naming(size_t addresses);
void nt__progress_named(void);
void nt__progress_reading(void);

/* Take the bar away, until it is drawn again. */
void nt__progress_clear(void);

#endif
