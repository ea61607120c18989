/* SPDX-License-Identifier: MIT */
/*
 * The model of calls.c: which blocks there are and what is in them, what they add up to, and
 * the threads that take turns. What it promises is said there.
 */
#ifndef TESTS_FUZZ_MODEL_H
#define TESTS_FUZZ_MODEL_H

#ifdef FUZZ_MALLOC
#include "tests/fuzz/fuzz.h"
#else
#include "tests/fuzz/warn.h"
#endif

#include <numatally/numa.h>
#include <numatally/profile.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#ifdef FUZZ_MALLOC
#include <malloc.h>
#define CALL(name) name
#define usable_of malloc_usable_size
enum { EXACT = 0 }; /* libc's own blocks are counted, too */
#else
#define CALL(name) nt_##name
#define usable_of nt_usable_size
enum { EXACT = 1 };
#endif

enum { BLOCKS = 96, POOLS = 4, THREADS = 4, NO_POOL = -1, UNTOUCHED = 4711 };

#define BYTES_MAX ((size_t)16 << 20) /* in use at once */
#define CALLS_MAX 4000               /* of one input */
#define WHOLE 8192                   /* larger blocks are not looked at byte by byte */
#define STRIDE 509

struct block {
    unsigned char *bytes; /* NULL: none */
    size_t size, usable, alignment;
    unsigned stamp;
    int pool;
};

struct sums {
    uint64_t allocations, frees, requested, in_place, live_blocks, live_bytes;
};

struct pool {
    struct nt_pool *pool;
    size_t limit;
    struct sums sums;
};

static struct {
    struct block block[BLOCKS];
    struct pool pool[POOLS];
    struct sums sums;
    uint64_t peak; /* the largest live_bytes ever were */
    unsigned stamp;
    struct nt_snapshot snapshot;
    struct nt_pool_figures figures[POOLS + 32];
} m;

/* ---- threads ---------------------------------------------------------------------------- */

static struct worker {
    pthread_t thread;
    sem_t go, done;
    bool runs;
    void (*work)(struct fuzz_bytes *); /* NULL: end */
    struct fuzz_bytes *bytes;
} workers[THREADS];

/* Two of the four run on each node, as far as that can be had. */
static void pin(size_t i)
{
    cpu_set_t cpu;

    CPU_ZERO(&cpu);
    CPU_SET(i % 2, &cpu);
    pthread_setaffinity_np(pthread_self(), sizeof cpu, &cpu);
}

static void *work(void *arg)
{
    struct worker *w = arg;

    pin((size_t)(w - workers));

    for (;;) {
        while (sem_wait(&w->go) != 0)
            ;
        if (w->work == NULL)
            return NULL;
        w->work(w->bytes);
        sem_post(&w->done);
    }
}

/* Thread 0 is the caller itself. */
static void let(unsigned i, void (*what)(struct fuzz_bytes *), struct fuzz_bytes *b)
{
    struct worker *w = &workers[i];

    if (i == 0) {
        what(b);
        return;
    }
    if (!w->runs) {
        sem_init(&w->go, 0, 0);
        sem_init(&w->done, 0, 0);
        FUZZ_CHECK(pthread_create(&w->thread, NULL, work, w) == 0);
        w->runs = true;
    }
    w->work = what;
    w->bytes = b;
    sem_post(&w->go);
    while (sem_wait(&w->done) != 0)
        ;
}

static void end(unsigned i)
{
    struct worker *w = &workers[i];

    if (!w->runs)
        return;
    w->work = NULL;
    sem_post(&w->go);
    pthread_join(w->thread, NULL);
    w->runs = false;
}

/* ---- blocks ------------------------------------------------------------------------------ */

static unsigned char pattern(unsigned stamp, size_t at)
{
    return (unsigned char)(stamp * 31 + at * 7 + (at >> 8) + 1);
}

static void fill(const struct block *b)
{
    size_t step = b->size <= WHOLE ? 1 : STRIDE;

    for (size_t i = 0; i < b->size; i += step)
        b->bytes[i] = pattern(b->stamp, i);
    if (b->size > 0)
        b->bytes[b->size - 1] = pattern(b->stamp, b->size - 1);
    if (b->usable > b->size)
        b->bytes[b->usable - 1] = (unsigned char)b->stamp;
}

