/* SPDX-License-Identifier: MIT */
/*
 * Rows in groups by what they are called, each group summed up: what a table has several
 * times under one name (pools, threads, sites whose stacks read the same) is one row here.
 * There are two sums, for formats that compare two records.
 *
 * Standard errors are of independent estimates: they add up as the root of the sum of their
 * squares.
 */
#ifndef NT_TOOL_GROUPS_H
#define NT_TOOL_GROUPS_H

#include "src/tool/rows.h"

struct nt_group {
    enum nt_table table;
    char *key;
    int64_t row;  /* the number of the first that was added */
    size_t place; /* in the order in which groups came */
    size_t n[2];  /* values; 0: there is no such row */
    uint64_t values[2][NT_COLUMNS_MAX];
};

struct nt_groups {
    struct nt_group **rows; /* in that order */
    size_t n, cap;
    void *tree; /* of tsearch, by table and key */
};

/* Add `row` to sum `side`, 0 or 1, of the rows of its table with this key. */
void nt__groups_add(struct nt_groups *groups, int side, const struct nt_row *row,
                    const char *key);
void nt__groups_free(struct nt_groups *groups);

/* The standard error of a sum, or difference, of two estimates with these. */
uint64_t nt__errors_add(uint64_t a, uint64_t b);

#endif
