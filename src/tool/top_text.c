/* SPDX-License-Identifier: MIT */
/*
 * Figures as words and cells. What is to be seen first in each table is named here; the
 * table's other figures follow in the order of the library's lists.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/top.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <wchar.h>

#define FIRST_MAX 10

static const struct {
    const char *word, *title;
    const char *first[FIRST_MAX];
} views[NT_VIEWS] = {
    [NT_VIEW_NODES] = {"nodes",
                       "Nodes",
                       {"live_bytes_now", "committed_bytes_now", "resident_bytes_now",
                        "allocations_total", "frees_total", "allocated_bytes_total",
                        "remote_frees_total", "far_frees_total", "live_bytes_peak"}},
    [NT_VIEW_CLASSES] = {"classes",
                         "Classes",
                         {"live_bytes_now", "live_blocks_now", "slab_bytes_now",
                          "allocations_total", "frees_total", "allocated_bytes_total",
                          "live_bytes_peak", "slabs_now"}},
    [NT_VIEW_POOLS] = {"pools",
                       "Pools",
                       {"live_bytes_now", "live_blocks_now", "committed_bytes_now",
                        "allocations_total", "frees_total", "allocated_bytes_total",
                        "live_bytes_peak", "limit_bytes"}},
    [NT_VIEW_THREADS] = {"threads",
                         "Threads",
                         {"node", "allocations_total", "frees_total",
                          "allocated_bytes_total", "freed_bytes_total",
                          "remote_frees_total", "live_bytes_peak"}},
    [NT_VIEW_PHASES] = {"phases",
                        "Phases",
                        {"running", "entries_total", "spent_ns_total",
                         "allocations_total", "frees_total", "allocated_bytes_total",
                         "live_bytes_peak", "last_live_bytes"}},
    [NT_VIEW_TRACKED] = {"tracked",
                         "Tracked",
                         {"live_requested_bytes_now", "live_blocks_now",
                          "allocations_total", "frees_total", "requested_bytes_total",
                          "live_requested_bytes_peak", "failed_total"}},
    [NT_VIEW_MATRIX] = {"matrix", "Matrix", {NULL}},
};

const char *nt__top_view_word(enum nt_view view)
{
    return views[view].word;
}

const char *nt__top_view_title(enum nt_view view)
{
    return views[view].title;
}

int nt__top_view(const char *word)
{
    for (int i = 0; i < NT_VIEWS; i++)
        if (strcmp(views[i].word, word) == 0)
            return i;
    return -1;
}

size_t nt__top_columns(enum nt_view view, int *out)
{
    enum nt_table table = nt__top_table(view);
    const struct nt_column *columns = nt__table_columns(table);
    size_t first, n = 0;

    if (view == NT_VIEW_MATRIX)
        return 0;
    for (size_t i = 0; i < FIRST_MAX && views[view].first[i] != NULL; i++)
        out[n++] = nt__top_column(table, views[view].first[i]);
    first = n;
    for (int c = 0; columns[c].name != NULL; c++) {
        bool there = view == NT_VIEW_CLASSES && c == 0; /* the size is the row's name */

        for (size_t i = 0; i < first; i++)
            there |= out[i] == c;
        if (!there)
            out[n++] = c;
    }
    return n;
}

struct nt_order nt__top_order(enum nt_view view, bool rates)
{
    static const char *const by[NT_VIEWS] = {[NT_VIEW_CLASSES] = "live_bytes_now",
                                             [NT_VIEW_POOLS] = "live_bytes_now",
                                             [NT_VIEW_THREADS] = "allocations_total",
                                             [NT_VIEW_PHASES] = "spent_ns_total",
                                             [NT_VIEW_TRACKED] =
                                                 "live_requested_bytes_now"};

    return (struct nt_order){
        .column = by[view] != NULL ? nt__top_column(nt__top_table(view), by[view]) : -1,
        .rates = rates};
}

int nt__top_sort(enum nt_view view, const char *word)
{
    const struct nt_column *columns = nt__table_columns(nt__top_table(view));
    size_t len = strlen(word);

    if (strcmp(word, "name") == 0)
        return -1;
    for (int c = 0; view != NT_VIEW_MATRIX && columns[c].name != NULL; c++)
        if (strncmp(columns[c].name, word, len) == 0 &&
            (columns[c].name[len] == '\0' ||
             strcmp(columns[c].name + len, "_now") == 0 ||
             strcmp(columns[c].name + len, "_total") == 0 ||
             strcmp(columns[c].name + len, "_bytes_now") == 0))
            return c;
    return -2;
}

