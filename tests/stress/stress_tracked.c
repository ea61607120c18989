/* SPDX-License-Identifier: MIT */
/*
 * A tracked allocator under threads: random calls on blocks that travel between threads,
 * every byte checked, and at the end every count beside those of a shim below it and of what
 * the threads themselves asked for. Beside them one thread reads figures all the time, and
 * one makes and releases tracked allocators.
 *
 *   stress_tracked [SEED [THREADS [OPERATIONS]]]
 *
 * NT_LONG=1: ten times as many operations.
 */
#include "tests/shim.h"

#include <inttypes.h>
#include <numatally/stats.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 512, THREADS_MAX = 64 };

struct block {
    unsigned char *p; /* NULL: nothing here */
    size_t size;
};

struct worker {
    uint64_t random;
    uint64_t allocations, requested, frees; /* a realloc: one of each */
    pthread_t thread;
};

static struct {
    struct nt_allocator a;
    struct shim shim;
    uint64_t operations;
    struct {
        pthread_mutex_t lock;
        struct block block;
    } slot[SLOTS];
    struct worker worker[THREADS_MAX];
    atomic_bool done;
} g;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "stress_tracked: %s\n", what);
    abort();
}

/* splitmix64 */
static uint64_t draw(struct worker *w)
{
    uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void mark(struct block *b)
{
    memset(b->p, (int)(b->size & 0xff), b->size < 64 ? b->size : 64);
}

static void check(const struct block *b, size_t size)
{
    for (size_t i = 0; i < size && i < b->size && i < 64; i++)
        if (b->p[i] != (b->size & 0xff))
            fail("a block was written over");
}

static struct block make(struct worker *w, uint64_t x)
{
    struct block b = {.size = x >> 8 & (x % 64 == 0 ? 0xffff : 0xff)};
    if (x % 5 == 0)
        b.p = g.a.calloc(g.a.context, 1, b.size);
    else if (x % 5 == 1)
        b.p = g.a.aligned_alloc(g.a.context, 64, b.size);
    else
        b.p = g.a.malloc(g.a.context, b.size);
    if (!b.p)
        fail("no memory");
    mark(&b);
    w->allocations++;
    w->requested += b.size;
    return b;
}

static void resize(struct worker *w, struct block *b, uint64_t x)
{
    struct block old = *b;
    b->size = 1 + (x >> 8 & 0x3ff);
    b->p = g.a.realloc(g.a.context, old.p, b->size);
    if (!b->p)
        fail("no memory");
    check(&(struct block){b->p, old.size}, b->size);
    mark(b);
    w->allocations++;
    w->frees++;
    w->requested += b->size;
}

static void step(struct worker *w)
{
    uint64_t x = draw(w);
    unsigned i = (unsigned)(x >> 40) % SLOTS;
    /* Out of the slot, whoever had put it there; what is done with it is done without. */
    pthread_mutex_lock(&g.slot[i].lock);
    struct block b = g.slot[i].block;
    g.slot[i].block.p = NULL;
    pthread_mutex_unlock(&g.slot[i].lock);
    if (!b.p) {
        b = make(w, x);
    } else if (x % 3 == 0) {
        resize(w, &b, x);
    } else {
        check(&b, b.size);
        g.a.free(g.a.context, b.p);
        w->frees++;
        return;
    }
    pthread_mutex_lock(&g.slot[i].lock);
    struct block was = g.slot[i].block;
    g.slot[i].block = b;
    pthread_mutex_unlock(&g.slot[i].lock);
    if (was.p) {
        g.a.free(g.a.context, was.p);
        w->frees++;
    }
}

static void *work(void *argument)
{
    for (uint64_t i = 0; i < g.operations; i++)
        step(argument);
    return NULL;
}

/* No total goes back, and nothing is below zero. */
static void *look_on(void *unused)
{
    struct nt_tracked_figures f, last = {0};
    while (!g.done) {
        if (nt_tracked_figures(&g.a, &f) != 0)
            fail("no figures");
        if (f.allocations_total < last.allocations_total ||
            f.requested_bytes_total < last.requested_bytes_total ||
            f.frees_total < last.frees_total ||
            f.live_requested_bytes_peak < last.live_requested_bytes_peak ||
            f.live_requested_bytes_now > f.live_requested_bytes_peak ||
            f.live_blocks_now > SLOTS + THREADS_MAX)
            fail("figures that cannot be");
        last = f;
    }
    return unused;
}

static void *come_and_go(void *unused)
{
    while (!g.done) {
        struct nt_allocator a;
        if (nt_tracked(&g.a, NULL, &a) != 0)
            fail("no tracked allocator");
        a.free(a.context, a.malloc(a.context, 32));
        if (nt_tracked_release(&a) != 0)
            fail("not released");
    }
    return unused;
}

static void compare(uint64_t threads)
{
    struct nt_tracked_figures f;
    struct worker all = {0};
    for (uint64_t i = 0; i < threads; i++) {
        all.allocations += g.worker[i].allocations;
        all.requested += g.worker[i].requested;
        all.frees += g.worker[i].frees;
    }
    if (nt_tracked_figures(&g.a, &f) != 0)
        fail("no figures");
    const char *what = shim_differs(&g.shim, &f);
    if (what)
        fail(what);
    uint64_t others = f.requested_bytes_total - all.requested; /* come_and_go's */
    if (f.allocations_total + f.reallocs_in_place_total !=
            all.allocations + others / 32 ||
        f.frees_total + f.reallocs_in_place_total != all.frees + others / 32)
        fail("the threads counted otherwise");
    if (f.live_blocks_now + f.live_requested_bytes_now + f.failed_total +
            f.foreign_frees_total !=
        0)
        fail("something is left");
    printf("%" PRIu64 " allocations, %" PRIu64 " in place, %" PRIu64
           " bytes, peak %" PRIu64 ": all counted\n",
           f.allocations_total, f.reallocs_in_place_total, f.requested_bytes_total,
           f.live_requested_bytes_peak);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    uint64_t threads = argc > 2 ? strtoull(argv[2], NULL, 0) : 4;
    const char *value = getenv("NT_LONG");
    bool is_long = value && strcmp(value, "1") == 0;
    g.operations = argc > 3 ? strtoull(argv[3], NULL, 0) : is_long ? 3000000 : 300000;
    if (threads < 1 || threads > THREADS_MAX)
        fail("1 to 64 threads");
    struct nt_allocator inner = shim_around(&g.shim, nt_system_allocator());
    if (nt_tracked(&inner, "stress", &g.a) != 0)
        fail("no tracked allocator");
    for (size_t i = 0; i < SLOTS; i++)
        pthread_mutex_init(&g.slot[i].lock, NULL);
    pthread_t beside[2];
    pthread_create(&beside[0], NULL, look_on, NULL);
    pthread_create(&beside[1], NULL, come_and_go, NULL);
    for (uint64_t i = 0; i < threads; i++) {
        g.worker[i].random = seed * THREADS_MAX + i;
        pthread_create(&g.worker[i].thread, NULL, work, &g.worker[i]);
    }
    for (uint64_t i = 0; i < threads; i++)
        pthread_join(g.worker[i].thread, NULL);
    g.done = true;
    pthread_join(beside[0], NULL);
    pthread_join(beside[1], NULL);
    for (size_t i = 0; i < SLOTS; i++)
        if (g.slot[i].block.p) {
            g.a.free(g.a.context, g.slot[i].block.p);
            g.worker[0].frees++;
        }
    compare(threads);
    return nt_tracked_release(&g.a) == 0 ? 0 : 1;
}
