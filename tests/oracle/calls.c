/* SPDX-License-Identifier: MIT */
/*
 * Every call of the malloc family that the shim and valgrind both count, a known
 * number of times, for the comparison of the three. One thread; nothing random.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 2000 * TIMES }; /* TIMES: oracle.sh */

static void *kept[BLOCKS];

static void *got(void *block)
{
    if (block == NULL)
        abort();
    return block;
}

static void *get(size_t i)
{
    void *block = NULL;
    size_t size = i * i % 70001;
    switch (i % 8) {
    case 0:
        return got(calloc(3, size));
    case 1:
        if (posix_memalign(&block, (size_t)16 << i % 7, size) != 0)
            abort();
        return block;
    case 2:
        return got(memalign(4096, size));
    case 3:
        return got(aligned_alloc(64, size / 64 * 64));
    case 4:
        return got(reallocarray(NULL, 5, size));
    case 5:
        return got(strdup("a block that the C library gets for us"));
    default:
        return got(malloc(size));
    }
}

int main(void)
{
    for (size_t i = 0; i < BLOCKS; i++)
        kept[i] = get(i);
    for (size_t i = 0; i < BLOCKS; i += 3) {
        size_t size = (i * 7919) % 90001 + 1; /* grows some and shrinks some */
        kept[i] = got(realloc(kept[i], size));
    }
    char *grown = NULL; /* in small steps, then far beyond any size class */
    for (size_t size = 1; size < 40 << 20; size += size / 2 + 1)
        grown = got(realloc(grown, size));
    free(grown);
    for (size_t i = 0; i < BLOCKS; i += 2)
        free(kept[i]); /* the others are still live at the end */
    free(NULL);
    puts("done");
    return 0;
}
