/* SPDX-License-Identifier: MIT */
/*
 * numatally report --merge: the records of a job's processes, one after the other, become
 * one record of the job. What is kept of each is its row (src/track/job.h), so memory does
 * not grow with the size of the records.
 *
 * What counts as what:
 *   a rank      all processes with its number on its host: their figures are summed
 *   no rank     a process of its own
 *   a process   is counted once. Of several records of it in a row, as in a timeline, the
 *               one read last, if it is later, takes the place of that before; any other
 *               is named and skipped
 *   a job       its record's rows count as if their ranks had been read; if one of them has
 *               been, the whole record is named and skipped, as sums cannot be taken apart
 */
#ifndef NT_TOOL_MERGE_H
#define NT_TOOL_MERGE_H

#include "src/tool/report.h"

struct nt_merge;

/* A job of `ranks` ranks, or of as many as are found if that is more. */
struct nt_merge *nt__merge_begin(uint64_t ranks);

/* Add what was read from `path`. The record is still the caller's. */
void nt__merge_add(struct nt_merge *merge, const struct nt_record *record,
                   const char *path);

/* The job, when all were added, or NULL if none was: nt__record_free, free. *skipped is
 * how many records were. */
struct nt_record *nt__merge_end(struct nt_merge *merge, size_t *skipped);

/* A job as CSV: a line for each rank. As nt_write. */
int nt__out_ranks_csv(FILE *out, struct nt_record *const *records, size_t n,
                      size_t written);

#endif
