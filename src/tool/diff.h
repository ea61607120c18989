/* SPDX-License-Identifier: MIT */
/*
 * Two records, compared figure by figure: of a program before and after a change, or of a
 * process at two moments.
 *
 * Rows are matched by what they are called: nodes by number, classes by block size, pools,
 * phases, tracked allocators and threads by name, sites by the names of the functions of
 * their stacks, since addresses and lines move. What one record has several times under one
 * name is summed first (groups.h). A row that one of them lacks is compared with nothing.
 *
 * The standard error of a difference is that of two independent estimates. Two moments of
 * one process share samples: there it is too large, and what is no noise by it is none.
 */
#ifndef NT_TOOL_DIFF_H
#define NT_TOOL_DIFF_H

#include "src/tool/groups.h"

struct nt_diff {
    const char *path[2]; /* of the files: before, after */
    const struct nt_snapshot *snapshot[2];
    bool sampled[2];         /* was anything? If not both, sites are left out */
    struct nt_groups groups; /* in order: by table; sites by how much they changed */
};

/* What became of one figure. */
struct nt_change {
    const struct nt_column *column;
    bool there[2]; /* does the record have it? If not its value is 0 */
    uint64_t value[2];
    int64_t difference;
    bool has_error;
    uint64_t error; /* of the difference */
    bool noise;     /* it may be chance alone: within 1.96 errors */
};

/* Fill *out from column `i` of `row`. False: it is no figure to be compared. */
bool nt__diff_change(const struct nt_group *row, size_t i, struct nt_change *out);

#endif
