/* SPDX-License-Identifier: MIT */
/*
 * The JSON record back to figures: the inverse of src/track/report.c's writer.
 *
 * Both walk the same lists, so this knows no figure by name, but those that records did
 * not have from the first: where they are missing they read as 0. Nothing is believed: a
 * record that lacks another figure, or has another type in its place, is refused, with the
 * place's name.
 */
#include "src/tool/record.h"
#include "src/base/base.h"
#include "src/base/fmt.h"

#include <stdlib.h>
#include <string.h>

static const char *const later[] = {"slab_bytes_now",     "reallocs_total",
                                    "cpu_ns_total",       "held_bytes_total",
                                    "at_peak_held_bytes", "align_bytes"};

static char wrong[160]; /* what nt__record_read returned last */

bool nt__record_refuse(const char *what, const char *where)
{
    nt__fmt_into(wrong, sizeof wrong, "\"%.64s\" %s", where, what);
    return false;
}

/* ---- single values ---------------------------------------------------------- */

bool nt__record_i64(const json_t *object, const char *key, int64_t *out)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_integer(v))
        return nt__record_refuse("is missing or no whole number", key);
    *out = json_integer_value(v);
    return true;
}

bool nt__record_u64(const json_t *object, const char *key, uint64_t *out)
{
    int64_t v;

    if (!nt__record_i64(object, key, &v))
        return false;
    if (v < 0)
        return nt__record_refuse("is negative", key);
    *out = (uint64_t)v;
    return true;
}

bool nt__record_bool(const json_t *object, const char *key, uint8_t *out)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_boolean(v))
        return nt__record_refuse("is missing or neither true nor false", key);
    *out = json_is_true(v);
    return true;
}

bool nt__record_text(const json_t *object, const char *key, char *out, size_t cap)
{
    const char *s = json_string_value(json_object_get(object, key));

    if (s == NULL)
        return nt__record_refuse("is missing or no string", key);
    nt__name_copy(out, cap, s);
    return true;
}

bool nt__record_array(const json_t *object, const char *key, size_t max,
                      const json_t **out)
{
    *out = json_object_get(object, key);
    if (!json_is_array(*out))
        return nt__record_refuse("is missing or no array", key);
    if (json_array_size(*out) > max)
        return nt__record_refuse("has more entries than this version can hold", key);
    return true;
}

bool nt__record_numbers(const json_t *object, const char *key, size_t max,
                        uint64_t *out, size_t *n)
{
    const json_t *array;

    if (!nt__record_array(object, key, max, &array))
        return false;
    *n = json_array_size(array);
    for (size_t i = 0; i < *n; i++) {
        const json_t *v = json_array_get(array, i);

        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return nt__record_refuse("holds something that is no count", key);
        out[i] = (uint64_t)json_integer_value(v);
    }
    return true;
}

bool nt__record_rows(const json_t *object, const char *key, size_t size,
                     const json_t **rows, void *out, size_t *n)
{
    void *array;

    if (!nt__record_array(object, key, SIZE_MAX, rows))
        return false;
    *n = json_array_size(*rows);
    array = calloc(*n + 1, size);
    if (array == NULL)
        return nt__record_refuse("needs more memory than there is", key);
    memcpy(out, &array, sizeof array);
    return true;
}

static bool came_later(const char *figure)
{
    for (size_t i = 0; i < NT_ARRAY_LEN(later); i++)
        if (strcmp(later[i], figure) == 0)
            return true;
    return false;
}

bool nt__record_figures(const json_t *object, enum nt_figure_list list, void *base)
{
    for (const struct nt_figure *g = nt__figures(list); g->name != NULL; g++) {
        bool absent = json_object_get(object, g->name) == NULL && came_later(g->name);
        uint64_t v = 0;

        if (!absent && !nt__record_u64(object, g->name, &v))
            return false;
        memcpy((char *)base + g->offset, &v, sizeof v);
    }
    return true;
}

/* ---- parts of a record ------------------------------------------------------ */

