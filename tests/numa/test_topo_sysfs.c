/* SPDX-License-Identifier: MIT */
/* /sys/devices/system/node as many machines have it, written here into a folder. */
#define _GNU_SOURCE
#include "numa/topo.h"

#include "tests/child.h"

#include <errno.h>
#include <ftw.h>
#include <linux/mempolicy.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static struct nt_topo t;
static char folder[] = "/tmp/nt-sysfs-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return strcmp(path, folder) == 0 ? 0 : remove(path);
}

static int empty(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void put_node(unsigned id, const char *cpulist)
{
    char name[64];
    snprintf(name, sizeof name, "%s/node%u", folder, id);
    assert_int_equal(mkdir(name, 0700), 0);
    snprintf(name, sizeof name, "node%u/cpulist", id);
    put(name, cpulist);
}

static void put_in_node(unsigned id, const char *leaf, const char *text)
{
    char name[64];
    snprintf(name, sizeof name, "node%u/%s", id, leaf);
    put(name, text);
}

static bool kernel_allows(unsigned id)
{
    unsigned long mask[NT_NODE_ID_MAX / (8 * sizeof(unsigned long))] = {0};
    unsigned bits = 8 * sizeof mask[0];
    if (syscall(SYS_get_mempolicy, NULL, mask, NT_NODE_ID_MAX, NULL,
                MPOL_F_MEMS_ALLOWED) != 0)
        return true;
    return mask[id / bits] >> id % bits & 1;
}

static void test_two_nodes(void **state)
{
    (void)state;
    put("online", "0-1\n");
    put("has_memory", "0-1\n");
    put_node(0, "0-3,8-11\n");
    put_node(1, "4-7,12-15\n");
    assert_true(nt__topo_sysfs(&t, folder));
    assert_int_equal(t.nodes, 2);
    assert_false(t.fake);
    for (unsigned cpu = 0; cpu < 16; cpu++)
        assert_int_equal(t.slot_of_cpu[cpu], cpu / 4 % 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(t.node[i].id, i);
        assert_true(t.node[i].has_memory && t.node[i].has_cpus);
        assert_int_equal(t.node[i].allowed, kernel_allows(i));
    }
}

/* Every file that was opened is closed again, also where nothing is to be read. */
static void test_closes(void **state)
{
    (void)state;
    int before = dup(STDIN_FILENO);
    assert_true(before >= 0);
    close(before);
    put("online", "0-1\n");
    put_node(0, "0\n");
    put_in_node(0, "meminfo", "Node 0 MemTotal: 1024 kB\nNode 0 MemFree: 512 kB\n");
    assert_true(nt__topo_sysfs(&t, folder));
    assert_int_equal(nt__topo_sysfs_free(folder, 0), 512 * NT_KIB);
    put("online", "none\n");
    memset(&t, 0, sizeof t);
    assert_false(nt__topo_sysfs(&t, folder));
    assert_false(nt__topo_sysfs(&t, "/nonexistent"));
    assert_int_equal(nt__topo_sysfs_free("/nonexistent", 0), 0);
    int after = dup(STDIN_FILENO);
    close(after);
    assert_int_equal(after, before);
}

static void test_huge_always(void **state)
{
    static const struct {
        const char *text;
        bool always;
    } texts[] = {{"[always] madvise never\n", true},
                 {"always [madvise] never\n", false},
                 {"always madvise [never]\n", false},
                 {"", false}};
    char path[256];
    (void)state;
    snprintf(path, sizeof path, "%s/enabled", folder);
    for (size_t i = 0; i < NT_ARRAY_LEN(texts); i++) {
        put("enabled", texts[i].text);
        assert_int_equal(nt__topo_sysfs_huge_always(path), texts[i].always);
    }
    errno = 5;
    assert_false(nt__topo_sysfs_huge_always("/nonexistent"));
    assert_int_equal(errno, 5);
}

static void test_holes_in_numbers(void **state)
{
    (void)state;
    put("online", "0,3-4,250\n");
    put("has_memory", "0,3-4,250\n");
    put_node(0, "0\n");
    put_node(3, "1\n");
    put_node(4, "2\n");
    put_node(250, "3,8191-9000\n"); /* cpus beyond what is kept are left out */
    assert_true(nt__topo_sysfs(&t, folder));
    assert_int_equal(t.nodes, 4);
    static const int id[] = {0, 3, 4, 250};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(t.node[i].id, id[i]);
        assert_int_equal(t.slot_of_cpu[i], i);
        assert_int_equal(t.node[i].allowed, kernel_allows((unsigned)id[i]));
    }
    assert_int_equal(t.slot_of_cpu[8191], 3);
}

static void test_without_memory_or_cpus(void **state)
{
    (void)state;
    put("online", "0-2\n");
    put("has_memory", "1-2\n");
    put_node(0, "0-1\n");
    put_node(1, "2-3\n");
    put_node(2, "\n");
    assert_true(nt__topo_sysfs(&t, folder));
    assert_int_equal(t.nodes, 3);
    assert_true(!t.node[0].has_memory && t.node[0].has_cpus);
    assert_true(t.node[1].has_memory && t.node[1].has_cpus);
    assert_true(t.node[2].has_memory && !t.node[2].has_cpus);
}

