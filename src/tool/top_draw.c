/* SPDX-License-Identifier: MIT */
#include "src/tool/top_draw.h"
#include "src/base/base.h"
#include "src/base/fmt.h"

#include <curses.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_WIDTH 20
#define TEXT_MAX 2048 /* bytes of a line */
#define MATRIX_WIDTH 10
#define AROUND_BAR 12   /* columns of a bar's name and brackets */
#define BRIEF_BELOW 100 /* columns: its figures without words */

enum { PLAIN, LIVE, COMMITTED, FAR, HEADING, STALE }; /* pairs of colours */

static struct {
    bool colours;
} D;

void nt__top_colours(bool wanted)
{
    D.colours = wanted && has_colors() && start_color() == OK;
    if (!D.colours)
        return;
    use_default_colors();
    init_pair(LIVE, COLOR_GREEN, -1);
    init_pair(COMMITTED, COLOR_BLUE, -1);
    init_pair(FAR, COLOR_RED, -1);
    init_pair(HEADING, COLOR_BLACK, COLOR_GREEN);
    init_pair(STALE, COLOR_YELLOW, -1);
}

static chtype look(int pair, chtype otherwise)
{
    return D.colours ? (chtype)COLOR_PAIR(pair) : otherwise;
}

/* `text` at a place in `width` columns, as far as the screen goes. The column behind it. */
static int put(int y, int x, int width, chtype attributes, const char *text)
{
    char line[TEXT_MAX];
    int room = COLS - x;

    if (y >= 0 && y < LINES && x >= 0 && room > 0) {
        nt__top_fit(line, sizeof line, text, width < room ? width : room);
        attrset((int)attributes);
        mvaddstr(y, x, line);
        attrset((int)A_NORMAL);
    }
    return x + width;
}

static int put_text(int y, int x, chtype attributes, const char *text)
{
    return put(y, x, (int)strlen(text), attributes, text);
}

/* ---- bars ----------------------------------------------------------------------------- */

/* What is the whole bar? */
static double scale_of(const struct nt_picture *p, size_t slot)
{
    const struct nt_snapshot *s = &p->top->live->snapshot;
    uint64_t most = 1;

    if (!p->close_up && p->top->memory[slot] != 0)
        return (double)p->top->memory[slot];
    for (size_t n = 0; n < s->nodes; n++) {
        most = nt__max(most, s->node[n].committed_bytes_now);
        most = nt__max(most, s->node[n].live_bytes_peak);
        most = nt__max(most, s->node[n].resident_bytes_now);
    }
    return (double)most;
}

static int cells_of(double bytes, double whole, int cells)
{
    return bytes >= whole ? cells : (int)(bytes / whole * cells + 0.5);
}

/* What bars are drawn with: live, committed beyond that, in memory beyond both. */
static const char *glyph(size_t part)
{
    static const char *const plain[] = {"|", ":", "."};
    static const char *const fine[] = {"\u2588", "\u2592", "\u00b7"};

    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? fine[part] : plain[part];
}

/* The figures beside the bar of a node. */
static void bar_text(const struct nt_picture *p, size_t slot, bool brief, char *out,
                     size_t cap)
{
    const struct nt_snapshot *s = &p->top->live->snapshot;
    const struct nt_node_figures *node = &s->node[slot];
    char live[NT_CELL], committed[NT_CELL], resident[NT_CELL], all[NT_CELL];
    bool asked = s->residency_pages_now != 0;

    nt__top_bytes(live, (double)node->live_bytes_now);
    nt__top_bytes(committed, (double)node->committed_bytes_now);
    nt__top_bytes(resident, (double)node->resident_bytes_now);
    nt__top_bytes(all, scale_of(p, slot));
    if (brief)
        snprintf(out, cap, "%s/%s/%s", live, committed, all);
    else
        snprintf(out, cap, "%s live %s committed%s%s%s%s%s", live, committed,
                 asked ? " " : "", asked ? resident : "", asked ? " in memory" : "",
                 p->close_up || p->top->memory[slot] == 0 ? ", bar is " : " of ", all);
}

/* One node, its figures in `width - AROUND_BAR - cells` columns. */
static void draw_bar(const struct nt_picture *p, int y, int x, int cells, size_t slot,
                     const char *text)
{
    static const chtype without[] = {A_BOLD, A_NORMAL, A_DIM};
    static const int pair[] = {LIVE, COMMITTED, COMMITTED};
    const struct nt_node_figures *node = &p->top->live->snapshot.node[slot];
    double whole = scale_of(p, slot);
    const int last[] = {cells_of((double)node->live_bytes_now, whole, cells),
                        cells_of((double)node->committed_bytes_now, whole, cells),
                        cells_of((double)node->resident_bytes_now, whole, cells)};
    char name[32];

    snprintf(name, sizeof name, "node %-3d [",
             (int)p->top->live->snapshot.node_id[slot]);
    x = put(y, x, 10, A_BOLD, name);
    for (int i = 0; i < cells; i++)
        for (size_t part = 0; part < NT_ARRAY_LEN(last); part++)
            if (i < last[part]) {
                put(y, x + i, 1, look(pair[part], without[part]), glyph(part));
                break;
            }
    x = put(y, x + cells, AROUND_BAR - 10, A_BOLD, "] ");
    put_text(y, x, A_NORMAL, text);
}

