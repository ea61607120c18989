/* SPDX-License-Identifier: MIT */
/* New shards, in the register; what they may take. */
#include "pools/shard.h"

#include "tests/pools/room.h"

static struct nt_shard *new_shard(void)
{
    struct nt_shard *s = room_shard(0, NULL);
    assert_non_null(s);
    return s;
}

static void test_new(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard();
    assert_ptr_equal(nt__shard_first(), s);
    assert_true(s->state == NT_SHARD_OWNED && s->slot == 0 && s->pool == NULL);
    bool due;
    assert_null(nt__shard_pop(s, 16, &due));
    assert_null(nt__shard_pop(s, SIZE_MAX, &due));
    nt__shard_check(s);
    struct nt_shard *next = new_shard();
    assert_ptr_equal(next->next, s);
}

static void test_budget(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard();
    struct nt_budget budget = {.limit = 4};
    bool clean;
    s->budget = &budget;
    void *a = nt__shard_take(s, s->arena, 3, NT_SLICE, &clean);
    assert_non_null(a);
    assert_null(nt__shard_take(s, s->arena, 2, NT_SLICE, &clean));
    assert_int_equal(budget.held, 3);
    assert_true(nt__shard_charge(s, 1));
    assert_false(nt__shard_charge(s, 1));
    assert_true(nt__shard_charge(s, -(size_t)1));
    assert_null(nt__shard_take(s, s->arena, (size_t)1 << 45, NT_SLICE, &clean));
    assert_int_equal(budget.held, 3);
    budget.limit = 0; /* any number */
    assert_true(nt__shard_charge(s, 1000));
    /* What the system refuses is not charged either. */
    assert_null(nt__shard_take(s, s->arena, (size_t)1 << 45, NT_SLICE, &clean));
    assert_int_equal(budget.held, 1003);
    nt__arena_give(s->arena, a, 3, clean);
}

int main(void)
{
    room_start("1x1");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
