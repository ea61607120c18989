/* SPDX-License-Identifier: MIT */
/* Made-up machines: what is understood, how cpus fall to nodes, and that what is not
 * understood is named. */
#include "numa/topo.h"

#include "tests/child.h"

static struct nt_topo t;

static void check_machine(const char *text, unsigned nodes, unsigned cpus)
{
    memset(&t, 0, sizeof t);
    assert_true(nt__topo_fake(&t, text));
    assert_int_equal(t.nodes, nodes);
    assert_true(t.fake);
    for (unsigned i = 0; i < nodes; i++)
        assert_true(t.node[i].id == (int)i && t.node[i].has_memory &&
                    t.node[i].has_cpus && t.node[i].allowed &&
                    t.node[i].memory_bytes == 0);
    for (unsigned from = 0; from < nodes; from++)
        for (unsigned to = 0; to < nodes; to++)
            assert_int_equal(t.node[from].distance[to], from == to ? 10 : 20);
    for (unsigned cpu = 0; cpu < NT_TOPO_CPUS; cpu++)
        assert_int_equal(t.slot_of_cpu[cpu], cpu / cpus % nodes);
}

static void test_understood(void **state)
{
    (void)state;
    check_machine("1x1", 1, 1);
    check_machine("2x1", 2, 1);
    check_machine("2x4", 2, 4);
    check_machine("3x5", 3, 5);
    check_machine("64x128", 64, 128);
    check_machine("1x8192", 1, 8192);
}

static const char *const wrong[] = {
    "",
    "x",
    "2",
    "2x",
    "x2",
    "0x1",
    "2x0",
    "65x1",
    "1x8193",
    "2x4x",
    "2x4 ",
    "2X4",
    "-1x2",
    "2x-1",
    "two by four",
    "2,4",
    "99999999999999999999x1",
    "1x99999999999999999999",
};

static const char *text;

static void check_nodes(const char *nodes, unsigned count)
{
    memset(&t, 0, sizeof t);
    if (!nt__topo_fake(&t, nodes))
        fail_msg("'%s' was refused", nodes);
    assert_int_equal(t.nodes, count);
    assert_true(t.fake);
}

static void test_nodes(void **state)
{
    (void)state;
    check_nodes("node0:cpus=0-3,8:mem=16G:distance=10,17,255/"
                "node2:mem=64G:distance=17,10,28/"
                "node1000:distance=33,28,10:forbidden:cpus=4-7:mem=0",
                3);
    assert_int_equal(t.node[0].id, 0);
    assert_int_equal(t.node[1].id, 2);
    assert_int_equal(t.node[2].id, 1000);
    assert_true(t.node[0].has_cpus && !t.node[1].has_cpus && t.node[2].has_cpus);
    assert_true(t.node[0].has_memory && t.node[1].has_memory && !t.node[2].has_memory);
    assert_true(t.node[0].allowed && t.node[1].allowed && !t.node[2].allowed);
    assert_int_equal(t.node[0].memory_bytes, 16 * NT_GIB);
    assert_int_equal(t.node[1].memory_bytes, 64 * NT_GIB);
    static const uint8_t distance[3][3] = {{10, 17, 255}, {17, 10, 28}, {33, 28, 10}};
    static const uint8_t slot[18] = {0, 0, 0, 0, 2, 2, 2, 2, 0,
                                     0, 0, 0, 0, 2, 2, 2, 2, 0};
    for (unsigned i = 0; i < 3; i++)
        for (unsigned j = 0; j < 3; j++)
            assert_int_equal(t.node[i].distance[j], distance[i][j]);
    for (unsigned cpu = 0; cpu < NT_ARRAY_LEN(slot); cpu++)
        assert_int_equal(t.slot_of_cpu[cpu], slot[cpu]);
}

