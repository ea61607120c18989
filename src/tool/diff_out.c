/* SPDX-License-Identifier: MIT */
/*
 * A comparison for programs: all figures, also those that are the same, as CSV and as one
 * JSON object. Where a record lacks a figure there is nothing, or null.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/diff.h"

#include <errno.h>
#include <inttypes.h>

/* ---- CSV ------------------------------------------------------------------------------ */

static void put_there(FILE *out, bool there, uint64_t value)
{
    putc(',', out);
    if (there)
        fprintf(out, "%" PRIu64, value);
}

int nt__diff_csv(FILE *out, const struct nt_diff *diff)
{
    struct nt_change change;

    fputs("table,row,figure,unit,before,after,difference,error,noise\n", out);
    for (size_t k = 0; k < diff->groups.n; k++) {
        const struct nt_group *row = diff->groups.rows[k];

        for (size_t i = 0; i < nt__max(row->n[0], row->n[1]); i++) {
            if (!nt__diff_change(row, i, &change))
                continue;
            fprintf(out, "%s,", nt__table_name(row->table));
            nt__csv_text(out, row->key);
            fprintf(out, ",%s,%s", change.column->name,
                    nt__csv_unit(change.column->unit));
            put_there(out, change.there[0], change.value[0]);
            put_there(out, change.there[1], change.value[1]);
            fprintf(out, ",%" PRId64, change.difference);
            put_there(out, change.has_error, change.error);
            put_there(out, change.has_error, change.noise);
            putc('\n', out);
        }
    }
    return 0;
}

/* ---- JSON ----------------------------------------------------------------------------- */

static void json_key_str(struct nt_fmt *f, const char *key, const char *text)
{
    nt__json_key(f, key);
    nt__json_str(f, text);
}

static void json_process(struct nt_fmt *f, const char *key, const char *path,
                         const struct nt_snapshot *s)
{
    nt__json_key(f, key);
    nt__json_open(f, '{');
    json_key_str(f, "file", path);
    json_key_str(f, "program", s->program);
    json_key_str(f, "host", s->host);
    nt__json_key(f, "pid");
    nt__json_i64(f, s->pid);
    nt__json_key(f, "rank");
    if (s->rank < 0)
        nt__json_null(f);
    else
        nt__json_i64(f, s->rank);
    nt__json_key(f, "start_unix_ns");
    nt__json_u64(f, s->start_unix_ns);
    nt__json_key(f, "now_unix_ns");
    nt__json_u64(f, s->now_unix_ns);
    nt__json_key(f, "final");
    nt__json_bool(f, s->final);
    nt__json_close(f, '}');
}

static void json_there(struct nt_fmt *f, const char *key, bool there, uint64_t value)
{
    nt__json_key(f, key);
    if (there)
        nt__json_u64(f, value);
    else
        nt__json_null(f);
}

static void json_change(struct nt_fmt *f, const struct nt_group *row,
                        const struct nt_change *change)
{
    nt__json_open(f, '{');
    json_key_str(f, "table", nt__table_name(row->table));
    json_key_str(f, "row", row->key);
    json_key_str(f, "figure", change->column->name);
    json_key_str(f, "unit", nt__csv_unit(change->column->unit));
    json_there(f, "before", change->there[0], change->value[0]);
    json_there(f, "after", change->there[1], change->value[1]);
    nt__json_key(f, "difference");
    nt__json_i64(f, change->difference);
    if (change->has_error) {
        nt__json_key(f, "error");
        nt__json_u64(f, change->error);
        nt__json_key(f, "noise");
        nt__json_bool(f, change->noise);
    }
    nt__json_close(f, '}');
}

int nt__diff_json(FILE *out, const struct nt_diff *diff)
{
    char buf[4096];
    struct nt_change change;
    struct nt_fmt f;
    int err = fflush(out) != 0 ? -errno : 0;

    nt__fmt_init(&f, buf, sizeof buf, fileno(out));
    nt__json_open(&f, '{');
    nt__json_key(&f, "diff");
    nt__json_u64(&f, 1);
    json_process(&f, "before", diff->path[0], diff->snapshot[0]);
    json_process(&f, "after", diff->path[1], diff->snapshot[1]);
    nt__json_key(&f, "figures");
    nt__json_open(&f, '[');
    for (size_t k = 0; k < diff->groups.n; k++) {
        const struct nt_group *row = diff->groups.rows[k];

        for (size_t i = 0; i < nt__max(row->n[0], row->n[1]); i++)
            if (nt__diff_change(row, i, &change))
                json_change(&f, row, &change);
    }
    nt__json_close(&f, ']');
    nt__json_close(&f, '}');
    nt__fmt_char(&f, '\n');
    nt__fmt_flush(&f);
    return err != 0 ? err : f.error;
}
