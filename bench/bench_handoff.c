/* SPDX-License-Identifier: MIT */
/*
 * What does a block cost in a server, where whoever comes by frees it?
 *
 * Threads share 4096 places. Each picks a place at random, puts a new block of a mixed
 * size there and frees the block it found, which mostly came from another thread. The
 * blocks outlive their threads: a step ends by joining them, and the threads of the next
 * step free what those left.
 *   handoff/2  two threads
 *   handoff/8  eight threads: more than a small machine has CPUs
 * One operation is one block put and one freed, by the wall clock.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { PLACES = 4096, OPERATIONS = 200000, MOST = 8 };

struct server {
    uint64_t state; /* of its generator */
    size_t operations;
};

static struct {
    /* Exchanged with acquire and release: the taker sees the block as its giver left it. */
    _Atomic(void *) place[PLACES];
    uint64_t steps; /* so that each step draws other numbers */
} shared;

static void *serve(void *argument)
{
    struct server *self = argument;
    uint64_t state = self->state;

    for (size_t i = 0; i < self->operations; i++) {
        void *block = malloc(bench_random_size(&state));
        bench_touch(block);
        size_t at = bench_random_below(&state, PLACES);
        free(atomic_exchange_explicit(&shared.place[at], block, memory_order_acq_rel));
    }
    return NULL;
}

BENCH_WORK uint64_t work_handoff(const struct bench_case *c)
{
    pthread_t thread[MOST];
    struct server server[MOST];

    shared.steps++;
    for (size_t i = 0; i < c->threads; i++) {
        server[i].state = (shared.steps * MOST + i) * UINT64_C(0x9E3779B97F4A7C15);
        server[i].operations = OPERATIONS / c->threads;
        if (pthread_create(&thread[i], NULL, serve, &server[i]) != 0) {
            fputs("bench_handoff: cannot start a thread\n", stderr);
            exit(3);
        }
    }
    for (size_t i = 0; i < c->threads; i++)
        pthread_join(thread[i], NULL);
    return OPERATIONS;
}

static const struct bench_case cases[] = {
    {.name = "handoff/2", .unit = "block", .step = work_handoff, .threads = 2},
    {.name = "handoff/8", .unit = "block", .step = work_handoff, .threads = 8},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
