/* SPDX-License-Identifier: MIT */
/*
 * The live file: all that a report shows of a process, kept where it outlives the
 * process: the last snapshot, the tables of threads, pools, phases and the like, and the
 * history.
 *
 * numatally-PID.live holds a header and two slots. A writer fills the slot that is
 * not current, then makes it current by one store of the sequence number; so there
 * is a whole one in the file at every moment, also when SIGKILL comes in the
 * middle of a write. A reader copies the current slot and takes it if the sequence
 * number did not move meanwhile.
 *
 * Callers serialise open, write and fork_child among themselves (the heap's snapshot
 * lock does); nt__live_read is for anybody, in any process.
 */
#ifndef NT_TRACK_LIVE_H
#define NT_TRACK_LIVE_H

#include "src/track/report.h"

#define NT_LIVE_PATH_MAX 1100 /* bytes of a live file's path, with its 0 */

#define NT_LIVE_THREADS 256 /* most rows of a table of threads, of pools, */
#define NT_LIVE_POOLS 64    /* and of tracked allocators: */
#define NT_LIVE_TRACKED 64  /* the snapshot says how many there are */

/* What a report shows, as nt__report_write takes it. About 180 KiB. */
struct nt_live {
    struct nt_snapshot snapshot;
    uint32_t nthreads; /* rows in use */
    uint32_t npools;
    uint32_t nphases;
    uint32_t ntracked;
    struct nt_thread_figures threads[NT_LIVE_THREADS];
    struct nt_pool_figures pools[NT_LIVE_POOLS];
    struct nt_phase_figures phases[NT_PHASES_MAX];
    struct nt_tracked_figures tracked[NT_LIVE_TRACKED];
    struct nt_history history; /* its points come last, and only those in use count */
};

static inline struct nt_tables nt__live_tables(const struct nt_live *live)
{
    return (struct nt_tables){.threads = live->threads,
                              .pools = live->pools,
                              .phases = live->phases,
                              .tracked = live->tracked,
                              .nthreads = live->nthreads,
                              .npools = live->npools,
                              .nphases = live->nphases,
                              .ntracked = live->ntracked,
                              .history = &live->history};
}

/* Create this process's file in folder `dir` and map it. False, after one warning
 * in the process's life, when that is impossible: there is no file then, and
 * nt__live_write does nothing. A folder that does not exist is not worth a warning:
 * the `numatally run` that made it has ended. */
NT_HIDDEN bool nt__live_open(const char *dir);

NT_HIDDEN bool nt__live_is_open(void);

/* The path of the file; "" while it is not open. */
NT_HIDDEN const char *nt__live_path(void);

/* Remove from `dir` the files of this user's processes that no longer exist. A bounded
 * number of files is looked at; what is not certain stays. Any time, without locks. */
NT_HIDDEN void nt__live_sweep(const char *dir);

/* Make `*live` what the file says. Does nothing in a process other than the one that
 * opened the file (a vfork or clone child). About 20 KiB are copied, and the used
 * parts of the matrix, of the tables and of the history. */
NT_HIDDEN void nt__live_write(const struct nt_live *live);

/* In a forked child: forget the parent's file. */
NT_HIDDEN void nt__live_fork_child(void);

/* Read the file `path` into *out, of whose tables only the rows in use mean anything.
 * 0; -EBADMSG: not a live file of this version; -ENODATA: nothing was written to it
 * yet; -EAGAIN: its writer never stood still; or the negative errno of open or read. */
NT_HIDDEN int nt__live_read(const char *path, struct nt_live *out);

/* The same of an open file; it may have lost its name meanwhile. */
NT_HIDDEN int nt__live_read_fd(int fd, struct nt_live *out);

#endif
