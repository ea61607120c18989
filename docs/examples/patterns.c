/* SPDX-License-Identifier: MIT */
/* How a program allocates, from the counters alone: which sizes, how much of it stays, what
 * is lost to the size classes. `numatally report --findings` does this and more. */
#include <numatally/stats.h>
#include <stdio.h>
#include <stdlib.h>

static struct nt_snapshot from, to, between;

/* Nodes of 24 bytes that stay, a buffer of 10 KiB that comes and goes. */
static void program(void **nodes, int count)
{
    for (int i = 0; i < count; i++) {
        void *volatile buffer = malloc(10 << 10);

        nodes[i] = malloc(24);
        free(buffer);
    }
}

int main(void)
{
    enum { COUNT = 1000 };
    static void *nodes[COUNT];

    nt_snapshot(&from);
    program(nodes, COUNT);
    nt_snapshot(&to);
    nt_snapshot_diff(&from, &to, &between);
    for (unsigned i = 0; i < between.classes; i++) {
        const struct nt_class_figures *c = &between.class_[i];

        if (c->allocations_total == 0)
            continue;
        printf("blocks of %llu: %llu allocations, %llu stay, %.0f %% of their bytes "
               "unused: %s\n",
               (unsigned long long)c->block_bytes,
               (unsigned long long)c->allocations_total,
               (unsigned long long)c->live_blocks_now,
               100.0 * (1 - (double)c->requested_bytes_total /
                                (double)c->allocated_bytes_total),
               c->live_blocks_now > 0
                   ? "many small ones that stay: a pool, or one array"
                   : "one that comes and goes: keep it");
    }
    for (int i = 0; i < COUNT; i++)
        free(nodes[i]);
    return 0;
}
