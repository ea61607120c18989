/* SPDX-License-Identifier: MIT */
/* Threads and their shards: taken late, given up, moved between nodes, reused. */
#define _GNU_SOURCE
#include "src/heap/thread.h"

#include "src/heap/heap.h"
#include "tests/child.h"

#include <errno.h>
#include <numatally/stats.h>
#include <pthread.h>
#include <sched.h>

static void run_on(unsigned cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    sched_yield();
}

static uint64_t threads_now(void)
{
    uint64_t now, total;
    nt__thread_counts(&now, &total);
    return now;
}

static uint64_t threads_total(void)
{
    uint64_t now, total;
    nt__thread_counts(&now, &total);
    return total;
}

/* ---- Coming and going ------------------------------------------------------------------ */

static int act_first(void)
{
    run_on(0); /* on another node it would take another shard */
    CHECK(nt__heap_shard == &nt__shard_none && threads_total() == 0);
    nt_free(NULL);
    CHECK(nt__heap_shard == &nt__shard_none);
    char *p = nt_malloc(10);
    struct nt_shard *s = nt__heap_shard;
    CHECK(p && s != &nt__shard_none && s->state == NT_SHARD_OWNED);
    CHECK(nt__thread_shard() == s && threads_now() == 1 && threads_total() == 1);
    return 0;
}

static void *no_allocation(void *unused)
{
    (void)unused;
    return nt__heap_shard == &nt__shard_none ? NULL : &nt__shard_none;
}

static void *report_shard(void *size)
{
    nt_free(nt_malloc((size_t)(uintptr_t)size));
    return nt__heap_shard;
}

static void *in_thread(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    void *result = NULL;
    if (pthread_create(&thread, NULL, body, arg) != 0)
        return NULL;
    pthread_join(thread, &result);
    return result;
}

/* One thread after another: the same shard serves them all. */
static int act_reuse(void)
{
    run_on(0);
    CHECK(in_thread(no_allocation, NULL) == NULL);
    CHECK(threads_total() == 0);
    struct nt_shard *first = in_thread(report_shard, (void *)100);
    CHECK(first && first->state == NT_SHARD_IDLE && threads_now() == 0);
    for (uintptr_t i = 0; i < 200; i++)
        CHECK(in_thread(report_shard, (void *)(i * 100)) == first);
    CHECK(threads_total() == 201 && threads_now() == 0);
    CHECK(nt_malloc(10) && nt__heap_shard == first); /* this thread's too */
    return 0;
}

enum { MANY = 300 };
static pthread_barrier_t all_here;

static void *wait_for_all(void *arg)
{
    char *p = nt_malloc(100);
    pthread_barrier_wait(&all_here); /* all have allocated */
    pthread_barrier_wait(&all_here); /* and have been looked at */
    nt_free(p);
    return arg;
}

static int act_many(void)
{
    static pthread_t thread[MANY];
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 * 1024);
    pthread_barrier_init(&all_here, NULL, MANY + 1);
    for (int i = 0; i < MANY; i++)
        CHECK(pthread_create(&thread[i], &attr, wait_for_all, NULL) == 0);
    pthread_barrier_wait(&all_here);
    CHECK(threads_now() == MANY);
    static struct nt_thread_figures t[MANY + 2];
    CHECK(nt_snapshot_threads(t, MANY + 2) == MANY + 1);
    for (int i = 1; i <= MANY; i++)
        CHECK(t[i].allocations_total == 1 && t[i].tid > 0);
    pthread_barrier_wait(&all_here);
    for (int i = 0; i < MANY; i++)
        pthread_join(thread[i], NULL);
    CHECK(threads_now() == 0 && nt_snapshot_threads(t, 1) == 1);
    CHECK(t[0].allocations_total == MANY && t[0].frees_total == MANY);
    return 0;
}

/* ---- Past the end: destructors that still allocate and free --------------------------- */

static pthread_key_t late_key;
static int late_rounds;

