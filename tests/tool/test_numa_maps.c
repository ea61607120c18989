/* SPDX-License-Identifier: MIT */
/* Where a process's memory lies: what numa_maps says, and processes that cannot be asked. */
#include "tests/tool/machines.h"

#include "src/base/base.h"

static struct nt_machine m;

static const char maps[] =
    "55e4c0000000 default file=/usr/bin/N0=99 mapped=10 N0=8 N1=2 kernelpagesize_kB=4\n"
    "7f0000000000 bind:3 anon=512 dirty=512 N3=512 kernelpagesize_kB=4\n"
    "7f1000000000 default file=/anon_hugepage\\040(deleted) huge anon=3 dirty=3 N1=3 "
    "kernelpagesize_kB=2048\n"
    "7f2000000000 default\n"
    "7f3000000000 default anon=1 N5=1 kernelpagesize_kB=4\n" /* no node of ours */
    "7f4000000000 default anon=1 N70=1\n"
    "7f5000000000 Nonsense N= Nx=3 N1 N1x=4 kernelpagesize_kB=64\n";

static void test_maps(void **state)
{
    FILE *f = tmpfile();
    (void)state;
    machine_make(&m);
    fputs(maps, f);
    rewind(f);
    nt__machine_numa_maps(&m, f);
    fclose(f);
    assert_int_equal(m.node[0].process_bytes, 8 * 4096);
    assert_int_equal(m.node[1].process_bytes, 2 * 4096 + 3 * 2048 * NT_KIB);
    assert_int_equal(m.node[2].process_bytes, 512 * 4096);
    assert_int_equal(m.node[3].process_bytes, 0);
    assert_int_equal(m.node[4].process_bytes, 4096);
    nt__machine_free(&m);
}

static void test_this_process(void **state)
{
    uint64_t all = 0;
    (void)state;
    if (access("/proc/self/numa_maps", R_OK) != 0)
        skip();
    unsetenv("NUMATALLY_TOPOLOGY");
    memset(&m, 0, sizeof m);
    assert_int_equal(nt__machine_from_library(&m), 0);
    assert_int_equal(nt__machine_process(&m, getpid()), 0);
    assert_int_equal(m.pid, getpid());
    assert_string_equal(m.command, "test_numa_maps");
    for (size_t i = 0; i < m.nodes; i++)
        all += m.node[i].process_bytes;
    assert_true(all >= 100 * NT_KIB);
    nt__machine_free(&m);
}

static pid_t asked;

static int act_ask(void)
{
    machine_make(&m);
    CHECK(nt__machine_process(&m, asked) == -1);
    nt__machine_free(&m);
    return 0;
}

static void test_refused(void **state)
{
    char said[4096];
    (void)state;
    asked = INT32_MAX; /* above any pid_max */
    assert_int_equal(child_status(act_ask, said, sizeof said), 0);
    assert_has(said, "--pid 2147483647: there is no such process");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_this_process),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