static bool get_process(const json_t *root, struct nt_snapshot *s)
{
    s->rank = -1;
    if (!json_is_null(json_object_get(root, "rank")) &&
        !nt__record_i64(root, "rank", &s->rank))
        return false;
    return nt__record_text(root, "numatally", s->version_string,
                           sizeof s->version_string) &&
           nt__record_text(root, "program", s->program, sizeof s->program) &&
           nt__record_text(root, "host", s->host, sizeof s->host) &&
           nt__record_i64(root, "pid", &s->pid) &&
           nt__record_u64(root, "start_unix_ns", &s->start_unix_ns) &&
           nt__record_u64(root, "now_unix_ns", &s->now_unix_ns) &&
           nt__record_u64(root, "page_bytes", &s->page_bytes) &&
           nt__record_bool(root, "final", &s->final) &&
           nt__record_bool(root, "inherited", &s->inherited) &&
           nt__record_bool(root, "fake_topology", &s->fake_topology) &&
           nt__record_figures(root, NT_LIST_PROCESS, s);
}

static bool get_nodes(const json_t *root, struct nt_snapshot *s)
{
    const json_t *nodes;

    if (!nt__record_array(root, "nodes", NT_NODES_MAX, &nodes))
        return false;
    s->nodes = (uint32_t)json_array_size(nodes);
    for (size_t i = 0; i < s->nodes; i++) {
        const json_t *node = json_array_get(nodes, i);
        int64_t id;

        if (!nt__record_i64(node, "node", &id))
            return false;
        if (id < 0 || id > INT32_MAX)
            return nt__record_refuse("is no node number", "node");
        s->node_id[i] = (int32_t)id;
        if (!nt__record_figures(node, NT_LIST_NODE, &s->node[i]))
            return false;
    }
    return nt__record_figures(json_object_get(root, "total"), NT_LIST_NODE, &s->total);
}

static bool get_matrix(const json_t *root, struct nt_snapshot *s)
{
    const json_t *matrix;

    if (!nt__record_array(root, "free_matrix", NT_NODES_MAX, &matrix))
        return false;
    if (json_array_size(matrix) != s->nodes)
        return nt__record_refuse("has not one row for each node", "free_matrix");
    for (size_t n = 0; n < s->nodes; n++) {
        const json_t *row = json_array_get(matrix, n);

        if (json_array_size(row) != s->nodes)
            return nt__record_refuse("has not one column for each node", "free_matrix");
        for (size_t h = 0; h < s->nodes; h++) {
            const json_t *v = json_array_get(row, h);

            if (!json_is_integer(v) || json_integer_value(v) < 0)
                return nt__record_refuse("holds something that is no count",
                                         "free_matrix");
            s->free_matrix[n][h] = (uint64_t)json_integer_value(v);
        }
    }
    return true;
}

static bool get_classes(const json_t *root, struct nt_snapshot *s)
{
    const json_t *classes;

    if (!nt__record_array(root, "classes", NT_CLASSES_MAX, &classes))
        return false;
    s->classes = (uint32_t)json_array_size(classes);
    for (size_t i = 0; i < s->classes; i++)
        if (!nt__record_figures(json_array_get(classes, i), NT_LIST_CLASS,
                                &s->class_[i]))
            return false;
    return true;
}

static bool get_threads(const json_t *root, struct nt_record *r)
{
    const json_t *rows;

    if (json_object_get(root, "threads") == NULL)
        return true;
    if (!nt__record_rows(root, "threads", sizeof *r->threads, &rows, &r->threads,
                         &r->nthreads))
        return false;
    for (size_t i = 0; i < r->nthreads; i++) {
        const json_t *t = json_array_get(rows, i);

        if (!nt__record_i64(t, "tid", &r->threads[i].tid) ||
            !nt__record_i64(t, "node", &r->threads[i].node) ||
            !nt__record_text(t, "name", r->threads[i].name,
                             sizeof r->threads[i].name) ||
            !nt__record_figures(t, NT_LIST_THREAD, &r->threads[i]))
            return false;
    }
    return true;
}

