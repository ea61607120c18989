/* SPDX-License-Identifier: MIT */
/*
 * What is done while system calls fail. Each scenario allocates what it can, takes NULL for
 * an answer where errno is ENOMEM, and lets go of all. What it has is written to, and looked
 * at before it is freed.
 */
#ifndef NT_TESTS_SCENARIOS_H
#define NT_TESTS_SCENARIOS_H

#include <stdbool.h>
#include <stdint.h>

struct scenario {
    const char *name;
    void (*run)(void);
    const char *conf; /* NUMATALLY_CONF; "%s" in it is a folder */
    bool nodes;       /* on a machine with two */
    bool no_place;    /* in a stretch that the kernel chose */
    bool may_warn;    /* what was asked for by name may be missed by name */
};

extern const struct scenario scenarios[];
extern const unsigned scenarios_count;

/* What is in use just now, as far as scenarios know, and what they had. */
struct ledger {
    int64_t blocks, bytes;
    uint64_t taken;    /* blocks, by calls that are no realloc */
    bool reallocs;     /* what was taken can't be told from `taken` */
    const char *wrong; /* NULL: nothing was */
};
extern struct ledger ledger;

#endif
