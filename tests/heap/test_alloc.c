/* SPDX-License-Identifier: MIT */
/* Every call of the process's heap as its header promises it: results, errors, errno. */
#define _GNU_SOURCE
#include "tests/child.h"
#include "tests/heap/sizes.h"

#include "src/base/base.h"

#include <errno.h>
#include <numatally/numatally.h>
#include <numatally/stats.h>
#include <pthread.h>
#include <signal.h>

void *__libc_malloc(size_t size);

static void test_get(void **state)
{
    unsigned char *p[NT_ARRAY_LEN(sizes)];
    (void)state;
    errno = 1234;
    for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++) {
        p[i] = nt_malloc(sizes[i]);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        assert_true(nt_usable_size(p[i]) >= sizes[i] && nt_usable_size(p[i]) >= 1);
        assert_int_equal(nt_usable_size(p[i]), nt_good_size(sizes[i]));
        memset(p[i], (int)i + 1, nt_usable_size(p[i]));
    }
    for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++)
        assert_true(all(p[i], (int)i + 1, nt_usable_size(p[i])));
    for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++)
        nt_free(p[i]);
    nt_free(NULL);
    assert_int_equal(errno, 1234);
    ASSERT_FAILS(nt_malloc(huge + 1), ENOMEM);
    ASSERT_FAILS(nt_malloc(huge), ENOMEM);
    ASSERT_FAILS(nt_malloc(most), ENOMEM);
    ASSERT_FAILS(nt_malloc((size_t)1 << 46), ENOMEM);
}

static void test_zero_sizes_are_apart(void **state)
{
    (void)state;
    size_t volatile zero = 0; /* compilers hold that nothing can be stored there */
    char *a = nt_malloc(zero), *b = nt_malloc(zero), *c = nt_calloc(zero, 8);
    assert_true(a && b && c && a != b && b != c && a != c);
    *a = *b = *c = 1;
    nt_free(a);
    nt_free(b);
    nt_free(c);
}

static void test_zeroed(void **state)
{
    (void)state;
    errno = 77;
    for (int round = 0; round < 3; round++) /* fresh, then recycled */
        for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++) {
            unsigned char *p = nt_calloc(1, sizes[i]);
            assert_non_null(p);
            assert_true(all(p, 0, sizes[i]));
            memset(p, 255, nt_usable_size(p));
            nt_free(p);
        }
    /* Every small size, of a block that was full of something else. */
    for (size_t size = 0; size <= 600; size++) {
        unsigned char *used = nt_malloc(size);
        memset(used, 0xa5, nt_usable_size(used));
        nt_free(used);
        unsigned char *q = nt_calloc(size, 1);
        assert_true(all(q, 0, size));
        memset(q, 0xa5, nt_usable_size(q)); /* and nothing behind it is written to */
        unsigned char *next = nt_calloc(1, size);
        assert_true(all(q, 0xa5, nt_usable_size(q)));
        nt_free(q);
        nt_free(next);
    }
    unsigned char *p = nt_calloc(1000, 33);
    assert_true(p && nt_usable_size(p) >= 33000 && all(p, 0, 33000));
    nt_free(p);
    assert_int_equal(errno, 77);
    ASSERT_FAILS(nt_calloc(huge, 3), ENOMEM);
    ASSERT_FAILS(nt_calloc(most, most), ENOMEM);
    ASSERT_FAILS(nt_calloc(huge, 2), ENOMEM); /* no overflow, but too much */
}

static void test_aligned(void **state)
{
    (void)state;
    errno = 3;
    for (size_t align = 1; align <= 64 * NT_MIB; align *= 2)
        for (size_t i = 0; i < NT_ARRAY_LEN(sizes) - 1; i++) {
            unsigned char *p = nt_aligned_alloc(align, sizes[i]);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            p[0] = p[sizes[i] ? sizes[i] - 1 : 0] = 1;
            nt_free_aligned_sized(p, align, sizes[i]);
        }
    char *p = nt_aligned_alloc(2 * NT_GIB, 10);
    assert_true(p && (uintptr_t)p % (2 * NT_GIB) == 0);
    nt_free(p);
    assert_int_equal(errno, 3);
    ASSERT_FAILS(nt_aligned_alloc(0, 10), EINVAL);
    ASSERT_FAILS(nt_aligned_alloc(3, 10), EINVAL);
    ASSERT_FAILS(nt_aligned_alloc(48, 10), EINVAL);
    ASSERT_FAILS(nt_aligned_alloc(SIZE_MAX, 10), EINVAL);
    ASSERT_FAILS(nt_aligned_alloc(64, huge + 1), ENOMEM);
    for (unsigned b = 37; b < 62; b++) /* though there were addresses enough */
        ASSERT_FAILS(nt_aligned_alloc((size_t)1 << b, 1), ENOMEM);
    ASSERT_FAILS(nt_aligned_alloc((size_t)1 << 62, 1), ENOMEM);
    ASSERT_FAILS(nt_aligned_alloc((size_t)1 << 63, 1), ENOMEM);
}

