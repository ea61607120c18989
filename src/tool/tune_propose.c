/* SPDX-License-Identifier: MIT */
/*
 * From evidence to a proposal. A line is proposed only if what it saves is told apart from
 * nothing, and is worth a line: else the default stays, and the proposal says why.
 *
 * The table. Its sizes are all that a class can have up to the largest that was asked for;
 * from there on the built-in ones stay as they are. A class that saves little costs more than
 * it saves: each has slabs of its own, and what is free in these is no other's. So each thread
 * pays half of the smallest slab for a class. That is of classes in use, but the search counts
 * all; so the price is lowered until the table is no worse than the built-in one. No size,
 * seen or not, may waste more than GUARD of 100 bytes: requests that the samples missed, and
 * those of another input, are not to pay for the ones that were seen. For the same reason what was
 * asked for over all time counts, too, for a part of what is in use at the peak: another run's
 * peak may have more of it, or another table's (a program may go by what it got:
 * malloc_usable_size). What is predicted is of the peak alone. Where blocks were aligned
 * the size they were rounded up to is a class, if they are many: another one may be no multiple
 * of the alignment, and they would go by one that is.
 */
#include "src/base/base.h"
#include "src/base/sizes.h"
#include "src/tool/tune.h"
#include "src/tool/tune_classes.h"
#include "src/track/estimate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROWS (NT_SIZE_ROWS - 1) /* those that classes serve */
#define GUARD 25
#define OTHER 0.25          /* of what blocks count at the peak: those of all time */
#define CLASS_BYTES 32768.0 /* of a thread */
#define WORTH 0.01          /* of the bytes at the peak, a table: with its slabs */
#define WORTH_RETURN 0.02   /* of the processor's time, another delay */
#define FAULT_NS 1000.0     /* of a page: docs/tuning.md */
#define RETURN_MS_MAX 3600000u
#define RETURN_MS_LEAST 10000u
#define HUGE_BYTES 0x1p28 /* programs that use less gain nothing: docs/tuning.md */
#define SHIFTS_MAX 64
#define SLICE 65536u /* what large blocks are made of */

/* ---- what a table would do ------------------------------------------------------------- */

/* The bytes of the blocks that serve a row; the table reaches 512 KiB. One aligned block makes
 * the whole row aligned. */
static double class_of(const struct nt_evidence *e, const struct nt_tune_table *t,
                       size_t row)
{
    uint64_t size = nt__evidence_size(row), align = nt__max(e->align[row], 1);
    size_t i = 0;

    while (i < t->count && (t->size[i] < size || t->size[i] % align != 0))
        i++;
    return (double)(i < t->count ? t->size[i] : nt__align_up(size, SLICE));
}

/* The variance of a sum of `each` over the blocks that the samples of a row stand for: a
 * sample stands for 1/p blocks, and adds (each/p)^2 (1-p). */
static double variance(const struct nt_tune_blocks *b, double each)
{
    double weight = b->samples > 0 ? b->blocks / b->samples : 0;

    return weight > 1 ? b->samples * each * each * weight * (weight - 1) : 0;
}

static void predict(const struct nt_evidence *e, struct nt_tune_table *t)
{
    const struct nt_tune_blocks *large = &e->expected[ROWS];
    double sum = 0, last = 0;

    t->used = 0;
    t->bytes = large->allocated;
    t->waste = large->allocated - large->held;
    for (size_t i = 0; i < ROWS; i++) {
        const struct nt_tune_blocks *b = &e->expected[i];

        double class = class_of(e, t, i);

        if (e->all[i].samples > 0 && class > last) {
            last = class;
            t->used++;
        }
        if (b->blocks <= 0)
            continue;
        t->bytes += b->blocks * class;
        t->waste += b->blocks * class - b->held;
        sum += variance(b, class - b->held / b->blocks);
    }
    t->waste_error = nt__estimate_root(sum);
}

void nt__evidence_waste(const struct nt_evidence *e, struct nt_waste *out)
{
    double sum = 0;

    *out = (struct nt_waste){0};
    for (size_t i = 0; i <= ROWS; i++) {
        const struct nt_tune_blocks *b = &e->peak[i];
        double each = b->blocks > 0 ? (b->allocated - b->held) / b->blocks : 0;

        out->waste += b->allocated - b->held;
        out->room += b->held;
        sum += variance(b, each);
    }
    out->requested = e->requested_at_peak;
    out->room -= out->requested;
    out->error = nt__estimate_root(sum);
}

/* Add the built-in classes above the last. */
static void add_builtin(struct nt_tune_table *t)
{
    uint32_t size = t->count > 0 ? t->size[t->count - 1] : 0;

    for (size = nt__size_next(size); size <= NT_SIZE_MAX; size = nt__size_next(size))
        t->size[t->count++] = size;
}

/* ---- the best table ----------------------------------------------------------------------- */

static size_t builtin_above(uint64_t size)
{
    size_t n = 0;

    for (uint32_t s = nt__size_next((uint32_t)size); s <= NT_SIZE_MAX;
         s = nt__size_next(s))
        n++;
    return n;
}

/* Rows up to the largest that was ever sampled. */
static size_t rows_seen(const struct nt_evidence *e)
{
    size_t n = ROWS;

    while (n > 0 && e->all[n - 1].samples <= 0)
        n--;
    return n;
}

/* Is it worth a class that this row's blocks are aligned? As many may lose their alignment. */
static bool is_aligned(const struct nt_evidence *e, size_t row)
{
    return e->expected[row].blocks * (double)e->align[row] >= CLASS_BYTES * e->threads;
}

