/* SPDX-License-Identifier: MIT */
/*
 * Figures of a process, look by look.
 *
 * A look that finds other figures than the one before makes rows of them and compares each
 * with the row that it was: by its number where that stays (node, size, thread), else by its
 * name. A total that has become less is of something new, which has no rate yet. The first
 * look has none before it: its rates are over the time since the process began.
 */
#include "src/base/base.h"
#include "src/tool/top.h"

#include <errno.h>
#include <numatally/numa.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ----------------------------------------------------------------------------- */

static bool by_name(enum nt_table table)
{
    return table == NT_TABLE_POOL || table == NT_TABLE_PHASE ||
           table == NT_TABLE_TRACKED;
}

static bool is_same(const struct nt_top_row *a, const struct nt_top_row *b)
{
    if (a->table != b->table)
        return false;
    return by_name(a->table) ? a->nth == b->nth && strcmp(a->name, b->name) == 0
                             : a->number == b->number;
}

static void add_row(const struct nt_row *row, void *context)
{
    struct nt_top *t = context;
    struct nt_top_row *to;

    if (row->has_column) /* matrix and sizes: not rows of figures */
        return;
    if (t->nrows % 64 == 0)
        t->rows =
            nt__tool_memory(reallocarray(t->rows, t->nrows + 64, sizeof t->rows[0]));
    to = &t->rows[t->nrows];
    memset(to, 0, sizeof *to);
    to->table = row->table;
    to->number = row->has_row ? row->row : 0;
    to->name = nt__tool_memory(strdup(row->name));
    to->n = row->n;
    memcpy(to->values, row->values, row->n * sizeof row->values[0]);
    for (size_t i = 0; i < t->nrows; i++)
        to->nth +=
            t->rows[i].table == to->table && strcmp(t->rows[i].name, to->name) == 0;
    t->nrows++;
}

static void free_rows(struct nt_top_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(rows[i].name);
    free(rows);
}

static void make_rows(struct nt_top *t)
{
    static struct nt_record record; /* of the same arrays */
    struct nt_live *live = t->live;

    record.snapshot = live->snapshot;
    record.threads = live->threads;
    record.pools = live->pools;
    record.phases = live->phases;
    record.tracked = live->tracked;
    record.nthreads = live->nthreads;
    record.npools = live->npools;
    record.nphases = live->nphases;
    record.ntracked = live->ntracked;
    t->rows = NULL;
    t->nrows = 0;
    nt__rows_few(&record, add_row, t);
}

/* ---- rates ---------------------------------------------------------------------------- */

bool nt__top_is_total(const struct nt_column *column)
{
    size_t n = strlen(column->name), m = strlen("_total");

    return n > m && strcmp(column->name + n - m, "_total") == 0;
}

/* Was it there all the time, and left out while there was nothing to count? A new thread or
 * pool may also be one that there was no room for, or has a new name. */
static bool is_counted_from_0(const struct nt_top_row *row)
{
    return row->table == NT_TABLE_CLASS || row->table == NT_TABLE_PHASE;
}

/* The thread "exited" is those that ended: it takes over what these did before. */
static bool has_rates(const struct nt_top_row *row)
{
    return row->table != NT_TABLE_THREAD || row->number != 0;
}

/* `was` NULL: everything is new. */
static void rate_row(struct nt_top_row *row, const struct nt_top_row *was,
                     double seconds)
{
    const struct nt_column *columns = nt__table_columns(row->table);

    for (size_t i = 0; i < row->n; i++) {
        uint64_t before = was != NULL && i < was->n ? was->values[i] : 0;

        if (!nt__top_is_total(&columns[i]))
            continue;
        if (row->values[i] < before)
            return;
        row->rates[i] = (double)(row->values[i] - before) / seconds;
    }
    row->rated = has_rates(row);
}

static void rate_rows(struct nt_top *t, const struct nt_top_row *old, size_t nold)
{
    for (size_t i = 0; i < t->nrows; i++) {
        const struct nt_top_row *was = NULL;

        for (size_t k = 0; k < nold && was == NULL; k++)
            if (is_same(&t->rows[i], &old[k]))
                was = &old[k];
        if (was != NULL || t->since_start || is_counted_from_0(&t->rows[i]))
            rate_row(&t->rows[i], was, t->seconds);
    }
}

static void note_freed(struct nt_top *t)
{
    memcpy(t->freed_before, t->live->snapshot.free_matrix, sizeof t->freed_before);
}

/* ---- looking -------------------------------------------------------------------------- */

static void ask_memory(struct nt_top *t)
{
    const struct nt_snapshot *s = &t->live->snapshot;
    struct nt_node_info info;

    memset(t->memory, 0, sizeof t->memory);
    if (s->fake_topology && getenv("NUMATALLY_TOPOLOGY") == NULL)
        return; /* made up there, not here */
    for (unsigned i = 0; nt_node_info(i, &info) == 0; i++)
        for (size_t n = 0; n < s->nodes; n++)
            if (s->node_id[n] == info.node)
                t->memory[n] = info.memory_bytes;
}

/* Take the figures in `now` in place of those before. */
static void take(struct nt_top *t, struct nt_live *now)
{
    const struct nt_snapshot *was = &t->live->snapshot, *is = &now->snapshot;
    struct nt_live *before = t->live;
    struct nt_top_row *old = t->rows;
    size_t nold = t->nrows;
    bool goes_on = t->some && was->start_unix_ns == is->start_unix_ns &&
                   was->pid == is->pid && was->nodes == is->nodes &&
                   is->now_unix_ns > was->now_unix_ns;
    uint64_t from = goes_on ? was->now_unix_ns : is->start_unix_ns;

    if (goes_on)
        note_freed(t);
    else
        memset(t->freed_before, 0, sizeof t->freed_before);
    t->live = now;
    make_rows(t);
    t->since_start = !goes_on;
    t->seconds = is->now_unix_ns > from ? (double)(is->now_unix_ns - from) / 1e9 : 0;
    if (t->seconds > 0)
        rate_rows(t, goes_on ? old : NULL, goes_on ? nold : 0);
    free_rows(old, nold);
    free(before);
    if (!goes_on)
        ask_memory(t);
    t->some = true;
}

