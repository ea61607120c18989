/* SPDX-License-Identifier: MIT */
/* The tables of a job's text, and its picture: what ranks, hosts and nodes had. */
#include "src/track/job_view.h"

#include <string.h>

#define LABEL_WIDTH 20
#define VALUE_WIDTH 14
#define HOSTS_SHOWN 12                /* those with most */
#define PICTURE_MOST (INT64_MAX / 16) /* the darkest there is; so nothing overflows */
#define PICTURE_COLUMNS 64u           /* ranks, or groups of ranks, beside each other */

/* The rank as a cell; of a process without one its pid. */
static void who(struct nt_fmt *f, const struct nt_job_row *row)
{
    char text[24];

    nt__fmt_into(text, sizeof text, "%lld",
                 (long long)(row->rank >= 0 ? row->rank : row->pid));
    nt__text_cell(f, VALUE_WIDTH, text);
}

/* ---- ranks --------------------------------------------------------------------------- */

static void over_ranks(struct nt_fmt *f, const struct nt_job_view *v)
{
    static const char *const heads[] = {"Sum",   "Average", "Median",
                                        "Least", NULL,      "Most"};

    nt__fmt_print(f, "\n%-*s", LABEL_WIDTH, v->ranked ? "Ranks" : "Processes");
    for (size_t i = 0; i < NT_ARRAY_LEN(heads); i++)
        if (heads[i] != NULL)
            nt__text_cell(f, VALUE_WIDTH, heads[i]);
        else
            nt__text_cell(f, VALUE_WIDTH, v->ranked ? "of rank" : "of pid");
    nt__text_cell(f, VALUE_WIDTH, v->ranked ? "of rank" : "of pid");
    nt__fmt_char(f, '\n');
    nt__text_rule(f, LABEL_WIDTH, VALUE_WIDTH, 7);
    for (const struct nt_figure *g = nt__figures(NT_LIST_JOB); g->name != NULL; g++) {
        struct nt_job_spread s = nt__job_spread(v, g);

        nt__fmt_print(f, "%-*s", LABEL_WIDTH, g->label);
        nt__text_value(f, VALUE_WIDTH, g->unit, s.sum);
        nt__text_value(f, VALUE_WIDTH, g->unit, s.sum / v->n);
        nt__text_value(f, VALUE_WIDTH, g->unit, s.median);
        nt__text_value(f, VALUE_WIDTH, g->unit, nt__job_value(s.min, g));
        who(f, s.min);
        nt__text_value(f, VALUE_WIDTH, g->unit, nt__job_value(s.max, g));
        who(f, s.max);
        nt__fmt_char(f, '\n');
    }
}

/* ---- hosts -------------------------------------------------------------------------- */

/* The end of the host that begins at `from`; ranks are sorted by host. */
static size_t host_end(const struct nt_job_view *v, size_t from)
{
    size_t to = from + 1;

    while (to < v->n && strcmp(nt__job_at(v, to)->host, nt__job_at(v, from)->host) == 0)
        to++;
    return to;
}

static uint64_t host_sum(const struct nt_job_view *v, size_t from, size_t to,
                         const struct nt_figure *g)
{
    uint64_t sum = 0;

    for (size_t i = from; i < to; i++)
        sum = nt__job_plus(sum, nt__job_value(nt__job_at(v, i), g));
    return sum;
}

static void over_hosts(struct nt_fmt *f, const struct nt_job_view *v)
{
    nt__fmt_print(f, "\n%-*s", LABEL_WIDTH, "Hosts");
    nt__text_cell(f, VALUE_WIDTH, "Average");
    nt__text_cell(f, VALUE_WIDTH, "Least");
    nt__text_cell(f, VALUE_WIDTH, "Most");
    nt__fmt_str(f, "  of hosts\n");
    nt__text_rule(f, LABEL_WIDTH, VALUE_WIDTH, 4);
    for (const struct nt_figure *g = nt__figures(NT_LIST_JOB); g->name != NULL; g++) {
        uint64_t sum = 0, min = UINT64_MAX, max = 0;
        size_t hosts = 0, min_at = 0, max_at = 0;

        for (size_t from = 0, to; from < v->n; from = to, hosts++) {
            uint64_t x = host_sum(v, from, to = host_end(v, from), g);

            sum = nt__job_plus(sum, x);
            if (x < min)
                min = x, min_at = from;
            if (x > max || hosts == 0)
                max = x, max_at = from;
        }
        nt__fmt_print(f, "%-*s", LABEL_WIDTH, g->label);
        nt__text_value(f, VALUE_WIDTH, g->unit, sum / nt__max(hosts, 1));
        nt__text_value(f, VALUE_WIDTH, g->unit, min);
        nt__text_value(f, VALUE_WIDTH, g->unit, max);
        nt__fmt_str(f, "  ");
        nt__fmt_name(f, 0, nt__job_at(v, min_at)->host);
        nt__fmt_str(f, ", ");
        nt__fmt_name(f, 0, nt__job_at(v, max_at)->host);
        nt__fmt_char(f, '\n');
    }
}

