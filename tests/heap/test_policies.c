/* SPDX-License-Identifier: MIT */
/*
 * The calls of numa.h that take policies and large arrays, on a made-up machine: errors,
 * errno, whose counters; where pages come to lie is proved in the lab (tests/lab).
 */
#define _GNU_SOURCE
#include "src/base/base.h"
#include "tests/child.h"

#include <numatally/numa.h>
#include <numatally/stats.h>

#include <errno.h>
#include <sys/mman.h>

static struct nt_snapshot now;
static volatile size_t no_size = SIZE_MAX; /* compilers warn of it */

static void machine(const char *topology)
{
    setenv("NUMATALLY_TOPOLOGY", topology, 1);
}

/* Blocks that came from the node with index `i`. */
static uint64_t from_node(unsigned i)
{
    nt_snapshot(&now);
    return now.node[i].allocations_total;
}

static int act_thread(void)
{
    machine("4x1");
    nt_free(nt_malloc(1)); /* on whichever node this runs */
    for (int i = 0; i < 4; i++) {
        char text[32];
        snprintf(text, sizeof text, i % 2 ? "bind:%d" : "preferred:%d", i);
        uint64_t before = from_node((unsigned)i);
        errno = 7;
        CHECK(nt_thread_policy(text) == 0 && errno == 7);
        char *p = nt_malloc(100), *large = nt_malloc(3 * NT_MIB);
        CHECK(p && large && errno == 7);
        CHECK(from_node((unsigned)i) == before + 2);
        CHECK(nt_node_of(p) == i && nt_node_of(large) == i);
        nt_free(p);
        nt_free(large);
    }
    CHECK(nt_thread_policy("bind:4") == -EINVAL && errno == 7);
    CHECK(nt_thread_policy("bound:1") == -EINVAL);
    CHECK(nt_thread_policy("preferred:0-1") == -EINVAL);
    CHECK(nt_thread_policy(NULL) == 0);
    CHECK(nt_thread_policy("local") == 0); /* the same placement: nothing changes */
    nt_snapshot(&now);
    CHECK(now.total.live_blocks_now == 0 && now.total.frees_total > 0);
    static struct nt_thread_figures t[4];
    CHECK(nt_snapshot_threads(t, 4) == 2 && t[1].allocations_total >= 9);
    return 0;
}

static int act_single(void)
{
    machine("2x1");
    errno = 7;
    char *a = nt_malloc_policy(100, "bind:1"), *b = nt_malloc_policy(100, "bind:1");
    char *c = nt_malloc_onnode(3 * NT_MIB, 0);
    CHECK(a && b && c && errno == 7);
    CHECK(nt_node_of(a) == 1 && nt_node_of(b) == 1 && nt_node_of(c) == 0);
    static struct nt_pool_figures pools[4];
    CHECK(nt_snapshot_pools(pools, 4) == 3); /* one for each policy */
    nt_free(a);
    nt_free(b);
    nt_free(c);
    CHECK(!nt_malloc_policy(100, "bind:2") && errno == EINVAL);
    CHECK(!nt_malloc_policy(100, NULL) && errno == EINVAL);
    CHECK(!nt_malloc_policy(100, "") && errno == EINVAL);
    CHECK(!nt_malloc_onnode(100, -1) && errno == EINVAL);
    errno = 0;
    CHECK(!nt_malloc_policy(no_size, "bind:1") && errno == ENOMEM);
    char *zero = nt_malloc_policy(0, "interleave");
    CHECK(zero);
    nt_free(zero);
    return 0;
}

/* More policies than there is room for are refused, and the old ones go on. */
static int act_many(void)
{
    machine("16x1");
    int result = 0;
    unsigned made = 0;
    for (unsigned mask = 1; mask < 1u << 10 && result == 0;
         mask++, made += result == 0) {
        char text[128] = "interleave:";
        size_t at = strlen(text);
        for (unsigned i = 0; i < 10; i++)
            if (mask >> i & 1)
                at += (size_t)snprintf(text + at, sizeof text - at, "%u,", i);
        text[at - 1] = '\0';
        result = nt_thread_policy(text);
    }
    CHECK(result == -ENOMEM && made > 50);
    char *p = nt_malloc(100);
    CHECK(p);
    nt_free(p);
    CHECK(nt_thread_policy(NULL) == 0 && nt_thread_policy("interleave:0") == 0);
    return 0;
}

static int act_setting(void)
{
    machine("4x1");
    setenv("NUMATALLY_CONF", "policy:bind:1;3,check:on", 1);
    char *p = nt_malloc(100);
    int node = nt_node_of(p);
    CHECK(node == 1 || node == 3);
    struct nt_pool *pool;
    CHECK(nt_pool_create(NULL, &pool) == 0); /* the process's */
    node = nt_node_of(nt_pool_malloc(pool, 10));
    CHECK(node == 1 || node == 3);
    return 0;
}

