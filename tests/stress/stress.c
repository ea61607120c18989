/* SPDX-License-Identifier: MIT */
/*
 * Random work on the allocator from many threads, every byte of it checked.
 *
 * The idea: each thread draws sizes and calls from its own seeded generator, fills
 * each block with a pattern that follows from a stamp, and checks the pattern before
 * it lets go of the block. Blocks travel: a shared exchange passes them to other
 * threads, and what a thread holds when it ends is taken over, in the next round, by
 * a thread that did not exist yet. At the end the program compares what it counted
 * itself with nt_snapshot: blocks, requested bytes and frees, to the last one.
 *
 * What always holds: a block has one owner, the thread whose shelf it lies on or the
 * exchange slot (under its lock); only the owner reads or writes it. The run is
 * bounded by operations, never by time, so it ends the same under valgrind.
 *
 * Built twice: on the nt_ calls (with pools and snapshots), and with
 * -DSTRESS_SYSTEM on malloc and its family, to be run under a preload.
 *
 *   stress [SEED [THREADS [ROUNDS [OPERATIONS [MAX_BYTES]]]]]
 *
 * NT_LONG=1: ten times as many rounds, and threads twice as many as there are by default.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef STRESS_SYSTEM
#include <malloc.h>
#define CALL(name) name
#define USABLE(p) malloc_usable_size(p)
#else
#include <numatally/stats.h>
#define CALL(name) nt_##name
#define USABLE(p) nt_usable_size(p)
#endif

enum { SHELF = 256, EXCHANGE = 64, POOL_BLOCKS = 48, THREADS_MAX = 256 };

struct block {
    unsigned char *bytes; /* NULL: nothing here */
    size_t size;          /* as requested */
    uint64_t stamp;       /* the pattern follows from it */
};

/* What a thread asked for, counted as a tool outside would count it: a realloc that
 * keeps a block is one allocation of the new size and one free. */
struct tally {
    uint64_t allocations, frees, requested;
};

struct worker {
    uint64_t random;
    struct tally tally;
    struct block shelf[SHELF]; /* outlives the thread: the next round takes it over */
    pthread_t thread;
};

static struct {
    uint64_t operations;
    size_t max_bytes;
    struct {
        pthread_mutex_t lock;
        struct block block;
    } exchange[EXCHANGE];
    struct worker worker[THREADS_MAX];
} g;

static _Noreturn void fail(const char *what, const struct block *block)
{
    fprintf(stderr, "stress: %s (block %p, %zu bytes, stamp %" PRIx64 ")\n", what,
            (void *)block->bytes, block->size, block->stamp);
    abort();
}

