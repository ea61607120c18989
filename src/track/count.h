/* SPDX-License-Identifier: MIT */
/*
 * A counter with one writer and any number of readers.
 *
 * The writer adds with one instruction and no lock prefix; readers load whole values,
 * perhaps a moment late, never torn. Sums over many counters are exact when their
 * writers are still.
 *
 * One writer's additions are seen in the order in which they were made, by who reads
 * counters in the other order: pools/peak.h and src/heap/figures.c rely on it. On x86 every
 * store is a release, every load an acquire; elsewhere it must be said.
 */
#ifndef NT_TRACK_COUNT_H
#define NT_TRACK_COUNT_H

#include "src/base/base.h"

/* Only ever called by the counter's one writer. */
NT_FAST void nt__count_add(uint64_t *counter, uint64_t n)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    /* gcc makes three instructions of a relaxed load, add and store. */
    __asm__("addq %1, %0" : "+m"(*counter) : "re"(n) : "cc");
#else
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n,
                     __ATOMIC_RELEASE);
#endif
}

/* Two at once, in this order: given both, compilers find the shorter addresses. */
NT_FAST void nt__count_add_two(uint64_t *first, uint64_t n, uint64_t *second,
                               uint64_t m)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    __asm__("addq %2, %0\n\taddq %3, %1"
            : "+m"(*first), "+m"(*second)
            : "re"(n), "re"(m)
            : "cc");
#else
    nt__count_add(first, n);
    nt__count_add(second, m);
#endif
}

/* nt__count_add_two, and whether the second passed 2^64. */
NT_FAST bool nt__count_add_two_passes(uint64_t *first, uint64_t n, uint64_t *second,
                                      uint64_t m)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    bool passed;
    __asm__("addq %3, %0\n\taddq %4, %1"
            : "+m"(*first), "+m"(*second), "=@ccc"(passed)
            : "re"(n), "re"(m));
    return passed;
#else
    nt__count_add(first, n);
    nt__count_add(second, m);
    return __atomic_load_n(second, __ATOMIC_RELAXED) < m;
#endif
}

static inline uint64_t nt__count_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

#endif
