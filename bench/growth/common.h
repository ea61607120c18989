/* SPDX-License-Identifier: MIT */
/* What growth.c and comeback.c share: memory that is not the allocator's, the clock. */
#ifndef BENCH_GROWTH_COMMON_H
#define BENCH_GROWTH_COMMON_H

#include "../bench.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Zeroed memory from the system: tables of the bench are no part of the heap. */
static inline void *own_memory(size_t bytes)
{
    void *p =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        bench_no_memory();
    return p;
}

/* The file that malloc comes from. */
static inline const char *malloc_file(void)
{
    void *(*function)(size_t) = malloc;
    void *address = NULL;
    Dl_info info;
    memcpy(&address, &function, sizeof address);
    return dladdr(address, &info) && info.dli_fname ? info.dli_fname : "?";
}

#endif
