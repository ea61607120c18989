/* SPDX-License-Identifier: MIT */
/*
 * A snapshot as text and as a JSON record.
 *
 * Both are walks over the same lists of figures (name, label, unit, offset), so a
 * figure added to stats.h appears in both. The text follows numastat: figures are
 * rows, nodes are columns, the total is last, bytes are MiB to two decimals. Tables
 * of things of which there may be many (classes, threads, pools) have a row for each
 * thing and a column for each figure.
 *
 * Output is gathered in one static buffer, so that most reports leave in one write
 * and those of several processes do not mix; a second thread that reports at the
 * same time works with a small buffer on its stack. Where reports go is report_out.c.
 */
#include "src/track/report.h"
#include "src/base/fmt.h"
#include "src/track/profile_out.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define BUFFER_BYTES ((size_t)64 * 1024)
#define LABEL_WIDTH 20 /* of the first column */
#define NODE_WIDTH 16  /* of a column of the table of nodes */
#define CELL_WIDTH 13  /* of a column of the other tables */
#define NODES_PER_TABLE 8

static struct {
    atomic_flag busy;
    char buf[BUFFER_BYTES]; /* whoever set busy */
} R = {.busy = ATOMIC_FLAG_INIT};

static uint64_t value(const struct nt_figure *g, const void *base)
{
    uint64_t v;

    memcpy(&v, (const char *)base + g->offset, sizeof v);
    return v;
}

static bool class_used(const struct nt_class_figures *c)
{
    return c->allocations_total != 0 || c->frees_total != 0 || c->slabs_now != 0 ||
           c->live_blocks_now != 0;
}

/* ---- text ------------------------------------------------------------------- */

void nt__text_cell(struct nt_fmt *f, int width, const char *text)
{
    nt__fmt_print(f, " %*s", width - 1, text);
}

void nt__text_value(struct nt_fmt *f, int width, char unit, uint64_t v)
{
    char text[32];

    if (unit == 'b') {
        uint64_t cents = ((v % NT_MIB) * 100 + NT_MIB / 2) / NT_MIB;
        uint64_t whole = v / NT_MIB + cents / 100;

        nt__fmt_into(text, sizeof text, "%llu.%02llu", (unsigned long long)whole,
                     (unsigned long long)(cents % 100));
    } else if (unit == 't') {
        nt__fmt_into(text, sizeof text, "%llu.%03llu",
                     (unsigned long long)(v / 1000000000),
                     (unsigned long long)(v / 1000000 % 1000));
    } else {
        nt__fmt_into(text, sizeof text, "%llu", (unsigned long long)v);
    }
    nt__text_cell(f, width, text);
}

void nt__text_amount(struct nt_fmt *f, char unit, uint64_t v)
{
    char text[40];
    struct nt_fmt into;

    nt__fmt_init(&into, text, sizeof text, -1);
    nt__text_value(&into, 2, unit, v);
    nt__fmt_str(f, text + 1); /* after the cell's blank */
    nt__fmt_str(f, unit == 'b' ? " MiB" : unit == 't' ? " s" : "");
}

static void cell(struct nt_fmt *f, int width, const struct nt_figure *g,
                 const void *base)
{
    nt__text_value(f, width, g->unit, value(g, base));
}

void nt__text_rule(struct nt_fmt *f, int label, int width, size_t columns)
{
    static const char dashes[] = "------------------------";

    nt__fmt_print(f, "%*s", label, "");
    for (size_t i = 0; i < columns; i++)
        nt__fmt_print(f, " %.*s", width - 1, dashes);
    nt__fmt_char(f, '\n');
}

static void text_head(struct nt_fmt *f, const struct nt_snapshot *s)
{
    uint64_t ns =
        s->now_unix_ns > s->start_unix_ns ? s->now_unix_ns - s->start_unix_ns : 0;

    nt__fmt_print(f, "numatally %s: ", s->version_string);
    nt__fmt_name(f, 0, s->program);
    nt__fmt_print(f, ", pid %lld", (long long)s->pid);
    if (s->rank >= 0)
        nt__fmt_print(f, ", rank %lld", (long long)s->rank);
    nt__fmt_str(f, ", host ");
    nt__fmt_name(f, 0, s->host);
    nt__fmt_char(f, '\n');
    nt__fmt_print(f, "%s %llu.%03llu s after its %s%s\n",
                  s->final ? "At its end," : "While it ran,",
                  (unsigned long long)(ns / 1000000000),
                  (unsigned long long)(ns / 1000000 % 1000),
                  s->inherited ? "fork" : "start",
                  s->inherited ? "; a forked child counts from there" : "");
    if (s->fake_topology)
        nt__fmt_str(f, "The nodes are made up (NUMATALLY_TOPOLOGY): "
                       "binding was only recorded\n");
}

