/* SPDX-License-Identifier: MIT */
/* Which pages of an arena the kernel is asked to make huge, by each setting of hugepages. */
#include "numa/arena.h"

#include "numa/bind.h"
#include "numa/topo.h"
#include "src/base/os.h"
#include "tests/child.h"

static const struct nt_policy unbound = {.mode = NT_INHERIT, .slots = 1};
static struct nt_arena one;

static void fresh_arena(void)
{
    nt__arena_init(&one, 9, 0, &unbound, NT_BY_TOUCH);
}

static void end_arena(void)
{
    nt__arena_check(&one);
    assert_int_equal(one.committed, 0);
    nt__arena_release(&one);
    assert_int_equal(one.reserved, 0);
}

static void test_huge(void **state)
{
    bool clean;
    (void)state;
    fresh_arena();
    nt__arena_config.huge = NT_HUGE_THP;
    char *run[4];
    for (int i = 0; i < 4; i++)
        assert_non_null(run[i] =
                            nt__arena_take(&one, 16 * NT_UNIT_SLICES, NT_UNIT, &clean));
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0)
        assert_true(one.huge > 0);
    assert_true(one.huge < one.reserved); /* not the first 32 MiB */
    for (int i = 0; i < 4; i++)
        nt__arena_give(&one, run[i], 16 * NT_UNIT_SLICES, true);
    end_arena();
    assert_int_equal(one.huge, 0);
    nt__arena_config.huge = NT_HUGE_OFF;
}

/* Is `flag` among those of the mapping at `p`? "hg": huge pages were asked for; "nh": none. By
 * what the kernel says itself. */
static bool has_flag(const void *p, const char *flag)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    bool here = false, found = false;
    assert_non_null(f);
    while (!found && fgets(line, sizeof line, f)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = (uintptr_t)p >= from && (uintptr_t)p < to;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            found = true;
    }
    fclose(f);
    assert_true(found);
    return strstr(line, flag) != NULL;
}

static bool is_advised(const void *p)
{
    return has_flag(p, " hg");
}

/* What is going to be filled: not before much is lent, from the unit's first slice on, once,
 * and not where pages take turns on several nodes. */
static void test_will_fill(void **state)
{
    (void)state;
    bool clean, can = access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
    fresh_arena();
    nt__arena_config.huge = NT_HUGE_AUTO;
    char *early = nt__arena_take(&one, 1, NT_SLICE, &clean);
    nt__arena_will_fill(&one, early);
    assert_true(one.huge == 0 && !is_advised(early));
    char *much = nt__arena_take(&one, 32 * NT_UNIT_SLICES, NT_UNIT, &clean);
    char *run = nt__arena_take(&one, 32, NT_UNIT, &clean);
    assert_true(clean);
    nt__arena_will_fill(&one, run + NT_SLICE);
    assert_true(one.huge == 0 && !is_advised(run));
    nt__arena_config.huge = NT_HUGE_OFF;
    nt__arena_will_fill(&one, run);
    assert_true(one.huge == 0 && !is_advised(run));
    nt__arena_config.huge = NT_HUGE_AUTO;
    nt__arena_will_fill(&one, run);
    nt__arena_will_fill(&one, run);
    assert_true(one.huge == can && is_advised(run) == can);
    assert_false(is_advised(run - 1) || is_advised(run + NT_UNIT));
    nt__arena_give(&one, early, 1, true);
    nt__arena_give(&one, much, 32 * NT_UNIT_SLICES, true);
    nt__arena_give(&one, run, 32, true);
    end_arena();
    assert_int_equal(one.huge, 0);
    nt__arena_config.huge = NT_HUGE_OFF;
}

/* Where the system makes all huge that may be: not what slabs share, which are touched here and
 * there; but again what a long run is of. */
static void test_always(void **state)
{
    (void)state;
    bool clean, can = access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
    fresh_arena();
    nt__arena_config.huge = NT_HUGE_AUTO;
    char *before = nt__arena_take(&one, 1, NT_SLICE, &clean);
    assert_false(has_flag(before, " nh"));
    nt__arena_config.always = true;
    char *run = nt__arena_take(&one, NT_UNIT_SLICES / 2 + 1, NT_SLICE, &clean);
    char *ahead = nt__arena_take_ahead(&one, 2, &clean);
    char *slab = nt__arena_take(&one, NT_UNIT_SLICES, NT_SLICE, &clean);
    char *other = nt__arena_take(&one, NT_UNIT_SLICES / 2 + 1, NT_SLICE, &clean);
    assert_true(has_flag(other, " nh") == can && has_flag(ahead, " nh") == can);
    assert_false(has_flag(slab, " nh") || has_flag(slab, " hg"));
    nt__arena_give(&one, before, 1, true);
    nt__arena_give(&one, run, NT_UNIT_SLICES / 2 + 1, true);
    nt__arena_give(&one, other, NT_UNIT_SLICES / 2 + 1, true);
    nt__arena_give(&one, ahead, 2, true);
    nt__arena_give(&one, slab, NT_UNIT_SLICES, true);
    size_t slices = one.reserved * NT_UNIT_SLICES;
    char *all = nt__arena_take(&one, slices, NT_UNIT, &clean);
    assert_true(all <= other && all + slices * NT_SLICE > other);
    assert_false(has_flag(other, " nh") || has_flag(ahead, " nh"));
    assert_true(is_advised(other) == can);
    nt__arena_give(&one, all, slices, true);
    end_arena();
    nt__arena_config.always = false;
    nt__arena_config.huge = NT_HUGE_OFF;
}

/* Where no huge page is reserved, ordinary ones serve, and can be written to. */
static int act_hugetlb(void)
{
    bool clean;
    fresh_arena();
    nt__arena_config.huge = NT_HUGE_HUGETLB;
    char *run = nt__arena_take(&one, NT_UNIT_SLICES, NT_UNIT, &clean);
    CHECK(run);
    memset(run, 1, NT_UNIT);
    CHECK(one.huge == 0 || one.huge == one.reserved);
    return 0;
}

static void test_hugetlb(void **state)
{
    (void)state;
    child_ok(act_hugetlb);
}

int main(void)
{
    nt__topo_start();
    nt__bind_start();
    nt__window_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_will_fill),
        cmocka_unit_test(test_always),
        cmocka_unit_test(test_hugetlb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