/* ---- figures -------------------------------------------------------------------------- */

/* `value` in units of `unit`^k with a letter, three digits of it. */
static void scaled(char *out, double value, double unit)
{
    static const char letters[] = "KMGTPE";
    size_t i = 0;

    value /= unit;
    while (value >= 999.5 && i + 2 < sizeof letters) {
        value /= unit;
        i++;
    }
    snprintf(out, NT_CELL, "%.*f%c",
             value < 9.995   ? 2
             : value < 99.95 ? 1
                             : 0,
             value, letters[i]);
}

void nt__top_count(char *out, double value)
{
    if (value >= 9999999.5)
        scaled(out, value, 1000);
    else
        snprintf(out, NT_CELL, "%.*f",
                 value < 99.95 && value != (double)(int)value ? 1 : 0, value);
}

void nt__top_bytes(char *out, double value)
{
    if (value >= 1023.5)
        scaled(out, value, 1024);
    else
        snprintf(out, NT_CELL, "%.0f", value);
}

void nt__top_cell(char *out, const struct nt_top_row *row, size_t c, bool rates)
{
    const struct nt_column *column = &nt__table_columns(row->table)[c];
    bool rate = rates && nt__top_is_total(column);
    double value;

    if (c >= row->n || (rate && !row->rated) ||
        (column->unit == '#' && (int64_t)row->values[c] < 0)) {
        snprintf(out, NT_CELL, "-");
        return;
    }
    value = rate ? row->rates[c] : (double)row->values[c];
    if (column->unit == '#')
        snprintf(out, NT_CELL, "%lld", (long long)row->values[c]);
    else if (column->unit == 't')
        snprintf(out, NT_CELL, "%.2f", value / 1e9);
    else if (column->unit == 'b')
        nt__top_bytes(out, value);
    else
        nt__top_count(out, value);
}

void nt__top_label(char *out, size_t cap, const struct nt_top_row *row)
{
    char size[NT_CELL];
    struct nt_fmt f;

    switch (row->table) {
    case NT_TABLE_NODE:
        snprintf(out, cap, "node %lld", (long long)row->number);
        break;
    case NT_TABLE_CLASS:
        nt__top_bytes(size, (double)row->number);
        snprintf(out, cap, "%s", row->number == 0 ? "large" : size);
        break;
    default:
        nt__fmt_init(&f, out, cap, -1);
        if (row->table == NT_TABLE_THREAD && row->number != 0)
            nt__fmt_print(&f, "%lld ", (long long)row->number);
        nt__fmt_name(&f, 0, row->name);
    }
}

void nt__top_heading(char *out, size_t cap, enum nt_view view, int c, bool rates)
{
    const struct nt_column *column = &nt__table_columns(nt__top_table(view))[c];
    bool rate = rates && nt__top_is_total(column);

    if (column->unit == 't' && rate)
        snprintf(out, cap, "Share of time");
    else
        snprintf(out, cap, "%s%s", column->label, rate ? "/s" : "");
}

int nt__top_width(enum nt_view view, int c)
{
    char text[64];

    nt__top_heading(text, sizeof text, view, c, true);
    return (int)nt__max(strlen(text), 8) + 1;
}

void nt__top_fit(char *out, size_t cap, const char *text, int width)
{
    size_t at = 0;
    int used = 0;

    while (*text != '\0') {
        size_t n = nt__utf8_length(text);
        mbstate_t state = {0};
        wchar_t wide;
        bool good = n > 0 && mbrtowc(&wide, text, n, &state) == n && wcwidth(wide) >= 0;
        int columns = good ? wcwidth(wide) : 1;

        if (used + columns > width || at + n >= cap)
            break;
        if (good)
            memcpy(out + at, text, n);
        else
            out[at] = '?';
        at += good ? n : 1;
        text += n > 0 ? n : 1;
        used += columns;
    }
    for (; used < width && at + 1 < cap; used++)
        out[at++] = ' ';
    out[at] = '\0';
}

/* ---- the head ------------------------------------------------------------------------- */

