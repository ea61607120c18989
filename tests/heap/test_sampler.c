/* SPDX-License-Identifier: MIT */
/*
 * Sampling as a program sees it. With an interval of 1 every block is sampled, so that
 * the profile can be held against plain counts; with others the counters are, which must not
 * notice.
 */
#include <numatally/profile.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct nt_snapshot before, after;
static struct nt_site_figures sites[4096];
static struct nt_sample_figures samples[4096];
static struct nt_remote_figures remotes[4096];

static long find(const void *block)
{
    long n = nt_snapshot_samples(samples, 4096), found = -1;
    for (long i = 0; i < n && i < 4096; i++)
        if (samples[i].address == (uintptr_t)block) {
            assert_int_equal(found, -1);
            found = i;
        }
    return found;
}

/* Sampled, and as what. */
static void assert_sample(void *block, uint64_t size)
{
    long i = find(block);
    assert_true(i >= 0);
    assert_int_equal(samples[i].requested_bytes, size);
    assert_int_equal(samples[i].block_bytes, nt_usable_size(block));
    assert_int_equal(samples[i].tid, gettid());
    assert_true(samples[i].site < (uint64_t)nt_snapshot_sites(NULL, 0));
}

static int switch_on(void **state)
{
    (void)state;
    int result = nt_sample(1);
    nt_free(nt_malloc(100000)); /* a slow call */
    return result;
}

static int switch_off(void **state)
{
    (void)state;
    int result = nt_sample(0);
    nt_free(nt_malloc(600000));
    return result;
}

static void test_arguments(void **state)
{
    (void)state;
    assert_int_equal(nt_sample((size_t)1 << 41), -EINVAL);
    assert_int_equal(nt_sample(SIZE_MAX), -EINVAL);
    assert_int_equal(nt_sample(0), 0);
    assert_int_equal(nt_snapshot_sites(NULL, 0), 0);
    assert_int_equal(nt_snapshot_sites(NULL, 1), -EINVAL);
    assert_int_equal(nt_snapshot_samples(NULL, 1), -EINVAL);
    assert_int_equal(nt_snapshot_remote(NULL, 1), -EINVAL);
    assert_int_equal(nt_sample((size_t)1 << 40), 0);
    assert_int_equal(nt_sample(0), 0);
}

