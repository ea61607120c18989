/* SPDX-License-Identifier: MIT */
/* Explicit pools from inside: shards by node, limits, emptying, the register. */
#include "pools/pool.h"

#include "pools/misuse.h"
#include "tests/pools/room.h"

#include <pthread.h>
#include <sched.h>

static void pool_free(struct nt_pool *pool, void *p)
{
    nt__pool_free(pool, nt__slab_of(p), p);
}

static int act_new(void)
{
    CHECK(nt__pool_first() == NULL);
    struct nt_pool *a = nt__pool_new(NULL, 0, room_place("preferred-many:0-1"), NULL);
    struct nt_pool *b = nt__pool_new("a name that is longer than thirty-one bytes",
                                     100000, room_place("preferred-many:1"), NULL);
    CHECK(a && b && strcmp(a->name, "pool-1") == 0);
    CHECK(strcmp(b->name, "a name that is longer than thirt") < 0);
    CHECK(strlen(b->name) == 31);
    CHECK(strncmp(b->name, "a name that is longer than thirty", 28) == 0);
    CHECK(a->open && a->limit == 0 && a->budget.limit == 0);
    CHECK(b->limit == 100000 && b->budget.limit == 2);
    CHECK(nt__pool_first() == b && b->next == a);
    nt__pool_close(a);
    CHECK(!a->open);
    CHECK(nt__pool_new("again", 0, room_place("preferred-many:0"), NULL) ==
          a); /* used again, being read without a lock */
    CHECK(a->open && strcmp(a->name, "again") == 0);
    return 0;
}

/* Blocks are of the caller's node if the pool may, else of the first it may. */
static int act_nodes(void)
{
    struct nt_pool *only1 = nt__pool_new(NULL, 0, room_place("preferred-many:1"), NULL),
                   *both =
                       nt__pool_new(NULL, 0, room_place("preferred-many:0-1"), NULL);
    for (int i = 0; i < 100; i++) {
        char *p = nt__pool_malloc(only1, 100, 1, false);
        CHECK(nt__slab_of(p)->owner->slot == 1);
        CHECK(nt__slab_of(p)->owner->pool == only1);
        char *q = nt__pool_malloc(both, 100, 1, false);
        CHECK(nt__slab_of(q)->owner->pool == both);
        pool_free(only1, p);
        pool_free(both, q);
    }
    CHECK(!only1->shard[0] && only1->shard[1]);
    char *large = nt__pool_malloc(only1, NT_MIB, 1, false);
    CHECK(nt__slab_of(large)->slot == 1);
    return 0;
}

static int act_sizes(void)
{
    struct nt_pool *pool = nt__pool_new(NULL, 0, room_place("preferred-many:0"), NULL);
    for (size_t size = 0; size < 3 * NT_MIB; size += 1 + size / 3)
        for (size_t align = 1; align <= 4 * NT_MIB; align *= 16) {
            unsigned char *p = nt__pool_malloc(pool, size, align, true);
            CHECK(p && (uintptr_t)p % align == 0 && (uintptr_t)p % NT_GRAIN == 0);
            for (size_t i = 0; i < size; i++)
                CHECK(p[i] == 0);
            memset(p, 255, size ? size : 1);
            pool_free(pool, p);
        }
    CHECK(!nt__pool_malloc(pool, (size_t)1 << 55, 1, false));
    CHECK(!nt__pool_malloc(pool, 1, (size_t)1 << 62, false));
    return 0;
}

static int act_limit(void)
{
    struct nt_pool *pool =
        nt__pool_new(NULL, 8 * NT_MIB, room_place("preferred-many:0"), NULL);
    size_t got = 0;
    static char *p[1000];
    while (got < NT_ARRAY_LEN(p) && (p[got] = nt__pool_malloc(pool, 100000, 1, false)))
        got++;
    CHECK(got >= 60 && got * 100000 <= 8 * NT_MIB);
    CHECK(pool->budget.held <= pool->budget.limit);
    CHECK(!nt__pool_malloc(pool, 9 * NT_MIB, 1, false));
    for (size_t i = 0; i < got; i++)
        pool_free(pool, p[i]);
    nt__pool_trim_all();
    CHECK(pool->budget.held == 0);
    CHECK(nt__pool_malloc(pool, 8 * NT_MIB, 1, false));
    CHECK(!nt__pool_malloc(pool, 1, 1, false));
    return 0;
}

/* Fill it with blocks of one size, free all but the first `kept` of these. How many fitted. */
static size_t fill(struct nt_pool *pool, size_t size, size_t kept)
{
    static char *p[1000];
    size_t got = 0;
    while (got < NT_ARRAY_LEN(p) && (p[got] = nt__pool_malloc(pool, size, 1, false)))
        got++;
    for (size_t i = kept; i < got; i++)
        pool_free(pool, p[i]);
    return got;
}

