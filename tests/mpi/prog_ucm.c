/* SPDX-License-Identifier: MIT */
/*
 * UCX's own memory hooks, as an MPI over it sets them: what is unmapped while this program
 * allocates and frees, and then in malloc_trim. The handler does what registration caches do:
 * it takes a lock and allocates.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucm/api/ucm.h>

#define MIB ((size_t)1 << 20)

static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER;
static volatile unsigned long unmapped; /* glibc promises not to call back */

static void on_unmapped(ucm_event_type_t type, ucm_event_t *event, void *arg)
{
    (void)type;
    (void)event;
    (void)arg;
    pthread_mutex_lock(&cache);
    free(malloc(100));
    unmapped = unmapped + 1;
    pthread_mutex_unlock(&cache);
}

/* All sizes; half a second, so that what waits to be given back is due. */
static void churn(void)
{
    struct timespec begin, now;
    char *blocks[64] = {NULL};
    unsigned i = 0;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        char **slot = &blocks[i * 7 % 64];
        size_t size = i % 5 == 0 ? (size_t)(i % 9) * MIB : (size_t)(i % 3000) * 10;

        /* As a cache looks up what it has while somebody allocates. */
        pthread_mutex_lock(&cache);
        free(*slot);
        *slot = i % 11 == 0 ? realloc(malloc(MIB), 3 * MIB) : malloc(size + 1);
        **slot = 1;
        pthread_mutex_unlock(&cache);
        i++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begin.tv_sec + (now.tv_nsec - begin.tv_nsec) * 1e-9 < 2.5);
    for (i = 0; i < 64; i++)
        free(blocks[i]);
}

int main(void)
{
    ucs_status_t status =
        ucm_set_event_handler(UCM_EVENT_VM_UNMAPPED, 0, on_unmapped, NULL);
    unsigned long before;

    if (status != UCS_OK)
        return printf("no hooks: %d\n", status), 2;
    churn();
    before = unmapped;
    malloc_trim(0);
    printf("%lu while it ran, %s in malloc_trim\n", before,
           unmapped > before ? "some" : "none");
    return 0;
}
