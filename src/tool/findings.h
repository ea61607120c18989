/* SPDX-License-Identifier: MIT */
/*
 * What the figures of a record say about how its program allocates, as sentences.
 *
 *   findings.c           which analyses there are, what is worth a sentence, the ranking
 *   analysis.h           what they share: all thresholds and prices, each with its reason
 *   places.c             sites to places in the user's code
 *   findings_memory.c    size classes: waste inside blocks, and between them
 *   findings_leaks.c     what is never freed
 *   findings_lifetime.c  growth, large blocks that live shortly
 *   findings_work.c      many small blocks, growing by realloc, frees by other threads
 *   findings_nodes.c     threads that hold most, pages elsewhere than asked
 *   out_findings.c       findings to text and JSON
 *
 * A finding costs memory or processor time. To rank them all on one scale its cost is
 * divided by what the process used of the same: the most memory that was in use, or all its
 * processor time. A share of 0.1 is a tenth of one or of the other.
 */
#ifndef NT_TOOL_FINDINGS_H
#define NT_TOOL_FINDINGS_H

#include "src/tool/report.h"

enum nt_cost { NT_COST_BYTES, NT_COST_NS };

struct nt_finding {
    const char *kind; /* a word of docs/findings.md, such as "leak" */
    enum nt_cost unit;
    double cost;  /* bytes, or nanoseconds of processor time */
    double error; /* its standard error, if it was estimated from samples; else 0 */
    double share; /* of what the process used of it */
    char *sentence, *advice;
    char **where; /* the stack, innermost first, from the user's code on; often none */
    size_t nwhere;
    char **freed; /* the stack that frees, where it is another's */
    size_t nfreed;
};

/* Texts are UTF-8 without control characters, whatever the record held. */
struct nt_findings {
    struct nt_finding *list; /* by falling share */
    size_t n;
    double memory_bytes, cpu_ns; /* the wholes that shares are of */
    char *note; /* what was not looked for, and what more sampling would add; or NULL */
};

/* Fill *out, for nt__findings_free. `symbols`: of the record's profile. */
void nt__findings_make(const struct nt_record *record, struct nt_symbols *symbols,
                       struct nt_findings *out);
void nt__findings_free(struct nt_findings *f);

/* An object with an array of findings; docs/findings.md has the keys. */
json_t *nt__findings_json(const struct nt_record *record, const struct nt_findings *f);

nt_write nt__out_findings_text, nt__out_findings_json;

#endif
