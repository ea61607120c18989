/* SPDX-License-Identifier: MIT */
/* Which source is picked, where a thread is said to run, and what node lists mean. */
#define _GNU_SOURCE
#include "numa/topo.h"

#include "tests/child.h"

#include <pthread.h>
#include <sched.h>

/* ---- Lists of numbers ---------------------------------------------------------- */

static char seen[64];

static bool note(void *context, unsigned long number)
{
    assert_ptr_equal(context, seen);
    assert_true(number < sizeof seen);
    seen[number] = 1;
    return number != 13;
}

static void check_list(const char *text, bool good, const char *numbers)
{
    memset(seen, 0, sizeof seen);
    if (nt__topo_list(text, sizeof seen, note, seen) != good)
        fail_msg("'%s' should be %s", text, good ? "understood" : "refused");
    for (unsigned i = 0; good && i < sizeof seen; i++) {
        char word[8];
        snprintf(word, sizeof word, " %u ", i);
        if ((strstr(numbers, word) != NULL) != (seen[i] == 1))
            fail_msg("'%s': %u is wrong", text, i);
    }
}

static void test_list(void **state)
{
    (void)state;
    check_list("0", true, " 0 ");
    check_list("0\n", true, " 0 ");
    check_list("3-5", true, " 3  4  5 ");
    check_list("0-1,7,9-10\n", true, " 0  1  7  9  10 ");
    check_list("62-99999999999", true, " 62  63 ");
    check_list("", true, "");
    check_list("\n", true, "");
    check_list("64", true, "");
    check_list("5-3", false, "");
    check_list("a", false, "");
    check_list("1;2", true, " 1  2 ");
    check_list("1-", false, "");
    check_list("-1", false, "");
    check_list("1-2-3", false, "");
    check_list(" 1", false, "");
    check_list("12-14", false, ""); /* `note` refuses 13 */
    check_list("99999999999999999999", false, "");
}

/* ---- Sources -------------------------------------------------------------------- */

static int act_fake(void)
{
    setenv("NUMATALLY_TOPOLOGY", "3x2", 1);
    nt__topo_start();
    CHECK(nt__topo()->nodes == 3 && nt__topo()->fake);
    CHECK(nt__topo_slot(0) == 0 && nt__topo_slot(2) == 2);
    CHECK(nt__topo_slot(3) == -1 && nt__topo_slot(-1) == -1);
    return 0;
}

static int act_real(void)
{
    unsetenv("NUMATALLY_TOPOLOGY");
    nt__topo_start();
    const struct nt_topo *t = nt__topo();
    CHECK(!t->fake && t->nodes >= 1 && t->nodes <= NT_TOPO_NODES);
    bool usable = false;
    for (unsigned i = 0; i < t->nodes; i++) {
        CHECK(nt__topo_slot(t->node[i].id) == (int)i);
        CHECK(i == 0 || t->node[i].id > t->node[i - 1].id);
        CHECK(t->node[i].distance[i] == NT_DISTANCE_HERE);
        CHECK(nt__topo_free_bytes(i) <= t->node[i].memory_bytes);
        usable |= t->node[i].has_memory && t->node[i].allowed;
    }
    CHECK(usable);
    CHECK(nt__topo_here() < t->nodes);
    return 0;
}

static int act_empty_is_none(void)
{
    setenv("NUMATALLY_TOPOLOGY", "", 1);
    nt__topo_start();
    CHECK(!nt__topo()->fake);
    return 0;
}

static int act_wrong(void)
{
    setenv("NUMATALLY_TOPOLOGY", "4x", 1);
    nt__topo_start();
    CHECK(!nt__topo()->fake && nt__topo()->nodes >= 1);
    return 0;
}

static void test_sources(void **state)
{
    char said[4096];
    (void)state;
    child_ok(act_fake);
    child_ok(act_real);
    assert_int_equal(child_status(act_empty_is_none, said, sizeof said), 0);
    assert_string_equal(said, "");
    assert_int_equal(child_status(act_wrong, said, sizeof said), 0);
    assert_non_null(strstr(said, "NUMATALLY_TOPOLOGY=4x"));
}

/* ---- Here ------------------------------------------------------------------------ */

static void *here_per_cpu(void *failed)
{
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof one, &one) != 0)
            continue;
        if (nt__topo_here() != nt__topo()->slot_of_cpu[cpu])
            *(bool *)failed = true;
    }
    return NULL;
}

static int act_here(void)
{
    pthread_t thread;
    bool failed = false;
    setenv("NUMATALLY_TOPOLOGY", "2x1", 1);
    nt__topo_start();
    here_per_cpu(&failed);
    CHECK(!failed);
    CHECK(pthread_create(&thread, NULL, here_per_cpu, &failed) == 0);
    pthread_join(thread, NULL);
    CHECK(!failed);
    return 0;
}

static int act_here_one_node(void)
{
    setenv("NUMATALLY_TOPOLOGY", "1x1", 1);
    nt__topo_start();
    CHECK(nt__topo_here() == 0);
    return 0;
}

static void test_here(void **state)
{
    (void)state;
    child_ok(act_here);
    child_ok(act_here_one_node);
}

