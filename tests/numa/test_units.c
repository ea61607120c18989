/* SPDX-License-Identifier: MIT */
/* Lists of units: partial bins, and extents that merge, are found and are cut. */
#include "numa/units.h"

#include "src/base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { UNITS = 64 };

static const struct nt_policy unbound = {.mode = NT_INHERIT, .slots = 1};

static struct nt_arena arena, other;
static uint32_t first;

/* A piece of our own, and an arena that counts it as reserved and has no list of it. */
static int start(void **state)
{
    (void)state;
    if (first == 0 && nt__window.limit == 0)
        nt__window_start();
    first = nt__window_map(UNITS, NT_UNIT, false);
    /* Numbers of their own: what an earlier test left beside must not merge. */
    static unsigned index;
    nt__arena_init(&arena, index++, 0, &unbound, NT_BY_TOUCH);
    nt__arena_init(&other, index++, 0, &unbound, NT_BY_TOUCH);
    arena.reserved = UNITS;
    return first == NT_NO_UNIT;
}

static uint32_t length_at(uint32_t u)
{
    return nt__window_unit(u)->length;
}

static void test_merge(void **state)
{
    (void)state;
    nt__extent_insert(&arena, first, 8, 200, 100);
    nt__extent_insert(&arena, first + 16, 48, 1000, 50);
    assert_true(nt__extent_at(&arena, first) && nt__extent_at(&arena, first + 7));
    assert_false(nt__extent_at(&arena, first + 8));
    assert_false(nt__extent_at(&other, first));
    assert_int_equal(arena.cached, 56);
    /* The gap closes: one extent, as dirty as its parts, as old as the largest. */
    nt__extent_insert(&arena, first + 8, 8, 1, 200);
    assert_int_equal(length_at(first), UNITS);
    assert_int_equal(length_at(first + UNITS - 1), UNITS);
    assert_int_equal(nt__window_unit(first)->stamp_ms, 50);
    assert_int_equal(nt__window_unit(first)->dirty, 1201);
    assert_int_equal(arena.cached, UNITS);
    assert_false(nt__extent_at(&arena, first + 8) || nt__extent_at(&arena, first + 16));
    nt__arena_check(&arena);
}

/* What is clean stays apart from what is dirty. */
static void test_clean_apart(void **state)
{
    (void)state;
    nt__extent_insert(&arena, first, 8, 0, 1);
    nt__extent_insert(&arena, first + 16, 48, 5, 1);
    nt__extent_insert(&arena, first + 8, 8, 0, 1);
    assert_int_equal(length_at(first), 16);
    assert_int_equal(length_at(first + 16), 48);
    assert_int_equal(arena.cached, 48);
    nt__arena_check(&arena);
}

static void test_neighbours_of_others(void **state)
{
    (void)state;
    nt__extent_insert(&arena, first, 8, 0, 1);
    nt__extent_insert(&other, first + 8, 8, 0, 1);
    assert_int_equal(length_at(first), 8);
    assert_int_equal(length_at(first + 8), 8);
}

static void test_find_and_cut(void **state)
{
    (void)state;
    uint32_t at = 0;
    assert_int_equal(nt__extent_find(&arena, 1, NT_UNIT, &at), NT_NO_UNIT);
    nt__extent_insert(&arena, first, UNITS, UNITS, 7);
    assert_int_equal(nt__extent_find(&arena, UNITS + 1, NT_UNIT, &at), NT_NO_UNIT);
    assert_int_equal(nt__extent_find(&arena, 3, 8 * NT_UNIT, &at), first);
    assert_int_equal((uintptr_t)nt__window_unit_address(at) % (8 * NT_UNIT), 0);
    /* Out of the middle: both rests stay, with age and dirt. */
    assert_int_equal(nt__extent_cut(&arena, first, first + 20, 4), 4);
    assert_int_equal(length_at(first), 20);
    assert_int_equal(length_at(first + 24), UNITS - 24);
    assert_int_equal(nt__window_unit(first + 24)->stamp_ms, 7);
    assert_int_equal(nt__window_unit(first)->dirty, 20);
    assert_int_equal(arena.cached, UNITS - 4);
    assert_false(nt__extent_at(&arena, first + 20) ||
                 nt__extent_at(&arena, first + 23));
    arena.committed = 4 * NT_UNIT_SLICES;
    nt__arena_check(&arena);
    nt__extent_cut(&arena, first, first, 20);
    assert_int_equal(nt__extent_find(&arena, 1, NT_UNIT, &at), first + 24);
    /* A clean one that fits better is left alone. */
    nt__extent_insert(&arena, first, 1, 0, 8);
    assert_int_equal(nt__extent_find(&arena, 1, NT_UNIT, &at), first + 24);
    nt__extent_cut(&arena, first + 24, first + 24, UNITS - 24);
    assert_int_equal(nt__extent_find(&arena, 1, NT_UNIT, &at), first);
}

static void test_partial(void **state)
{
    (void)state;
    struct nt_unit *unit = nt__window_unit(first);
    unit->used = 7;
    nt__partial_insert(&arena, first);
    assert_int_equal(arena.partial[NT_UNIT_SLICES - 3], first);
    assert_int_equal(arena.partial_bins, 1u << (NT_UNIT_SLICES - 3));
    nt__partial_remove(&arena, first);
    assert_int_equal(arena.partial_bins, 0);
    unit->used = NT_ALL_SLICES; /* all lent: on no list, and may be taken off it */
    nt__partial_insert(&arena, first);
    assert_int_equal(arena.partial_bins, 0);
    assert_int_equal(unit->state, NT_UNIT_LENT);
    nt__partial_remove(&arena, first);
    unit->used = 1;
    nt__unit_free_again(&arena, first);
    assert_int_equal(arena.partial[NT_UNIT_SLICES - 1], first);
    nt__partial_remove(&arena, first);
    unit->used = 0;
    unit->dirty = 4;
    nt__unit_free_again(&arena, first);
    assert_true(nt__extent_at(&arena, first));
    assert_int_equal(arena.cached, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_merge, start),
        cmocka_unit_test_setup(test_clean_apart, start),
        cmocka_unit_test_setup(test_neighbours_of_others, start),
        cmocka_unit_test_setup(test_find_and_cut, start),
        cmocka_unit_test_setup(test_partial, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
