/* SPDX-License-Identifier: MIT */
/*
 * Sums over processes, and rows.
 *
 * The nodes of a sum are in order of their numbers, its classes in order of their sizes.
 * When one comes that has no place yet, those above it move up, the free matrix with them;
 * when there is no more room the last one goes. So what a sum keeps is the lowest of all
 * that were added, whichever came first.
 */
#include "src/track/job.h"
#include "src/track/report.h"

#include <string.h>

#define SEVERAL "(several)"

static void add_u64(uint64_t *sum, uint64_t v)
{
    *sum = v > INT64_MAX - nt__min(*sum, INT64_MAX) ? INT64_MAX : *sum + v;
}

static void add_figures(enum nt_figure_list list, void *sum, const void *s)
{
    for (const struct nt_figure *g = nt__figures(list); g->name != NULL; g++) {
        uint64_t a, b;

        memcpy(&a, (const char *)sum + g->offset, sizeof a);
        memcpy(&b, (const char *)s + g->offset, sizeof b);
        add_u64(&a, b);
        memcpy((char *)sum + g->offset, &a, sizeof a);
    }
}

/* ---- what is not counted ------------------------------------------------------------ */

static void begin(struct nt_snapshot *sum, const struct nt_snapshot *s)
{
    sum->size = sizeof *sum;
    sum->version = NT_SNAPSHOT_VERSION;
    memcpy(&sum->pid, &s->pid,
           offsetof(struct nt_snapshot, threads_now) -
               offsetof(struct nt_snapshot, pid));
    sum->page_bytes = s->page_bytes;
    sum->fake_topology = s->fake_topology;
    sum->inherited = s->inherited;
    sum->final = s->final;
}

static void in_common(char *sum, size_t size, const char *s)
{
    if (strncmp(sum, s, size) != 0)
        nt__name_copy(sum, size, SEVERAL);
}

static void go_on(struct nt_snapshot *sum, const struct nt_snapshot *s)
{
    if (sum->pid != s->pid)
        sum->pid = 0;
    if (sum->rank != s->rank)
        sum->rank = -1;
    in_common(sum->host, sizeof sum->host, s->host);
    in_common(sum->program, sizeof sum->program, s->program);
    if (strncmp(s->version_string, sum->version_string, sizeof sum->version_string) > 0)
        memcpy(sum->version_string, s->version_string, sizeof sum->version_string);
    sum->start_unix_ns = nt__min(sum->start_unix_ns, s->start_unix_ns);
    sum->now_unix_ns = nt__max(sum->now_unix_ns, s->now_unix_ns);
    sum->page_bytes = nt__max(sum->page_bytes, s->page_bytes);
    sum->fake_topology |= s->fake_topology;
    sum->inherited &= s->inherited;
    sum->final &= s->final;
}

/* ---- nodes -------------------------------------------------------------------------- */

/* Where the node is, or belongs. */
static size_t node_at(const struct nt_snapshot *sum, int32_t id)
{
    size_t at = 0;

    while (at < sum->nodes && sum->node_id[at] < id)
        at++;
    return at;
}

static bool node_is_at(const struct nt_snapshot *sum, size_t at, int32_t id)
{
    return at < sum->nodes && sum->node_id[at] == id;
}

/* Make `n` entries of `size` bytes at `base` one more, by a zeroed one at `at`. */
static void insert(void *base, size_t n, size_t size, size_t at)
{
    char *p = (char *)base + at * size;

    memmove(p + size, p, (n - at) * size);
    memset(p, 0, size);
}

/* False: there was no room, and the highest has none now. */
static bool node_make(struct nt_snapshot *sum, int32_t id)
{
    size_t at = node_at(sum, id);
    bool full = sum->nodes == NT_NODES_MAX;

    if (node_is_at(sum, at, id))
        return true;
    if (at == NT_NODES_MAX)
        return false;
    sum->nodes -= full;
    insert(sum->node_id, sum->nodes, sizeof sum->node_id[0], at);
    insert(sum->node, sum->nodes, sizeof sum->node[0], at);
    insert(sum->free_matrix, sum->nodes, sizeof sum->free_matrix[0], at);
    sum->node_id[at] = id;
    for (size_t n = 0; n <= sum->nodes; n++)
        insert(sum->free_matrix[n], sum->nodes, sizeof sum->free_matrix[n][0], at);
    sum->nodes++;
    return !full;
}

