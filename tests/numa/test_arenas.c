/* SPDX-License-Identifier: MIT */
/* The process's arenas: one a node, one for large blocks; help in need; forks. */
#include "numa/arenas.h"

#include "numa/bind.h"
#include "numa/topo.h"
#include "src/base/os.h"
#include "tests/child.h"

#include <sys/resource.h>

static struct nt_arena *place(unsigned slot)
{
    return nt__placement_arena(nt__placement_process(), slot);
}

static struct nt_arena *large(unsigned slot)
{
    return nt__placement_large(nt__placement_process(), slot);
}

static void start(const char *topology)
{
    setenv("NUMATALLY_TOPOLOGY", topology, 1);
    nt__topo_start();
    nt__bind_start();
    nt__window_start();
    struct nt_policy local;
    if (nt__policy_parse("local", &local))
        abort();
    nt__arenas_start(&local);
    for (unsigned i = 0; i < nt__topo()->nodes; i++)
        place(i);
}

static int act_one_node(void)
{
    start("1x1");
    CHECK(nt__arenas_count() == 1);
    CHECK(nt__arenas_get(0)->home == 0);
    CHECK(large(0) == nt__arenas_get(0) && nt__arenas_count() == 1);
    return 0;
}

/* Policies may take all the room there is, but not that of the process's own arenas. */
static int act_many(void)
{
    setenv("NUMATALLY_TOPOLOGY", "64x1", 1);
    nt__topo_start();
    nt__bind_start();
    nt__window_start();
    struct nt_policy policy;
    CHECK(!nt__policy_parse("local", &policy));
    nt__arenas_start(&policy);
    unsigned made = 0, all = 0;
    for (unsigned first = 0; first < 16; first++) {
        char text[64];
        snprintf(text, sizeof text, "bind:%u-63", first);
        CHECK(!nt__policy_parse(text, &policy));
        struct nt_placement *p = nt__placement_of(&policy);
        CHECK(p);
        for (unsigned i = first; i < 64; i++, all += 2) {
            made += nt__placement_arena(p, i) != NULL;
            made += nt__placement_large(p, i) != NULL;
        }
    }
    CHECK(made < all && made > 800);
    for (unsigned i = 0; i < 64; i++)
        CHECK(place(i) && large(i));
    return 0;
}

static int act_three_nodes(void)
{
    start("3x1");
    CHECK(nt__arenas_count() == 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct nt_arena *a = nt__arenas_get(i);
        CHECK(a == place(i) && a->index == i && a->slot == i && a->home == (int)i);
        CHECK(large(i) == nt__arenas_get(3 + i) && large(i) == large(i));
        CHECK(large(i)->slot == i && large(i)->home == NT_BY_TOUCH);
    }
    CHECK(nt__arenas_count() == 6);
    return 0;
}

static void test_which(void **state)
{
    (void)state;
    child_ok(act_one_node);
    child_ok(act_three_nodes);
    child_ok(act_many);
}

static int act_purge(void)
{
    bool clean;
    start("2x1");
    CHECK(large(1) == nt__arenas_get(2));
    size_t lent = 0;
    char *run[3];
    for (unsigned i = 0; i < 3; i++) {
        run[i] = nt__arenas_take(nt__arenas_get(i), 40, NT_SLICE, &clean);
        CHECK(run[i] && clean);
        memset(run[i], 1, 40 * NT_SLICE);
        lent += 40;
    }
    CHECK(nt__arenas_purge() == 0);
    for (unsigned i = 0; i < 3; i++)
        nt__arena_give(nt__arenas_get(i), run[i], 40, false);
    CHECK(nt__arenas_purge() >= lent * NT_SLICE);
    for (unsigned i = 0; i < 3; i++)
        CHECK(nt__arenas_get(i)->cached == 0);
    return 0;
}

static void test_purge(void **state)
{
    (void)state;
    child_ok(act_purge);
}

/* What one arena holds free, the others get when the system has no more. */
static int act_pressure(void)
{
    bool clean;
    long pages = 0;
    start("2x1");
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%ld", &pages) == 1);
    fclose(f);
    rlim_t limit = (rlim_t)pages * nt__os_page_size() + 64 * NT_MIB;
    CHECK(setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit}) == 0);
    struct nt_arena *a = nt__arenas_get(0), *b = nt__arenas_get(1);
    size_t half = 40 * NT_MIB / NT_SLICE;
    char *run = nt__arenas_take(a, half, NT_SLICE, &clean);
    CHECK(run);
    CHECK(!nt__arenas_take(b, half, NT_SLICE, &clean));
    nt__arena_give(a, run, half, false);
    CHECK(nt__arenas_take(b, half, NT_SLICE, &clean));
    CHECK(!nt__arenas_take(a, half, NT_SLICE, &clean));
    nt__arena_check(a);
    nt__arena_check(b);
    return 0;
}

static void test_pressure(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    return; /* for the other builds: a shadow fits under no limit */
#endif
    child_ok(act_pressure);
}

static int act_fork_child(void)
{
    bool clean;
    for (unsigned i = 0; i < 2; i++) {
        nt__arena_check(nt__arenas_get(i));
        CHECK(nt__arenas_get(i)->committed == 3);
        CHECK(nt__arenas_take(nt__arenas_get(i), 1, NT_SLICE, &clean));
    }
    return 0;
}

static void forget_locks(void)
{
#if NT_DEBUG
    nt__lock_held = 0;
#endif
}

static int act_prepared(void)
{
    forget_locks();
    nt__arenas_fork_unlock(NT_FORK_CHILD);
    return act_fork_child();
}

static int act_raw(void)
{
    nt__arenas_fork_unlock(NT_FORK_RAW);
    return act_fork_child();
}

/* A lock that somebody held: that arena starts anew, empty. */
static int act_raw_held(void)
{
    bool clean;
    forget_locks();
    nt__arenas_fork_unlock(NT_FORK_RAW);
    struct nt_arena *a = nt__arenas_get(1);
    nt__arena_check(a);
    CHECK(a->committed == 0 && a->reserved == 0 && a->slot == 1 && a->index == 1);
    CHECK(nt__arenas_get(0)->committed == 3);
    CHECK(nt__arenas_take(a, 1, NT_SLICE, &clean) && clean);
    return 0;
}

static int act_fork(void)
{
    bool clean;
    start("2x1");
    for (unsigned i = 0; i < 2; i++)
        CHECK(nt__arenas_take(nt__arenas_get(i), 3, NT_SLICE, &clean));
    nt__arenas_fork_lock();
    CHECK(child_failed(act_prepared) == 0);
    nt__arenas_fork_unlock(NT_FORK_PARENT);
    CHECK(child_failed(act_raw) == 0);
    nt__lock(&nt__arenas_get(1)->lock);
    CHECK(child_failed(act_raw_held) == 0);
    nt__unlock(&nt__arenas_get(1)->lock);
    return act_fork_child();
}

static void test_fork(void **state)
{
    (void)state;
    assert_int_equal(act_fork(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which),
        cmocka_unit_test(test_purge),
        cmocka_unit_test(test_pressure),
        cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