/* What it keeps for the next time does not stand in the way, of whatever size that is, and on
 * whichever node (where the process may go to one). */
static int act_kept(void)
{
    static const size_t size[] = {16000, 40000, 100000, 3 * NT_MIB, 600000, 16000};
    struct nt_pool *pool =
        nt__pool_new(NULL, 8 * NT_MIB, room_place("preferred-many:0-1"), NULL);
    for (size_t i = 0; i < NT_ARRAY_LEN(size); i++) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(i / 2 % 2, &one);
        sched_setaffinity(0, sizeof one, &one);
        CHECK(fill(pool, size[i], 0) * size[i] >= 6 * NT_MIB);
        CHECK(pool->budget.held <= pool->budget.limit);
    }
    char *p = nt__pool_malloc(pool, NT_MIB, 1, false);
    p[NT_MIB - 1] = 5;
    CHECK(fill(pool, 100000, 0) >= 60);
    /* Growing, as well; but not past the limit, which costs nobody his block. */
    CHECK((p = nt__pool_realloc_large(pool, nt__slab_of(p), 7 * NT_MIB)) != NULL);
    CHECK(p[NT_MIB - 1] == 5);
    CHECK(fill(pool, 100000, 1) >= 6);
    CHECK(!nt__pool_realloc_large(pool, nt__slab_of(p), 8 * NT_MIB));
    CHECK(p[NT_MIB - 1] == 5 && pool->budget.held <= pool->budget.limit);
    return 0;
}

static int act_empty(void)
{
    struct nt_pool *pool = nt__pool_new(NULL, 0, room_place("preferred-many:0"), NULL),
                   *other = nt__pool_new(NULL, 0, room_place("preferred-many:0"), NULL);
    char *kept = nt__pool_malloc(other, 100, 1, false);
    uint64_t before = room_committed();
    strcpy(kept, "kept");
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 2000; i++) {
            char *p = nt__pool_malloc(pool, i * 41 % 9000, 1, false);
            CHECK(p);
            if (i % 5 == 0)
                pool_free(pool, p);
        }
        for (int i = 0; i < 5; i++)
            CHECK(nt__pool_malloc(pool, (size_t)(i + 1) * NT_MIB, 1, false));
        nt__pool_empty(pool);
        CHECK(pool->budget.held == 0 && room_committed() == before);
        const struct nt_shard *s = pool->shard[0];
        uint64_t freed = 0, frees = 0;
        for (unsigned c = 0; c <= nt__sizeclass_large(); c++) {
            CHECK(s->allocs[c] == s->frees[c] && s->slabs[c] == 0);
            frees += s->frees[c];
        }
        CHECK(s->large_allocated == s->large_freed);
        for (unsigned f = 0; f < 2; f++)
            freed += pool->freed_by[f][0];
        CHECK(freed == frees); /* the matrix adds up to the frees */
    }
    CHECK(strcmp(kept, "kept") == 0);
    return 0;
}

static int act_realloc_large(void)
{
    struct nt_pool *pool = nt__pool_new(NULL, 0, room_place("preferred-many:0"), NULL);
    char *p = nt__pool_malloc(pool, NT_MIB, 1, false);
    char *wall = nt__pool_malloc(pool, NT_MIB, 1, false);
    strcpy(p, "contents");
    char *q = nt__pool_realloc_large(pool, nt__slab_of(p), 20 * NT_MIB);
    CHECK(q && strcmp(q, "contents") == 0);
    CHECK(nt__slab_of(q)->home->pool == pool);
    CHECK(!nt__pool_realloc_large(pool, nt__slab_of(q), (size_t)1 << 50));
    CHECK(strcmp(q, "contents") == 0);
    uint64_t asked = pool->shard[0]->realloc_requested;
    nt__pool_count_realloc(pool, pool->shard[0], 10);
    CHECK(pool->shard[0]->realloc_requested == asked + 10);
    pool_free(pool, q);
    pool_free(pool, wall);
    CHECK(pool->budget.held == 0);
    return 0;
}

static struct nt_pool *shared;

static void *use_shared(void *arg)
{
    unsigned char mark = *(unsigned char *)arg;
    unsigned char *kept[50] = {0};
    for (unsigned i = 0; i < 10000; i++) {
        unsigned k = i * 7 % 50;
        if (kept[k]) {
            if (kept[k][0] != mark || kept[k][99] != mark)
                return NULL;
            pool_free(shared, kept[k]);
            kept[k] = NULL;
        } else {
            kept[k] = nt__pool_malloc(shared, 100 + i % 3000, 1, false);
            if (!kept[k])
                return NULL;
            memset(kept[k], mark, 100);
        }
    }
    for (unsigned k = 0; k < 50; k++)
        if (kept[k])
            pool_free(shared, kept[k]);
    return arg;
}

