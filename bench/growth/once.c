/* SPDX-License-Identifier: MIT */
/* Allocates one block and ends: a start that needs the allocator (startup.py). */
#include <stdlib.h>

int main(void)
{
    void *block = malloc(64);
    free(block);
    return block ? 0 : 3;
}
