/* SPDX-License-Identifier: MIT */
/* The machine as the library sees it: this one and made-up ones, with their cpus. */
#include "tests/tool/machines.h"

#include <numatally/numa.h>

static struct nt_machine m;

static int read_made_up(const char *text)
{
    setenv("NUMATALLY_TOPOLOGY", text, 1);
    return nt__machine_from_library(&m);
}

static bool has_cpus(size_t node, const char *want)
{
    char list[256];
    hwloc_bitmap_list_snprintf(list, sizeof list, m.node[node].cpus);
    return strcmp(list, want) == 0;
}

static int act_equal(void)
{
    CHECK(read_made_up("3x2") == 0);
    CHECK(m.source == NT_MACHINE_MADE_UP && m.nodes == 3 && m.distances_known);
    CHECK(has_cpus(0, "0-1") && has_cpus(2, "4-5"));
    CHECK(m.node[1].has_memory && m.node[1].memory_bytes == 0 && !m.node[1].free_known);
    CHECK(m.distance[0] == 10 && m.distance[1] == 20);
    CHECK(nt__machine_index(&m, 2) == 2 && nt__machine_index(&m, 3) == -1);
    nt__machine_free(&m);
    CHECK(m.node == NULL && m.nodes == 0);
    return 0;
}

static int act_nodes(void)
{
    CHECK(read_made_up("node3:mem=1G:cpus=0-1,4:distance=10,33/"
                       "node90:mem=2M:distance=34,10:forbidden") == 0);
    CHECK(m.source == NT_MACHINE_MADE_UP && m.nodes == 2);
    CHECK(m.node[0].id == 3 && has_cpus(0, "0-1,4") && m.node[0].allowed);
    CHECK(m.node[1].id == 90 && has_cpus(1, "") && !m.node[1].allowed);
    CHECK(m.node[1].memory_bytes == 2u << 20 && m.node[1].free_known);
    CHECK(m.distance[1] == 33 && m.distance[2] == 34);
    return 0;
}

/* Settings are not the tool's: without a report of itself, and left as they were. */
static int act_settings(void)
{
    setenv("NUMATALLY_CONF", "report:exit,nonsense", 1);
    setenv("NUMATALLY_RUN", "1:/nowhere:1", 1);
    CHECK(read_made_up("2x1") == 0);
    CHECK(strcmp(getenv("NUMATALLY_CONF"), "report:exit,nonsense") == 0);
    CHECK(strcmp(getenv("NUMATALLY_RUN"), "1:/nowhere:1") == 0);
    CHECK(getenv("NUMATALLY_CONF_FILE") == NULL);
    return 0;
}

static int act_real(void)
{
    int cpus = 0;
    unsetenv("NUMATALLY_TOPOLOGY");
    CHECK(nt__machine_from_library(&m) == 0);
    CHECK(m.source == NT_MACHINE_THIS && m.nodes == nt_node_count());
    for (size_t i = 0; i < m.nodes; i++)
        cpus += hwloc_bitmap_weight(m.node[i].cpus);
    CHECK(access("/sys/devices/system/node", R_OK) != 0 || cpus >= 1);
    return 0;
}

static void test_library(void **state)
{
    char said[4096];
    (void)state;
    child_ok(act_equal);
    child_ok(act_nodes);
    child_ok(act_real);
    assert_int_equal(child_status(act_settings, said, sizeof said), 0);
    assert_string_equal(said, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_library)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
