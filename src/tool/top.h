/* SPDX-License-Identifier: MIT */
/*
 * numatally top: a process watched through its live file.
 *
 *   watched*.c     which file is the process's, whether it still runs
 *   top.c          the verb: options, what is watched
 *   top_run.c      `top -- PROGRAM`: the program, and its output beside a screen
 *   top_data.c     figures, rates and rows in order; knows no terminal
 *   top_text.c     figures as words and cells, of screen and batch alike
 *   top_batch.c    blocks of text, objects of JSON
 *   top_screen.c   the screen and its keys
 *   top_draw.c     what is on it
 *
 * Figures are rows of tables (rows.h), so those that are added to the library's lists appear
 * here, too. A rate is what was added between two snapshots, by the clock of the process that
 * took them; it is of the time between these, whenever we looked.
 */
#ifndef NT_TOOL_TOP_H
#define NT_TOOL_TOP_H

#include "src/tool/rows.h"
#include "src/tool/watched.h"

#include <stdio.h>

struct nt_top_program;

/* ---- top_data.c ----------------------------------------------------------------------- */

enum nt_view {
    NT_VIEW_NODES,
    NT_VIEW_CLASSES,
    NT_VIEW_POOLS,
    NT_VIEW_THREADS,
    NT_VIEW_PHASES,
    NT_VIEW_TRACKED,
    NT_VIEW_MATRIX, /* no rows of figures: nt__top_freed */
    NT_VIEWS
};

struct nt_top_row {
    enum nt_table table;
    int64_t number; /* of the row: node, size, tid, place in the list */
    char *name;     /* UTF-8; "": none */
    unsigned nth;   /* of those of this name in its table */
    size_t n;       /* values, of the table's first columns */
    uint64_t values[NT_COLUMNS_MAX];
    bool rated;                   /* it was there before */
    double rates[NT_COLUMNS_MAX]; /* per second, of totals */
};

struct nt_top {
    struct nt_watched watched;
    struct nt_live *live; /* the last figures */
    int error;        /* negative errno of the last look; 0: figures could be read */
    bool some;        /* there are figures */
    bool newer;       /* the last look found others than the one before */
    bool still;       /* it did not, and the process is idle: rates are 0 */
    bool since_start; /* rates are over the whole time of the process */
    double seconds;   /* the time that rates are of; 0: none */
    struct nt_top_row *rows;
    size_t nrows;
    uint64_t freed_before[NT_NODES_MAX][NT_NODES_MAX];
    uint64_t memory[NT_NODES_MAX];  /* bytes that a node has; 0: not known */
    struct nt_top_program *program; /* NULL: it is not ours */
    int status; /* its wait status, if it is ours and has ended; -1 */
};

/* Begin with what `t->watched` is. */
void nt__top_begin(struct nt_top *t);

/* Look for newer figures. */
void nt__top_look(struct nt_top *t);

void nt__top_end(struct nt_top *t);

enum nt_table nt__top_table(enum nt_view view);

/* The row of a table without numbers, such as NT_TABLE_TOTAL. NULL: there is none. */
const struct nt_top_row *nt__top_row(const struct nt_top *t, enum nt_table table);

/* The place of a figure among a table's columns; -1: it is not one. */
int nt__top_column(enum nt_table table, const char *name);

/* Is it a total, which has a rate? */
bool nt__top_is_total(const struct nt_column *column);

/* How rows are put in order. */
struct nt_order {
    int column;   /* of the view's table; -1: by name or number */
    bool rates;   /* totals by their rates */
    bool reverse; /* the least first, of names the last */
};

/* The rows of a view in that order, an array for the caller to free. */
const struct nt_top_row **nt__top_rows(const struct nt_top *t, enum nt_view view,
                                       struct nt_order order, size_t *n);

/* Blocks of slot `home` freed by threads on slot `from`; the same per second. */
uint64_t nt__top_freed(const struct nt_top *t, size_t from, size_t home);
double nt__top_freed_rate(const struct nt_top *t, size_t from, size_t home);

/* ---- top_text.c ----------------------------------------------------------------------- */