/* Nodes from .. to-1, and the total after the last one. */
static void text_nodes(struct nt_fmt *f, const struct nt_snapshot *s, size_t from,
                       size_t to)
{
    bool last = to == s->nodes;
    char head[16];

    nt__fmt_print(f, "\n%-*s", LABEL_WIDTH, "Nodes");
    for (size_t n = from; n < to; n++) {
        nt__fmt_into(head, sizeof head, "Node %d", s->node_id[n]);
        nt__text_cell(f, NODE_WIDTH, head);
    }
    if (last)
        nt__text_cell(f, NODE_WIDTH, "Total");
    nt__fmt_char(f, '\n');
    nt__text_rule(f, LABEL_WIDTH, NODE_WIDTH, to - from + last);
    for (const struct nt_figure *g = nt__figures(NT_LIST_NODE); g->name != NULL; g++) {
        if (s->residency_pages_now == 0 &&
            g->offset >= offsetof(struct nt_node_figures, resident_bytes_now))
            break; /* the kernel was not asked */
        nt__fmt_print(f, "%-*s", LABEL_WIDTH, g->label);
        for (size_t n = from; n < to; n++)
            cell(f, NODE_WIDTH, g, &s->node[n]);
        if (last)
            cell(f, NODE_WIDTH, g, &s->total);
        nt__fmt_char(f, '\n');
    }
}

static void text_process(struct nt_fmt *f, const struct nt_snapshot *s)
{
    nt__fmt_print(f, "\n%-*s", LABEL_WIDTH, "Process");
    nt__text_cell(f, NODE_WIDTH, "Total");
    nt__fmt_char(f, '\n');
    nt__text_rule(f, LABEL_WIDTH, NODE_WIDTH, 1);
    for (const struct nt_figure *g = nt__figures(NT_LIST_PROCESS); g->name != NULL;
         g++) {
        if (g->offset == offsetof(struct nt_snapshot, residency_pages_now) &&
            s->residency_pages_now == 0)
            continue;
        nt__fmt_print(f, "%-*s", LABEL_WIDTH, g->label);
        cell(f, NODE_WIDTH, g, s);
        nt__fmt_char(f, '\n');
    }
}

/* The two lines above a table whose columns are the figures of `list`. */
static void columns_head(struct nt_fmt *f, const char *title,
                         const struct nt_figure *list)
{
    size_t n = 0;

    nt__fmt_print(f, "\n%-*s", LABEL_WIDTH, title);
    for (const struct nt_figure *g = list; g->name != NULL; g++, n++)
        nt__text_cell(f, CELL_WIDTH, g->label);
    nt__fmt_char(f, '\n');
    nt__text_rule(f, LABEL_WIDTH, CELL_WIDTH, n);
}

static void columns(struct nt_fmt *f, const struct nt_figure *list, const void *base)
{
    for (const struct nt_figure *g = list; g->name != NULL; g++)
        cell(f, CELL_WIDTH, g, base);
    nt__fmt_char(f, '\n');
}

static void text_classes(struct nt_fmt *f, const struct nt_snapshot *s)
{
    columns_head(f, "Block size, bytes", nt__figures(NT_LIST_CLASS) + 1);
    for (size_t i = 0; i < s->classes; i++) {
        const struct nt_class_figures *c = &s->class_[i];

        if (!class_used(c))
            continue;
        if (c->block_bytes == 0)
            nt__fmt_print(f, "%-*s", LABEL_WIDTH, "large");
        else
            nt__fmt_print(f, "%-*llu", LABEL_WIDTH, (unsigned long long)c->block_bytes);
        columns(f, nt__figures(NT_LIST_CLASS) + 1, c);
    }
}

