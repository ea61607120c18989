/* SPDX-License-Identifier: MIT */
/* Every promise of os.h about pages and time, asked of the real system. */
#define _GNU_SOURCE
#include "src/base/os.h"

#include "tests/child.h"

#include <sys/mman.h>

static size_t page;

static bool all_zero(const char *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static void test_page_size(void **state)
{
    (void)state;
    assert_int_equal(page, sysconf(_SC_PAGESIZE));
    assert_true(nt__is_pow2(page));
    assert_int_equal(nt__os_page_size(), page);
}

static void test_map(void **state)
{
    (void)state;
    char *p = nt__os_map(3 * page);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % page, 0);
    assert_true(all_zero(p, 3 * page));
    memset(p, 1, 3 * page);
    assert_true(nt__os_unmap(p, 3 * page));
    assert_null(nt__os_map((size_t)1 << 62));
}

static void test_map_at(void **state)
{
    (void)state;
    char *p = nt__os_map(4 * page);
    p[page] = 7;
    assert_false(nt__os_map_at(p, page, false)); /* occupied, and untouched by this */
    assert_false(nt__os_map_at(p + page, 4 * page, false));
    assert_int_equal(p[page], 7);
    assert_true(nt__os_unmap(p + page, 2 * page));
    assert_true(nt__os_map_at(p + page, 2 * page, false));
    assert_true(all_zero(p + page, 2 * page));
    assert_true(nt__os_unmap(p, 4 * page));
}

/* With no page reserved it fails and leaves the place free; else it reads as zero, and
 * what is said to be given back really is: whole pages only, and nothing is moved. */
static int act_map_at_hugetlb(void)
{
    size_t size = 2 * NT_MIB;
    char *p = nt__os_map(2 * size), *small = nt__os_map(page);
    char *at = (char *)nt__align_up((uintptr_t)p, size);
    CHECK(nt__os_unmap(p, 2 * size));
    if (!nt__os_map_at(at, size, true)) {
        CHECK(nt__os_map_at(at, size, false));
        CHECK(nt__os_purge(at, page));
        return 0;
    }
    CHECK(all_zero(at, size));
    memset(at, 1, size);
    CHECK(!nt__os_purge(at, page));
    CHECK(!nt__os_purge(at + page, size - page));
    CHECK(at[0] == 1 && at[page] == 1);
    CHECK(!nt__os_move(at, small, page));
    CHECK(at[0] == 1 && small[0] == 0);
    CHECK(nt__os_purge(at, size));
    CHECK(all_zero(at, size));
    CHECK(nt__os_unmap(at, size));
    return 0;
}

static void test_map_at_hugetlb(void **state)
{
    (void)state;
    child_ok(act_map_at_hugetlb);
}

static void test_remap(void **state)
{
    (void)state;
    char *p = nt__os_map(3 * page);
    memset(p, 5, 3 * page);
    assert_true(nt__os_remap(p + page, page));
    assert_true(all_zero(p + page, page));
    assert_int_equal(p[page - 1], 5);
    assert_int_equal(p[2 * page], 5);
    assert_true(nt__os_unmap(p, 3 * page));
}

static int act_touch_reserved(void)
{
    volatile char *p = nt__os_reserve(page);
    p[0] = 1;
    return 0;
}

