/* SPDX-License-Identifier: MIT */
/* An allocator whose memory is bound to node 0: a pool of the library's, tracked. */
#include <numatally/stats.h>
#include <numatally/wrap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 1000, SMALL = 64, LARGE = 16 << 20 };

static void show(const struct nt_allocator *a, const char *what)
{
    struct nt_tracked_figures f;
    if (nt_tracked_figures(a, &f) != 0)
        exit(1);
    printf("%s: %llu allocations in all, peak %llu bytes, %llu active\n", what,
           (unsigned long long)f.allocations_total,
           (unsigned long long)f.live_requested_bytes_peak,
           (unsigned long long)f.live_blocks_now);
}

int main(void)
{
    static void *small[MANY];
    struct nt_pool_options options = {
        .size = sizeof options, .name = "node 0", .policy = "bind:0"};
    struct nt_pool *pool;
    struct nt_allocator bound, a;
    if (nt_pool_create(&options, &pool) != 0 || nt_pool_allocator(pool, &bound) != 0 ||
        nt_tracked(&bound, "bound to node 0", &a) != 0)
        return 1;

    for (int i = 0; i < MANY; i++)
        memset(small[i] = a.malloc(a.context, SMALL), 1, SMALL);
    show(&a, "many small, in use");
    for (int i = 0; i < MANY; i++)
        a.free(a.context, small[i]);
    show(&a, "many small, freed");

    char *large = a.calloc(a.context, 1, LARGE);
    show(&a, "one large, in use");
    /* Cut in half where it is: one more realloc in place, no allocation. */
    large = a.realloc(a.context, large, LARGE / 2);
    show(&a, "one large, half of it");
    a.free(a.context, large);
    show(&a, "one large, freed");

    /* The pool counts too: in bytes of blocks, not of requests. */
    struct nt_pool_figures p[2];
    if (nt_snapshot_pools(p, 2) == 2)
        printf("the pool \"%s\": %llu allocations, %llu active\n", p[1].name,
               (unsigned long long)p[1].allocations_total,
               (unsigned long long)p[1].live_blocks_now);
    if (nt_tracked_release(&a) != 0)
        return 1;
    nt_pool_destroy(pool);
    return 0;
}
