/* SPDX-License-Identifier: MIT */
/*
 * numatally top without a screen: each time a block of text, or one line with an object of
 * JSON: what is known of the figures ("top"), what was added a second ("rates"), and the
 * record as the library writes it.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/top.h"
#include "src/track/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROWS_MAX 20   /* of a table in a block */
#define COLUMNS_MAX 7 /* of these, the first */
#define LABEL_WIDTH 18
#define SLICE_NS 50000000 /* so often it is looked whether something ended */

/* ---- text ----------------------------------------------------------------------------- */

static void print_table(FILE *out, const struct nt_top *t, enum nt_view view,
                        const struct nt_top_options *o)
{
    int columns[NT_COLUMNS_MAX];
    size_t ncolumns = nt__min(nt__top_columns(view, columns), COLUMNS_MAX), n;
    struct nt_order order = o->order;
    const struct nt_top_row **rows;
    char text[128], label[128];

    if (view != o->view)
        order = nt__top_order(view, order.rates);
    rows = nt__top_rows(t, view, order, &n);
    fprintf(out, "%-*s", LABEL_WIDTH, nt__top_view_title(view));
    for (size_t c = 0; c < ncolumns; c++) {
        nt__top_heading(text, sizeof text, view, columns[c], order.rates);
        fprintf(out, " %*s", nt__top_width(view, columns[c]), text);
    }
    fputc('\n', out);
    for (size_t i = 0; i < n && i < ROWS_MAX; i++) {
        nt__top_label(text, sizeof text, rows[i]);
        nt__top_fit(label, sizeof label, text, LABEL_WIDTH);
        fputs(label, out);
        for (size_t c = 0; c < ncolumns; c++) {
            nt__top_cell(text, rows[i], (size_t)columns[c], order.rates);
            fprintf(out, " %*s", nt__top_width(view, columns[c]), text);
        }
        fputc('\n', out);
    }
    if (n > ROWS_MAX)
        fprintf(out, "and %zu more\n", n - ROWS_MAX);
    free(rows);
}

static void print_matrix(FILE *out, const struct nt_top *t,
                         const struct nt_top_options *o)
{
    const struct nt_snapshot *s = &t->live->snapshot;

    fprintf(out, "%-*s", LABEL_WIDTH,
            o->order.rates ? "Freed on/s, home:" : "Freed on, home:");
    for (size_t h = 0; h < s->nodes; h++)
        fprintf(out, "   node %-3d", (int)s->node_id[h]);
    fputc('\n', out);
    for (size_t n = 0; n < s->nodes; n++) {
        fprintf(out, "node %-*d", LABEL_WIDTH - 5, (int)s->node_id[n]);
        for (size_t h = 0; h < s->nodes; h++) {
            char text[NT_CELL];

            nt__top_count(text, o->order.rates ? nt__top_freed_rate(t, n, h)
                                               : (double)nt__top_freed(t, n, h));
            fprintf(out, " %10s", text);
        }
        fputc('\n', out);
    }
}

static void print_block(FILE *out, const struct nt_top *t,
                        const struct nt_top_options *o)
{
    char text[512], when[32] = "";
    time_t now = time(NULL);
    struct tm tm;

    if (localtime_r(&now, &tm) != NULL)
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    for (size_t i = 0; i < NT_HEAD_LINES; i++) {
        nt__top_head(t, i, text, sizeof text);
        fprintf(out, "%s%s%s\n", i == 0 ? when : "", i == 0 ? "  " : "", text);
        if (!t->some && i == 1)
            break;
    }
    if (t->some) {
        print_table(out, t, NT_VIEW_NODES, o);
        if (o->view == NT_VIEW_MATRIX)
            print_matrix(out, t, o);
        else if (o->view != NT_VIEW_NODES)
            print_table(out, t, o->view, o);
    }
    fputc('\n', out);
}

/* ---- JSON ----------------------------------------------------------------------------- */

/* Tenths of what is counted a second: enough, and short. */
static json_t *number(double value)
{
    return json_real(value < 1e15 ? (double)(int64_t)(value * 10 + 0.5) / 10 : value);
}

static json_t *rates_of(const struct nt_top_row *row)
{
    const struct nt_column *columns = nt__table_columns(row->table);
    json_t *object = json_object();

    if (row->table == NT_TABLE_NODE)
        json_object_set_new(object, "node", json_integer(row->number));
    if (row->table == NT_TABLE_CLASS)
        json_object_set_new(object, "block_bytes", json_integer(row->number));
    if (row->table == NT_TABLE_THREAD)
        json_object_set_new(object, "tid", json_integer(row->number));
    if (row->name[0] != '\0' && row->table != NT_TABLE_CLASS)
        json_object_set_new(object, "name", json_string(row->name));
    for (size_t i = 0; i < row->n; i++)
        if (nt__top_is_total(&columns[i]))
            json_object_set_new(object, columns[i].name,
                                row->rated ? number(row->rates[i]) : json_null());
    return object;
}

static json_t *matrix_of(const struct nt_top *t)
{
    size_t nodes = t->live->snapshot.nodes;
    json_t *matrix = json_array();

    for (size_t n = 0; n < nodes; n++) {
        json_t *row = json_array();

        for (size_t h = 0; h < nodes; h++)
            json_array_append_new(row, number(nt__top_freed_rate(t, n, h)));
        json_array_append_new(matrix, row);
    }
    return matrix;
}