/* glibc without rseq, as under valgrind: the kernel is asked. */
static void test_here_without_rseq(void **state)
{
    (void)state;
    char self[4096], command[8192];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    snprintf(command, sizeof command, "GLIBC_TUNABLES=glibc.pthread.rseq=0 '%s' here",
             self);
    assert_int_equal(system(command), 0);
}

/* ---- Lists of nodes ---------------------------------------------------------------- */

static int act_slots(void)
{
    static const struct {
        const char *list;
        uint64_t slots; /* 0: refused */
    } cases[] = {
        {"all", 15},
        {"0", 1},
        {"3", 8},
        {"0-3", 15},
        {"1,3", 10},
        {"!2", 11},
        {"!0-2", 8},
        {"!1,2", 9},
        {"", 0},
        {"4", 0},
        {"0,4", 0},
        {"!4", 0},
        {"!0-3", 0},
        {"2-1", 0},
        {"x", 0},
        {"all but", 0},
        {"!", 0},
        {"!all", 0},
        {"0 1", 0},
        {"0-9999", 0},
        {"0,5000", 0},
        {"5000", 0},
        {"0,", 0},
        {"0\n", 0},
        {"0,99999999999999999999", 0},
        {"0-4000000000", 0},
    };
    setenv("NUMATALLY_TOPOLOGY", "4x1", 1);
    nt__topo_start();
    int wrong = 0;
    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        uint64_t slots = 0;
        bool good = nt__topo_slots(cases[i].list, &slots);
        if (good == (cases[i].slots != 0) && (!good || slots == cases[i].slots))
            continue;
        fprintf(stderr, "node list '%s': %d, slots %llx\n", cases[i].list, good,
                (unsigned long long)slots);
        wrong = 1;
    }
    return wrong;
}

static int act_slots_most(void)
{
    uint64_t slots = 0;
    setenv("NUMATALLY_TOPOLOGY", "64x1", 1);
    nt__topo_start();
    CHECK(nt__topo_slots("all", &slots) && slots == UINT64_MAX);
    CHECK(nt__topo_slots("63", &slots) && slots == (uint64_t)1 << 63);
    return 0;
}

static void test_slots(void **state)
{
    (void)state;
    child_ok(act_slots);
    child_ok(act_slots_most);
}

/* ---- The nearest ------------------------------------------------------------------- */

/* Four nodes: 1 has no cpus and is the nearest of all to 0; 3 and 5 are equally far. */
static int act_nearest(void)
{
    setenv("NUMATALLY_TOPOLOGY",
           "node0:cpus=0:distance=10,12,30,30/node1:mem=4G:distance=12,10,40,35/"
           "node3:cpus=1:distance=30,40,10,21/node5:cpus=2:distance=30,35,21,10",
           1);
    nt__topo_start();
    CHECK(nt__topo()->fake && nt__topo()->nodes == 4);
    CHECK(nt__topo_nearest(0, 15) == 0); /* itself */
    CHECK(nt__topo_nearest(0, 14) == 2); /* cpus before none, then the lower slot */
    CHECK(nt__topo_nearest(0, 10) == 3);
    CHECK(nt__topo_nearest(0, 2) == 1); /* nothing else is left */
    CHECK(nt__topo_nearest(1, 13) == 0);
    CHECK(nt__topo_nearest(1, 12) == 3);
    CHECK(nt__topo_nearest(1, 15) == 0); /* even before itself: it has no cpus */
    CHECK(nt__topo_nearest(3, 7) == 2);
    CHECK(nt__topo_free_bytes(0) == 0); /* not known */
    CHECK(nt__topo_free_bytes(1) == 4 * NT_GIB);
    CHECK(nt__topo_slot(5) == 3 && nt__topo_slot(2) == -1);
    return 0;
}

static int act_nearest_of_most(void)
{
    setenv("NUMATALLY_TOPOLOGY", "64x1", 1);
    nt__topo_start();
    CHECK(nt__topo_nearest(63, UINT64_MAX) == 63);
    CHECK(nt__topo_nearest(63, UINT64_MAX >> 1) == 0);
    CHECK(nt__topo_nearest(0, (uint64_t)1 << 63) == 63);
    return 0;
}

static int act_forbidden(void)
{
    uint64_t slots = 0;
    setenv("NUMATALLY_TOPOLOGY",
           "node70:cpus=0:forbidden/node80:cpus=1/node90:cpus=2:mem=0/node99", 1);
    nt__topo_start();
    CHECK(nt__topo_usable() == 10);
    CHECK(nt__topo_slots("all", &slots) && slots == 10);
    CHECK(nt__topo_slots("80,99", &slots) && slots == 10);
    CHECK(nt__topo_slots("!99", &slots) && slots == 2);
    CHECK(!nt__topo_slots("70", &slots) && !nt__topo_slots("90", &slots));
    CHECK(!nt__topo_slots("0", &slots));
    return 0;
}

static void test_nearest(void **state)
{
    (void)state;
    child_ok(act_nearest);
    child_ok(act_nearest_of_most);
    child_ok(act_forbidden);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "here") == 0)
        return act_here();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),  cmocka_unit_test(test_sources),
        cmocka_unit_test(test_here),  cmocka_unit_test(test_here_without_rseq),
        cmocka_unit_test(test_slots), cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
