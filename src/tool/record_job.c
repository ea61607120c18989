/* SPDX-License-Identifier: MIT */
/* The part "job" of a record: the inverse of nt__job_json. */
#include "src/base/fmt.h"
#include "src/tool/record.h"

#include <stdlib.h>
#include <string.h>

static bool get_end(const json_t *o, int32_t *end)
{
    char name[16];

    if (!nt__record_text(o, "end", name, sizeof name))
        return false;
    for (*end = 0; *end < NT_JOB_ENDS; ++*end)
        if (strcmp(name, nt__job_end_name(*end)) == 0)
            return true;
    return nt__record_refuse("is no word for how a rank ends", "end");
}

/* A number from `min` to `max`. */
static bool get_within(const json_t *o, const char *key, int64_t min, int64_t max,
                       int64_t *out)
{
    if (!nt__record_i64(o, key, out))
        return false;
    return (*out >= min && *out <= max) ||
           nt__record_refuse("is out of its range", key);
}

static bool get_nodes(const json_t *o, struct nt_job_row *row)
{
    const json_t *nodes;

    if (!nt__record_array(o, "nodes", NT_JOB_NODES + 1, &nodes))
        return false;
    row->nodes = (uint32_t)json_array_size(nodes);
    for (size_t n = 0; n < row->nodes; n++) {
        struct nt_job_node *node = &row->node[n];
        bool last = n + 1 == row->nodes;
        int64_t above = n > 0 ? row->node[n - 1].node + 1 : 0;

        if (!nt__record_i64(json_array_get(nodes, n), "node", &node->node) ||
            !nt__record_figures(json_array_get(nodes, n), NT_LIST_JOB_NODE, node))
            return false;
        if ((node->node < above || node->node > INT32_MAX) &&
            !(last && node->node == NT_JOB_NODE_REST))
            return nt__record_refuse("is not above that before it", "node");
    }
    return row->nodes <= NT_JOB_NODES ||
           row->node[NT_JOB_NODES].node == NT_JOB_NODE_REST ||
           nt__record_refuse("has more entries than this version can hold", "nodes");
}

static bool get_row(const json_t *o, struct nt_job_row *row)
{
    int64_t processes, code;

    row->rank = -1;
    if (!json_is_null(json_object_get(o, "rank")) &&
        !get_within(o, "rank", 0, NT_JOB_RANK_MAX, &row->rank))
        return false;
    if (!get_within(o, "pid", 0, INT64_MAX, &row->pid) ||
        !nt__record_text(o, "host", row->host, sizeof row->host) ||
        !nt__record_text(o, "program", row->program, sizeof row->program) ||
        !get_within(o, "processes", 0, UINT32_MAX, &processes) ||
        !get_end(o, &row->end) || !get_within(o, "code", INT32_MIN, INT32_MAX, &code))
        return false;
    row->processes = (uint32_t)processes;
    row->code = (int32_t)code;
    return nt__record_u64(o, "start_unix_ns", &row->start_unix_ns) &&
           nt__record_u64(o, "now_unix_ns", &row->now_unix_ns) &&
           nt__record_u64(o, "stale_ns", &row->stale_ns) &&
           nt__record_figures(o, NT_LIST_JOB, row) && get_nodes(o, row);
}

bool nt__record_job(const json_t *root, struct nt_job *out)
{
    const json_t *job = json_object_get(root, "job"), *rows;

    if (job == NULL)
        return true;
    if (!nt__record_u64(job, "ranks", &out->ranks) ||
        !nt__record_array(job, "rows", UINT32_MAX, &rows))
        return false;
    out->rows = calloc(json_array_size(rows) + 1, sizeof *out->rows);
    out->order = calloc(json_array_size(rows) + 1, sizeof *out->order);
    if (out->rows == NULL || out->order == NULL)
        return nt__record_refuse("needs more memory than there is", "rows");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        struct nt_job_row *row = &out->rows[i];

        if (!get_row(json_array_get(rows, i), row))
            return false;
        if (i > 0 && nt__job_row_order(row - 1, row) > 0)
            return nt__record_refuse("are not in order", "rows");
        out->nrows = i + 1;
    }
    return true;
}
