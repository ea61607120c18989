/* SPDX-License-Identifier: MIT */
/*
 * A record as tables of rows of figures, for formats that are walks over all figures: they
 * need not know which there are, and a figure that is added to the lists of the library
 * appears in them.
 *
 * The figures of a table have the names, units and sentences of those lists, and of
 * docs/counters.md.
 */
#ifndef NT_TOOL_ROWS_H
#define NT_TOOL_ROWS_H

#include "src/tool/report.h"

enum nt_table {
    NT_TABLE_RECORD, /* when it was read, and whether at the process's end */
    NT_TABLE_PROCESS,
    NT_TABLE_TOTAL, /* over the nodes */
    NT_TABLE_NODE,
    NT_TABLE_FREE_MATRIX, /* row: node freed on, column: home node */
    NT_TABLE_CLASS,
    NT_TABLE_PHASE,
    NT_TABLE_POOL,
    NT_TABLE_TRACKED,
    NT_TABLE_TRACKED_SIZE, /* column: least size, bytes */
    NT_TABLE_THREAD,
    NT_TABLE_PROFILE,
    NT_TABLE_SITE_TOTAL,
    NT_TABLE_LIFETIME_TOTAL, /* column: shortest lifetime, ns */
    NT_TABLE_HISTORY,        /* row: ns since the start, column: node */
    NT_TABLE_SIZE,           /* row: largest size, bytes; 0: all larger */
    NT_TABLE_SITE,
    NT_TABLE_LIFETIME,    /* row: site; column: as above */
    NT_TABLE_SAMPLE,      /* sampled blocks in use */
    NT_TABLE_REMOTE_FREE, /* row: site of the allocation, column: of the free */
    NT_TABLES
};

struct nt_column {
    const char *name, *label, *text;
    char unit; /* 'n' a count, 'b' bytes, 't' ns, '#' a number that is a name */
    uint16_t offset;
};

/* A table's name, and its columns, ended by one without a name. */
const char *nt__table_name(enum nt_table table);
const struct nt_column *nt__table_columns(enum nt_table table);

/* Is this column the standard error of the one before it? */
bool nt__column_is_error(const struct nt_column *column);

#define NT_COLUMNS_MAX 40

struct nt_row {
    enum nt_table table;
    bool has_row, has_column; /* does it have these numbers? */
    int64_t row, column;
    const char
        *name; /* UTF-8; "": none. Of a site: its stack, as nt__stack_text has it */
    size_t n;  /* values: those of the first columns. The record has no others */
    uint64_t values[NT_COLUMNS_MAX];
};

/* `row` is good for the time of the call. */
typedef void nt_row_visit(const struct nt_row *row, void *context);

/* The rows of all tables up to NT_TABLE_LIFETIME_TOTAL; of the others, of which there may be
 * many. */
void nt__rows_few(const struct nt_record *record, nt_row_visit *call, void *context);
void nt__rows_many(const struct nt_record *record, nt_row_visit *call, void *context);

/* A copy of up to `size` bytes at `text`, the caller's to free: U+FFFD for each byte that is
 * not UTF-8. */
char *nt__tool_utf8(const char *text, size_t size);

/* ---- out_csv.c ----------------------------------------------------------------------- */

/* A text in quotes if it needs them; the word for a column's unit. */
void nt__csv_text(FILE *out, const char *text);
const char *nt__csv_unit(char unit);

/* ---- stack.c ------------------------------------------------------------------------- */

/* The name of a function, with ':' for ';' and '_' for blanks and control characters; of one
 * without, "[unknown]". */
void nt__stack_put(FILE *out, const char *name);

/* A stack in one line of UTF-8, the caller's to free: its functions, put so, from the root on
 * with ';' in between; if it is empty, as a function without a name. */
char *nt__stack_text(struct nt_symbols *symbols, const struct nt_site_figures *site);

#endif
