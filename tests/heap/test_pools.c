/* SPDX-License-Identifier: MIT */
/* Explicit pools through the public calls: every one, every error, limits, threads. */
#include "tests/child.h"

#include "src/base/base.h"

#include <errno.h>
#include <numatally/numatally.h>
#include <numatally/stats.h>
#include <pthread.h>

static size_t volatile huge = (size_t)PTRDIFF_MAX;

static struct nt_pool *create(size_t limit)
{
    struct nt_pool_options o = {.size = sizeof o, .limit = limit};
    struct nt_pool *pool = NULL;
    assert_int_equal(nt_pool_create(&o, &pool), 0);
    assert_non_null(pool);
    return pool;
}

static struct nt_pool_figures figures_of(const char *name)
{
    static struct nt_pool_figures all[100];
    long n = nt_snapshot_pools(all, 100);
    struct nt_pool_figures none = {.name = ""};
    for (long i = 0; i < n && i < 100; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i];
    return none;
}

static void test_create(void **state)
{
    struct nt_pool *untouched = (struct nt_pool *)(void *)&untouched, *pool = untouched;
    struct nt_pool_options o = {.size = sizeof o};
    (void)state;
    errno = 9;
    assert_int_equal(nt_pool_create(NULL, NULL), -EINVAL);
    assert_int_equal(nt_pool_create(&o, NULL), -EINVAL);
    o.size = sizeof o - 1;
    assert_int_equal(nt_pool_create(&o, &pool), -EINVAL);
    o.size = 0;
    assert_int_equal(nt_pool_create(&o, &pool), -EINVAL);
    o.size = sizeof o;
    static const char *const wrong[] = {"",      "x",      "0-", "900", "!",
                                        "all,0", "0,5000", "-1", "1-0", "0 "};
    for (size_t i = 0; i < NT_ARRAY_LEN(wrong); i++) {
        o.nodes = wrong[i];
        if (nt_pool_create(&o, &pool) != -EINVAL)
            fail_msg("node list '%s' was taken", wrong[i]);
    }
    assert_ptr_equal(pool, untouched);
    assert_int_equal(nt_pool_create(NULL, &pool), 0);
    assert_true(pool != untouched);
    nt_pool_destroy(pool);
    o.nodes = "all";
    o.name = "a pool with a name of more than thirty-one bytes";
    assert_int_equal(nt_pool_create(&o, &pool), 0);
    assert_string_equal(figures_of("a pool with a name of more than").name,
                        "a pool with a name of more than");
    nt_pool_destroy(pool);
    nt_pool_destroy(NULL);
    assert_int_equal(errno, 9);
}

static void test_get(void **state)
{
    (void)state;
    struct nt_pool *pool = create(0);
    errno = 50;
    for (size_t size = 0; size < 10 * NT_MIB; size = size * 2 + 3) {
        unsigned char *p = nt_pool_malloc(pool, size);
        assert_true(p && (uintptr_t)p % 16 == 0 && nt_usable_size(p) >= size);
        memset(p, 1, nt_usable_size(p));
        nt_free(p);
        p = nt_pool_calloc(pool, size, 3);
        assert_non_null(p);
        for (size_t i = 0; i < 3 * size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 255, nt_usable_size(p));
        nt_free_sized(p, 3 * size);
    }
    for (size_t align = 1; align <= 8 * NT_MIB; align *= 2) {
        char *p = nt_pool_aligned_alloc(pool, align, 100);
        assert_true(p && (uintptr_t)p % align == 0);
        nt_free_aligned_sized(p, align, 100);
    }
    assert_int_equal(errno, 50);
    ASSERT_FAILS(nt_pool_malloc(pool, huge + 1), ENOMEM);
    ASSERT_FAILS(nt_pool_malloc(pool, huge), ENOMEM);
    ASSERT_FAILS(nt_pool_calloc(pool, huge, 3), ENOMEM);
    ASSERT_FAILS(nt_pool_calloc(pool, huge, 2), ENOMEM);
    ASSERT_FAILS(nt_pool_aligned_alloc(pool, 0, 1), EINVAL);
    ASSERT_FAILS(nt_pool_aligned_alloc(pool, 12, 1), EINVAL);
    ASSERT_FAILS(nt_pool_aligned_alloc(pool, 16, huge + 1), ENOMEM);
    ASSERT_FAILS(nt_pool_aligned_alloc(pool, (size_t)1 << 40, 1), ENOMEM);
    nt_pool_destroy(pool);
}

