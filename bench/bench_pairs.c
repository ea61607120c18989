/* SPDX-License-Identifier: MIT */
/*
 * What does a block cost that is freed at once?
 *
 * One block at a time: malloc, a byte written, free. The best case of any allocator, and
 * the commonest pattern of short-lived buffers. One operation is one malloc+free pair.
 */
#include "bench.h"

enum { PAIRS = 1000 };

BENCH_WORK uint64_t work_pairs(const struct bench_case *c)
{
    size_t size = c->size;

    for (int i = 0; i < PAIRS; i++) {
        void *block = malloc(size);
        bench_touch(block);
        free(block);
    }
    return PAIRS;
}

#define PAIR(label, bytes, fit)                                                        \
    {                                                                                  \
        .name = "pairs/" label, .unit = "pair", .step = work_pairs, .size = (bytes),   \
        .threads = 1, .counted = (fit)                                                 \
    }

static const struct bench_case cases[] = {
    PAIR("16", 16, 1),       PAIR("64", 64, 1),         PAIR("256", 256, 1),
    PAIR("1K", 1024, 1),     PAIR("4K", 4096, 1),       PAIR("8K", 8192, 1),
    PAIR("16K", 16384, 1),   PAIR("32K", 32768, 1),     PAIR("64K", 65536, 0),
    PAIR("256K", 262144, 0), PAIR("1M", 1024 * 1024, 0)};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
