/* SPDX-License-Identifier: MIT */
/* An allocator that prints each call, tracked from outside. */
#include <numatally/wrap.h>
#include <stdio.h>
#include <stdlib.h>

static void *print_malloc(void *context, size_t size)
{
    printf("  %s: malloc of %zu bytes\n", (const char *)context, size);
    return malloc(size);
}

static void print_free(void *context, void *ptr)
{
    printf("  %s: free\n", (const char *)context);
    free(ptr);
}

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
    static char name[] = "printing";
    struct nt_allocator printing = {.size = sizeof printing,
                                    .context = name,
                                    .malloc = print_malloc,
                                    .free = print_free};
    struct nt_allocator a;
    void *small[3];
    if (nt_tracked(&printing, name, &a) != 0)
        return 1;

    for (int i = 0; i < 3; i++)
        small[i] = a.malloc(a.context, 32);
    show(&a, "many small, in use");
    for (int i = 0; i < 3; i++)
        a.free(a.context, small[i]);
    show(&a, "many small, freed");

    void *large = a.malloc(a.context, 8 << 20);
    show(&a, "one large, in use");
    /* The printing allocator has no realloc: that is malloc, a copy, and free. */
    large = a.realloc(a.context, large, 4 << 20);
    a.free(a.context, large);
    show(&a, "one large, freed");
    return nt_tracked_release(&a) == 0 ? 0 : 1;
}