/* Large blocks that come and go in a loop: each is aligned, counted, and as large as asked for,
 * by whatever call, and errno stays. */
static void test_large_again(void **state)
{
    static struct nt_snapshot before, after;
    enum { PAIRS = 300 };
    size_t size = 3 * NT_MIB / 2;
    uint64_t bytes = 0, asked = 0;
    (void)state;
    assert_int_equal(nt_snapshot(&before), 0);
    errno = 21;
    for (unsigned i = 0; i < PAIRS; i++) {
        size_t align = (size_t)16 << i % 13;
        char *p = i % 3 == 0 ? nt_malloc(size - i) : nt_aligned_alloc(align, size - i);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (64 * NT_KIB), 0);
        assert_int_equal(nt_usable_size(p), nt_good_size(size - i));
        bytes += nt_usable_size(p);
        asked += size - i;
        p[0] = p[size - i - 1] = 1;
        assert_ptr_equal(nt_realloc(p, nt_usable_size(p) - i % 2), p);
        asked += nt_usable_size(p) - i % 2;
        bytes += nt_usable_size(p);
        nt_free(p);
    }
    assert_int_equal(errno, 21);
    assert_int_equal(nt_snapshot(&after), 0);
    const struct nt_class_figures *was = &before.class_[before.classes - 1],
                                  *is = &after.class_[after.classes - 1];
    assert_int_equal(is->allocations_total - was->allocations_total, PAIRS);
    assert_int_equal(is->frees_total - was->frees_total, PAIRS);
    assert_int_equal(is->requested_bytes_total - was->requested_bytes_total, asked);
    assert_int_equal(is->allocated_bytes_total - was->allocated_bytes_total, bytes);
    assert_int_equal(is->live_bytes_now, was->live_bytes_now);
    assert_int_equal(is->slabs_now, was->slabs_now);
    assert_true(is->live_bytes_peak >= was->live_bytes_now + size);
    assert_int_equal(after.total.reallocs_in_place_total -
                         before.total.reallocs_in_place_total,
                     PAIRS);
    assert_int_equal(after.total.live_bytes_now, before.total.live_bytes_now);
}

static void test_posix_memalign(void **state)
{
    void *p = &state;
    (void)state;
    errno = 42;
    assert_int_equal(nt_posix_memalign(&p, 4, 10), EINVAL); /* not of a pointer */
    assert_int_equal(nt_posix_memalign(&p, 0, 10), EINVAL);
    assert_int_equal(nt_posix_memalign(&p, 24, 10), EINVAL);
    assert_int_equal(nt_posix_memalign(&p, 64, huge + 1), ENOMEM);
    assert_int_equal(nt_posix_memalign(&p, 64, (size_t)1 << 46), ENOMEM);
    assert_int_equal(nt_posix_memalign(&p, (size_t)1 << 40, 10), ENOMEM);
    assert_ptr_equal(p, &state);
    for (size_t align = sizeof(void *); align <= NT_MIB; align *= 2) {
        assert_int_equal(nt_posix_memalign(&p, align, align + 5), 0);
        assert_int_equal((uintptr_t)p % align, 0);
        assert_true(nt_usable_size(p) >= align + 5);
        nt_free(p);
    }
    assert_int_equal(errno, 42);
}

