/* SPDX-License-Identifier: MIT */
/*
 * The text format of Prometheus, for node_exporter's textfile collector: no timestamps, and
 * each family of samples in one piece, over all records.
 *
 * A family is a figure of a table. Its name is the figure's with the table in front, in the
 * order that Prometheus has: what it is, its unit in base units, `total` if it is a counter;
 * a `_now` goes without saying. Each sample says by labels which process, and which row of
 * the table.
 *
 * What there may be thousands of is left out: threads, sites, sampled blocks, histograms; so
 * are sums over nodes, which a query can have, but not their peak, which it cannot. A series
 * may be there only once, so rows with one name are summed, and of records with the same
 * process in their labels the newest counts.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/groups.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct family_of {
    enum nt_table table;
    const char *prefix;
    const char *row, *column, *name; /* labels for these; NULL: none */
} families[] = {
    /* in the order of enum nt_table */
    {NT_TABLE_RECORD, "", NULL, NULL, NULL},
    {NT_TABLE_PROCESS, "", NULL, NULL, NULL},
    {NT_TABLE_TOTAL, "", NULL, NULL, NULL},
    {NT_TABLE_NODE, "node_", "node", NULL, NULL},
    {NT_TABLE_FREE_MATRIX, "matrix_", "node", "home", NULL},
    {NT_TABLE_CLASS, "class_", "class", NULL, NULL},
    {NT_TABLE_PHASE, "phase_", NULL, NULL, "phase"},
    {NT_TABLE_POOL, "pool_", NULL, NULL, "pool"},
    {NT_TABLE_TRACKED, "tracked_", NULL, NULL, "tracked"},
    {NT_TABLE_PROFILE, "profile_", NULL, NULL, NULL},
    {NT_TABLE_SITE_TOTAL, "profile_", NULL, NULL, NULL},
};

/* ---- names ---------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

#define NAME_MAX_BYTES 128

/* Put `to` in the place of `from` in `name`, if it is there. */
static void replace(char name[NAME_MAX_BYTES], const char *from, const char *to)
{
    const char *at = strstr(name, from);
    char whole[NAME_MAX_BYTES];

    if (at == NULL)
        return;
    snprintf(whole, sizeof whole, "%.*s%s%s", (int)(at - name), name, to,
             at + strlen(from));
    memcpy(name, whole, sizeof whole);
}

static void name_of(const struct family_of *f, const struct nt_column *c,
                    char out[NAME_MAX_BYTES])
{
    snprintf(out, NAME_MAX_BYTES, "numatally_%s%s", f->prefix, c->name);
    if (ends_in(out, "_now"))
        out[strlen(out) - strlen("_now")] = '\0';
    if (ends_in(out, "_bytes_peak"))
        replace(out, "_bytes_peak", "_peak_bytes");
    if (c->unit == 't')
        replace(out, "_ns", "_seconds");
    /* OpenMetrics takes a gauge x and a counter x_total for one thing. */
    replace(out, "numatally_threads_total", "numatally_threads_started_total");
}

static bool is_wanted(enum nt_table table, const struct nt_column *c)
{
    if (table == NT_TABLE_TOTAL)
        return ends_in(c->name, "_peak");
    return table != NT_TABLE_CLASS || strcmp(c->name, "block_bytes") != 0;
}

/* ---- labels --------------------------------------------------------------------------- */

static void label(FILE *out, const char *name, const char *value)
{
    fprintf(out, "%s=\"", name);
    for (const char *s = value; *s != '\0'; s++) {
        if (*s == '\\' || *s == '"')
            putc('\\', out);
        if (*s == '\n')
            fputs("\\n", out);
        else
            putc(*s, out);
    }
    putc('"', out);
}

static char *process_labels(const struct nt_snapshot *s)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = nt__tool_memory(open_memstream(&text, &bytes));
    char *host = nt__tool_utf8(s->host, sizeof s->host);
    char *program = nt__tool_utf8(s->program, sizeof s->program);

    label(out, "host", host);
    putc(',', out);
    label(out, "program", program);
    fprintf(out, ",pid=\"%" PRId64 "\"", s->pid);
    if (s->rank >= 0)
        fprintf(out, ",rank=\"%" PRId64 "\"", s->rank);
    if (fclose(out) != 0)
        nt__tool_memory(NULL);
    free(host);
    free(program);
    return text;
}

static const struct family_of *family_of(enum nt_table table)
{
    for (size_t i = 0; i < NT_ARRAY_LEN(families); i++)
        if (families[i].table == table)
            return &families[i];
    return NULL;
}

struct gather {
    struct nt_groups *groups;
    const char *process;
};

