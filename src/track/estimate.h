/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of sampling: where the next sample falls, and what a sample stands for.
 *
 * Sample points lie on the bytes that are asked for, as a Poisson process does: the bytes
 * from one point to the next are exponentially distributed with the interval as their mean.
 * A block is sampled if at least one point falls on it, so with p = 1 - exp(-size/interval).
 * Each sampled block stands for 1/p blocks and size/p bytes (Horvitz and Thompson, 1952): sums
 * of these have the true sums as their mean, whatever the sizes are, and since blocks are
 * sampled independently of each other the variance of such a sum has the mean of the sum
 * of size^2 (1-p)/p^2 over the samples.
 *
 * An interval of 1 samples every block that is not empty: p = 1.
 *
 * Nothing here needs libm. It is floating point inside malloc: nt__estimate_begin puts the
 * program's rounding mode, traps and exception flags aside, nt__estimate_end restores them.
 */
#ifndef NT_TRACK_ESTIMATE_H
#define NT_TRACK_ESTIMATE_H

#include "src/base/base.h"

struct nt_weight {
    double blocks, bytes, variance; /* of bytes */
};

typedef uint64_t nt_float_state;

static inline nt_float_state nt__estimate_begin(void)
{
#if defined(__x86_64__)
    uint32_t old, ours = 0x1f80; /* rounds to nearest, traps nothing */
    __asm__ volatile("stmxcsr %0\n\tldmxcsr %1" : "=m"(old) : "m"(ours) : "memory");
    return old;
#elif defined(__aarch64__)
    uint64_t mode, flags;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr\n\tmsr fpcr, xzr"
                     : "=r"(mode), "=r"(flags)::"memory");
    return mode << 32 | flags;
#else
    return 0;
#endif
}

static inline void nt__estimate_end(nt_float_state state)
{
#if defined(__x86_64__)
    uint32_t old = (uint32_t)state;
    __asm__ volatile("ldmxcsr %0" ::"m"(old) : "memory");
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" ::"r"(state >> 32),
                     "r"(state & UINT32_MAX)
                     : "memory");
#else
    (void)state;
#endif
}

/* Bytes to the next sample point, at least 1, from 64 random bits. Between begin and end. */
NT_HIDDEN uint64_t nt__estimate_draw(uint64_t interval, uint64_t random);

/* What one sampled block of `size` bytes, not 0, stands for. Between begin and end. */
NT_HIDDEN struct nt_weight nt__estimate_weight(uint64_t size, uint64_t interval);

/* The square root, to the last bit or two; of what is not above zero: 0. */
NT_HIDDEN double nt__estimate_root(double x);

#endif