/* Every way to get a block. */
static void test_ways(void **state)
{
    (void)state;
    void *p[8] = {
        nt_malloc(100),        nt_calloc(10, 7),    nt_aligned_alloc(4096, 5000),
        nt_malloc(40000),      nt_malloc(300000),   nt_malloc(5000000),
        nt_calloc(1, 3000000), nt_realloc(NULL, 33)};
    static const uint64_t size[8] = {100,    70,      5000,    40000,
                                     300000, 5000000, 3000000, 33};
    for (int i = 0; i < 8; i++)
        assert_sample(p[i], size[i]);
    for (int i = 0; i < 70; i++)
        assert_int_equal(((char *)p[1])[i], 0);
    for (int i = 0; i < 3000000; i += 1000)
        assert_int_equal(((char *)p[6])[i], 0);
    /* In place: still the block it was; moved, or large: another. */
    memset(p[0], 7, 100);
    assert_ptr_equal(nt_realloc(p[0], 110), p[0]);
    assert_sample(p[0], 100);
    p[0] = nt_realloc(p[0], 5000);
    assert_sample(p[0], 5000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(((char *)p[0])[i], 7);
    p[5] = nt_realloc(p[5], 50000000);
    assert_sample(p[5], 50000000);
    p[5] = nt_realloc(p[5], 1000000);
    assert_sample(p[5], 1000000);
    nt_free_sized(p[3], 40000);
    p[3] = NULL;
    for (int i = 0; i < 8; i++)
        nt_free(p[i]);
    for (int i = 0; i < 8; i++)
        assert_true(i == 3 || find(p[i]) < 0);
    void *none = nt_malloc(0);
    assert_true(find(none) < 0);
    nt_free(none);
}

static uint64_t reallocs(void)
{
    uint64_t sum = 0;
    long n = nt_snapshot_sites(sites, 4096);
    for (long i = 0; i < n && i < 4096; i++) {
        assert_true(sites[i].reallocs_total <= sites[i].allocations_total);
        sum += sites[i].reallocs_total;
    }
    return sum;
}

/* Each realloc that moved its block is noted, small, large and in a pool, and no other. */
static void test_reallocs(void **state)
{
    (void)state;
    uint64_t old = reallocs(), moves = 0;
    struct nt_pool *pool;
    assert_int_equal(nt_pool_create(NULL, &pool), 0);
    char *p = nt_malloc(100), *q = nt_pool_malloc(pool, 100);
    for (size_t size = 100; size < 100000000; size += size / 3) {
        uintptr_t p_was = (uintptr_t)p, q_was = (uintptr_t)q;
        p = nt_realloc(p, size);
        q = nt_pool_realloc(pool, q, size);
        assert_true(p && q);
        moves += (uintptr_t)p != p_was;
        moves += (uintptr_t)q != q_was;
        nt_free(nt_malloc(size));
    }
    assert_true(moves > 30);
    assert_int_equal(reallocs(), old + moves);
    uintptr_t p_was = (uintptr_t)p;
    p = nt_realloc(p, 20); /* smaller: it moves, too */
    assert_true((uintptr_t)p != p_was);
    assert_int_equal(reallocs(), old + moves + 1);
    nt_free(p);
    nt_pool_destroy(pool);
    assert_int_equal(reallocs(), old + moves + 1);
}

/* By the same estimator: of a site whose blocks are all of reallocs, all. */
static void test_estimate(void **state)
{
    (void)state;
    uint64_t old = reallocs(), true_moves = 0;
    assert_int_equal(nt_sample(4096), 0);
    nt_free(nt_malloc(600000));
    for (int i = 0; i < 20000; i++) {
        char *p = nt_realloc(nt_malloc(16), 600);
        assert_non_null(p);
        true_moves++;
        nt_free(p);
    }
    /* 20000 of p = 0.137: the standard error is 2.5 % of it. */
    double ratio = (double)(reallocs() - old) / (double)true_moves;
    assert_true(ratio > 0.85 && ratio < 1.15);
}

static void *switch_to(void *interval)
{
    return nt_sample(*(size_t *)interval) == 0 ? interval : NULL;
}

/* A thread that does nothing but take and free a large block sees that another one switched,
 * too. */
static void test_large_again(void **state)
{
    pthread_t thread;
    void *done;
    (void)state;
    enum { SIZE = 1500000 };
    for (int turn = 0; turn < 4;
         turn++) { /* the first thread begun may allocate here */
        size_t on = turn % 2 == 0;
        for (int i = 0; i < 10; i++)
            nt_free(nt_malloc(SIZE));
        assert_int_equal(pthread_create(&thread, NULL, switch_to, &on), 0);
        assert_int_equal(pthread_join(thread, &done), 0);
        assert_ptr_equal(done, &on);
        for (int i = 0; i < 10; i++) {
            void *p = nt_malloc(SIZE);
            if (on)
                assert_sample(p, SIZE);
            assert_ptr_equal(nt_realloc(p, SIZE + 1), p);
            if (on)
                assert_sample(p, SIZE + 1);
            assert_true(on || find(p) < 0);
            nt_free(p);
            assert_true(find(p) < 0);
        }
    }
}

static void test_pool(void **state)
{
    (void)state;
    struct nt_pool *pool;
    assert_int_equal(nt_pool_create(NULL, &pool), 0);
    void *small = nt_pool_malloc(pool, 100), *large = nt_pool_malloc(pool, 2000000);
    assert_sample(small, 100);
    assert_sample(large, 2000000);
    large = nt_pool_realloc(pool, large, 9000000);
    assert_sample(large, 9000000);
    nt_free(small);
    assert_true(find(small) < 0);
    small = nt_pool_malloc(pool, 200);
    for (int i = 0; i < 1000; i++)
        assert_non_null(nt_pool_malloc(pool, 64));
    long n = nt_snapshot_samples(NULL, 0);
    nt_pool_reset(pool);
    assert_int_equal(nt_snapshot_samples(NULL, 0), n - 1002);
    small = nt_pool_calloc(pool, 10, 30);
    assert_sample(small, 300);
    nt_pool_destroy(pool);
    assert_true(find(small) < 0);
}

static void *free_it(void *p)
{
    nt_free(p);
    return NULL;
}

static void run(void *(*work)(void *), void *argument)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, work, argument), 0);
    pthread_join(thread, NULL);
}

static void test_remote(void **state)
{
    (void)state;
    nt_snapshot(&before);
    long pairs = nt_snapshot_remote(NULL, 0);
    for (int i = 0; i < 10; i++)
        run(free_it, nt_malloc(1000));
    run(free_it, nt_malloc(2000000));
    nt_snapshot(&after);
    assert_int_equal(after.total.remote_frees_total - before.total.remote_frees_total,
                     11);
    long n = nt_snapshot_remote(remotes, 4096);
    assert_true(n > pairs && n <= 4096);
    uint64_t frees = 0, bytes = 0;
    for (long i = pairs; i < n; i++) { /* others' are not touched: they were none */
        frees += remotes[i].frees_total;
        bytes += remotes[i].requested_bytes_total;
    }
    if (pairs == 0) {
        assert_int_equal(frees, 11);
        assert_int_equal(bytes, 10 * 1000 + 2000000);
    }
}

/* ---- The counters ---------------------------------------------------------------------- */

enum { BLOCKS = 20000, THREADS = 4 };

struct counts {
    uint64_t blocks, frees, bytes;
};

static struct {
    void *of[THREADS][BLOCKS]; /* exchanged between the two halves of the work */
    struct counts counts[THREADS];
    pthread_barrier_t barrier;
} work;

