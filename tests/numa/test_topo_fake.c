/* SPDX-License-Identifier: MIT */
/* NODESxCPUS: what is understood, how cpus fall to nodes, what is refused with a word. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_understood),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
