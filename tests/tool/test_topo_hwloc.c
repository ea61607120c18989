/* SPDX-License-Identifier: MIT */
/* Machines from hwloc's XML files: cpus given to one node each, kinds, distances. */
#include "tests/tool/machines.h"

#include "src/base/base.h"

#include <libgen.h>

static struct nt_machine m;

static const char *path_of(const char *name)
{
    static char path[4096];
    const char *source = getenv("NT_SOURCE");
    char here[] = __FILE__;
    snprintf(path, sizeof path, "%s%s/topo/%s", source ? source : "",
             source ? "/tests/tool" : dirname(here), name);
    return path;
}

/* The machine as its line, which has all but kinds and figures. */
static const char *line_of(const char *name)
{
    static char line[4096];
    FILE *out = tmpfile();
    if (nt__machine_read(&m, path_of(name)) != 0)
        fail_msg("%s was refused", name);
    assert_int_equal(nt__machine_export(&m, out), 0);
    rewind(out);
    line[fread(line, 1, sizeof line - 1, out)] = '\0';
    line[strcspn(line, "\n")] = '\0';
    fclose(out);
    assert_int_equal(m.source, NT_MACHINE_FILE);
    return line;
}

static void test_two_sockets(void **state)
{
    (void)state;
    assert_string_equal(line_of("two.xml"), "node0:cpus=0-7:mem=64G:distance=10,21/"
                                            "node1:cpus=8-15:mem=64G:distance=21,10");
    assert_true(m.distances_known && !m.node[0].free_known);
    assert_true(m.node[1].tier == NT_TIER_DRAM && !m.node[1].tier_guessed);
    nt__machine_free(&m);
}

static void test_sub_numa(void **state)
{
    (void)state;
    assert_string_equal(line_of("snc.xml"),
                        "node0:cpus=0-3:mem=32G:distance=10,12,21,21/"
                        "node1:cpus=4-7:mem=32G:distance=12,10,21,21/"
                        "node2:cpus=8-11:mem=32G:distance=21,21,10,12/"
                        "node3:cpus=12-15:mem=32G:distance=21,21,12,10");
    nt__machine_free(&m);
}

/* To hwloc each HBM node has its socket's cpus; to Linux the DRAM node has them. */
static void test_hbm(void **state)
{
    (void)state;
    assert_string_equal(line_of("hbm.xml"),
                        "node0:cpus=0-3:mem=128G:distance=10,21,13,23/"
                        "node1:cpus=4-7:mem=128G:distance=21,10,23,13/"
                        "node2:mem=64G:distance=13,23,10,23/"
                        "node3:mem=64G:distance=23,13,23,10");
    assert_int_equal(m.node[0].tier, NT_TIER_DRAM);
    assert_int_equal(m.node[3].tier, NT_TIER_HBM);
    assert_false(m.node[3].tier_guessed);
    assert_int_equal(m.node[3].bandwidth_mib_s, 700000);
    assert_int_equal(m.node[0].latency_ns, 95);
    nt__machine_free(&m);
}

/* Memory of the whole machine, of which only the figures tell what it is. */
static void test_cxl(void **state)
{
    (void)state;
    assert_string_equal(
        line_of("cxl.xml"),
        "node0:cpus=0-3:mem=128G/node1:cpus=4-7:mem=128G/node2:mem=256G");
    assert_false(m.distances_known);
    assert_int_equal(m.distance[2], 20);
    assert_true(m.node[2].tier == NT_TIER_CXL && m.node[2].tier_guessed);
    nt__machine_free(&m);
}

static const char *wrong;

static int act_wrong(void)
{
    return nt__machine_read(&m, wrong) != -1 || m.node != NULL;
}

static void test_refused(void **state)
{
    char said[4096];
    (void)state;
    wrong = "/nonexistent/file.xml";
    assert_int_equal(child_status(act_wrong, said, sizeof said), 0);
    assert_has(said, "--input /nonexistent/file.xml cannot be read: No such file");
    wrong = path_of("../lib.bash");
    assert_int_equal(child_status(act_wrong, said, sizeof said), 0);
    assert_has(said, "write one with: lstopo FILE.xml");
    assert_has(said, wrong);
    wrong = "/";
    assert_int_equal(child_status(act_wrong, said, sizeof said), 0);
}

static void test_this_machine(void **state)
{
    (void)state;
    unsetenv("NUMATALLY_TOPOLOGY");
    unsetenv("HWLOC_XMLFILE");
    assert_int_equal(nt__machine_read(&m, NULL), 0);
    assert_int_equal(m.source, NT_MACHINE_THIS);
    assert_true(m.nodes >= 1);
    nt__machine_free(&m);
}

static void test_hwlocs_variable(void **state)
{
    (void)state;
    setenv("HWLOC_XMLFILE", path_of("hbm.xml"), 1); /* hwloc's own variable */
    assert_int_equal(nt__machine_read(&m, NULL), 0);
    assert_int_equal(m.source, NT_MACHINE_FILE);
    assert_int_equal(m.nodes, 4);
    nt__machine_free(&m);
    unsetenv("HWLOC_XMLFILE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_sockets),
        cmocka_unit_test(test_sub_numa),
        cmocka_unit_test(test_hbm),
        cmocka_unit_test(test_cxl),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test(test_hwlocs_variable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
