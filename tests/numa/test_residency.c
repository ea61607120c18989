/* SPDX-License-Identifier: MIT */
/*
 * Where the heap lies, and what strict arenas may still take: on a made-up machine, and
 * with this machine's one node made to look like two. The real thing is in the lab.
 */
#include "numa/residency.h"

#include "numa/promise.h"
#include "src/base/os.h"
#include "tests/child.h"

#include <errno.h>

static struct nt_placement *place(const char *policy)
{
    struct nt_policy p;
    if (nt__policy_parse(policy, &p))
        abort();
    return nt__placement_of(&p);
}

static void start(const char *topology)
{
    setenv("NUMATALLY_TOPOLOGY", topology, 1);
    nt__topo_start();
    nt__bind_start();
    nt__window_start();
    place("local");
}

static int act_heap(void)
{
    static struct nt_lying lying;
    bool clean;
    start("2x1");
    nt__residency_heap(&lying);
    CHECK(lying.pages_asked == 0); /* nothing is mapped */
    CHECK(nt__arena_take(nt__placement_arena(place("local"), 0), 1, NT_SLICE, &clean));
    CHECK(nt__arena_take(nt__placement_arena(place("bind:1"), 1), 1, NT_SLICE, &clean));
    nt__residency_heap(&lying);
    /* A made-up machine's memory all lies where it was asked for. */
    CHECK(lying.pages_asked == 2 * 32 * NT_MIB / nt__os_page_size());
    for (int i = 0; i < 2; i++) {
        CHECK(lying.slot[i].resident == 32 * NT_MIB);
        CHECK(lying.slot[i].on_node == 32 * NT_MIB);
        CHECK(lying.slot[i].full + lying.slot[i].refused + lying.slot[i].moved == 0);
    }
    return 0;
}

/* More than the budget is sampled, and the estimate is of the whole. */
static int act_sampled(void)
{
    static struct nt_lying lying;
    bool clean;
    start("2x1");
    size_t slices = 3 * NT_GIB / NT_SLICE;
    CHECK(nt__arena_take(nt__placement_arena(place("local"), 1), slices, NT_SLICE,
                         &clean));
    nt__residency_heap(&lying);
    CHECK(lying.pages_asked > 8000 && lying.pages_asked <= 16384);
    CHECK(lying.slot[1].resident == 3 * NT_GIB && lying.slot[0].resident == 0);
    return 0;
}

static int act_one_node(void)
{
    static struct nt_lying lying;
    bool clean;
    start("1x1");
    CHECK(nt__arena_take(nt__placement_arena(place("local"), 0), 1, NT_SLICE, &clean));
    nt__residency_heap(&lying);
    CHECK(lying.pages_asked == 0); /* the kernel is not asked */
    return 0;
}

/* What a strict arena owes falls as its pages come into memory. */
static int act_owed(void)
{
    bool clean;
    start("2x1");
    struct nt_arena *a = nt__placement_arena(place("bind:1"), 1);
    CHECK(nt__residency_owed(a) == 0);
    char *p = nt__arena_take(a, 64, NT_SLICE, &clean);
    uint64_t mapped = a->reserved << NT_UNIT_SHIFT;
    CHECK(p && nt__residency_owed(a) == mapped);
    memset(p, 1, NT_MIB);
    CHECK(nt__residency_owed(a) == mapped - NT_MIB);
    return 0;
}

/* Two nodes are believed, of which the second is not there: the first takes part. */
static void believe_two(void)
{
    unsetenv("NUMATALLY_TOPOLOGY");
    nt__topo_start();
    struct nt_topo *t = (struct nt_topo *)(uintptr_t)nt__topo();
    if (t->nodes < 2)
        t->node[1] = (struct nt_topo_node){.id = 900};
    t->nodes = t->nodes < 2 ? 2 : t->nodes;
    nt__bind_start();
    nt__window_start();
    place("local");
}

static int act_promise(void)
{
    struct nt_policy strict, loose;
    believe_two();
    if (nt__bind_error() != 0)
        return 0; /* mbind is refused here: nothing is promised */
    CHECK(!nt__policy_make("bind", 4, NULL, &strict));
    CHECK(!nt__policy_make("preferred-many", 14, NULL, &loose));
    uint64_t room = nt__promise_room(1);
    CHECK(room > 16 * NT_MIB && room < nt__topo()->node[0].memory_bytes);
    CHECK(nt__promise_touchable(1) > room);
    CHECK(nt__promise_begin(&loose, PTRDIFF_MAX));
    nt__promise_end(&loose, PTRDIFF_MAX);
    CHECK(!nt__promise_begin(&strict, 1024 * NT_GIB * 1024));
    CHECK(nt__promise_begin(&strict, room / 2));
    CHECK(!nt__promise_begin(&strict, room)); /* the first is under way */
    nt__promise_end(&strict, room / 2);
    CHECK(nt__promise_begin(&strict, room / 2));
    nt__promise_end(&strict, room / 2);
    bool clean; /* so an arena has its memory, or none */
    struct nt_arena *a = nt__placement_arena(nt__placement_of(&strict), 0);
    CHECK(nt__arena_take(a, 16 * NT_MIB / NT_SLICE, NT_SLICE, &clean));
    CHECK(!nt__arena_take(a, 1024 * NT_GIB / NT_SLICE, NT_SLICE, &clean));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACT(heap), ACT(sampled), ACT(one_node), ACT(owed), ACT(promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