/* All nodes there is room for, their bars equally long. The next line. */
static int draw_bars(const struct nt_picture *p, int y)
{
    size_t nodes = p->top->live->snapshot.nodes, columns, lines, shown, widest = 0;
    size_t most = LINES / 3 > 1 ? (size_t)LINES / 3 : 1;
    char text[200];
    int width, cells;

    columns = nodes > 4 && COLS >= 120 ? 2 : 1;
    lines = nt__min((nodes + columns - 1) / columns, most);
    shown = nt__min(nodes, lines * columns);
    width = COLS / (int)columns;
    for (size_t i = 0; i < shown; i++) {
        bar_text(p, i, width < BRIEF_BELOW, text, sizeof text);
        widest = nt__max(widest, strlen(text));
    }
    cells = width - AROUND_BAR - 1 - (int)widest;
    for (size_t i = 0; i < shown; i++) {
        bar_text(p, i, width < BRIEF_BELOW, text, sizeof text);
        draw_bar(p, y + (int)(i % lines), (int)(i / lines) * width,
                 cells < 0 ? 0 : cells, i, text);
    }
    y += (int)lines;
    if (nodes > shown) {
        snprintf(text, sizeof text, "and %zu more nodes, in the table (1)",
                 nodes - shown);
        put_text(y++, 0, A_NORMAL, text);
    }
    return y;
}

/* ---- tables --------------------------------------------------------------------------- */

static void draw_tabs(const struct nt_picture *p, int y)
{
    const struct nt_order *order = &p->order[p->view];
    char text[128], by[96] = "name";
    int x = 0;

    for (int v = 0; v < NT_VIEWS; v++) {
        snprintf(text, sizeof text, " %d %s ", v + 1,
                 nt__top_view_title((enum nt_view)v));
        x = put_text(y, x, v == (int)p->view ? A_REVERSE | A_BOLD : A_NORMAL, text);
    }
    if (order->column >= 0)
        nt__top_heading(by, sizeof by, p->view, order->column, order->rates);
    snprintf(text, sizeof text, " by %s%s", by,
             !order->reverse     ? ""
             : order->column < 0 ? ", last first"
                                 : ", least first");
    if (p->view != NT_VIEW_MATRIX)
        put_text(y, x, look(STALE, A_NORMAL), text);
}

static void draw_table(struct nt_picture *p, int y)
{
    const struct nt_order *order = &p->order[p->view];
    int columns[NT_COLUMNS_MAX];
    size_t ncolumns = nt__top_columns(p->view, columns), n;
    const struct nt_top_row **rows = nt__top_rows(p->top, p->view, *order, &n);
    char text[160], cell[200];
    int x;

    p->column = nt__min(p->column, ncolumns - 1);
    put(y, 0, COLS, look(HEADING, A_REVERSE), nt__top_view_title(p->view));
    x = LABEL_WIDTH;
    for (size_t c = p->column; c < ncolumns; c++) {
        int width = nt__top_width(p->view, columns[c]);

        nt__top_heading(text, sizeof text, p->view, columns[c], order->rates);
        snprintf(cell, sizeof cell, "%*s", width, text);
        x = put(y, x, width,
                look(HEADING, A_REVERSE) |
                    (columns[c] == order->column ? A_BOLD | A_UNDERLINE : A_NORMAL),
                cell);
    }
    p->page = LINES - 1 > y + 1 ? (size_t)(LINES - 1 - (y + 1)) : 1;
    p->row = n > p->page ? nt__min(p->row, n - p->page) : 0;
    for (size_t i = p->row; i < n && i - p->row < p->page; i++) {
        y++;
        nt__top_label(text, sizeof text, rows[i]);
        x = put(y, 0, LABEL_WIDTH, A_BOLD, text);
        for (size_t c = p->column; c < ncolumns; c++) {
            int width = nt__top_width(p->view, columns[c]);

            nt__top_cell(text, rows[i], (size_t)columns[c], order->rates);
            snprintf(cell, sizeof cell, "%*s", width, text);
            x = put(y, x, width, A_NORMAL, cell);
        }
    }
    if (n == 0)
        put_text(y + 1, 0, A_NORMAL, "none");
    free(rows);
}

/* Rows: the node freed on; columns: the home of the block. What is off the diagonal went
 * from node to node. */