/* Rows are summed by the labels that they will have. */
static void gather(const struct nt_row *row, void *context)
{
    const struct gather *g = context;
    const struct family_of *f = family_of(row->table);
    char *labels = NULL;
    size_t bytes;
    FILE *out;

    if (f == NULL)
        return;
    out = nt__tool_memory(open_memstream(&labels, &bytes));
    fputs(g->process, out);
    if (f->row != NULL && row->name[0] != '\0')
        fprintf(out, ",%s=\"%s\"", f->row, row->name); /* "large" */
    else if (f->row != NULL)
        fprintf(out, ",%s=\"%" PRId64 "\"", f->row, row->row);
    if (f->column != NULL)
        fprintf(out, ",%s=\"%" PRId64 "\"", f->column, row->column);
    if (f->name != NULL) {
        putc(',', out);
        label(out, f->name, row->name);
    }
    if (fclose(out) != 0)
        nt__tool_memory(NULL);
    nt__groups_add(g->groups, 0, row, labels);
    free(labels);
}

/* ---- families ------------------------------------------------------------------------- */

static void head(FILE *out, const struct family_of *f, const char *name,
                 const struct nt_column *c)
{
    bool summed = f->name != NULL && ends_in(c->name, "_peak");

    if (nt__column_is_error(c))
        fprintf(out, "# HELP %s standard error of: %s\n", name, c[-1].text);
    else
        fprintf(out, "# HELP %s %s%s\n", name, c->text,
                summed ? "; of several with one name the sum, which is an upper bound"
                       : "");
    fprintf(out, "# TYPE %s %s\n", name, ends_in(name, "_total") ? "counter" : "gauge");
}

/* The samples of a column, of the `n` rows of its table. */
static void family(FILE *out, const struct family_of *f, size_t column,
                   struct nt_group *const *rows, size_t n)
{
    const struct nt_column *c = &nt__table_columns(f->table)[column];
    bool begun = false;
    char name[NAME_MAX_BYTES];

    name_of(f, c, name);
    for (size_t i = 0; i < n; i++) {
        const struct nt_group *s = rows[i];
        uint64_t v = s->values[0][column];

        if (column >= s->n[0])
            continue;
        if (!begun)
            head(out, f, name, c);
        begun = true;
        fprintf(out, "%s{%s} ", name, s->key);
        if (c->unit == 't')
            fprintf(out, "%" PRIu64 ".%09" PRIu64 "\n", v / 1000000000, v % 1000000000);
        else
            fprintf(out, "%" PRIu64 "\n", v);
    }
}

/* As families[] has the tables. */
static int by_table(const void *a, const void *b)
{
    const struct nt_group *x = *(struct nt_group *const *)a;
    const struct nt_group *y = *(struct nt_group *const *)b;

    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

static void write_families(FILE *out, const struct nt_groups *groups)
{
    size_t from = 0, to = 0;

    if (groups->n > 0)
        qsort(groups->rows, groups->n, sizeof(struct nt_group *), by_table);
    for (size_t i = 0; i < NT_ARRAY_LEN(families); i++, from = to) {
        const struct nt_column *c = nt__table_columns(families[i].table);

        while (to < groups->n && groups->rows[to]->table == families[i].table)
            to++;
        for (size_t k = 0; c[k].name != NULL; k++)
            if (is_wanted(families[i].table, &c[k]))
                family(out, &families[i], k, &groups->rows[from], to - from);
    }
}

/* Is there a newer record with the same process in its labels, or as new a one behind? */
static bool is_superseded(struct nt_record *const *records, size_t n, size_t i)
{
    const struct nt_snapshot *s = &records[i]->snapshot;

    for (size_t k = 0; k < n; k++) {
        const struct nt_snapshot *t = &records[k]->snapshot;

        if (k != i && s->pid == t->pid && s->rank == t->rank &&
            strcmp(s->program, t->program) == 0 && strcmp(s->host, t->host) == 0 &&
            (t->now_unix_ns > s->now_unix_ns ||
             (t->now_unix_ns == s->now_unix_ns && k > i)))
            return true;
    }
    return false;
}

int nt__out_prometheus(FILE *out, struct nt_record *const *records, size_t n,
                       size_t written)
{
    struct nt_groups groups = {0};
    size_t left_out = 0;

    (void)written;
    for (size_t i = 0; i < n; i++) {
        struct gather g = {&groups, NULL};
        char *labels;

        if (is_superseded(records, n, i)) {
            left_out++;
            continue;
        }
        g.process = labels = process_labels(&records[i]->snapshot);
        nt__rows_few(records[i], gather, &g);
        free(labels);
    }
    write_families(out, &groups);
    if (left_out > 0)
        nt__warn("%zu of %zu records are left out: there are newer ones with the same "
                 "host, program, pid and rank",
                 left_out, n);
    nt__groups_free(&groups);
    return 0;
}