static void late(void *block)
{
    nt_free(block); /* the thread may have given its shard up by now */
    char *p = nt_malloc(100);
    memset(p, 1, 100);
    nt_free(p);
    p = nt_malloc(1000000);
    nt_free(p);
    if (++late_rounds < 3)
        pthread_setspecific(late_key, nt_malloc(50));
}

static void *with_destructor(void *arg)
{
    pthread_setspecific(late_key, nt_malloc(50));
    return arg;
}

static int act_late(void)
{
    static struct nt_snapshot now;
    nt_free(nt_malloc(1)); /* our key is older: our destructor runs first */
    CHECK(pthread_key_create(&late_key, late) == 0);
    CHECK(in_thread(with_destructor, &late_rounds) == &late_rounds);
    CHECK(late_rounds == 3);
    CHECK(threads_now() == 1);
    CHECK(nt_snapshot(&now) == 0 && now.total.live_blocks_now == 0);
    CHECK(now.total.allocations_total == now.total.frees_total);
    return 0;
}

/* A block freed by a thread that is past its end, with no shard to count it in. */
static char *volatile passed[4];

static void free_only(void *unused)
{
    (void)unused;
    if (nt__heap_shard != &nt__shard_gone)
        late_rounds = -1;
    for (int i = 0; i < 4; i++)
        nt_free(passed[i]);
}

static void *free_at_end(void *arg)
{
    nt_free(nt_malloc(10));
    pthread_setspecific(late_key, arg);
    return arg;
}

static int act_orphan(void)
{
    static struct nt_snapshot now;
    nt_free(nt_malloc(1));
    CHECK(pthread_key_create(&late_key, free_only) == 0);
    struct nt_pool *pool = NULL;
    CHECK(nt_pool_create(NULL, &pool) == 0);
    passed[0] = nt_malloc(100);
    passed[1] = nt_malloc(3000000);
    passed[2] = nt_pool_malloc(pool, 100);
    passed[3] = NULL;
    CHECK(in_thread(free_at_end, &late_key) == &late_key);
    CHECK(late_rounds == 0);
    CHECK(nt_snapshot(&now) == 0);
    CHECK(now.total.live_blocks_now == 0 && now.total.live_bytes_now == 0);
    CHECK(now.total.frees_total == 5 && now.total.remote_frees_total >= 2);
    return 0;
}

/* ---- Moving to another node ------------------------------------------------------------- */

static int act_migrate(void)
{
    static struct nt_snapshot now;
    struct nt_thread_figures t[3];
    run_on(0);
    char *p[100];
    for (int i = 0; i < 50; i++)
        p[i] = nt_malloc(1000);
    struct nt_shard *before = nt__heap_shard;
    CHECK(before->slot == 0);
    run_on(1);
    CHECK(nt__thread_shard() != before);
    struct nt_shard *after = nt__heap_shard;
    CHECK(after->slot == 1 && before->state == NT_SHARD_IDLE);
    for (int i = 50; i < 100; i++)
        p[i] = nt_malloc(1000);
    CHECK(nt_snapshot_threads(t, 3) == 2);
    CHECK(t[1].allocations_total == 100 && t[1].node == 1); /* over all its shards */
    CHECK(t[1].live_bytes_peak == 100 * nt_good_size(1000));
    CHECK(threads_total() == 1);
    for (int i = 0; i < 100; i++)
        nt_free(p[i]);
    CHECK(nt_snapshot_threads(t, 3) == 2 && t[1].frees_total == 100);
    CHECK(t[1].remote_frees_total == 50);
    CHECK(t[1].live_bytes_peak == 100 * nt_good_size(1000));
    run_on(0);
    CHECK(nt__thread_shard() == before); /* back home, to what was left there */
    CHECK(nt_snapshot(&now) == 0);
    CHECK(now.total.live_blocks_now == 0 && now.free_matrix[1][0] == 50);
    CHECK(nt_snapshot_threads(t, 3) == 2);
    CHECK(t[1].allocations_total == 100 && t[1].frees_total == 100);
    nt__shard_check(before);
    return 0;
}

