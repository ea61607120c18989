/* SPDX-License-Identifier: MIT */
/*
 * A library that allocates, to be loaded in every way there is. dl.sh builds it.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void *lib_get(size_t size);
void *lib_grow(void *p, size_t size);
void lib_give_back(void *p);
char *lib_copy(const char *text);
int lib_round_trip(void);
void lib_keep(void);
void *lib_open(const char *name);

static void *from_start;
static _Thread_local char room[600];
static _Thread_local void *kept;

__attribute__((constructor)) static void at_load(void)
{
    from_start = calloc(100, 100);
    kept = malloc(10);
}

__attribute__((destructor)) static void at_unload(void)
{
    free(from_start);
    free(kept);
    free(malloc(50));
}

void *lib_get(size_t size)
{
    void *p = malloc(size);
    if (p)
        memset(p, 0x41, size);
    return p;
}

void *lib_grow(void *p, size_t size)
{
    return realloc(p, size);
}

void lib_give_back(void *p)
{
    free(p);
}

char *lib_copy(const char *text)
{
    return strdup(text);
}

/* Its own blocks, of all sizes, by its own calls. */
int lib_round_trip(void)
{
    memset(room, 1, sizeof(room));
    for (size_t n = 1; n < 10000000; n = n * 3 + 1) {
        char *p = malloc(n), *q = calloc(1, n), *r = NULL;
        if (!p || !q || posix_memalign((void **)&r, 64, n) != 0 || q[n - 1])
            return 1;
        memset(p, 2, n);
        memset(r, 3, n);
        p = realloc(p, n + 1000);
        if (!p || p[0] != 2 || p[n - 1] != 2)
            return 2;
        free(p);
        free(q);
        free(r);
    }
    return 0;
}

/* Leave something in thread-local storage, of whichever thread calls. */
void lib_keep(void)
{
    static pthread_key_t key;
    if (!key)
        pthread_key_create(&key, NULL);
    pthread_setspecific(key, room);
    free(kept);
    kept = malloc(100);
}

void *lib_open(const char *name)
{
    return dlopen(name, RTLD_NOW);
}
