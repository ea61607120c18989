/* SPDX-License-Identifier: MIT */
/*
 * Figures read while threads run: no difference wraps around below zero, whenever its
 * parts were read; and the report's tables, which say what they leave out.
 */
#include "pools/pool.h"
#include "src/track/count.h"
#include "src/track/report.h"

#include <numatally/stats.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PAIRS = 2, READS = 3000 };

static struct nt_snapshot s;
static struct nt_pool_figures pools[4];
static struct nt_pool *pool;

/* What a producer hands to its consumer. */
static _Atomic(void *) hand[PAIRS];
static atomic_bool stop;

static size_t size_of(unsigned n)
{
    return n % 50 == 0 ? 3000000 : n % 7 == 0 ? 20000 : n % 600;
}

static void *produce(void *number)
{
    size_t me = (size_t)number;

    for (unsigned n = 1; !atomic_load(&stop); n++) {
        void *p = n & 1 ? nt_malloc(size_of(n)) : nt_pool_malloc(pool, size_of(n));

        while (p != NULL && !atomic_load(&stop)) {
            void *none = NULL;

            if (atomic_compare_exchange_weak(&hand[me], &none, p))
                p = NULL;
        }
        nt_free(p);
    }
    return NULL;
}

static void *consume(void *number)
{
    size_t me = (size_t)number;

    while (!atomic_load(&stop))
        nt_free(atomic_exchange(&hand[me], NULL));
    return NULL;
}

/* No figure of the list may be of the size that a negative one wraps to. */
static void assert_sane(enum nt_figure_list list, const void *base)
{
    for (const struct nt_figure *g = nt__figures(list); g->name != NULL; g++) {
        uint64_t v;

        memcpy(&v, (const char *)base + g->offset, sizeof v);
        if (v >> 48 != 0)
            fail_msg("%s is %llx", g->name, (unsigned long long)v);
    }
}

static void assert_all_sane(void)
{
    long n;

    assert_int_equal(nt_snapshot(&s), 0);
    assert_sane(NT_LIST_NODE, &s.total);
    for (unsigned i = 0; i < s.nodes; i++)
        assert_sane(NT_LIST_NODE, &s.node[i]);
    for (unsigned i = 0; i < s.classes; i++)
        assert_sane(NT_LIST_CLASS, &s.class_[i]);
    n = nt_snapshot_pools(pools, NT_ARRAY_LEN(pools));
    assert_int_equal(n, 2);
    for (long i = 0; i < n; i++)
        assert_sane(NT_LIST_POOL, &pools[i]);
}

static void test_sane_while_threads_run(void **state)
{
    pthread_t threads[2 * PAIRS];

    (void)state;
    assert_int_equal(nt_pool_create(NULL, &pool), 0);
    for (size_t i = 0; i < PAIRS; i++) {
        pthread_create(&threads[2 * i], NULL, consume, (void *)i);
        pthread_create(&threads[2 * i + 1], NULL, produce, (void *)i);
    }
    for (int reads = 0; reads < READS; reads++)
        assert_all_sane();
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2 * PAIRS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < PAIRS; i++)
        nt_free(atomic_exchange(&hand[i], NULL));
    assert_all_sane();
    assert_int_equal(s.total.live_blocks_now, 0);
    assert_int_equal(s.pools_now, 1);
    nt_pool_destroy(pool);
}

/* What a reader sees who comes to a block's allocation too early and to its free in
 * time: more frees than allocations, here by force, in each shard and class. */
static void test_never_below_zero(void **state)
{
    void *p;

    (void)state;
    assert_int_equal(nt_pool_create(NULL, &pool), 0);
    p = nt_pool_malloc(pool, 100);
    for (int sign = 1; sign >= -1; sign -= 2) {
        uint64_t more = (uint64_t)(5 * sign);

        for (const struct nt_shard *i = nt__shard_first(); i != NULL; i = i->next) {
            struct nt_shard *shard = (struct nt_shard *)(uintptr_t)i;

            for (unsigned c = 0; c <= nt__sizeclass_large(); c++)
                nt__count_add(&shard->frees[c], more);
            nt__count_add(&shard->large_freed, more << 20);
        }
        nt__count_add((uint64_t *)(uintptr_t)&nt__pool_first()->budget.held,
                      more << 20);
        assert_all_sane();
        assert_int_equal(s.total.live_blocks_now, sign > 0 ? 0 : 1);
        assert_int_equal(pools[0].live_blocks_now, 0);
        assert_int_equal(pools[1].live_blocks_now, sign > 0 ? 0 : 1);
    }
    assert_int_equal(s.total.live_bytes_now, pools[1].live_bytes_now);
    assert_int_equal(s.total.live_bytes_now, nt_usable_size(p));
    nt_free(p);
    nt_pool_destroy(pool);
    assert_int_equal(nt_snapshot(&s), 0);
    assert_int_equal(s.pools_now, 0);
}

static void test_tables_say_what_they_leave_out(void **state)
{
    enum { MANY = 70 };
    static char text[1 << 20];
    struct nt_pool *many[MANY];
    FILE *file = tmpfile();
    size_t n;

    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(nt_pool_create(NULL, &many[i]), 0);
    assert_int_equal(nt_report(fileno(file), NT_FORMAT_TEXT), 0);
    rewind(file);
    n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    assert_non_null(strstr(text, "\n(7 more pools are not shown)\n"));
    assert_null(strstr(text, "more threads are not shown"));
    for (size_t i = 0; i < MANY; i++)
        nt_pool_destroy(many[i]);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sane_while_threads_run),
        cmocka_unit_test(test_never_below_zero),
        cmocka_unit_test(test_tables_say_what_they_leave_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