static int act_setting_commas(void)
{
    machine("4x1");
    setenv("NUMATALLY_CONF", "policy:bind:2,3,check:on", 1);
    int node = nt_node_of(nt_malloc(100));
    CHECK(node == 2 || node == 3);
    return 0;
}

static int act_bad_setting(void)
{
    machine("2x1");
    setenv("NUMATALLY_CONF", "policy:bind:7", 1);
    CHECK(nt_malloc(100));
    return 0;
}

static int act_pools(void)
{
    struct nt_pool *pool = NULL;
    struct nt_pool_options o = {.size = sizeof o, .policy = "bind:1"};
    machine("2x1");
    CHECK(nt_pool_create(&o, &pool) == 0);
    CHECK(nt_node_of(nt_pool_malloc(pool, 50)) == 1);
    nt_pool_destroy(pool);
    o.policy = "bind";
    o.nodes = "0";
    CHECK(nt_pool_create(&o, &pool) == 0);
    CHECK(nt_node_of(nt_pool_malloc(pool, 50)) == 0);
    o.policy = "bind:1";
    struct nt_pool *same = pool;
    CHECK(nt_pool_create(&o, &pool) == -EINVAL && pool == same);
    o.policy = "nonsense";
    CHECK(nt_pool_create(&o, &pool) == -EINVAL);
    CHECK(nt_pool_migrate(pool, 1) == 0);
    CHECK(nt_node_of(nt_pool_malloc(pool, 50)) == 1);
    CHECK(nt_pool_migrate(pool, 2) == -EINVAL && nt_pool_migrate(NULL, 1) == -EINVAL);
    nt_pool_destroy(pool);
    return 0;
}

/* ---- Large arrays ---------------------------------------------------------------------- */

static int tell(uint64_t done, uint64_t all, void *context)
{
    *(uint64_t *)context = done;
    return done > all;
}

static int stop(uint64_t done, uint64_t all, void *context)
{
    (void)done;
    (void)all;
    (void)context;
    return 1;
}

static int act_arrays(void)
{
    size_t size = 24 * NT_MIB, page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t done = 0;
    machine("4x1");
    errno = 7;
    char *p = nt_malloc_distributed(size, NULL);
    CHECK(p && nt_usable_size(p) == size);
    CHECK(nt_prefault(p, size, tell, &done) == 0 && done == size && errno == 7);
    CHECK(nt_prefault(p, size + page, tell, &done) == 0 && done == size + page);
    memset(p, 3, size);
    p = nt_realloc(p, size + 8 * NT_MIB);
    CHECK(p && p[0] == 3 && p[size - 1] == 3);
    p = nt_realloc(p, 2 * NT_MIB);
    CHECK(p && p[2 * NT_MIB - 1] == 3);
    p = nt_realloc(p, 1000);
    CHECK(p && p[999] == 3 && errno == 7);
    nt_free(p);
    p = nt_malloc_distributed(size, "1,3");
    CHECK(nt_prefault(p + 100, size / 2, tell, &done) == 0);
    CHECK(nt_prefault(p, size, stop, NULL) == -ECANCELED);
    CHECK(nt_migrate(p, 2) == 0 && nt_migrate(p + 4096, 2) == -EINVAL);
    CHECK(nt_migrate(p, 4) == -EINVAL && errno == 7);
    nt_free(p);
    CHECK(nt_migrate(p, 2) == -EINVAL);
    CHECK(!nt_malloc_distributed(size, "4") && errno == EINVAL);
    CHECK(!nt_malloc_distributed(no_size, NULL) && errno == ENOMEM);
    char *small = nt_malloc_distributed(100, "2");
    CHECK(small && nt_node_of(small) == 2 && nt_migrate(small, 1) == -EOPNOTSUPP);
    nt_free(small);
    p = nt_malloc(size);
    CHECK(nt_prefault(p, size, stop, NULL) == -ECANCELED);
    CHECK(nt_prefault(p, 0, NULL, NULL) == 0);
    CHECK(nt_prefault(p, SIZE_MAX, NULL, NULL) == -EFAULT);
    nt_free(p);
    char *hole = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole, 1 << 20);
    CHECK(nt_prefault(hole, 1 << 20, NULL, NULL) == -EFAULT);
    CHECK(nt_snapshot(&now) == 0 && now.total.live_blocks_now == 0);
    return 0;
}

