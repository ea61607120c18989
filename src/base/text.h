/* SPDX-License-Identifier: MIT */
/* Text that is cut into parts and read, as settings are. */
#ifndef NT_BASE_TEXT_H
#define NT_BASE_TEXT_H

#include "src/base/base.h"

/* A piece of text that is not ended by 0. */
struct nt_text {
    const char *s;
    size_t len;
};

/* Without blanks at both ends. */
NT_HIDDEN struct nt_text nt__text_trim(struct nt_text t);

NT_HIDDEN bool nt__text_is(struct nt_text t, const char *word);

/* Cut the part before the first `c` off `*rest`; false when nothing is left. */
NT_HIDDEN bool nt__text_next(struct nt_text *rest, char c, struct nt_text *part);

/* The number `t` is, all of it, up to `max`; with `units` K, M, G or T behind it count 1024
 * each. */
NT_HIDDEN bool nt__text_number(struct nt_text t, uint64_t max, bool units,
                               uint64_t *out);

/* The decimal number that `s` begins with, behind blanks, and where it ends; 0 and `s` when
 * there is none, UINT64_MAX when it is larger. strtoul would do, but brings 90 KiB of
 * libc into the memory of processes that else have no use for them. */
NT_HIDDEN uint64_t nt__text_leading(const char *s, const char **end);

#endif
