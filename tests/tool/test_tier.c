/* SPDX-License-Identifier: MIT */
/* Kinds of memory, said and guessed, and lists of nodes in words. */
#include "tests/tool/machines.h"

#include "src/base/base.h"

static struct nt_machine m;
static hwloc_bitmap_t set;

static int make(void **state)
{
    (void)state;
    machine_make(&m);
    set = hwloc_bitmap_alloc();
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    nt__machine_free(&m);
    hwloc_bitmap_free(set);
    return 0;
}

static void test_words(void **state)
{
    (void)state;
    assert_int_equal(nt__tier_of_subtype(NULL), NT_TIER_NONE);
    assert_int_equal(nt__tier_of_subtype(""), NT_TIER_NONE);
    assert_int_equal(nt__tier_of_subtype("SPM"), NT_TIER_NONE);
    assert_int_equal(nt__tier_of_subtype("DRAM"), NT_TIER_DRAM);
    assert_int_equal(nt__tier_of_subtype("MCDRAM"), NT_TIER_HBM);
    assert_int_equal(nt__tier_of_subtype("HBM"), NT_TIER_HBM);
    assert_int_equal(nt__tier_of_subtype("CXL-DRAM"), NT_TIER_CXL);
    assert_int_equal(nt__tier_of_subtype("NVM"), NT_TIER_NVM);
    assert_int_equal(nt__tier_of_subtype("GPUMemory"), NT_TIER_GPU);
    assert_string_equal(nt__tier_word(NT_TIER_NONE), "none");
    assert_string_equal(nt__tier_word(NT_TIER_HBM), "hbm");
}

/* Node 3 has no cpus; what it is depends on the two bandwidths. */
static enum nt_tier guess(uint64_t dram, uint64_t other)
{
    for (size_t i = 0; i < m.nodes; i++) {
        m.node[i].tier = NT_TIER_NONE;
        m.node[i].tier_guessed = false;
        m.node[i].bandwidth_mib_s = 0;
    }
    m.node[1].bandwidth_mib_s = dram;
    m.node[2].bandwidth_mib_s = other;
    nt__tier_guess(&m);
    assert_int_equal(m.node[0].tier, NT_TIER_DRAM);
    assert_int_equal(m.node[1].tier, NT_TIER_DRAM);
    assert_int_equal(m.node[4].tier, NT_TIER_NONE);
    assert_false(m.node[0].tier_guessed || m.node[4].tier_guessed);
    assert_true(m.node[2].tier_guessed && m.node[3].tier_guessed);
    return m.node[2].tier;
}

static void test_guess(void **state)
{
    (void)state;
    assert_int_equal(guess(0, 0), NT_TIER_OTHER);
    assert_int_equal(guess(100, 0), NT_TIER_OTHER);
    assert_int_equal(guess(0, 100), NT_TIER_OTHER);
    assert_int_equal(guess(100, 99), NT_TIER_CXL);
    assert_int_equal(guess(100, 149), NT_TIER_OTHER);
    assert_int_equal(guess(100, 150), NT_TIER_HBM);
    m.node[2].tier = NT_TIER_NVM; /* what is said stays */
    m.node[2].tier_guessed = false;
    nt__tier_guess(&m);
    assert_true(m.node[2].tier == NT_TIER_NVM && !m.node[2].tier_guessed);
}

static const char *tier(const char *word)
{
    static char list[64];
    assert_true(nt__tier_nodes(&m, word, set));
    hwloc_bitmap_list_snprintf(list, sizeof list, set);
    return list;
}

static void test_nodes_of_tiers(void **state)
{
    (void)state;
    assert_string_equal(tier("dram"), "0-1");
    assert_string_equal(tier("HBM"), "3");
    assert_string_equal(tier("cxl"), ""); /* forbidden */
    assert_string_equal(tier("nvm"), "");
    assert_string_equal(tier("fastest"),
                        "3"); /* by its kind: not all bandwidths known */
    assert_string_equal(tier("largest"), "0-1");
    assert_false(nt__tier_nodes(&m, "none", set));
    assert_false(nt__tier_nodes(&m, "", set));
    assert_false(nt__tier_nodes(&m, "hb", set));
    m.node[3].allowed = true;
    assert_string_equal(tier("cxl"), "8");
    assert_string_equal(tier("largest"), "0-1"); /* of two alike the usual one */
    m.node[3].memory_bytes += 4096;
    assert_string_equal(tier("largest"), "8");
    for (size_t i = 0; i < m.nodes; i++)
        m.node[i].bandwidth_mib_s =
            100 + i; /* node 8's is the highest of those with memory */
    assert_string_equal(tier("fastest"), "8");
    m.node[3].tier = NT_TIER_GPU;
    assert_string_equal(tier("fastest"), "3");
    assert_string_equal(tier("gpu"), "8");
    for (size_t i = 0; i < m.nodes; i++)
        m.node[i].allowed = false;
    assert_string_equal(tier("fastest"), "");
    assert_string_equal(tier("largest"), "");
}

static void test_lists(void **state)
{
    static const struct {
        const char *list;
        const char *nodes; /* NULL: refused */
        const char *why;
    } cases[] = {
        {"0", "0", NULL},
        {"0-1", "0-1", NULL},
        {"3,0", "0,3", NULL},
        {"all", "0-1,3", NULL},
        {"!1", "0,3", NULL},
        {"!0-1", "3", NULL},
        {"hbm", "3", NULL},
        {"dram,3", "0-1,3", NULL},
        {"!dram", "3", NULL},
        {"!fastest", "0-1", NULL},
        {"2", NULL, "there is no node 2; this process may use 0-1,3"},
        {"0-3", NULL, "there is no node 2; this process may use 0-1,3"},
        {"99999999999999999999", NULL, "there is no node 18446744073709551615;"},
        {"8", NULL, "a cpuset forbids this process the memory of node 8;"},
        {"0,70", NULL, "there is no memory on node 70; this process may use 0-1,3"},
        {"!0-1,3", NULL, "no node is left"},
        {"nvm", NULL,
         "there is no nvm memory that this process may use; there is "
         "dram (nodes 0-1), hbm (node 3)"},
        {"cxl", NULL, "there is no cxl memory that this process may use"},
        {"", NULL, "\"\" is no node list such as 0-3,5, !2 or all, and no kind of"},
        {"!", NULL, "\"\" is no node list"},
        {"0,", NULL, "\"\" is no node list"},
        {"1-0", NULL, "\"1-0\" is no node list"},
        {"0-", NULL, "\"0-\" is no node list"},
        {"-1", NULL, "\"-1\" is no node list"},
        {"0x1", NULL, "\"0x1\" is no node list"},
        {"0 ", NULL, "\"0 \" is no node list"},
        {"0,all", NULL, "\"all\" is no node list"},
        {"hmb", NULL, "\"hmb\" is no node list"},
        {"+0", NULL, "\"+0\" is no node list"},
    };
    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        char why[512] = "", list[64];
        bool good = nt__machine_list(&m, cases[i].list, set, why, sizeof why);
        hwloc_bitmap_list_snprintf(list, sizeof list, set);
        if (good != (cases[i].nodes != NULL) ||
            (good && strcmp(list, cases[i].nodes) != 0))
            fail_msg("'%s' is %s (%s)", cases[i].list, good ? list : "refused", why);
        if (!good && strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("'%s' is refused with: %s", cases[i].list, why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test_setup_teardown(test_guess, make, unmake),
        cmocka_unit_test_setup_teardown(test_nodes_of_tiers, make, unmake),
        cmocka_unit_test_setup_teardown(test_lists, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
