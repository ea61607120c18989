/* SPDX-License-Identifier: MIT */
#include "src/tool/merge.h"
#include "src/base/fmt.h"
#include "src/tool/progress.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#define COMPLAINTS_MAX 20

struct nt_merge {
    struct nt_record *sum;
    uint64_t ranks;
    bool fits;
    void *processes;          /* trees of struct nt_job_row: all that were counted, */
    void *rows;               /* and the rows of the job */
    struct nt_job_row **list; /* the rows, as they came */
    size_t nrows, cap;
    size_t skipped;
    /* The record that was read last, and is not counted yet. */
    bool held;
    struct nt_snapshot snapshot;
    struct nt_job_row row;
};

/* ---- what is the same -------------------------------------------------------------- */

/* One row of the job: a rank on a host; without a rank, a process. */
static int by_row(const void *va, const void *vb)
{
    const struct nt_job_row *a = va, *b = vb;
    int hosts = strcmp(a->host, b->host);

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (hosts != 0 || a->rank >= 0)
        return hosts;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

/* One life of a process: from its start, or from an exec on, which begins another. */
static int by_process(const void *va, const void *vb)
{
    const struct nt_job_row *a = va, *b = vb;
    int rows = by_row(a, b);

    if (rows != 0)
        return rows;
    if (a->pid != b->pid)
        return a->pid < b->pid ? -1 : 1;
    return (a->start_unix_ns > b->start_unix_ns) -
           (a->start_unix_ns < b->start_unix_ns);
}

static void skip(struct nt_merge *m, const struct nt_job_row *row, const char *path,
                 const char *why)
{
    char rank[32] = "no rank";

    if (++m->skipped > COMPLAINTS_MAX)
        return;
    if (row->rank >= 0)
        nt__fmt_into(rank, sizeof rank, "rank %lld", (long long)row->rank);
    nt__progress_clear();
    nt__warn("%.512s: %s, process %lld on %.63s: %s", path, rank, (long long)row->pid,
             row->host, why);
}

/* ---- counting ---------------------------------------------------------------------- */

static struct nt_job_row *copy_of(const struct nt_job_row *row)
{
    struct nt_job_row *copy = nt__tool_memory(malloc(sizeof *copy));

    *copy = *row;
    return copy;
}

static bool is_counted(const struct nt_merge *m, const struct nt_job_row *row)
{
    return tfind(row, &m->processes, by_process) != NULL;
}

static void count_row(struct nt_merge *m, const struct nt_job_row *row)
{
    struct nt_job_row *new = copy_of(row), **found;

    nt__tool_memory(tsearch(copy_of(row), &m->processes, by_process));
    found = nt__tool_memory(tsearch(new, &m->rows, by_row));
    if (*found != new) {
        nt__job_row_add(*found, row);
        free(new);
        return;
    }
    if (m->nrows == m->cap) {
        m->cap = 2 * m->cap + 256;
        m->list =
            nt__tool_memory(reallocarray(m->list, m->cap, sizeof(struct nt_job_row *)));
    }
    m->list[m->nrows++] = new;
}

static void count_held(struct nt_merge *m)
{
    if (!m->held)
        return;
    m->held = false;
    m->fits &= nt__job_add(&m->sum->snapshot, &m->snapshot);
    count_row(m, &m->row);
}

static void add_process(struct nt_merge *m, const struct nt_snapshot *s,
                        const char *path)
{
    struct nt_job_row row;

    nt__job_row(&row, s);
    if (m->held && by_process(&m->row, &row) == 0 &&
        row.now_unix_ns > m->row.now_unix_ns) {
        m->snapshot = *s;
        m->row = row;
        return;
    }
    count_held(m);
    if (is_counted(m, &row)) {
        skip(m, &row, path,
             "a record of this process was read before; this one is skipped");
        return;
    }
    m->held = true;
    m->snapshot = *s;
    m->row = row;
}

static void add_job(struct nt_merge *m, const struct nt_record *record,
                    const char *path)
{
    const struct nt_job *job = &record->job;

    count_held(m);
    for (size_t i = 0; i < job->nrows; i++)
        if (is_counted(m, &job->rows[i])) {
            skip(m, &job->rows[i], path,
                 "it was read before, so this record of a whole job is skipped");
            return;
        }
    m->fits &= nt__job_add(&m->sum->snapshot, &record->snapshot);
    m->ranks = nt__max(m->ranks, job->ranks);
    for (size_t i = 0; i < job->nrows; i++)
        count_row(m, &job->rows[i]);
}

/* ---- all --------------------------------------------------------------------------- */

struct nt_merge *nt__merge_begin(uint64_t ranks)
{
    struct nt_merge *m = nt__tool_memory(calloc(1, sizeof *m));

    m->sum = nt__tool_memory(calloc(1, sizeof *m->sum));
    m->ranks = ranks;
    m->fits = true;
    return m;
}

void nt__merge_add(struct nt_merge *m, const struct nt_record *record, const char *path)
{
    if (record->job.rows != NULL)
        add_job(m, record, path);
    else
        add_process(m, &record->snapshot, path);
}

static int by_order(const void *a, const void *b)
{
    return nt__job_row_order(*(struct nt_job_row *const *)a,
                             *(struct nt_job_row *const *)b);
}

/* The rows, by rank, into the record. */
static void take_rows(struct nt_merge *m)
{
    struct nt_job *job = &m->sum->job;

    job->nrows = m->nrows;
    job->rows = nt__tool_memory(calloc(m->nrows + 1, sizeof *job->rows));
    job->order = nt__tool_memory(calloc(m->nrows + 1, sizeof *job->order));
    job->ranks = m->ranks;
    if (m->nrows > 0)
        qsort(m->list, m->nrows, sizeof(struct nt_job_row *), by_order);
    for (size_t i = 0; i < m->nrows; i++) {
        job->rows[i] = *m->list[i];
        job->ranks = nt__max(job->ranks, (uint64_t)(m->list[i]->rank + 1));
    }
}

/* A rank is on one host: where two have it, two jobs were merged, or their files were. */
static void check_ranks(const struct nt_job *job)
{
    size_t twice = 0, first = 0;

    for (size_t i = job->nrows; i-- > 1;)
        if (job->rows[i].rank >= 0 && job->rows[i].rank == job->rows[i - 1].rank) {
            twice++;
            first = i;
        }
    if (twice > 0)
        nt__warn("rank %lld was on %.63s and on %.63s%s: are these files of one job?",
                 (long long)job->rows[first].rank, job->rows[first - 1].host,
                 job->rows[first].host, twice > 1 ? ", and so were others" : "");
}

struct nt_record *nt__merge_end(struct nt_merge *m, size_t *skipped)
{
    struct nt_record *sum = m->sum;

    count_held(m);
    take_rows(m);
    check_ranks(&sum->job);
    if (m->skipped > COMPLAINTS_MAX)
        nt__warn("%zu more records were skipped for such a reason",
                 m->skipped - COMPLAINTS_MAX);
    if (!m->fits)
        nt__warn("there are more nodes, or block sizes, than a record holds: those of "
                 "the highest numbers are in the totals only");
    *skipped = m->skipped;
    tdestroy(m->processes, free);
    tdestroy(m->rows, free);
    free(m->list);
    free(m);
    if (sum->job.nrows > 0)
        return sum;
    nt__record_free(sum);
    free(sum);
    return NULL;
}
