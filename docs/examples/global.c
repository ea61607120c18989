/* SPDX-License-Identifier: MIT */
/* The global allocator, counted: malloc itself. Linked to -lnumatally_malloc, or under
 * LD_PRELOAD=libnumatally_malloc.so; nothing else is done for it. */
#include <numatally/stats.h>
#include <stdio.h>
#include <stdlib.h>

static struct nt_snapshot from, to, between;

int main(void)
{
    enum { LINES = 1000 };
    static char *lines[LINES];

    nt_snapshot(&from);
    for (int i = 0; i < LINES; i++)
        lines[i] = malloc(80);
    for (int i = 0; i < LINES / 4; i++)
        free(lines[i]);
    nt_snapshot(&to);
    nt_snapshot_diff(&from, &to, &between);
    printf("%llu allocations of %llu bytes, %llu of them in use\n",
           (unsigned long long)between.total.allocations_total,
           (unsigned long long)between.total.requested_bytes_total,
           (unsigned long long)between.total.live_blocks_now);
    for (int i = LINES / 4; i < LINES; i++)
        free(lines[i]);
    return 0;
}
