/* SPDX-License-Identifier: MIT */
/*
 * A job as CSV, wide: a line for each rank, a column for each figure, and two for each node
 * of the job. A rank without memory on a node has an empty field there, as has a process
 * without a rank for its rank. Bytes are bytes, times are nanoseconds.
 */
#include "src/tool/merge.h"
#include "src/tool/rows.h"
#include "src/track/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct nt_job_node *node_of(const struct nt_job_row *row, int64_t node)
{
    for (size_t n = 0; n < row->nodes; n++)
        if (row->node[n].node == node)
            return &row->node[n];
    return NULL;
}

static void head(FILE *out, const struct nt_snapshot *sum)
{
    fputs("rank,host,program,pid,processes,end,code,start_unix_ns,now_unix_ns,stale_ns",
          out);
    for (const struct nt_figure *g = nt__figures(NT_LIST_JOB); g->name != NULL; g++)
        fprintf(out, ",%s", g->name);
    for (const struct nt_figure *g = nt__figures(NT_LIST_JOB_NODE); g->name != NULL;
         g++) {
        for (size_t n = 0; n < sum->nodes; n++)
            fprintf(out, ",%s.node%" PRId32, g->name, sum->node_id[n]);
        fprintf(out, ",%s.others", g->name);
    }
    putc('\n', out);
}

static void text(FILE *out, const char *name, size_t size)
{
    char *utf8 = nt__tool_utf8(name, size);

    putc(',', out);
    nt__csv_text(out, utf8);
    free(utf8);
}

static void figure(FILE *out, const void *base, const struct nt_figure *g)
{
    uint64_t v;

    memcpy(&v, (const char *)base + g->offset, sizeof v);
    fprintf(out, "%" PRIu64, v);
}

static void node(FILE *out, const struct nt_job_row *row, int64_t number,
                 const struct nt_figure *g)
{
    const struct nt_job_node *of = node_of(row, number);

    putc(',', out);
    if (of != NULL)
        figure(out, of, g);
}

static void line(FILE *out, const struct nt_snapshot *sum, const struct nt_job_row *row)
{
    if (row->rank >= 0)
        fprintf(out, "%" PRId64, row->rank);
    text(out, row->host, sizeof row->host);
    text(out, row->program, sizeof row->program);
    fprintf(out,
            ",%" PRId64 ",%" PRIu32 ",%s,%" PRId32 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
            row->pid, row->processes, nt__job_end_name(row->end), row->code,
            row->start_unix_ns, row->now_unix_ns, row->stale_ns);
    for (const struct nt_figure *g = nt__figures(NT_LIST_JOB); g->name != NULL; g++) {
        putc(',', out);
        figure(out, row, g);
    }
    for (const struct nt_figure *g = nt__figures(NT_LIST_JOB_NODE); g->name != NULL;
         g++) {
        for (size_t n = 0; n < sum->nodes; n++)
            node(out, row, sum->node_id[n], g);
        node(out, row, NT_JOB_NODE_REST, g);
    }
    putc('\n', out);
}

int nt__out_ranks_csv(FILE *out, struct nt_record *const *records, size_t n,
                      size_t written)
{
    (void)written;
    for (size_t i = 0; i < n; i++) {
        const struct nt_record *r = records[i];

        head(out, &r->snapshot);
        for (size_t k = 0; k < r->job.nrows; k++)
            line(out, &r->snapshot, &r->job.rows[k]);
    }
    return 0;
}
