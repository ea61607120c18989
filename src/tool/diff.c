/* SPDX-License-Identifier: MIT */
#include "src/tool/diff.h"
#include "src/base/base.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- matching ------------------------------------------------------------------------- */

struct side {
    struct nt_diff *diff;
    int side;
};

static void gather(const struct nt_row *row, void *context)
{
    const struct side *s = context;
    char number[48] = "";
    const char *key = number;

    switch (row->table) {
    case NT_TABLE_PROFILE:
    case NT_TABLE_SITE_TOTAL:
        if (!s->diff->sampled[0] || !s->diff->sampled[1])
            return;
        break;
    case NT_TABLE_RECORD: /* moments, not figures */
    case NT_TABLE_TRACKED_SIZE:
    case NT_TABLE_LIFETIME_TOTAL:
    case NT_TABLE_HISTORY:
    case NT_TABLE_SIZE:
    case NT_TABLE_LIFETIME:
    case NT_TABLE_SAMPLE:
    case NT_TABLE_REMOTE_FREE:
        return;
    case NT_TABLE_FREE_MATRIX:
        snprintf(number, sizeof number, "%" PRId64 "/%" PRId64, row->row, row->column);
        break;
    case NT_TABLE_NODE:
    case NT_TABLE_CLASS:
        if (row->name[0] == '\0')
            snprintf(number, sizeof number, "%" PRId64, row->row);
        break;
    default:
        break;
    }
    if (number[0] == '\0')
        key = row->name;
    nt__groups_add(&s->diff->groups, s->side, row, key);
}

static uint64_t size_of(int64_t difference)
{
    return difference < 0 ? 0 - (uint64_t)difference : (uint64_t)difference;
}

bool nt__diff_change(const struct nt_group *row, size_t i, struct nt_change *out)
{
    const struct nt_column *c = &nt__table_columns(row->table)[i];

    *out = (struct nt_change){
        .column = c,
        .there = {i < row->n[0], i < row->n[1]},
        .value = {row->values[0][i], row->values[1][i]},
    };
    if ((!out->there[0] && !out->there[1]) || c->unit == '#' ||
        nt__column_is_error(c) || strcmp(c->name, "block_bytes") == 0)
        return false;
    out->difference = (int64_t)(out->value[1] - out->value[0]);
    out->has_error = c[1].name != NULL && nt__column_is_error(&c[1]);
    if (out->has_error) {
        out->error = nt__errors_add(row->values[0][i + 1], row->values[1][i + 1]);
        out->noise = out->error > 0 &&
                     (double)size_of(out->difference) <= 1.96 * (double)out->error;
    }
    return true;
}

/* ---- order ---------------------------------------------------------------------------- */

/* By how much that figure of a site changed which --value says. */
static uint64_t change_of(const struct nt_group *row)
{
    const struct nt_column *c = nt__table_columns(row->table);
    size_t i = 0;

    while (strcmp(c[i].name, nt__report_value) != 0)
        i++;
    return size_of((int64_t)(row->values[1][i] - row->values[0][i]));
}

static int rising(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* Rows of both records; those of one alone would otherwise come last in their tables. */
static int in_order(const void *a, const void *b)
{
    const struct nt_group *x = *(struct nt_group *const *)a;
    const struct nt_group *y = *(struct nt_group *const *)b;

    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    if (x->table == NT_TABLE_SITE && change_of(x) != change_of(y))
        return rising(change_of(y), change_of(x));
    if (x->table == NT_TABLE_SITE)
        return strcmp(x->key, y->key);
    if (x->row != y->row && x->table == NT_TABLE_CLASS) /* large blocks, 0, last */
        return rising((uint64_t)x->row - 1, (uint64_t)y->row - 1);
    if (x->row != y->row && x->table == NT_TABLE_NODE)
        return x->row < y->row ? -1 : 1;
    return rising(x->place, y->place);
}

/* ---- both records --------------------------------------------------------------------- */

int nt__diff_write(FILE *out, nt_diff_write *write, const char *const paths[2],
                   struct nt_record *const records[2])
{
    struct nt_diff diff = {0};
    int err;

    for (int i = 0; i < 2; i++) {
        diff.path[i] = paths[i];
        diff.snapshot[i] = &records[i]->snapshot;
        diff.sampled[i] = records[i]->profile.sites != NULL;
    }
    for (int i = 0; i < 2; i++) {
        struct side side = {&diff, i};

        nt__rows_few(records[i], gather, &side);
        if (diff.sampled[0] && diff.sampled[1])
            nt__rows_many(records[i], gather, &side);
    }
    if (diff.groups.n > 0)
        qsort(diff.groups.rows, diff.groups.n, sizeof(struct nt_group *), in_order);
    err = write(out, &diff);
    nt__groups_free(&diff.groups);
    return err;
}