/* ---- where memory was in use -------------------------------------------------------- */

/* What some ranks had in use at their peaks. */
struct share {
    size_t ranks;
    uint64_t sum, min, max;
    const struct nt_job_row *fullest;
};

static void share_add(struct share *s, const struct nt_job_row *row, uint64_t v)
{
    if (s->ranks == 0 || v < s->min)
        s->min = v;
    if (s->ranks == 0 || v > s->max) {
        s->max = v;
        s->fullest = row;
    }
    s->ranks++;
    s->sum = nt__job_plus(s->sum, v);
}

static void shares_head(struct nt_fmt *f, const struct nt_job_view *v,
                        const char *title)
{
    nt__fmt_print(f, "\n%-*s", LABEL_WIDTH, title);
    nt__text_cell(f, VALUE_WIDTH, v->ranked ? "Ranks" : "Processes");
    nt__text_cell(f, VALUE_WIDTH, "Sum");
    nt__text_cell(f, VALUE_WIDTH, "Average");
    nt__text_cell(f, VALUE_WIDTH, "Least");
    nt__text_cell(f, VALUE_WIDTH, "Most");
    nt__text_cell(f, VALUE_WIDTH, v->ranked ? "of rank" : "of pid");
    nt__fmt_char(f, '\n');
    nt__text_rule(f, LABEL_WIDTH, VALUE_WIDTH, 6);
}

static void share_text(struct nt_fmt *f, const struct share *s)
{
    char text[24];

    nt__fmt_into(text, sizeof text, "%zu", s->ranks);
    nt__text_cell(f, VALUE_WIDTH, text);
    nt__text_value(f, VALUE_WIDTH, 'b', s->sum);
    if (s->ranks > 0) {
        nt__text_value(f, VALUE_WIDTH, 'b', s->sum / s->ranks);
        nt__text_value(f, VALUE_WIDTH, 'b', s->min);
        nt__text_value(f, VALUE_WIDTH, 'b', s->max);
        who(f, s->fullest);
    }
    nt__fmt_char(f, '\n');
}

static struct share host_share(const struct nt_job_view *v, size_t from)
{
    struct share s = {0};

    for (size_t i = from, to = host_end(v, from); i < to; i++)
        share_add(&s, nt__job_at(v, i), nt__job_at(v, i)->live_bytes_peak);
    return s;
}

/* The fullest hosts; ranks are sorted by host. */
static void by_hosts(struct nt_fmt *f, const struct nt_job_view *v, size_t hosts)
{
    uint64_t last = UINT64_MAX;
    size_t last_at = 0;

    shares_head(f, v, "Live, peak, by host");
    for (size_t shown = 0; shown < hosts && shown < HOSTS_SHOWN; shown++) {
        struct share best = {0};
        size_t best_at = SIZE_MAX;

        for (size_t from = 0; from < v->n; from = host_end(v, from)) {
            struct share s = host_share(v, from);
            bool is_next =
                shown == 0 || s.sum < last || (s.sum == last && from > last_at);

            if (is_next && (best_at == SIZE_MAX || s.sum > best.sum)) {
                best = s;
                best_at = from;
            }
        }
        nt__fmt_name(f, LABEL_WIDTH, best.fullest->host);
        share_text(f, &best);
        last = best.sum;
        last_at = best_at;
    }
    if (hosts > HOSTS_SHOWN)
        nt__fmt_print(f, "(%zu hosts that had less)\n", hosts - HOSTS_SHOWN);
}

