/* SPDX-License-Identifier: MIT */
#include "src/tool/rows.h"
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/track/report.h"

#include <errno.h>
#include <numatally/profile.h>
#include <numatally/wrap.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables --------------------------------------------------------------------------- */

#define BY_HAND UINT16_MAX /* as an offset: not in the struct as such a number */
#define COLUMN(name, unit, label, text)                                                \
    {#name, label, text, unit, offsetof(NT_OF, name)},
#define END                                                                            \
    {                                                                                  \
        NULL, NULL, NULL, 0, 0                                                         \
    }

#define NT_OF struct nt_snapshot
static const struct nt_column record_columns[] = {
    COLUMN(start_unix_ns, 't', "Start", "when counting began, since 1970")
        COLUMN(now_unix_ns, 't', "Read", "when the figures were read, since 1970")
            COLUMN(page_bytes, 'b', "Page", "the system's page size"){
                "final", "Final", "1: the figures are those of the process's end", 'n',
                BY_HAND},
    {"inherited", "Forked", "1: they count from a fork", 'n', BY_HAND},
    {"fake_topology", "Made up", "1: the nodes are made up", 'n', BY_HAND},
    END};
static const struct nt_column process_columns[] = {NT_PROCESS_FIGURES(COLUMN) END};
#undef NT_OF
#define NT_OF struct nt_node_figures
static const struct nt_column node_columns[] = {NT_NODE_FIGURES(COLUMN) END};
#undef NT_OF
static const struct nt_column matrix_columns[] = {
    {"frees_total", "Frees", "blocks freed by threads on a node, by their home node",
     'n', BY_HAND},
    END};
#define NT_OF struct nt_class_figures
static const struct nt_column class_columns[] = {NT_CLASS_FIGURES(COLUMN) END};
#undef NT_OF
#define NT_OF struct nt_phase_figures
static const struct nt_column phase_columns[] = {
    NT_PHASE_FIGURES(COLUMN){"running", "Runs", "1: it is not over", 'n', BY_HAND},
    END};
#undef NT_OF
#define NT_OF struct nt_pool_figures
static const struct nt_column pool_columns[] = {NT_POOL_FIGURES(COLUMN) END};
#undef NT_OF
#define NT_OF struct nt_tracked_figures
static const struct nt_column tracked_columns[] = {NT_TRACKED_FIGURES(COLUMN) END};
#undef NT_OF
static const struct nt_column tracked_size_columns[] = {
    {"allocations_total", "Allocations", "blocks of at least this size", 'n', BY_HAND},
    END};
#define NT_OF struct nt_thread_figures
static const struct nt_column thread_columns[] = {
    NT_THREAD_FIGURES(COLUMN){"node", "Node", "whose memory it takes", '#', BY_HAND},
    END};
#undef NT_OF
#define NT_OF struct nt_profile
static const struct nt_column profile_columns[] = {
    COLUMN(interval_bytes, 'b', "Interval", "bytes asked for by sample, on average")
        COLUMN(sampling, 'n', "Sampling", "1: it is on")
            COLUMN(lost_total, 'n', "Lost samples", "samples there was no memory for")
                END};
#undef NT_OF
#define NT_OF struct nt_site_figures
static const struct nt_column site_columns[] = {NT_SITE_FIGURES(COLUMN) END};
#undef NT_OF
static const struct nt_column lifetime_columns[] = {
    {"sampled_frees_total", "Freed samples", "samples that lived at least so long", 'n',
     BY_HAND},
    END};
static const struct nt_column history_columns[] = {
    {"live_bytes_now", "Live", "block bytes in use", 'b', BY_HAND},
    {"committed_bytes_now", "Committed", "handed to slabs and large blocks", 'b',
     BY_HAND},
    END};
#define NT_OF struct nt_size_figures
static const struct nt_column size_columns[] = {NT_SIZE_FIGURES(COLUMN) END};
#undef NT_OF
#define NT_OF struct nt_sample_figures
static const struct nt_column sample_columns[] = {
    COLUMN(address, '#', "Address", "of the block")
        COLUMN(requested_bytes, 'b', "Requested", "bytes asked for")
            COLUMN(block_bytes, 'b', "Block", "bytes of the block")
                COLUMN(site, '#', "Site", "row of the stack that allocated it")
                    COLUMN(born_ns, 't', "Born", "when, after sampling was first on"){
                        "tid", "Thread", "that allocated it", '#', BY_HAND},
    {"node", "Node", "its memory's", '#', BY_HAND},
    END};
#undef NT_OF
#define NT_OF struct nt_remote_figures
static const struct nt_column remote_columns[] = {
    COLUMN(samples_total, 'n', "Samples", "blocks sampled, exact")
        COLUMN(frees_total, 'n', "Frees", "estimate of the blocks")
            COLUMN(requested_bytes_total, 'b', "Requested", "estimate of their bytes")
                END};
#undef NT_OF

static const struct {
    const char *name;
    const struct nt_column *columns;
} tables[NT_TABLES] = {
    [NT_TABLE_RECORD] = {"record", record_columns},
    [NT_TABLE_PROCESS] = {"process", process_columns},
    [NT_TABLE_TOTAL] = {"total", node_columns},
    [NT_TABLE_NODE] = {"node", node_columns},
    [NT_TABLE_FREE_MATRIX] = {"free_matrix", matrix_columns},
    [NT_TABLE_CLASS] = {"class", class_columns},
    [NT_TABLE_PHASE] = {"phase", phase_columns},
    [NT_TABLE_POOL] = {"pool", pool_columns},
    [NT_TABLE_TRACKED] = {"tracked", tracked_columns},
    [NT_TABLE_TRACKED_SIZE] = {"tracked_size", tracked_size_columns},
    [NT_TABLE_THREAD] = {"thread", thread_columns},
    [NT_TABLE_PROFILE] = {"profile", profile_columns},
    [NT_TABLE_SITE_TOTAL] = {"site_total", site_columns},
    [NT_TABLE_LIFETIME_TOTAL] = {"lifetime_total", lifetime_columns},
    [NT_TABLE_SIZE] = {"size", size_columns},
    [NT_TABLE_HISTORY] = {"history", history_columns},
    [NT_TABLE_SITE] = {"site", site_columns},
    [NT_TABLE_LIFETIME] = {"lifetime", lifetime_columns},
    [NT_TABLE_SAMPLE] = {"sample", sample_columns},
    [NT_TABLE_REMOTE_FREE] = {"remote_free", remote_columns},
};

_Static_assert(NT_ARRAY_LEN(node_columns) <= NT_COLUMNS_MAX &&
                   NT_ARRAY_LEN(site_columns) <= NT_COLUMNS_MAX &&
                   NT_ARRAY_LEN(phase_columns) <= NT_COLUMNS_MAX,
               "a row has no room for all of its values");

const char *nt__table_name(enum nt_table table)
{
    return tables[table].name;
}

const struct nt_column *nt__table_columns(enum nt_table table)
{
    return tables[table].columns;
}

bool nt__column_is_error(const struct nt_column *column)
{
    size_t n = strlen(column->name), m = strlen("_error");

    return n > m && strcmp(column->name + n - m, "_error") == 0;
}

/* ---- names ---------------------------------------------------------------------------- */

char *nt__tool_utf8(const char *text, size_t size)
{
    char *from = nt__tool_memory(strndup(text, size));
    char *to = nt__tool_memory(malloc(3 * strlen(from) + 1)), *at = to;

    for (const char *s = from; *s != '\0';) {
        size_t n = nt__utf8_length(s);

        at = n > 0 ? mempcpy(at, s, n) : mempcpy(at, "\xef\xbf\xbd", 3);
        s += n > 0 ? n : 1;
    }
    *at = '\0';
    free(from);
    return to;
}

/* ---- rows ----------------------------------------------------------------------------- */

struct walk {
    nt_row_visit *visit;
    void *context;
};

/* A row with the values that lie at `figures` as its columns say. */
static struct nt_row row_of(enum nt_table table, const void *figures)
{
    struct nt_row row = {.table = table, .name = ""};

    for (const struct nt_column *c = tables[table].columns;
         c->name != NULL && c->offset != BY_HAND; c++)
        memcpy(&row.values[row.n++], (const char *)figures + c->offset,
               sizeof row.values[0]);
    return row;
}

static void add(struct nt_row *row, uint64_t value)
{
    row->values[row->n++] = value;
}

static void visit(const struct walk *w, const struct nt_row *row)
{
    w->visit(row, w->context);
}

static void visit_numbered(const struct walk *w, struct nt_row *row, int64_t number)
{
    row->has_row = true;
    row->row = number;
    visit(w, row);
}

/* The same of a row that has a name of `size` bytes, too. */
static void visit_named(const struct walk *w, struct nt_row *row, int64_t number,
                        const char *name, size_t size)
{
    char *text = nt__tool_utf8(name, size);

    row->name = text;
    visit_numbered(w, row, number);
    free(text);
}

/* A row for each of `n` counts that is not 0, as a table of its own: the columns begin at 0,
 * then at `first`, and from there on `step` times the last. Otherwise as `like`. */
static void visit_counts(const struct walk *w, enum nt_table table,
                         const struct nt_row *like, const uint64_t *counts, size_t n,
                         int64_t first, int64_t step)
{
    struct nt_row row = *like;

    row.table = table;
    row.has_column = true;
    row.column = 0;
    row.n = 1;
    for (size_t i = 0; i < n; i++) {
        row.values[0] = counts[i];
        if (counts[i] != 0)
            visit(w, &row);
        row.column = i == 0 ? first : row.column * step;
    }
}

/* Lifetimes are told in powers of 4 of a microsecond. */
static void visit_lifetimes(const struct walk *w, enum nt_table table,
                            const struct nt_row *like,
                            const struct nt_site_figures *site)
{
    visit_counts(w, table, like, site->lifetimes, NT_LIFETIMES, 1000, 4);
}

static void process(const struct walk *w, const struct nt_snapshot *s)
{
    struct nt_row row = row_of(NT_TABLE_RECORD, s);

    add(&row, s->final);
    add(&row, s->inherited);
    add(&row, s->fake_topology);
    visit(w, &row);
    row = row_of(NT_TABLE_PROCESS, s);
    visit(w, &row);
}

/* The figures that the kernel is asked for are no figures if it was not. */
static void cut_resident(const struct nt_snapshot *s, struct nt_row *row)
{
    if (s->residency_pages_now != 0)
        return;
    for (row->n = 0; node_columns[row->n].name != NULL; row->n++)
        if (node_columns[row->n].offset >=
            offsetof(struct nt_node_figures, resident_bytes_now))
            return;
}

static void nodes(const struct walk *w, const struct nt_snapshot *s)
{
    struct nt_row row = row_of(NT_TABLE_TOTAL, &s->total);

    cut_resident(s, &row);
    visit(w, &row);
    for (size_t n = 0; n < s->nodes; n++) {
        row = row_of(NT_TABLE_NODE, &s->node[n]);
        cut_resident(s, &row);
        visit_numbered(w, &row, s->node_id[n]);
    }
    for (size_t n = 0; n < s->nodes; n++)
        for (size_t h = 0; h < s->nodes; h++) {
            row = row_of(NT_TABLE_FREE_MATRIX, s);
            add(&row, s->free_matrix[n][h]);
            row.has_column = true;
            row.column = s->node_id[h];
            visit_numbered(w, &row, s->node_id[n]);
        }
}

/* Of those that were used at all, as in reports. */
static void classes(const struct walk *w, const struct nt_snapshot *s)
{
    for (size_t i = 0; i < s->classes; i++) {
        const struct nt_class_figures *c = &s->class_[i];
        struct nt_row row = row_of(NT_TABLE_CLASS, c);

        if (c->allocations_total == 0 && c->frees_total == 0 && c->slabs_now == 0 &&
            c->live_blocks_now == 0)
            continue;
        row.name = c->block_bytes == 0 ? "large" : "";
        visit_numbered(w, &row, (int64_t)c->block_bytes);
    }
}

static void named(const struct walk *w, const struct nt_record *r)
{
    for (size_t i = 0; i < r->nphases; i++) {
        const struct nt_phase_figures *p = &r->phases[i];
        struct nt_row row = row_of(NT_TABLE_PHASE, p);

        add(&row, p->running);
        visit_named(w, &row, (int64_t)i, p->name, sizeof p->name);
    }
    for (size_t i = 0; i < r->npools; i++) {
        const struct nt_pool_figures *p = &r->pools[i];
        struct nt_row row = row_of(NT_TABLE_POOL, p);

        visit_named(w, &row, (int64_t)i, p->name, sizeof p->name);
    }
    for (size_t i = 0; i < r->ntracked; i++) {
        const struct nt_tracked_figures *t = &r->tracked[i];
        struct nt_row row = row_of(NT_TABLE_TRACKED, t);

        visit_named(w, &row, (int64_t)i, t->name, sizeof t->name);
        row.name = "";
        visit_counts(w, NT_TABLE_TRACKED_SIZE, &row, t->sizes, NT_TRACKED_SIZES, 2, 2);
    }
    for (size_t i = 0; i < r->nthreads; i++) {
        const struct nt_thread_figures *t = &r->threads[i];
        struct nt_row row = row_of(NT_TABLE_THREAD, t);

        add(&row, (uint64_t)t->node);
        visit_named(w, &row, t->tid, t->name, sizeof t->name);
    }
}

void nt__rows_few(const struct nt_record *r, nt_row_visit *call, void *context)
{
    const struct walk w = {call, context};

    process(&w, &r->snapshot);
    nodes(&w, &r->snapshot);
    classes(&w, &r->snapshot);
    named(&w, r);
    if (r->profile.sites == NULL)
        return;

    struct nt_row row = row_of(NT_TABLE_PROFILE, &r->profile);

    visit(&w, &row);
    row = row_of(NT_TABLE_SITE_TOTAL, &r->profile.total);
    visit(&w, &row);
    visit_lifetimes(&w, NT_TABLE_LIFETIME_TOTAL, &row, &r->profile.total);
}

static void history(const struct walk *w, const struct nt_record *r)
{
    const struct nt_history *h = &r->history;

    for (size_t i = 0; i < h->count; i++)
        for (size_t n = 0; n < h->nodes; n++) {
            const uint64_t *point = nt__history_point(h, i);
            struct nt_row row = row_of(NT_TABLE_HISTORY, h);

            add(&row, point[1 + n]);
            add(&row, point[1 + h->nodes + n]);
            row.has_column = true;
            row.column = r->snapshot.node_id[n];
            visit_numbered(w, &row, (int64_t)point[0]);
        }
}

static void sites(const struct walk *w, const struct nt_profile *p)
{
    int saved = errno; /* as in stack.c */
    struct nt_symbols *symbols = nt__symbols_open(p);

    errno = saved;
    for (size_t i = 0; i < p->nsites; i++) {
        struct nt_row row = row_of(NT_TABLE_SITE, &p->sites[i]);
        char *stack = nt__stack_text(symbols, &p->sites[i]);

        row.name = stack;
        visit_numbered(w, &row, (int64_t)i);
        row.name = "";
        visit_lifetimes(w, NT_TABLE_LIFETIME, &row, &p->sites[i]);
        free(stack);
    }
    saved = errno;
    nt__symbols_close(symbols);
    errno = saved;
}

void nt__rows_many(const struct nt_record *r, nt_row_visit *call, void *context)
{
    const struct walk w = {call, context};
    const struct nt_profile *p = &r->profile;

    history(&w, r);
    if (p->sites == NULL)
        return;
    for (size_t i = 0; i < p->nsizes; i++) {
        struct nt_row row = row_of(NT_TABLE_SIZE, &p->sizes[i]);

        visit_numbered(&w, &row, (int64_t)p->sizes[i].up_to_bytes);
    }
    sites(&w, p);
    for (size_t i = 0; i < p->nsamples; i++) {
        struct nt_row row = row_of(NT_TABLE_SAMPLE, &p->samples[i]);

        add(&row, (uint64_t)p->samples[i].tid);
        add(&row, (uint64_t)p->samples[i].node);
        visit_numbered(&w, &row, (int64_t)i);
    }
    for (size_t i = 0; i < p->nremotes; i++) {
        struct nt_row row = row_of(NT_TABLE_REMOTE_FREE, &p->remotes[i]);

        row.has_column = true;
        row.column = (int64_t)p->remotes[i].free_site;
        visit_numbered(&w, &row, (int64_t)p->remotes[i].site);
    }
}
