/* SPDX-License-Identifier: MIT */
/* Each policy, wherever it can be given: do pages lie where it says? */
#include "lab.h"

#include <numatally/numa.h>
#include <numatally/numatally.h>
#include <numatally/stats.h>

#define BLOCKS 2000

static const size_t sizes[] = {16, 100, 1000, 4096, 20000, 100000, 600000, 3000000};
#define SIZES (sizeof sizes / sizeof sizes[0])

/* Blocks of all sizes, some MiB of each, all of it touched: where is it? */
static void ask_blocks(struct lab_pages *out, void *(*get)(size_t, const void *),
                       const void *how)
{
    for (size_t i = 0; i < SIZES; i++) {
        size_t n = sizes[i] < 4096 ? BLOCKS : 8 * MIB / sizes[i] + 1;
        for (size_t k = 0; k < n; k++) {
            char *p = get(sizes[i], how);
            CHECK(p);
            memset(p, 1, sizes[i]);
            lab_ask(out, p, sizes[i]);
        }
    }
}

static void *get_plain(size_t size, const void *how)
{
    (void)how;
    return nt_malloc(size);
}

static void *get_policy(size_t size, const void *how)
{
    return nt_malloc_policy(size, how);
}

static void *get_onnode(size_t size, const void *how)
{
    return nt_malloc_onnode(size, *(const int *)how);
}

static void *get_pool(size_t size, const void *how)
{
    return nt_pool_malloc((struct nt_pool *)(uintptr_t)how, size);
}

static bool all_on(const struct lab_pages *pages, int node)
{
    if (pages->on[node] == pages->all)
        return true;
    for (int i = 0; i < lab_nodes; i++)
        fprintf(stderr, "%ld on node %d; ", pages->on[lab_node[i]], lab_node[i]);
    fprintf(stderr, "of %ld, all wanted on %d\n", pages->all, node);
    return false;
}

static bool shared(const struct lab_pages *pages, int node, double share)
{
    double is = (double)pages->on[node] / (double)pages->all;
    if (is > share - 0.03 && is < share + 0.03)
        return true;
    fprintf(stderr, "%.3f of %ld pages on node %d, wanted %.3f\n", is, pages->all, node,
            share);
    return false;
}

static const char *named(const char *word, int node)
{
    static char text[64];
    snprintf(text, sizeof text, "%s:%d", word, node);
    return text;
}

/* ---- The process's ------------------------------------------------------------------- */

static void check_here(void *arg)
{
    struct lab_pages pages = {.all = 0};
    ask_blocks(&pages, get_plain, NULL);
    CHECK(all_on(&pages, *(int *)arg));
}

static void run_local(void)
{
    for (int i = 0; i < lab_nodes; i++)
        lab_on(lab_node[i], check_here, &lab_node[i]);
}

/* bind:1 or preferred:1, whoever asks. */
static void run_node1(void)
{
    for (int i = 0; i < lab_nodes; i++)
        lab_on(lab_node[i], check_here, &lab_node[1]);
}

/* Of two nodes the one that is nearer: its own. */
static void run_either(void)
{
    for (int i = 0; i < 2; i++)
        lab_on(lab_node[i], check_here, &lab_node[i]);
}

static void check_even(void *arg)
{
    struct lab_pages pages = {.all = 0};
    (void)arg;
    ask_blocks(&pages, get_plain, NULL);
    for (int i = 0; i < lab_nodes; i++)
        CHECK(shared(&pages, lab_node[i], 1.0 / lab_nodes));
}

static void run_even(void)
{
    for (int i = 0; i < lab_nodes; i++)
        lab_on(lab_node[i], check_even, NULL);
}

static void run_weighted(void)
{
    FILE *f = fopen("/sys/kernel/mm/mempolicy/weighted_interleave/node0", "w");
    CHECK(f && fprintf(f, "3\n") > 0 && fclose(f) == 0);
    struct lab_pages pages = {.all = 0};
    ask_blocks(&pages, get_plain, NULL);
    CHECK(shared(&pages, 0, 3.0 / (3 + lab_nodes - 1)));
}

/* ---- A thread's, an allocation's, a pool's ----------------------------------------------- */

static void check_thread(void *arg)
{
    int *here = arg;
    for (int i = 0; i < lab_nodes; i++) {
        struct lab_pages pages = {.all = 0};
        CHECK(nt_thread_policy(named(i % 2 ? "bind" : "preferred", lab_node[i])) == 0);
        ask_blocks(&pages, get_plain, NULL);
        CHECK(all_on(&pages, lab_node[i]));
    }
    CHECK(nt_thread_policy("bind:999") == -EINVAL);
    CHECK(nt_thread_policy("nonsense") == -EINVAL);
    struct lab_pages pages = {.all = 0};
    CHECK(nt_thread_policy("interleave") == 0);
    ask_blocks(&pages, get_plain, NULL);
    CHECK(shared(&pages, lab_node[0], 1.0 / lab_nodes));
    CHECK(nt_thread_policy(NULL) == 0);
    check_here(here);
}