static void test_resize(void **state)
{
    (void)state;
    struct nt_pool_options o = {.size = sizeof o, .name = "resized"};
    struct nt_pool *pool;
    assert_int_equal(nt_pool_create(&o, &pool), 0);
    errno = 51;
    unsigned char *p = nt_pool_realloc(pool, NULL, 10);
    assert_non_null(p);
    memset(p, 3, 10);
    size_t old = 10;
    static const size_t to[] = {5,      100,     90,     5000, 600000,
                                520000, 3000000, 100000, 20,   9000000};
    for (size_t i = 0; i < NT_ARRAY_LEN(to); i++) {
        /* nt_realloc too leaves it in the pool. */
        p = i % 2 ? nt_pool_realloc(pool, p, to[i]) : nt_realloc(p, to[i]);
        assert_non_null(p);
        for (size_t k = 0; k < nt__min(old, to[i]); k++)
            assert_int_equal(p[k], 3);
        memset(p, 3, to[i]);
        old = to[i];
        assert_int_equal(figures_of("resized").live_blocks_now, 1);
        assert_int_equal(figures_of("resized").live_bytes_now, nt_usable_size(p));
    }
    assert_int_equal(errno, 51);
    ASSERT_FAILS(nt_pool_realloc(pool, p, huge + 1), ENOMEM);
    ASSERT_FAILS(nt_pool_realloc(pool, p, (size_t)1 << 46), ENOMEM);
    assert_int_equal(p[8999999], 3);
    assert_null(nt_pool_realloc(pool, p, 0));
    assert_int_equal(figures_of("resized").live_blocks_now, 0);
    nt_pool_destroy(pool);
}

static void test_limit(void **state)
{
    (void)state;
    struct nt_pool *pool = create(4 * NT_MIB);
    size_t got = 0;
    static char *p[100000];
    while (got < NT_ARRAY_LEN(p) && (p[got] = nt_pool_malloc(pool, 1000)))
        memset(p[got++], 1, 1000);
    assert_true(got > 2000 && got * 1000 <= 4 * NT_MIB);
    ASSERT_FAILS(nt_pool_malloc(pool, 1000), ENOMEM);
    ASSERT_FAILS(nt_pool_malloc(pool, 5 * NT_MIB), ENOMEM);
    ASSERT_FAILS(nt_pool_realloc(pool, p[0], NT_MIB), ENOMEM);
    assert_int_equal(p[0][999], 1);
    for (size_t i = 0; i < got; i += 2)
        nt_free(p[i]);
    for (size_t i = 0; i < got; i += 2)
        assert_non_null(nt_pool_malloc(pool, 1000)); /* what came back serves again */
    nt_pool_reset(pool);
    assert_non_null(nt_pool_malloc(pool, 3 * NT_MIB));
    ASSERT_FAILS(nt_pool_malloc(pool, 3 * NT_MIB), ENOMEM);
    nt_pool_destroy(pool);
}

static void test_reset(void **state)
{
    static struct nt_snapshot before, after;
    (void)state;
    struct nt_pool_options o = {.size = sizeof o, .name = "reset"};
    struct nt_pool *pool;
    assert_int_equal(nt_pool_create(&o, &pool), 0);
    char *outside = nt_malloc(100);
    strcpy(outside, "not of the pool");
    nt_snapshot(&before);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3000; i++)
            memset(nt_pool_malloc(pool, 500), round, 500);
        for (int i = 0; i < 3; i++)
            assert_non_null(nt_pool_malloc(pool, 2 * NT_MIB));
        assert_int_equal(figures_of("reset").live_blocks_now, 3003);
        errno = 4;
        nt_pool_reset(pool);
        assert_int_equal(errno, 4);
        struct nt_pool_figures f = figures_of("reset");
        assert_int_equal(f.live_blocks_now, 0);
        assert_int_equal(f.live_bytes_now, 0);
        assert_int_equal(f.committed_bytes_now, 0);
        assert_int_equal(f.frees_total, 3003 * (round + 1));
    }
    nt_snapshot(&after);
    assert_int_equal(after.total.committed_bytes_now, before.total.committed_bytes_now);
    assert_int_equal(after.total.live_blocks_now, before.total.live_blocks_now);
    assert_string_equal(outside, "not of the pool");
    nt_pool_destroy(pool);
    assert_string_equal(figures_of("reset").name, "");
    nt_free(outside);
}

