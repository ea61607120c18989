/* SPDX-License-Identifier: MIT */
/*
 * What the analyses share. Each is a function that looks at a record and adds findings.
 *
 * All thresholds and prices stand here. Two rules hold for all: a finding must cost enough
 * (nt__finding_counts), and what was sampled must be sure to do so, not only likely.
 */
#ifndef NT_TOOL_ANALYSIS_H
#define NT_TOOL_ANALYSIS_H

#include "src/base/fmt.h"
#include "src/tool/findings.h"
#include "src/tool/places.h"
#include "src/track/estimate.h"

/* ---- Thresholds -------------------------------------------------------------------- */

/* Of the memory or of the processor time: less is not worth a reader's minute, and two runs
 * of a program seldom differ by less. */
#define NT_LEAST_SHARE 0.01
/* What any process has, whatever it does: the C library's buffers, a stack, a slab or two. */
#define NT_LEAST_BYTES (1.0 * NT_MIB)
/* What starting a process takes, some times over. */
#define NT_LEAST_NS 10e6
/* An estimate must be this many standard errors beyond a threshold: 99 of 100 are. */
#define NT_SURE 2.58
/* From here on an estimate is distributed normally enough for that to be true. */
#define NT_LEAST_SAMPLES 20

/* Leak and growth: in its first second a program starts up, and what fills then says nothing
 * about what hours will do. */
#define NT_LEAST_RUN_NS 1e9

/* Leak: one site is judged by itself from so many samples in use on: then eight parts of its
 * time have six each. */
#define NT_LEAK_SITE 50
/* A leak's time begins with its first blocks, and is a quarter of the run at least: what is
 * allocated lately may be what the program is working on. */
#define NT_LEAK_SPAN 0.25
/* In five of eight parts of that time or more it left 3 % of what is there (an even leak:
 * 12.5). What is made at once, or in two phases, is in fewer. */
#define NT_LEAK_PARTS 5
#define NT_LEAK_PART 0.03
/* And it goes on: since the last block no longer went by than an eighth of that time, or half as
 * much again as between two others. What was filled, and then used, fails here. */
#define NT_LEAK_PAUSE 1.5
/* Of its blocks that reached an eighth of that time nine in ten were never freed. Others are
 * kept for a while, as in a cache. */
#define NT_LEAK_AGE 0.125
#define NT_LEAK_KEPT 0.9

/* The history is looked at in eighths of the run: parts that are long beside a program's
 * steps, and enough of them to see a shape. */
#define NT_HISTORY_PARTS 8

/* Growth: the least that was live in each part, from the second on, is more each time, and of
 * the whole rise a quarter or more is in the last three parts (an even rise: half). So it does
 * not level off, even if the machine was busy meanwhile. */
#define NT_GROWTH_LATE 0.25
/* ... by a quarter of the memory in all: less is the sway of what goes on. */
#define NT_GROWTH_SHARE 0.25
/* ... with a point in each part; one part may be without, if nothing ran, but not the last. A
 * busy machine leaves no more than one to some of a short run. */
#define NT_GROWTH_POINTS 1
#define NT_GROWTH_PARTS 6

/* Waste inside blocks: the built-in classes above 128 bytes waste an eighth at most, and a
 * quarter of a class is twice that. */
#define NT_WASTE_PART 0.25

/* Fragmentation: half of the slabs' memory or more is free blocks. Below half the slabs
 * could not be emptied by moving blocks into each other's gaps without filling them. */
#define NT_FRAGMENT_PART 0.5
/* What is no fragmentation: a thread keeps empty slabs of 32 MiB for a second, then of
 * 2 MiB; and of each class a slab that it allocates from: of 512 blocks, up to 2 MiB. */
#define NT_FRAGMENT_EMPTY (32.0 * NT_MIB)
#define NT_FRAGMENT_SLAB (2.0 * NT_MIB)
#define NT_FRAGMENT_SLAB_LEAST (64.0 * 1024)
#define NT_FRAGMENT_BLOCKS 512

/* Small: so short that a block's own costs (finding it, linking it, its line in the cache)
 * are most of what it costs to use. */
#define NT_SMALL_BYTES 256

/* Short-lived: what lives for less than a fiftieth of the run could have been kept. */
#define NT_SHORT_PART 0.02

/* Chains of realloc: a fifth of the place's blocks are moves of others. A buffer that
 * doubles from a sixteenth of its size to the whole has four fifths. */
#define NT_MOVED_PART 0.2

/* ... And of a container's blocks a tenth are in a larger class than their mean. One that doubles
 * from one element to a million has a sixth there, others more; one that never grows none. */
#define NT_OUTGROWN_PART 0.1

