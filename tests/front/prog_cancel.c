/* SPDX-License-Identifier: MIT */
/*
 * Threads that are cancelled: prog_cancel PART, one part a run.
 *   cancel    (deferred) among calls of malloc and free; NT_LONG=1: ten times as many
 *   no-point  neither is where a thread that is to be cancelled ends
 */
#include "threads.h"

#include <stdatomic.h>
#include <unistd.h>

static atomic_int cleaned;

static void clean_up(void *block)
{
    free(*(void **)block);
    if (use_some(7, 10))
        atomic_fetch_add(&cleaned, 1);
}

/* May be cancelled at any time, and is where it asks. */
static void *until_cancelled(void *unused)
{
    void *block[1] = {NULL};

    pthread_cleanup_push(clean_up, block);
    for (unsigned i = 0;; i++) {
        free(block[0]);
        block[0] = malloc(i % 1000);
        use_some(i, 10);
        pthread_testcancel();
    }
    pthread_cleanup_pop(0);
    return unused;
}

static void part_cancel(void)
{
    const int rounds = longer(200, 10);
    bool good = true;

    for (int round = 0; round < rounds; round++) {
        pthread_t thread[4];
        void *result;
        for (int i = 0; i < 4; i++)
            start(&thread[i], until_cancelled, NULL);
        for (int i = 0; i < 4; i++)
            pthread_cancel(thread[i]);
        for (int i = 0; i < 4; i++) {
            pthread_join(thread[i], &result);
            good &= result == PTHREAD_CANCELED;
        }
        good &= use_some((unsigned)round, 20);
    }
    CHECK("cancelled threads harm nobody", good);
    CHECK("and clean up after themselves", cleaned == 4 * rounds);
}

static volatile bool enough;

static void *busy(void *unused)
{
    while (!enough) {
        void *p[64];

        for (size_t i = 0; i < COUNT(p); i++) {
            p[i] = malloc(600000 + i * 70000);
            if (p[i])
                *(char *)p[i] = 1;
            free(malloc(1 + i * 300));
        }
        for (size_t i = 0; i < COUNT(p); i++)
            free(p[i]);
    }
    return unused;
}

static void part_no_point(void)
{
    void *result = NULL;
    pthread_t thread;

    start(&thread, busy, NULL);
    usleep(300000);
    pthread_cancel(thread);
    usleep(1500000);
    enough = true;
    pthread_join(thread, &result);
    CHECK("malloc and free are no cancellation points", result == NULL);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "cancel") == 0)
        part_cancel();
    else if (argc == 2 && strcmp(argv[1], "no-point") == 0)
        part_no_point();
    else {
        fprintf(stderr, "usage: %s cancel|no-point\n", argv[0]);
        return 2;
    }
    return done();
}