/* The first `kept` bytes, of a block that had them all. */
static void check_bytes(const struct block *b, const unsigned char *bytes, size_t kept)
{
    size_t step = b->size <= WHOLE ? 1 : STRIDE;

    for (size_t i = 0; i < kept; i += step)
        FUZZ_CHECK(bytes[i] == pattern(b->stamp, i));
    if (kept == b->size && kept > 0)
        FUZZ_CHECK(bytes[kept - 1] == pattern(b->stamp, kept - 1));
}

static void check_whole(const struct block *b)
{
    check_bytes(b, b->bytes, b->size);
    if (b->usable > b->size)
        FUZZ_CHECK(b->bytes[b->usable - 1] == (unsigned char)b->stamp);
}

static void check_place(const struct block *b)
{
    FUZZ_CHECK((uintptr_t)b->bytes % 16 == 0);
    FUZZ_CHECK((uintptr_t)b->bytes % b->alignment == 0);
    FUZZ_CHECK(b->usable >= b->size && b->usable > 0);
    for (const struct block *o = m.block; o < m.block + BLOCKS; o++)
        FUZZ_CHECK(o == b || o->bytes == NULL || o->bytes + o->usable <= b->bytes ||
                   b->bytes + b->usable <= o->bytes);
}

static void check_zeroes(const unsigned char *bytes, size_t size)
{
    FUZZ_CHECK(bytes == NULL || size == 0 ||
               (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0));
}

static void add(struct sums *s, size_t requested, size_t usable)
{
    s->allocations++;
    s->requested += requested;
    s->live_blocks++;
    s->live_bytes += usable;
}

static void take(struct sums *s, size_t usable)
{
    s->frees++;
    s->live_blocks--;
    s->live_bytes -= usable;
}

/* The sums of the process's own heap are what is left of all. */
static void count(const struct block *b, bool in)
{
    struct sums *pool = b->pool != NO_POOL ? &m.pool[b->pool].sums : NULL;

    if (in) {
        add(&m.sums, b->size, b->usable);
        if (pool != NULL)
            add(pool, b->size, b->usable);
    } else {
        take(&m.sums, b->usable);
        if (pool != NULL)
            take(pool, b->usable);
    }
    if (m.sums.live_bytes > m.peak)
        m.peak = m.sums.live_bytes;
}

/* A call gave `bytes`, which was to be `size` large; `may_fail`: it need not. */
static void accept(struct block *b, void *bytes, size_t size, size_t alignment,
                   int pool, bool may_fail)
{
    if (bytes == NULL) {
        FUZZ_CHECK(may_fail && errno == ENOMEM);
        return;
    }
    FUZZ_CHECK(errno == UNTOUCHED);
    *b = (struct block){bytes, size, usable_of(bytes), alignment, ++m.stamp, pool};
    check_place(b);
    count(b, true);
    fill(b);
}

static void drop(struct block *b)
{
    if (b->bytes == NULL)
        return;
    check_whole(b);
    count(b, false);
    b->bytes = NULL;
}

/* ---- figures ------------------------------------------------------------------------------------- */

static void check_sums(void)
{
    struct nt_snapshot *s = &m.snapshot;
    const struct nt_node_figures *t = &s->total;
    struct nt_node_figures nodes = {0};
    struct nt_class_figures classes = {0};

    FUZZ_CHECK(nt_snapshot(s) == 0);
    if (!EXACT)
        return;
    FUZZ_CHECK(t->allocations_total == m.sums.allocations);
    FUZZ_CHECK(t->frees_total == m.sums.frees);
    FUZZ_CHECK(t->requested_bytes_total + t->realloc_requested_bytes_total ==
               m.sums.requested);
    FUZZ_CHECK(t->reallocs_in_place_total == m.sums.in_place);
    FUZZ_CHECK(t->live_blocks_now == m.sums.live_blocks);
    FUZZ_CHECK(t->live_bytes_now == m.sums.live_bytes);
    FUZZ_CHECK(t->live_bytes_peak <= m.peak);
    FUZZ_CHECK(t->requested_bytes_total <= t->allocated_bytes_total);
    FUZZ_CHECK(t->remote_frees_total <= t->frees_total);
    FUZZ_CHECK(t->far_frees_total <= t->remote_frees_total);
    FUZZ_CHECK(t->committed_bytes_now <= t->reserved_bytes_now);
    for (unsigned n = 0; n < s->nodes; n++) {
        uint64_t column = 0;

        for (unsigned f = 0; f < s->nodes; f++)
            column += s->free_matrix[f][n];
        FUZZ_CHECK(column == s->node[n].frees_total);
        nodes.allocations_total += s->node[n].allocations_total;
        nodes.live_bytes_now += s->node[n].live_bytes_now;
        nodes.committed_bytes_now += s->node[n].committed_bytes_now;
    }
    FUZZ_CHECK(nodes.allocations_total == t->allocations_total);
    FUZZ_CHECK(nodes.live_bytes_now == t->live_bytes_now);
    FUZZ_CHECK(nodes.committed_bytes_now == t->committed_bytes_now);
    for (unsigned c = 0; c < s->classes; c++) {
        classes.allocations_total += s->class_[c].allocations_total;
        classes.frees_total += s->class_[c].frees_total;
        classes.live_bytes_now += s->class_[c].live_bytes_now;
    }
    FUZZ_CHECK(classes.allocations_total == t->allocations_total);
    FUZZ_CHECK(classes.frees_total == t->frees_total);
    FUZZ_CHECK(classes.live_bytes_now == t->live_bytes_now);
}

