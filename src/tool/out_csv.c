/* SPDX-License-Identifier: MIT */
/*
 * CSV, long: a line for each figure, so that a filter and a sum find everything, and tables
 * of any shape are one pivot away.
 *
 *   record   number of the record in this output, from 1
 *   host, program, pid, rank
 *   table, row, column, name     where: see rows.h; what a table lacks is empty
 *   figure, unit, value          unit: count, bytes, ns, or id: a number that is a name
 *
 * Texts are quoted as RFC 4180 has it, where they need it; lines end in a line feed alone,
 * as Unix tools want them.
 */
#include "src/base/base.h"
#include "src/tool/rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void nt__csv_text(FILE *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (const char *s = text; *s != '\0'; s++) {
        if (*s == '"')
            putc('"', out);
        putc(*s, out);
    }
    putc('"', out);
}

const char *nt__csv_unit(char unit)
{
    return unit == 'b' ? "bytes" : unit == 't' ? "ns" : unit == '#' ? "id" : "count";
}

struct csv {
    FILE *out;
    char *process; /* the columns that all lines of a record share */
};

static void write_row(const struct nt_row *row, void *context)
{
    const struct csv *csv = context;
    const struct nt_column *c = nt__table_columns(row->table);
    char numbers[64], *at = numbers;

    if (row->has_row)
        at += sprintf(at, "%" PRId64, row->row);
    *at++ = ',';
    if (row->has_column)
        at += sprintf(at, "%" PRId64, row->column);
    *at = '\0';
    for (size_t i = 0; i < row->n; i++) {
        fprintf(csv->out, "%s,%s,%s,", csv->process, nt__table_name(row->table),
                numbers);
        nt__csv_text(csv->out, row->name);
        fprintf(csv->out, ",%s,%s,", c[i].name, nt__csv_unit(c[i].unit));
        if (c[i].unit == '#') /* a node may be -1: none */
            fprintf(csv->out, "%" PRId64 "\n", (int64_t)row->values[i]);
        else
            fprintf(csv->out, "%" PRIu64 "\n", row->values[i]);
    }
}

static char *process_of(const struct nt_snapshot *s, size_t number)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = nt__tool_memory(open_memstream(&text, &bytes));
    char *host = nt__tool_utf8(s->host, sizeof s->host);
    char *program = nt__tool_utf8(s->program, sizeof s->program);

    fprintf(out, "%zu,", number);
    nt__csv_text(out, host);
    putc(',', out);
    nt__csv_text(out, program);
    fprintf(out, ",%" PRId64 ",", s->pid);
    if (s->rank >= 0)
        fprintf(out, "%" PRId64, s->rank);
    if (fclose(out) != 0)
        nt__tool_memory(NULL);
    free(host);
    free(program);
    return text;
}

int nt__out_csv(FILE *out, struct nt_record *const *records, size_t n, size_t written)
{
    if (written == 0)
        fputs("record,host,program,pid,rank,table,row,column,name,figure,unit,value\n",
              out);
    for (size_t i = 0; i < n; i++) {
        struct csv csv = {out, process_of(&records[i]->snapshot, written + i + 1)};

        nt__rows_few(records[i], write_row, &csv);
        nt__rows_many(records[i], write_row, &csv);
        free(csv.process);
    }
    return 0;
}
