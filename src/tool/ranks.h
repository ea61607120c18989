/* SPDX-License-Identifier: MIT */
/*
 * numatally run in an MPI job: the ranks' figures become one report.
 *
 * ranks.c gathers: what rank 0 left in MPI_Finalize (track/leave.h), and what live files
 * and wait statuses say. meet.c is for one `numatally run` for each rank, below the
 * launcher: those of one host meet in a folder, and the last to leave reports.
 */
#ifndef NT_TOOL_RANKS_H
#define NT_TOOL_RANKS_H

#include "src/tool/tool.h"
#include "src/track/job.h"
#include "src/track/live.h"

/* ---- ranks.c ------------------------------------------------------------------------ */

/* What is gathered of a job; all zeroes at first. */
struct nt_ranks {
    struct nt_snapshot sum;
    struct nt_job job;
    bool reduced;   /* sum and rows are those of MPI_Finalize */
    bool finalizes; /* at least one called it */
    bool elsewhere; /* they have one report, which rank 0 has, on another host */
    size_t files;   /* live files with figures */
};

/* How a process ended, as far as its parent knows. */
struct nt_rank_end {
    int64_t rank;
    int64_t pid;
    uint64_t end_unix_ns; /* 0: it is not known to have ended */
    int32_t status;       /* of wait */
    char program[32];
    char host[64];
};

/* What rank 0 left in `folder`, if it did: before anything is added. */
void nt__ranks_reduced(struct nt_ranks *r, const char *folder);

/* Did the process, whose folder this is, call MPI_Finalize? To be asked for all before
 * anything is added. */
void nt__ranks_look(struct nt_ranks *r, const char *folder);

/* Add a process: `live` NULL if it left no figures. */
void nt__ranks_add(struct nt_ranks *r, const struct nt_live *live,
                   const struct nt_rank_end *end, const char *folder);

/* Write the report. 0 or a negative errno. */
int nt__ranks_write(struct nt_ranks *r, int fd, enum nt_format format);
void nt__ranks_free(struct nt_ranks *r);

/* ---- meet.c ------------------------------------------------------------------------- */

struct nt_meet {
    char folder[1024]; /* of the job on this host */
    char mine[1100];   /* in it, of this rank: for its live file */
    int folder_fd, mine_fd;
    int64_t local, all; /* ranks on this host, in the job; 0: not known */
    struct nt_rank_end end;
};

/* Is this process one of the ranks that a launcher started, and is there a folder where
 * those can meet whose report has this name? */
bool nt__meet_open(struct nt_meet *m, const char *report);

/* The program is started: what is known of it, should this process be killed. */
void nt__meet_started(struct nt_meet *m, pid_t pid, const char *program);

/* Somebody sent SIGTERM: how many milliseconds are left until a launcher kills everything;
 * 0: there is no hurry. */
unsigned nt__meet_hurry_ms(void);

/* The program has called MPI_Abort, which some launchers answer by killing everything at
 * once. True: report now, as below. */
bool nt__meet_aborting(struct nt_meet *m, struct nt_ranks *out);

/* The program has ended. Is it for this rank to report, as it is the last on this host, or
 * as all will be killed now? Then `*out` is what is to be reported, and nt__meet_close with
 * true follows. Others are waited for if that is sensible; if the launcher kills in `left_ms`
 * (0: it is not known to), no longer than that: it is for the first then. */
bool nt__meet_leave(struct nt_meet *m, int status, uint64_t end_unix_ns,
                    unsigned left_ms, struct nt_ranks *out);

/* The same while the program runs, and nobody waited for. */
bool nt__meet_now(struct nt_meet *m, struct nt_ranks *out);

/* Remove the job's folder, or, if it is for others to report, let go of it. */
void nt__meet_close(struct nt_meet *m, bool reported);

#endif
