/* SPDX-License-Identifier: MIT */
/*
 * Settings reserve and prefault: what is mapped, on which node, what is in memory, what stays
 * when it is free, and what is said where it cannot be had.
 */
#include "tests/child.h"

#include "src/base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <numatally/numatally.h>
#include <numatally/stats.h>
#include <sys/resource.h>

/* A sanitizer has memory of its own for each page that is written to, and no limits. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define PLAIN 0
#else
#define PLAIN 1
#endif

static struct nt_snapshot now;

/* Bytes of this process in memory. */
static size_t resident(void)
{
    char text[128] = "";
    unsigned long size, pages;
    int fd = open("/proc/self/statm", O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 && sscanf(text, "%lu %lu", &size, &pages) == 2
               ? pages * (size_t)sysconf(_SC_PAGESIZE)
               : 0;
}

static void settings(const char *conf, const char *topology)
{
    setenv("NUMATALLY_CONF", conf, 1);
    if (topology)
        setenv("NUMATALLY_TOPOLOGY", topology, 1);
}

/* Take so many bytes in blocks that slabs serve, write to them, and free them all. */
static int up_and_down(size_t bytes)
{
    static char *block[100000];
    size_t n = bytes / 20000;
    if (n > NT_ARRAY_LEN(block))
        return 1;
    for (size_t i = 0; i < n; i++) {
        block[i] = nt_malloc(20000);
        if (!block[i])
            return 1;
        memset(block[i], 1, 20000);
    }
    for (size_t i = 0; i < n; i++)
        nt_free(block[i]);
    return 0;
}

/* The settings return:0 and a few calls give back what may be. */
static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        nt_free(nt_malloc(NT_MIB));
        usleep(2000);
        for (int k = 0; k < 2000; k++)
            nt_free(nt_malloc(100));
    }
}

static int act_mapped(void)
{
    settings("reserve:100M", NULL);
    size_t before = resident();
    nt_free(nt_malloc(1));
    CHECK(nt_snapshot(&now) == 0);
    CHECK(now.total.reserved_bytes_now >= 100 * NT_MIB);
    CHECK(now.total.cached_bytes_now == 0 && resident() < before + 20 * NT_MIB);
    return 0;
}

static int act_prefaulted(void)
{
    settings("reserve:100M,prefault:on", NULL);
    size_t before = resident();
    nt_free(nt_malloc(1));
    size_t after = resident();
    CHECK(after >= before + 99 * NT_MIB && after < before + 120 * NT_MIB);
    /* Blocks come from there, and read as they must. */
    char *zero = nt_calloc(1, 3 * NT_MIB);
    for (size_t i = 0; i < 3 * NT_MIB; i++)
        CHECK(zero[i] == 0);
    memset(zero, 1, 3 * NT_MIB);
    CHECK(resident() < after + 2 * NT_MIB);
    CHECK(nt_snapshot(&now) == 0 && now.total.reserved_bytes_now == 100 * NT_MIB);
    nt_free(zero);
    settle();
    CHECK(resident() >= before + 95 * NT_MIB); /* kept, though return is a second */
    CHECK(nt_purge() >= 95 * NT_MIB && resident() < before + 10 * NT_MIB);
    return 0;
}

/* 200 MiB come and go: the reserve's 64 stay, or nothing does. */
static int kept(const char *conf, size_t least, size_t most)
{
    settings(conf, NULL);
    nt_free(nt_malloc(1));
    size_t before = resident();
    for (int round = 0; round < 3; round++) {
        CHECK(up_and_down(200 * NT_MIB) == 0);
        settle();
        size_t more = resident() > before ? resident() - before : 0;
        CHECK(more >= least && more <= most);
    }
    CHECK(nt_snapshot(&now) == 0 && now.total.returned_bytes_total > 300 * NT_MIB);
    nt_purge();
    CHECK(resident() < before + 10 * NT_MIB);
    return 0;
}

static int act_kept(void)
{
    return kept("reserve:64M,return:0", 50 * NT_MIB, 80 * NT_MIB);
}

static int act_not_kept(void)
{
    return kept("return:0", 0, 40 * NT_MIB);
}

static int act_nodes(void)
{
    settings("reserve:0=40M;1=20M;,prefault:on", "3x1");
    nt_free(nt_malloc(1));
    CHECK(nt_snapshot(&now) == 0 && now.nodes == 3);
    CHECK(now.node[0].cached_bytes_now >= 38 * NT_MIB);
    CHECK(now.node[1].cached_bytes_now >= 18 * NT_MIB);
    CHECK(now.node[1].reserved_bytes_now == 20 * NT_MIB);
    CHECK(now.node[2].cached_bytes_now == 0);
    return 0;
}

