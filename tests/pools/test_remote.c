/* SPDX-License-Identifier: MIT */
/* Blocks freed by others come home, all of them, once, whoever owns the slab by then. */
#include "pools/remote.h"

#include "tests/pools/room.h"

#include <pthread.h>

static struct nt_shard *new_shard(unsigned slot)
{
    struct nt_shard *s = room_shard(slot, NULL);
    assert_non_null(s);
    return s;
}

static void far_free(struct nt_shard *s, void *p)
{
    nt__remote_gather(s, nt__slab_of(p), p);
}

/* Gathered until a batch is full; counted at once; received by the owner alone. */
static void test_gather_and_send(void **state)
{
    (void)state;
    struct nt_shard *home = new_shard(0), *away = new_shard(1);
    unsigned c = nt__sizeclass_of(64);
    enum { N = 200 };
    char *p[N];
    for (int i = 0; i < N; i++)
        p[i] = room_malloc(home, 64);
    struct nt_slab *slab = nt__slab_of(p[0]);
    assert_ptr_equal(slab, nt__slab_of(p[N - 1]));
    for (int i = 0; i < 64; i++) {
        assert_int_equal(slab->remote, 0);
        far_free(away, p[i]);
        assert_int_equal(away->sent[c], i + 1);
    }
    assert_true(slab->remote != 0); /* a batch of 64 went off */
    assert_ptr_equal(home->pending, slab);
    assert_int_equal(away->sent_blocks[0], 64);
    assert_int_equal(away->sent_blocks[1], 0);
    assert_int_equal(away->sent_bytes[0], 64 * 64);
    for (int i = 64; i < N; i++)
        far_free(away, p[i]);
    nt__remote_flush(away);
    unsigned before = nt__slab_listed(slab);
    nt__remote_receive(home);
    assert_int_equal(nt__slab_listed(slab), before + N);
    assert_int_equal(slab->remote, 0);
    assert_null(home->pending);
    nt__remote_receive(home); /* nothing more */
    assert_int_equal(nt__slab_listed(slab), before + N);
    assert_int_equal(home->frees[c], 0);
    assert_int_equal(home->allocs[c], N);
    nt__shard_check(home);
    nt__shard_trim(home);
    assert_int_equal(home->slabs[c], 0);
}

/* Large blocks do not gather: what is under way stays within 16 KiB a batch. */
static void test_batch_bytes(void **state)
{
    (void)state;
    struct nt_shard *home = new_shard(0), *away = new_shard(0);
    char *a = room_malloc(home, 100000), *b = room_malloc(home, 5000);
    far_free(away, a);
    assert_true(nt__slab_of(a)->remote != 0);
    struct nt_slab *slab = nt__slab_of(b);
    far_free(away, b);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(slab->remote, 0);
        b = room_malloc(home, 5000);
        assert_ptr_equal(nt__slab_of(b), slab);
        far_free(away, b);
    }
    assert_true(slab->remote != 0);
}

/* Two slabs that share a batch's place: the first is sent when the second comes. */
static void test_displaced(void **state)
{
    (void)state;
    struct nt_shard *home = new_shard(0), *away = new_shard(0);
    enum { SIZES = 100 };
    static char *p[SIZES];
    unsigned sent = 0;
    for (unsigned i = 0; i < SIZES; i++) {
        struct nt_shard *own = new_shard(0);
        p[i] = room_malloc(own, 100);
        far_free(away, p[i]);
    }
    for (unsigned i = 0; i < SIZES; i++)
        sent += nt__slab_of(p[i])->remote != 0;
    assert_true(sent >= SIZES - NT_BATCHES && sent < SIZES);
    /* And none waits for ever: each refill sends one. */
    for (unsigned i = 0; i < NT_BATCHES; i++)
        nt__remote_age(away);
    for (unsigned i = 0; i < SIZES; i++)
        assert_true(nt__slab_of(p[i])->remote != 0);
    (void)home;
}

static void test_take_one_slab(void **state)
{
    struct nt_block *chain;
    (void)state;
    struct nt_shard *home = new_shard(0), *away = new_shard(0);
    char *p[10];
    for (int i = 0; i < 10; i++)
        p[i] = room_malloc(home, 256);
    struct nt_slab *slab = nt__slab_of(p[0]);
    assert_int_equal(nt__remote_take(slab, &chain), 0);
    assert_null(chain);
    for (int i = 0; i < 10; i++)
        far_free(away, p[i]);
    nt__remote_flush(away);
    assert_int_equal(nt__remote_take(slab, &chain), 10);
    unsigned n = 0;
    for (const struct nt_block *b = chain; b; b = b->next)
        n++;
    assert_int_equal(n, 10);
    nt__shard_receive(home, slab, chain, n);
    assert_true(slab->remote != 0); /* still queued: on the stack once */
    assert_int_equal(nt__remote_take(slab, &chain), 0);
    nt__remote_receive(home);
    assert_int_equal(slab->remote, 0);
    nt__shard_check(home);
}

