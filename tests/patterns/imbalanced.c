/* SPDX-License-Identifier: MIT */
/* Of four threads one gets eight times as much to hold as the others. */
#include "pattern.h"

#include <pthread.h>

enum { THREADS = 4, SHARE = 2000 };

static pthread_barrier_t all;

static SITE void assemble(unsigned rows)
{
    for (unsigned i = 0; i < rows; i++) {
        char *row = malloc(4000);
        memset(row, 6, 4000);
        KEEP(row);
    }
}

static void *crew(void *rows)
{
    assemble((unsigned)(uintptr_t)rows);
    compute(200000000);
    pthread_barrier_wait(&all);
    pthread_barrier_wait(&all);
    return NULL;
}

int main(void)
{
    pthread_t thread[THREADS - 1];

    pthread_barrier_init(&all, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS - 1; i++)
        pthread_create(&thread[i], NULL, crew,
                       (void *)(uintptr_t)(SHARE * (i == 1 ? 8 : 1)));
    assemble(SHARE);
    compute(200000000);
    pthread_barrier_wait(&all);
    exit(0); /* with all threads there */
}