/* What the rank had on the node at its peak there. */
static uint64_t on_node(const struct nt_job_row *row, int64_t node)
{
    for (size_t n = 0; n < row->nodes; n++)
        if (row->node[n].node == node)
            return row->node[n].live_bytes_peak;
    return 0;
}

static void node_name(char *text, size_t size, int64_t node)
{
    if (node == NT_JOB_NODE_REST)
        nt__fmt_into(text, size, "Other nodes");
    else
        nt__fmt_into(text, size, "Node %lld", (long long)node);
}

/* The numbers of the sum's nodes, one after the other, and NT_JOB_NODE_REST at the end. */
static int64_t node_number(const struct nt_snapshot *sum, size_t i)
{
    return i < sum->nodes ? sum->node_id[i] : NT_JOB_NODE_REST;
}

static void by_nodes(struct nt_fmt *f, const struct nt_job_view *v,
                     const struct nt_snapshot *sum)
{
    char name[32];

    shares_head(f, v, "Live, peak, by node");
    for (size_t n = 0; n <= sum->nodes; n++) {
        struct share s = {0};
        int64_t node = node_number(sum, n);

        for (size_t i = 0; i < v->n; i++)
            if (on_node(&v->rows[i], node) > 0)
                share_add(&s, &v->rows[i], on_node(&v->rows[i], node));
        if (node == NT_JOB_NODE_REST && s.ranks == 0)
            continue;
        node_name(name, sizeof name, node);
        nt__fmt_print(f, "%-*s", LABEL_WIDTH, name);
        share_text(f, &s);
    }
}

/* Of the ranks that column `c` of `columns` stands for, the most that one had there. */
static uint64_t most(const struct nt_job_view *v, int64_t node, size_t c,
                     size_t columns)
{
    uint64_t max = 0;

    for (size_t i = c * v->n / columns; i < (c + 1) * v->n / columns; i++)
        max = nt__max(max, on_node(&v->rows[i], node));
    return max;
}

/* Ranks go across, nodes down; the darker, the more. */
static void picture(struct nt_fmt *f, const struct nt_job_view *v,
                    const struct nt_snapshot *sum)
{
    static const char shades[] = " .:-=+*#%@";
    const uint64_t darkest = sizeof shades - 2;
    uint64_t scale;
    size_t columns = nt__min(v->n, PICTURE_COLUMNS);
    uint64_t max = 0;
    char name[32];

    for (size_t n = 0; n <= sum->nodes; n++)
        max = nt__max(max, most(v, node_number(sum, n), 0, 1));
    if (max == 0)
        return;
    scale = nt__min(max, PICTURE_MOST);
    nt__fmt_print(f, "\nLive, peak: %s go across, in order",
                  v->ranked ? "ranks" : "processes");
    if (v->n > columns)
        nt__fmt_print(f, ", the most of %zu or %zu in a column", v->n / columns,
                      (v->n + columns - 1) / columns);
    nt__fmt_str(f, "; '@' is ");
    nt__text_amount(f, 'b', max);
    nt__fmt_str(f, ", ' ' is none\n");
    for (size_t n = 0; n <= sum->nodes; n++) {
        int64_t node = node_number(sum, n);

        if (most(v, node, 0, 1) == 0)
            continue;
        node_name(name, sizeof name, node);
        nt__fmt_print(f, "%-*s |", LABEL_WIDTH, name);
        for (size_t c = 0; c < columns; c++) {
            uint64_t part = nt__min(most(v, node, c, columns), PICTURE_MOST);

            /* Rounded up: only nothing is blank. */
            nt__fmt_char(f, shades[(part * darkest + scale - 1) / scale]);
        }
        nt__fmt_str(f, "|\n");
    }
}

void nt__job_tables(struct nt_fmt *f, const struct nt_job_view *v,
                    const struct nt_snapshot *sum)
{
    size_t hosts;

    over_ranks(f, v);
    hosts = nt__job_sort_hosts(v);
    if (hosts > 1)
        over_hosts(f, v);
    by_hosts(f, v, hosts);
    by_nodes(f, v, sum);
    picture(f, v, sum);
}
