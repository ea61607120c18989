/* SPDX-License-Identifier: MIT */
/* What the tests of malloc and of realloc share. */
#ifndef NT_TESTS_HEAP_SIZES_H
#define NT_TESTS_HEAP_SIZES_H

#include "src/base/base.h"

#include <errno.h>
#include <stdint.h>

/* Sizes around every edge there is. */
static const size_t sizes[] = {0,       1,       15,      16,      17,      24,
                               100,     128,     129,     1000,    4096,    5000,
                               32768,   32769,   65536,   100000,  524288,  524289,
                               1000000, 2097152, 2097153, 5000000, 70000000};

/* Hide a value from the compiler, which knows better than to ask for so much. */
static size_t volatile huge = (size_t)PTRDIFF_MAX, most = SIZE_MAX;

static inline bool all(const unsigned char *p, int value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != value)
            return false;
    return true;
}

#endif
