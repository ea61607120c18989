/* SPDX-License-Identifier: MIT */
/* What the files of the page (out_html.c) share. */
#ifndef NT_TOOL_PAGE_H
#define NT_TOOL_PAGE_H

#include "src/track/profile.h"

/*
 * Write the profile to `fd`, as JSON: as in the record, but
 *   strings   each name once;
 *   places    what a return address lies in: [function, module, file, line], ..., of
 *             functions inlined there the innermost first; numbers are those of strings,
 *             and -1 where a thing is not known;
 *   sites     `stack` has numbers of places.
 * 0 or a negative errno.
 */
int nt__page_profile(int fd, const struct nt_profile *profile);

#endif
