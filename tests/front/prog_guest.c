/* SPDX-License-Identifier: MIT */
/*
 * What UCX and libfabric do: hooks in the calls by which memory goes away. They are those of
 * libc here, taken over by name, and count what happens inside malloc, free and the like.
 *
 *   prog_guest none              no MPI: memory goes back to the system while they run
 *   prog_guest linked            an MPI is there from the beginning: it does not
 *   prog_guest late LIBRARY      it is loaded meanwhile, out of sight of the linker's global
 *                                symbols: from then on it does not
 * and malloc_trim gives it back in each of them.
 */
#include "check.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile int
    inside; /* a call of the malloc family; this program has one thread */
static volatile unsigned long taken, trimmed;

static void note(void)
{
    if (inside)
        taken++;
    else
        trimmed++;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int munmap(void *p, size_t size)
{
    note();
    return REAL(munmap)(p, size);
}

int madvise(void *p, size_t size, int advice)
{
    if (advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE)
        note();
    return REAL(madvise)(p, size, advice);
}

void *mmap(void *p, size_t size, int protection, int flags, int fd, off_t at)
{
    if (flags & MAP_FIXED && (flags & MAP_FIXED_NOREPLACE) != MAP_FIXED_NOREPLACE)
        note();
    return REAL(mmap)(p, size, protection, flags, fd, at);
}

void *mremap(void *p, size_t old, size_t size, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    note();
    return REAL(mremap)(p, old, size, flags, to);
}

static void *get(size_t size)
{
    inside = 1;
    char *p = malloc(size);
    inside = 0;
    if (!p)
        abort();
    memset(p, 1, size);
    return p;
}

static void give(void *p)
{
    inside = 1;
    free(p);
    inside = 0;
}

/* Some 100 MiB come and go, small and large, grown and zeroed, for longer than memory is
 * kept with return:1. */
static void work(void)
{
    static char *small[100000];
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 100000; i++)
            small[i] = get(500);
        for (int i = 0; i < 100000; i++)
            give(small[i]);
        char *large = get(3000000);
        for (size_t size = 6000000; size <= 48000000; size *= 2) {
            char *between = get(1000000);
            inside = 1;
            large = realloc(large, size);
            inside = 0;
            if (!large || large[0] != 1 || large[2999999] != 1)
                abort();
            give(between);
        }
        give(large);
        inside = 1;
        char *zeroes = calloc(5000000 + (size_t)round * 100000, 2);
        inside = 0;
        for (size_t i = 0; i < 10000000; i += 1000)
            if (!zeroes || zeroes[i] != 0)
                abort();
        memset(zeroes, 1, 10000000);
        give(zeroes);
        usleep(15000);
    }
}

int main(int argc, char **argv)
{
    bool late = argc > 2 && strcmp(argv[1], "late") == 0;
    bool none = argc > 1 && strcmp(argv[1], "none") == 0;
    work();
    if (none || late) {
        CHECK("without an MPI memory goes back while malloc and free run", taken != 0);
    }
    if (late) {
        if (!dlopen(argv[2], RTLD_NOW | RTLD_LOCAL)) {
            printf("%s\n", dlerror());
            return 1;
        }
        usleep(400000);
        give(get(1000000)); /* so that it was noticed */
        work();
        taken = 0;
        work();
    }
    if (!none)
        CHECK("with an MPI malloc, free, realloc, calloc take nothing away",
              taken == 0);
    int gave = 0;
    trimmed = 0;
    /* After a pause the free may have given all back itself. */
    for (int tries = 0; tries < 100 && (gave == 0 || trimmed == 0); tries++) {
        give(get(60000000));
        gave = malloc_trim(0);
    }
    CHECK("malloc_trim does", gave == 1 && trimmed != 0);
    return done();
}
