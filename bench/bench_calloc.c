/* SPDX-License-Identifier: MIT */
/*
 * What does a zeroed block cost, and is memory cleared that is zero already?
 *
 * calloc, a byte written, free, one block at a time: the block comes back dirty, so an
 * allocator has to clear it, or to give other memory. One operation is one calloc+free
 * pair. The instructions of clearing are counted as the allocator's own, whoever's
 * memset it calls.
 */
#include "bench.h"

enum { PAIRS = 200 };

BENCH_WORK uint64_t work_calloc(const struct bench_case *c)
{
    size_t size = c->size;

    for (int i = 0; i < PAIRS; i++) {
        void *block = calloc(1, size);
        bench_touch(block);
        free(block);
    }
    return PAIRS;
}

#define CALLOC(label, bytes, fit)                                                      \
    {                                                                                  \
        .name = "calloc/" label, .unit = "pair", .step = work_calloc, .size = (bytes), \
        .threads = 1, .counted = (fit)                                                 \
    }

static const struct bench_case cases[] = {
    CALLOC("64", 64, 1),
    CALLOC("1K", 1024, 1),
    CALLOC("32K", 32768, 0),
    CALLOC("1M", 1024 * 1024, 0),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