/* Imbalance: of three or more threads that allocate (at least a hundredth of what the first
 * does) one held twice what the others do on average; or one node, and three threads or more
 * run on others: fewer may be a library's helpers. Less is how work is divided when it does
 * not divide well. */
#define NT_IMBALANCE_THREADS 3
#define NT_IMBALANCE_LEAST 0.01
#define NT_IMBALANCE_RATIO 2.0
/* ... Of threads only where others free hardly any of their blocks: what is freed for it counts
 * as held by the thread that allocated it. */
#define NT_IMBALANCE_REMOTE 0.05

/* Elsewhere: asked page by page the kernel's answer is exact; sampled, its standard error is
 * below this part of the reserved bytes (docs/counters.md). */
#define NT_RESIDENCY_ERROR 0.004

/* ---- Prices -------------------------------------------------------------------------- */
/* Nanoseconds of processor time, measured on the machine of docs/bench (an AMD EPYC, 2026).
 * Loops with all in the caches pay less, programs that miss them more: they are right within a
 * factor of two or three. No cost is above the time that there was. */

#define NT_PRICE_PAIR 5.0    /* malloc and free of a block of a class */
#define NT_PRICE_REMOTE 10.0 /* a free by another thread, more than one by its own */
#define NT_PRICE_MOVE 12.0   /* a realloc that moves, more than a pair */
#define NT_PRICE_COPY 0.01   /* a byte copied */
#define NT_PRICE_LARGE 150.0 /* malloc and free of a large block, lengths that change */
#define NT_PRICE_FAULT 0.25  /* a byte given back and used again: 1 us a page */

/* ---- The analyses ------------------------------------------------------------------ */

struct nt_analysis {
    const struct nt_record *record;
    struct nt_symbols *symbols;
    struct nt_places places; /* none: nothing was sampled */
    double run_ns;           /* from the start to the record; never 0 */
    double began_ns;         /* the start, by the samples' clock */
    double leaked_bytes;     /* nt__find_leaks's, for nt__find_growth */
    struct nt_findings *out;
};

typedef void nt_find(struct nt_analysis *a);

nt_find nt__find_waste, nt__find_fragmentation;
nt_find nt__find_leaks, nt__find_growth, nt__find_short_lived;
nt_find nt__find_small, nt__find_chains, nt__find_remote_frees;
nt_find nt__find_imbalance, nt__find_elsewhere;

/* Is such a cost, with its standard error, worth a finding? */
bool nt__finding_counts(const struct nt_analysis *a, enum nt_cost unit, double cost,
                        double error);

/* A place, and the one of its sites that has most of what is said about it: of those that
 * call one function one may free what it gets, and another keep it. */
struct nt_spot {
    const struct nt_place *place; /* NULL: none, and the site means nothing */
    size_t site;
};

/* The place, or of `place` unless it is NULL, the site, with the largest sum of `weight`, which
 * has a number for each site; none if that is 0. */
struct nt_spot nt__heaviest(const struct nt_analysis *a, const struct nt_place *place,
                            const double *weight);

/* Of `place` the site with most of one figure, which is so far into nt_site_figures. */
struct nt_spot nt__most_of(const struct nt_analysis *a, const struct nt_place *place,
                           size_t offset);

/* Who has most in use at the end, of the sampled blocks that are `mine`. */
typedef bool nt_mine(const struct nt_sample_figures *sample, const void *context);
struct nt_spot nt__holder(const struct nt_analysis *a, nt_mine *mine,
                          const void *context);

/* Add a finding; good until the next is added. Its sentence and advice are still to be
 * said. */
struct nt_finding *nt__finding_add(struct nt_analysis *a, const char *kind,
                                   enum nt_cost unit, double cost, double error);

/* Its stack is the spot's, if that is one. */
void nt__finding_where(struct nt_analysis *a, struct nt_finding *f,
                       struct nt_spot spot);

/* The largest block of a class; what is above is a large block, with pages of its own. */
double nt__largest_class(const struct nt_snapshot *s);

/* A point of the history, all nodes together. */
struct nt_moment {
    size_t part; /* which of the NT_HISTORY_PARTS of the run it is in */
    double live, committed;
};
struct nt_moment nt__moment(const struct nt_history *h, size_t i);

/* ---- Words --------------------------------------------------------------------------- */

/* As asprintf, never NULL. */
char *nt__say(const char *format, ...) NT_PRINTF(1, 2);

/* A figure as people read it; for one expression: nt__bytes(x).s */
struct nt_words {
    char s[48];
};
struct nt_words nt__bytes(double bytes);                  /* "812.4 MiB" */
struct nt_words nt__bytes_pm(double bytes, double error); /* "812.4 +- 12.1 MiB" */
struct nt_words nt__count(double n);                      /* "1,301", "1.30 million" */
struct nt_words nt__time(double ns);                      /* "1.2 ms" */

#endif
