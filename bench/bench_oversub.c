/* SPDX-License-Identifier: MIT */
/*
 * What does a block cost when there are more threads than CPUs?
 *
 * 2, 4, 8 and 16 threads, whatever the machine has. Each has 512 blocks of mixed sizes;
 * an operation frees one of them at random and allocates another size in its place. One
 * new block in 16 is exchanged for what lies at a place all threads share, so that it is
 * freed by whoever meets it. A thread that is put aside in the middle of malloc holds up
 * the others where the allocator has locks. The threads stay from step to step. One
 * operation is one block allocated and one freed, by the wall clock.
 */
#include "bench.h"
#include "crew.h"

#include <stdatomic.h>

enum { OPERATIONS = 200000, OWN = 512, SHARED = 1024, EXCHANGED = 16 };

struct worker {
    _Alignas(64) uint64_t state;
    void *block[OWN];
};

static struct {
    size_t operations; /* of one thread in a step */
    struct worker worker[CREW_MOST];
    /* Exchanged with acquire and release: the taker sees the block as its giver left it. */
    _Atomic(void *) place[SHARED];
} crowd;

static void begin_crowd(const struct bench_case *c)
{
    crowd.operations = OPERATIONS / c->threads;
    for (size_t i = 0; i < CREW_MOST; i++)
        crowd.worker[i].state = (i + 1) * UINT64_C(0xA0761D6478BD642F);
}

static void replace_blocks(unsigned number)
{
    struct worker *self = &crowd.worker[number];

    for (size_t i = 0; i < crowd.operations; i++) {
        size_t at = bench_random_below(&self->state, OWN);
        free(self->block[at]);
        void *block = malloc(bench_random_size(&self->state));
        bench_touch(block);
        if (i % EXCHANGED == 0) {
            size_t where = bench_random_below(&self->state, SHARED);
            block = atomic_exchange_explicit(&crowd.place[where], block,
                                             memory_order_acq_rel);
        }
        self->block[at] = block;
    }
}

BENCH_WORK uint64_t work_oversub(const struct bench_case *c)
{
    crew_run(c->threads, replace_blocks);
    return OPERATIONS;
}

#define CROWD(count)                                                                   \
    {                                                                                  \
        .name = "oversub/" #count, .unit = "block", .step = work_oversub,              \
        .begin = begin_crowd, .threads = (count)                                       \
    }

static const struct bench_case cases[] = {CROWD(2), CROWD(4), CROWD(8), CROWD(16)};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
