/* SPDX-License-Identifier: MIT */
/* Which pages of an arena the kernel is asked to make huge, by each setting of hugepages. */
#include "numa/arena.h"

#include "numa/bind.h"
#include "numa/topo.h"
#include "numa/units.h"
#include "src/base/guest.h"
#include "src/base/os.h"
#include "tests/child.h"

#include <fcntl.h>
#include <time.h>

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
    nt__arena_will_fill(&one, early, 1);
    assert_true(one.huge == 0 && !is_advised(early));
    char *much = nt__arena_take(&one, 32 * NT_UNIT_SLICES, NT_UNIT, &clean);
    char *run = nt__arena_take(&one, 32, NT_UNIT, &clean);
    assert_true(clean);
    nt__arena_will_fill(&one, run + NT_SLICE, 31);
    assert_true(one.huge == 0 && !is_advised(run));
    nt__arena_config.huge = NT_HUGE_OFF;
    nt__arena_will_fill(&one, run, 32);
    assert_true(one.huge == 0 && !is_advised(run));
    nt__arena_config.huge = NT_HUGE_AUTO;
    nt__arena_config.return_ms = 0;
    nt__arena_will_fill(&one, run, 32);
    assert_true(one.huge == 0 && !is_advised(run));
    nt__arena_config.return_ms = 1000;
    nt__arena_will_fill(&one, run, 31); /* somebody has the rest */
    assert_true(one.huge == 0 && !is_advised(run));
    nt__arena_will_fill(&one, run, 32);
    nt__arena_will_fill(&one, run, 32);
    assert_true(one.huge == can && is_advised(run) == can);
    assert_false(is_advised(run - 1) || is_advised(run + NT_UNIT));
    nt__arena_give(&one, early, 1, true);
    nt__arena_give(&one, much, 32 * NT_UNIT_SLICES, true);
    nt__arena_give(&one, run, 32, true);
    end_arena();
    assert_int_equal(one.huge, 0);
    nt__arena_config.huge = NT_HUGE_OFF;
}

/* A word of a file of the kernel's; 0 where only root may read it, and we are not. */
static uint64_t word_of(const char *file, uint64_t index)
{
    uint64_t word = 0;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && pread(fd, &word, sizeof word, (off_t)(index * sizeof word)) < 0)
        word = 0;
    if (fd >= 0)
        close(fd);
    return word;
}

/* Does the page at `p` belong to a huge page, mapped as one or not? By the kernel's book of pages:
 * what is resident does not tell. */
static bool is_in_huge(const void *p)
{
    uint64_t map = word_of("/proc/self/pagemap", (uintptr_t)p / nt__os_page_size());
    uint64_t frame = map & (((uint64_t)1 << 55) - 1);
    return frame != 0 && (word_of("/proc/kpageflags", frame) >> 22 & 1) != 0;
}

/* Until nothing waits any more. */
static void decay_all(void)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    while (nt__arena_waits(&one)) { /* ctest guards against for ever */
        nt__guest_refresh();
        nt__arena_decay(&one);
        nanosleep(&pause, NULL);
    }
}

/* What was to be filled and was not goes back; and what it was advised does not hold for whoever
 * comes to lie there later. */
static void test_part_of_it(void **state)
{
    (void)state;
    bool clean, can = access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
    fresh_arena();
    nt__arena_config.huge = NT_HUGE_AUTO;
    char *much = nt__arena_take(&one, 32 * NT_UNIT_SLICES, NT_UNIT, &clean);
    char *slab = nt__arena_take(&one, 16, NT_UNIT, &clean), *others[64];
    int n = 0;
    char *other = nt__arena_take(&one, NT_UNIT_SLICES, NT_UNIT, &clean);
    nt__arena_will_fill(&one, slab, 16);
    nt__arena_will_fill(&one, other, NT_UNIT_SLICES);
    assert_true(is_advised(slab) == can && is_advised(other) == can);
    slab[0] = other[0] = 1;
    bool huge = is_in_huge(other);
    nt__arena_config.return_ms = 40;
    decay_all();
    nt__arena_config.return_ms = 1000;
    assert_true(!is_in_huge(slab) && is_in_huge(other) == huge);
    assert_true(has_flag(slab, " nh") == can && is_advised(other) == can);
    assert_true(one.huge == can && one.returned == (can ? 16 * NT_SLICE : 0));
    assert_int_equal(slab[0], 1);
    assert_true(nt__os_purge(other, NT_UNIT)); /* as if its pages were moved */
    nt__arena_give(&one, other, NT_UNIT_SLICES, true);
    assert_true(has_flag(other, " nh") == can && one.huge == 0);
    char *again = nt__arena_take(&one, NT_UNIT_SLICES, NT_UNIT, &clean);
    while (again != other) { /* what else there is is lent */
        others[n++] = again;
        assert_non_null(again = nt__arena_take(&one, NT_UNIT_SLICES, NT_UNIT, &clean));
    }
    nt__arena_will_fill(&one, other, NT_UNIT_SLICES);
    assert_true(is_advised(other) == can);
    nt__arena_give(&one, other, NT_UNIT_SLICES, false);
    nt__arena_purge(&one);
    assert_true(has_flag(other, " nh") == can && one.huge == 0);
    while (n > 0)
        nt__arena_give(&one, others[--n], NT_UNIT_SLICES, true);
    nt__arena_give(&one, slab, 16, false);
    nt__arena_give(&one, much, 32 * NT_UNIT_SLICES, true);
    end_arena();
    nt__arena_config.huge = NT_HUGE_OFF;
}

static void look_now(void)
{
    do {
        nt__guest_refresh();
        one.next_look_ms = (uint32_t)nt__os_now_ms();
    } while (!nt__arena_decay(&one)); /* the answer of nt__guest was too old */
}

/* What fills slowly keeps its huge page: the delay is from the last run that was lent of it. */
static void test_slowly(void **state)
{
    (void)state;
    bool clean, can = access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
    fresh_arena();
    nt__arena_config.huge = NT_HUGE_AUTO;
    char *much = nt__arena_take(&one, 32 * NT_UNIT_SLICES, NT_UNIT, &clean);
    char *slab = nt__arena_take(&one, 4, NT_UNIT, &clean), *next;
    struct nt_unit *unit = nt__window_unit(nt__window_unit_number(slab));
    nt__arena_config.return_ms = 3600000; /* however slow we are */
    nt__arena_will_fill(&one, slab, 4);
    unit->stamp_ms -= 7200000;
    next = nt__arena_take(&one, 4, NT_SLICE, &clean);
    assert_ptr_equal(next, slab + 4 * NT_SLICE);
    if (can)
        look_now();
    assert_int_equal(is_advised(slab), can);
    nt__arena_config.return_ms = 40;
    decay_all();
    assert_int_equal(has_flag(slab, " nh"), can);
    nt__arena_give(&one, next, 4, true);
    nt__arena_give(&one, slab, 4, true);
    nt__arena_give(&one, much, 32 * NT_UNIT_SLICES, true);
    nt__arena_config.return_ms = 1000;
    end_arena();
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
        cmocka_unit_test(test_huge),       cmocka_unit_test(test_will_fill),
        cmocka_unit_test(test_part_of_it), cmocka_unit_test(test_slowly),
        cmocka_unit_test(test_always),     cmocka_unit_test(test_hugetlb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