/* What a pool has free when it is migrated is not used again. */
static int act_migrate(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    unsigned here = nt__topo_here();
    struct nt_placement *to = room_place(here ? "preferred:1" : "preferred:0");
    struct nt_pool *pool = nt__pool_new(NULL, 0, room_place("interleave"), NULL);
    unsigned arena = nt__placement_arena(to, here)->index;
    char *p = nt__pool_malloc(pool, 100, 1, false);
    CHECK(nt__slab_of(p)->arena != arena);
    pool_free(pool, p);
    CHECK(nt__pool_migrate(pool, to, here) == 0); /* no block is out */
    p = nt__pool_malloc(pool, 100, 1, false);
    CHECK(nt__slab_of(p)->owner->slot == here && nt__slab_of(p)->arena == arena);
    return 0;
}

static int act_threads(void)
{
    pthread_t thread[3];
    unsigned char mark[3] = {1, 2, 3};
    shared = nt__pool_new(NULL, 0, room_place("preferred-many:0-1"), NULL);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&thread[i], NULL, use_shared, &mark[i]) == 0);
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(thread[i], &result);
        CHECK(result == &mark[i]);
    }
    nt__pool_trim_all();
    CHECK(shared->budget.held == 0);
    return 0;
}

static struct nt_pool *misused;
static char *victim;

static int act_free_twice(void)
{
    pool_free(misused, victim);
    pool_free(misused, victim);
    return 0;
}

static int act_free_large_twice(void)
{
    struct nt_slab *slab = nt__slab_of(victim);
    nt__pool_free(misused, slab, victim);
    nt__pool_free(misused, slab, victim);
    return 0;
}

static void test_misuse(void **state)
{
    (void)state;
    misused = nt__pool_new(NULL, 0, room_place("preferred-many:0"), NULL);
    victim = nt__pool_malloc(misused, 100, 1, false);
    child_aborts(act_free_twice, "already free");
    victim = nt__pool_malloc(misused, NT_MIB, 1, false);
    child_aborts(act_free_large_twice, "no block is in use");
}

static int act_fork_child(void)
{
#if NT_DEBUG
    nt__lock_held = 0;
#endif
    nt__pool_fork_unlock(NT_FORK_CHILD);
    CHECK(nt__pool_malloc(misused, 100, 1, false));
    CHECK(nt__pool_new(NULL, 0, room_place("preferred:0"), NULL));
    return 0;
}

/* A child of _Fork while somebody was inside: the pool serves again, and what it held
 * is left alone, for it may be half changed. */
static char *old_small, *old_large;

static int act_raw_child(void)
{
#if NT_DEBUG
    nt__lock_held = 0;
#endif
    misused->shard[0]->empty_slices += 5; /* as one who was just at it leaves it */
    nt__pool_fork_unlock(NT_FORK_RAW);
    nt__pool_trim_all();
    CHECK(misused->budget.held == 0);
    char *p = nt__pool_malloc(misused, 100, 1, false);
    CHECK(p && strcmp(old_small, "small") == 0);
    pool_free(misused, old_small);
    pool_free(misused, p);
    char *q = nt__pool_realloc_large(misused, nt__slab_of(old_large), 3 * NT_MIB);
    CHECK(q && q != old_large && strcmp(q, "large") == 0);
    pool_free(misused, old_large);
    nt__pool_empty(misused);
    CHECK(misused->budget.held == 0);
    nt__pool_fork_unlock(NT_FORK_RAW); /* not held now: nothing is lost */
    CHECK(nt__pool_malloc(misused, 100, 1, false));
    return 0;
}

static void test_fork(void **state)
{
    (void)state;
    strcpy(old_small = nt__pool_malloc(misused, 100, 1, false), "small");
    strcpy(old_large = nt__pool_malloc(misused, NT_MIB, 1, false), "large");
    nt__pool_fork_lock();
    child_ok(act_raw_child);
    child_ok(act_fork_child);
    nt__pool_fork_unlock(NT_FORK_PARENT);
    assert_non_null(nt__pool_malloc(misused, 100, 1, false));
}

int main(void)
{
    room_start("2x1");
    struct CMUnitTest tests[] = {
        ACT(new),
        ACT(nodes),
        ACT(sizes),
        ACT(limit),
        ACT(kept),
        ACT(empty),
        ACT(realloc_large),
        ACT(migrate),
        ACT(threads),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