/* Lists that never run dry: it is noticed by the bytes that are asked for, which are counted as
 * ever. */
static int act_migrate_in_pairs(void)
{
    enum { PAIRS = 100000, SIZE = 48, MOST = 256 * 1024 / SIZE };
    static struct nt_snapshot now;
    run_on(0);
    uint64_t asked = 0;
    for (unsigned move = 1; move <= 4; move++) {
        for (unsigned i = 0; i < PAIRS; i++, asked += SIZE)
            nt_free(nt_malloc(SIZE));
        run_on(move % 2);
        unsigned n = 0;
        for (; nt__heap_shard->slot != move % 2 && n < PAIRS; n++, asked += SIZE)
            nt_free(nt_malloc(SIZE));
        CHECK(n > 0 && n <= MOST);
    }
    CHECK(nt_snapshot(&now) == 0);
    CHECK(now.total.requested_bytes_total == asked);
    CHECK(now.total.allocations_total == asked / SIZE);
    return 0;
}

static void test_migrate(void **state)
{
    cpu_set_t all;
    (void)state;
    if (sched_getaffinity(0, sizeof all, &all) != 0 || !CPU_ISSET(0, &all) ||
        !CPU_ISSET(1, &all)) {
        print_message("needs cpus 0 and 1\n");
        skip();
    }
    child_ok(act_migrate);
    child_ok(act_migrate_in_pairs);
}

/* ---- Names, and very many ---------------------------------------------------------------- */

static _Thread_local struct nt_thread_figures figures[8];

/* The row of a thread that lives. */
static const struct nt_thread_figures *row_of(pid_t tid)
{
    long n = nt_snapshot_threads(figures, NT_ARRAY_LEN(figures));
    for (long i = 1; i < n && i < (long)NT_ARRAY_LEN(figures); i++)
        if (figures[i].tid == tid)
            return &figures[i];
    return NULL;
}

static bool is_called(const char *name)
{
    const struct nt_thread_figures *f = row_of(gettid());
    return f && strcmp(f->name, name) == 0;
}

static void *named(void *unused)
{
    (void)unused;
    if (nt_thread_name("no call before this") != 0 || !is_called("no call before this"))
        return &figures;
    return row_of(getpid())->name[0] == 'm' ? NULL : &figures;
}

static void *nameless(void *unused)
{
    (void)unused;
    nt_free(nt_malloc(1)); /* perhaps with the entry of the one above */
    return is_called("system's") ? NULL : &figures;
}

/* ---- What a thread had at most -------------------------------------------------------- */

static pthread_barrier_t turns;
static char *handed;

static void *pass_on(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3000; i++) {
        handed = nt_malloc(100);
        pthread_barrier_wait(&turns);
        pthread_barrier_wait(&turns);
    }
    return row_of(gettid()) ? &turns : NULL;
}

/* Somebody else frees each block at once, so no slab of the thread's becomes full. */
static int act_passing(void)
{
    pthread_t thread;
    void *worked;
    run_on(0);
    pthread_barrier_init(&turns, NULL, 2);
    nt_free(nt_malloc(1));
    CHECK(pthread_create(&thread, NULL, pass_on, NULL) == 0);
    for (int i = 0; i < 3000; i++) {
        pthread_barrier_wait(&turns);
        nt_free(handed);
        if (i == 2000) {
            struct nt_thread_figures t[4];
            CHECK(nt_snapshot_threads(t, 4) == 3);
            const struct nt_thread_figures *me = &t[1], *other = &t[2];
            if (me->tid != getpid())
                me = &t[2], other = &t[1];
            CHECK(other->allocations_total == 2001 && other->frees_total == 0);
            CHECK(other->live_bytes_peak == 2001 * nt_good_size(100));
            CHECK(me->live_bytes_peak <= nt_good_size(1));
        }
        pthread_barrier_wait(&turns);
    }
    CHECK(pthread_join(thread, &worked) == 0 && worked == &turns);
    return 0;
}

