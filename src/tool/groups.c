/* SPDX-License-Identifier: MIT */
#include "src/tool/groups.h"
#include "src/track/estimate.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct nt_group *x = a, *y = b;

    return x->table != y->table ? (x->table < y->table ? -1 : 1)
                                : strcmp(x->key, y->key);
}

/* The group of the table and key of `like`, made if there are none yet. */
static struct nt_group *find(struct nt_groups *groups, const struct nt_group *like)
{
    struct nt_group **found = tfind(like, &groups->tree, compare), *group;

    if (found != NULL)
        return *found;
    if (groups->n == groups->cap) {
        groups->cap = 2 * groups->cap + 64;
        groups->rows = nt__tool_memory(
            reallocarray(groups->rows, groups->cap, sizeof(struct nt_group *)));
    }
    group = nt__tool_memory(malloc(sizeof *group));
    *group = *like;
    group->key = nt__tool_memory(strdup(like->key));
    group->place = groups->n;
    nt__tool_memory(tsearch(group, &groups->tree, compare));
    groups->rows[groups->n++] = group;
    return group;
}

uint64_t nt__errors_add(uint64_t a, uint64_t b)
{
    double x = (double)a, y = (double)b;
    double error = nt__estimate_root(x * x + y * y) + 0.5;

    return error < 0x1p63 ? (uint64_t)error : INT64_MAX; /* of JSON */
}

void nt__groups_add(struct nt_groups *groups, int side, const struct nt_row *row,
                    const char *key)
{
    const struct nt_group like = {
        .table = row->table, .key = (char *)key, .row = row->row};
    const struct nt_column *c = nt__table_columns(row->table);
    struct nt_group *group = find(groups, &like);
    uint64_t *to = group->values[side];

    for (size_t i = 0; i < row->n; i++) {
        if (i >= group->n[side])
            to[i] = row->values[i];
        else if (nt__column_is_error(&c[i]))
            to[i] = nt__errors_add(to[i], row->values[i]);
        else /* as much as JSON can hold */
            to[i] = nt__min(to[i] + row->values[i], (uint64_t)INT64_MAX);
    }
    if (row->n > group->n[side])
        group->n[side] = row->n;
}

static void keep(void *node)
{
    (void)node;
}

void nt__groups_free(struct nt_groups *groups)
{
    tdestroy(groups->tree, keep);
    for (size_t i = 0; i < groups->n; i++) {
        free(groups->rows[i]->key);
        free(groups->rows[i]);
    }
    free(groups->rows);
    *groups = (struct nt_groups){0};
}
