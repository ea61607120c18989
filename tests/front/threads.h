/* SPDX-License-Identifier: MIT */
/* What the front's programs of threads share. */
#ifndef TESTS_FRONT_THREADS_H
#define TESTS_FRONT_THREADS_H

#include "check.h"

#include <pthread.h>

static inline void start(pthread_t *thread, void *(*body)(void *), void *argument)
{
    int error = pthread_create(thread, NULL, body, argument);

    if (error) {
        printf("FAIL: pthread_create: %s\n", strerror(error));
        exit(1);
    }
}

/* Pages of the process: mapped and resident. 0 and 0 without /proc. */
static inline void pages_now(unsigned long *mapped, unsigned long *resident)
{
    FILE *file = fopen("/proc/self/statm", "r");

    *mapped = *resident = 0;
    if (file && fscanf(file, "%lu %lu", mapped, resident) != 2)
        *mapped = *resident = 0;
    if (file)
        fclose(file);
}

static inline bool use_some(unsigned seed, int blocks)
{
    void *block[64];
    size_t bytes[64];
    bool good = true;

    for (int i = 0; i < blocks; i++) {
        seed = seed * 1103515245 + 12345;
        bytes[i] = (seed >> 8) % ((i + 1) % 16 ? 500 : 40000);
        block[i] = malloc(bytes[i]);
        good &= block[i] != NULL;
        fill(block[i], bytes[i], seed);
        good &= filled(block[i], bytes[i], seed);
    }
    for (int i = 0; i < blocks; i++)
        free(block[i]);
    return good;
}

#endif