static void draw_matrix(struct nt_picture *p, int y)
{
    const struct nt_snapshot *s = &p->top->live->snapshot;
    bool rates = p->order[NT_VIEW_MATRIX].rates;
    char text[64], cell[96];
    int x;

    p->column = nt__min(p->column, s->nodes > 0 ? s->nodes - 1 : 0);
    put(y, 0, COLS, look(HEADING, A_REVERSE),
        rates ? "Freed on/s, home:" : "Freed on, home:");
    x = LABEL_WIDTH;
    for (size_t h = p->column; h < s->nodes; h++) {
        snprintf(text, sizeof text, "node %d", (int)s->node_id[h]);
        snprintf(cell, sizeof cell, "%*s", MATRIX_WIDTH, text);
        x = put(y, x, MATRIX_WIDTH, look(HEADING, A_REVERSE), cell);
    }
    p->page = LINES - 1 > y + 1 ? (size_t)(LINES - 1 - (y + 1)) : 1;
    p->row = s->nodes > p->page ? nt__min(p->row, s->nodes - p->page) : 0;
    for (size_t n = p->row; n < s->nodes && n - p->row < p->page; n++) {
        y++;
        snprintf(text, sizeof text, "node %d", (int)s->node_id[n]);
        x = put(y, 0, LABEL_WIDTH, A_BOLD, text);
        for (size_t h = p->column; h < s->nodes; h++) {
            double blocks = rates ? nt__top_freed_rate(p->top, n, h)
                                  : (double)nt__top_freed(p->top, n, h);

            nt__top_count(text, blocks);
            snprintf(cell, sizeof cell, "%*s", MATRIX_WIDTH, text);
            x = put(y, x, MATRIX_WIDTH,
                    n != h && blocks > 0 ? look(FAR, A_BOLD) : A_NORMAL, cell);
        }
    }
}

/* ---- help ----------------------------------------------------------------------------- */

static void draw_help(void)
{
    static const char *const lines[] = {
        "numatally top: what a process allocates, from its live file",
        "",
        "  1 to 7, Tab     the tables, by the names above them",
        "  < >             sort by the column before or behind; r: the other way round",
        "  M A F N         sort by live memory, allocations, frees, name or number",
        "  a               totals per second, or as they are since the start",
        "  arrows, PgUp, PgDn, Home, End    rows and columns that are not in sight",
        "  d, + -          the seconds between looks: typed; more, less",
        "  m               bars against the node's memory, or against the fullest node",
        "  Space           pause, and go on",
        "  ? h             this; any key goes back",
        "  q               leave; a program that was started here runs on to its end",
        "",
        "  Bars: what is live, committed beyond it, in memory beyond both.",
        "  The process writes its figures itself, 10 ms apart or more, when it takes a",
        "  slab or a large block; one that does neither has no newer ones. Where pages",
        "  lie is up to a second older.",
    };

    for (size_t i = 0; i < NT_ARRAY_LEN(lines); i++)
        put_text((int)i, 0, i == 0 ? A_BOLD : A_NORMAL, lines[i]);
}

/* ---- all of it ------------------------------------------------------------------------ */

static int draw_head(const struct nt_picture *p)
{
    bool stale = !p->top->newer;
    char text[512];

    for (size_t i = 0; i < NT_HEAD_LINES; i++) {
        nt__top_head(p->top, i, text, sizeof text);
        put((int)i, 0, COLS,
            i == 0            ? A_BOLD
            : stale && i == 1 ? look(STALE, A_BOLD)
                              : A_NORMAL,
            text);
    }
    return NT_HEAD_LINES;
}

static void draw_foot(const struct nt_picture *p)
{
    char text[256];

    if (p->asks) {
        snprintf(text, sizeof text, "Seconds between looks, %g to %g (now %g): %s_",
                 NT_DELAY_MIN, NT_DELAY_MAX, p->delay, p->typed);
        put(LINES - 1, 0, COLS, A_BOLD, text);
        return;
    }
    snprintf(text, sizeof text,
             "%s?:help  q:quit  <>:sort  r:reverse  a:%s  space:pause  d:%gs",
             p->paused ? "PAUSED  " : "",
             p->order[p->view].rates ? "as they are" : "per second", p->delay);
    put(LINES - 1, 0, COLS, look(HEADING, A_REVERSE), text);
}

void nt__top_draw(struct nt_picture *p)
{
    int y;

    erase();
    if (p->help) {
        draw_help();
    } else {
        y = draw_head(p);
        if (p->top->some) {
            y = draw_bars(p, y);
            draw_tabs(p, y);
            if (p->view == NT_VIEW_MATRIX)
                draw_matrix(p, y + 1);
            else
                draw_table(p, y + 1);
        }
        draw_foot(p);
    }
    refresh();
}