static void test_missing_files(void **state)
{
    (void)state;
    assert_false(nt__topo_sysfs(&t, "/nonexistent/folder"));
    assert_false(nt__topo_sysfs(&t, folder)); /* nothing in it */
    assert_int_equal(t.nodes, 0);
    put("online", "0-1\n"); /* no has_memory: all have some; no cpulist: no cpus */
    assert_true(nt__topo_sysfs(&t, folder));
    assert_int_equal(t.nodes, 2);
    for (unsigned i = 0; i < 2; i++)
        assert_true(t.node[i].has_memory && !t.node[i].has_cpus);
}

static void test_garbage_online(void **state)
{
    static const char *const wrong[] = {"",       "\n",     "none\n", "3-1\n",
                                        "0-\n",   "-1\n",   "0-1x\n", "0 1\n",
                                        "0,,1\n", "1-2-3\n"};
    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(wrong); i++) {
        memset(&t, 0, sizeof t);
        put("online", wrong[i]);
        if (nt__topo_sysfs(&t, folder))
            fail_msg("'%s' was taken", wrong[i]);
    }
}

static void test_garbage_elsewhere(void **state)
{
    (void)state;
    put("online", "0-1\n");
    put("has_memory", "what?\n");
    put_node(0, "0-1,oops");
    put_node(1, "99999999999999999999\n");
    assert_true(nt__topo_sysfs(&t, folder));
    assert_int_equal(t.nodes, 2);
    assert_true(t.node[0].has_memory && t.node[1].has_memory);
    assert_false(t.node[1].has_cpus);
}

