/* SPDX-License-Identifier: MIT */
/* A memory pool that recycles buffers of 4 KiB, tracked on both sides: what the program
 * asks it for, and what it asks the system for. */
#include <numatally/wrap.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUFFER_BYTES = 4096, MANY = 1000 };

/* In front of each buffer. */
struct buffer {
    struct buffer *next; /* idle too */
    size_t bytes;
};

struct recycler {
    struct nt_allocator from;
    struct buffer *idle; /* of BUFFER_BYTES each */
};

static void *recycler_malloc(void *context, size_t size)
{
    struct recycler *r = context;
    struct buffer *b = size <= BUFFER_BYTES ? r->idle : NULL;
    if (b) {
        r->idle = b->next;
        return b + 1;
    }
    if (size < BUFFER_BYTES)
        size = BUFFER_BYTES;
    b = r->from.malloc(r->from.context, sizeof *b + size);
    if (!b)
        return NULL;
    b->bytes = size;
    return b + 1;
}

static void recycler_free(void *context, void *ptr)
{
    struct recycler *r = context;
    struct buffer *b = (struct buffer *)ptr - 1;
    if (b->bytes == BUFFER_BYTES) {
        b->next = r->idle;
        r->idle = b;
    } else {
        r->from.free(r->from.context, b);
    }
}

static void recycler_empty(struct recycler *r)
{
    while (r->idle) {
        struct buffer *b = r->idle;
        r->idle = b->next;
        r->from.free(r->from.context, b);
    }
}

static void show(const struct nt_allocator *a, const char *what)
{
    struct nt_tracked_figures f;
    if (nt_tracked_figures(a, &f) != 0)
        exit(1);
    printf("  %s: %llu allocations in all, peak %llu bytes, %llu active\n", what,
           (unsigned long long)f.allocations_total,
           (unsigned long long)f.live_requested_bytes_peak,
           (unsigned long long)f.live_blocks_now);
}

int main(void)
{
    static struct recycler pool;
    static void *small[MANY];
    struct nt_allocator below = nt_system_allocator(), above;
    if (nt_tracked(&below, "below the pool", &below) != 0)
        return 1;
    pool.from = below;
    above = (struct nt_allocator){.size = sizeof above,
                                  .context = &pool,
                                  .malloc = recycler_malloc,
                                  .free = recycler_free};
    if (nt_tracked(&above, "buffers", &above) != 0)
        return 1;

    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < MANY; i++)
            small[i] = above.malloc(above.context, 3000);
        for (int i = 0; i < MANY; i++)
            above.free(above.context, small[i]);
        printf("many small, round %d\n", round);
        show(&above, "program");
        show(&below, "pool");
    }
    void *large = above.malloc(above.context, 16 << 20);
    printf("one large\n");
    show(&above, "program");
    show(&below, "pool");

    above.free(above.context, large);
    recycler_empty(&pool);
    printf("at the end\n");
    show(&above, "program");
    show(&below, "pool");
    return nt_tracked_release(&above) == 0 && nt_tracked_release(&below) == 0 ? 0 : 1;
}