static void test_reserve(void **state)
{
    (void)state;
    char *p = nt__os_reserve(2 * page);
    assert_non_null(p);
    assert_true(nt__os_remap(p, page));
    p[0] = 1;
    assert_true(nt__os_unmap(p, 2 * page));
    assert_null(nt__os_reserve((size_t)1 << 62));

    char text[8192];
    int status = child_status(act_touch_reserved, text, sizeof text);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_unmap(void **state)
{
    (void)state;
    char *p = nt__os_map(page);
    assert_true(nt__os_unmap(p, page));
    assert_true(nt__os_map_at(p, page, false));
    assert_true(nt__os_unmap(p, page));
    assert_false(nt__os_unmap(p + 1, page)); /* not a page's start */
}

static void test_purge(void **state)
{
    (void)state;
    char *p = nt__os_map(3 * page);
    unsigned char resident[3];
    memset(p, 9, 3 * page);
    assert_true(nt__os_purge(p + page, page));
    assert_int_equal(mincore(p, 3 * page, resident), 0);
    assert_true((resident[0] & 1) && !(resident[1] & 1) && (resident[2] & 1));
    assert_true(all_zero(p + page, page));
    assert_int_equal(p[0], 9);
    assert_int_equal(p[2 * page], 9);
    assert_true(nt__os_unmap(p, 3 * page));
    assert_false(nt__os_purge(p, page));
}

/* Zeroes everywhere, and in memory is what was: more pages than are asked for at once. */
static void test_clear(void **state)
{
    (void)state;
    enum { PAGES = 5000 };
    static unsigned char before[PAGES], after[PAGES];
    size_t size = PAGES * page;
    char *p = nt__os_map(size);
    for (size_t i = 0; i < PAGES; i++)
        if (i % 7 < 3 || (i > 4000 && i < 4500))
            memset(p + i * page, 9, page);
    assert_int_equal(mincore(p, size, before), 0);
    assert_false(nt__os_clear(p + page, size - 2 * page));
    assert_int_equal(mincore(p, size, after), 0);
    assert_memory_equal(before, after, PAGES);
    assert_int_equal(p[page - 1], 9);
    assert_true(all_zero(p + page, size - 2 * page));
    assert_true(nt__os_clear(p, page));
    assert_true(all_zero(p, page));
    assert_true(nt__os_unmap(p, size));
}

static void test_advise_huge(void **state)
{
    (void)state;
    size_t size = 4 * NT_MIB;
    char *p = nt__os_map(size);
    bool able = access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
    if (able)
        assert_true(nt__os_advise_huge(p, size));
    memset(p, 1, size);
    assert_true(nt__os_unmap(p, size));
    assert_false(nt__os_advise_huge(p, size));
}

static void test_move(void **state)
{
    (void)state;
    char *from = nt__os_map(4 * page), *to = nt__os_map(4 * page);
    for (size_t i = 0; i < 4 * page; i++)
        from[i] = (char)(i * 7 + i / page);
    memset(to, 1, 4 * page);
    assert_true(nt__os_move(from, to, 3 * page));
    for (size_t i = 0; i < 3 * page; i++)
        assert_int_equal(to[i], (char)(i * 7 + i / page));
    assert_int_equal(to[3 * page], 1);
    assert_true(all_zero(from, 3 * page));
    assert_int_equal(from[3 * page], (char)(3 * page * 7 + 3));
    from[0] = 3; /* still mapped, and apart from the target */
    assert_int_equal(to[0], 0);
    assert_true(nt__os_unmap(from, 4 * page));
    assert_true(nt__os_unmap(to, 4 * page));
}

/* A source that cannot be moved: the target must come out mapped. */
static void test_move_fails(void **state)
{
    (void)state;
    char *from = nt__os_map(2 * page), *to = nt__os_map(page);
    assert_true(nt__os_unmap(from, 2 * page));
    assert_false(nt__os_move(from, to, page));
    to[0] = 1;
    assert_true(nt__os_unmap(to, page));
}

static void test_time(void **state)
{
    (void)state;
    uint64_t ms = nt__os_now_ms(), ns = nt__os_unix_ns();
    assert_true(ms != 0);
    assert_true(ns > (uint64_t)1600000000 * 1000000000);
    usleep(30000);
    assert_true(nt__os_now_ms() > ms);
    assert_true(nt__os_unix_ns() > ns);
    uint64_t ran = nt__os_ran_ns();
    while (nt__os_ran_ns() == ran)
        ;
    assert_true(nt__os_ran_ns() > ran && ran > 0);
    uint64_t all = nt__os_cpu_ns();
    assert_true(all >= ran);
    while (nt__os_cpu_ns() == all)
        ;
}

static void test_random(void **state)
{
    (void)state;
    uint64_t first = nt__os_random();
    usleep(1000);
    assert_true(nt__os_random() != first);
}

int main(void)
{
    page = nt__os_page_size();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_size), cmocka_unit_test(test_map),
        cmocka_unit_test(test_map_at),    cmocka_unit_test(test_map_at_hugetlb),
        cmocka_unit_test(test_remap),     cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_unmap),     cmocka_unit_test(test_purge),
        cmocka_unit_test(test_clear),     cmocka_unit_test(test_advise_huge),
        cmocka_unit_test(test_move),      cmocka_unit_test(test_move_fails),
        cmocka_unit_test(test_time),      cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