/* A file that is a folder, and one far longer than what is read of it. */
static void test_strange_files(void **state)
{
    char path[256];
    (void)state;
    snprintf(path, sizeof path, "%s/online", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(nt__topo_sysfs(&t, folder));
    assert_int_equal(rmdir(path), 0);
    static char text[65536];
    memset(text, '1', sizeof text - 1);
    put("online", text);
    assert_false(nt__topo_sysfs(&t, folder));
}

static void test_more_nodes_than_slots(void **state)
{
    (void)state;
    put("online", "0-99\n");
    put("has_memory", "0-99\n");
    for (unsigned id = 0; id < 100; id++) {
        char cpu[16];
        snprintf(cpu, sizeof cpu, "%u\n", id);
        put_node(id, cpu);
    }
    assert_true(nt__topo_sysfs(&t, folder));
    assert_int_equal(t.nodes, NT_TOPO_NODES);
    for (unsigned id = 0; id < NT_TOPO_NODES; id++)
        assert_int_equal(t.slot_of_cpu[id], id);
    for (unsigned id = NT_TOPO_NODES; id < 100; id++) /* left out */
        assert_int_equal(t.slot_of_cpu[id], 0);
}

/* Ids beyond the kernel's own bound are no nodes. */
static void test_ids_too_large(void **state)
{
    (void)state;
    put("online", "1023-2000\n");
    assert_true(nt__topo_sysfs(&t, folder));
    assert_int_equal(t.nodes, 1);
    assert_int_equal(t.node[0].id, 1023);
    memset(&t, 0, sizeof t);
    put("online", "5000\n");
    assert_false(nt__topo_sysfs(&t, folder));
}

/* The longest list a kernel prints: 4096 cpus that alternate between two nodes. */
static void test_longest_list(void **state)
{
    static char even[32768], odd[32768];
    char *e = even, *o = odd;
    (void)state;
    for (unsigned cpu = 0; cpu < NT_TOPO_CPUS; cpu++) {
        char **to = cpu % 2 ? &o : &e;
        *to += sprintf(*to, "%s%u", cpu < 2 ? "" : ",", cpu);
    }
    strcpy(e, "\n");
    strcpy(o, "\n");
    put("online", "0-1\n");
    put("has_memory", "0-1\n");
    put_node(0, even);
    put_node(1, odd);
    assert_true(nt__topo_sysfs(&t, folder));
    for (unsigned cpu = 0; cpu < NT_TOPO_CPUS; cpu++)
        assert_int_equal(t.slot_of_cpu[cpu], cpu % 2);
}

/* Numbers in the order of online nodes; what is missing or no number is 10 or 20. */
static void test_distances(void **state)
{
    static const uint8_t want[4][4] = {
        {10, 16, 22, 254}, {16, 10, 20, 20}, {20, 20, 10, 20}, {255, 20, 12, 10}};
    (void)state;
    put("online", "0,2,5,9\n");
    put_node(0, "0\n");
    put_node(2, "1\n");
    put_node(5, "2\n");
    put_node(9, "3\n");
    put_in_node(0, "distance", "10 16 22 254\n");
    put_in_node(2, "distance", "16 10\n");
    put_in_node(5, "distance", "near, far\n");
    put_in_node(9, "distance", "9999 0 12 10 77 88\n");
    assert_true(nt__topo_sysfs(&t, folder));
    for (unsigned from = 0; from < 4; from++)
        for (unsigned to = 0; to < 4; to++)
            assert_int_equal(t.node[from].distance[to], want[from][to]);
}

static const char meminfo[] = "Node 7 MemTotal:        7170252 kB\n"
                              "Node 7 MemFree:         5862208 kB\n"
                              "Node 7 MemUsed:         1308044 kB\n"
                              "Node 7 SwapCached:            0 kB\n"
                              "Node 7 Active:           517056 kB\n"
                              "Node 7 Inactive:         448560 kB\n"
                              "Node 7 Active(anon):       1564 kB\n"
                              "Node 7 Inactive(anon):   106972 kB\n"
                              "Node 7 Active(file):     500000 kB\n"
                              "Node 7 Inactive(file):   300000 kB\n"
                              "Node 7 Unevictable:       15700 kB\n"
                              "Node 7 Mlocked:           14884 kB\n"
                              "Node 7 Dirty:             16000 kB\n"
                              "Node 7 Writeback:          4000 kB\n"
                              "Node 7 FilePages:        866052 kB\n"
                              "Node 7 Mapped:           80000 kB\n";

static void test_memory(void **state)
{
    (void)state;
    put("online", "3,7-8\n");
    put("has_memory", "3,7\n");
    put_node(3, "0\n");
    put_node(7, "1\n");
    put_node(8, "2\n");
    put_in_node(7, "meminfo", meminfo);
    put_in_node(8, "meminfo", "Node 8 MemTotal:   4096 kB\nNode 8 MemFree: 1 kB\n");
    errno = 77;
    assert_true(nt__topo_sysfs(&t, folder));
    assert_int_equal(t.node[0].memory_bytes, 0); /* no file: not known */
    assert_int_equal(t.node[1].memory_bytes, 7170252 * NT_KIB);
    assert_int_equal(t.node[2].memory_bytes, 0); /* none, whatever the file says */
    assert_int_equal(nt__topo_sysfs_free(folder, 7),
                     (5862208 + 500000 + 300000 - 16000 - 4000 - 80000) * NT_KIB);
    assert_int_equal(nt__topo_sysfs_free(folder, 3), 0);
    assert_int_equal(nt__topo_sysfs_free("/nonexistent", 7), 0);
    put_in_node(
        7, "meminfo",
        "Node 7 MemFree: 5 kB\nNode 7 Active(file): 3 kB\nNode 7 Dirty: 4 kB\n");
    assert_int_equal(nt__topo_sysfs_free(folder, 7), 5 * NT_KIB);
    put_in_node(7, "meminfo", "Node 7 MemFree: lots\n");
    assert_int_equal(nt__topo_sysfs_free(folder, 7), 0);
    assert_int_equal(errno, 77);
}

/* What the kernel keeps for itself is divided by size; nodes of unknown size have none. */
static void test_kept(void **state)
{
    FILE *f = fopen("/proc/sys/vm/min_free_kbytes", "r");
    unsigned long long kib = 0;
    (void)state;
    if (!f || fscanf(f, "%llu", &kib) != 1)
        skip();
    fclose(f);
    put("online", "0-2\n");
    put_node(0, "0\n");
    put_node(1, "1\n");
    put_node(2, "2\n");
    put_in_node(0, "meminfo", "Node 0 MemTotal: 3145728 kB\n");
    put_in_node(1, "meminfo", "Node 1 MemTotal: 1048576 kB\n");
    assert_true(nt__topo_sysfs(&t, folder));
    uint64_t all = t.node[0].kept_bytes + t.node[1].kept_bytes;
    assert_int_equal(t.node[0].kept_bytes, 3 * t.node[1].kept_bytes);
    assert_int_equal(t.node[2].kept_bytes, 0);
    assert_true(all <= kib * NT_KIB && all + 4096 >= kib * NT_KIB);
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_two_nodes, empty),
        cmocka_unit_test_setup(test_holes_in_numbers, empty),
        cmocka_unit_test_setup(test_without_memory_or_cpus, empty),
        cmocka_unit_test_setup(test_missing_files, empty),
        cmocka_unit_test_setup(test_garbage_online, empty),
        cmocka_unit_test_setup(test_garbage_elsewhere, empty),
        cmocka_unit_test_setup(test_strange_files, empty),
        cmocka_unit_test_setup(test_more_nodes_than_slots, empty),
        cmocka_unit_test_setup(test_ids_too_large, empty),
        cmocka_unit_test_setup(test_longest_list, empty),
        cmocka_unit_test_setup(test_distances, empty),
        cmocka_unit_test_setup(test_memory, empty),
        cmocka_unit_test_setup(test_kept, empty),
        cmocka_unit_test_setup(test_closes, empty),
        cmocka_unit_test_setup(test_huge_always, empty),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    empty(NULL);
    rmdir(folder);
    return failed;
}
