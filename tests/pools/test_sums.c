/* SPDX-License-Identifier: MIT */
/* Sums of a shard's counters against what the test did, and their arithmetic. */
#include "pools/sums.h"

#include "pools/large.h"
#include "pools/remote.h"
#include "src/base/os.h"
#include "tests/pools/room.h"

static struct nt_shard *new_shard(void)
{
    struct nt_shard *s = room_shard(0, NULL);
    assert_non_null(s);
    return s;
}

static void test_sums(void **state)
{
    (void)state;
    struct nt_shard *a = new_shard(), *b = new_shard();
    void *p = room_malloc(a, 100), *q = room_malloc(a, 3000), *r = room_malloc(a, 5);
    void *l = nt__large_malloc(a, 1000000, NT_SLICE, false);
    room_free(a, q);
    nt__remote_gather(b, nt__slab_of(p), p);
    assert_true(nt__large_free(b, nt__slab_of(l), l));
    struct nt_sums of_a = {0}, of_b = {0};
    nt__sums_add_shard(&of_a, a);
    nt__sums_add_shard(&of_b, b);
    size_t page = nt__os_page_size(), large = nt__align_up(1000000, page);
    assert_int_equal(of_a.allocs, 4);
    assert_int_equal(of_a.requested, 100 + 3000 + 5 + 1000000);
    assert_int_equal(of_a.allocated, 112 + 3200 + 16 + large);
    assert_int_equal(of_a.frees, 1);
    assert_int_equal(of_a.freed, 3200);
    assert_int_equal(of_a.remote, 0);
    assert_int_equal(of_b.allocs, 0);
    assert_int_equal(of_b.frees, 2);
    assert_int_equal(of_b.remote, 2);
    assert_int_equal(of_b.freed, 112 + large);
    nt__sums_add(&of_b, &of_a);
    assert_int_equal(of_b.allocs - of_b.frees, 1); /* r */
    assert_int_equal(of_b.allocated - of_b.freed, 16);
    nt__sums_subtract(&of_b, &of_a);
    assert_int_equal(of_b.allocs, 0);
    assert_int_equal(of_b.requested, 0);
    assert_int_equal(of_b.remote, 2);
    room_free(a, r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums)};
    room_start("1x1");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