static json_t *rates(const struct nt_top *t)
{
    static const char *const lists[NT_TABLES] = {
        [NT_TABLE_NODE] = "nodes",   [NT_TABLE_CLASS] = "classes",
        [NT_TABLE_POOL] = "pools",   [NT_TABLE_THREAD] = "threads",
        [NT_TABLE_PHASE] = "phases", [NT_TABLE_TRACKED] = "tracked",
        [NT_TABLE_PROCESS] = NULL,   [NT_TABLE_TOTAL] = NULL,
    };
    json_t *object = json_object();

    if (!t->some || t->seconds <= 0 || (!t->newer && !t->still)) {
        json_decref(object);
        return json_null();
    }
    json_object_set_new(object, "seconds",
                        json_real((double)(int64_t)(t->seconds * 1e6) / 1e6));
    json_object_set_new(object, "since_start", json_boolean(t->since_start));
    json_object_set_new(object, "process", rates_of(nt__top_row(t, NT_TABLE_PROCESS)));
    json_object_set_new(object, "total", rates_of(nt__top_row(t, NT_TABLE_TOTAL)));
    for (size_t i = 0; i < NT_TABLES; i++)
        if (lists[i] != NULL)
            json_object_set_new(object, lists[i], json_array());
    for (size_t i = 0; i < t->nrows; i++)
        if (lists[t->rows[i].table] != NULL)
            json_array_append_new(json_object_get(object, lists[t->rows[i].table]),
                                  rates_of(&t->rows[i]));
    json_object_set_new(object, "free_matrix", matrix_of(t));
    return object;
}

static const char *state_of(const struct nt_top *t)
{
    if (t->status >= 0 || (t->some && t->live->snapshot.final))
        return "ended";
    switch (nt__watched_life(&t->watched)) {
    case NT_LIFE_ENDED:
        return "ended";
    case NT_LIFE_RUNS:
        return t->still ? "idle" : "running";
    default:
        return "unknown";
    }
}

static json_t *known(const struct nt_top *t)
{
    struct timespec now;
    json_t *object = json_object();

    clock_gettime(CLOCK_REALTIME, &now);
    json_object_set_new(object, "unix_ns",
                        json_integer(now.tv_sec * 1000000000LL + now.tv_nsec));
    json_object_set_new(object, "state", json_string(state_of(t)));
    json_object_set_new(object, "newer", json_boolean(t->newer));
    json_object_set_new(
        object, "age_ns",
        t->some ? json_integer((json_int_t)nt__watched_age_ns(&t->live->snapshot))
                : json_null());
    json_object_set_new(object, "error",
                        t->error != 0 ? json_string(nt__errno_text(t->error))
                                      : json_null());
    json_object_set_new(object, "exit_status",
                        t->status >= 0 && WIFEXITED(t->status)
                            ? json_integer(WEXITSTATUS(t->status))
                            : json_null());
    json_object_set_new(object, "signal",
                        t->status >= 0 && WIFSIGNALED(t->status)
                            ? json_integer(WTERMSIG(t->status))
                            : json_null());
    return object;
}

/* The record's text, without its newline; NULL: there is none. For the caller to free. */
static char *record_of(const struct nt_top *t)
{
    struct nt_tables tables = nt__live_tables(t->live);
    int fd = t->some ? memfd_create("numatally-top", MFD_CLOEXEC) : -1;
    char *text = NULL;
    off_t n;

    if (fd < 0)
        return NULL;
    if (nt__report_write(fd, NT_FORMAT_JSON, &t->live->snapshot, &tables) == 0 &&
        (n = lseek(fd, 0, SEEK_END)) > 0) {
        text = nt__tool_memory(calloc(1, (size_t)n + 1));
        if (pread(fd, text, (size_t)n, 0) != n)
            text[0] = '\0';
        text[strcspn(text, "\n")] = '\0';
    }
    close(fd);
    return text;
}

static void print_object(FILE *out, const struct nt_top *t)
{
    json_t *top = known(t), *added = rates(t);
    char *record = record_of(t);

    fputs("{\"top\":", out);
    json_dumpf(top, out, JSON_COMPACT);
    fputs(",\"rates\":", out);
    json_dumpf(added, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    fprintf(out, ",\"record\":%s}\n",
            record != NULL && *record != '\0' ? record : "null");
    free(record);
    json_decref(top);
    json_decref(added);
}

/* ---- again and again ------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Wait until `when`, or for the end. */
static void wait_until(struct nt_top *t, uint64_t when)
{
    uint64_t now;

    while ((now = now_ns()) < when && !nt__top_must_end() && !nt__top_is_over(t)) {
        uint64_t ns = nt__min(when - now, SLICE_NS);
        struct timespec pause = {0, (long)ns};

        nanosleep(&pause, NULL);
    }
}

int nt__top_batch(struct nt_top *t, const struct nt_top_options *o)
{
    uint64_t step = (uint64_t)(o->delay * 1e9), next = now_ns();
    bool over = false;

    for (long i = 0; (o->iterations == 0 || i < o->iterations) && !over; i++) {
        if (i > 0) {
            next = nt__max(next + step, now_ns());
            wait_until(t, next);
        }
        if (nt__top_must_end())
            break;
        over = nt__top_is_over(t); /* before the look: it is the last one then */
        if (i > 0 || over) {
            bool first = i == 0 && t->newer;

            nt__top_look(t);
            t->newer |= first;
        }
        if (o->json)
            print_object(o->out, t);
        else
            print_block(o->out, t, o);
        if (fflush(o->out) != 0) {
            nt__warn("the output cannot be written: %s", nt__errno_text(errno));
            return NT_EXIT_BAD_INPUT;
        }
    }
    return 0;
}
