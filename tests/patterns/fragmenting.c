/* SPDX-License-Identifier: MIT */
/* Much is loaded at the start; of it one block in 50 is kept, and the rest freed. */
#include "pattern.h"

enum { BLOCKS = 100000, KEPT = 50 };

static void *block[BLOCKS];

static SITE void load(void)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t bytes = 1000 + random_next() % 3000;
        block[i] = memset(malloc(bytes), 5, bytes);
    }
}

static SITE void reduce(void)
{
    for (unsigned i = 0; i < BLOCKS; i++)
        if (i % KEPT != 0)
            free(block[i]);
}

int main(void)
{
    set_up();
    load();
    compute(200000000);
    reduce();
    for (unsigned step = 0; step < 10000; step++) {
        refresh(step);
        compute(20000);
    }
    return 0;
}
