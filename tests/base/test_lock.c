/* SPDX-License-Identifier: MIT */
/* Locks exclude, trylock never waits, forks leave usable locks, ranks are checked. */
#include "src/base/lock.h"

#include "tests/child.h"

#include <pthread.h>
#include <string.h>

static struct nt_lock lock = NT_LOCK_INIT(NT_RANK_POOL);
static struct nt_lock inner = NT_LOCK_INIT(NT_RANK_ARENA);

enum { THREADS = 4, ROUNDS = 20000 };
static unsigned long guarded; /* plain on purpose: only the lock makes it right */

static void *add_many(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        nt__lock(&lock);
        guarded++;
        nt__unlock(&lock);
    }
    return NULL;
}

static void test_excludes(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    guarded = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(guarded, THREADS * ROUNDS);
}

static void *try_it(void *got)
{
    *(bool *)got = nt__trylock(&lock);
    if (*(bool *)got)
        nt__unlock(&lock);
    return NULL;
}

static bool other_thread_gets_it(void)
{
    pthread_t thread;
    bool got = false;
    assert_int_equal(pthread_create(&thread, NULL, try_it, &got), 0);
    pthread_join(thread, NULL);
    return got;
}

static void test_trylock(void **state)
{
    (void)state;
    assert_true(other_thread_gets_it());
    nt__lock(&lock);
    assert_false(other_thread_gets_it());
    nt__unlock(&lock);
    assert_true(other_thread_gets_it());
}

static void test_init(void **state)
{
    (void)state;
    struct nt_lock made;
    nt__lock_init(&made, NT_RANK_META);
    assert_int_equal(made.rank, NT_DEBUG ? NT_RANK_META : 0);
    nt__lock(&made);
    nt__unlock(&made);
}

/* What has a lock in it lies in .bss. */
static void test_zero(void **state)
{
    static const struct nt_lock made = NT_LOCK_INIT(NT_RANK_META), zero;
    (void)state;
    /* In debug builds it has its rank. */
    assert_int_equal(memcmp(&made, &zero, sizeof made) != 0, NT_DEBUG);
}

/* Whoever finds it taken gets it in the end, however long that takes. */
static void test_waits(void **state)
{
    pthread_t thread;
    (void)state;
    guarded = 0;
    nt__lock(&lock);
    assert_int_equal(pthread_create(&thread, NULL, add_many, NULL), 0);
    usleep(50000); /* it has gone to sleep by now */
    assert_int_equal(guarded, 0);
    nt__unlock(&lock);
    pthread_join(thread, NULL);
    assert_int_equal(guarded, ROUNDS);
}

/* After _Fork: whether it was held is told, and it can be taken. */
static void test_raw(void **state)
{
    (void)state;
    assert_false(nt__lock_raw(&lock));
    nt__lock(&lock);
    assert_true(nt__lock_raw(&lock));
#if NT_DEBUG
    nt__lock_held = 0; /* as a raw child does */
#endif
    assert_int_equal(lock.rank, NT_DEBUG ? NT_RANK_POOL : 0);
    nt__lock(&lock);
    nt__unlock(&lock);
}

static int act_rising(void)
{
    nt__lock(&lock);
    nt__lock(&inner);
    nt__unlock(&inner);
    nt__unlock(&lock);
    return 0;
}

static int act_falling(void)
{
    nt__lock(&inner);
    nt__lock(&lock);
    return 0;
}

static int act_same(void)
{
    static struct nt_lock another = NT_LOCK_INIT(NT_RANK_POOL);
    nt__lock(&lock);
    nt__lock(&another);
    return 0;
}

static void test_ranks(void **state)
{
    (void)state;
    child_ok(act_rising);
    if (NT_DEBUG) {
        child_aborts(act_falling, "rank");
        child_aborts(act_same, "rank");
    } else {
        child_ok(act_falling); /* not checked, and no deadlock by itself */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_excludes), cmocka_unit_test(test_trylock),
        cmocka_unit_test(test_init),     cmocka_unit_test(test_raw),
        cmocka_unit_test(test_zero),     cmocka_unit_test(test_waits),
        cmocka_unit_test(test_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
