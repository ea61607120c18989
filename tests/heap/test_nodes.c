/* SPDX-License-Identifier: MIT */
/* The public calls on nodes: this machine, a made-up one, every error. */
#include "src/base/base.h"
#include "tests/child.h"

#include <errno.h>
#include <numatally/numa.h>
#include <numatally/stats.h>

static int act_made_up(void)
{
    struct nt_node_info n;
    setenv("NUMATALLY_TOPOLOGY", "3x2", 1);
    errno = 77;
    CHECK(nt_node_count() == 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(nt_node_info(i, &n) == 0);
        CHECK(n.node == (int)i && n.has_cpus == 1 && n.has_memory == 1);
        CHECK(n.allowed == 1 && n.memory_bytes == 0 && n.free_bytes == 0);
    }
    CHECK(nt_node_info(3, &n) == -EINVAL && nt_node_info(0, NULL) == -EINVAL);
    CHECK(nt_node_info(~0u, &n) == -EINVAL);
    CHECK(nt_node_distance(0, 0) == 10 && nt_node_distance(2, 1) == 20);
    CHECK(nt_node_distance(0, 3) == -EINVAL && nt_node_distance(-1, 0) == -EINVAL);
    CHECK(nt_node_here() >= 0 && nt_node_here() < 3);
    CHECK(errno == 77);
    return 0;
}

static int act_real(void)
{
    struct nt_node_info n;
    int last = -1, here = nt_node_here(), seen = 0;
    for (unsigned i = 0; i < nt_node_count(); i++) {
        CHECK(nt_node_info(i, &n) == 0);
        CHECK(n.node > last);
        CHECK(n.free_bytes <= n.memory_bytes);
        CHECK(nt_node_distance(n.node, n.node) == 10);
        seen += n.node == here;
        last = n.node;
    }
    CHECK(seen == 1);
    return 0;
}

static int act_onnode_many(void)
{
    static const size_t sizes[] = {0, 16, 129, 5000, 32769, 524289, 2097153, 5000000};
    static size_t volatile too_much = (size_t)PTRDIFF_MAX + 1; /* gcc knows better */
    static struct nt_snapshot now;
    setenv("NUMATALLY_TOPOLOGY", "3x1", 1);
    errno = 66;
    char *volatile first = nt_malloc_onnode(100, 1);
    CHECK(first && errno == 66);
    for (int node = 0; node < 3; node++)
        for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++) {
            char *p = nt_malloc_onnode(sizes[i], node);
            CHECK(p && errno == 66);
            memset(p, 1, sizes[i]);
            CHECK(nt_snapshot(&now) == 0);
            CHECK(now.node[node].live_blocks_now >= 1);
            p = nt_realloc(p, sizes[i] + 3); /* it stays on the node */
            CHECK(p);
            CHECK(nt_snapshot(&now) == 0);
            CHECK(now.node[node].live_blocks_now >= 1);
            nt_free(p);
        }
    for (size_t align = 1; align <= NT_MIB; align *= 8) {
        char *p = nt_aligned_alloc_onnode(align, 100, 2);
        CHECK(p && (uintptr_t)p % align == 0);
        CHECK(nt_snapshot(&now) == 0 && now.node[2].live_blocks_now >= 1);
        nt_free(p);
    }
    nt_free(first);
    CHECK(nt_snapshot(&now) == 0);
    CHECK(now.node[0].live_blocks_now == 0 && now.node[1].live_blocks_now == 0 &&
          now.node[2].live_blocks_now == 0);
    CHECK(now.node[0].allocations_total > 0 && now.node[2].allocations_total > 0);
    errno = 0;
    CHECK(!nt_malloc_onnode(too_much, 2) && errno == ENOMEM);
    errno = 0;
    CHECK(!nt_malloc_onnode(1, 3) && errno == EINVAL);
    errno = 0;
    CHECK(!nt_aligned_alloc_onnode(48, 1, 2) && errno == EINVAL);
    return 0;
}

int main(void)
{
    unsetenv("NUMATALLY_TOPOLOGY");
    struct CMUnitTest tests[] = {ACT(made_up), ACT(real), ACT(onnode_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
