/* SPDX-License-Identifier: MIT */
/* Each step asks for the arrays that it works on, and frees them. */
#include "pattern.h"

enum { STEPS = 150000 };

static SITE double *temporary(size_t bytes)
{
    double *array = malloc(bytes);
    KEEP(array);
    return array;
}

static SITE void step(unsigned number)
{
    size_t bytes = (1u << 20) + (number * 7919u % 32) * 65536;
    double *a = temporary(bytes), *b = temporary(bytes / 2 + (1u << 19));

    for (size_t i = 0; i < bytes / sizeof *a; i += 4096)
        a[i] = 1;
    b[0] = a[0];
    free(a);
    free(b);
}

int main(void)
{
    set_up();
    for (unsigned i = 0; i < STEPS; i++) {
        step(i);
        compute(1000);
    }
    return 0;
}