/* splitmix64: any seed is good, also 0. */
static uint64_t draw(struct worker *w)
{
    uint64_t z = (w->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Mostly small, with every power of two below the limit well visited. Half of the largest are
 * of one length, lest their memory never fit the next. */
static size_t draw_size(struct worker *w)
{
    uint64_t kind = draw(w) % 100;
    size_t most = kind < 70   ? 512
                  : kind < 92 ? 32768
                  : kind < 99 ? 262144
                              : g.max_bytes;
    if (most > g.max_bytes)
        most = g.max_bytes;
    size_t size = (size_t)(draw(w) % (most + 1));
    return kind == 99 && size % 2 == 0 ? most - size % 512 : size;
}

static unsigned char pattern(const struct block *block, size_t at)
{
    return (unsigned char)(((block->stamp ^ (at >> 3)) >> ((at & 7) * 8)) ^ at);
}

/* Small blocks are written whole; of larger ones every 61st byte and both ends, which
 * meets every page and, over many blocks, every offset. */
static size_t stride(size_t size)
{
    return size <= 4096 ? 1 : 61;
}

static void fill(struct block *block)
{
    for (size_t i = 0; i < block->size; i += stride(block->size))
        block->bytes[i] = pattern(block, i);
    if (block->size != 0)
        block->bytes[block->size - 1] = pattern(block, block->size - 1);
}

static void check(const struct block *block, size_t kept)
{
    for (size_t i = 0; i < kept; i += stride(block->size))
        if (block->bytes[i] != pattern(block, i))
            fail("contents changed", block);
    if (kept == block->size && kept != 0 &&
        block->bytes[kept - 1] != pattern(block, kept - 1))
        fail("last byte changed", block);
}

static void accept(struct worker *w, struct block *block, size_t alignment)
{
    if (block->bytes == NULL)
        fail("an allocation failed", block);
    if ((uintptr_t)block->bytes % alignment != 0)
        fail("misaligned", block);
    if (USABLE(block->bytes) < block->size)
        fail("usable size below the requested one", block);
    block->stamp = draw(w);
    w->tally.allocations++;
    w->tally.requested += block->size;
    fill(block);
}

static void block_get(struct worker *w, struct block *block)
{
    uint64_t kind = draw(w) % 16;
    size_t alignment = 16;
    block->size = draw_size(w);
    if (kind < 10) {
        block->bytes = CALL(malloc)(block->size);
    } else if (kind < 13) {
        size_t each = 1 + draw(w) % 8;
        block->size -= block->size % each;
        block->bytes = CALL(calloc)(block->size / each, each);
        for (size_t i = 0; block->bytes != NULL && i < block->size; i++)
            if (block->bytes[i] != 0)
                fail("calloc gave bytes that are not zero", block);
    } else {
        void *out = NULL;
        alignment = (size_t)16 << draw(w) % 10;
        if (kind == 13) {
            if (CALL(posix_memalign)(&out, alignment, block->size) != 0)
                out = NULL;
        } else {
            block->size -= block->size % alignment; /* what C11 asked for */
            out = CALL(aligned_alloc)(alignment, block->size);
        }
        block->bytes = out;
    }
    accept(w, block, alignment);
}

static void block_drop(struct worker *w, struct block *block)
{
    if (block->bytes == NULL)
        return;
    check(block, block->size);
    CALL(free)(block->bytes);
    w->tally.frees++;
    *block = (struct block){0};
}

static void block_resize(struct worker *w, struct block *block)
{
    size_t size = draw_size(w) + 1; /* 0 would free it */
    size_t kept = size < block->size ? size : block->size;
    check(block, block->size);
    unsigned char *bytes = draw(w) % 4 == 0 ? CALL(reallocarray)(block->bytes, size, 1)
                                            : CALL(realloc)(block->bytes, size);
    if (bytes == NULL)
        fail("realloc failed", block);
    block->bytes = bytes;
    check(block, kept);
    w->tally.frees++;
    block->size = size;
    accept(w, block, 16);
}

/* Give a block away and take what lay there: it will be freed by another thread. */
static void block_trade(struct worker *w, struct block *block)
{
    size_t slot = draw(w) % EXCHANGE;
    pthread_mutex_lock(&g.exchange[slot].lock);
    struct block other = g.exchange[slot].block;
    g.exchange[slot].block = *block;
    pthread_mutex_unlock(&g.exchange[slot].lock);
    *block = other;
    check(block, block->size);
}

#ifndef STRESS_SYSTEM
static void pool_fill(struct worker *w, struct nt_pool *pool, struct block *blocks)
{
    for (size_t i = 0; i < POOL_BLOCKS; i++) {
        struct block *block = &blocks[i];
        block->size = draw_size(w) % 65536;
        block->bytes = i % 3 == 0   ? nt_pool_calloc(pool, 1, block->size)
                       : i % 3 == 1 ? nt_pool_aligned_alloc(pool, 128, block->size)
                                    : nt_pool_malloc(pool, block->size);
        accept(w, block, i % 3 == 1 ? 128 : 16);
    }
    for (size_t i = 0; i < POOL_BLOCKS; i += 4) {
        struct block *block = &blocks[i];
        size_t kept = block->size;
        check(block, kept);
        block->bytes = nt_pool_realloc(pool, block->bytes, kept + 1000);
        if (block->bytes == NULL)
            fail("a pool's realloc failed", block);
        check(block, kept);
        block->size = kept + 1000;
        w->tally.frees++;
        accept(w, block, 16);
        block_drop(w, &blocks[i + 1]);
    }
}

/* A pool's life: fill, free some, reset, fill again, destroy with blocks in it. */
static void pool_round(struct worker *w)
{
    struct nt_pool_options options = {.size = sizeof options, .name = "stress"};
    struct block blocks[POOL_BLOCKS] = {0};
    struct nt_pool *pool = NULL;
    if (nt_pool_create(&options, &pool) != 0)
        fail("nt_pool_create failed", &blocks[0]);
    for (int turn = 0; turn < 2; turn++) {
        pool_fill(w, pool, blocks);
        for (size_t i = 0; i < POOL_BLOCKS; i++) {
            if (blocks[i].bytes == NULL)
                continue;
            check(&blocks[i], blocks[i].size);
            w->tally.frees++; /* by the reset or the destroy that follows */
            blocks[i] = (struct block){0};
        }
        if (turn == 0)
            nt_pool_reset(pool);
    }
    nt_pool_destroy(pool);
}
#endif

/* What only the nt_ form has, now and then, beside the other threads' work. */
static void extras(struct worker *w, uint64_t i)
{
#ifndef STRESS_SYSTEM
    static _Thread_local struct nt_snapshot snapshot;
    if (i % 2048 == 1024)
        pool_round(w);
    if (i % 4096 == 3000) {
        struct nt_thread_figures threads[8];
        struct nt_pool_figures pools[8];
        if (nt_snapshot(&snapshot) != 0 || nt_snapshot_threads(threads, 8) < 1 ||
            nt_snapshot_pools(pools, 8) < 1)
            fail("a snapshot failed", &w->shelf[0]);
        nt_purge();
    }
#else
    (void)w;
    if (i % 4096 == 3000)
        malloc_trim(0);
#endif
}

static void *work(void *argument)
{
    struct worker *w = argument;
    for (uint64_t i = 0; i < g.operations; i++) {
        struct block *block = &w->shelf[draw(w) % SHELF];
        uint64_t kind = draw(w) % 8;
        if (block->bytes == NULL)
            block_get(w, block);
        else if (kind < 4)
            block_drop(w, block);
        else if (kind < 5)
            block_resize(w, block);
        else if (kind < 7)
            block_trade(w, block);
        extras(w, i);
    }
    /* An even worker tidies up half of its shelf; the rest outlives its thread. */
    for (size_t i = (size_t)(w - g.worker) % 2; i < SHELF; i += 2)
        block_drop(w, &w->shelf[i]);
    return NULL;
}

static struct tally tally_sum(void)
{
    struct tally sum = {0};
    for (size_t i = 0; i < THREADS_MAX; i++) {
        sum.allocations += g.worker[i].tally.allocations;
        sum.frees += g.worker[i].tally.frees;
        sum.requested += g.worker[i].tally.requested;
    }
    return sum;
}

#ifndef STRESS_SYSTEM
static struct nt_snapshot before, after;

static void compare(const char *what, uint64_t figure, uint64_t counted)
{
    if (figure == counted)
        return;
    fprintf(stderr, "stress: %s: the library says %" PRIu64 ", counted %" PRIu64 "\n",
            what, figure, counted);
    abort();
}

/* All threads are still: every figure is exact, and the rows add up. */
static void check_figures(void)
{
    struct tally own = tally_sum();
    const struct nt_node_figures *a = &after.total, *b = &before.total;
    if (nt_snapshot(&after) != 0)
        abort();
    uint64_t in_place = a->reallocs_in_place_total - b->reallocs_in_place_total;
    compare("allocations", a->allocations_total - b->allocations_total + in_place,
            own.allocations);
    compare("frees", a->frees_total - b->frees_total + in_place, own.frees);
    compare("requested bytes",
            a->requested_bytes_total + a->realloc_requested_bytes_total -
                b->requested_bytes_total - b->realloc_requested_bytes_total,
            own.requested);
    compare("live blocks", a->live_blocks_now - b->live_blocks_now,
            own.allocations - own.frees);
    compare("foreign frees", after.foreign_frees_total, before.foreign_frees_total);

    struct nt_node_figures nodes = {0};
    struct nt_class_figures classes = {0};
    uint64_t matrix = 0;
    for (uint32_t i = 0; i < after.nodes; i++) {
        nodes.allocations_total += after.node[i].allocations_total;
        nodes.live_bytes_now += after.node[i].live_bytes_now;
        for (uint32_t j = 0; j < after.nodes; j++)
            matrix += after.free_matrix[i][j];
    }
    for (uint32_t i = 0; i < after.classes; i++) {
        classes.allocations_total += after.class_[i].allocations_total;
        classes.live_bytes_now += after.class_[i].live_bytes_now;
        classes.frees_total += after.class_[i].frees_total;
    }
    compare("sum of nodes, allocations", nodes.allocations_total, a->allocations_total);
    compare("sum of nodes, live bytes", nodes.live_bytes_now, a->live_bytes_now);
    compare("sum of classes, allocations", classes.allocations_total,
            a->allocations_total);
    compare("sum of classes, frees", classes.frees_total, a->frees_total);
    compare("sum of classes, live bytes", classes.live_bytes_now, a->live_bytes_now);
    compare("sum of the matrix", matrix, a->frees_total);
}
#else
/* Under a preload the C library allocates too: the records are compared outside. */
static void check_figures(void)
{
}
#endif

static uint64_t argument(int argc, char **argv, int at, uint64_t fallback,
                         uint64_t most)
{
    if (argc <= at)
        return fallback;
    char *end = NULL;
    errno = 0;
    uint64_t value = strtoull(argv[at], &end, 0);
    if (errno != 0 || *argv[at] == '\0' || *end != '\0' || value > most) {
        fprintf(stderr,
                "stress: argument %d is '%s': give a number up to %" PRIu64 "\n", at,
                argv[at], most);
        exit(2);
    }
    return value;
}

static void round_of_threads(uint64_t threads)
{
    for (uint64_t i = 0; i < threads; i++) {
        int error = pthread_create(&g.worker[i].thread, NULL, work, &g.worker[i]);
        if (error != 0) {
            fprintf(stderr, "stress: thread %" PRIu64 ": %s\n", i, strerror(error));
            exit(1);
        }
    }
    for (uint64_t i = 0; i < threads; i++)
        pthread_join(g.worker[i].thread, NULL);
}

int main(int argc, char **argv)
{
    uint64_t seed = argument(argc, argv, 1, 1, UINT64_MAX);
    const char *value = getenv("NT_LONG");
    bool is_long = value && strcmp(value, "1") == 0;
    uint64_t threads = argument(argc, argv, 2, is_long ? 8 : 4, THREADS_MAX);
    uint64_t rounds = argument(argc, argv, 3, is_long ? 30 : 3, 1000000);
    g.operations = argument(argc, argv, 4, 5000, UINT64_C(1) << 40);
    g.max_bytes = (size_t)argument(argc, argv, 5, 1 << 20, (uint64_t)1 << 40);

    for (size_t i = 0; i < EXCHANGE; i++)
        pthread_mutex_init(&g.exchange[i].lock, NULL);
    for (size_t i = 0; i < THREADS_MAX; i++)
        g.worker[i].random = seed * THREADS_MAX + i;
#ifndef STRESS_SYSTEM
    if (nt_snapshot(&before) != 0)
        abort();
#endif
    for (uint64_t i = 0; i < rounds; i++) {
        round_of_threads(threads);
        check_figures(); /* with blocks of dead threads still out */
    }
    for (size_t i = 0; i < THREADS_MAX; i++)
        for (size_t j = 0; j < SHELF; j++)
            block_drop(&g.worker[0], &g.worker[i].shelf[j]);
    for (size_t i = 0; i < EXCHANGE; i++)
        block_drop(&g.worker[0], &g.exchange[i].block);
    check_figures();

    struct tally own = tally_sum();
    printf("%" PRIu64 " allocations, %" PRIu64 " frees, %" PRIu64
           " bytes: all checked\n",
           own.allocations, own.frees, own.requested);
    return own.allocations == own.frees ? 0 : 1;
}
