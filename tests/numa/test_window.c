/* SPDX-License-Identifier: MIT */
/*
 * The window: units come zeroed, apart and aligned; holes are used again; whatever else
 * sits in the way is left alone; where no good place is free, a reserved one serves.
 */
#define _GNU_SOURCE
#include "numa/window.h"

#include "src/base/os.h"
#include "tests/child.h"

#include <sys/mman.h>

static size_t bytes(uint32_t units)
{
    return (size_t)units << NT_UNIT_SHIFT;
}

static void test_start(void **state)
{
    (void)state;
    assert_int_equal(nt__window.base % NT_UNIT, 0);
    assert_non_null(nt__window.headers);
}

static void test_map(void **state)
{
    (void)state;
    uint32_t a = nt__window_map(3, NT_UNIT, false),
             b = nt__window_map(1, NT_UNIT, false);
    assert_true(a != NT_NO_UNIT && b != NT_NO_UNIT);
    assert_true(b >= a + 3 || b + 1 <= a);
    char *p = nt__window_unit_address(a);
    assert_int_equal((uintptr_t)p % NT_UNIT, 0);
    for (size_t i = 0; i < bytes(3); i += 4096) {
        assert_int_equal(p[i], 0);
        p[i] = 1;
    }
    for (uint32_t u = a; u < a + 3; u++) {
        static const struct nt_unit zero;
        assert_memory_equal(nt__window_unit(u), &zero, sizeof zero);
        assert_int_equal(nt__window_unit_number(nt__window_unit_address(u)), u);
    }
    assert_true(nt__window.limit >= bytes(a + 3));
}

static void test_addresses(void **state)
{
    (void)state;
    uint32_t u = nt__window_map(2, NT_UNIT, false);
    char *p = nt__window_unit_address(u);
    assert_true(nt__window_has(p));
    assert_true(nt__window_has(p + bytes(2) - 1));
    assert_false(nt__window_has((void *)(nt__window.base - 1)));
    assert_false(nt__window_has((void *)(nt__window.base + nt__window.limit)));
    assert_false(nt__window_has(NULL));
    assert_false(nt__window_has(&u));
    assert_false(nt__window_has((void *)UINTPTR_MAX));
    for (size_t slice = 0; slice < 2 * NT_UNIT_SLICES; slice++) {
        char *at = p + slice * NT_SLICE;
        assert_ptr_equal(nt__window_slice(nt__window_header(at)), at);
        assert_ptr_equal(nt__window_header(at + NT_SLICE - 1), nt__window_header(at));
        assert_ptr_equal(nt__window.map[nt__window_index(at)], nt__window_header(at));
        if (slice > 0)
            assert_int_equal(nt__window_header(at) == nt__window_header(at - 1), 0);
        size_t place = (size_t)(nt__window_header(at) - nt__window.headers) / NT_HEADER;
        assert_int_equal(place / NT_UNIT_SLICES,
                         nt__window_index(at) /
                             NT_UNIT_SLICES); /* in its unit's part */
    }
    /* A unit's own words lie at the end of its first slice's header. */
    assert_ptr_equal((char *)nt__window_unit(u) + sizeof(struct nt_unit),
                     nt__window_header(p) + NT_HEADER);
}

static void test_aligned(void **state)
{
    (void)state;
    for (size_t align = NT_UNIT; align <= 4 * NT_GIB; align *= 2) {
        uint32_t u = nt__window_map(1, align, false);
        assert_true(u != NT_NO_UNIT);
        assert_int_equal((uintptr_t)nt__window_unit_address(u) % align, 0);
        nt__window_unit_address(u)[0] = 1;
    }
}

static void test_too_much(void **state)
{
    (void)state;
    size_t limit = nt__window.limit;
    assert_true(nt__window_map(UINT32_MAX / 2, NT_UNIT, false) == NT_NO_UNIT);
    assert_true(nt__window_map(1, (size_t)1 << 62, false) == NT_NO_UNIT);
    assert_int_equal(nt__window.limit, limit);
    assert_true(nt__window_map(1, NT_UNIT, false) != NT_NO_UNIT);
}