static int named_in_child(void)
{
    CHECK(is_called("main\n\"\xff"));
    CHECK(nt_thread_name("child") == 0 && is_called("child"));
    return 0;
}

static int act_names(void)
{
    char longer[64];
    void *wrong;
    pthread_t thread;
    CHECK(nt_thread_name("") == -EINVAL && threads_total() == 0);
    CHECK(pthread_setname_np(pthread_self(), "system's") == 0);
    errno = 77;
    CHECK(nt_thread_name(NULL) == 0 && errno == 77);
    CHECK(is_called("system's"));
    memset(longer, 'x', sizeof longer);
    longer[63] = '\0';
    CHECK(nt_thread_name(longer) == 0);
    longer[31] = '\0';
    CHECK(is_called(longer));
    memcpy(longer + 30, "\xc3\xa9", 3);
    CHECK(nt_thread_name(longer) == 0); /* no half letter */
    longer[30] = '\0';
    CHECK(is_called(longer));
    CHECK(nt_thread_name("main\n\"\xff") == 0 && is_called("main\n\"\xff"));
    CHECK(pthread_create(&thread, NULL, named, NULL) == 0);
    CHECK(pthread_join(thread, &wrong) == 0 && !wrong);
    CHECK(pthread_create(&thread, NULL, nameless, NULL) == 0);
    CHECK(pthread_join(thread, &wrong) == 0 && !wrong);
    CHECK(child_failed(named_in_child) == 0);
    CHECK(nt_thread_name(NULL) == 0 && is_called("system's"));
    return 0;
}

static void *name_and_allocate(void *number)
{
    char name[32];
    snprintf(name, sizeof name, "thread %u", (unsigned)(uintptr_t)number);
    if (nt_thread_name(name) != 0 || !is_called(name))
        abort();
    nt_free(nt_malloc(100));
    return NULL;
}

/* 100,000 threads, some at a time: their entries are used again, their counts kept. */
static int act_hundred_thousand(void)
{
    enum { AT_ONCE = 5, TURNS = 20000 };
    pthread_t thread[AT_ONCE];
    static struct nt_snapshot early, late;
    nt_free(nt_malloc(1));
    for (unsigned i = 0; i < TURNS; i++) {
        for (unsigned k = 0; k < AT_ONCE; k++)
            CHECK(pthread_create(&thread[k], NULL, name_and_allocate,
                                 (void *)(uintptr_t)(i * AT_ONCE + k)) == 0);
        for (unsigned k = 0; k < AT_ONCE; k++)
            CHECK(pthread_join(thread[k], NULL) == 0);
        if (i == TURNS / 10)
            CHECK(nt_snapshot(&early) == 0);
    }
    CHECK(nt_snapshot(&late) == 0);
    CHECK(late.threads_total == 1 + AT_ONCE * TURNS && late.threads_now == 1);
    CHECK(late.metadata_bytes_now <= early.metadata_bytes_now + 4 * NT_MIB);
    CHECK(nt_snapshot_threads(figures, NT_ARRAY_LEN(figures)) == 2);
    CHECK(strcmp(figures[0].name, "exited") == 0);
    CHECK(figures[0].allocations_total == AT_ONCE * TURNS);
    CHECK(figures[0].requested_bytes_total == 100ull * AT_ONCE * TURNS);
    CHECK(figures[0].frees_total == AT_ONCE * TURNS);
    return 0;
}

int main(void)
{
    unsetenv("NUMATALLY_CONF");
    setenv("NUMATALLY_TOPOLOGY", "2x1", 1);
    struct CMUnitTest tests[] = {
        ACT(first), ACT(reuse),   ACT(many),
        ACT(late),  ACT(orphan),  cmocka_unit_test(test_migrate),
        ACT(names), ACT(passing), ACT(hundred_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