/* A new pool counts from zero, also when it takes the place of one that is gone. */
static void test_figures_begin_at_zero(void **state)
{
    (void)state;
    struct nt_pool_options o = {.size = sizeof o, .name = "first life"};
    struct nt_pool *pool;
    assert_int_equal(nt_pool_create(&o, &pool), 0);
    for (int i = 0; i < 500; i++)
        assert_non_null(nt_pool_malloc(pool, 100));
    nt_pool_destroy(pool);
    o.name = "second life";
    o.limit = NT_MIB;
    assert_int_equal(nt_pool_create(&o, &pool), 0);
    struct nt_pool_figures f = figures_of("second life");
    assert_int_equal(f.limit_bytes, NT_MIB);
    assert_int_equal(f.allocations_total, 0);
    assert_int_equal(f.frees_total, 0);
    assert_int_equal(f.requested_bytes_total, 0);
    assert_int_equal(f.live_bytes_peak, 0);
    nt_pool_destroy(pool);
}

static struct nt_pool *shared;

static void *use_shared(void *arg)
{
    unsigned char mark = *(unsigned char *)arg;
    unsigned char *kept[64] = {0};
    for (unsigned i = 0; i < 20000; i++) {
        unsigned k = i * 11 % 64;
        if (kept[k]) {
            if (kept[k][0] != mark || kept[k][15] != mark)
                return NULL;
            nt_free(kept[k]);
            kept[k] = NULL;
        } else if ((kept[k] = nt_pool_malloc(shared, 16 + i % 5000))) {
            memset(kept[k], mark, 16);
        } else {
            return NULL;
        }
    }
    for (unsigned k = 0; k < 64; k++)
        nt_free(kept[k]);
    return arg;
}

static bool there_is(const char *name)
{
    static struct nt_pool_figures f[64];
    long n = nt_snapshot_pools(f, 64);
    for (long i = 1; i < n && i < 64; i++)
        if (strcmp(f[i].name, name) == 0)
            return true;
    return false;
}

static void test_names(void **state)
{
    struct nt_pool_options o = {.size = sizeof o};
    struct nt_pool *pool = NULL;
    char longer[64];
    (void)state;
    memset(longer, 'x', sizeof longer);
    longer[63] = '\0';
    memcpy(longer + 29, "\xe2\x82\xac", 3); /* would be cut in the middle */
    o.name = longer;
    assert_int_equal(nt_pool_create(&o, &pool), 0);
    longer[29] = '\0';
    assert_true(there_is(longer));
    assert_int_equal(nt_pool_name(pool, "a \"new\"\nname\xff"), 0);
    assert_true(there_is("a \"new\"\nname\xff") && !there_is(longer));
    assert_int_equal(nt_pool_name(pool, ""), -EINVAL);
    assert_int_equal(nt_pool_name(pool, NULL), -EINVAL);
    assert_int_equal(nt_pool_name(NULL, "x"), -EINVAL);
    memset(longer, 'y', 63);
    assert_int_equal(nt_pool_name(pool, longer), 0);
    longer[31] = '\0';
    assert_true(there_is(longer));
    nt_pool_destroy(pool);
    assert_false(there_is(longer));
}

static void test_threads(void **state)
{
    pthread_t thread[3];
    unsigned char mark[3] = {1, 2, 3};
    (void)state;
    shared = create(0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, use_shared, &mark[i]), 0);
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(thread[i], &result);
        assert_ptr_equal(result, &mark[i]);
    }
    nt_pool_destroy(shared);
}

