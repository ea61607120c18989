/* SPDX-License-Identifier: MIT */
/* A million objects of 17 bytes, in blocks of 32. */
#include "pattern.h"

enum { OBJECTS = 1000000 };

static char *object[OBJECTS];

static SITE char *make_object(unsigned i)
{
    char *o = malloc(17);
    o[16] = (char)i;
    return o;
}

int main(void)
{
    set_up();
    for (unsigned i = 0; i < OBJECTS; i++)
        object[i] = make_object(i);
    compute(1000000000);
    return 0;
}
