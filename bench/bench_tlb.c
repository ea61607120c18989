/* SPDX-License-Identifier: MIT */
/*
 * What does a read cost from a heap that is far larger than what the TLB reaches?
 *
 * Set-up, which is not timed: a heap of 256 MiB to 4 GiB made of blocks of 64 B, 1 KiB or
 * 1 MiB, all written. A million places spread over all of it, in one chain in random
 * order, are then read one after the other: each read gives the address of the next.
 * Nothing is allocated meanwhile. What differs between allocators is how far the blocks
 * lie apart, and whether they lie on huge pages. One operation is one read.
 *
 * Cases that the machine has not the memory for are left out.
 */
#include "bench.h"

#include <string.h>

enum { PLACES = 1 << 20, READS = 1 << 17 };

#define GIB ((size_t)1 << 30)

/* A multiple of 64 bytes from the beginning of a block, and at the beginning of each. */
struct place {
    struct place *block_before; /* at the beginning: the block allocated before */
    struct place *next;         /* in the chain */
};

static struct {
    struct place *place[PLACES];
    struct place *at;         /* the next to be read */
    struct place *last_block; /* all are listed from it */
} chain;

static void free_heap(void)
{
    while (chain.last_block) {
        struct place *before = chain.last_block->block_before;
        free(chain.last_block);
        chain.last_block = before;
    }
}

static void link_places(uint64_t *state)
{
    for (size_t i = PLACES - 1; i > 0; i--) {
        size_t other = bench_random_below(state, i + 1);
        struct place *place = chain.place[i];
        chain.place[i] = chain.place[other];
        chain.place[other] = place;
    }
    for (size_t i = 0; i < PLACES; i++)
        chain.place[i]->next = chain.place[(i + 1) % PLACES];
    chain.at = chain.place[0];
}

/*
 * The case's `memory` is one and a half times the heap. Each share of it, as many bytes
 * as there are for one place, has one at random. The heap stays to the end, or to the
 * next case in the same process.
 */
static void begin_tlb(const struct bench_case *c)
{
    uint64_t state = 0x8BB84B93962EACC9u;
    size_t heap = c->memory / 3 * 2, share = heap / PLACES, places = 0;
    size_t place = 64 * bench_random_below(&state, share / 64);

    free_heap();
    for (size_t from = 0; from < heap; from += c->size) {
        char *block = malloc(c->size);
        bench_touch(block);
        memset(block, 0, c->size);
        ((struct place *)(void *)block)->block_before = chain.last_block;
        chain.last_block = (struct place *)(void *)block;
        while (place < from + c->size) {
            chain.place[places++] = (struct place *)(void *)(block + (place - from));
            if (places == PLACES)
                place = heap;
            else
                place = places * share + 64 * bench_random_below(&state, share / 64);
        }
    }
    link_places(&state);
}

BENCH_WORK uint64_t work_reads(const struct bench_case *c)
{
    const struct place *at = chain.at;

    (void)c;
    for (int i = 0; i < READS; i++)
        at = at->next;
    chain.at = at->next;
    bench_use((uintptr_t)at);
    return READS + 1;
}

#define TLB(label, bytes, heap, lengthy)                                               \
    {                                                                                  \
        .name = "tlb/" label, .unit = "read", .step = work_reads, .begin = begin_tlb,  \
        .size = (bytes), .memory = (heap) / 2 * 3, .threads = 1, .slow = (lengthy)     \
    }

static const struct bench_case cases[] = {
    TLB("1K-256M", 1024, GIB / 4, 0),
    TLB("64-1G", 64, GIB, 1),
    TLB("1K-1G", 1024, GIB, 1),
    TLB("1M-1G", 1024 * 1024, GIB, 1),
    TLB("1M-2G", 1024 * 1024, 2 * GIB, 1),
    TLB("1K-4G", 1024, 4 * GIB, 1),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