static void test_nodes_left_out(void **state)
{
    (void)state;
    check_nodes("node5:cpus=2,4", 1); /* the least: memory, of unknown size */
    assert_true(t.node[0].id == 5 && t.node[0].has_memory && t.node[0].allowed);
    assert_int_equal(t.node[0].memory_bytes, 0);
    for (unsigned cpu = 0; cpu < NT_TOPO_CPUS; cpu++)
        assert_int_equal(t.slot_of_cpu[cpu], 0);
    check_nodes("node0/node1/node2:cpus=1,3:mem=3K/node3:cpus=2:mem=5T", 4);
    assert_int_equal(t.node[2].memory_bytes, 3 * NT_KIB);
    assert_int_equal(t.node[3].memory_bytes, 5 * NT_KIB * NT_GIB);
    assert_int_equal(t.slot_of_cpu[0], 2); /* named nowhere: the first node with cpus */
    assert_int_equal(t.slot_of_cpu[2], 3);
    assert_int_equal(t.slot_of_cpu[6], 3);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned j = 0; j < 4; j++)
            assert_int_equal(t.node[i].distance[j], i == j ? 10 : 20);
    check_nodes("node0:cpus=0,8191-99999:mem=67108864G", 1);
    assert_int_equal(t.node[0].memory_bytes, (uint64_t)1 << 56);
}

static void test_most_nodes(void **state)
{
    static char all[4096];
    char *at = all;
    (void)state;
    for (unsigned i = 0; i < NT_TOPO_NODES; i++)
        at += sprintf(at, "%snode%u:cpus=%u:mem=1M", i ? "/" : "", i + 960, i);
    check_nodes(all, NT_TOPO_NODES);
    assert_int_equal(t.node[63].id, 1023);
    assert_int_equal(t.slot_of_cpu[63], 63);
}

/* The text, and what the one line about it must say. */
static const struct {
    const char *text, *says;
} wrong_nodes[] = {
    {"node", "\"node\" is no node"},
    {"nodex", "\"nodex\" is no node"},
    {"node-1", "\"node-1\" is no node"},
    {"node1024:cpus=0", "\"node1024\" is no node: its number may be 0 to 1023"},
    {"node0 :cpus=0", "\"node0 \" is no node"},
    {"node0:cpus=0/", "\"\" is no node"},
    {"node0:cpus=0/nod1", "\"nod1\" is no node"},
    {"node0:cpus=0/node0:cpus=1", "\"node0\" is not in rising order"},
    {"node1:cpus=0/node0:cpus=1", "\"node0\" is not in rising order"},
    {"node0:", "node0: \"\" is unknown; a node has cpus=LIST, mem=SIZE"},
    {"node0:cpu=0", "node0: \"cpu=0\" is unknown"},
    {"node0:CPUS=0", "node0: \"CPUS=0\" is unknown"},
    {"node0:cpus=", "node0: \"cpus=\" is no list of cpus such as 0-3,8"},
    {"node0:cpus=0-", "goes on where"},
    {"node0:cpus=0,", "node0: \"cpus=0,\" is no list of cpus"},
    {"node0:cpus=3-1", "node0: \"cpus=3-1\" is no list of cpus"},
    {"node0:cpus=0-3/node7:cpus=3",
     "node7: \"cpus=3\" names a cpu for the second time"},
    {"node0:cpus=0,0", "names a cpu for the second time"},
    {"node0:cpus=0:cpus=1", "node0: \"cpus=1\" is said for the second time"},
    {"node0:cpus=0:mem=", "node0: \"mem=\" is no size such as 16G"},
    {"node0:cpus=0:mem=16", "node0: \"mem=16\" lacks its unit: K, M, G or T"},
    {"node0:cpus=0:mem=16g", "node0: \"mem=16g\" lacks its unit"},
    {"node0:cpus=0:mem=-1G", "is no size"},
    {"node0:cpus=0:mem=1GB", "node0: \"mem=1GB\" goes on where"},
    {"node0:cpus=0:mem=65537T", "node0: \"mem=65537T\" is too large"},
    {"node0:cpus=0:mem=99999999999999999999T", "is no size"},
    {"node0:cpus=0:distance=", "node0: \"distance=\" is no list of distances"},
    {"node0:cpus=0:distance=9", "is no list of distances from 10 to 255"},
    {"node0:cpus=0:distance=256", "is no list of distances from 10 to 255"},
    {"node0:cpus=0:distance=10,", "is no list of distances"},
    {"node0:cpus=0:distance=11", "node0: distance= must be 10 to itself"},
    {"node0:cpus=0:distance=10,20", "node0: distance= must have one number for each"},
    {"node0:cpus=0/node1:distance=10,20", "node1: distance= must be 10 to itself"},
    {"node0:cpus=0/node1:distance=10,10", "node1: distance= must be 10 to itself"},
    {"node0:cpus=0/node1:distance=20",
     "node1: distance= must have one number for each"},
    {"node0:cpus=0:forbiddenX", "node0: \"forbiddenX\" goes on where"},
    {"node0:cpus=0:forbidden", "no node has memory that is not forbidden"},
    {"node0:cpus=0:mem=0", "no node has memory that is not forbidden"},
    {"node0:mem=1G", "no node has cpus"},
    {"node0:cpus=9000", "no node has cpus"},
    {"node0:abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv",
     "abcdefghijklmnopqrstuvwxyzabcdefgh...\" is unknown"},
};

