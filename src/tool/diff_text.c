/* SPDX-License-Identifier: MIT */
/*
 * A comparison for people: what changed, and by how much. Figures are rows, as in reports; what
 * is the same is left out. Of sites those that changed most come first, each with the
 * standard error of what it changed by.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_WIDTH 20
#define CELL_WIDTH 16
#define PERCENT_WIDTH 10
#define ERROR_WIDTH 12
#define SITES_SHOWN 20
#define FRAMES_SHOWN 12

/* ---- cells ---------------------------------------------------------------------------- */

static void put_number(struct nt_fmt *f, int width, const char *sign, char unit,
                       uint64_t v)
{
    char text[48];

    if (unit == 'b')
        snprintf(text, sizeof text, "%s%.2f", sign, (double)v / NT_MIB);
    else if (unit == 't')
        snprintf(text, sizeof text, "%s%.3f", sign, (double)v / 1e9);
    else
        snprintf(text, sizeof text, "%s%llu", sign, (unsigned long long)v);
    nt__fmt_print(f, " %*s", width - 1, text);
}

static void put_percent(struct nt_fmt *f, const struct nt_change *c)
{
    char text[32] = "from 0";

    if (c->value[0] != 0)
        snprintf(text, sizeof text, "%+.1f",
                 100 * (double)c->difference / (double)c->value[0]);
    nt__fmt_print(f, " %*s", PERCENT_WIDTH - 1,
                  !c->there[0]   ? "new"
                  : !c->there[1] ? "gone"
                                 : text);
}

static void put_change(struct nt_fmt *f, const char *label, const struct nt_change *c)
{
    char unit = c->column->unit;

    nt__fmt_name(f, LABEL_WIDTH, label);
    for (int i = 0; i < 2; i++)
        if (c->there[i])
            put_number(f, CELL_WIDTH, "", unit, c->value[i]);
        else
            nt__fmt_print(f, " %*s", CELL_WIDTH - 1, "-");
    put_number(f, CELL_WIDTH, c->difference < 0 ? "-" : "+", unit,
               c->difference < 0 ? 0 - (uint64_t)c->difference
                                 : (uint64_t)c->difference);
    put_percent(f, c);
    if (c->has_error) {
        put_number(f, ERROR_WIDTH, "", unit, c->error);
        if (c->noise)
            nt__fmt_str(f, "  noise");
    }
    nt__fmt_char(f, '\n');
}

/* ---- tables --------------------------------------------------------------------------- */

static const char *const titles[NT_TABLES] = {
    [NT_TABLE_PROCESS] = "Process",
    [NT_TABLE_TOTAL] = "Total",
    [NT_TABLE_NODE] = "Nodes",
    [NT_TABLE_FREE_MATRIX] = "Freed on/home",
    [NT_TABLE_CLASS] = "Block size, bytes",
    [NT_TABLE_PHASE] = "Phases",
    [NT_TABLE_POOL] = "Pools",
    [NT_TABLE_TRACKED] = "Tracked allocators",
    [NT_TABLE_THREAD] = "Threads",
    [NT_TABLE_PROFILE] = "Profile",
    [NT_TABLE_SITE_TOTAL] = "All sites",
    [NT_TABLE_SITE] = "Sites",
};

static bool is_site(enum nt_table table)
{
    return table == NT_TABLE_SITE || table == NT_TABLE_SITE_TOTAL;
}

/* What is shown of a row: what is not the same by the digits that are shown; of sites only
 * estimates that have their errors. */
static bool is_shown(const struct nt_group *row, const struct nt_change *c)
{
    int64_t least = c->column->unit == 'b'   ? NT_MIB / 200
                    : c->column->unit == 't' ? 500000
                                             : 1;

    return (c->difference >= least || c->difference <= -least) &&
           (c->has_error || !is_site(row->table));
}

static void put_title(struct nt_fmt *f, enum nt_table table)
{
    static const char dashes[] = "----------------";

    nt__fmt_print(f, "\n%-*s %*s %*s %*s %*s", LABEL_WIDTH, titles[table],
                  CELL_WIDTH - 1, "Before", CELL_WIDTH - 1, "After", CELL_WIDTH - 1,
                  "Difference", PERCENT_WIDTH - 1, "%");
    if (is_site(table))
        nt__fmt_print(f, " %*s", ERROR_WIDTH - 1, "+-");
    nt__fmt_print(f, "\n%*s", LABEL_WIDTH, "");
    for (int i = 0; i < 3; i++)
        nt__fmt_print(f, " %.*s", CELL_WIDTH - 1, dashes);
    nt__fmt_print(f, " %.*s", PERCENT_WIDTH - 1, dashes);
    if (is_site(table))
        nt__fmt_print(f, " %.*s", ERROR_WIDTH - 1, dashes);
    nt__fmt_char(f, '\n');
}

/* What of the row changed, below its name and, if it is the table's first that did, the
 * table's title. *table is the last that had one. False: nothing changed. */
static bool put_row(struct nt_fmt *f, const struct nt_group *row, const char *name,
                    enum nt_table *table)
{
    bool alone = row->table == NT_TABLE_FREE_MATRIX; /* one figure: by the row's name */
    bool indented = name[0] != '\0' && !alone, begun = false;
    struct nt_change change;