/* What uses no processor time adds nothing. */
static void stand_still(struct nt_top *t)
{
    for (size_t i = 0; i < t->nrows; i++)
        memset(t->rows[i].rates, 0, sizeof t->rows[i].rates);
    note_freed(t);
}

void nt__top_look(struct nt_top *t)
{
    struct nt_live *now = nt__tool_memory(malloc(sizeof *now));
    const struct nt_snapshot *was = &t->live->snapshot;

    t->error = nt__live_read_fd(t->watched.fd, now);
    t->newer =
        t->error == 0 && (!t->some || was->now_unix_ns != now->snapshot.now_unix_ns ||
                          was->start_unix_ns != now->snapshot.start_unix_ns ||
                          was->final != now->snapshot.final);
    if (!t->newer && nt__watched_follow(&t->watched)) {
        t->error = nt__live_read_fd(t->watched.fd, now);
        t->newer = t->error == 0;
    }
    if (t->newer)
        take(t, now);
    else
        free(now);
    t->still = t->error == 0 && t->some && !t->newer &&
               nt__watched_life(&t->watched) == NT_LIFE_RUNS &&
               nt__watched_is_idle(&t->watched, &t->live->snapshot);
    if (t->still)
        stand_still(t);
    if (t->error == -ENODATA) /* of a program that just began */
        t->error = 0;
}

void nt__top_begin(struct nt_top *t)
{
    t->live = nt__tool_memory(calloc(1, sizeof *t->live));
    t->status = -1;
    nt__top_look(t);
}

void nt__top_end(struct nt_top *t)
{
    free_rows(t->rows, t->nrows);
    free(t->live);
    nt__watched_close(&t->watched);
}

/* ---- showing -------------------------------------------------------------------------- */

enum nt_table nt__top_table(enum nt_view view)
{
    static const enum nt_table tables[NT_VIEWS] = {
        [NT_VIEW_NODES] = NT_TABLE_NODE,        [NT_VIEW_CLASSES] = NT_TABLE_CLASS,
        [NT_VIEW_POOLS] = NT_TABLE_POOL,        [NT_VIEW_THREADS] = NT_TABLE_THREAD,
        [NT_VIEW_PHASES] = NT_TABLE_PHASE,      [NT_VIEW_TRACKED] = NT_TABLE_TRACKED,
        [NT_VIEW_MATRIX] = NT_TABLE_FREE_MATRIX};

    return tables[view];
}

const struct nt_top_row *nt__top_row(const struct nt_top *t, enum nt_table table)
{
    for (size_t i = 0; i < t->nrows; i++)
        if (t->rows[i].table == table)
            return &t->rows[i];
    return NULL;
}

int nt__top_column(enum nt_table table, const char *name)
{
    const struct nt_column *columns = nt__table_columns(table);

    for (int i = 0; columns[i].name != NULL; i++)
        if (strcmp(columns[i].name, name) == 0)
            return i;
    return -1;
}

struct sorting {
    struct nt_order order;
    bool total; /* the column is one */
};

static double key_of(const struct nt_top_row *row, const struct sorting *s)
{
    size_t c = (size_t)s->order.column;

    if (c >= row->n)
        return -2;
    if (s->order.rates && s->total)
        return row->rated ? row->rates[c] : -1;
    return (double)row->values[c];
}

static int by_label(const struct nt_top_row *a, const struct nt_top_row *b)
{
    int names = by_name(a->table) ? strcmp(a->name, b->name) : 0;

    return names != 0 ? names : (a->number > b->number) - (a->number < b->number);
}

static int compare(const void *a, const void *b, void *context)
{
    const struct nt_top_row *x = *(const struct nt_top_row *const *)a;
    const struct nt_top_row *y = *(const struct nt_top_row *const *)b;
    const struct sorting *s = context;
    double one = 0, other = 0;
    int result;

    if (s->order.column >= 0) {
        one = key_of(x, s);
        other = key_of(y, s);
    }
    result = (one < other) - (one > other);
    if (result == 0 && s->order.column >= 0)
        return by_label(x, y);
    if (result == 0)
        result = by_label(x, y);
    return s->order.reverse ? -result : result;
}

const struct nt_top_row **nt__top_rows(const struct nt_top *t, enum nt_view view,
                                       struct nt_order order, size_t *n)
{
    const struct nt_top_row **rows =
        nt__tool_memory(calloc(t->nrows + 1, sizeof(const struct nt_top_row *)));
    enum nt_table table = nt__top_table(view);
    struct sorting s = {.order = order};

    *n = 0;
    for (size_t i = 0; i < t->nrows; i++)
        if (t->rows[i].table == table)
            rows[(*n)++] = &t->rows[i];
    if (order.column >= 0)
        s.total = nt__top_is_total(&nt__table_columns(table)[order.column]);
    qsort_r(rows, *n, sizeof(const struct nt_top_row *), compare, &s);
    return rows;
}

uint64_t nt__top_freed(const struct nt_top *t, size_t from, size_t home)
{
    return t->live->snapshot.free_matrix[from][home];
}

double nt__top_freed_rate(const struct nt_top *t, size_t from, size_t home)
{
    uint64_t now = nt__top_freed(t, from, home), before = t->freed_before[from][home];

    return t->seconds > 0 && now > before ? (double)(now - before) / t->seconds : 0;
}
