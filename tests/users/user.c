/* SPDX-License-Identifier: MIT */
/* Somebody's program: it uses what is installed, and its figures are there. */
#include <numatally/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nt_snapshot snapshot;

int main(void)
{
    char *block = nt_malloc(100), *own = malloc(100);

    if (block == NULL || own == NULL || nt_usable_size(block) < 100 ||
        nt_snapshot(&snapshot) != 0 || snapshot.total.allocations_total == 0 ||
        strcmp(nt_version(), NT_VERSION_STRING) != 0)
        return 1;
    /* Whose is malloc? */
    printf("%s %s\n", nt_version(),
           snapshot.total.live_blocks_now > 1 ? "malloc" : "nt_malloc alone");
    nt_free(block);
    free(own);
    return 0;
}
