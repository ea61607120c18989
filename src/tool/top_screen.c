/* SPDX-License-Identifier: MIT */
/*
 * The screen: one loop that waits for a key or for the time of the next look.
 *
 * It ends by q, by a signal, when the terminal goes away, after so many looks, and never
 * because the process ended: then its last figures stay.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/tool.h"
#include "src/tool/top_draw.h"

#include <curses.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE_MS 100 /* so often it is looked whether the program ended */

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- keys ----------------------------------------------------------------------------- */

static void change_delay(struct nt_picture *p, bool longer)
{
    static const double steps[] = {0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60};
    size_t n = NT_ARRAY_LEN(steps);

    if (longer) {
        for (size_t i = 0; i < n; i++)
            if (steps[i] > p->delay) {
                p->delay = steps[i];
                return;
            }
    } else {
        for (size_t i = n; i-- > 0;)
            if (steps[i] < p->delay) {
                p->delay = steps[i];
                return;
            }
    }
}

/* A key of the line that asks for a delay. Enter takes what was typed, if it may be one; any
 * other key that is none of a number's leaves the delay as it is. */
static void delay_key(struct nt_picture *p, int key)
{
    size_t n = strlen(p->typed);
    double wanted;
    char *end;

    if (((key >= '0' && key <= '9') || key == '.') && n + 1 < sizeof p->typed) {
        p->typed[n] = (char)key;
        p->typed[n + 1] = '\0';
        return;
    }
    if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && n > 0) {
        p->typed[n - 1] = '\0';
        return;
    }
    wanted = strtod(p->typed, &end);
    if ((key == '\r' || key == '\n' || key == KEY_ENTER) && n > 0) {
        if (*end != '\0' || !(wanted >= NT_DELAY_MIN && wanted <= NT_DELAY_MAX)) {
            p->typed[0] = '\0'; /* ask again */
            return;
        }
        p->delay = wanted;
    }
    p->asks = false;
}

/* Sort by the column `by` places behind the one that it is by; before the first is the
 * name. */
static void sort_beside(struct nt_picture *p, int by)
{
    struct nt_order *order = &p->order[p->view];
    int columns[NT_COLUMNS_MAX], n = (int)nt__top_columns(p->view, columns), at = -1;

    for (int i = 0; i < n; i++)
        if (columns[i] == order->column)
            at = i;
    at += by;
    if (at >= -1 && at < n)
        order->column = at < 0 ? -1 : columns[at];
}

/* By the first of these figures that the view has. */
static void sort_by(struct nt_picture *p, const char *const *names)
{
    for (; *names != NULL; names++) {
        int c = nt__top_sort(p->view, *names);

        if (c != -2) {
            p->order[p->view].column = c;
            return;
        }
    }
}

static void show(struct nt_picture *p, int view)
{
    p->view = (enum nt_view)view;
    p->row = p->column = 0;
}

static bool scroll_key(struct nt_picture *p, int key)
{
    size_t page = p->page;

    switch (key) {
    case KEY_UP:
        p->row -= p->row > 0;
        return true;
    case KEY_DOWN:
        p->row++; /* drawing goes no further than there are rows */
        return true;
    case KEY_PPAGE:
        p->row = p->row > page ? p->row - page : 0;
        return true;
    case KEY_NPAGE:
        p->row += page;
        return true;
    case KEY_HOME:
        p->row = 0;
        return true;
    case KEY_END:
        p->row = 100000;
        return true;
    case KEY_LEFT:
        p->column -= p->column > 0;
        return true;
    case KEY_RIGHT:
        p->column++;
        return true;
    default:
        return false;
    }
}

static void sort_key(struct nt_picture *p, int key)
{
    static const char *const live[] = {"live_bytes_now", "live_requested_bytes_now",
                                       "live_bytes_peak", NULL};
    static const char *const allocations[] = {"allocations_total", NULL};
    static const char *const frees[] = {"frees_total", NULL};
    static const char *const name[] = {"name", NULL};

    if (key == '<' || key == '>')
        sort_beside(p, key == '<' ? -1 : 1);
    else if (key == 'r' || key == 'I')
        p->order[p->view].reverse ^= true;
    else
        sort_by(p, key == 'M'   ? live
                   : key == 'A' ? allocations
                   : key == 'F' ? frees
                                : name);
}