static void text_matrix(struct nt_fmt *f, const struct nt_snapshot *s)
{
    char head[24];

    nt__fmt_print(f, "\n%-*s", LABEL_WIDTH, "Frees, blocks");
    for (size_t h = 0; h < s->nodes; h++) {
        nt__fmt_into(head, sizeof head, "Home %d", s->node_id[h]);
        nt__text_cell(f, CELL_WIDTH, head);
    }
    nt__fmt_char(f, '\n');
    nt__text_rule(f, LABEL_WIDTH, CELL_WIDTH, s->nodes);
    for (size_t n = 0; n < s->nodes; n++) {
        nt__fmt_into(head, sizeof head, "Freed on %d", s->node_id[n]);
        nt__fmt_print(f, "%-*s", LABEL_WIDTH, head);
        for (size_t h = 0; h < s->nodes; h++)
            nt__fmt_print(f, " %*llu", CELL_WIDTH - 1,
                          (unsigned long long)s->free_matrix[n][h]);
        nt__fmt_char(f, '\n');
    }
}

/* `n` rows, the first of which is the sum of those that are gone. */
static void text_threads(struct nt_fmt *f, const struct nt_thread_figures *t, size_t n,
                         uint64_t alive)
{
    char label[80];

    columns_head(f, "Threads, node", nt__figures(NT_LIST_THREAD));
    for (size_t i = 0; i < n; i++) {
        if (t[i].tid == 0)
            nt__fmt_into(label, sizeof label, "%.31s", t[i].name);
        else
            nt__fmt_into(label, sizeof label, "%lld %.31s, %lld", (long long)t[i].tid,
                         t[i].name, (long long)t[i].node);
        nt__fmt_name(f, LABEL_WIDTH, label);
        columns(f, nt__figures(NT_LIST_THREAD), &t[i]);
    }
    if (n - 1 < alive)
        nt__fmt_print(f, "(%llu more threads are not shown)\n",
                      (unsigned long long)(alive - (n - 1)));
}

/* As for threads: the first row is the process's own heap. */
static void text_pools(struct nt_fmt *f, const struct nt_pool_figures *p, size_t n,
                       uint64_t explicit)
{
    char label[sizeof p->name];

    columns_head(f, "Pools", nt__figures(NT_LIST_POOL));
    for (size_t i = 0; i < n; i++) {
        nt__fmt_into(label, sizeof label, "%.31s", p[i].name);
        nt__fmt_name(f, LABEL_WIDTH, label);
        columns(f, nt__figures(NT_LIST_POOL), &p[i]);
    }
    if (n - 1 < explicit)
        nt__fmt_print(f, "(%llu more pools are not shown)\n",
                      (unsigned long long)(explicit - (n - 1)));
}

static void text_phases(struct nt_fmt *f, const struct nt_phase_figures *p, size_t n)
{
    char label[80];

    columns_head(f, "Phases", nt__figures(NT_LIST_PHASE));
    for (size_t i = 0; i < n; i++) {
        nt__fmt_into(label, sizeof label, "%.63s%s", p[i].name,
                     p[i].running ? " (runs)" : "");
        nt__fmt_name(f, LABEL_WIDTH, label);
        columns(f, nt__figures(NT_LIST_PHASE), &p[i]);
    }
}

static void text_tracked(struct nt_fmt *f, const struct nt_tracked_figures *t, size_t n,
                         uint64_t all)
{
    char label[sizeof t->name];

    columns_head(f, "Tracked allocators", nt__figures(NT_LIST_TRACKED));
    for (size_t i = 0; i < n; i++) {
        nt__fmt_into(label, sizeof label, "%.31s", t[i].name);
        nt__fmt_name(f, LABEL_WIDTH, label);
        columns(f, nt__figures(NT_LIST_TRACKED), &t[i]);
    }
    if (n < all)
        nt__fmt_print(f, "(%llu more tracked allocators are not shown)\n",
                      (unsigned long long)(all - n));
}

