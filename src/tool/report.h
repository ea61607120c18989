/* SPDX-License-Identifier: MIT */
/*
 * numatally report: from files to formats.
 *
 *   read.c       the records in a file; that of a process (watched*.c find its live file)
 *   report.c     the verb: options, which format, where to
 *   out_*.c      one format each: records to a FILE
 *   diff*.c      two records, compared
 *   rows.c       a record as tables of rows, for formats that walk all figures
 *   symbols.c    return addresses to functions and lines
 *
 * A format is a row in report.c's table and one function. It gets all records at once if it
 * asks for that, else one after the other, as they are read. It writes with stdio, and need
 * not look whether that went well: report.c asks the stream.
 */
#ifndef NT_TOOL_REPORT_H
#define NT_TOOL_REPORT_H

#include "src/tool/tool.h"

#include <stdio.h>

/* `p`, unless it is NULL: then the tool ends with a complaint. */
void *nt__tool_memory(void *p);

/* ---- read.c ------------------------------------------------------------------------ */

/* `record` is the visitor's now: nt__record_free, free. */
typedef void nt_visit(struct nt_record *record, void *context);

/* Visit the records in a file. 0, or the exit status after complaints; the good records
 * were visited all the same. */
int nt__records_each(const char *path, nt_visit *visit, void *context);

/* Visit the record of a process that runs, after a line on stderr that says how old its
 * figures are. As above. */
int nt__records_process(pid_t pid, nt_visit *visit, void *context);

/* ---- formats ------------------------------------------------------------------------ */

#define NT_REFUSED (-4096) /* after a complaint; no errno */

/* Write `n` records; before these `written` others were, by earlier calls. 0, NT_REFUSED or a
 * negative errno that the stream does not know of. */
typedef int nt_write(FILE *out, struct nt_record *const *records, size_t n,
                     size_t written);

nt_write nt__out_text, nt__out_json, nt__out_pprof;
nt_write nt__out_csv, nt__out_prometheus, nt__out_collapsed, nt__out_html;

/* What --value says: the name of the figure of a site that is shown by formats that show
 * one. */
extern const char *nt__report_value;

/* ---- diff.c -------------------------------------------------------------------------- */

/* A comparison of two records in one format. */
struct nt_diff;
typedef int nt_diff_write(FILE *out, const struct nt_diff *diff);

nt_diff_write nt__diff_text, nt__diff_json, nt__diff_csv;

/* Compare the records, which are those of the files `paths`. 0, or a negative errno that the
 * stream does not know of. */
int nt__diff_write(FILE *out, nt_diff_write *write, const char *const paths[2],
                   struct nt_record *const records[2]);

/* ---- symbols.c ------------------------------------------------------------------------ */

/* One function that a return address lies in. Texts are a row of UTF-8 without control
 * characters, 4 KiB at most, and live until the tool ends. */
struct nt_frame {
    const char *function; /* never NULL: in doubt "libm.so.6+0x1234" or "0x1234" */
    const char *module;   /* path; NULL: not known */
    const char *file;     /* NULL: not known */
    unsigned line;        /* 0: not known */
};

/* A path's name without folders. */
const char *nt__after_slash(const char *path);

/* The symbols of the modules that a profile names. A file that is gone or was changed since
 * is said once on stderr. */
struct nt_symbols *nt__symbols_open(const struct nt_profile *profile);
void nt__symbols_close(struct nt_symbols *symbols);

/* What the return address `pc`, of a stack of `generation`, lies in: the innermost function
 * inlined there first, then those it is inlined in. *frames is good until the next call;
 * there is at least one. */
size_t nt__symbols_find(struct nt_symbols *symbols, uint32_t generation, uint64_t pc,
                        const struct nt_frame **frames);

#endif
