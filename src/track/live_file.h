/* SPDX-License-Identifier: MIT */
/*
 * How a live file begins, for live.c, which writes and reads it, and for those that must
 * know whose it is: sweep.c and the tool.
 */
#ifndef NT_TRACK_LIVE_FILE_H
#define NT_TRACK_LIVE_FILE_H

#include "src/base/base.h"

#include <sys/types.h>

#define NT_LIVE_MAGIC "ntlive1" /* 8 bytes with its 0 */

/* Which process a number means: it is the same process only if all of it is the same.
 * What cannot be known (no /proc) is 0. */
struct nt_live_origin {
    uint64_t boot[2];     /* of the machine, by boot_id */
    uint64_t pid_space;   /* the pid namespace */
    uint64_t start_ticks; /* when the process started, since the boot */
};

struct nt_live_head {
    char magic[8];
    uint32_t version;
    uint32_t slot_bytes;
    _Atomic uint64_t seq;
    struct nt_live_origin origin;
    uint64_t reserved;
};

/* Where this process comes from. */
NT_HIDDEN void nt__live_origin(struct nt_live_origin *out);

/* When process `pid` started, in ticks since the boot, and the letter of its state in
 * /proc (R, S, Z...), if `state` is not NULL; both 0: not known. */
NT_HIDDEN uint64_t nt__live_start_ticks(pid_t pid, char *state);

#endif