static int act_each_node(void)
{
    settings("reserve:10M", "node0:cpus=0:mem=1G/node3:cpus=1:mem=1G/node4:mem=2G");
    nt_free(nt_malloc(1));
    CHECK(nt_snapshot(&now) == 0 && now.nodes == 3);
    CHECK(now.node[0].reserved_bytes_now >= 10 * NT_MIB);
    CHECK(now.node[1].reserved_bytes_now == 10 * NT_MIB);
    CHECK(now.node[2].reserved_bytes_now == 0); /* serves nobody */
    return 0;
}

/* A node that the policy leaves out, and one that is not there. */
static int act_other_nodes(void)
{
    settings("reserve:0=8M;1=8M;77=8M,policy:bind:1", "2x1");
    nt_free(nt_malloc(1));
    CHECK(nt_snapshot(&now) == 0);
    CHECK(now.node[0].reserved_bytes_now == 0 &&
          now.node[1].reserved_bytes_now >= 8 * NT_MIB);
    return 0;
}

static int limited(const char *conf)
{
    struct rlimit limit;
    settings(conf, NULL);
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = (rlim_t)1 << 30;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    char *p = nt_malloc(100 * NT_MIB);
    CHECK(p);
    memset(p, 1, 100 * NT_MIB);
    nt_free(p);
    return up_and_down(100 * NT_MIB);
}

static int act_limited(void)
{
    return limited("reserve:2G,prefault:on");
}

/* It fits, but with it nothing else would: what is free of it is given up. */
static int act_tight(void)
{
    struct rlimit limit;
    settings("reserve:600M", NULL);
    limit.rlim_cur = limit.rlim_max = (rlim_t)1 << 30;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    for (size_t size = 100; size <= 800; size += 50) {
        char *p = nt_malloc(size * NT_MIB);
        CHECK(p);
        p[0] = p[size * NT_MIB - 1] = 1;
        nt_free(p);
    }
    return 0;
}

/* More than a made-up node has: what it has is brought in, but for what others need. */
static int act_full_node(void)
{
    settings("reserve:1=200M,prefault:on", "node0:cpus=0:mem=1G/node1:cpus=1:mem=100M");
    nt_free(nt_malloc(1));
    CHECK(nt_snapshot(&now) == 0);
    CHECK(now.node[1].reserved_bytes_now == 200 * NT_MIB);
    return up_and_down(50 * NT_MIB);
}

static int act_child_of_fork(void)
{
    settings("reserve:32M,return:0", NULL);
    CHECK(up_and_down(100 * NT_MIB) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        size_t before = resident();
        bool well = up_and_down(100 * NT_MIB) == 0;
        settle();
        nt_purge();
        _exit(!well || resident() > before + 40 * NT_MIB);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

/* The act is well, and says these on stderr, in so many lines. */
static void says(int (*act)(void), unsigned lines, const char *one, const char *two)
{
    char text[4096];
    unsigned n = 0;
    int status = child_status(act, text, sizeof text);
    for (const char *c = text; *c != '\0'; c++)
        n += *c == '\n';
    if (status != 0 || n != lines || (one && !strstr(text, one)) ||
        (two && !strstr(text, two)))
        fail_msg("status %#x, %u lines: %s", status, n, text);
}

static void test_start(void **state)
{
    (void)state;
    says(act_mapped, 0, NULL, NULL);
    if (PLAIN)
        says(act_prefaulted, 0, NULL, NULL);
}

static void test_kept(void **state)
{
    (void)state;
    says(act_kept, 0, NULL, NULL);
    says(act_not_kept, 0, NULL, NULL);
    says(act_child_of_fork, 0, NULL, NULL);
}

static void test_nodes(void **state)
{
    (void)state;
    says(act_nodes, 0, NULL, NULL);
    says(act_each_node, 0, NULL, NULL);
    says(act_other_nodes, 2, "no thread is served from node 0",
         "there is no node 77 here");
}

static void test_too_much(void **state)
{
    (void)state;
    says(act_limited, 1, "the 2048 MiB for node 0 cannot be mapped", "ulimit -v");
    says(act_tight, 0, NULL, NULL);
}

static void test_full_node(void **state)
{
    (void)state;
    says(act_full_node, 1, "of 200 MiB on node 1", "no more that is free");
}

int main(void)
{
    unsetenv("NUMATALLY_CONF");
    unsetenv("NUMATALLY_TOPOLOGY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),     cmocka_unit_test(test_kept),
        cmocka_unit_test(test_nodes),     cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_full_node),
    };
    const struct CMUnitTest of_any_memory[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_full_node),
    };
    return PLAIN ? cmocka_run_group_tests(tests, NULL, NULL)
                 : cmocka_run_group_tests(of_any_memory, NULL, NULL);
}