static void test_holes(void **state)
{
    (void)state;
    uint32_t u = nt__window_map(8, NT_UNIT, false);
    memset(nt__window_unit_address(u), 7, bytes(8));
    nt__window_unit(u + 3)->state = 3;
    size_t limit = nt__window.limit;
    assert_true(nt__window_unmap(u, 8));
    assert_int_equal(nt__window_unit(u + 3)->state, 0);
    uint32_t a = nt__window_map(3, NT_UNIT, false),
             b = nt__window_map(5, NT_UNIT, false);
    assert_int_equal(a, u); /* the hole serves first, in parts */
    assert_int_equal(b, u + 3);
    assert_int_equal(nt__window.limit, limit);
    for (size_t i = 0; i < bytes(8); i += 4096)
        assert_int_equal(nt__window_unit_address(u)[i], 0);
    assert_true(nt__window_unmap(a, 3));
    uint32_t more = nt__window_map(4, NT_UNIT, false); /* too large for it */
    assert_true(more != NT_NO_UNIT && nt__window.limit > limit);
    assert_int_equal(nt__window_map(3, NT_UNIT, false), a);
}

/* The unit at the limit, after all that are free below it. */
static uint32_t use_up_holes(void)
{
    size_t limit = nt__window.limit;
    while (nt__window.limit == limit)
        assert_true(nt__window_map(1, NT_UNIT, false) != NT_NO_UNIT);
    return (uint32_t)(limit >> NT_UNIT_SHIFT);
}

static void test_hole_aligned(void **state)
{
    (void)state;
    use_up_holes();
    uint32_t u =
        nt__window_map(1, NT_UNIT << 4, false); /* its neighbour is aligned less */
    uint32_t odd = use_up_holes();
    assert_int_equal(odd, u + 1);
    assert_true(nt__window_unmap(odd, 1));
    uint32_t wide = nt__window_map(1, NT_UNIT << 4, false);
    assert_true(wide != odd);
    size_t limit = nt__window.limit;
    uint32_t again = NT_NO_UNIT;
    while (again != odd &&
           nt__window.limit == limit) /* and what the wide one skipped */
        again = nt__window_map(1, NT_UNIT, false);
    assert_int_equal(again, odd);
}

/* What an alignment skips serves others. */
static void test_skipped(void **state)
{
    (void)state;
    uint32_t last = use_up_holes();
    uint32_t far = nt__window_map(1, 16 * NT_GIB, false);
    assert_true(far != NT_NO_UNIT && far > last + 4);
    size_t limit = nt__window.limit;
    assert_int_equal(nt__window_map(3, NT_UNIT, false), last + 1);
    char *p = nt__window_unit_address(last + 1);
    for (size_t i = 0; i < bytes(3); i += 4096)
        assert_int_equal(p[i]++, 0);
    assert_int_equal(nt__window_map(far - last - 4, NT_UNIT, false), last + 4);
    assert_int_equal(nt__window.limit, limit);
    assert_true(nt__window_map(1, NT_UNIT, false) == far + 1);
}

