/* SPDX-License-Identifier: MIT */
/*
 * Nothing to find: set up and kept to the end, a table that is filled for two thirds of the run
 * and then used, a bounded cache, buffers that are used again, an array that doubles, threads
 * that do alike, and what was built freed at its end. All for more than a second, as leaks are
 * looked for from there on.
 */
#include "pattern.h"

#include <pthread.h>

enum { THREADS = 4, STEPS = 10000, BUILT = 1000, FILLED = STEPS * 2 / 3 };

static char *filled[FILLED];

static pthread_barrier_t all;

static SITE void *scratch(size_t bytes)
{
    return malloc(bytes);
}

static SITE void *grown(void *old, size_t bytes)
{
    return realloc(old, bytes);
}

static void *crew(void *unused)
{
    char *own = scratch(1 << 20);

    for (unsigned step = 0; step < STEPS; step++) {
        memset(own, (int)step, 4096);
        compute(10000);
    }
    pthread_barrier_wait(&all);
    pthread_barrier_wait(&all);
    return unused;
}

static SITE void fill(unsigned step)
{
    filled[step] = malloc(2000);
    memset(filled[step], 3, 2000);
}

static void build(void)
{
    size_t room = 16, used = 0;
    void **list = malloc(room * sizeof *list);

    for (unsigned i = 0; i < BUILT; i++) {
        if (used == room)
            list = grown(list, (room *= 2) * sizeof *list);
        list[used++] = scratch(500 + i % 100);
    }
    while (used > 0)
        free(list[--used]);
    free(list);
}

int main(void)
{
    pthread_t thread[THREADS - 1];

    set_up();
    pthread_barrier_init(&all, NULL, THREADS);
    for (int i = 0; i < THREADS - 1; i++)
        pthread_create(&thread[i], NULL, crew, NULL);
    for (unsigned step = 0; step < STEPS; step++) {
        refresh(step);
        compute(10000);
        if (step < FILLED)
            fill(step);
        if (step % 1000 == 0)
            build();
        if (step % 100 == 0)
            wait_ms(12);
    }
    pthread_barrier_wait(&all);
    exit(0); /* with all threads there */
}