static void run_thread(void)
{
    for (int i = 0; i < 2; i++)
        lab_on(lab_node[i], check_thread, &lab_node[i]);
}

static void check_single(void *arg)
{
    (void)arg;
    for (int i = 0; i < lab_nodes; i++) {
        struct lab_pages a = {.all = 0}, b = {.all = 0};
        ask_blocks(&a, get_policy, named("bind", lab_node[i]));
        ask_blocks(&b, get_onnode, &lab_node[i]);
        CHECK(all_on(&a, lab_node[i]) && all_on(&b, lab_node[i]));
    }
    errno = 0;
    CHECK(!nt_malloc_onnode(100, 999) && errno == EINVAL);
    errno = 0;
    CHECK(!nt_malloc_policy(100, "bind:999") && errno == EINVAL);
}

static void run_single(void)
{
    lab_on(lab_node[0], check_single, NULL);
    lab_on(lab_node[1], check_single, NULL);
}

static void check_pool(void *arg)
{
    struct nt_pool_options o = {.size = sizeof o, .policy = arg};
    struct nt_pool *pool;
    CHECK(nt_pool_create(&o, &pool) == 0);
    struct lab_pages pages = {.all = 0};
    ask_blocks(&pages, get_pool, pool);
    CHECK(all_on(&pages, lab_node[1]));
    nt_pool_reset(pool);
    pages = (struct lab_pages){.all = 0};
    ask_blocks(&pages, get_pool, pool);
    CHECK(all_on(&pages, lab_node[1]));
    nt_pool_destroy(pool);
    o = (struct nt_pool_options){.size = sizeof o, .nodes = "0-1"};
    CHECK(nt_pool_create(&o, &pool) == 0); /* perhaps the same again, placed anew */
    pages = (struct lab_pages){.all = 0};
    ask_blocks(&pages, get_pool, pool);
    CHECK(all_on(&pages, numa_node_of_cpu(sched_getcpu())));
    nt_pool_destroy(pool);
    o.policy = "interleave";
    CHECK(nt_pool_create(&o, &pool) == 0);
    pages = (struct lab_pages){.all = 0};
    ask_blocks(&pages, get_pool, pool);
    CHECK(shared(&pages, 0, 0.5));
    o.policy = "interleave:0";
    CHECK(nt_pool_create(&o, &pool) == -EINVAL); /* two lists */
}

static void run_pool(void)
{
    static char bind[32], preferred[32];
    snprintf(bind, sizeof bind, "bind:%d", lab_node[1]);
    snprintf(preferred, sizeof preferred, "preferred:%d", lab_node[1]);
    for (int i = 0; i < 2; i++) {
        lab_on(lab_node[i], check_pool, bind);
        lab_on(lab_node[i], check_pool, preferred);
    }
}

/* ---- Nodes without cpus ------------------------------------------------------------------- */

/* Whoever asks for one gets it. */
static void run_cpuless(void)
{
    int found = 0;
    for (int n = 0; n <= numa_max_node(); n++) {
        if (numa_node_size64(n, NULL) <= 0 || lab_has_cpus(n))
            continue;
        struct lab_pages strict = {.all = 0}, liked = {.all = 0};
        ask_blocks(&strict, get_policy, named("bind", n));
        ask_blocks(&liked, get_onnode, &n);
        CHECK(all_on(&strict, n) && all_on(&liked, n));
        found++;
    }
    CHECK(found > 0);
}

/* ---- numactl's ------------------------------------------------------------------------------ */

static void run_inherit(void)
{
    lab_on(lab_node[0], check_even, NULL);
}

int main(int argc, char **argv)
{
    static const struct lab_case cases[] = {
        {"local", run_local, NULL, NULL, 2},
        {"bind", run_node1, "policy:bind:1", NULL, 2},
        {"preferred", run_node1, "policy:preferred:1", NULL, 2},
        {"bind-two", run_either, "policy:bind:0-1", NULL, 2},
        {"preferred-many", run_either, "policy:preferred-many:0,1", NULL, 2},
        {"interleave", run_even, "policy:interleave", NULL, 2},
        {"weighted-interleave", run_weighted, "policy:weighted-interleave", NULL, 2},
        {"thread", run_thread, NULL, NULL, 2},
        {"single", run_single, NULL, NULL, 2},
        {"pool", run_pool, NULL, NULL, 2},
        {"cpuless", run_cpuless, NULL, NULL, LAB_NAMED},
        {"inherit", run_inherit, NULL, "--interleave=all", 2},
        {"inherit-overruled", run_local, "policy:local", "--interleave=all", 2},
        {"inherit-bind", run_node1, NULL, "--membind=1", 2},
    };
    return lab_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
