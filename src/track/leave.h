/* SPDX-License-Identifier: MIT */
/*
 * A process leaves its MPI job: between libnumatally_malloc.so, which has its figures, the
 * libraries of src/mpi, which are there when it calls MPI_Finalize, and the tool.
 *
 * The libraries of src/mpi know neither settings nor heap: they find nt__leave_0, a table
 * of three functions, through the dynamic linker, and call them in the thread that calls
 * MPI_Finalize. For the tool they leave files in the folder of `numatally run`:
 *   sum           by rank 0: struct nt_leave_head, the sum, a row for each rank
 *   finalizes     by each rank that calls MPI_Finalize
 *   finalized     by each rank once the sum is written: the job's report has this rank
 *   aborted-PID   by a rank that calls MPI_Abort: its code, as an int32_t
 *   unfinalized-PID  by a rank that exits without MPI_Finalize, if by exit
 * If each rank has a `numatally run` above it, which is its parent and has its file `end`
 * there, one that calls MPI_Abort sends it SIGURG, which nobody minds, and waits a moment
 * for a file `noted`, or for the folder to be gone: some launchers kill everything at once
 * on MPI_Abort.
 */
#ifndef NT_TRACK_LEAVE_H
#define NT_TRACK_LEAVE_H

#include "src/track/job.h"
#include "src/track/report.h"

#define NT_LEAVE_MAGIC "ntsum01" /* 8 bytes with its 0 */
#define NT_LEAVE_SUM "sum"
#define NT_LEAVE_FINALIZES "finalizes"
#define NT_LEAVE_FINALIZED "finalized"
#define NT_LEAVE_RANK "rank-%lld-%d" /* its folder's name then: rank, and 1, 2 ... */
#define NT_LEAVE_END "end"
#define NT_LEAVE_NOTED "noted"
#define NT_LEAVE_UNFINALIZED "unfinalized-%lld"
#define NT_LEAVE_ABORTED "aborted-%lld"

struct nt_leave_head {
    char magic[8];
    uint32_t snapshot_bytes, row_bytes; /* of whoever wrote it */
    uint64_t rows;
};

/* The number in its name goes up when a member changes its meaning. */
struct nt_leave {
    size_t size; /* of this struct; and of these two, where it was compiled: */
    uint32_t snapshot_bytes, row_bytes;

    /* Does anybody want one report of the whole job? Then `*out` are this process's
     * figures, and if report: names a file for each rank, it is written of them. */
    bool (*take)(struct nt_snapshot *out);

    /* The job was summed up. On rank 0 what report: names is written of `sum`; NULL on
     * the others. At the process's end no report is written, then. */
    void (*done)(const struct nt_snapshot *sum, const struct nt_tables *tables);

    /* The folder of the `numatally run` that wants the job's report; NULL: there is none. */
    const char *(*folder)(void);
};

#endif