/* False: the user wants to leave. */
static bool take_key(struct nt_picture *p, int key)
{
    if (p->help && key != KEY_RESIZE) {
        p->help = false;
        return key != 'q';
    }
    if (p->asks) {
        if (key != KEY_RESIZE)
            delay_key(p, key);
        return true;
    }
    if (scroll_key(p, key))
        return true;
    if (key >= '1' && key < '1' + NT_VIEWS) {
        show(p, key - '1');
        return true;
    }
    switch (key) {
    case 'q':
    case KEY_F(10):
        return false;
    case '\t':
        show(p, ((int)p->view + 1) % NT_VIEWS);
        return true;
    case KEY_BTAB:
        show(p, ((int)p->view + NT_VIEWS - 1) % NT_VIEWS);
        return true;
    case '<':
    case '>':
    case 'r':
    case 'I':
    case 'M':
    case 'A':
    case 'F':
    case 'N':
        if (p->view != NT_VIEW_MATRIX)
            sort_key(p, key);
        return true;
    case 'a':
        for (int v = 0; v < NT_VIEWS; v++)
            p->order[v].rates ^= true;
        return true;
    case 'm':
        p->close_up ^= true;
        return true;
    case '+':
    case '-':
        change_delay(p, key == '+');
        return true;
    case 'd':
    case 's':
        p->asks = true;
        p->typed[0] = '\0';
        return true;
    case ' ':
        p->paused ^= true;
        return true;
    case '?':
    case 'h':
    case KEY_F(1):
        p->help = true;
        return true;
    case 12: /* Ctrl-L */
        clearok(curscr, TRUE);
        return true;
    default:
        return true;
    }
}

/* ---- the loop ------------------------------------------------------------------------- */

/* Is there nobody any more at the terminal's other end? */
static bool is_gone(FILE *terminal)
{
    struct pollfd end = {.fd = fileno(terminal)};

    return poll(&end, 1, 0) > 0 && (end.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* Look, unless the user said not to; once more when the program has ended. */
static void look(struct nt_picture *p, bool *over)
{
    if (*over || p->paused)
        return;
    *over = nt__top_is_over(p->top); /* before the look: it is the last one then */
    nt__top_look(p->top);
}

static void loop(struct nt_picture *p, const struct nt_top_options *o)
{
    uint64_t next = now_ms();
    bool over = false, goes_on = true;
    long looks = 0;

    while (goes_on && !nt__top_must_end()) {
        uint64_t now = now_ms();
        int key;

        if (now >= next || (!over && nt__top_is_over(p->top))) {
            if (o->iterations != 0 && looks == o->iterations)
                return;
            if (looks > 0)
                look(p, &over);
            looks++;
            next = now + (uint64_t)(p->delay * 1000);
            nt__top_draw(p);
        }
        timeout((int)nt__min(next - now, SLICE_MS));
        key = getch();
        if (key == ERR && is_gone(o->in))
            return;
        if (key != ERR) {
            double delay = p->delay;

            goes_on = take_key(p, key);
            if (p->delay != delay)
                next = now + (uint64_t)(p->delay * 1000);
            if (goes_on)
                nt__top_draw(p);
        }
    }
}

int nt__top_screen(struct nt_top *t, const struct nt_top_options *o)
{
    const char *no_color = getenv("NO_COLOR");
    struct nt_picture p = {.top = t, .view = o->view, .delay = o->delay};
    SCREEN *screen = newterm(NULL, o->screen, o->in);

    if (screen == NULL) {
        nt__warn(
            "this terminal is not known (TERM is \"%.64s\"): use --batch for text, or "
            "--json",
            getenv("TERM"));
        return NT_EXIT_BAD_INPUT;
    }
    for (int v = 0; v < NT_VIEWS; v++)
        p.order[v] = v == (int)o->view ? o->order
                                       : nt__top_order((enum nt_view)v, o->order.rates);
    nt__top_colours(no_color == NULL || *no_color == '\0');
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    loop(&p, o);
    endwin();
    delscreen(screen);
    return 0;
}
