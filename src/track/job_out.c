/* SPDX-License-Identifier: MIT */
/* The member "job" of a record: how many ranks there are, and a row for each. */
#include "src/track/job.h"
#include "src/track/report.h"

static void key_u64(struct nt_fmt *f, const char *key, uint64_t v)
{
    nt__json_key(f, key);
    nt__json_u64(f, v);
}

static void key_text(struct nt_fmt *f, const char *key, const char *text)
{
    nt__json_key(f, key);
    nt__json_str(f, text);
}

static void row_json(struct nt_fmt *f, const struct nt_job_row *row)
{
    nt__json_open(f, '{');
    nt__json_key(f, "rank");
    if (row->rank < 0)
        nt__json_null(f);
    else
        nt__json_i64(f, row->rank);
    nt__json_key(f, "pid");
    nt__json_i64(f, row->pid);
    key_text(f, "host", row->host);
    key_text(f, "program", row->program);
    key_u64(f, "processes", row->processes);
    key_text(f, "end", nt__job_end_name(row->end));
    nt__json_key(f, "code");
    nt__json_i64(f, row->code);
    key_u64(f, "start_unix_ns", row->start_unix_ns);
    key_u64(f, "now_unix_ns", row->now_unix_ns);
    key_u64(f, "stale_ns", row->stale_ns);
    nt__json_figures(f, NT_LIST_JOB, row);
    nt__json_key(f, "nodes");
    nt__json_open(f, '[');
    for (size_t n = 0; n < row->nodes; n++) {
        nt__json_open(f, '{');
        nt__json_key(f, "node");
        nt__json_i64(f, row->node[n].node);
        nt__json_figures(f, NT_LIST_JOB_NODE, &row->node[n]);
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
    nt__json_close(f, '}');
}

void nt__job_json(struct nt_fmt *f, const struct nt_job *job)
{
    nt__json_key(f, "job");
    nt__json_open(f, '{');
    key_u64(f, "ranks", job->ranks);
    nt__json_key(f, "rows");
    nt__json_open(f, '[');
    for (size_t i = 0; i < job->nrows; i++)
        row_json(f, &job->rows[i]);
    nt__json_close(f, ']');
    nt__json_close(f, '}');
}
