/* SPDX-License-Identifier: MIT */
/*
 * What does a block cost when every block has another size?
 *
 * Sizes are spread evenly over 16..2047 bytes, from tables made before the clock runs.
 *   mixed/random   a thousand blocks allocated, then freed in random order
 *   mixed/replace  a thousand blocks live on; each operation frees one of them at random
 *                  and allocates another size in its place
 * One operation is one malloc+free pair.
 */
#include "bench.h"

enum { BLOCKS = 1000, TABLES = 8 };

static struct {
    uint16_t order[TABLES][BLOCKS];
    uint16_t size[TABLES][BLOCKS];
    void *block[BLOCKS];
    unsigned next; /* the tables of the next step */
} mixed;

static void begin_mixed(const struct bench_case *c)
{
    uint64_t state = 0xD1B54A32D192ED03u;
    (void)c;
    for (size_t k = 0; k < TABLES; k++) {
        bench_shuffle(&state, mixed.order[k], BLOCKS);
        for (size_t i = 0; i < BLOCKS; i++)
            mixed.size[k][i] = (uint16_t)bench_random_size(&state);
    }
}

BENCH_WORK uint64_t work_random(const struct bench_case *c)
{
    unsigned table = mixed.next++ % TABLES;
    const uint16_t *size = mixed.size[table];
    const uint16_t *order = mixed.order[table];

    (void)c;
    for (size_t i = 0; i < BLOCKS; i++) {
        mixed.block[i] = malloc(size[i]);
        bench_touch(mixed.block[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        free(mixed.block[order[i]]);
    return BLOCKS;
}

/* The first step frees nothing: its slots are empty, and free(NULL) does nothing. */
BENCH_WORK uint64_t work_replace(const struct bench_case *c)
{
    unsigned table = mixed.next++ % TABLES;
    const uint16_t *size = mixed.size[table];
    const uint16_t *order = mixed.order[table];

    (void)c;
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t at = order[i];
        free(mixed.block[at]);
        mixed.block[at] = malloc(size[i]);
        bench_touch(mixed.block[at]);
    }
    return BLOCKS;
}

static const struct bench_case cases[] = {
    {.name = "mixed/random",
     .unit = "pair",
     .step = work_random,
     .begin = begin_mixed,
     .threads = 1,
     .counted = 1},
    {.name = "mixed/replace",
     .unit = "pair",
     .step = work_replace,
     .begin = begin_mixed,
     .threads = 1,
     .counted = 1},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
