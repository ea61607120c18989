/* SPDX-License-Identifier: MIT */
/*
 * A job: the figures of many processes as one, and a row for each of its ranks.
 *
 * The sum over a job is a snapshot itself, so whatever reads, writes or judges snapshots
 * does so with a job's. Beside it stands a row of fixed size for each rank, with the few
 * figures by which ranks are compared. Both together are written as one record: that of
 * the sum, with the rows in its member "job".
 *
 *   nt__job_add    job.c: sums; any order and any grouping gives the same
 *   nt__job_row    job.c: what of a snapshot goes into a row
 *   nt__job_json   job_out.c: the member "job" of a record
 *   nt__job_text   job_text.c: ranks that did not end well, outliers, tables
 *
 * A rank may be several processes, and may have children: whoever gathers decides which
 * make a row. Nothing here allocates, locks or uses stdio.
 */
#ifndef NT_TRACK_JOB_H
#define NT_TRACK_JOB_H

#include "src/base/fmt.h"

#include <numatally/stats.h>

/* X(name, unit, label, text), as in stats.h: the figures of a rank. Those of the same name
 * in the snapshot's total or in the process's list, all nodes together. */
#define NT_JOB_FIGURES(X)                                                              \
    X(allocations_total, 'n', "Allocations", "blocks handed out")                      \
    X(allocated_bytes_total, 'b', "Allocated", "block bytes handed out")               \
    X(requested_bytes_total, 'b', "Requested", "bytes that callers asked for")         \
    X(frees_total, 'n', "Frees", "blocks that came back")                              \
    X(remote_frees_total, 'n', "Remote frees",                                         \
      "frees by another thread than the owner")                                        \
    X(far_frees_total, 'n', "Far frees", "frees by a thread running on another node")  \
    X(live_bytes_now, 'b', "Live", "block bytes in use")                               \
    X(live_bytes_peak, 'b', "Live, peak",                                              \
      "most block bytes ever in use; of several processes the sum of their peaks")     \
    X(committed_bytes_now, 'b', "Committed", "handed to slabs and large blocks")       \
    X(resident_bytes_now, 'b', "In memory",                                            \
      "asked for and in memory; 0 if the kernel was not asked")                        \
    X(elsewhere_bytes_now, 'b', "Elsewhere",                                           \
      "of it on another node than wanted, for whatever reason")                        \
    X(cpu_ns_total, 't', "Processor time, s", "processor time of all threads")

/* The figures of a rank on one node. */
#define NT_JOB_NODE_FIGURES(X)                                                         \
    X(live_bytes_now, 'b', "Live", "block bytes in use")                               \
    X(live_bytes_peak, 'b', "Live, peak", "most block bytes ever in use")

/* How a rank ended, as far as is known. */
enum nt_job_end {
    NT_JOB_RUNNING,     /* the figures are not of its end: it ran on, or ended unseen */
    NT_JOB_ENDED,       /* by itself: the figures are of its end */
    NT_JOB_FINALIZED,   /* it called MPI_Finalize: the figures are of then */
    NT_JOB_EXITED,      /* `code` is its exit status */
    NT_JOB_SIGNALLED,   /* `code` is the signal that ended it */
    NT_JOB_ABORTED,     /* it called MPI_Abort, with `code` */
    NT_JOB_UNFINALIZED, /* it exited with 0, but without MPI_Finalize */
    NT_JOB_ENDS
};

#define NT_JOB_RANK_MAX INT32_MAX
#define NT_JOB_NODES 8        /* nodes of a row that have figures of their own */
#define NT_JOB_NODE_REST (-1) /* the number under which all others stand, the last */

struct nt_job_node {
    int64_t node; /* the system's number, or NT_JOB_NODE_REST */
#define NT_FIELD(name, unit, label, text) uint64_t name;
    NT_JOB_NODE_FIGURES(NT_FIELD)
#undef NT_FIELD
};

/* One rank: about 480 bytes, no pointers, zeroes where nothing is known. */
struct nt_job_row {
    int64_t rank; /* -1: a process without one */
    int64_t pid;
    char host[64];
    char program[32];   /* cut at 31 bytes */
    uint32_t processes; /* whose figures are summed in the row */
    int32_t end;        /* enum nt_job_end */
    int32_t code;
    uint32_t nodes; /* entries of `node` in use, by rising number */
    uint64_t start_unix_ns;
    uint64_t now_unix_ns; /* when the figures were read */
    uint64_t stale_ns;    /* its end came so much later, if it is known to have */
#define NT_FIELD(name, unit, label, text) uint64_t name;
    NT_JOB_FIGURES(NT_FIELD)
#undef NT_FIELD
    struct nt_job_node node[NT_JOB_NODES + 1];
};

struct nt_job {
    uint64_t ranks; /* of the job, as far as known; ranks 0 .. ranks-1 are expected */
    struct nt_job_row *rows; /* by rising rank: nt__job_row_order */
    size_t nrows;
    uint32_t *order; /* room for nrows numbers, which the text uses; JSON needs none */
};

/* Add what `s` counts to `*sum`. A sum of all zeroes is the empty one; every other is one
 * that this made, so that its nodes and classes are in order. Commutative and associative.
 *
 * Nodes are matched by the system's number: node 0 of a sum is node 0 of every host. Size
 * classes are matched by block_bytes. Figures are added up, peaks too: a job's peak is the
 * sum of its processes' peaks, and no less than what was ever in use at once. No figure
 * grows beyond INT64_MAX. The sum begins with the first process and is of the last reading;
 * it is `final` if all are, and `inherited`. What all have in common it has as well (pid,
 * rank, host, program); else that is 0, -1 or "(several)".
 *
 * False if there are more than NT_NODES_MAX nodes, or NT_CLASSES_MAX classes: those of the
 * highest numbers then have no figures of their own, and are in the total only. */
NT_HIDDEN bool nt__job_add(struct nt_snapshot *sum, const struct nt_snapshot *s);

/* The row of a process: how it ended is NT_JOB_ENDED or NT_JOB_RUNNING, as `s->final`. */
NT_HIDDEN void nt__job_row(struct nt_job_row *row, const struct nt_snapshot *s);

/* Add the figures of another process of the rank. The row stays that of the process which
 * had more in use at its peak (of two alike, the lower pid): its pid, program and end. */
NT_HIDDEN void nt__job_row_add(struct nt_job_row *row, const struct nt_job_row *other);

/* Below 0, 0 or above: the order of rows, by rank (those without one last), host and pid. */
NT_HIDDEN int nt__job_row_order(const struct nt_job_row *a, const struct nt_job_row *b);

/* Did it end as a program should? */
NT_HIDDEN bool nt__job_ended_well(const struct nt_job_row *row);

/* The words for an end in records: "running", "ended" ... */
NT_HIDDEN const char *nt__job_end_name(int32_t end);

/* The member "job" of the record of the sum. */
NT_HIDDEN void nt__job_json(struct nt_fmt *f, const struct nt_job *job);

/* What a report of the sum begins with. */
NT_HIDDEN void nt__job_text(struct nt_fmt *f, const struct nt_job *job,
                            const struct nt_snapshot *sum);

#endif
