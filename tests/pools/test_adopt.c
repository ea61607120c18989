/* SPDX-License-Identifier: MIT */
/* What ended threads leave behind: whole shards for new ones, slabs for those that run. */
#include "pools/shard.h"

#include "pools/remote.h"
#include "tests/pools/room.h"

#include <pthread.h>

static int act_acquire(void)
{
    struct nt_shard *a = room_acquire(0), *b = room_acquire(1);
    CHECK(a && b && a->slot == 0 && b->slot == 1);
    CHECK(a->state == NT_SHARD_OWNED && a->arena == nt__arenas_get(0));
    CHECK(b->large_arena == nt__placement_large(nt__placement_process(), 1));
    char *p = room_malloc(a, 100);
    strcpy(p, "lives on");
    nt__shard_retire(a);
    CHECK(a->state == NT_SHARD_IDLE);
    struct nt_shard *c = room_acquire(1); /* of another node: not that one */
    CHECK(c != a && c->slot == 1);
    struct nt_shard *d = room_acquire(0);
    CHECK(d == a && d->state == NT_SHARD_OWNED);
    CHECK(strcmp(p, "lives on") == 0 && d->allocs[nt__sizeclass_of(100)] == 1);
    room_free(d, p);
    nt__shard_check(d);
    CHECK(room_acquire(0) != a);
    return 0;
}

/* First come, first served, whatever the order they are given up in. */
static int act_several(void)
{
    struct nt_shard *s[5];
    for (int i = 0; i < 5; i++)
        s[i] = room_acquire(0);
    for (int i = 0; i < 5; i++)
        nt__shard_retire(s[i]);
    for (int i = 0; i < 5; i++) {
        struct nt_shard *again = room_acquire(0);
        int found = 0;
        for (int k = 0; k < 5; k++)
            found += again == s[k];
        CHECK(found == 1);
    }
    struct nt_shard *fresh = room_acquire(0);
    for (int k = 0; k < 5; k++)
        CHECK(fresh != s[k]);
    return 0;
}

/* Retiring sends what is gathered and receives what was sent. */
static int act_retire_flushes(void)
{
    struct nt_shard *a = room_acquire(0), *b = room_acquire(0);
    char *p = room_malloc(a, 64), *q = room_malloc(b, 64);
    nt__remote_gather(b, nt__slab_of(p), p);
    nt__remote_gather(a, nt__slab_of(q), q);
    nt__remote_flush(a);
    nt__shard_retire(b);
    CHECK(nt__slab_of(p)->remote != 0);
    CHECK(nt__slab_of(q)->remote == 0 && nt__slab_lists(nt__slab_of(q), q));
    return 0;
}

static int act_adopt(void)
{
    struct nt_shard *gone = room_acquire(0), *runs = room_acquire(0);
    unsigned c = nt__sizeclass_of(700);
    char *p[3];
    CHECK(!nt__shard_adopt(runs, c)); /* nobody has gone yet */
    for (int i = 0; i < 3; i++)
        p[i] = room_malloc(gone, 700);
    struct nt_slab *slab = nt__slab_of(p[0]);
    nt__shard_retire(gone);
    CHECK(!nt__shard_adopt(runs, nt__sizeclass_of(5000))); /* not of that class */
    char *q = room_malloc(runs, 700); /* rather than cut a new one */
    CHECK(nt__slab_of(q) == slab && slab->owner == runs);
    CHECK(gone->slabs[c] == 0 && (uint32_t)runs->slabs[c] == 1);
    CHECK(runs->slabs[c] >> 32 == slab->slices);
    for (int i = 0; i < 3; i++)
        room_free(runs, p[i]);
    room_free(runs, q);
    nt__shard_check(runs);
    CHECK(gone->allocs[c] == 3 && gone->frees[c] == 0);
    CHECK(runs->allocs[c] == 1 && runs->frees[c] == 4); /* in sum nothing lives */
    struct nt_shard *far = room_acquire(1);
    CHECK(!nt__shard_adopt(far, c));
    nt__shard_trim(runs);
    CHECK(runs->slabs[c] == 0);
    return 0;
}

/* Many slabs of many shards are found in the end, a few shards a refill. */
static int act_adopt_many(void)
{
    enum { N = 20 };
    unsigned c = nt__sizeclass_of(100000);
    struct nt_shard *s[N], *runs = room_acquire(0);
    for (int i = 0; i < N; i++)
        s[i] = room_acquire(0);
    unsigned blocks = 0; /* that are left in these slabs */
    for (int i = 0; i < N; i++) {
        char *p = room_malloc(s[i], 100000);
        CHECK(p);
        blocks += nt__slab_of(p)->capacity - 1u;
    }
    for (int i = 0; i < N; i++)
        nt__shard_retire(s[i]);
    uint64_t before = room_committed();
    for (unsigned i = 0; i < blocks; i++)
        CHECK(room_malloc(runs, 100000));
    CHECK(room_committed() == before); /* nothing new was cut */
    CHECK((uint32_t)runs->slabs[c] == N);
    return 0;
}

/* What ended threads kept goes back once the delay has passed, and so does what is sent to
 * them later; a young shard keeps it for the next thread. */
