/* SPDX-License-Identifier: MIT */
/*
 * What does a short thread cost that allocates: set-up, work, and what it leaves behind?
 *
 * Threads are started two at a time and joined. Each allocates a number of blocks of
 * mixed sizes, frees every other one, and leaves the rest to the thread that joins it.
 *   threads/1    one block: the price of entering the allocator and leaving it
 *   threads/200  two hundred blocks
 * One operation is one thread, its creation by the system included, by the wall clock.
 */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>

enum { ROUNDS = 16, PAIR = 2, MOST = 200 };

struct short_life {
    size_t count; /* how many blocks this thread allocates */
    void *block[MOST];
};

static struct {
    size_t size[MOST];
    struct short_life life[PAIR];
} churn;

static void begin_churn(const struct bench_case *c)
{
    uint64_t state = 0xE7037ED1A0B428DBu;
    for (size_t i = 0; i < PAIR; i++)
        churn.life[i].count = c->size;
    for (size_t i = 0; i < MOST; i++)
        churn.size[i] = bench_random_size(&state);
}

static void *live(void *argument)
{
    struct short_life *self = argument;

    for (size_t i = 0; i < self->count; i++) {
        self->block[i] = malloc(churn.size[i]);
        bench_touch(self->block[i]);
    }
    for (size_t i = 1; i < self->count; i += 2)
        free(self->block[i]);
    return NULL;
}

BENCH_WORK uint64_t work_threads(const struct bench_case *c)
{
    pthread_t thread[PAIR];

    (void)c;
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < PAIR; i++)
            if (pthread_create(&thread[i], NULL, live, &churn.life[i]) != 0) {
                fputs("bench_threads: cannot start a thread\n", stderr);
                exit(3);
            }
        for (size_t i = 0; i < PAIR; i++) {
            pthread_join(thread[i], NULL);
            for (size_t k = 0; k < churn.life[i].count; k += 2)
                free(churn.life[i].block[k]);
        }
    }
    return (uint64_t)ROUNDS * PAIR;
}

static const struct bench_case cases[] = {
    {.name = "threads/1",
     .unit = "thread",
     .step = work_threads,
     .begin = begin_churn,
     .size = 1,
     .threads = 2},
    {.name = "threads/200",
     .unit = "thread",
     .step = work_threads,
     .begin = begin_churn,
     .size = MOST,
     .threads = 2},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
