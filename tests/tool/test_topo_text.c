/* SPDX-License-Identifier: MIT */
/* A machine as text and as a line; sizes in words. */
#include "tests/tool/machines.h"

static struct nt_machine m;

static void test_sizes(void **state)
{
    char buf[32];
    (void)state;
    assert_string_equal(nt__size_text(buf, sizeof buf, 0), "0.00 MiB");
    assert_string_equal(nt__size_text(buf, sizeof buf, 10240), "0.01 MiB");
    assert_string_equal(nt__size_text(buf, sizeof buf, 1023u << 20), "1023.00 MiB");
    assert_string_equal(nt__size_text(buf, sizeof buf, 1u << 30), "1.00 GiB");
    assert_string_equal(nt__size_text(buf, sizeof buf, (uint64_t)3 << 39), "1.50 TiB");
    assert_string_equal(nt__size_text(buf, sizeof buf, (uint64_t)1 << 63),
                        "8192.00 PiB");
}

static const char want[] =
    "some/<dir>/a&b.xml: 5 nodes (0-1,3,8,70), 9 cpus, 36.00 GiB of memory\n"
    "\n"
    "node       memory         free  tier     bandwidth  latency  allowed  cpus\n"
    "   0     8.00 GiB     2.00 GiB  dram             -        -  yes      0-3\n"
    "   1     8.00 GiB            -  dram             -        -  yes      4-7\n"
    "   3     4.00 GiB            -  hbm?     2.0 GiB/s   130 ns  yes      none\n"
    "   8    16.00 GiB            -  cxl              -        -  no       none\n"
    "  70         none            -  none             -        -  -        9\n"
    "\n"
    "Node distances\n"
    "node    0    1    3    8   70\n"
    "   0   10   12   20   20   20\n"
    "   1   12   10   20   20   20\n"
    "   3   20   20   10   20   20\n"
    "   8   20   20   20   10   20\n"
    "  70   20   20   20   20   10\n"
    "\n"
    "Tiers, as in \"numatally run --membind=TIER\"\n"
    "dram     nodes 0-1 (16.00 GiB)\n"
    "hbm      node 3 (4.00 GiB)\n"
    "fastest  node 3 (4.00 GiB)\n"
    "largest  nodes 0-1 (16.00 GiB)\n"
    "? = the machine does not say; guessed from the bandwidth\n";

static void test_text(void **state)
{
    const char *text;
    (void)state;
    machine_make(&m);
    assert_string_equal(printed(nt__machine_text, &m), want);
    m.pid = 12;
    strcpy(m.command, "prog");
    m.node[1].process_bytes = 3 << 20;
    m.node[1].memory_bytes = 0;
    m.distances_known = false;
    text = printed(nt__machine_text, &m);
    assert_has(text, "process  tier");
    assert_has(text, "   1    not known            -     3.00 MiB  dram");
    assert_has(text, "process = pages that 12 (prog) has in memory there\n");
    assert_has(text, "Node distances (not said, so assumed)\n");
    nt__machine_free(&m);
}

static int status;

static void export(const struct nt_machine *of, FILE *out)
{
    status = nt__machine_export(of, out);
}

static void test_export(void **state)
{
    (void)state;
    machine_make(&m);
    m.node[1].memory_bytes += 1536; /* a part of a KiB is dropped */
    m.distance[7] = 5;              /* no distance is below 11 */
    m.node[2].memory_bytes = 0;     /* not known */
    assert_string_equal(printed(export, &m),
                        "node0:cpus=0-3:mem=8G:distance=10,12,20,20,20/"
                        "node1:cpus=4-7:mem=8388609K:distance=12,10,11,20,20/"
                        "node3/node8:mem=16G:forbidden/node70:cpus=9:mem=0\n");
    assert_int_equal(status, 0);
    nt__machine_free(&m);
}

static int act_unspeakable(void)
{
    machine_make(&m);
    m.node[4].id = 1024;
    CHECK(nt__machine_export(&m, stderr) == -1);
    m.node[4].id = 70;
    for (size_t i = 0; i < m.nodes; i++)
        m.node[i].allowed = false;
    CHECK(nt__machine_export(&m, stderr) == -1);
    for (size_t i = 0; i < m.nodes; i++)
        hwloc_bitmap_zero(m.node[i].cpus);
    CHECK(nt__machine_export(&m, stderr) == -1);
    nt__machine_free(&m);
    CHECK(nt__machine_init(&m, 65) == 0);
    CHECK(nt__machine_export(&m, stderr) == -1);
    return 0;
}

static void test_unspeakable(void **state)
{
    char said[4096];
    (void)state;
    assert_int_equal(child_status(act_unspeakable, said, sizeof said), 0);
    assert_has(said, "--export: the machine has a node with a number above 1023:");
    assert_has(said, "no memory that may be used");
    assert_has(said, "no node with cpus");
    assert_has(said, "more than 64 nodes");
    assert_null(strstr(said, "node0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_unspeakable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