/* Blocks as whole numbers, halved until the search can add them up. */
static void fill(const struct nt_evidence *e, struct nt_classes_problem *p,
                 uint64_t *size, uint64_t *blocks, bool *must)
{
    double most = (double)NT_CLASSES_COST_MAX / (double)nt__evidence_size(p->n - 1);
    double sum = 0, scale = 1, peak = 0, all = 0, other;

    for (size_t i = 0; i < p->n; i++) {
        peak += e->expected[i].held;
        all += e->all[i].held;
    }
    other = all > 0 ? OTHER * peak / all : 0;
    for (size_t i = 0; i < p->n; i++)
        sum += e->expected[i].blocks + other * e->all[i].blocks + 1;
    for (int i = 0; i < SHIFTS_MAX && sum * scale >= most; i++)
        scale /= 2;
    for (size_t i = 0; i < p->n; i++) {
        size[i] = nt__evidence_size(i);
        blocks[i] =
            (uint64_t)((e->expected[i].blocks + other * e->all[i].blocks) * scale);
        must[i] = is_aligned(e, i);
    }
    p->must = must;
    p->size = size;
    p->blocks = blocks;
    p->class_cost = (uint64_t)(CLASS_BYTES * e->threads * scale);
    if (p->class_cost >= NT_CLASSES_COST_MAX)
        p->class_cost = NT_CLASSES_COST_MAX - 1;
}

/* The best table; how many of its classes are listed. */
static size_t solve(const struct nt_evidence *e, struct nt_classes_problem *p,
                    struct nt_tune_table *out)
{
    static const unsigned guards[] = {GUARD, 50, 75, 90, 100};
    static uint32_t chosen[ROWS];
    size_t listed = 0;

    for (size_t i = 0; i < NT_ARRAY_LEN(guards) && listed == 0; i++) {
        p->guard = guards[i];
        listed = nt__classes_best(p, chosen);
        if (listed == 0 && errno == ENOMEM)
            nt__tool_memory(NULL);
        if (listed == 0)
            p->must = NULL;
    }
    *out = (struct nt_tune_table){.count = listed};
    for (size_t i = 0; i < listed; i++)
        out->size[i] = (uint32_t)p->size[chosen[i]];
    add_builtin(out);
    predict(e, out);
    return listed;
}

bool nt__tune_table(const struct nt_evidence *e, unsigned most,
                    struct nt_tune_table *out, size_t *listed, unsigned *guard)
{
    static uint64_t size[ROWS], blocks[ROWS];
    static bool must[ROWS];
    struct nt_classes_problem p = {.n = rows_seen(e)};
    struct nt_tune_table builtin = {0};
    size_t room;

    if (p.n == 0)
        return false;
    add_builtin(&builtin);
    predict(e, &builtin);
    room = NT_TUNE_CLASSES_MAX - builtin_above(nt__evidence_size(p.n - 1));
    fill(e, &p, size, blocks, must);
    p.most = (unsigned)nt__min(most, room);
    for (bool again = true; again; p.class_cost /= 4) {
        p.must = must;
        *listed = solve(e, &p, out);
        *guard = p.guard;
        again = out->waste > builtin.waste && p.class_cost > 0;
    }
    return true;
}

/* ---- the other settings -------------------------------------------------------------------- */

/* What is given back and taken again costs a fault a page. The address range is counted, so
 * this is the most that it can have cost. */
static void propose_return(const struct nt_evidence *e, struct nt_proposal *out)
{
    double again = e->returned - e->live_peak; /* the last time it is only given back */
    double ms = 2 * (double)e->valley_ns / 1e6;

    if (e->page_bytes == 0 || again <= 0)
        return;
    out->return_saves_ns = again / (double)e->page_bytes * FAULT_NS;
    if (out->return_saves_ns < WORTH_RETURN * e->cpu_ns || e->cpu_ns <= 0)
        return;
    out->return_ms = ms < RETURN_MS_LEAST ? RETURN_MS_LEAST
                     : ms > RETURN_MS_MAX ? RETURN_MS_MAX
                                          : (uint64_t)ms;
}

const char *nt__tune_propose(struct nt_evidence *e, unsigned most,
                             struct nt_proposal *out)
{
    double sum = 0;

    *out = (struct nt_proposal){.evidence = e};
    nt__evidence_expect(e);
    add_builtin(&out->builtin);
    predict(e, &out->builtin);
    for (size_t i = 0; i <= ROWS; i++)
        out->samples += e->peak[i].samples;
    nt__evidence_waste(e, &out->recorded);
    if (e->sampled == 0)
        return "nothing was sampled: record with `numatally run --sample=16K "
               "--report=FILE.json -- PROGRAM'";
    if (!nt__tune_table(e, most, &out->best, &out->listed, &out->guard))
        return "no sample is of 512 KiB or less: size classes serve such blocks only";
    for (size_t i = 0; i < ROWS; i++)
        sum += variance(&e->peak[i],
                        class_of(e, &out->builtin, i) - class_of(e, &out->best, i));
    out->saved = out->builtin.waste - out->best.waste;
    out->saved_error = nt__estimate_root(sum);
    out->slabs_saved =
        CLASS_BYTES * e->threads * ((double)out->builtin.used - (double)out->best.used);
    out->classes = out->saved > NT_TUNE_Z * out->saved_error &&
                   out->saved + out->slabs_saved > WORTH * out->builtin.bytes;
    propose_return(e, out);
    nt__propose_reserve(out);
    out->huge_may_help =
        e->live_peak >= HUGE_BYTES * (double)e->records && e->huge < e->live_peak / 2;
    return NULL;
}