#define NT_CELL 32 /* bytes of a figure in words */

/* A figure in at most 8 characters, so that it can be told at a glance: a count with all its
 * digits while they are seven, bytes as 1023 or 1.50M, times in seconds. */
void nt__top_count(char *out, double value);
void nt__top_bytes(char *out, double value);

/* Column `c` of a row: its rate or its amount, as `rates` says and there is; "-": unknown. */
void nt__top_cell(char *out, const struct nt_top_row *row, size_t c, bool rates);

/* The name of a row, for its first column. */
void nt__top_label(char *out, size_t cap, const struct nt_top_row *row);

/* The word for a view in options and the title on its tab; -1: no view has that name. */
const char *nt__top_view_word(enum nt_view view);
const char *nt__top_view_title(enum nt_view view);
int nt__top_view(const char *word);

/* The columns of a view in the order of showing them, those of most interest first. */
size_t nt__top_columns(enum nt_view view, int *out);

/* The heading of column `c`, and the characters the column is wide. */
void nt__top_heading(char *out, size_t cap, enum nt_view view, int c, bool rates);
int nt__top_width(enum nt_view view, int c);

/* How the view is in order if nobody says otherwise. */
struct nt_order nt__top_order(enum nt_view view, bool rates);

/* The figure that `word` means as a key to sort by: its name, or that without its end, or
 * "name"; -2: none. */
int nt__top_sort(enum nt_view view, const char *word);

/* `text` in exactly `width` columns of the terminal: cut, or filled up with blanks. What the
 * terminal cannot show is '?'. */
void nt__top_fit(char *out, size_t cap, const char *text, int width);

/* The lines above the tables: which process; how fresh; its rates. */
#define NT_HEAD_LINES 3
void nt__top_head(const struct nt_top *t, size_t line, char *out, size_t cap);

/* ---- top_run.c ------------------------------------------------------------------------ */

/* A program that runs for us. */
struct nt_top_program {
    pid_t runner; /* our child, which is `numatally run` */
    pid_t pid;    /* the program */
    int told;     /* where the runner says what it started, and how that ended */
    int held;     /* while this is open it leaves the live file alone */
    int kept;     /* what the program writes to the terminal; -1: it is not kept */
};

struct nt_top_run_options {
    char **program;
    bool report;
    const char *report_to; /* NULL: stderr */
    const char *output;    /* for what it writes; NULL: see screen */
    bool screen; /* keep what it writes from the terminal, and show it later */
};

/* Start it, with `w` on its live file, which may come later. 0, or the tool's exit status. */
int nt__top_start(struct nt_top_program *p, const struct nt_top_run_options *o,
                  struct nt_watched *w);

/* Has it ended? Its wait status, or -1. */
int nt__top_program_status(struct nt_top_program *p);

/* Show what was kept, wait for its end, sending signals on, and end as it did: the exit
 * status. */
int nt__top_finish(struct nt_top_program *p);

/* ---- top.c ---------------------------------------------------------------------------- */

#define NT_DELAY_MIN 0.01 /* seconds */
#define NT_DELAY_MAX 86400.0

struct nt_top_options {
    double delay;      /* seconds */
    long iterations;   /* 0: no end */
    enum nt_view view; /* that is shown at first */
    struct nt_order order;
    bool json;
    FILE *out;         /* of batch and JSON */
    FILE *in, *screen; /* the terminal */
};

/* A signal asks us to end: to be looked at after every wait. */
bool nt__top_must_end(void);

/* The signal that came for the program, and to us alone, since the last call; 0: none. */
int nt__top_signal(void);

/* Has the program ended? Then there are no figures after the next look. */
bool nt__top_is_over(struct nt_top *t);

/* ---- top_batch.c, top_screen.c -------------------------------------------------------- */

/* Show it until the user, the process or the count of iterations ends it. 0, or
 * NT_EXIT_BAD_INPUT after a complaint. */
int nt__top_batch(struct nt_top *t, const struct nt_top_options *o);
int nt__top_screen(struct nt_top *t, const struct nt_top_options *o);

#endif