    for (size_t i = 0; i < nt__max(row->n[0], row->n[1]); i++) {
        char label[LABEL_WIDTH + 8];

        if (!nt__diff_change(row, i, &change) || !is_shown(row, &change))
            continue;
        if (row->table != *table)
            put_title(f, row->table);
        *table = row->table;
        if (!begun && indented) {
            nt__fmt_name(f, 0, name);
            nt__fmt_char(f, '\n');
        }
        begun = true;
        snprintf(label, sizeof label, "%s%s", indented ? "  " : "",
                 change.column->label);
        put_change(f, alone ? name : label, &change);
    }
    return begun;
}

/* The functions of a stack, which the key has from the root on, the innermost first. */
static void put_stack(struct nt_fmt *f, const char *key)
{
    char *text = nt__tool_memory(strdup(key)), *at;
    size_t shown = 0, more = 0;

    while ((at = strrchr(text, ';')) != NULL || text[0] != '\0') {
        char *name = at != NULL ? at + 1 : text;

        if (shown < FRAMES_SHOWN) {
            nt__fmt_str(f, "    ");
            nt__fmt_name(f, 0, name);
            nt__fmt_char(f, '\n');
            shown++;
        } else {
            more++;
        }
        *(at != NULL ? at : text) = '\0';
    }
    if (more > 0)
        nt__fmt_print(f, "    (%zu more)\n", more);
    free(text);
}

/* ---- the whole ------------------------------------------------------------------------ */

static void put_process(struct nt_fmt *f, const char *label, const char *path,
                        const struct nt_snapshot *s)
{
    uint64_t ns =
        s->now_unix_ns > s->start_unix_ns ? s->now_unix_ns - s->start_unix_ns : 0;

    nt__fmt_print(f, "%-8s", label);
    nt__fmt_name(f, 0, path);
    nt__fmt_str(f, ": ");
    nt__fmt_name(f, 0, s->program);
    nt__fmt_print(f, ", pid %lld", (long long)s->pid);
    if (s->rank >= 0)
        nt__fmt_print(f, ", rank %lld", (long long)s->rank);
    nt__fmt_str(f, ", host ");
    nt__fmt_name(f, 0, s->host);
    nt__fmt_print(f, ", %s %llu.%03llu s after its %s\n",
                  s->final ? "at its end," : "while it ran,",
                  (unsigned long long)(ns / 1000000000),
                  (unsigned long long)(ns / 1000000 % 1000),
                  s->inherited ? "fork" : "start");
}

static bool is_changed(const struct nt_group *row)
{
    struct nt_change change;

    for (size_t i = 0; i < nt__max(row->n[0], row->n[1]); i++)
        if (nt__diff_change(row, i, &change) && is_shown(row, &change))
            return true;
    return false;
}

/* The rows from `k` on are all sites together, then each. */
static void put_sites(struct nt_fmt *f, const struct nt_diff *diff, size_t k)
{
    enum nt_table table = NT_TABLES;
    size_t all = diff->groups.n - k - 1, first = k, shown = 0;

    while (first < diff->groups.n && !is_changed(diff->groups.rows[first]))
        first++;
    if (first == diff->groups.n) {
        nt__fmt_str(f, "\nThe sites are the same\n");
        return;
    }
    nt__fmt_str(f,
                "\nSites: estimates of what was asked for. +- is the standard error of "
                "the difference;\nwithin 1.96 of it the difference may be chance: "
                "noise\n");
    put_row(f, diff->groups.rows[k], "", &table);
    for (k++; k < diff->groups.n && shown < SITES_SHOWN; k++) {
        char name[32];

        snprintf(name, sizeof name, "%zu", shown + 1);
        if (!put_row(f, diff->groups.rows[k], name, &table))
            continue;
        put_stack(f, diff->groups.rows[k]->key);
        shown++;
    }
    if (all > shown)
        nt__fmt_print(f, "(%zu sites in all; the comparison as JSON or CSV has them)\n",
                      all);
}

static void put_text(struct nt_fmt *f, const struct nt_diff *diff)
{
    bool one_node = diff->snapshot[0]->nodes == 1 && diff->snapshot[1]->nodes == 1;
    enum nt_table table = NT_TABLES;
    size_t k = 0;

    put_process(f, "Before", diff->path[0], diff->snapshot[0]);
    put_process(f, "After", diff->path[1], diff->snapshot[1]);
    nt__fmt_str(f,
                "Counts are blocks; bytes are shown in MiB (those with a point); what "
                "is the same is left out\n");
    for (; k < diff->groups.n && !is_site(diff->groups.rows[k]->table); k++) {
        const struct nt_group *row = diff->groups.rows[k];
        bool of_nodes =
            row->table == NT_TABLE_NODE || row->table == NT_TABLE_FREE_MATRIX;

        if (!of_nodes || !one_node) /* with one the total says it */
            put_row(f, row, row->key, &table);
    }
    if (table == NT_TABLES)
        nt__fmt_str(f, "\nThe counters are the same\n");
    if (diff->sampled[0] && diff->sampled[1])
        put_sites(f, diff, k);
    else if (diff->sampled[0] || diff->sampled[1])
        nt__fmt_print(f, "\nSites are not compared: nothing was sampled %s\n",
                      diff->sampled[0] ? "after" : "before");
}

int nt__diff_text(FILE *out, const struct nt_diff *diff)
{
    char buf[4096];
    struct nt_fmt f;
    int err = fflush(out) != 0 ? -errno : 0;

    nt__fmt_init(&f, buf, sizeof buf, fileno(out));
    put_text(&f, diff);
    nt__fmt_flush(&f);
    return err != 0 ? err : f.error;
}
