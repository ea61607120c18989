/* SPDX-License-Identifier: MIT */
/* The system's malloc, tracked: as many random calls as the argument says, and then what was
 * counted, a realloc as one allocation and one free, as valgrind counts it. */
#include <numatally/wrap.h>
#include <stdint.h>
#include <stdio.h>

enum { SHELF = 4096 };

static struct nt_allocator a;
static void *shelf[SHELF];

static void step(uint64_t x)
{
    void **p = &shelf[x >> 50 & (SHELF - 1)];
    size_t size = x >> 8 & (x % 64 == 0 ? 0xfffff : 0x3ff);
    if (!*p && x % 4 == 0)
        *p = a.calloc(a.context, 3, size);
    else if (!*p && x % 4 == 1)
        *p = a.aligned_alloc(a.context, (size_t)16 << (x >> 4) % 8, size);
    else if (!*p)
        *p = a.malloc(a.context, size);
    else if (x % 2 == 0)
        *p = a.realloc(a.context, *p, size + 1);
    else
        a.free(a.context, *p), *p = NULL;
}

int main(int argc, char **argv)
{
    struct nt_allocator system = nt_system_allocator();
    struct nt_tracked_figures f;
    uint64_t x = 88172645463325252u;
    if (nt_tracked(&system, "oracle", &a) != 0)
        return 1;
    for (long n = argc > 1 ? strtol(argv[1], NULL, 0) : 0; n > 0; n--) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        step(x);
    }
    if (nt_tracked_figures(&a, &f) != 0 || f.failed_total + f.foreign_frees_total != 0)
        return 1;
    printf("%llu %llu %llu %llu %llu\n",
           (unsigned long long)(f.allocations_total + f.reallocs_in_place_total),
           (unsigned long long)(f.frees_total + f.reallocs_in_place_total),
           (unsigned long long)f.requested_bytes_total,
           (unsigned long long)f.live_blocks_now,
           (unsigned long long)f.live_requested_bytes_now);
    return 0;
}
