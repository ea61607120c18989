/* SPDX-License-Identifier: MIT */
/*
 * Threads that allocate, resize, free their own blocks and free each other's, with
 * the same calls in every run whatever the order the threads run in: for the
 * comparison of counts. Round by round all threads are started, then all are joined.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 6, ROUNDS = 5 * TIMES, BLOCKS = 3000 };

static void *mine[THREADS][BLOCKS];
static pthread_barrier_t barrier;

static void *work(void *argument)
{
    size_t self = (size_t)(uintptr_t)argument;
    for (size_t i = 0; i < BLOCKS; i++) {
        free(mine[self][i]); /* from the thread that had this number last round */
        mine[self][i] = malloc((i * 37 + self * 101) % 5000);
    }
    pthread_barrier_wait(&barrier);
    void **other = mine[(self + 1) % THREADS];
    for (size_t i = 0; i < BLOCKS; i++) {
        if (i % 5 == 0)
            other[i] = realloc(other[i], (i * 13) % 20000 + 1);
        if (i % 3 == 0) {
            free(other[i]); /* a remote free */
            other[i] = NULL;
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t thread[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < THREADS; i++)
            if (pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)i) != 0)
                return 1;
        for (size_t i = 0; i < THREADS; i++)
            pthread_join(thread[i], NULL);
    }
    puts("done");
    return 0;
}
