/* SPDX-License-Identifier: MIT */
/*
 * The difference of two snapshots, walked along the lists of figures: what a figure's
 * name ends in says what becomes of it.
 *
 * Each number of the result is made of the two at the same place, which are read first: so
 * the result may lie over one of them.
 */
#include "src/track/report.h"

#include <errno.h>
#include <string.h>

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n >= m && memcmp(name + n - m, end, m) == 0;
}

/* Figures that add up over time, or go both ways. */
static bool subtracted(const struct nt_figure *g)
{
    return ends_in(g->name, "_total") || ends_in(g->name, "_now");
}

static uint64_t number(const void *base, size_t offset)
{
    uint64_t v;

    memcpy(&v, (const char *)base + offset, sizeof v);
    return v;
}

/* `n` structs of the list's kind, `size` bytes each. */
static void diff(enum nt_figure_list list, const void *from, const void *to, void *out,
                 size_t n, size_t size)
{
    for (const struct nt_figure *g = nt__figures(list); g->name != NULL; g++) {
        bool subtract = subtracted(g);

        for (size_t i = 0; i < n; i++) {
            size_t at = i * size + g->offset;
            uint64_t v = number(to, at) - (subtract ? number(from, at) : 0);

            memcpy((char *)out + at, &v, sizeof v);
        }
    }
}

static bool valid(const struct nt_snapshot *s)
{
    return s != NULL && s->size == sizeof *s && s->version == NT_SNAPSHOT_VERSION &&
           s->nodes <= NT_NODES_MAX && s->classes <= NT_CLASSES_MAX;
}

/* Where `b`, which is the later one, has row `c` of `a`: pools may have added classes in
 * front of the last, which is that of large blocks. */
static size_t row_in(const struct nt_snapshot *a, const struct nt_snapshot *b, size_t c)
{
    return c + 1 == a->classes ? b->classes - 1 : c;
}

/* Do the rows of both mean the same? */
static bool alike(const struct nt_snapshot *a, const struct nt_snapshot *b)
{
    if (a->nodes != b->nodes || a->classes > b->classes ||
        (a->classes == 0) != (b->classes == 0))
        return false;
    for (size_t n = 0; n < a->nodes; n++)
        if (a->node_id[n] != b->node_id[n])
            return false;
    for (size_t c = 0; c < a->classes; c++)
        if (a->class_[c].block_bytes != b->class_[row_in(a, b, c)].block_bytes)
            return false;
    return true;
}

/* From the last row on, that the result may lie over `from`: what moved, moved up. */
static void diff_classes(const struct nt_snapshot *from, const struct nt_snapshot *to,
                         struct nt_snapshot *out)
{
    static const struct nt_class_figures none;
    size_t old = from->classes;

    if (old == to->classes) {
        diff(NT_LIST_CLASS, from->class_, to->class_, out->class_, NT_CLASSES_MAX,
             sizeof out->class_[0]);
        return;
    }
    for (size_t c = NT_CLASSES_MAX; c-- > 0;) {
        bool known = old > 0 && row_in(from, to, old - 1) == c;

        old -= known;
        diff(NT_LIST_CLASS, known ? &from->class_[old] : &none, &to->class_[c],
             &out->class_[c], 1, sizeof out->class_[0]);
    }
}

int nt_snapshot_diff(const struct nt_snapshot *from, const struct nt_snapshot *to,
                     struct nt_snapshot *out)
{
    if (!valid(from) || !valid(to) || out == NULL || !alike(from, to))
        return -EINVAL;

    uint64_t began = from->now_unix_ns;

    diff(NT_LIST_PROCESS, from, to, out, 1, sizeof *out);
    diff(NT_LIST_NODE, from->node, to->node, out->node, NT_NODES_MAX,
         sizeof out->node[0]);
    diff(NT_LIST_NODE, &from->total, &to->total, &out->total, 1, sizeof out->total);
    diff_classes(from, to, out);
    for (size_t f = 0; f < NT_NODES_MAX; f++)
        for (size_t h = 0; h < NT_NODES_MAX; h++)
            out->free_matrix[f][h] = to->free_matrix[f][h] - from->free_matrix[f][h];
    /* The rest is not counted: what comes before the process's figures, and after them
     * up to the nodes'. */
    memmove(out, to, offsetof(struct nt_snapshot, threads_now));
    memmove(&out->page_bytes, &to->page_bytes,
            offsetof(struct nt_snapshot, node) -
                offsetof(struct nt_snapshot, page_bytes));
    out->start_unix_ns = began;
    return 0;
}
