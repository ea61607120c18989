/* SPDX-License-Identifier: MIT */
/* The public calls on nodes: this machine, a made-up one, every error. */
#include "tests/child.h"

#include <errno.h>
#include <numatally/numa.h>

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

static void test_nodes(void **state)
{
    (void)state;
    child_ok(act_made_up);
    child_ok(act_real);
}

int main(void)
{
    unsetenv("NUMATALLY_TOPOLOGY");
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nodes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