static void test_stranger_in_the_way(void **state)
{
    (void)state;
    char *next = (char *)nt__window.base + nt__window.limit;
    char *there = mmap(next + NT_UNIT, 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    assert_ptr_equal(there, next + NT_UNIT);
    there[0] = 42;
    uint32_t u = nt__window_map(4, NT_UNIT, false);
    assert_true(u != NT_NO_UNIT);
    char *p = nt__window_unit_address(u);
    assert_true(p > there || p + bytes(4) <= there);
    memset(p, 1, bytes(4));
    assert_int_equal(there[0], 42);
    munmap(there, 4096);
}

/* Past the first GiB of headers: they are mapped as the window grows. */
static void test_many(void **state)
{
    (void)state;
    size_t want = nt__window.limit + 3 * NT_GIB;
    while (nt__window.limit < want) {
        uint32_t u = nt__window_map(256, NT_UNIT, false);
        assert_true(u != NT_NO_UNIT);
        nt__window_unit(u + 255)->length = 9; /* writable */
        nt__window_unit(u + 255)->length = 0;
        nt__window_unmap(u, 256);
        nt__window_map(512, NT_UNIT, false);
    }
}

static int act_hugetlb(void)
{
    uint32_t u = nt__window_map(1, NT_UNIT, true);
    if (u != NT_NO_UNIT)
        nt__window_unit_address(u)[NT_UNIT - 1] = 1;
    CHECK(nt__window_map(1, NT_UNIT, false) != NT_NO_UNIT);
    return 0;
}

static void test_hugetlb(void **state)
{
    (void)state;
    child_ok(act_hugetlb);
}

/* Take every address the window would like, so that it must ask the kernel. */
static void occupy(uintptr_t from, uintptr_t to)
{
    for (uintptr_t at = from; at < to; at += 64 * NT_GIB)
        mmap((void *)at, 64 * NT_GIB, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
}

static int act_reserved(void)
{
    occupy((uintptr_t)31 << 40, (uintptr_t)65 << 40);
    occupy((uintptr_t)7 << 40, (uintptr_t)14 << 40);
    occupy((uintptr_t)64 << 30, (uintptr_t)384 << 30);
    nt__window_start();
    CHECK(nt__window.base != 0 && nt__window.limit == 0);
    uint32_t u = nt__window_map(3, NT_UNIT, false);
    CHECK(u == 0);
    char *p = nt__window_unit_address(u);
    CHECK((uintptr_t)p % NT_UNIT == 0);
    memset(p, 1, bytes(3));
    CHECK(nt__window_has(p) && !nt__window_has(p + bytes(3)));
    CHECK(!nt__window_unmap(u, 3)); /* it stays ours */
    CHECK(p[0] == 1);
    CHECK(nt__window_map(1, NT_GIB, false) != NT_NO_UNIT);
    CHECK(nt__window_map(UINT32_MAX / 2, NT_UNIT, false) == NT_NO_UNIT);
    size_t got = 0; /* to the end of the reservation, and no further */
    while (nt__window_map(1024, NT_UNIT, false) != NT_NO_UNIT)
        CHECK(++got < 1000);
    return 0;
}

static void test_reserved(void **state)
{
    (void)state;
    child_ok(act_reserved);
}

static int act_child(void)
{
#if NT_DEBUG
    nt__lock_held = 0;
#endif
    nt__window_fork_unlock(NT_FORK_CHILD);
    CHECK(nt__window_map(1, NT_UNIT, false) != NT_NO_UNIT);
    return 0;
}

static uint32_t hole;

static int act_raw_child(void)
{
#if NT_DEBUG
    nt__lock_held = 0;
#endif
    nt__window_fork_unlock(NT_FORK_RAW);
    uint32_t u = nt__window_map(1, NT_UNIT, false);
    CHECK(u != NT_NO_UNIT && u != hole); /* the list of holes may have been half done */
    nt__window_fork_unlock(NT_FORK_RAW); /* not held now: kept */
    CHECK(nt__window_unmap(u, 1));
    nt__window_fork_unlock(NT_FORK_RAW);
    CHECK(nt__window_map(1, NT_UNIT, false) == u);
    return 0;
}

static void test_fork(void **state)
{
    (void)state;
    hole = nt__window_map(1, NT_UNIT, false);
    assert_true(nt__window_unmap(hole, 1));
    nt__window_fork_lock();
    child_ok(act_child);
    child_ok(act_raw_child);
    nt__window_fork_unlock(NT_FORK_PARENT);
    assert_int_equal(nt__window_map(1, NT_UNIT, false), hole);
}

int main(void)
{
    const struct CMUnitTest before[] = {cmocka_unit_test(test_reserved)};
    int failed = cmocka_run_group_tests_name("before the start", before, NULL, NULL);
    nt__window_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),        cmocka_unit_test(test_map),
        cmocka_unit_test(test_addresses),    cmocka_unit_test(test_holes),
        cmocka_unit_test(test_hole_aligned), cmocka_unit_test(test_aligned),
        cmocka_unit_test(test_too_much),     cmocka_unit_test(test_stranger_in_the_way),
        cmocka_unit_test(test_hugetlb),      cmocka_unit_test(test_fork),
        cmocka_unit_test(test_skipped),      cmocka_unit_test(test_many),
    };
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
