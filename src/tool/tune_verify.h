/* SPDX-License-Identifier: MIT */
/*
 * numatally tune --verify: the program with and without the proposal.
 *
 * First it runs once, sampled, if no records were given: these make the proposal. Then once
 * more, sampled, with it: that measures the waste. Then so many pairs of runs, with and without,
 * the first of a pair by turns: they measure time and peak memory. Before these a search may try
 * settings that only a run can judge, one after the other, each beside what was best so far. The
 * proposal is kept only if it is better than nothing and not slower; what decides is in
 * docs/tune.md.
 */
#ifndef NT_TOOL_TUNE_VERIFY_H
#define NT_TOOL_TUNE_VERIFY_H

#include "src/tool/tune.h"
#include "src/tool/tune_stats.h"

#define NT_EXIT_NOT_KEPT 3

struct nt_verify {
    char **program;
    unsigned runs;      /* pairs */
    unsigned timeout_s; /* of a run */
    unsigned search_s;  /* how long to search; 0: not at all */
    const char *sample; /* the setting */
    const char *with;   /* a setting to add to the proposal; NULL: none */
};

/* What pairs of runs said: 0 is without or before, 1 is with. */
struct nt_compared {
    size_t pairs;                             /* fewer than 3: nothing is said */
    struct nt_interval wall, cpu, rss;        /* ratios */
    double wall_s[2], cpu_s[2], rss_bytes[2]; /* medians */
};

#define NT_TRIED_MAX 8

struct nt_tried {
    const char *setting;
    struct nt_compared is;
    bool kept;
};

struct nt_verified {
    struct nt_verify how;
    struct nt_waste without, with;
    double predicted, predicted_error; /* of with.waste */
    struct nt_compared is;
    bool kept;
    const char *why;
    int exit_status; /* the program's */
    struct nt_tried tried[NT_TRIED_MAX];
    size_t ntried;
    char more[1024]; /* settings of --with and of the search, as in NUMATALLY_CONF */
};

struct nt_proposed {
    bool is_one;   /* there is something to verify */
    bool reserves; /* a reserve is among it */
    struct nt_waste predicted;
};

/* What the verb does for it: take the records in a file as the evidence; write the settings
 * proposed by it to a file, and say what they are. 0, or the tool's exit status. */
struct nt_verify_calls {
    int (*take)(void *context, const char *path, struct nt_waste *out);
    int (*propose)(void *context, const char *path, struct nt_proposed *out);
    void *context;
};

/* 0 with *out, or the tool's exit status after a complaint. */
int nt__verify(const struct nt_verify *how, const struct nt_verify_calls *calls,
               struct nt_verified *out);

/* ---- tune_verify_out.c --------------------------------------------------------------- */

void nt__verified_text(FILE *out, const struct nt_verified *v);
json_t *nt__verified_json(const struct nt_verified *v);

#endif
