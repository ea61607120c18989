/* SPDX-License-Identifier: MIT */
/*
 * What does a block cost that lives among a thousand others, and does the order matter
 * in which they are freed?
 *
 * A thousand blocks of one size are allocated, then all are freed: the last one first
 * (lifo), the first one first (fifo), or in random order. The orders are tables, so that
 * the loop is the same for all three. One operation is one malloc+free pair.
 */
#include "bench.h"

enum { BLOCKS = 1000, ORDERS = 8 };

static struct {
    uint16_t order[ORDERS]
                  [BLOCKS]; /* in which to free; one after the other, cyclically */
    void *block[BLOCKS];
    unsigned next; /* the order of the next step */
} batch;

static void begin_lifo(const struct bench_case *c)
{
    (void)c;
    for (size_t k = 0; k < ORDERS; k++)
        for (size_t i = 0; i < BLOCKS; i++)
            batch.order[k][i] = (uint16_t)(BLOCKS - 1 - i);
}

static void begin_fifo(const struct bench_case *c)
{
    (void)c;
    for (size_t k = 0; k < ORDERS; k++)
        for (size_t i = 0; i < BLOCKS; i++)
            batch.order[k][i] = (uint16_t)i;
}

static void begin_random(const struct bench_case *c)
{
    uint64_t state = 0x9E3779B97F4A7C15u;
    (void)c;
    for (size_t k = 0; k < ORDERS; k++)
        bench_shuffle(&state, batch.order[k], BLOCKS);
}

BENCH_WORK uint64_t work_batch(const struct bench_case *c)
{
    const uint16_t *order = batch.order[batch.next++ % ORDERS];
    size_t size = c->size;

    for (size_t i = 0; i < BLOCKS; i++) {
        batch.block[i] = malloc(size);
        bench_touch(batch.block[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        free(batch.block[order[i]]);
    return BLOCKS;
}

#define BATCH(how, label, bytes)                                                       \
    {                                                                                  \
        .name = #how "/" label, .unit = "pair", .step = work_batch,                    \
        .begin = begin_##how, .size = (bytes), .threads = 1, .counted = 1              \
    }
#define BATCHES(how)                                                                   \
    BATCH(how, "16", 16), BATCH(how, "64", 64), BATCH(how, "256", 256),                \
        BATCH(how, "1K", 1024), BATCH(how, "4K", 4096), BATCH(how, "32K", 32768)

static const struct bench_case cases[] = {BATCHES(lifo), BATCHES(fifo),
                                          BATCHES(random)};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