static int act_refused(void)
{
    struct nt_topo before;
    memset(&t, 0, sizeof t);
    before = t;
    CHECK(!nt__topo_fake(&t, text));
    CHECK(memcmp(&t, &before, sizeof t) == 0);
    return 0;
}

static void test_refused(void **state)
{
    char said[4096];
    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(wrong); i++) {
        text = wrong[i];
        int status = child_status(act_refused, said, sizeof said);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("'%s' was not refused: %s", text, said);
        char value[64];
        snprintf(value, sizeof value, "NUMATALLY_TOPOLOGY=%s ", text);
        if (!strstr(said, value) || !strstr(said, "2x4"))
            fail_msg("'%s' is refused without its name or an example: %s", text, said);
    }
}

static void test_nodes_refused(void **state)
{
    char said[4096];
    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(wrong_nodes); i++) {
        text = wrong_nodes[i].text;
        int status = child_status(act_refused, said, sizeof said);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("'%s' was not refused: %s", text, said);
        const char *line = strchr(said, '\n');
        if (!strstr(said, wrong_nodes[i].says) ||
            !strstr(said, "NUMATALLY_TOPOLOGY: ") ||
            !strstr(said, "; using the real machine") || !line || line[1])
            fail_msg("'%s' is refused without '%s': %s", text, wrong_nodes[i].says,
                     said);
    }
}

static int act_too_many(void)
{
    static char all[4096];
    char *at = all;
    for (unsigned i = 0; i <= NT_TOPO_NODES; i++)
        at += sprintf(at, "%snode%u:cpus=%u", i ? "/" : "", i, i);
    text = all;
    return act_refused();
}

static int act_too_many_distances(void)
{
    static char all[4096];
    char *at = all + sprintf(all, "node0:cpus=0:distance=10");
    for (unsigned i = 0; i < NT_TOPO_NODES; i++)
        at += sprintf(at, ",20");
    text = all;
    return act_refused();
}

static void test_too_many(void **state)
{
    char said[4096];
    (void)state;
    assert_int_equal(child_status(act_too_many, said, sizeof said), 0);
    assert_non_null(strstr(said, "\"node64\" is one too many"));
    assert_int_equal(child_status(act_too_many_distances, said, sizeof said), 0);
    assert_non_null(strstr(said, "has more than 64 distances"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_understood), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nodes),      cmocka_unit_test(test_nodes_left_out),
        cmocka_unit_test(test_most_nodes), cmocka_unit_test(test_nodes_refused),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
