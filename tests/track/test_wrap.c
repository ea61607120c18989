/* SPDX-License-Identifier: MIT */
/*
 * The counted wrapper around allocators of which calls are missing, that refuse, that break
 * promises: what is passed on, what comes back, and the counts beside a shim's.
 */
#include "tests/child.h"
#include "tests/shim.h"

#include "src/track/wrap.h"

#include <malloc.h>
#include <sys/resource.h>

static struct shim shim;
static struct arena arena;
static struct nt_tracked_figures f;

static const struct nt_tracked_figures *figures(const struct nt_tracker *t)
{
    assert_int_equal(nt__tracker_figures(t, &f), 0);
    return &f;
}

static void assert_agrees(struct nt_tracker *t)
{
    const char *what = shim_differs(&shim, figures(t));
    if (what)
        fail_msg("%s: the shim counted otherwise", what);
    assert_true(nt__blocks_check(&t->blocks));
}

static struct nt_tracker *around(struct nt_allocator inner)
{
    struct nt_allocator counted = shim_around(&shim, inner);
    struct nt_tracker *t = nt__tracker_new(&counted, "under test");
    assert_non_null(t);
    return t;
}

#define ASSERT_FAILS_COUNTED(call, error)                                              \
    do {                                                                               \
        uint64_t failed_ = figures(t)->failed_total;                                   \
        ASSERT_FAILS(call, error);                                                     \
        assert_int_equal(figures(t)->failed_total, failed_ + 1);                       \
    } while (0)

/* ---- Counts ------------------------------------------------------------------------------ */

enum { KEPT = 1000, STEPS = 100000 };

static struct kept {
    unsigned char *p;
    size_t size;
} kept[KEPT];

static void fill(struct kept *k, unsigned char *p, size_t size)
{
    assert_non_null(p);
    *k = (struct kept){p, size};
    memset(p, (int)(size % 251), size);
}

static void look(const struct kept *k, size_t size)
{
    for (size_t i = 0; i < size; i += 37)
        assert_int_equal(k->p[i], k->size % 251);
}

static void step(struct nt_tracker *t, struct kept *k, uint64_t x)
{
    size_t size = x >> 8 & (x % 50 == 0 ? 0x3ffff : 0x1ff);
    unsigned char *p;
    if (!k->p) {
        size_t align = (size_t)1 << (x >> 40) % (t->inner.aligned_alloc ? 9 : 5);
        p = x % 7 == 0   ? nt__tracker_calloc(t, size, 3)
            : x % 5 == 0 ? nt__tracker_aligned_alloc(t, align, size)
                         : nt__tracker_malloc(t, size);
        for (size_t i = 0; x % 7 == 0 && i < 3 * size; i++)
            assert_int_equal(p[i], 0);
        assert_true(x % 7 == 0 || x % 5 != 0 || (uintptr_t)p % align == 0);
        fill(k, p, x % 7 == 0 ? 3 * size : size);
        return;
    }
    look(k, k->size);
    assert_true(nt__tracker_usable_size(t, k->p) >= k->size);
    if (x % 3 != 0 && size != 0) {
        p = nt__tracker_realloc(t, k->p, size);
        look(&(struct kept){p, k->size}, nt__min(size, k->size));
        fill(k, p, size);
    } else {
        if (x % 3 == 0)
            nt__tracker_free(t, k->p);
        else
            assert_null(nt__tracker_realloc(t, k->p, 0));
        k->p = NULL;
    }
}

static void mix(struct nt_tracker *t)
{
    uint64_t x = 88172645463325252u;
    errno = 77;
    for (int i = 0; i < STEPS; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        step(t, &kept[x >> 48 & 0x1ff], x >> 4);
        if (i % 10000 == 0)
            assert_agrees(t);
    }
    assert_int_equal(errno, 77); /* success leaves it alone */
    assert_agrees(t);
    assert_int_equal(nt__tracker_release(t), -EBUSY);
    for (size_t i = 0; i < KEPT; i++) {
        nt__tracker_free(t, kept[i].p);
        kept[i].p = NULL;
    }
    assert_agrees(t);
    assert_int_equal(f.live_blocks_now, 0);
    assert_int_equal(f.live_requested_bytes_now, 0);
    assert_int_equal(f.live_requested_bytes_peak, shim.peak);
    assert_int_equal(f.failed_total + f.foreign_frees_total, 0);
    assert_int_equal(nt__tracker_release(t), 0);
}

static void test_counts(void **state)
{
    (void)state;
    mix(around(nt_system_allocator()));
}

static void *heap_malloc(void *context, size_t size)
{
    (void)context;
    return nt_malloc(size);
}

static void *heap_realloc(void *context, void *p, size_t size)
{
    (void)context;
    return nt_realloc(p, size);
}

