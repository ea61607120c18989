/* SPDX-License-Identifier: MIT */
/*
 * What does a large array cost from malloc over its first touch to free?
 *
 *   large/...   malloc, one byte written in each 4 KiB, free, in a loop, as solvers do
 *               with their work arrays
 *   touch2/...  the same, but two threads write, one half each, as a parallel loop does
 *               after one thread has allocated; that one frees
 * An allocator that returns the memory each time pays for page faults; one that keeps it
 * shows that in its peak memory, or in where the pages lie. One operation is one array.
 */
#include "bench.h"
#include "crew.h"

#include <stdatomic.h>

#define MIB ((size_t)1024 * 1024)

/* The array that two threads share. Each count is one thread's and released by it, with
 * the other's acquire. */
static struct {
    size_t size, arrays; /* of a step */
    char *block;
    atomic_size_t given;                /* arrays allocated */
    _Alignas(64) atomic_size_t touched; /* arrays whose second half is written */
} halves;

BENCH_WORK uint64_t work_large(const struct bench_case *c)
{
    char *block = malloc(c->size);
    bench_touch_pages(block, 0, c->size);
    free(block);
    return 1;
}

static void wait_for(atomic_size_t *count, size_t value)
{
    unsigned tries = 0;
    while (atomic_load_explicit(count, memory_order_acquire) < value)
        crew_pause(&tries);
}

static void touch_half(unsigned number)
{
    size_t size = halves.size;

    for (size_t i = 1; i <= halves.arrays; i++) {
        if (number == 0) {
            halves.block = malloc(size);
            atomic_store_explicit(&halves.given, i, memory_order_release);
            bench_touch_pages(halves.block, 0, size / 2);
            wait_for(&halves.touched, i);
            free(halves.block);
        } else {
            wait_for(&halves.given, i);
            bench_touch_pages(halves.block, size / 2, size);
            atomic_store_explicit(&halves.touched, i, memory_order_release);
        }
    }
}

/* A step is 256 MiB of arrays: starting the two is nothing beside it. */
BENCH_WORK uint64_t work_touch2(const struct bench_case *c)
{
    halves.size = c->size;
    halves.arrays = 256 * MIB / c->size;
    atomic_store_explicit(&halves.given, 0, memory_order_relaxed);
    atomic_store_explicit(&halves.touched, 0, memory_order_relaxed);
    crew_run(2, touch_half);
    return halves.arrays;
}

#define LARGE(label, bytes, need, lengthy)                                             \
    {                                                                                  \
        .name = "large/" label, .unit = "block", .step = work_large, .size = (bytes),  \
        .memory = (need), .threads = 1, .slow = (lengthy)                              \
    }
#define TOUCH2(label, bytes, lengthy)                                                  \
    {                                                                                  \
        .name = "touch2/" label, .unit = "block", .step = work_touch2,                 \
        .size = (bytes), .threads = 2, .slow = (lengthy)                               \
    }

static const struct bench_case cases[] = {
    LARGE("64K", 65536, 0, 0),
    LARGE("256K", 262144, 0, 0),
    LARGE("1M", MIB, 0, 0),
    LARGE("4M", 4 * MIB, 0, 0),
    LARGE("16M", 16 * MIB, 0, 0),
    LARGE("64M", 64 * MIB, 0, 0),
    LARGE("256M", 256 * MIB, 512 * MIB, 1),
    LARGE("1G", 1024 * MIB, 1536 * MIB, 1),
    TOUCH2("1M", MIB, 0),
    TOUCH2("16M", 16 * MIB, 0),
    TOUCH2("128M", 128 * MIB, 1),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