static void test_free_sized(void **state)
{
    (void)state;
    errno = 8;
    for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++) {
        nt_free_sized(nt_malloc(sizes[i]), sizes[i]);
        nt_free_sized(nt_calloc(1, sizes[i]), sizes[i]);
    }
    /* Whatever realloc made of it, the size last asked for is right. */
    for (size_t i = 1; i < NT_ARRAY_LEN(sizes); i++)
        for (size_t k = 1; k < NT_ARRAY_LEN(sizes); k++) {
            char *p = nt_realloc(nt_malloc(sizes[i]), sizes[k]);
            nt_free_sized(p, sizes[k]);
        }
    for (size_t size = 600000; size > 500000; size -= 5000) {
        char *p = nt_realloc(nt_malloc(600000), size);
        nt_free_sized(p, size);
    }
    nt_free_sized(NULL, 10);
    nt_free_aligned_sized(NULL, 16, 10);
    assert_int_equal(errno, 8);
}

static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(nt_usable_size(NULL), 0);
    for (size_t size = 0; size < 3000000; size += 1 + size / 20) {
        size_t good = nt_good_size(size);
        assert_true(good >= size && good >= 1);
        assert_int_equal(nt_good_size(good), good);
    }
    assert_int_equal(nt_good_size(huge + 1), 0);
    assert_int_equal(nt_good_size(SIZE_MAX), 0);
    assert_true(nt_good_size(huge - 4096) >= huge - 4096);
    assert_string_equal(nt_version(), NT_VERSION_STRING);
}

static void test_onnode(void **state)
{
    static struct nt_snapshot now;
    (void)state;
    assert_int_equal(nt_snapshot(&now), 0);
    errno = 66;
    char *p = nt_malloc_onnode(1000, now.node_id[0]);
    assert_non_null(p);
    memset(p, 1, 1000);
    nt_free(p);
    assert_int_equal(errno, 66);
    ASSERT_FAILS(nt_malloc_onnode(1000, 4242), EINVAL);
    ASSERT_FAILS(nt_malloc_onnode(1000, -1), EINVAL);
    ASSERT_FAILS(nt_malloc_onnode(huge + 1, now.node_id[0]), ENOMEM);
    ASSERT_FAILS(nt_aligned_alloc_onnode(24, 1, now.node_id[0]), EINVAL);
    ASSERT_FAILS(nt_aligned_alloc_onnode(64, 1, -1), EINVAL);
    p = nt_aligned_alloc_onnode(4096, 1, now.node_id[0]);
    assert_true(p != NULL && (uintptr_t)p % 4096 == 0);
    nt_free(p);
}

/* The very first call of each kind must not let the start's errno out. */
#define FIRST(name, expression)                                                        \
    static int act_first_##name(void)                                                  \
    {                                                                                  \
        errno = 31;                                                                    \
        CHECK(expression);                                                             \
        CHECK(errno == 31);                                                            \
        return 0;                                                                      \
    }

static struct nt_snapshot first_snapshot;
static struct nt_pool *first_pool;
FIRST(malloc, nt_malloc(1))
FIRST(calloc, nt_calloc(1, 1))
FIRST(realloc, nt_realloc(NULL, 1))
FIRST(aligned, nt_aligned_alloc(64, 1))
FIRST(onnode, nt_malloc_onnode(1, 0) || errno == EINVAL)
FIRST(good_size, nt_good_size(1) == 16)
FIRST(usable_size, nt_usable_size(NULL) == 0)
FIRST(purge, nt_purge() < SIZE_MAX)
FIRST(snapshot, nt_snapshot(&first_snapshot) == 0)
FIRST(snapshot_pools, nt_snapshot_pools(NULL, 0) == 1)
FIRST(snapshot_threads, nt_snapshot_threads(NULL, 0) >= 1)
FIRST(pool, nt_pool_create(NULL, &first_pool) == 0)
FIRST(bad_pool,
      nt_pool_create(&(struct nt_pool_options){.size = sizeof(struct nt_pool_options),
                                               .nodes = "x"},
                     &first_pool) == -EINVAL)

static void test_first_calls(void **state)
{
    (void)state;
    child_ok(act_first_malloc);
    child_ok(act_first_calloc);
    child_ok(act_first_realloc);
    child_ok(act_first_aligned);
    child_ok(act_first_onnode);
    child_ok(act_first_good_size);
    child_ok(act_first_usable_size);
    child_ok(act_first_purge);
    child_ok(act_first_snapshot);
    child_ok(act_first_snapshot_pools);
    child_ok(act_first_snapshot_threads);
    child_ok(act_first_pool);
    child_ok(act_first_bad_pool);
}