static const char *running_phase(const struct nt_top *t)
{
    int c = nt__top_column(NT_TABLE_PHASE, "running");

    for (size_t i = 0; i < t->nrows; i++)
        if (t->rows[i].table == NT_TABLE_PHASE && t->rows[i].values[c] != 0)
            return t->rows[i].name;
    return NULL;
}

static void say_process(const struct nt_top *t, char *out, size_t cap)
{
    const struct nt_snapshot *s = &t->live->snapshot;
    unsigned long long up = (s->now_unix_ns - s->start_unix_ns) / 1000000000;
    const char *phase = running_phase(t);
    struct nt_fmt f;

    if (s->now_unix_ns < s->start_unix_ns)
        up = 0;
    nt__fmt_init(&f, out, cap, -1);
    nt__fmt_name(&f, 0, s->program);
    nt__fmt_print(&f, " [%lld] on ", (long long)s->pid);
    nt__fmt_name(&f, 0, s->host);
    if (s->rank >= 0)
        nt__fmt_print(&f, ", rank %lld", (long long)s->rank);
    nt__fmt_print(&f, "  up %llu:%02llu:%02llu  threads %llu", up / 3600, up / 60 % 60,
                  up % 60, (unsigned long long)s->threads_now);
    if (s->pools_now > 0)
        nt__fmt_print(&f, "  pools %llu", (unsigned long long)s->pools_now);
    if (phase != NULL) {
        nt__fmt_str(&f, "  phase ");
        nt__fmt_name(&f, 0, phase);
    }
}

static void say_fresh(const struct nt_top *t, char *out, size_t cap)
{
    char age[256];

    nt__watched_say_age(&t->watched, &t->live->snapshot, age, sizeof age);
    if (t->status >= 0 && WIFSIGNALED(t->status))
        snprintf(out, cap, "killed by signal %d (%s); %s", WTERMSIG(t->status),
                 strsignal(WTERMSIG(t->status)), age);
    else if (t->status >= 0)
        snprintf(out, cap, "exit status %d; %s", WEXITSTATUS(t->status), age);
    else if (t->error != 0)
        snprintf(out, cap, "its live file cannot be read now (%s); %s",
                 t->error == -EBADMSG ? "it holds something else"
                                      : nt__errno_text(t->error),
                 age);
    else
        snprintf(out, cap, "%s", age);
}

static double total_rate(const struct nt_top_row *row, const char *name)
{
    return row != NULL ? row->rates[nt__top_column(row->table, name)] : 0;
}

static void say_rates(const struct nt_top *t, char *out, size_t cap)
{
    const struct nt_top_row *all = nt__top_row(t, NT_TABLE_TOTAL);
    char allocations[NT_CELL], bytes[NT_CELL], frees[NT_CELL], remote[NT_CELL];

    nt__top_count(allocations, total_rate(all, "allocations_total"));
    nt__top_bytes(bytes, total_rate(all, "allocated_bytes_total"));
    nt__top_count(frees, total_rate(all, "frees_total"));
    nt__top_count(remote, total_rate(all, "remote_frees_total"));
    snprintf(out, cap,
             "%s %.1f s: %s allocations/s, %sB/s; %s frees/s, %s remote; %.2f cpus",
             t->still         ? "idle; before, over"
             : t->since_start ? "since its start, over"
                              : "over",
             t->seconds, allocations, bytes, frees, remote,
             total_rate(nt__top_row(t, NT_TABLE_PROCESS), "cpu_ns_total") / 1e9);
}

static void say_nothing(const struct nt_top *t, size_t line, char *out, size_t cap)
{
    out[0] = '\0';
    if (line == 0)
        snprintf(out, cap, "process %d", (int)t->watched.pid);
    else if (line == 1)
        snprintf(out, cap,
                 t->status < 0 ? "no figures so far"
                               : "ended without figures: it did not load the library "
                                 "(static, setuid, or LD_PRELOAD was cleared)");
}

void nt__top_head(const struct nt_top *t, size_t line, char *out, size_t cap)
{
    if (!t->some)
        say_nothing(t, line, out, cap);
    else if (line == 0)
        say_process(t, out, cap);
    else if (line == 1)
        say_fresh(t, out, cap);
    else
        say_rates(t, out, cap);
}