static bool get_pools(const json_t *root, struct nt_record *r)
{
    const json_t *rows;

    if (json_object_get(root, "pools") == NULL)
        return true;
    if (!nt__record_rows(root, "pools", sizeof *r->pools, &rows, &r->pools, &r->npools))
        return false;
    for (size_t i = 0; i < r->npools; i++) {
        const json_t *p = json_array_get(rows, i);

        if (!nt__record_text(p, "name", r->pools[i].name, sizeof r->pools[i].name) ||
            !nt__record_figures(p, NT_LIST_POOL, &r->pools[i]))
            return false;
    }
    return true;
}

static bool get_phases(const json_t *root, struct nt_record *r)
{
    const json_t *rows;

    if (json_object_get(root, "phases") == NULL)
        return true;
    if (!nt__record_rows(root, "phases", sizeof *r->phases, &rows, &r->phases,
                         &r->nphases))
        return false;
    for (size_t i = 0; i < r->nphases; i++) {
        const json_t *p = json_array_get(rows, i);

        if (!nt__record_text(p, "name", r->phases[i].name, sizeof r->phases[i].name) ||
            !nt__record_bool(p, "running", &r->phases[i].running) ||
            !nt__record_figures(p, NT_LIST_PHASE, &r->phases[i]))
            return false;
    }
    return true;
}

static bool get_sizes(const json_t *object, struct nt_tracked_figures *out)
{
    size_t n;

    if (!nt__record_numbers(object, "sizes", NT_TRACKED_SIZES, out->sizes, &n))
        return false;
    return n == NT_TRACKED_SIZES ||
           nt__record_refuse("has another number of entries", "sizes");
}

static bool get_tracked(const json_t *root, struct nt_record *r)
{
    const json_t *rows;

    if (json_object_get(root, "tracked") == NULL)
        return true;
    if (!nt__record_rows(root, "tracked", sizeof *r->tracked, &rows, &r->tracked,
                         &r->ntracked))
        return false;
    for (size_t i = 0; i < r->ntracked; i++) {
        const json_t *t = json_array_get(rows, i);

        if (!nt__record_text(t, "name", r->tracked[i].name,
                             sizeof r->tracked[i].name) ||
            !nt__record_figures(t, NT_LIST_TRACKED, &r->tracked[i]) ||
            !get_sizes(t, &r->tracked[i]))
            return false;
    }
    return true;
}

/* ---- records ---------------------------------------------------------------- */

const char *nt__record_read(const json_t *root, struct nt_record *r)
{
    int64_t version;

    memset(r, 0, sizeof *r);
    wrong[0] = '\0';
    if (!json_is_object(root) || !json_is_integer(json_object_get(root, "record")))
        return "it is no record of numatally: \"record\" with its version is missing";
    version = json_integer_value(json_object_get(root, "record"));
    if (version != NT_SNAPSHOT_VERSION) {
        nt__fmt_into(wrong, sizeof wrong,
                     "it has version %lld, and this tool reads version %d: read it "
                     "with the numatally that wrote it, or one that is newer",
                     (long long)version, NT_SNAPSHOT_VERSION);
        return wrong;
    }
    r->snapshot.size = sizeof r->snapshot;
    r->snapshot.version = NT_SNAPSHOT_VERSION;
    if (get_process(root, &r->snapshot) && get_nodes(root, &r->snapshot) &&
        get_matrix(root, &r->snapshot) && get_classes(root, &r->snapshot) &&
        get_threads(root, r) && get_pools(root, r) && get_phases(root, r) &&
        get_tracked(root, r) && nt__record_profile(root, &r->profile) &&
        nt__record_history(root, r->snapshot.nodes, &r->history) &&
        nt__record_job(root, &r->job))
        return NULL;
    return wrong;
}

void nt__record_free(struct nt_record *r)
{
    free(r->threads);
    free(r->pools);
    free(r->phases);
    free(r->tracked);
    free(r->job.rows);
    free(r->job.order);
    nt__record_profile_free(&r->profile);
    r->job = (struct nt_job){0};
    r->threads = NULL;
    r->pools = NULL;
    r->phases = NULL;
    r->tracked = NULL;
    r->nthreads = 0;
    r->npools = 0;
    r->nphases = 0;
    r->ntracked = 0;
}
