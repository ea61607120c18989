/* SPDX-License-Identifier: MIT */
/*
 * What does a block cost that another thread frees?
 *
 *   oneway/...  one thread allocates, the other frees: memory must find its way back
 *   twoway/...  two threads allocate, and each frees what the other allocated
 *   gather/...  three threads allocate, and a fourth frees what comes, from any of them
 * Blocks travel in bundles of 32 through a ring with one writer and one reader, so that
 * the ring itself costs little beside the blocks. A waiting thread spins briefly, then
 * yields. A step starts and joins its threads; with 200,000 blocks that is below one
 * percent. One operation is one block, allocated here and freed there, by the wall clock.
 */
#include "bench.h"
#include "crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { BUNDLE = 32, BUNDLES = 6250, RING_BUNDLES = 64, SIZES = 4096, MANY = 3 };

/*
 * Bundles written and not yet read are numbers read..written-1; both only grow.
 * `written` is the sender's: released, with receive_bundle's acquire. `read` is the
 * receiver's: released, with send_bundle's acquire.
 */
struct ring {
    _Alignas(64) atomic_size_t written;
    _Alignas(64) atomic_size_t read;
    _Alignas(64) void *block[RING_BUNDLES][BUNDLE];
};

struct worker {
    struct ring *out; /* NULL: sends nothing */
    struct ring *in;  /* NULL: receives nothing */
    size_t bundles;   /* to send through a ring, or to receive from it */
    int gathers;      /* receives from all rings, whichever has something */
};

static struct {
    struct ring ring[MANY];
    size_t size[SIZES]; /* of the mixed cases */
} flow;

static void begin_flow(const struct bench_case *c)
{
    uint64_t state = 0xA0761D6478BD642Fu;
    for (size_t i = 0; i < SIZES; i++)
        flow.size[i] = c->size ? c->size : bench_random_size(&state);
}

static void send_bundle(struct ring *ring, size_t number)
{
    void **block = ring->block[number % RING_BUNDLES];
    unsigned tries = 0;

    while (number - atomic_load_explicit(&ring->read, memory_order_acquire) >=
           RING_BUNDLES)
        crew_pause(&tries);
    for (size_t i = 0; i < BUNDLE; i++) {
        block[i] = malloc(flow.size[(number * BUNDLE + i) % SIZES]);
        bench_touch(block[i]);
    }
    atomic_store_explicit(&ring->written, number + 1, memory_order_release);
}

static void receive_bundle(struct ring *ring, size_t number)
{
    void **block = ring->block[number % RING_BUNDLES];
    unsigned tries = 0;

    while (atomic_load_explicit(&ring->written, memory_order_acquire) <= number)
        crew_pause(&tries);
    for (size_t i = 0; i < BUNDLE; i++)
        free(block[i]);
    atomic_store_explicit(&ring->read, number + 1, memory_order_release);
}

static void gather(size_t bundles)
{
    size_t number[MANY] = {0}, left = MANY * bundles;
    unsigned tries = 0;

    while (left) {
        size_t before = left;
        for (size_t i = 0; i < MANY; i++) {
            size_t written =
                atomic_load_explicit(&flow.ring[i].written, memory_order_acquire);
            for (; number[i] < written; left--)
                receive_bundle(&flow.ring[i], number[i]++);
        }
        if (left == before)
            crew_pause(&tries);
    }
}

static void *work(void *argument)
{
    const struct worker *self = argument;

    if (self->gathers) {
        gather(self->bundles);
        return NULL;
    }
    for (size_t number = 0; number < self->bundles; number++) {
        if (self->out)
            send_bundle(self->out, number);
        if (self->in)
            receive_bundle(self->in, number);
    }
    return NULL;
}

static void run_workers(struct worker *worker, size_t count)
{
    pthread_t thread[MANY + 1];

    for (size_t i = 0; i < MANY; i++) {
        atomic_store_explicit(&flow.ring[i].written, 0, memory_order_relaxed);
        atomic_store_explicit(&flow.ring[i].read, 0, memory_order_relaxed);
    }
    for (size_t i = 0; i < count; i++)
        if (pthread_create(&thread[i], NULL, work, &worker[i]) != 0) {
            fputs("bench_prodcons: cannot start a thread\n", stderr);
            exit(3);
        }
    for (size_t i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
}

BENCH_WORK uint64_t work_oneway(const struct bench_case *c)
{
    struct worker pair[2] = {{.out = &flow.ring[0], .bundles = BUNDLES},
                             {.in = &flow.ring[0], .bundles = BUNDLES}};
    run_workers(pair, c->threads);
    return (uint64_t)BUNDLES * BUNDLE;
}

BENCH_WORK uint64_t work_twoway(const struct bench_case *c)
{
    struct worker pair[2] = {
        {.out = &flow.ring[0], .in = &flow.ring[1], .bundles = BUNDLES},
        {.out = &flow.ring[1], .in = &flow.ring[0], .bundles = BUNDLES}};
    run_workers(pair, c->threads);
    return (uint64_t)2 * BUNDLES * BUNDLE;
}

BENCH_WORK uint64_t work_gather(const struct bench_case *c)
{
    const size_t bundles = BUNDLES / MANY;
    struct worker worker[MANY + 1] = {[MANY] = {.bundles = bundles, .gathers = 1}};
    for (size_t i = 0; i < MANY; i++)
        worker[i] = (struct worker){.out = &flow.ring[i], .bundles = bundles};
    run_workers(worker, c->threads);
    return (uint64_t)MANY * bundles * BUNDLE;
}

#define FLOW(how, label, bytes, count)                                                 \
    {                                                                                  \
        .name = #how "/" label, .unit = "block", .step = work_##how,                   \
        .begin = begin_flow, .size = (bytes), .threads = (count)                       \
    }

static const struct bench_case cases[] = {
    FLOW(oneway, "64", 64, 2),        FLOW(oneway, "mixed", 0, 2),
    FLOW(twoway, "64", 64, 2),        FLOW(twoway, "mixed", 0, 2),
    FLOW(gather, "64", 64, MANY + 1), FLOW(gather, "mixed", 0, MANY + 1),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