static void test_holds(void **state)
{
    (void)state;
    struct nt_shard *home = new_shard(0), *away = new_shard(0);
    char *p = room_malloc(home, 32), *q = room_malloc(home, 32);
    struct nt_slab *slab = nt__slab_of(p);
    assert_false(nt__remote_holds(away, slab, p));
    far_free(away, p);
    assert_true(nt__remote_holds(away, slab, p));
    assert_false(nt__remote_holds(away, slab, q));
    assert_false(nt__remote_holds(NULL, slab, p)); /* not sent: only `away` knows */
    nt__remote_flush(away);
    assert_true(nt__remote_holds(NULL, slab, p));
    assert_false(nt__remote_holds(NULL, slab, q));
    nt__remote_receive(home);
    assert_false(nt__remote_holds(away, slab, p));
}

/* The slab changes hands while it is in its former owner's stack. */
static void test_owner_changes(void **state)
{
    (void)state;
    struct nt_shard *old = new_shard(0), *new = new_shard(0), *away = new_shard(0);
    unsigned c = nt__sizeclass_of(512);
    char *p = room_malloc(old, 512), *q = room_malloc(old, 512);
    struct nt_slab *slab = nt__shard_yield(old, c);
    far_free(away, p);
    nt__remote_flush(away);
    assert_ptr_equal(old->pending, slab);
    nt__slab_change_owner(slab, new);
    nt__shard_hold(new, c, slab->slices);
    nt__remote_receive(new);
    assert_true(slab->remote != 0); /* not yet: it is in the other stack */
    nt__remote_receive(old);        /* passes it on */
    assert_null(old->pending);
    assert_ptr_equal(new->pending, slab);
    slab->place = NT_PLACE_CURRENT;
    slab->back = INT32_MIN;
    new->current[c] = slab;
    nt__remote_receive(new);
    assert_true(nt__slab_lists(slab, p));
    assert_false(nt__slab_lists(slab, q));
    nt__shard_check(new);
}

/* ---- Threads ---------------------------------------------------------------------- */

enum { PAIRS = 2, RING = 512, ROUNDS = 60000 };

struct pair {
    void *ring[RING]; /* NULL: free */
    uint64_t made, freed;
    struct nt_shard *home;
    bool done;
};

static void *producer(void *arg)
{
    struct pair *pair = arg;
    uint32_t draw = 7;
    for (unsigned i = 0; i < ROUNDS; i++) {
        draw = draw * 1664525 + 1013904223;
        size_t size = 16 + (draw >> 8) % 3000;
        unsigned char *p = room_malloc(pair->home, size);
        if (!p)
            return NULL;
        memset(p, (int)(size % 251), size);
        memcpy(p, &size, sizeof size);
        while (__atomic_load_n(&pair->ring[i % RING], __ATOMIC_ACQUIRE))
            sched_yield();
        __atomic_store_n(&pair->ring[i % RING], p, __ATOMIC_RELEASE);
        pair->made++;
    }
    return arg;
}

static void *consumer(void *arg)
{
    struct pair *pair = arg;
    struct nt_shard *s = room_shard(0, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned char *p;
        while (!(p = __atomic_load_n(&pair->ring[i % RING], __ATOMIC_ACQUIRE)))
            sched_yield();
        __atomic_store_n(&pair->ring[i % RING], NULL, __ATOMIC_RELEASE);
        size_t size;
        memcpy(&size, p, sizeof size);
        for (size_t k = sizeof size; k < size; k++)
            if (p[k] != size % 251)
                return NULL;
        nt__remote_gather(s, nt__slab_of(p), p);
        pair->freed++;
    }
    nt__remote_flush(s);
    return arg;
}

static void test_threads(void **state)
{
    static struct pair pair[PAIRS];
    pthread_t make[PAIRS], end[PAIRS];
    (void)state;
    for (int i = 0; i < PAIRS; i++) {
        pair[i].home = new_shard(0);
        assert_int_equal(pthread_create(&make[i], NULL, producer, &pair[i]), 0);
        assert_int_equal(pthread_create(&end[i], NULL, consumer, &pair[i]), 0);
    }
    for (int i = 0; i < PAIRS; i++) {
        void *result;
        pthread_join(make[i], &result);
        assert_ptr_equal(result, &pair[i]);
        pthread_join(end[i], &result);
        assert_ptr_equal(result, &pair[i]);
    }
    for (int i = 0; i < PAIRS; i++) {
        assert_int_equal(pair[i].made, pair[i].freed);
        uint64_t allocs = 0;
        for (unsigned c = 0; c < nt__sizeclasses.count; c++)
            allocs += pair[i].home->allocs[c] - pair[i].home->frees[c];
        assert_int_equal(allocs, ROUNDS);
        nt__shard_check(pair[i].home);
        nt__shard_trim(pair[i].home); /* every block is home: every slab is empty */
        for (unsigned c = 0; c < nt__sizeclasses.count; c++)
            assert_int_equal(pair[i].home->slabs[c], 0);
    }
}

int main(void)
{
    room_start("2x1");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gather_and_send), cmocka_unit_test(test_batch_bytes),
        cmocka_unit_test(test_displaced),       cmocka_unit_test(test_take_one_slab),
        cmocka_unit_test(test_holds),           cmocka_unit_test(test_owner_changes),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
