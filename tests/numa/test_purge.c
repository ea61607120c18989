/* SPDX-License-Identifier: MIT */
/* Giving back: what is free long enough, when it is looked for, and what it reads then. */
#include "numa/arena.h"

#include "src/base/os.h"
#include "tests/child.h"

#include <string.h>
#include <sys/syscall.h>
#include <time.h>

/* As callers do it, who have asked for guests before. */
static bool decay(struct nt_arena *a)
{
    nt__guest_refresh();
    return nt__arena_decay(a);
}

static const struct nt_policy unbound = {.mode = NT_INHERIT, .slots = 1};

static struct nt_arena arena;

static int start(void **state)
{
    (void)state;
    if (nt__window.limit == 0)
        nt__window_start();
    nt__arena_init(&arena, (unsigned)(arena.index + 1), 0, &unbound, NT_BY_TOUCH);
    nt__arena_config.return_ms = 1000;
    return 0;
}

static char *take_dirty(size_t slices)
{
    bool clean;
    char *run = nt__arena_take(&arena, slices, NT_SLICE, &clean);
    assert_non_null(run);
    memset(run, 1, slices << NT_SLICE_SHIFT);
    return run;
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

static void test_decay_waits(void **state)
{
    (void)state;
    nt__arena_config.return_ms = 3600000; /* however slow we are */
    assert_false(decay(&arena));          /* nothing waits */
    nt__arena_give(&arena, take_dirty(64), 64, false);
    uint64_t cached = arena.cached; /* with the rest of the extent they joined */
    assert_true(cached >= 2);
    arena.next_look_ms = (uint32_t)nt__os_now_ms();
    assert_true(decay(&arena)); /* due, but nothing is old enough */
    assert_int_equal(arena.cached, cached);
    assert_false(decay(&arena)); /* looked at just now */
    nt__arena_config.return_ms = 0;
    arena.next_look_ms = (uint32_t)nt__os_now_ms();
    assert_true(decay(&arena));
    assert_int_equal(arena.cached, 0);
    assert_int_equal(arena.returned, cached << NT_UNIT_SHIFT);
    nt__arena_check(&arena);
}

static void test_old_enough(void **state)
{
    (void)state;
    nt__arena_config.return_ms = 40;
    nt__arena_give(&arena, take_dirty(32), 32, false);
    uint64_t cached = arena.cached;
    while (arena.cached != 0) { /* ctest guards against for ever */
        decay(&arena);
        pause_ms(5);
    }
    assert_int_equal(arena.returned, cached << NT_UNIT_SHIFT);
}

/* A unit that is at least half free goes back in parts, when it was left alone for the
 * delay; one that is fuller, or where huge pages were asked for, keeps its pages. */
static void test_loose(void **state)
{
    (void)state;
    nt__arena_config.return_ms = 40;
    char *kept = take_dirty(16), *given = take_dirty(16);
    char *fuller = take_dirty(17), *little = take_dirty(15);
    assert_ptr_equal(given, kept + 16 * NT_SLICE);
    assert_ptr_equal(little, fuller + 17 * NT_SLICE);
    nt__arena_give(&arena, little, 15, false);
    assert_false(arena.loose);
    nt__arena_config.huge = NT_HUGE_THP;
    nt__arena_give(&arena, given, 16, false);
    assert_false(arena.loose);
    nt__arena_config.huge = NT_HUGE_OFF;
    bool clean;
    assert_ptr_equal(nt__arena_take(&arena, 16, NT_SLICE, &clean), given);
    nt__arena_give(&arena, given, 16, false);
    assert_true(nt__arena_waits(&arena));
    while (nt__arena_waits(&arena)) {
        decay(&arena);
        pause_ms(5);
    }
    assert_int_equal(arena.returned, 16 * NT_SLICE);
    assert_int_equal(kept[0], 1);
    assert_ptr_equal(nt__arena_take(&arena, 16, NT_SLICE, &clean), given);
    assert_true(clean);
    assert_int_equal(given[0], 0);
    nt__arena_check(&arena);
}

/* Pages that are locked in memory do not go back: not tried again and again. */
static int act_locked(void)
{
    char *kept = take_dirty(8), *given = take_dirty(24);
    /* The system call: sanitizers make libc's do nothing. */
    if (syscall(SYS_mlock, given, 24 * NT_SLICE) != 0)
        return 0; /* not allowed so many */
    nt__arena_config.return_ms = 20;
    nt__arena_give(&arena, given, 24, false);
    CHECK(nt__arena_waits(&arena));
    while (nt__arena_waits(&arena)) {
        decay(&arena);
        pause_ms(5);
    }
    CHECK(arena.returned == 0 && kept[0] == 1 && given[0] == 1);
    return 0;
}

static void test_locked(void **state)
{
    (void)state;
    child_ok(act_locked);
}

static void test_purge_slices(void **state)
{
    (void)state;
    char *kept = take_dirty(4), *given = take_dirty(4);
    assert_ptr_equal(given, kept + 4 * NT_SLICE); /* of the same unit */
    nt__arena_give(&arena, given, 4, false);
    assert_int_equal(nt__arena_purge(&arena), 4 * NT_SLICE);
    assert_int_equal(nt__arena_purge(&arena), 0);
    assert_int_equal(kept[0], 1);
    bool clean = false;
    assert_ptr_equal(nt__arena_take(&arena, 4, NT_SLICE, &clean), given);
    assert_true(clean);
    for (size_t i = 0; i < 4 * NT_SLICE; i += 512)
        assert_int_equal(given[i], 0);
    nt__arena_check(&arena);
}

static void test_release(void **state)
{
    (void)state;
    char *run = take_dirty(32);
    uint64_t reserved = arena.reserved;
    nt__arena_give(&arena, run, 32, false);
    /* Where the kernel chose the window's place, unmapping would let others in. */
    size_t bytes = nt__arena_release(&arena);
    assert_true(bytes == 0 || bytes == reserved << NT_UNIT_SHIFT);
    assert_int_equal(arena.reserved, bytes == 0 ? reserved : 0);
    nt__arena_check(&arena);
    take_dirty(32);
    nt__arena_check(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_decay_waits, start),
        cmocka_unit_test_setup(test_old_enough, start),
        cmocka_unit_test_setup(test_loose, start),
        cmocka_unit_test_setup(test_locked, start),
        cmocka_unit_test_setup(test_purge_slices, start),
        cmocka_unit_test_setup(test_release, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