static bool add_nodes(struct nt_snapshot *sum, const struct nt_snapshot *s)
{
    size_t slot[NT_NODES_MAX]; /* of the sum; sum->nodes: it has none */
    bool fits = true;

    for (size_t n = 0; n < s->nodes; n++)
        fits &= node_make(sum, s->node_id[n]);
    for (size_t n = 0; n < s->nodes; n++) {
        slot[n] = node_at(sum, s->node_id[n]);
        if (!node_is_at(sum, slot[n], s->node_id[n]))
            slot[n] = sum->nodes;
        else
            add_figures(NT_LIST_NODE, &sum->node[slot[n]], &s->node[n]);
    }
    for (size_t f = 0; f < s->nodes; f++)
        for (size_t h = 0; h < s->nodes; h++)
            if (slot[f] < sum->nodes && slot[h] < sum->nodes)
                add_u64(&sum->free_matrix[slot[f]][slot[h]], s->free_matrix[f][h]);
    return fits;
}

/* ---- size classes ------------------------------------------------------------------- */

/* Large blocks, whose size is 0, come last. */
static uint64_t class_key(const struct nt_class_figures *c)
{
    return c->block_bytes - 1;
}

static bool add_class(struct nt_snapshot *sum, const struct nt_class_figures *c)
{
    uint64_t block_bytes = c->block_bytes;
    bool full = sum->classes == NT_CLASSES_MAX;
    size_t at = 0;

    while (at < sum->classes && class_key(&sum->class_[at]) < class_key(c))
        at++;
    if (at == sum->classes || sum->class_[at].block_bytes != block_bytes) {
        if (at == NT_CLASSES_MAX)
            return false;
        sum->classes -= full;
        insert(sum->class_, sum->classes, sizeof sum->class_[0], at);
        sum->classes++;
    } else {
        full = false;
    }
    add_figures(NT_LIST_CLASS, &sum->class_[at], c);
    sum->class_[at].block_bytes = block_bytes; /* a name, and no figure */
    return !full;
}

bool nt__job_add(struct nt_snapshot *sum, const struct nt_snapshot *s)
{
    bool fits;

    if (sum->size == 0)
        begin(sum, s);
    else
        go_on(sum, s);
    add_figures(NT_LIST_PROCESS, sum, s);
    add_figures(NT_LIST_NODE, &sum->total, &s->total);
    fits = add_nodes(sum, s);
    for (size_t c = 0; c < s->classes; c++)
        fits &= add_class(sum, &s->class_[c]);
    return fits;
}

/* ---- rows --------------------------------------------------------------------------- */

static struct nt_job_node *rest_of(struct nt_job_row *row)
{
    struct nt_job_node *last = &row->node[nt__max(row->nodes, 1) - 1];

    if (row->nodes == 0 || last->node != NT_JOB_NODE_REST) {
        last = &row->node[row->nodes++];
        memset(last, 0, sizeof *last);
        last->node = NT_JOB_NODE_REST;
    }
    return last;
}

static size_t named(const struct nt_job_row *row)
{
    bool rest = row->nodes > 0 && row->node[row->nodes - 1].node == NT_JOB_NODE_REST;

    return row->nodes - rest;
}

/* Of the nodes with figures of their own, the one that had least at its peak. */
static size_t least(const struct nt_job_row *row)
{
    size_t min = 0;

    for (size_t i = 1; i < named(row); i++)
        if (row->node[i].live_bytes_peak < row->node[min].live_bytes_peak)
            min = i;
    return min;
}

/* Make room for a node that had so much at its peak; false: it is one of the rest. */
static bool make_room(struct nt_job_row *row, uint64_t peak)
{
    size_t min = least(row);

    if (named(row) < NT_JOB_NODES)
        return true;
    if (row->node[min].live_bytes_peak >= peak)
        return false;
    add_figures(NT_LIST_JOB_NODE, rest_of(row), &row->node[min]);
    row->nodes--;
    memmove(&row->node[min], &row->node[min + 1],
            (row->nodes - min) * sizeof row->node[0]);
    return true;
}