static void heap_free(void *context, void *p)
{
    (void)context;
    nt_free(p);
}

/* A realloc that often moves nothing, whatever a sanitizer's does. */
static void test_counts_in_place(void **state)
{
    (void)state;
    mix(around((struct nt_allocator){.size = sizeof(struct nt_allocator),
                                     .malloc = heap_malloc,
                                     .realloc = heap_realloc,
                                     .free = heap_free}));
    assert_true(shim.in_place > 1000);
}

static void test_counts_without_realloc(void **state)
{
    struct nt_allocator inner = nt_system_allocator();
    (void)state;
    inner.realloc = NULL;
    mix(around(inner));
    assert_int_equal(shim.in_place, 0);
}

static void test_counts_of_two_calls(void **state)
{
    const struct nt_allocator all = nt_system_allocator();
    (void)state;
    mix(around((struct nt_allocator){
        .size = sizeof all, .malloc = all.malloc, .free = all.free}));
}

static void *inner_malloc(void *context, size_t size)
{
    return nt__tracker_malloc(context, size);
}

static void inner_free(void *context, void *p)
{
    nt__tracker_free(context, p);
}

/* Each knows what went through it, and the outer nothing of the inner's. */
static void test_nested(void **state)
{
    (void)state;
    struct nt_tracker *inner = around(nt_system_allocator());
    struct nt_allocator table = {.size = sizeof table,
                                 .context = inner,
                                 .malloc = inner_malloc,
                                 .free = inner_free};
    struct nt_tracker *outer = nt__tracker_new(&table, "outer");
    void *p = nt__tracker_malloc(outer, 100), *q = nt__tracker_malloc(inner, 10);
    p = nt__tracker_realloc(outer, p, 200);
    assert_int_equal(figures(outer)->allocations_total, 2);
    assert_int_equal(f.live_requested_bytes_now, 200);
    assert_int_equal(f.live_requested_bytes_peak, 300);
    assert_agrees(inner);
    assert_int_equal(f.allocations_total, 3);
    assert_int_equal(f.live_requested_bytes_now, 210);
    assert_int_equal(nt__trackers_count(), 2);
    nt__tracker_free(outer, p);
    assert_int_equal(nt__tracker_release(outer), 0);
    assert_int_equal(nt__tracker_release(inner), -EBUSY);
    nt__tracker_free(inner, q);
    assert_int_equal(nt__tracker_release(inner), 0);
    assert_int_equal(nt__trackers_count(), 0);
}

/* ---- What is missing, refused, or wrong ---------------------------------------------------- */