/* Processors on nodes without memory: arrays are divided over the others. */
static int act_no_memory_here(void)
{
    machine("node0:cpus=0:mem=0/node1:mem=1G/node2:mem=1G");
    char *p = nt_malloc_distributed(2 * NT_MIB, NULL);
    CHECK(p && nt_prefault(p, 2 * NT_MIB, NULL, NULL) == 0);
    nt_free(p);
    p = nt_malloc_distributed(100, NULL);
    CHECK(p && nt_node_of(p) == 1);
    nt_free(p);
    CHECK(!nt_malloc_distributed(100, "0") && errno == EINVAL);
    return 0;
}

/* What may not be written is an error and no fault; 77: the kernel cannot tell. */
static int act_not_writable(void)
{
    static const int prot[] = {PROT_READ, PROT_NONE};
    machine("2x1");
    if (madvise(NULL, 0, 23 /* MADV_POPULATE_WRITE, Linux 5.14 */) != 0)
        return 77;
    for (size_t i = 0; i < NT_ARRAY_LEN(prot); i++) {
        char *p = mmap(NULL, NT_MIB, prot[i], MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        errno = 7;
        CHECK(nt_prefault(p, NT_MIB, NULL, NULL) == -EFAULT && errno == 7);
        munmap(p, NT_MIB);
    }
    return 0;
}

static int act_one_node(void)
{
    machine("1x1");
    char *p = nt_malloc_distributed(2 * NT_MIB, NULL);
    CHECK(p && nt_migrate(p, 0) == 0 && nt_migrate(p, 1) == -EINVAL);
    nt_free(p);
    CHECK(nt_thread_policy("interleave") == 0 && nt_thread_policy("bind:1") == -EINVAL);
    p = nt_malloc_policy(100, "bind:0");
    CHECK(p);
    nt_free(p);
    return 0;
}

/* ---- Residency ---------------------------------------------------------------------------- */

static int act_made_up(void)
{
    struct nt_residency r = {.size = sizeof r};
    int local;
    machine("2x1");
    char *p = nt_malloc_policy(3 * NT_MIB, "bind:1");
    CHECK(nt_residency(p, 3 * NT_MIB, 0, &r) == 0);
    CHECK(r.asked == r.pages && r.on_node[1] == r.pages && r.absent == 0);
    CHECK(nt_node_of(&local) == -EFAULT); /* not of the made-up machine */
    r.size = 1;
    CHECK(nt_residency(p, 100, 0, &r) == -EINVAL && r.size == 1);
    CHECK(nt_residency(p, 100, 0, NULL) == -EINVAL);
    return 0;
}

/* This machine's kernel is asked, whatever nodes it has; 77: it does not say. */
static int act_real(void)
{
    struct nt_residency r = {.size = sizeof r};
    size_t size = 16 * NT_MIB;
    unsetenv("NUMATALLY_TOPOLOGY");
    char *p = nt_calloc(size, 1);
    int node = nt_node_of(p);
    if (node != -ENOENT)
        return node == -ENOSYS || node == -EPERM ? 77 : 1;
    memset(p, 1, size / 4);
    CHECK(nt_node_of(p) >= 0 && nt_node_of(p + size / 2) == -ENOENT);
    CHECK(nt_residency(p, size, 0, &r) == 0);
    CHECK(r.asked == r.pages && r.pages == size / r.page_bytes);
    CHECK(r.absent == r.pages / 4 * 3);
    CHECK(nt_residency(p, size, 64, &r) == 0 && r.asked == 64 && r.absent == 48);
    CHECK(nt_residency(NULL, 100, 0, &r) == -EFAULT && nt_node_of(NULL) == -EFAULT);
    CHECK(nt_residency(p, SIZE_MAX, 0, &r) == -EFAULT);
    return 0;
}

/* The act may find that this kernel cannot. */
static void child_ok_or_skip(int (*act)(void), const char *why)
{
    char text[4096];
    int status = child_status(act, text, sizeof text);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("%s\n", why);
        skip();
    }
    if (status != 0)
        fail_msg("status 0x%x: %s", (unsigned)status, text);
}

static void test_real(void **state)
{
    (void)state;
    child_ok_or_skip(act_real, "move_pages is refused here");
}

static void test_not_writable(void **state)
{
    (void)state;
    child_ok_or_skip(act_not_writable, "no MADV_POPULATE_WRITE here");
}

static void test_bad_setting(void **state)
{
    char text[4096];
    (void)state;
    assert_int_equal(child_status(act_bad_setting, text, sizeof text), 0);
    assert_non_null(strstr(text, "policy:bind:7"));
    assert_non_null(strstr(text, "may not take memory of"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACT(thread),
        ACT(single),
        ACT(many),
        ACT(setting),
        ACT(setting_commas),
        cmocka_unit_test(test_bad_setting),
        ACT(pools),
        ACT(arrays),
        ACT(one_node),
        ACT(made_up),
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_not_writable),
        ACT(no_memory_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
