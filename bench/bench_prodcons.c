/* SPDX-License-Identifier: MIT */
/*
 * What does a block cost that another thread frees?
 *
 *   oneway/...  one thread allocates, the other frees: memory must find its way back
 *   twoway/...  two threads allocate, and each frees what the other allocated
 * Blocks travel in bundles of 32 through a ring with one writer and one reader, so that
 * the ring itself costs little beside the blocks. A waiting thread spins briefly, then
 * yields. A step starts and joins its threads; with 200,000 blocks that is below one
 * percent. One operation is one block, allocated here and freed there, by the wall clock.
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

enum { BUNDLE = 32, BUNDLES = 6250, RING_BUNDLES = 64, SIZES = 4096 };

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
};

static struct {
    struct ring ring[2];
    size_t size[SIZES]; /* of the mixed cases */
} flow;

static void begin_flow(const struct bench_case *c)
{
    uint64_t state = 0xA0761D6478BD642Fu;
    for (size_t i = 0; i < SIZES; i++)
        flow.size[i] = c->size ? c->size : bench_random_size(&state);
}

static void pause_briefly(unsigned *tries)
{
    if (++*tries % 64 == 0)
        sched_yield();
}

static void send_bundle(struct ring *ring, size_t number)
{
    void **block = ring->block[number % RING_BUNDLES];
    unsigned tries = 0;

    while (number - atomic_load_explicit(&ring->read, memory_order_acquire) >=
           RING_BUNDLES)
        pause_briefly(&tries);
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
        pause_briefly(&tries);
    for (size_t i = 0; i < BUNDLE; i++)
        free(block[i]);
    atomic_store_explicit(&ring->read, number + 1, memory_order_release);
}

static void *work(void *argument)
{
    const struct worker *self = argument;

    for (size_t number = 0; number < BUNDLES; number++) {
        if (self->out)
            send_bundle(self->out, number);
        if (self->in)
            receive_bundle(self->in, number);
    }
    return NULL;
}

static uint64_t run_pair(struct worker pair[2])
{
    pthread_t thread[2];

    for (size_t i = 0; i < 2; i++) {
        atomic_store_explicit(&flow.ring[i].written, 0, memory_order_relaxed);
        atomic_store_explicit(&flow.ring[i].read, 0, memory_order_relaxed);
    }
    for (size_t i = 0; i < 2; i++)
        if (pthread_create(&thread[i], NULL, work, &pair[i]) != 0) {
            fputs("bench_prodcons: cannot start a thread\n", stderr);
            exit(3);
        }
    for (size_t i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    return (uint64_t)BUNDLES * BUNDLE;
}

BENCH_WORK uint64_t work_oneway(const struct bench_case *c)
{
    (void)c;
    struct worker pair[2] = {{.out = &flow.ring[0]}, {.in = &flow.ring[0]}};
    return run_pair(pair);
}

BENCH_WORK uint64_t work_twoway(const struct bench_case *c)
{
    (void)c;
    struct worker pair[2] = {{.out = &flow.ring[0], .in = &flow.ring[1]},
                             {.out = &flow.ring[1], .in = &flow.ring[0]}};
    return 2 * run_pair(pair);
}

#define FLOW(how, label, bytes)                                                        \
    {                                                                                  \
        .name = #how "/" label, .unit = "block", .step = work_##how,                   \
        .begin = begin_flow, .size = (bytes), .threads = 2                             \
    }

static const struct bench_case cases[] = {
    FLOW(oneway, "64", 64), FLOW(oneway, "mixed", 0), FLOW(twoway, "64", 64),
    FLOW(twoway, "mixed", 0)};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
