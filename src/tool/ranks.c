/* SPDX-License-Identifier: MIT */
/*
 * Gathering a job's ranks into one report.
 *
 * If MPI_Finalize reduced the figures, sum and rows are there, of all hosts; what is added
 * then says only how ranks ended that did not end well. Else each process that is added is
 * added to the sum.
 */
#include "src/tool/ranks.h"
#include "src/base/fmt.h"
#include "src/tool/report.h"
#include "src/track/leave.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANKS_MAX ((uint64_t)1 << 24)

/* ---- what rank 0 left --------------------------------------------------------------- */

/* Open a file in `folder`; -1: there is none. */
static int open_in(const char *folder, const char *name)
{
    char path[4096];

    nt__fmt_into(path, sizeof path, "%s/%s", folder, name);
    return open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

/* Read all of `size` bytes. */
static bool read_all(int fd, void *out, size_t size)
{
    char *to = out;

    while (size > 0) {
        ssize_t n = read(fd, to, size);

        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        if (n > 0) {
            to += n;
            size -= (size_t)n;
        }
    }
    return true;
}

void nt__ranks_reduced(struct nt_ranks *r, const char *folder)
{
    struct nt_leave_head head;
    int fd = open_in(folder, NT_LEAVE_SUM);

    if (fd < 0)
        return;
    if (read_all(fd, &head, sizeof head) &&
        memcmp(head.magic, NT_LEAVE_MAGIC, sizeof head.magic) == 0 &&
        head.snapshot_bytes == sizeof r->sum &&
        head.row_bytes == sizeof r->job.rows[0] && head.rows > 0 &&
        head.rows <= RANKS_MAX) {
        r->job.rows = nt__tool_memory(calloc(head.rows, sizeof r->job.rows[0]));
        r->reduced = read_all(fd, &r->sum, sizeof r->sum) &&
                     read_all(fd, r->job.rows, head.rows * sizeof r->job.rows[0]);
        r->job.nrows = r->reduced ? head.rows : 0;
    }
    close(fd);
    if (!r->reduced) {
        nt__ranks_free(r);
        nt__warn(
            "%.512s/%s is not of this version or cut short; the ranks of this host "
            "are added up instead",
            folder, NT_LEAVE_SUM);
    }
}

/* ---- how one ended ------------------------------------------------------------------ */

static bool exists(const char *folder, const char *name)
{
    int fd = open_in(folder, name);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void nt__ranks_look(struct nt_ranks *r, const char *folder)
{
    r->finalizes |= exists(folder, NT_LEAVE_FINALIZES);
    r->elsewhere |= exists(folder, NT_LEAVE_FINALIZED);
    r->elsewhere &= !r->reduced;
}

/* It called MPI_Abort: with which code? */
static bool aborted(const char *folder, int64_t pid, int32_t *code)
{
    char name[64];
    bool whole;
    int fd;

    nt__fmt_into(name, sizeof name, NT_LEAVE_ABORTED, (long long)pid);
    fd = open_in(folder, name);
    whole = fd >= 0 && read_all(fd, code, sizeof *code);
    if (fd >= 0)
        close(fd);
    return whole;
}

static bool is_unfinalized(const char *folder, int64_t pid)
{
    char name[64];

    nt__fmt_into(name, sizeof name, NT_LEAVE_UNFINALIZED, (long long)pid);
    return exists(folder, name);
}

static void set_end(struct nt_job_row *row, const struct nt_ranks *r,
                    const struct nt_rank_end *end, const char *folder)
{
    int32_t code;

    if (aborted(folder, row->pid, &code)) {
        row->end = NT_JOB_ABORTED;
        row->code = code;
    } else if (end == NULL || end->end_unix_ns == 0) {
        /* Nobody waited for it: what its figures say must do. */
        if (row->end == NT_JOB_ENDED && is_unfinalized(folder, row->pid))
            row->end = NT_JOB_UNFINALIZED;
    } else if (WIFSIGNALED(end->status)) {
        row->end = NT_JOB_SIGNALLED;
        row->code = WTERMSIG(end->status);
    } else if (WEXITSTATUS(end->status) != 0) {
        row->end = NT_JOB_EXITED;
        row->code = WEXITSTATUS(end->status);
    } else if (is_unfinalized(folder, row->pid) ||
               (r->finalizes && !exists(folder, NT_LEAVE_FINALIZES))) {
        row->end = NT_JOB_UNFINALIZED;
    } else if (row->end == NT_JOB_RUNNING) {
        row->end = NT_JOB_EXITED;
    }
}

/* ---- adding ------------------------------------------------------------------------- */

static struct nt_job_row *find(struct nt_ranks *r, int64_t rank)
{
    for (size_t i = 0; i < r->job.nrows; i++)
        if (r->job.rows[i].rank == rank)
            return &r->job.rows[i];
    return NULL;
}

static void new_row(struct nt_ranks *r, const struct nt_job_row *row)
{
    r->job.rows = nt__tool_memory(
        reallocarray(r->job.rows, r->job.nrows + 1, sizeof r->job.rows[0]));
    r->job.rows[r->job.nrows++] = *row;
}

void nt__ranks_add(struct nt_ranks *r, const struct nt_live *live,
                   const struct nt_rank_end *end, const char *folder)
{
    struct nt_job_row row = {.rank = -1};
    struct nt_job_row *known;

    if (live != NULL) {
        nt__job_row(&row, &live->snapshot);
        r->files++;
    } else {
        nt__name_copy(row.program, sizeof row.program, end->program);
        nt__name_copy(row.host, sizeof row.host, end->host);
        row.processes = 1;
    }
    if (end != NULL) {
        row.rank = end->rank;
        row.pid = end->pid;
        if (row.end == NT_JOB_RUNNING && row.now_unix_ns != 0 &&
            end->end_unix_ns > row.now_unix_ns)
            row.stale_ns = end->end_unix_ns - row.now_unix_ns;
    }
    set_end(&row, r, end, folder);
    known = find(r, row.rank);
    if (r->reduced && known != NULL) {
        if (known->pid == row.pid && !nt__job_ended_well(&row) &&
            (end == NULL || row.end != NT_JOB_RUNNING)) {
            known->end = row.end;
            known->code = row.code;
        }
        return;
    }
    if (live != NULL)
        nt__job_add(&r->sum, &live->snapshot);
    if (known != NULL)
        nt__job_row_add(known, &row);
    else
        new_row(r, &row);
}

/* ---- the report --------------------------------------------------------------------- */

static int by_rank(const void *a, const void *b)
{
    return nt__job_row_order(a, b);
}

int nt__ranks_write(struct nt_ranks *r, int fd, enum nt_format format)
{
    struct nt_tables tables = {.job = &r->job};

    if (r->job.nrows == 0)
        return 0;
    qsort(r->job.rows, r->job.nrows, sizeof r->job.rows[0], by_rank);
    if (r->job.ranks < r->job.nrows)
        r->job.ranks = r->job.nrows;
    r->job.order =
        nt__tool_memory(reallocarray(r->job.order, r->job.nrows, sizeof *r->job.order));
    return nt__report_write(fd, format, &r->sum, &tables);
}

void nt__ranks_free(struct nt_ranks *r)
{
    free(r->job.rows);
    free(r->job.order);
    memset(r, 0, sizeof *r);
}