static void *do_work(void *argument)
{
    size_t me = (size_t)(uintptr_t)argument;
    struct counts *c = &work.counts[me];
    uint64_t x = me + 88172645463325252u;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            size_t size = x % 100 == 0 ? 600000 + x % 1000 : 2 + x % (16u << x % 9);
            char *p = nt_malloc(size);
            p[0] = (char)me, p[size - 1] = (char)i;
            work.of[me][i] = p;
            c->blocks++;
            c->bytes += size;
            if (x % 3 == 0) {
                nt_free(p);
                work.of[me][i] = NULL;
                c->frees++;
            }
            if (x % 5000 == 0)
                nt_sample(x % 2 == 0 ? 0 : 1 + x % 4096);
        }
        pthread_barrier_wait(&work.barrier);
        for (int i = 0; i < BLOCKS; i++) { /* the neighbour's */
            void *p = work.of[(me + 1) % THREADS][i];
            assert_true(!p || *(char *)p == (char)((me + 1) % THREADS));
            nt_free(p);
            c->frees += p != NULL;
        }
        pthread_barrier_wait(&work.barrier);
    }
    return NULL;
}

static void test_counters(void **state)
{
    (void)state;
    struct counts all = {0};
    pthread_t thread[THREADS];
    pthread_barrier_init(&work.barrier, NULL, THREADS);
    nt_snapshot(&before);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, do_work, (void *)i);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        all.blocks += work.counts[i].blocks;
        all.frees += work.counts[i].frees;
        all.bytes += work.counts[i].bytes;
    }
    nt_sample(0);
    nt_snapshot(&after);
    assert_int_equal(after.total.allocations_total - before.total.allocations_total,
                     all.blocks);
    assert_int_equal(after.total.frees_total - before.total.frees_total, all.frees);
    assert_int_equal(after.total.requested_bytes_total -
                         before.total.requested_bytes_total,
                     all.bytes);
    assert_int_equal(after.total.live_bytes_now, before.total.live_bytes_now);
    assert_int_equal(nt_snapshot_samples(NULL, 0), 0);
    long n = nt_snapshot_sites(sites, 4096);
    for (long i = 0; i < n; i++) {
        assert_int_equal(sites[i].live_requested_bytes_now, 0);
        assert_int_equal(sites[i].samples_total, sites[i].sampled_frees_total);
    }
    assert_true(nt_purge() > 0);
}

/* A loop that never runs dry notices a change, both ways. */
static void test_loop(void **state)
{
    (void)state;
    uint64_t taken[3];
    for (int round = 0; round < 3; round++) {
        nt_sample(round == 1 ? 1000 : 0);
        long sum = 0, n = nt_snapshot_sites(sites, 4096);
        for (long i = 0; i < n; i++)
            sum -= (long)sites[i].samples_total;
        for (int i = 0; i < 1000000; i++)
            nt_free(nt_malloc(100));
        n = nt_snapshot_sites(sites, 4096);
        for (long i = 0; i < n; i++)
            sum += (long)sites[i].samples_total;
        taken[round] = (uint64_t)sum;
    }
    assert_int_equal(taken[0], 0);
    assert_in_range(taken[1], 85000, 105000); /* of 100,000, less up to 6,554 */
    assert_in_range(taken[2], 0, 8000);
}

/* ---- fork, misuse ------------------------------------------------------------------------ */

static void test_fork(void **state)
{
    (void)state;
    void *p = nt_malloc(1234);
    pid_t pid = fork();
    if (pid == 0) {
        int wrong = find(p) < 0;
        nt_free(p);
        wrong |= find(p) >= 0;
        p = nt_malloc(77);
        long i = find(p);
        wrong |= i < 0 || samples[i].tid != getpid();
        _exit(wrong);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_true(find(p) >= 0);
    nt_free(p);
}

static int end_of(void (*what)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        close(STDERR_FILENO);
        what();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void free_twice(void)
{
    void *p = nt_malloc(100);
    nt_free(p);
    nt_free(p);
}

static void free_large_twice(void)
{
    void *p = nt_malloc(1000000);
    nt_free(p);
    nt_free(p);
}

static void free_inside(void)
{
    nt_free((char *)nt_malloc(100) + 16);
}

static void test_misuse(void **state)
{
    (void)state;
    assert_int_equal(WTERMSIG(end_of(free_twice)), SIGABRT);
    assert_int_equal(WTERMSIG(end_of(free_large_twice)), SIGABRT);
    assert_int_equal(WTERMSIG(end_of(free_inside)), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_large_again),
        cmocka_unit_test_setup_teardown(test_remote, switch_on, switch_off),
        cmocka_unit_test_setup_teardown(test_ways, switch_on, switch_off),
        cmocka_unit_test_setup_teardown(test_reallocs, switch_on, switch_off),
        cmocka_unit_test_teardown(test_estimate, switch_off),
        cmocka_unit_test_setup_teardown(test_pool, switch_on, switch_off),
        cmocka_unit_test(test_counters),
        cmocka_unit_test_teardown(test_loop, switch_off),
        cmocka_unit_test_setup_teardown(test_fork, switch_on, switch_off),
        cmocka_unit_test_setup_teardown(test_misuse, switch_on, switch_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