static void check_pool(const struct pool *p, const struct nt_pool_figures *f)
{
    FUZZ_CHECK(f->allocations_total == p->sums.allocations);
    FUZZ_CHECK(f->frees_total == p->sums.frees);
    FUZZ_CHECK(f->live_blocks_now == p->sums.live_blocks);
    FUZZ_CHECK(f->live_bytes_now == p->sums.live_bytes);
    FUZZ_CHECK(f->limit_bytes == p->limit);
    FUZZ_CHECK(p->limit == 0 || f->committed_bytes_now <= p->limit);
}

/* Of the threads' blocks, as they are in the first row of the pools. */
static void check_threads(void)
{
    static struct nt_thread_figures threads[THREADS + 1];
    long n = nt_snapshot_threads(threads, THREADS + 1);
    struct sums all = {0};

    FUZZ_CHECK(n <= THREADS + 1);
    for (long i = 0; i < n; i++) {
        all.allocations += threads[i].allocations_total;
        all.frees += threads[i].frees_total;
    }
    FUZZ_CHECK(!EXACT || all.allocations == m.figures[0].allocations_total);
    FUZZ_CHECK(!EXACT || all.frees == m.figures[0].frees_total);
}

/* A sampled block that is in use is one of those that are in use. */
static void check_samples(void)
{
    static struct nt_sample_figures samples[BLOCKS];
    long n = nt_snapshot_samples(samples, BLOCKS);

    FUZZ_CHECK(!EXACT || n <= BLOCKS);
    for (long i = 0; EXACT && i < n; i++) {
        const struct block *b = m.block;

        while (b < m.block + BLOCKS && (uintptr_t)b->bytes != samples[i].address)
            b++;
        FUZZ_CHECK(b < m.block + BLOCKS);
        FUZZ_CHECK(samples[i].requested_bytes <= b->usable);
        FUZZ_CHECK(samples[i].block_bytes == b->usable);
    }
}

/* Names are not to be relied on: a pool is known by its name having been set to its number. */
static void check_pools(void)
{
    long n = nt_snapshot_pools(m.figures, sizeof m.figures / sizeof *m.figures);
    unsigned found = 0, there = 0;
    struct sums all = {0};

    FUZZ_CHECK(n <= (long)(sizeof m.figures / sizeof *m.figures));
    for (long i = 0; i < n; i++) {
        all.live_blocks += m.figures[i].live_blocks_now;
        all.live_bytes += m.figures[i].live_bytes_now;
        all.allocations += m.figures[i].allocations_total;
        all.frees += m.figures[i].frees_total;
    }
    if (EXACT) {
        FUZZ_CHECK(all.live_blocks == m.sums.live_blocks);
        FUZZ_CHECK(all.live_bytes == m.sums.live_bytes);
        FUZZ_CHECK(all.allocations <= m.sums.allocations); /* pools that are gone */
        FUZZ_CHECK(all.allocations - all.frees == m.sums.live_blocks);
    }
    for (long i = 1; i < n; i++)
        for (unsigned k = 0; k < POOLS; k++)
            if (m.pool[k].pool != NULL && m.figures[i].name[0] == (char)('0' + k)) {
                check_pool(&m.pool[k], &m.figures[i]);
                found++;
            }
    for (unsigned k = 0; k < POOLS; k++)
        there += m.pool[k].pool != NULL;
    FUZZ_CHECK(found == there); /* policies have pools of their own */
}

#endif
