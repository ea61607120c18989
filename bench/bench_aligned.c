/* SPDX-License-Identifier: MIT */
/*
 * What does an aligned block cost beside an ordinary one?
 *
 *   aligned/64, aligned/1K   64-byte alignment, as vector code asks for: posix_memalign, a
 *                            byte written, free, one block at a time
 *   aligned/4K               a page, aligned to its size
 *   aligned/mixed            64 blocks live; the oldest is freed, and one of 24 to 2000
 *                            bytes follows it, of alignment 8, 16, 32 or 64 in turn
 * One operation is one pair of an allocation and a free. That aligned blocks be among
 * the others is an idea of Mattias Jansson's rpmalloc-benchmark.
 */
#include "bench.h"

enum { PAIRS = 200, LIVE = 64 };

#define ALWAYS                                                                         \
    static inline __attribute__((always_inline)) /* in work_*: it is counted */

ALWAYS void *aligned(size_t align, size_t size)
{
    void *block;
    if (posix_memalign(&block, align, size) != 0)
        bench_no_memory();
    return block;
}

ALWAYS void check(const void *block, size_t align)
{
    if (((uintptr_t)block & (align - 1)) != 0)
        bench_wrong("a block is not aligned as asked");
}

ALWAYS uint64_t pairs(size_t align, size_t size)
{
    for (int i = 0; i < PAIRS; i++) {
        void *block = aligned(align, size);
        check(block, align);
        bench_touch(block);
        free(block);
    }
    return PAIRS;
}

BENCH_WORK uint64_t work_lines(const struct bench_case *c)
{
    return pairs(64, c->size);
}

BENCH_WORK uint64_t work_own(const struct bench_case *c)
{
    return pairs(c->size, c->size);
}

BENCH_WORK uint64_t work_mixed(const struct bench_case *c)
{
    static void *live[LIVE];
    static uint32_t turn;

    (void)c;
    for (int i = 0; i < PAIRS; i++, turn++) {
        size_t align = (size_t)8 << turn % 4;
        void **slot = &live[turn % LIVE];
        free(*slot);
        *slot = aligned(align, 24 + (size_t)turn * 97 % 1977);
        check(*slot, align);
        bench_touch(*slot);
    }
    return PAIRS;
}

#define ALIGNED(label, work, bytes, fit)                                               \
    {                                                                                  \
        .name = "aligned/" label, .unit = "pair", .step = (work), .size = (bytes),     \
        .threads = 1, .counted = (fit)                                                 \
    }

static const struct bench_case cases[] = {
    ALIGNED("64", work_lines, 64, 1),
    ALIGNED("1K", work_lines, 1024, 1),
    ALIGNED("4K", work_own, 4096, 1),
    ALIGNED("mixed", work_mixed, 0, 1),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
