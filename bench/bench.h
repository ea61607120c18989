/* SPDX-License-Identifier: MIT */
/*
 * The frame every bench program shares: cases, steps, and one line of output per case.
 *
 * A program is a table of cases. A case names a step: a fixed piece of work that returns
 * how many operations it made. The driver (bench.c) repeats steps for a while, or an
 * exact number of times, and prints the cost of one operation. It knows nothing about
 * allocators: whichever malloc the process has is the one measured, so the same binary
 * runs on all of them by LD_PRELOAD.
 *
 * Always true: a step whose case is `counted` calls nothing but the malloc family, from
 * the function named work_*. The instruction mode of run.py relies on it: what callgrind
 * books on work_* itself is the loop and the touch, what it books on its callees is the
 * allocator.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define BENCH_WORK static __attribute__((noinline))

struct bench_case {
    const char *name; /* "group/case", unique over all programs */
    const char *unit; /* what one operation is: pair, block, growth, thread */
    /* One piece of work; returns the number of operations made. */
    uint64_t (*step)(const struct bench_case *self);
    /* Optional: fills tables before the first step. Allocates nothing, unless what lies
     * in memory is what the case is about. */
    void (*begin)(const struct bench_case *self);
    size_t size;   /* block size in bytes, 0: mixed */
    size_t memory; /* bytes the machine must have available, 0: no need to ask */
    /* At work; with 1 the CPU time is the figure, else the wall clock. */
    unsigned threads;
    int counted; /* 1: fit for the instruction mode (see above) */
    int slow;    /* 1: left out of a quick run: its step or its set-up is long */
};

/* Runs the cases that the command line asks for; the exit status of the program. */
int bench_main(int argc, char **argv, const struct bench_case *cases, size_t count);

/* Says that the allocator gave no block, and stops the program. */
_Noreturn void bench_no_memory(void);

/* Says that a result is not what it must be, and stops the program. */
_Noreturn void bench_wrong(const char *what);

/* Adds NAME=VALUE to the line of the case that runs; a later value replaces it. The name
 * is a string that stays, without blanks. */
void bench_figure(const char *name, double value);

/* Writes one byte of a block, as every program does with what it allocates. */
static inline void bench_touch(void *block)
{
    if (!block)
        bench_no_memory();
    *(volatile char *)block = 1;
}

/* Writes one byte in each 4 KiB of the range: what makes the system supply its pages. */
static inline void bench_touch_pages(char *block, size_t from, size_t to)
{
    if (!block)
        bench_no_memory();
    for (size_t at = from; at < to; at += 4096)
        ((volatile char *)block)[at] = 1;
}

/* Uses a result: what led to it cannot be left out by the compiler. */
static inline void bench_use(uint64_t value)
{
    __asm__ volatile("" ::"r"(value) : "memory");
}

/* A small generator (xorshift64*): the same sequence on every run and allocator. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

/* A number below `bound` (bound < 2^32). */
static inline size_t bench_random_below(uint64_t *state, size_t bound)
{
    return (size_t)(((bench_random(state) >> 32) * bound) >> 32);
}

/* The block sizes of the mixed cases: even over 16..2047 bytes. */
static inline size_t bench_random_size(uint64_t *state)
{
    return 16 + bench_random_below(state, 2032);
}

/* A size from `least` to (least << doublings) - 1, all doublings alike likely. */
static inline size_t bench_random_scale(uint64_t *state, size_t least, size_t doublings)
{
    size_t scale = least << bench_random_below(state, doublings);
    return scale + bench_random_below(state, scale);
}

/* Fills order[0..count) with a random permutation of 0..count-1 (count < 65536). */
static inline void bench_shuffle(uint64_t *state, uint16_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t other = bench_random_below(state, i + 1);
        order[i] = order[other];
        order[other] = (uint16_t)i;
    }
}

#endif
