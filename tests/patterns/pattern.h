/* SPDX-License-Identifier: MIT */
/*
 * What the programs here share. Each of them shows one pattern, and would be harmless
 * without it: it also computes, sets things up that it uses to its end, and keeps a cache of
 * bounded size. How much is done is the same on any machine.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A function of its own in every stack, with a frame behind each call. */
#define SITE __attribute__((noinline, noclone))
#define KEEP(p) __asm__ volatile("" : "+r"(p)::"memory")

static uint64_t random_state = 88172645463325252u;

static inline uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* What a program is for: about a nanosecond a round. */
static SITE uint64_t compute(unsigned rounds)
{
    volatile uint64_t sum = 0;

    for (unsigned i = 0; i < rounds; i++)
        sum = sum * 3 + i;
    return sum;
}

/* Nothing to do for so long: a run has a length that does not depend on the machine. */
static inline void wait_ms(long ms)
{
    struct timespec t = {0, ms * 1000000};

    nanosleep(&t, NULL);
}

enum { STARTED = 4000, CACHED = 2000 };

static void *started[STARTED]; /* from the beginning to the end */
static char *cached[CACHED];

/* 8 MiB, in use to the end and never freed. */
static SITE void set_up(void)
{
    for (unsigned i = 0; i < STARTED; i++)
        started[i] = memset(malloc(2048), 1, 2048);
}

/* The oldest of a cache of up to 2 MiB makes room. */
static SITE void refresh(unsigned step)
{
    char **slot = &cached[step % CACHED];

    free(*slot);
    *slot = (char *)malloc(1024);
    memset(*slot, 2, 1024);
}

#endif
