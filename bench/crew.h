/* SPDX-License-Identifier: MIT */
/*
 * Threads that stay from step to step, as those of a server or of OpenMP do.
 *
 * The calling thread is number 0 of a crew and works along. The others are started when
 * first needed; between two jobs they wait on a semaphore and cost nothing. What one job
 * wrote the next one sees, whichever thread has it.
 */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { CREW_MOST = 16 };

static struct {
    struct crew_member {
        unsigned number;
        sem_t begin, end;
    } member[CREW_MOST];
    unsigned count; /* in the crew, the caller included; 0: not begun */
    void (*job)(unsigned number);
} crew;

static inline void *crew_serve(void *argument)
{
    struct crew_member *self = argument;

    for (;;) {
        sem_wait(&self->begin);
        crew.job(self->number);
        sem_post(&self->end);
    }
    return NULL;
}

static inline void crew_hire(unsigned count)
{
    for (; crew.count < count; crew.count++) {
        struct crew_member *member = &crew.member[crew.count];
        pthread_t thread;

        member->number = crew.count;
        sem_init(&member->begin, 0, 0);
        sem_init(&member->end, 0, 0);
        if (crew.count && pthread_create(&thread, NULL, crew_serve, member) != 0) {
            fputs("bench: cannot start a thread\n", stderr);
            exit(3);
        }
    }
}

/* Runs job(0) to job(count - 1) at the same time; returns when all have ended. */
static inline void crew_run(unsigned count, void (*job)(unsigned number))
{
    crew_hire(count);
    crew.job = job;
    for (unsigned i = 1; i < count; i++)
        sem_post(&crew.member[i].begin);
    job(0);
    for (unsigned i = 1; i < count; i++)
        sem_wait(&crew.member[i].end);
}

/* One look of a thread that waits for another: it spins briefly, then yields. */
static inline void crew_pause(unsigned *tries)
{
    if (++*tries % 64 == 0)
        sched_yield();
}

#endif
