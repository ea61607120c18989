/* SPDX-License-Identifier: MIT */
/* The table of blocks in use: growth, addresses that come again, reallocs, no memory, and a
 * child that nobody prepared. */
#include "tests/child.h"

#include "src/base/os.h"
#include "src/track/blocks.h"

#include <sys/resource.h>

static struct nt_blocks b;

/* Addresses are only numbers here. */
static void *at(size_t i)
{
    return (void *)(uintptr_t)(0x10000 +
                               i * 16); /* NOLINT(performance-no-int-to-ptr) */
}

static struct nt_block_counts sums(void)
{
    struct nt_block_counts out;
    nt__blocks_sums(&b, &out);
    return out;
}

static int set_up(void **state)
{
    (void)state;
    memset(&b, 0, sizeof b);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nt__blocks_close(&b);
    return 0;
}

static void test_empty(void **state)
{
    size_t size;
    (void)state;
    assert_false(nt__blocks_find(&b, at(0), &size));
    assert_false(nt__blocks_take(&b, at(0), &size));
    nt__blocks_remove(&b, at(0));
    assert_int_equal(sums().foreign, 1);
    assert_int_equal(sums().frees, 0);
    assert_int_equal(b.live, 0);
    assert_true(nt__blocks_check(&b));
}

/* A hundred thousand blocks, in and out in an order that has nothing to do with the
 * addresses. */
static void test_growth(void **state)
{
    enum { N = 100000, STEP = 7919 };
    size_t bytes = 0, size;
    (void)state;
    for (size_t i = 0; i < N; i++) {
        size_t k = i * STEP % N;
        assert_true(nt__blocks_add(&b, at(k), k));
        bytes += k;
    }
    assert_true(nt__blocks_check(&b));
    assert_int_equal(b.live, bytes);
    assert_int_equal(sums().allocations, N);
    for (unsigned i = 0; i < NT_BLOCK_SHARDS; i++) {
        assert_in_range(b.shard[i].used, N / NT_BLOCK_SHARDS / 2,
                        N / NT_BLOCK_SHARDS * 2);
        assert_true(b.shard[i].used <= b.shard[i].room / 4 * 3);
    }
    for (size_t k = 0; k < N; k++) {
        assert_true(nt__blocks_find(&b, at(k), &size));
        assert_int_equal(size, k);
    }
    assert_false(nt__blocks_find(&b, at(N), &size));
    for (size_t k = 0; k < N; k += 2)
        nt__blocks_remove(&b, at(k));
    assert_true(nt__blocks_check(&b));
    for (size_t k = 0; k < N; k++)
        assert_true(nt__blocks_find(&b, at(k), &size) == (k % 2 == 1));
    for (size_t k = 1; k < N; k += 2)
        nt__blocks_remove(&b, at(k));
    assert_true(nt__blocks_check(&b));
    assert_int_equal(b.live, 0);
    assert_int_equal(b.peak, bytes);
    assert_int_equal(sums().freed, bytes);
    assert_int_equal(sums().foreign, 0);
}

static void test_sizes(void **state)
{
    static const struct {
        size_t size;
        unsigned at;
    } cases[] = {{0, 0},
                 {1, 0},
                 {2, 1},
                 {3, 1},
                 {4, 2},
                 {1023, 9},
                 {1024, 10},
                 {(size_t)1 << 46, 46},
                 {(size_t)1 << 47, 47},
                 {(size_t)1 << 48, 47},
                 {SIZE_MAX / 4, 47}};
    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        uint64_t before = sums().sizes[cases[i].at];
        assert_true(nt__blocks_add(&b, at(i), cases[i].size));
        assert_int_equal(sums().sizes[cases[i].at], before + 1);
        nt__blocks_remove(&b, at(i));
    }
    assert_int_equal(b.live, 0);
}

/* An arena that was emptied at once hands its addresses out again. */
static void test_again(void **state)
{
    size_t size;
    (void)state;
    assert_true(nt__blocks_add(&b, at(1), 100));
    assert_true(nt__blocks_add(&b, at(1), 30));
    assert_int_equal(sums().allocations, 2);
    assert_int_equal(sums().frees, 1);
    assert_int_equal(sums().freed, 100);
    assert_int_equal(b.live, 30);
    assert_int_equal(b.peak, 100); /* not 130: it was never in use twice */
    assert_true(nt__blocks_find(&b, at(1), &size) && size == 30);
    assert_true(nt__blocks_check(&b));
}

/* All at once. */
static void test_close(void **state)
{
    size_t size;
    (void)state;
    for (int round = 1; round <= 3; round++) {
        for (size_t i = 0; i < 20000; i++)
            assert_true(nt__blocks_add(&b, at(i), 3));
        nt__blocks_close(&b);
        assert_int_equal(sums().frees, 20000 * round);
        assert_int_equal(sums().freed, 60000 * round);
        assert_int_equal(b.live, 0);
        assert_int_equal(b.peak, 60000);
        assert_false(nt__blocks_find(&b, at(1), &size));
        assert_true(nt__blocks_check(&b));
    }
}

