/* SPDX-License-Identifier: MIT */
/*
 * All interleavings of a few threads that run real code.
 *
 * The threads are coroutines. Before each atomic operation, and each lock, the one that runs
 * asks which is to go on: a *choice*. A run is the list of its choices; it is done over, from
 * the start, with the last one changed, until there are none left (stateless search, as in
 * Godefroid's VeriSoft and Musuvathi's CHESS).
 *
 * Two ways to have few enough:
 *   all       every order of operations that do not commute, once or more: what was tried in
 *             one place is put to sleep until something it depends on happens (Godefroid's sleep
 *             sets). That is exhaustive.
 *   bounded   every run in which a thread that could go on is stopped so often at most.
 *
 * Choices are made at atomic operations alone. That is enough as long as all else is free of
 * data races, and instrument.c looks for these in every run.
 */
#ifndef NT_TESTS_MODEL_SCHED_H
#define NT_TESTS_MODEL_SCHED_H

#include <stdbool.h>
#include <stdint.h>

enum { SCHED_THREADS = 4, SCHED_ALL = -1 };

struct sched_plan {
    const char *name;
    int bound;           /* SCHED_ALL, or stops of threads that could go on */
    int flips;           /* of those offered, so many in a run at most */
    void (*begin)(void); /* puts all back to where a run begins */
    void (*body[SCHED_THREADS])(void); /* NULL: no such thread */
    void (*end)(void);                 /* checks what came of it */
};

/* Runs until there is no other run. Ends the process by sched_fail if one is bad. */
void sched_explore(const struct sched_plan *plan);
uint64_t
sched_runs(void); /* of the last one; those cut short, for all that follows was seen */
uint64_t sched_cut(void);

/* In a run: the thread, from 1 on; else 0. */
int sched_self(void);

/* About to do something to `at` that other threads may see. Also the name of it, for who reads
 * of a bad run. Nothing outside a run. */
void sched_point(const void *at, bool writes, const char *what);

/* It may go both ways. */
bool sched_flip(void);

void sched_lock(const void *mutex);
bool sched_trylock(const void *mutex);
void sched_unlock(const void *mutex);
bool sched_is_mutex(const void *at);

/* Called so often by whoever can, so that a run that does not end is noticed. */
void sched_step(void);

/* Show the run, and end the process with 1. */
_Noreturn __attribute__((format(printf, 1, 2))) void sched_fail(const char *format,
                                                                ...);

#endif