static void test_purge(void **state)
{
    static struct nt_snapshot before, after;
    enum { N = 2000 };
    static char *p[N];
    (void)state;
    for (int i = 0; i < N; i++)
        memset(p[i] = nt_malloc(20000), 1, 20000);
    nt_snapshot(&before);
    for (int i = 0; i < N; i++)
        nt_free(p[i]);
    errno = 12;
    assert_true(nt_purge() > 10 * NT_MIB);
    assert_int_equal(errno, 12);
    nt_snapshot(&after);
    assert_int_equal(after.total.cached_bytes_now, 0);
    assert_true(after.total.returned_bytes_total > before.total.returned_bytes_total);
    assert_true(after.total.committed_bytes_now < before.total.committed_bytes_now);
    assert_int_equal(nt_purge(), 0);
}

/* glibc's own blocks are passed on to it, and counted. */
static void test_foreign(void **state)
{
    static struct nt_snapshot before, after;
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    return; /* for the other builds: here another heap stands in for glibc's */
#endif
    nt_snapshot(&before);
    char *p = __libc_malloc(100), *q = __libc_malloc(200);
    strcpy(p, "from glibc");
    assert_true(nt_usable_size(p) >= 100);
    p = nt_realloc(p, 5000);
    assert_string_equal(p, "from glibc");
    nt_free(p);
    nt_free(q);
    nt_snapshot(&after);
    assert_int_equal(after.foreign_frees_total - before.foreign_frees_total, 2);
}

/* ---- Threads ------------------------------------------------------------------------ */

enum { THREADS = 3, SLOTS = 256 };
static unsigned char *slot[SLOTS];

static void *swap_blocks(void *arg)
{
    uint32_t draw = *(uint32_t *)arg;
    for (int i = 0; i < 60000; i++) {
        draw = draw * 1664525 + 1013904223;
        uint32_t size = 8 + (draw >> 8) % (draw % 50 == 0 ? 900000 : 3000);
        unsigned char *p = nt_malloc(size);
        memcpy(p, &size, sizeof size);
        p[size - 1] = (unsigned char)size;
        p = __atomic_exchange_n(&slot[draw >> 24], p, __ATOMIC_ACQ_REL);
        if (!p)
            continue;
        memcpy(&size, p, sizeof size);
        if (p[size - 1] != (size > 4 ? (unsigned char)size : p[size - 1]))
            return NULL;
        if (draw % 16 == 0) {
            p = nt_realloc(p, size * 2);
            if (p[size - 1] != (unsigned char)size)
                return NULL;
            nt_free(p);
        } else {
            nt_free_sized(p, size);
        }
    }
    return arg;
}

