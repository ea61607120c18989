/* SPDX-License-Identifier: MIT */
/* One thread makes messages, another frees them. */
#include "pattern.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { RING = 1024, MESSAGES = 6000000 };

static _Atomic(char *) ring[RING];

static SITE char *make_message(unsigned i)
{
    char *message = malloc(1500);
    message[0] = (char)i;
    return message;
}

static SITE void consume(char *message)
{
    KEEP(message);
    free(message);
}

static void *consumer(void *unused)
{
    for (unsigned i = 0; i < MESSAGES; i++) {
        char *message;
        while ((message = atomic_exchange(&ring[i % RING], NULL)) == NULL)
            sched_yield();
        consume(message);
    }
    return unused;
}

int main(void)
{
    pthread_t thread;

    set_up();
    pthread_create(&thread, NULL, consumer, NULL);
    for (unsigned i = 0; i < MESSAGES; i++) {
        char *message = make_message(i);
        while (atomic_load(&ring[i % RING]) != NULL)
            sched_yield();
        atomic_store(&ring[i % RING], message);
    }
    pthread_join(thread, NULL);
    return 0;
}