static void test_arena(void **state)
{
    (void)state;
    struct nt_tracker *t = around(arena_allocator(&arena));
    unsigned char *p = nt__tracker_malloc(t, 50);
    memset(p, 9, 50);
    memset(arena.bytes + arena.used, 0xff, 1000); /* not zero when it is handed out */
    unsigned char *q = nt__tracker_calloc(t, 10, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(q[i], 0);
    p = nt__tracker_realloc(t, p, 80);
    for (int i = 0; i < 50; i++)
        assert_int_equal(p[i], 9);
    p = nt__tracker_realloc(t, p, 20);
    assert_int_equal(p[19], 9);
    assert_int_equal(nt__tracker_usable_size(t, p), 20); /* what is known */
    assert_int_equal(nt__tracker_usable_size(t, p + 1), 0);
    assert_int_equal(nt__tracker_usable_size(t, NULL), 0);
    for (size_t align = 1; align <= 16; align *= 2)
        nt__tracker_free(t, nt__tracker_aligned_alloc(t, align, 5));
    ASSERT_FAILS_COUNTED(nt__tracker_aligned_alloc(t, 32, 5), ENOTSUP);
    ASSERT_FAILS_COUNTED(nt__tracker_malloc(t, sizeof arena.bytes),
                         ENOMEM); /* it said nothing */
    ASSERT_FAILS_COUNTED(nt__tracker_realloc(t, p, sizeof arena.bytes), ENOMEM);
    assert_int_equal(p[19], 9);
    ASSERT_FAILS_COUNTED(nt__tracker_realloc(t, &arena, 10),
                         EINVAL); /* of unknown size */
    assert_agrees(t);
    nt__tracker_free(t, p);
    nt__tracker_free(t, q);
    assert_agrees(t);
    assert_int_equal(arena.frees, shim.frees);
    assert_int_equal(nt__tracker_release(t), 0);
}

static void *unaligned(void *context, size_t size)
{
    return (char *)arena_malloc(context, size + 8) + 8;
}

/* An inner malloc that keeps less than the promise. */
static void test_unaligned(void **state)
{
    struct nt_allocator inner = arena_allocator(&arena);
    (void)state;
    inner.malloc = unaligned;
    struct nt_tracker *t = nt__tracker_new(&inner, NULL);
    void *p = nt__tracker_aligned_alloc(t, 8, 10);
    assert_non_null(p);
    ASSERT_FAILS_COUNTED(nt__tracker_aligned_alloc(t, 16, 10), ENOTSUP);
    assert_int_equal(arena.frees, 1); /* it has it back */
    assert_int_equal(f.allocations_total, 1);
    nt__tracker_free(t, p);
    assert_int_equal(nt__tracker_release(t), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    struct nt_tracker *t = around(nt_system_allocator());
    char *p = nt__tracker_malloc(t, 100);
    strcpy(p, "kept");
    ASSERT_FAILS_COUNTED(nt__tracker_calloc(t, SIZE_MAX, 2), ENOMEM);
    ASSERT_FAILS_COUNTED(nt__tracker_aligned_alloc(t, 0, 1), EINVAL);
    ASSERT_FAILS_COUNTED(nt__tracker_aligned_alloc(t, 24, 1), EINVAL);
    shim.refusal = EAGAIN; /* what inner says is passed on */
    shim.refuse = true;
    ASSERT_FAILS_COUNTED(nt__tracker_malloc(t, 1), EAGAIN);
    ASSERT_FAILS_COUNTED(nt__tracker_calloc(t, 1, 1), EAGAIN);
    ASSERT_FAILS_COUNTED(nt__tracker_aligned_alloc(t, 64, 1), EAGAIN);
    ASSERT_FAILS_COUNTED(nt__tracker_realloc(t, p, 1000), EAGAIN);
    ASSERT_FAILS_COUNTED(nt__tracker_realloc(t, NULL, 1000), EAGAIN);
    shim.refusal = 0; /* or it says nothing */
    ASSERT_FAILS_COUNTED(nt__tracker_malloc(t, 1), ENOMEM);
    ASSERT_FAILS_COUNTED(nt__tracker_realloc(t, p, 1), ENOMEM);
    shim.refuse = false;
    assert_string_equal(p, "kept");
    ASSERT_FAILS_COUNTED(nt__tracker_malloc(t, SIZE_MAX), ENOMEM);
    assert_int_equal(shim.refused, f.failed_total - 3);
    assert_agrees(t);
    errno = 5;
    assert_null(nt__tracker_realloc(t, p, 0)); /* no failure */
    nt__tracker_free(t, NULL);
    assert_int_equal(errno, 5);
    assert_agrees(t);
    assert_int_equal(nt__tracker_release(t), 0);
}

static void *unknown(struct nt_tracker *t, size_t size)
{
    return t->inner.malloc(t->inner.context, size);
}

/* Blocks of inner's own. */
static void test_unknown(void **state)
{
    (void)state;
    struct nt_tracker *t = around(nt_system_allocator());
    nt__tracker_free(t, unknown(t, 10));
    assert_int_equal(figures(t)->foreign_frees_total, 1);
    assert_int_equal(shim.frees, 1);
    char *p = unknown(t, 100);
    strcpy(p, "moved");
    p = nt__tracker_realloc(t, p, 100000);
    assert_string_equal(p, "moved");
    assert_int_equal(figures(t)->foreign_frees_total, 2);
    assert_int_equal(f.allocations_total, 1);
    assert_int_equal(f.live_requested_bytes_now, 100000);
    assert_int_equal(f.frees_total, 0);
    nt__tracker_free(t, p);
    p = unknown(t, 100);
    ASSERT_FAILS_COUNTED(nt__tracker_realloc(t, p, SIZE_MAX), ENOMEM);
    assert_int_equal(f.foreign_frees_total, 2);
    assert_null(nt__tracker_realloc(t, p, 0));
    assert_int_equal(figures(t)->foreign_frees_total, 3);
    assert_int_equal(nt__tracker_release(t), 0);

    struct nt_allocator inner = nt_system_allocator();
    inner.realloc = NULL; /* then by what is usable of it */
    t = around(inner);
    p = unknown(t, 100);
    memset(p, 3, 100);
    p = nt__tracker_realloc(t, p, 200);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 3);
    assert_int_equal(figures(t)->foreign_frees_total, 1);
    assert_int_equal(f.allocations_total, 1);
    nt__tracker_free(t, p);
    assert_int_equal(nt__tracker_release(t), 0);
}

/* No memory for the table: inner has its block back. */
static int act_no_memory(void)
{
    const struct rlimit limit = {1, RLIM_INFINITY},
                        none = {RLIM_INFINITY, RLIM_INFINITY};
    struct nt_tracker *t = around(arena_allocator(&arena));
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    errno = 0;
    CHECK(!nt__tracker_malloc(t, 10) && errno == ENOMEM);
    CHECK(nt__tracker_figures(t, &f) == 0);
    CHECK(f.failed_total == 1 && f.allocations_total == 0 && f.live_blocks_now == 0);
    CHECK(shim.allocations == 1 && shim.frees == 1 && arena.frees == 1);
    CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    CHECK(nt__tracker_malloc(t, 10));
    return 0;
}

static void test_no_memory(void **state)
{
    (void)state;
    child_ok(act_no_memory);
}

/* ---- The register ------------------------------------------------------------------------ */

static void test_reset(void **state)
{
    (void)state;
    struct nt_tracker *t = around(nt_system_allocator());
    void *p = nt__tracker_malloc(t, 1000), *q = nt__tracker_malloc(t, 10);
    nt__tracker_free(t, p);
    ASSERT_FAILS_COUNTED(nt__tracker_aligned_alloc(t, 3, 3), EINVAL);
    nt__tracker_free(t, unknown(t, 1));
    assert_int_equal(nt__tracker_reset(t), 0);
    figures(t);
    assert_int_equal(f.allocations_total + f.requested_bytes_total + f.frees_total +
                         f.freed_requested_bytes_total + f.failed_total +
                         f.foreign_frees_total,
                     0);
    for (unsigned i = 0; i < NT_TRACKED_SIZES; i++)
        assert_int_equal(f.sizes[i], 0);
    assert_int_equal(f.live_blocks_now, 1);
    assert_int_equal(f.live_requested_bytes_now, 10);
    assert_int_equal(f.live_requested_bytes_peak, 10);
    p = nt__tracker_malloc(t, 20);
    assert_int_equal(figures(t)->live_requested_bytes_peak, 30);
    assert_int_equal(f.allocations_total, 1);
    nt__tracker_free(t, p);
    nt__tracker_free(t, q);
    assert_int_equal(nt__tracker_release(t), 0);
}

static void test_release(void **state)
{
    (void)state;
    struct nt_tracker *t = around(nt_system_allocator());
    struct nt_tracker *other = around(arena_allocator(&arena));
    void *p = nt__tracker_malloc(t, 1);
    nt__tracker_free(t, p);
    assert_int_equal(nt__tracker_release(t), 0);
    assert_int_equal(nt__tracker_release(t), -EINVAL);
    assert_int_equal(nt__tracker_reset(t), -EINVAL);
    assert_int_equal(nt__tracker_forget(t), -EINVAL);
    assert_int_equal(nt__tracker_figures(t, &f), -EINVAL);
    assert_int_equal(nt__tracker_figures(&shim, &f), -EINVAL);
    assert_int_equal(nt__tracker_figures(NULL, &f), -EINVAL);
    errno = 0; /* too late */
    assert_true(!nt__tracker_malloc(t, 1) && errno == EINVAL);
    assert_true(!nt__tracker_calloc(t, 1, 1) && errno == EINVAL);
    assert_true(!nt__tracker_aligned_alloc(t, 16, 1) && errno == EINVAL);
    assert_true(!nt__tracker_realloc(t, &f, 1) && errno == EINVAL);
    struct nt_tracker *again = around(nt_system_allocator());
    assert_ptr_equal(again, t); /* used again, from 0 on */
    assert_int_equal(figures(again)->allocations_total + f.failed_total, 0);
    assert_int_equal(f.live_requested_bytes_peak, 0);
    assert_int_equal(nt__tracker_release(again), 0);
    assert_int_equal(nt__tracker_release(other), 0);
}

static void test_many(void **state)
{
    static struct nt_tracked_figures all[200];
    struct nt_tracker *t[150];
    size_t n = 0;
    (void)state;
    const struct nt_allocator inner = nt_system_allocator();
    for (size_t i = 0; i < NT_ARRAY_LEN(t); i++)
        assert_non_null(t[i] = nt__tracker_new(&inner, i == 149 ? "last" : NULL));
    assert_true(nt__trackers_read(all, 200, true, &n));
    assert_int_equal(n, 150);
    assert_int_equal(nt__trackers_count(), 150);
    assert_string_equal(all[149].name, "last");
    assert_memory_equal(all[0].name, "tracked-", 8);
    /* A signal's handler, in the middle of a call. */
    pthread_mutex_lock(&nt__block_locks[0].lock.mutex);
    assert_true(nt__trackers_read(all, 3, false, &n));
    pthread_mutex_unlock(&nt__block_locks[0].lock.mutex);
    assert_int_equal(n, 150);
    for (size_t i = 0; i < NT_ARRAY_LEN(t); i++)
        assert_int_equal(nt__tracker_release(t[i]), 0);
    assert_true(nt__trackers_read(NULL, 0, true, &n) && n == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_counts_in_place),
        cmocka_unit_test(test_counts_without_realloc),
        cmocka_unit_test(test_counts_of_two_calls),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_unaligned),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
