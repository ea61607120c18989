/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to grow an array: does the allocator copy, extend, or remap?
 *
 *   realloc/double-1M   from 16 bytes by doubling to 1 MiB, as vectors grow (17 calls)
 *   realloc/append-64K  from 64 bytes in steps of 64 to 64 KiB, as naive strings grow
 *                       (1024 calls)
 *   realloc/step-64M    from 1 MiB in steps of 1 MiB to 64 MiB, as matrices being
 *                       assembled grow (64 calls); each new page is written
 * The first two write the last byte of each stage. One operation is one whole growth with
 * the free at its end.
 */
#include "bench.h"

static char *grow(char *block, size_t size)
{
    char *grown = realloc(block, size);
    if (!grown)
        bench_no_memory();
    return grown;
}

BENCH_WORK uint64_t work_double(const struct bench_case *c)
{
    char *block = NULL;

    for (size_t size = 16; size <= c->size; size *= 2) {
        block = grow(block, size);
        bench_touch(block + size - 1);
    }
    free(block);
    return 1;
}

BENCH_WORK uint64_t work_append(const struct bench_case *c)
{
    char *block = NULL;

    for (size_t size = 64; size <= c->size; size += 64) {
        block = grow(block, size);
        bench_touch(block + size - 1);
    }
    free(block);
    return 1;
}

BENCH_WORK uint64_t work_step(const struct bench_case *c)
{
    const size_t step = 1024 * 1024;
    char *block = NULL;

    for (size_t size = step; size <= c->size; size += step) {
        block = grow(block, size);
        bench_touch_pages(block, size - step, size);
    }
    free(block);
    return 1;
}

static const struct bench_case cases[] = {
    {.name = "realloc/double-1M",
     .unit = "growth",
     .step = work_double,
     .size = 1024 * 1024,
     .threads = 1},
    {.name = "realloc/append-64K",
     .unit = "growth",
     .step = work_append,
     .size = 64 * 1024,
     .threads = 1},
    {.name = "realloc/step-64M",
     .unit = "growth",
     .step = work_step,
     .size = 64 * 1024 * 1024,
     .threads = 1},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