static void test_threads(void **state)
{
    static struct nt_snapshot before, after;
    pthread_t thread[THREADS];
    uint32_t seed[THREADS];
    (void)state;
    nt_snapshot(&before);
    for (uint32_t i = 0; i < THREADS; i++) {
        seed[i] = i + 1;
        assert_int_equal(pthread_create(&thread[i], NULL, swap_blocks, &seed[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(thread[i], &result);
        assert_ptr_equal(result, &seed[i]);
    }
    for (int i = 0; i < SLOTS; i++)
        nt_free(slot[i]);
    nt_snapshot(&after);
    assert_int_equal(after.total.live_blocks_now, before.total.live_blocks_now);
    assert_int_equal(after.total.live_bytes_now, before.total.live_bytes_now);
}

/* ---- Misuse --------------------------------------------------------------------------- */

static char *block, *large;
static char *volatile hidden;

#define MISUSE(name, ...)                                                              \
    static int act_##name(void)                                                        \
    {                                                                                  \
        hidden = block;                                                                \
        __VA_ARGS__;                                                                   \
        return 0;                                                                      \
    }

MISUSE(double_free, nt_free(hidden); nt_free(hidden))
MISUSE(double_free_others, nt_free(hidden); nt_free(nt_malloc(100)); nt_free(hidden);
       nt_free(hidden))
MISUSE(interior, nt_free(hidden + 16))
MISUSE(odd, nt_free(hidden + 1))
MISUSE(never, hidden = large; nt_free(hidden); nt_free(hidden + 1000000))
MISUSE(realloc_freed, nt_free(hidden); hidden = nt_realloc(hidden, 5000))
MISUSE(realloc_never_out, nt_free(nt_malloc(400)); hidden = nt_malloc(100);
       hidden = nt_realloc(hidden + 400 * nt_usable_size(hidden), 400))
MISUSE(realloc_interior, hidden = nt_realloc(hidden + 8, 5000))
MISUSE(foreign, nt_free((char *)&hidden))
MISUSE(realloc_foreign, hidden = nt_realloc((char *)&hidden, 10))
MISUSE(wrong_size, nt_free_sized(hidden, 5000))
MISUSE(wrong_small_size, nt_free_sized(hidden, 1))
MISUSE(wrong_alignment, nt_free_aligned_sized(hidden, 3, 100))
MISUSE(wrong_aligned, nt_free_aligned_sized(hidden + 16, 4096, 100))
MISUSE(large_twice, hidden = large; nt_free(hidden); nt_free(hidden))
MISUSE(large_interior, nt_free(large + 4096))
MISUSE(large_deep, nt_free(large + 1000000))
MISUSE(large_size, nt_free_sized(large, 100))

static void test_misuse(void **state)
{
    (void)state;
    block = nt_malloc(100);
    large = nt_malloc(2000000);
    child_aborts(act_double_free, "already free");
    child_aborts(act_double_free_others, "already free");
    child_aborts(act_interior, "inside a block");
    child_aborts(act_odd, "inside a block");
    child_aborts(act_never, "no block is in use");
    child_aborts(act_realloc_freed, "already free");
    child_aborts(act_realloc_interior, "realloc(");
    child_aborts(act_realloc_never_out, "no block is in use");
    child_aborts(act_foreign, "not from this heap");
    child_aborts(act_realloc_foreign, "not from this heap");
    child_aborts(act_wrong_size, "free_sized(");
    child_aborts(act_wrong_small_size, "with size 1");
    child_aborts(act_wrong_alignment, "with alignment 3, size 100");
    child_aborts(act_wrong_aligned, "inside a block");
    child_aborts(act_large_twice, "no block is in use");
    child_aborts(act_large_interior, "inside a block");
    child_aborts(act_large_deep, "inside a block");
    child_aborts(act_large_size, "with size 100");
    nt_free(block);
    nt_free(large);
}

/* check:off: nothing is said, the call is ignored, errno says so where there is one. */
static int act_check_off(void)
{
    setenv("NUMATALLY_CONF", "check:off", 1);
    hidden = nt_malloc(100);
    strcpy(hidden, "alive");
    nt_free(hidden + 16);
    nt_free((char *)&hidden);
    nt_free_sized(hidden, 5000);
    nt_free_aligned_sized(hidden, 3, 100);
    errno = 0;
    CHECK(!nt_realloc(hidden + 16, 10) && errno == EINVAL);
    errno = 0;
    char *volatile foreign = (char *)&hidden;
    CHECK(!nt_realloc(foreign, 10) && errno == EINVAL);
    CHECK(nt_usable_size(foreign) == 0 && nt_usable_size(hidden + 16) == 0);
    CHECK(strcmp(hidden, "alive") == 0);
    nt_free(hidden);
    nt_free(hidden);
    char *volatile a = nt_malloc(100), *volatile b = nt_malloc(100);
    CHECK(a != b);
    return 0;
}

static void test_check_off(void **state)
{
    char said[512];
    (void)state;
    int status = child_status(act_check_off, said, sizeof said);
    assert_string_equal(said, "");
    assert_int_equal(status, 0);
}

int main(void)
{
    /* Nothing is given back by itself, however slow we are. */
    setenv("NUMATALLY_CONF", "return:3600000", 1);
    unsetenv("NUMATALLY_TOPOLOGY");
    /* These run in children that start the library themselves. */
    const struct CMUnitTest fresh[] = {
        cmocka_unit_test(test_first_calls),
        cmocka_unit_test(test_check_off),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),         cmocka_unit_test(test_zero_sizes_are_apart),
        cmocka_unit_test(test_zeroed),      cmocka_unit_test(test_aligned),
        cmocka_unit_test(test_large_again), cmocka_unit_test(test_posix_memalign),
        cmocka_unit_test(test_free_sized),  cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_onnode),      cmocka_unit_test(test_purge),
        cmocka_unit_test(test_foreign),     cmocka_unit_test(test_threads),
        cmocka_unit_test(test_misuse),
    };
    int failed = cmocka_run_group_tests_name("before the start", fresh, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