/* ---- Misuse ---------------------------------------------------------------------------- */

static struct nt_pool *pool_a, *pool_b;
static char *volatile of_a, *volatile of_heap;

static int act_other_pool(void)
{
    of_a = nt_pool_realloc(pool_b, of_a, 5000);
    return 0;
}

static int act_heap_block(void)
{
    of_heap = nt_pool_realloc(pool_a, of_heap, 5000);
    return 0;
}

static int act_no_block(void)
{
    of_a = nt_pool_realloc(pool_a, (char *)&of_heap, 5000);
    return 0;
}

static int act_twice(void)
{
    nt_free(of_a);
    nt_free(of_a);
    return 0;
}

static int act_after_reset(void)
{
    nt_pool_reset(pool_a);
    nt_free(of_a);
    return 0;
}

static void test_misuse(void **state)
{
    (void)state;
    pool_a = create(0);
    pool_b = create(0);
    of_a = nt_pool_malloc(pool_a, 1000);
    of_heap = nt_malloc(1000);
    child_aborts(act_other_pool, "nt_pool_realloc(");
    child_aborts(act_heap_block, "nt_pool_realloc(");
    child_aborts(act_no_block, "not from this heap");
    child_aborts(act_twice, "already free");
    child_aborts(act_after_reset, "no block is in use");
    nt_pool_destroy(pool_a);
    nt_pool_destroy(pool_b);
}

static int act_check_off(void)
{
    setenv("NUMATALLY_CONF", "check:off", 1);
    struct nt_pool *a = NULL, *b = NULL;
    CHECK(nt_pool_create(NULL, &a) == 0 && nt_pool_create(NULL, &b) == 0);
    char *p = nt_pool_malloc(a, 100);
    errno = 0;
    CHECK(!nt_pool_realloc(b, p, 200) && errno == EINVAL);
    return 0;
}

/* Nodes named: blocks are there, wherever the caller runs. */
static int act_nodes(void)
{
    static struct nt_snapshot now;
    setenv("NUMATALLY_TOPOLOGY", "4x1", 1);
    struct nt_pool_options o = {.size = sizeof o, .nodes = "2"};
    struct nt_pool *pool = NULL;
    CHECK(nt_pool_create(&o, &pool) == 0);
    for (int i = 0; i < 100; i++)
        CHECK(nt_pool_malloc(pool, (size_t)i * 9000));
    CHECK(nt_snapshot(&now) == 0);
    CHECK(now.node[2].allocations_total == 100 && now.total.allocations_total == 100);
    /* A large block that moves is another, and the old one was freed by somebody. */
    void *moved = nt_pool_malloc(pool, NT_MIB), *behind = nt_pool_malloc(pool, NT_MIB);
    CHECK(moved && behind);
    void *to = nt_pool_realloc(pool, moved, 64 * NT_MIB);
    CHECK(to && to != moved);
    nt_pool_reset(pool);
    CHECK(nt_snapshot(&now) == 0);
    uint64_t freed = 0;
    for (unsigned f = 0; f < 4; f++) {
        freed += now.free_matrix[f][2];
        CHECK(now.free_matrix[f][0] == 0 && now.free_matrix[f][1] == 0);
    }
    CHECK(freed == 103 && now.node[2].frees_total == 103);
    o.nodes = "!0-3";
    CHECK(nt_pool_create(&o, &pool) == -EINVAL);
    o.nodes = "4";
    CHECK(nt_pool_create(&o, &pool) == -EINVAL);
    return 0;
}

static void test_fresh(void **state)
{
    (void)state;
    child_ok(act_check_off);
    child_ok(act_nodes);
}

int main(void)
{
    unsetenv("NUMATALLY_CONF");
    unsetenv("NUMATALLY_TOPOLOGY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh), /* first: its children start the library */
        cmocka_unit_test(test_create),  cmocka_unit_test(test_get),
        cmocka_unit_test(test_resize),  cmocka_unit_test(test_limit),
        cmocka_unit_test(test_reset),   cmocka_unit_test(test_figures_begin_at_zero),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
