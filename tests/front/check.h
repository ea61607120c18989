/* SPDX-License-Identifier: MIT */
/*
 * What the front's programs share: CHECK counts and names what does not hold, DONE
 * prints "N passed, N failed" and gives the exit status. They are plain programs that
 * know nothing of the library, so they also score other allocators.
 */
#ifndef TESTS_FRONT_CHECK_H
#define TESTS_FRONT_CHECK_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_passed, check_failed;

#define CHECK(what, condition)                                                         \
    do {                                                                               \
        if (condition) {                                                               \
            check_passed++;                                                            \
        } else {                                                                       \
            check_failed++;                                                            \
            printf("FAIL line %d: %s\n", __LINE__, what);                              \
            fflush(stdout);                                                            \
        }                                                                              \
    } while (0)

static inline int done(void)
{
    printf("%d passed, %d failed\n", check_passed, check_failed);
    return check_failed != 0;
}

/* The checks so far count where one of them kills the program. */
static inline void done_by_signal(int sig)
{
    done();
    fflush(stdout);
    signal(sig, SIG_DFL);
    raise(sig);
}

static inline void count_when_killed(void)
{
    signal(SIGSEGV, done_by_signal);
    signal(SIGABRT, done_by_signal);
}

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A size the compiler cannot see through. */
static inline size_t opaque(size_t n)
{
    __asm__ volatile("" : "+r"(n));
    return n;
}

/* The same pointer, of which the compiler no longer knows whose block it is. */
static inline void *hidden(void *p)
{
    __asm__ volatile("" : "+r"(p));
    return p;
}

static inline bool is_aligned(const void *p, size_t alignment)
{
    return p != NULL && (uintptr_t)p % alignment == 0;
}

/* A byte pattern that depends on the place, so that shifted copies are seen. */
static inline void fill(void *p, size_t n, unsigned seed)
{
    unsigned char *c = p;

    for (size_t i = 0; i < n; i++)
        c[i] = (unsigned char)(seed + i * 31 + (i >> 8) * 7 + (i >> 16));
}

static inline bool filled(const void *p, size_t n, unsigned seed)
{
    const unsigned char *c = p;

    for (size_t i = 0; i < n; i++)
        if (c[i] != (unsigned char)(seed + i * 31 + (i >> 8) * 7 + (i >> 16)))
            return false;
    return true;
}

static inline bool all_zero(const void *p, size_t n)
{
    const unsigned char *c = p;

    for (size_t i = 0; i < n; i++)
        if (c[i])
            return false;
    return true;
}

#endif