static void text(struct nt_fmt *f, const struct nt_snapshot *s,
                 const struct nt_tables *t)
{
    size_t from = 0;

    if (t->job)
        nt__job_text(f, t->job, s);
    else
        text_head(f, s);
    nt__fmt_str(f, "Counts are blocks; bytes are shown in MiB (those with a point)\n");
    do {
        size_t to = nt__min(from + NODES_PER_TABLE, s->nodes);

        text_nodes(f, s, from, to);
        from = to;
    } while (from < s->nodes);
    text_process(f, s);
    if (s->nodes > 1)
        text_matrix(f, s);
    text_classes(f, s);
    if (t->nphases > 0)
        text_phases(f, t->phases, t->nphases);
    if (t->npools > 0)
        text_pools(f, t->pools, t->npools, s->pools_now);
    if (t->ntracked > 0)
        text_tracked(f, t->tracked, t->ntracked, s->tracked_now);
    if (t->nthreads > 0)
        text_threads(f, t->threads, t->nthreads, s->threads_now);
    if (t->profile)
        nt__profile_text(f, t->profile);
    nt__fmt_char(f, '\n');
}

/* ---- JSON ------------------------------------------------------------------- */

/* Of `size` bytes, less than 128; it may lack the 0 at its end. */
static void json_name(struct nt_fmt *f, const char *name, size_t size)
{
    char text[128] = {0};
    memcpy(text, name, nt__min(size, sizeof text - 1));
    nt__json_key(f, "name");
    nt__json_str(f, text);
}

void nt__json_figures(struct nt_fmt *f, enum nt_figure_list list, const void *base)
{
    for (const struct nt_figure *g = nt__figures(list); g->name != NULL; g++) {
        nt__json_key(f, g->name);
        nt__json_u64(f, value(g, base));
    }
}

static void json_process(struct nt_fmt *f, const struct nt_snapshot *s)
{
    nt__json_key(f, "numatally");
    nt__json_str(f, s->version_string);
    nt__json_key(f, "record");
    nt__json_u64(f, NT_SNAPSHOT_VERSION);
    nt__json_key(f, "program");
    nt__json_str(f, s->program);
    nt__json_key(f, "pid");
    nt__json_i64(f, s->pid);
    nt__json_key(f, "rank");
    if (s->rank < 0)
        nt__json_null(f);
    else
        nt__json_i64(f, s->rank);
    nt__json_key(f, "host");
    nt__json_str(f, s->host);
    nt__json_key(f, "start_unix_ns");
    nt__json_u64(f, s->start_unix_ns);
    nt__json_key(f, "now_unix_ns");
    nt__json_u64(f, s->now_unix_ns);
    nt__json_key(f, "final");
    nt__json_bool(f, s->final);
    nt__json_key(f, "inherited");
    nt__json_bool(f, s->inherited);
    nt__json_key(f, "fake_topology");
    nt__json_bool(f, s->fake_topology);
    nt__json_key(f, "page_bytes");
    nt__json_u64(f, s->page_bytes);
    nt__json_figures(f, NT_LIST_PROCESS, s);
}