static void row_node(struct nt_job_row *row, const struct nt_job_node *node)
{
    size_t at = 0;

    while (at < named(row) && row->node[at].node < node->node)
        at++;
    if (node->node == NT_JOB_NODE_REST) {
        add_figures(NT_LIST_JOB_NODE, rest_of(row), node);
    } else if (at < named(row) && row->node[at].node == node->node) {
        add_figures(NT_LIST_JOB_NODE, &row->node[at], node);
    } else if (make_room(row, node->live_bytes_peak)) {
        for (at = 0; at < named(row) && row->node[at].node < node->node;)
            at++;
        insert(row->node, row->nodes, sizeof row->node[0], at);
        row->node[at] = *node;
        row->nodes++;
    } else {
        add_figures(NT_LIST_JOB_NODE, rest_of(row), node);
    }
}

void nt__job_row(struct nt_job_row *row, const struct nt_snapshot *s)
{
    const struct nt_node_figures *t = &s->total;

    *row = (struct nt_job_row){
        /* What launchers do not give is none. */
        .rank = s->rank >= 0 && s->rank <= NT_JOB_RANK_MAX ? s->rank : -1,
        .pid = s->pid > 0 ? s->pid : 0,
        .processes = 1,
        .end = s->final ? NT_JOB_ENDED : NT_JOB_RUNNING,
        .start_unix_ns = s->start_unix_ns,
        .now_unix_ns = s->now_unix_ns,
        .allocations_total = t->allocations_total,
        .allocated_bytes_total = t->allocated_bytes_total,
        .requested_bytes_total = t->requested_bytes_total,
        .frees_total = t->frees_total,
        .remote_frees_total = t->remote_frees_total,
        .far_frees_total = t->far_frees_total,
        .live_bytes_now = t->live_bytes_now,
        .live_bytes_peak = t->live_bytes_peak,
        .committed_bytes_now = t->committed_bytes_now,
        .resident_bytes_now = t->resident_bytes_now,
        .elsewhere_bytes_now = t->elsewhere_full_bytes_now,
        .cpu_ns_total = s->cpu_ns_total,
    };
    add_u64(&row->elsewhere_bytes_now, t->elsewhere_refused_bytes_now);
    add_u64(&row->elsewhere_bytes_now, t->elsewhere_moved_bytes_now);
    nt__name_copy(row->host, sizeof row->host, s->host);
    nt__name_copy(row->program, sizeof row->program, s->program);
    for (size_t n = 0; n < s->nodes; n++)
        row_node(row, &(struct nt_job_node){s->node_id[n], s->node[n].live_bytes_now,
                                            s->node[n].live_bytes_peak});
}

void nt__job_row_add(struct nt_job_row *row, const struct nt_job_row *other)
{
    uint64_t begun = nt__min(row->start_unix_ns, other->start_unix_ns);
    bool first = row->live_bytes_peak != other->live_bytes_peak
                     ? row->live_bytes_peak > other->live_bytes_peak
                     : row->pid <= other->pid;
    struct nt_job_row sum = first ? *row : *other;
    const struct nt_job_row *more = first ? other : row;

    sum.processes += more->processes;
    sum.start_unix_ns = begun;
    add_figures(NT_LIST_JOB, &sum, more);
    for (size_t n = 0; n < more->nodes; n++)
        row_node(&sum, &more->node[n]);
    *row = sum;
}

int nt__job_row_order(const struct nt_job_row *a, const struct nt_job_row *b)
{
    int hosts = strcmp(a->host, b->host);

    if (a->rank != b->rank)
        return (uint64_t)a->rank < (uint64_t)b->rank ? -1 : 1;
    return hosts != 0 ? hosts : (a->pid > b->pid) - (a->pid < b->pid);
}

bool nt__job_ended_well(const struct nt_job_row *row)
{
    return row->end == NT_JOB_ENDED || row->end == NT_JOB_FINALIZED ||
           (row->end == NT_JOB_EXITED && row->code == 0);
}

const char *nt__job_end_name(int32_t end)
{
    static const char *const names[NT_JOB_ENDS] = {
        [NT_JOB_RUNNING] = "running",        [NT_JOB_ENDED] = "ended",
        [NT_JOB_FINALIZED] = "finalized",    [NT_JOB_EXITED] = "exited",
        [NT_JOB_SIGNALLED] = "signalled",    [NT_JOB_ABORTED] = "aborted",
        [NT_JOB_UNFINALIZED] = "unfinalized"};

    return names[end >= 0 && end < NT_JOB_ENDS ? end : NT_JOB_RUNNING];
}