static int act_age_idle(void)
{
    enum { THREADS = 40, LATE = 7 };
    struct nt_shard *runs = room_acquire(0), *gone[THREADS];
    unsigned c = nt__sizeclass_of(700);
    uint64_t held = 0;
    nt__arena_config.return_ms = 40;
    for (int i = 0; i < THREADS; i++)
        gone[i] = room_acquire(0);
    char *p = room_malloc(gone[LATE], 700);
    for (int i = 0; i < THREADS; i++) {
        room_free(gone[i], room_malloc(gone[i], 700));
        nt__shard_retire(gone[i]);
    }
    CHECK(nt__shard_idle_waits(runs->arena));
    nt__shard_age_idle(runs->arena); /* too young, unless this took long */
    CHECK(nt__shard_idle_waits(runs->arena));
    while (nt__shard_idle_waits(runs->arena)) { /* ctest guards against for ever */
        usleep(5000);
        nt__shard_age_idle(runs->arena);
    }
    for (int i = 0; i < THREADS; i++) /* slabs may have been adopted */
        held += gone[i]->slabs[c];
    CHECK((uint32_t)held == 1);
    struct nt_shard *owner = nt__slab_of(p)->owner;
    CHECK(owner->state == NT_SHARD_IDLE && (uint32_t)owner->slabs[c] == 1);
    nt__remote_gather(runs, nt__slab_of(p), p);
    nt__remote_flush(runs);
    CHECK(nt__shard_idle_waits(runs->arena));
    while (nt__shard_idle_waits(runs->arena)) {
        usleep(5000);
        nt__shard_age_idle(runs->arena);
    }
    CHECK(owner->slabs[c] == 0);
    nt__arena_config.return_ms = 1000;
    return 0;
}

static int act_trim_idle(void)
{
    uint64_t before = room_committed();
    for (unsigned slot = 0; slot < 2; slot++) {
        struct nt_shard *s = room_acquire(slot);
        for (size_t size = 16; size < 100000; size *= 3) {
            char *p = room_malloc(s, size);
            room_free(s, p);
        }
        nt__shard_retire(s);
    }
    CHECK(room_committed() > before);
    nt__shard_trim_idle();
    CHECK(room_committed() == before);
    return 0;
}

static struct nt_shard *forking, *idle_one, *running;

static int act_child(void)
{
#if NT_DEBUG
    nt__lock_held = 0;
#endif
    nt__shard_fork_unlock(NT_FORK_CHILD, forking);
    CHECK(forking->state == NT_SHARD_OWNED && running->state == NT_SHARD_LOST);
    CHECK(idle_one->state == NT_SHARD_IDLE && room_acquire(0) == idle_one);
    CHECK(room_acquire(0) != running); /* its owner may have been within a pop */
    return 0;
}

static int act_raw_child(void)
{
    nt__shard_fork_unlock(NT_FORK_RAW, NULL); /* the lists were held: they start anew */
    CHECK(forking->state == NT_SHARD_LOST && running->state == NT_SHARD_LOST);
    struct nt_shard *s = room_acquire(0);
    CHECK(s && s != idle_one && s != forking && s != running);
    CHECK(room_malloc(s, 100));
    return 0;
}

static int act_fork(void)
{
    forking = room_acquire(0);
    running = room_acquire(0);
    idle_one = room_acquire(0);
    nt__shard_retire(idle_one);
    nt__shard_fork_lock();
    CHECK(child_failed(act_child) == 0);
    CHECK(child_failed(act_raw_child) == 0);
    nt__shard_fork_unlock(NT_FORK_PARENT, forking);
    CHECK(running->state == NT_SHARD_OWNED);
    CHECK(room_acquire(0) == idle_one);
    return 0;
}

/* Threads come and go and take each other's shards and blocks. */
static char *table[64];

static void *generation(void *arg)
{
    uint32_t draw = *(uint32_t *)arg;
    struct nt_shard *s = room_acquire(draw % 2);
    for (int i = 0; i < 3000; i++) {
        draw = draw * 1664525 + 1013904223;
        size_t size = 24 + (draw >> 10) % 2000;
        char *p = room_malloc(s, size);
        if (!p)
            return NULL;
        memset(p, 1, size);
        p = __atomic_exchange_n(&table[draw >> 26], p, __ATOMIC_ACQ_REL);
        if (p && __atomic_load_n(&nt__slab_of(p)->owner, __ATOMIC_RELAXED) == s)
            room_free(s, p);
        else if (p)
            nt__remote_gather(s, nt__slab_of(p), p);
    }
    nt__shard_retire(s);
    return arg;
}

static int act_generations(void)
{
    for (uint32_t round = 0; round < 20; round++) {
        pthread_t thread[3];
        uint32_t seed[3];
        for (uint32_t i = 0; i < 3; i++) {
            seed[i] = round * 3 + i;
            CHECK(pthread_create(&thread[i], NULL, generation, &seed[i]) == 0);
        }
        for (int i = 0; i < 3; i++) {
            void *result;
            pthread_join(thread[i], &result);
            CHECK(result == &seed[i]);
        }
    }
    uint64_t live = 0, kept = 0;
    for (struct nt_shard *s = nt__shard_first(); s; s = s->next) {
        nt__shard_check(s);
        for (unsigned c = 0; c < nt__sizeclasses.count; c++)
            live += s->allocs[c] - s->frees[c] - s->sent[c];
    }
    for (unsigned i = 0; i < NT_ARRAY_LEN(table); i++)
        kept += table[i] != NULL;
    CHECK(live == kept);
    return 0;
}

int main(void)
{
    room_start("2x1");
    struct CMUnitTest tests[] = {
        ACT(acquire),  ACT(several),    ACT(retire_flushes),
        ACT(adopt),    ACT(adopt_many), ACT(trim_idle),
        ACT(age_idle), ACT(fork),       ACT(generations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
