/* SPDX-License-Identifier: MIT */
/*
 * numatally tune: from what was recorded to settings.
 *
 *   tune.c            the verb: options, where to
 *   tune_evidence.c   records, summed up
 *   tune_propose.c    from these to a proposal
 *   tune_reserve.c    what is to be kept on each node
 *   tune_classes.c    the best table of size classes
 *   tune_out.c        a proposal as a configuration file, and as JSON
 *   tune_svg.c        the waste against the number of classes, as a picture
 *   tune_verify.c     the program with and without a proposal
 *   tune_trial.c      one run of the program, measured
 *   tune_stats.c      intervals
 *
 * What is minimised is memory: the bytes by which blocks are larger than what their classes were
 * to hold, of the blocks in use when most bytes were. That is what was asked for, rounded up to
 * its alignment, or with the room that a realloc gives: what is the same with any table, so that
 * the waste of one can be said before it is used. How often a size is asked for does not matter;
 * a class more or less costs malloc and free nothing. With several records these are added up,
 * each at its own peak.
 */
#ifndef NT_TOOL_TUNE_H
#define NT_TOOL_TUNE_H

#include "src/tool/report.h"
#include "src/track/profile.h"

#define NT_TUNE_CLASSES_MAX 127 /* in a table; as NT_CONF_CLASSES_MAX */
#define NT_TUNE_Z 1.96          /* standard errors in half of an interval of 95 % */

/* ---- tune_evidence.c ------------------------------------------------------------------ */

/* Blocks of one row of sizes. */
struct nt_tune_blocks {
    double samples;                 /* and estimates: */
    double blocks, held, allocated; /* held: bytes that their classes were to hold */
};

/* A node's committed bytes, as they went up and down: to less than half of the most, and up
 * again. */
struct nt_tune_node {
    int32_t id;
    unsigned again;   /* times that they came up again, in all records */
    double low, high; /* least and most that they then came to, at the points kept */
    double fallen;    /* what they had fallen to, summed */
    double returned;  /* bytes given back to the system */
    bool low_is_known;
};

struct nt_evidence {
    struct nt_tune_node node[NT_NODES_MAX];
    size_t nodes;
    size_t histories; /* records with one */
    struct nt_tune_blocks peak[NT_SIZE_ROWS], all[NT_SIZE_ROWS];
    struct nt_tune_blocks expected[NT_SIZE_ROWS]; /* as peak, with what was missed */
    uint64_t align[NT_SIZE_ROWS]; /* the largest asked for; 0: any class */
    double requested_at_peak;
    double missed;           /* the part of the samples that these sizes would have */
    size_t records, sampled; /* records; those with sizes */
    uint64_t interval;       /* the largest, bytes */
    char program[64], host[64];  /* of the first; "" if others have another */
    double threads;              /* that ever were, at most 64 of a record: summed */
    double live_peak;            /* block bytes, counted */
    double allocated, requested; /* over all time and of all blocks, counted */
    double returned, cpu_ns, huge;
    uint64_t page_bytes; /* the largest */
    uint64_t valley_ns; /* longest time between two points of more than half of the most
                            live bytes; 0: there was none */
};

/* Add a record, after looking at what it says. NULL, or what is wrong with it. */
const char *nt__evidence_add(struct nt_evidence *e, const struct nt_record *r);

/* After the last: fill in `expected`. */
void nt__evidence_expect(struct nt_evidence *e);

/* The largest size of a row that a class serves: not the last. */
uint64_t nt__evidence_size(size_t row);

/* ---- tune_propose.c ------------------------------------------------------------------- */

/* Of the blocks at the peak: by how much they are larger than what their classes were to hold;
 * what these were to hold beyond what was asked for, to be aligned or to grow, which no table
 * changes; and what was asked for. */
struct nt_waste {
    double waste, error; /* bytes; the standard error */
    double room, requested;
};

/* A table of classes, and what it would do at the peak. */
struct nt_tune_table {
    size_t count;
    uint32_t size[NT_TUNE_CLASSES_MAX]; /* ascending, to 512 KiB */
    double bytes, waste, waste_error;   /* of blocks; as struct nt_waste */
    size_t used;                        /* classes that any sample was of */
};

struct nt_proposal {
    const struct nt_evidence *evidence;
    double samples; /* at the peak */
    struct nt_waste recorded;
    struct nt_tune_table builtin, best;
    double saved, saved_error; /* waste, from built in to best */
    double slabs_saved;        /* by fewer classes in use, roughly */
    size_t
        listed; /* of best's classes that the setting names, the rest being built in */
    unsigned guard;
    bool classes;       /* it is worth it */
    uint64_t return_ms; /* 0: left alone */
    double return_saves_ns;
    double reserve[NT_NODES_MAX], reserve_saves_ns; /* bytes, by node; 0: none */
    bool reserves;                                  /* some are proposed */
    bool huge_may_help;
    const char
        *more; /* settings that --verify tried, too, as in NUMATALLY_CONF; NULL: none */
};

/* By what the blocks were when recorded. */
void nt__evidence_waste(const struct nt_evidence *e, struct nt_waste *out);

/* From at most `most` listed classes. NULL, or why there is none. */
const char *nt__tune_propose(struct nt_evidence *e, unsigned most,
                             struct nt_proposal *out);

/* The best table of at most `most` listed classes; false: there is none. */
bool nt__tune_table(const struct nt_evidence *e, unsigned most,
                    struct nt_tune_table *out, size_t *listed, unsigned *guard);

/* ---- tune_reserve.c ------------------------------------------------------------------- */

/* What a record's history says of its nodes. */
void nt__evidence_reserve(struct nt_evidence *e, const struct nt_record *r);

/* Fill in `reserve` and what goes with it, and take `return` out where that does the same. */
void nt__propose_reserve(struct nt_proposal *out);

/* For the file, and for the JSON. */
void nt__reserve_conf(FILE *out, const struct nt_proposal *p);
json_t *nt__reserve_setting(const struct nt_proposal *p);
json_t *nt__reserve_json(const struct nt_proposal *p);

/* ---- tune_out.c ----------------------------------------------------------------------- */

void nt__tune_conf(FILE *out, const struct nt_proposal *p);
json_t *nt__tune_json(const struct nt_proposal *p);

/* For the page: what would be proposed by one record, and the curve of the picture. `null`: it
 * was not sampled. 0. */
int nt__out_tuning(FILE *out, const struct nt_record *r);

/* One line for people. */
void nt__tune_say(FILE *out, const struct nt_proposal *p);

/* ---- tune_svg.c ------------------------------------------------------------------------ */

void nt__tune_svg(FILE *out, const struct nt_proposal *p);

/* The best tables of rising numbers of classes, into tables[0..NT_TUNE_CLASSES_MAX): how many
 * they are. */
size_t nt__tune_curve(const struct nt_proposal *p, struct nt_tune_table *tables);

#endif
