/* SPDX-License-Identifier: MIT */
/*
 * What does a large array cost from malloc over its first touch to free?
 *
 * malloc, one byte written in each 4 KiB, free, in a loop, as solvers do with their work
 * arrays. An allocator that returns the memory each time pays for page faults; one that
 * keeps it shows that in its peak memory, or in where the pages lie. One operation is
 * one array.
 */
#include "bench.h"

BENCH_WORK uint64_t work_large(const struct bench_case *c)
{
    char *block = malloc(c->size);
    bench_touch_pages(block, 0, c->size);
    free(block);
    return 1;
}

#define LARGE(label, bytes)                                                            \
    {                                                                                  \
        .name = "large/" label, .unit = "block", .step = work_large, .size = (bytes),  \
        .threads = 1                                                                   \
    }

static const struct bench_case cases[] = {
    LARGE("64K", 65536),
    LARGE("256K", 262144),
    LARGE("1M", 1024 * 1024),
    LARGE("4M", 4 * 1024 * 1024),
    LARGE("16M", 16 * 1024 * 1024),
    LARGE("64M", 64 * 1024 * 1024),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
