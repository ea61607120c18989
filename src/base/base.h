/* SPDX-License-Identifier: MIT */
/*
 * Words every file uses: attributes, branch hints, alignment arithmetic, and the
 * debug switch. No state, no calls into anything.
 */
#ifndef NT_BASE_BASE_H
#define NT_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 1 in debug builds: every structure that is touched is checked. Always compiled. */
#ifndef NT_DEBUG
#define NT_DEBUG 0
#endif

/* 0 only in the bench's own builds, which price what the fast path does besides
 * allocating: adding to the counters; seeing that a block is to be sampled; recognising
 * misuse. */
#ifndef NT_COUNTING
#define NT_COUNTING 1
#endif
#ifndef NT_SAMPLING
#define NT_SAMPLING 1
#endif
#ifndef NT_CHECKING
#define NT_CHECKING 1
#endif

#define NT_LIKELY(x) __builtin_expect(!!(x), 1)
#define NT_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* On the definition of each function of the hot path, and of its way out. A fast
 * function has no lock, no loop and no system call, and leaves by one slow call. */
#define NT_FAST static inline __attribute__((always_inline))
#define NT_SLOW __attribute__((noinline, cold))

/* A plain read of a word that another thread may be writing, where either value will do
 * and compilers would make more than one instruction of an atomic load. */
#if defined(__SANITIZE_THREAD__)
#define NT_RACY(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#else
#define NT_RACY(x) (x)
#endif

/* On a function that reads what other threads write, and can do with whatever it finds. */
#if defined(__clang__)
#define NT_RACES __attribute__((no_sanitize("thread")))
#else
#define NT_RACES __attribute__((no_sanitize_thread))
#endif

#define NT_HIDDEN __attribute__((visibility("hidden")))
#define NT_CACHE_LINE 64
#define NT_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define NT_KIB ((size_t)1 << 10)
#define NT_MIB ((size_t)1 << 20)
#define NT_GIB ((size_t)1 << 30)

/* `a` is a power of two in all of these. */
static inline size_t nt__align_up(size_t n, size_t a)
{
    return (n + a - 1) & ~(a - 1);
}

static inline size_t nt__align_down(size_t n, size_t a)
{
    return n & ~(a - 1);
}

static inline bool nt__is_pow2(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static inline size_t nt__min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t nt__max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* How many bits are set. Without -mpopcnt the builtin is a call, of a page of its own. */
static inline unsigned nt__bits(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)(x * 0x0101010101010101u >> 56);
}

/* Stop the program with file and line: an invariant of the library's own is broken. */
NT_HIDDEN _Noreturn void nt__panic(const char *what, const char *file, int line);

#define NT_ASSERT(x)                                                                   \
    do {                                                                               \
        if (NT_DEBUG && NT_UNLIKELY(!(x)))                                             \
            nt__panic(#x, __FILE__, __LINE__);                                         \
    } while (0)

#endif