static void json_nodes(struct nt_fmt *f, const struct nt_snapshot *s)
{
    nt__json_key(f, "nodes");
    nt__json_open(f, '[');
    for (size_t n = 0; n < s->nodes; n++) {
        nt__json_open(f, '{');
        nt__json_key(f, "node");
        nt__json_i64(f, s->node_id[n]);
        nt__json_figures(f, NT_LIST_NODE, &s->node[n]);
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
    nt__json_key(f, "total");
    nt__json_open(f, '{');
    nt__json_figures(f, NT_LIST_NODE, &s->total);
    nt__json_close(f, '}');
    nt__json_key(f, "free_matrix");
    nt__json_open(f, '[');
    for (size_t n = 0; n < s->nodes; n++) {
        nt__json_open(f, '[');
        for (size_t h = 0; h < s->nodes; h++)
            nt__json_u64(f, s->free_matrix[n][h]);
        nt__json_close(f, ']');
    }
    nt__json_close(f, ']');
}

static void json_classes(struct nt_fmt *f, const struct nt_snapshot *s)
{
    nt__json_key(f, "classes");
    nt__json_open(f, '[');
    for (size_t i = 0; i < s->classes; i++) {
        if (!class_used(&s->class_[i]))
            continue;
        nt__json_open(f, '{');
        nt__json_figures(f, NT_LIST_CLASS, &s->class_[i]);
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
}

static void json_threads(struct nt_fmt *f, const struct nt_thread_figures *t, size_t n)
{
    nt__json_key(f, "threads");
    nt__json_open(f, '[');
    for (size_t i = 0; i < n; i++) {
        nt__json_open(f, '{');
        nt__json_key(f, "tid");
        nt__json_i64(f, t[i].tid);
        json_name(f, t[i].name, sizeof t[i].name);
        nt__json_key(f, "node");
        nt__json_i64(f, t[i].node);
        nt__json_figures(f, NT_LIST_THREAD, &t[i]);
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
}

static void json_pools(struct nt_fmt *f, const struct nt_pool_figures *p, size_t n)
{
    nt__json_key(f, "pools");
    nt__json_open(f, '[');
    for (size_t i = 0; i < n; i++) {
        nt__json_open(f, '{');
        json_name(f, p[i].name, sizeof p[i].name);
        nt__json_figures(f, NT_LIST_POOL, &p[i]);
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
}

static void json_phases(struct nt_fmt *f, const struct nt_phase_figures *p, size_t n)
{
    nt__json_key(f, "phases");
    nt__json_open(f, '[');
    for (size_t i = 0; i < n; i++) {
        nt__json_open(f, '{');
        json_name(f, p[i].name, sizeof p[i].name);
        nt__json_key(f, "running");
        nt__json_bool(f, p[i].running);
        nt__json_figures(f, NT_LIST_PHASE, &p[i]);
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
}

static void json_tracked(struct nt_fmt *f, const struct nt_tracked_figures *t, size_t n)
{
    nt__json_key(f, "tracked");
    nt__json_open(f, '[');
    for (size_t i = 0; i < n; i++) {
        nt__json_open(f, '{');
        json_name(f, t[i].name, sizeof t[i].name);
        nt__json_figures(f, NT_LIST_TRACKED, &t[i]);
        nt__json_key(f, "sizes");
        nt__json_open(f, '[');
        for (size_t k = 0; k < NT_TRACKED_SIZES; k++)
            nt__json_u64(f, t[i].sizes[k]);
        nt__json_close(f, ']');
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
}

static void json(struct nt_fmt *f, const struct nt_snapshot *s,
                 const struct nt_tables *t)
{
    nt__json_open(f, '{');
    json_process(f, s);
    json_nodes(f, s);
    json_classes(f, s);
    if (t->history && t->history->count > 0)
        nt__history_json(f, t->history);
    if (t->nphases > 0)
        json_phases(f, t->phases, t->nphases);
    if (t->npools > 0)
        json_pools(f, t->pools, t->npools);
    if (t->ntracked > 0)
        json_tracked(f, t->tracked, t->ntracked);
    if (t->nthreads > 0)
        json_threads(f, t->threads, t->nthreads);
    if (t->profile)
        nt__profile_json(f, t->profile);
    if (t->job)
        nt__job_json(f, t->job);
    nt__json_close(f, '}');
    nt__fmt_char(f, '\n');
}

/* ---- both ------------------------------------------------------------------- */

int nt__report_write(int fd, enum nt_format format, const struct nt_snapshot *s,
                     const struct nt_tables *tables)
{
    char small[1024];
    struct nt_fmt f;
    bool large;

    if ((format != NT_FORMAT_TEXT && format != NT_FORMAT_JSON) ||
        s->nodes > NT_NODES_MAX || s->classes > NT_CLASSES_MAX)
        return -EINVAL;
    if (fd < 0)
        return -EBADF;
    /* Acquire and release: the buffer passes from one reporter to the next. */
    large = !atomic_flag_test_and_set_explicit(&R.busy, memory_order_acquire);
    if (large)
        nt__fmt_init(&f, R.buf, sizeof R.buf, fd);
    else
        nt__fmt_init(&f, small, sizeof small, fd);
    if (format == NT_FORMAT_JSON)
        json(&f, s, tables);
    else
        text(&f, s, tables);
    nt__fmt_flush(&f);
    if (large)
        atomic_flag_clear_explicit(&R.busy, memory_order_release);
    return f.error;
}