static void test_reallocs(void **state)
{
    size_t size;
    (void)state;
    assert_true(nt__blocks_add(&b, at(1), 100));
    assert_true(nt__blocks_take(&b, at(1), &size) && size == 100);
    assert_false(nt__blocks_find(&b, at(1), &size));
    nt__blocks_settle(&b, at(1), 100, NULL, 500); /* it failed */
    assert_true(nt__blocks_find(&b, at(1), &size) && size == 100);
    assert_int_equal(sums().allocations + sums().frees + sums().in_place, 1);

    assert_true(nt__blocks_take(&b, at(1), &size));
    nt__blocks_settle(&b, at(1), 100, at(1), 40);
    assert_int_equal(sums().in_place, 1);
    assert_int_equal(sums().requested, 140);
    assert_int_equal(sums().freed, 100);
    assert_int_equal(sums().frees, 0);
    assert_int_equal(b.live, 40);

    assert_true(nt__blocks_take(&b, at(1), &size) && size == 40);
    assert_true(
        nt__blocks_add(&b, at(1), 7)); /* another thread was handed the address */
    nt__blocks_settle(&b, at(1), 40, at(2), 90);
    assert_true(nt__blocks_find(&b, at(1), &size) && size == 7);
    assert_true(nt__blocks_find(&b, at(2), &size) && size == 90);
    assert_int_equal(b.live, 97);
    assert_int_equal(b.peak, 100);
    assert_int_equal(sums().allocations, 3);
    assert_int_equal(sums().frees, 1);

    nt__blocks_adopt(&b, at(50), at(51), 3);
    assert_int_equal(sums().foreign, 1);
    assert_int_equal(sums().allocations, 4);
    assert_int_equal(b.live, 100);
    assert_true(nt__blocks_check(&b));
}

/* The first table, then tables that cannot grow: filled to the last row but one. A block
 * that a realloc made and for which there is no row is out of sight, not in use. */
static int act_no_memory(void)
{
    const struct rlimit limit = {1, RLIM_INFINITY},
                        none = {RLIM_INFINITY, RLIM_INFINITY};
    size_t size, n = 0, in = 0;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHECK(!nt__blocks_add(&b, at(0), 10) && sums().allocations == 0 && b.live == 0);
    CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    for (size_t i = 0; i < 200; i++)
        CHECK(nt__blocks_add(&b, at(i), 10));
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    for (n = 200; n < 100000; n++)
        in += nt__blocks_add(&b, at(n), 10);
    for (unsigned i = 0; i < NT_BLOCK_SHARDS; i++)
        CHECK(b.shard[i].room == 256 && b.shard[i].used == 255);
    CHECK(nt__blocks_check(&b) && sums().allocations == 200 + in);
    CHECK(in == 16 * 255 - 200 && b.live == 16 * 255 * 10);

    size_t lost = 0;
    for (; nt__blocks_find(&b, at(lost), &size); lost++)
        ;
    CHECK(nt__blocks_take(&b, at(0), &size));
    nt__blocks_settle(&b, at(0), size, at(lost),
                      99); /* perhaps the room that at(0) left */
    struct nt_block_counts now = sums();
    bool kept = nt__blocks_find(&b, at(lost), &size);
    CHECK(now.frees == 1 && now.allocations == 200 + in + kept);
    CHECK(b.live == (int64_t)(now.requested - now.freed) && nt__blocks_check(&b));

    CHECK(nt__blocks_take(&b, at(1), &size));
    for (size_t i = n; !nt__blocks_add(&b, at(i), 1); i++) /* somebody takes its row */
        ;
    for (size_t i = n; i < n + 1000; i++)
        (void)nt__blocks_add(&b, at(i), 1);
    nt__blocks_settle(&b, at(1), size, NULL, 0);
    CHECK(!nt__blocks_find(&b, at(1), &size) && nt__blocks_check(&b));
    now = sums();
    CHECK(b.live == (int64_t)(now.requested - now.freed));
    CHECK(setrlimit(RLIMIT_AS, &none) == 0); /* a sanitizer's end needs some */
    return 0;
}

static void test_no_memory(void **state)
{
    (void)state;
    child_ok(act_no_memory);
}

/* A child of _Fork: two shards' locks were held, their tables may be half changed. */
static void test_torn(void **state)
{
    size_t size, gone = 0;
    (void)state;
    for (size_t i = 0; i < 1000; i++)
        assert_true(nt__blocks_add(&b, at(i), 10));
    gone = b.shard[3].used + b.shard[9].used;
    pthread_mutex_lock(&nt__block_locks[3].lock.mutex);
    pthread_mutex_lock(&nt__block_locks[9].lock.mutex);
    uint32_t torn = nt__blocks_fork_unlock(NT_FORK_RAW);
    assert_int_equal(torn, 1 << 3 | 1 << 9);
    nt__blocks_forget(&b, torn);
    assert_true(nt__blocks_check(&b));
    assert_int_equal(sums().allocations - sums().frees, 1000 - gone);
    assert_int_equal(b.live, 10 * (1000 - gone));
    for (size_t i = 0; i < 1000; i++)
        gone -= !nt__blocks_find(&b, at(i), &size);
    assert_int_equal(gone, 0);
    for (size_t i = 0; i < 1000; i++)
        nt__blocks_remove(&b, at(i));
    assert_int_equal(b.live, 0);
    assert_true(nt__blocks_add(&b, at(1), 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_growth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reallocs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_torn, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
