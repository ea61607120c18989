/* SPDX-License-Identifier: MIT */
/*
 * Large arrays, and what is said of where memory lies: first touch, parts, prefaulting,
 * migration, residency, strict promises, the report.
 */
#include "lab.h"

#include "numa/promise.h"

#include <numatally/numa.h>
#include <numatally/numatally.h>
#include <numatally/stats.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define PARTS parts

static size_t parts = 64 * MIB; /* less where a node is small */

static struct nt_snapshot now;

/* ---- First touch --------------------------------------------------------------------- */

struct part {
    char *at;
    size_t bytes;
};

static void touch(void *arg)
{
    struct part *p = arg;
    memset(p->at, 1, p->bytes);
}

static void get_and_free(void *arg)
{
    char *p = nt_malloc(PARTS);
    (void)arg;
    memset(p, 1, PARTS);
    nt_free(p);
}

/* An array that threads on all nodes initialise lies on those nodes, also in space that
 * was used before. */
static void run_first_touch(void)
{
    for (int round = 0; round < 3; round++) {
        lab_on(lab_node[round % lab_nodes], get_and_free, NULL);
        char *p = round == 1 ? nt_calloc(PARTS, 1) : nt_malloc(PARTS);
        size_t each = PARTS / (size_t)lab_nodes;
        for (int i = 0; i < lab_nodes; i++) {
            struct part part = {p + (size_t)i * each, each};
            lab_on(lab_node[i], touch, &part);
        }
        for (int i = 0; i < lab_nodes; i++)
            CHECK(lab_lies(p + (size_t)i * each, each, lab_node[i]));
        p = nt_realloc(p, 2 * PARTS); /* pages move with their nodes */
        for (int i = 0; i < lab_nodes; i++)
            CHECK(lab_lies(p + (size_t)i * each, each, lab_node[i]));
        nt_free(p);
    }
}

/* ---- Parts --------------------------------------------------------------------------- */

static bool in_parts(const char *p, size_t bytes)
{
    size_t pages = bytes / PAGE, n = (size_t)lab_nodes;
    for (size_t i = 0; i < n; i++) {
        size_t at = pages * i / n, end = pages * (i + 1) / n;
        if (!lab_lies(p + at * PAGE, (end - at) * PAGE, lab_node[i]))
            return false;
    }
    return true;
}

static uint64_t told_done, told_all;

static int tell(uint64_t done, uint64_t all, void *context)
{
    told_done = done;
    told_all = all;
    return context != NULL;
}

static void run_distributed(void)
{
    char *p = nt_malloc_distributed(PARTS, NULL);
    CHECK(p);
    memset(p, 5, PARTS); /* whoever touches */
    CHECK(in_parts(p, PARTS));
    p = nt_realloc(p, PARTS + 4 * MIB);
    CHECK(p && p[0] == 5 && p[PARTS - 1] == 5);
    memset(p + PARTS, 6, 4 * MIB);
    CHECK(in_parts(p, PARTS + 4 * MIB));
    nt_free(p);
    p = nt_malloc_distributed(PARTS, "all");
    CHECK(nt_prefault(p, PARTS, tell, NULL) == 0);
    CHECK(told_done == PARTS && told_all == PARTS);
    CHECK(in_parts(p, PARTS));
    nt_free(p);
    /* What is divided leaves nothing behind: the same space, plainly. */
    for (int i = 0; i < lab_nodes; i++)
        lab_on(lab_node[i], get_and_free, NULL);
    char text[32];
    snprintf(text, sizeof text, "%d", lab_node[1]);
    p = nt_malloc_distributed(PARTS, text);
    memset(p, 1, PARTS);
    CHECK(lab_lies(p, PARTS, lab_node[1]));
    char *small = nt_malloc_distributed(1000, text);
    memset(small, 1, 1000);
    CHECK(lab_lies(small, 1000, lab_node[1]));
    errno = 0;
    CHECK(!nt_malloc_distributed(PARTS, "999") && errno == EINVAL);
}

static void prefault_here(void *arg)
{
    int node = *(int *)arg;
    char *p = nt_malloc(PARTS);
    CHECK(nt_prefault(p, PARTS, tell, NULL) == 0 && told_done == PARTS);
    CHECK(lab_lies(p, PARTS, node));
    p[0] = 1;
    p[PARTS - 1] = 2;
    CHECK(nt_prefault(p, PARTS, NULL, NULL) == 0 && p[0] == 1 && p[PARTS - 1] == 2);
    char *q = nt_malloc(PARTS);
    CHECK(nt_prefault(q, PARTS, tell, &node) == -ECANCELED);
}

static void run_prefault(void)
{
    lab_on(lab_node[0], prefault_here, &lab_node[0]);
    lab_on(lab_node[1], prefault_here, &lab_node[1]);
    char *p = nt_malloc_policy(PARTS, "interleave");
    CHECK(nt_prefault(p, PARTS, tell, NULL) == 0 && told_done == PARTS);
    struct lab_pages pages = {.all = 0};
    lab_ask(&pages, p, PARTS);
    CHECK(pages.absent == 0);
    for (int i = 0; i < lab_nodes; i++)
        CHECK(labs(pages.on[lab_node[i]] * lab_nodes - pages.all) <= 8 * lab_nodes);
    void *hole = mmap(NULL, 4 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole, 4 * MIB);
    CHECK(nt_prefault(hole, MIB, NULL, NULL) == -EFAULT);
}

/* ---- Migration ----------------------------------------------------------------------- */

static void run_migrate(void)
{
    lab_go(lab_node[0]);
    char *p = nt_malloc(PARTS);
    memset(p, 3, PARTS / 2);
    CHECK(nt_migrate(p, lab_node[1]) == 0);
    CHECK(lab_lies(p, PARTS / 2, lab_node[1]));
    memset(p + PARTS / 2, 3, PARTS / 2); /* what was still to be touched, too */
    CHECK(lab_lies(p, PARTS, lab_node[1]) && p[100] == 3);
    CHECK(nt_migrate(p, 999) == -EINVAL &&
          nt_migrate(p + PAGE, lab_node[0]) == -EINVAL);
    nt_free(p);
    p = nt_malloc(PARTS); /* and then its space is as it was */
    memset(p, 1, PARTS);
    CHECK(lab_lies(p, PARTS, lab_node[0]));
    char *small = nt_malloc(100);
    CHECK(nt_migrate(small, lab_node[1]) == -EOPNOTSUPP);
    int local;
    CHECK(nt_migrate(&local, lab_node[1]) == -EINVAL);
}

static void run_migrate_pool(void)
{
    enum { N = 3000 };
    static char *p[N];
    struct nt_pool *pool;
    lab_go(lab_node[0]);
    CHECK(nt_pool_create(NULL, &pool) == 0);
    for (int i = 0; i < N; i++) {
        size_t size = i % 500 == 0 ? 2 * MIB : 16 + (size_t)i * 13 % 9000;
        p[i] = nt_pool_malloc(pool, size);
        memset(p[i], i, size);
    }
    CHECK(nt_pool_migrate(pool, lab_node[1]) == 0);
    for (int i = 0; i < N; i++) {
        size_t size = i % 500 == 0 ? 2 * MIB : 16 + (size_t)i * 13 % 9000;
        CHECK(p[i][0] == (char)i && p[i][size - 1] == (char)i);
        CHECK(lab_lies(p[i], size, lab_node[1]));
        if (i % 2)
            nt_free(p[i]);
    }
    for (int i = 0; i < N; i++) {
        char *more = nt_pool_malloc(pool, 5000);
        memset(more, 1, 5000);
        CHECK(lab_lies(more, 5000, lab_node[1]));
    }
    nt_pool_destroy(pool);
    /* Its memory is node 0's again. */
    for (int i = 0; i < 2000; i++) {
        char *q = nt_malloc(4096);
        memset(q, 1, 4096);
        CHECK(lab_lies(q, 4096, lab_node[0]));
    }
}

/* ---- The truth ------------------------------------------------------------------------- */

static void run_residency(void)
{
    struct nt_residency r = {.size = sizeof r};
    lab_go(lab_node[1]);
    char *p = nt_malloc(PARTS);
    CHECK(nt_node_of(p) == -ENOENT);
    memset(p, 1, PARTS / 2);
    CHECK(nt_node_of(p) == lab_node[1] && nt_node_of(p + PARTS - 1) == -ENOENT);
    CHECK(nt_residency(p, PARTS, 0, &r) == 0);
    struct lab_pages pages = {.all = 0};
    lab_ask(&pages, p, PARTS);
    CHECK(r.pages == PARTS / PAGE && r.asked == r.pages && r.page_bytes == PAGE);
    CHECK((long)r.absent == pages.absent && (long)r.absent * 2 == pages.all);
    uint64_t sum = r.absent;
    for (unsigned i = 0; i < nt_node_count(); i++) {
        struct nt_node_info info;
        CHECK(nt_node_info(i, &info) == 0);
        CHECK((long)r.on_node[i] == pages.on[info.node]);
        sum += r.on_node[i];
    }
    CHECK(sum == r.asked);
    CHECK(nt_residency(p, PARTS, 100, &r) == 0 && r.asked == 100);
    CHECK(r.absent == 50);
    CHECK(nt_residency(p + 1, 1, 0, &r) == 0 && r.pages == 1);
    CHECK(nt_residency(NULL, 4096, 0, &r) == -EFAULT);
    CHECK(nt_node_of(NULL) == -EFAULT && nt_residency(p, 1, 0, NULL) == -EINVAL);
    int local;
    CHECK(nt_node_of(&local) >= 0);
}

/* The report's last record, as text. */
static char *report(void)
{
    static char text[1 << 20];
    FILE *f = tmpfile();
    CHECK(f && nt_report(fileno(f), NT_FORMAT_JSON) == 0);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static double figure(const char *text, const char *name)
{
    char key[64];
    const char *total = strstr(text, "\"total\""); /* of all nodes */
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = total ? strstr(total, key) : NULL;
    if (!at)
        at = strstr(text, key);
    CHECK(at);
    return strtod(at + strlen(key), NULL);
}

static void fill_here(void *arg)
{
    for (int i = 0; i < 2000; i++)
        memset(nt_malloc(4096), 1, 4096);
    (void)arg;
}

/* What lies where it was wanted, and what was moved away behind our back. */
static void run_report(void)
{
    lab_on(lab_node[0], fill_here, NULL);
    char *text = report();
    double all = figure(text, "resident_bytes_now");
    CHECK(all >= 2000 * 4096.0 && all < 2400 * 4096.0);
    CHECK(figure(text, "lying_bytes_now") == all);
    CHECK(figure(text, "elsewhere_moved_bytes_now") == 0);
    CHECK(figure(text, "elsewhere_full_bytes_now") == 0);
    struct bitmask *from = numa_allocate_nodemask(), *to = numa_allocate_nodemask();
    numa_bitmask_setbit(from, (unsigned)lab_node[0]);
    numa_bitmask_setbit(to, (unsigned)lab_node[1]);
    CHECK(numa_migrate_pages(0, from, to) >= 0);
    text = report();
    CHECK(figure(text, "elsewhere_moved_bytes_now") > 1900 * 4096.0);
    CHECK(figure(text, "elsewhere_refused_bytes_now") == 0);
}

/* ---- Strict promises --------------------------------------------------------------------- */

/* The smallest node. */
static int small_node(void)
{
    int small = lab_node[0];
    for (int i = 1; i < lab_nodes; i++)
        if (numa_node_size64(lab_node[i], NULL) < numa_node_size64(small, NULL))
            small = lab_node[i];
    return small;
}

/* bind: to a node that fills up. NULL comes before the kernel's kill. */
static void fill_strictly(size_t size)
{
    char text[32];
    int node = small_node();
    long long bytes = 0, before; /* what the kernel itself has there differs by boots */
    numa_node_size64(node, &before);
    snprintf(text, sizeof text, "bind:%d", node);
    for (;;) {
        errno = 0;
        char *p = nt_malloc_policy(size, text);
        if (!p)
            break;
        memset(p, 1, size);
        CHECK(lab_lies(p, size, node));
        bytes += (long long)size;
        CHECK(bytes < numa_node_size64(node, NULL));
    }
    CHECK(errno == ENOMEM);
    printf("       %lld of %lld MiB, by %zu\n", bytes >> 20, before >> 20, size);
    CHECK(bytes + 12 * (long long)MIB > before); /* 4 are left alone, units are 2 */
}

static void run_strict_small(void)
{
    fill_strictly(3000);
}

static void run_strict_large(void)
{
    fill_strictly(1 * MIB);
}

/* Promised and not touched counts as well. */
static void run_strict_untouched(void)
{
    char text[32];
    int node = small_node();
    snprintf(text, sizeof text, "bind:%d", node);
    static char *p[4096];
    int n = 0;
    while (n < 4096 && (p[n] = nt_malloc_policy(MIB, text)) != NULL)
        n++;
    CHECK(n > 4 && n < 4096);
    for (int i = 0; i < n; i++)
        CHECK(nt_prefault(p[i], MIB, NULL, NULL) == 0);
    for (int i = 0; i < n; i++)
        CHECK(lab_lies(p[i], MIB, node));
}

/* Another process fills the node after the promise: prefaulting says so and survives. */
static void run_strict_robbed(void)
{
    char text[32];
    int node = small_node();
    snprintf(text, sizeof text, "bind:%d", node);
    long long free;
    numa_node_size64(node, &free);
    size_t size = (size_t)free / 2 / PAGE * PAGE;
    char *p = nt_malloc_policy(size, text);
    CHECK(p);
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t robber = fork();
    if (robber == 0) {
        size_t all = (size_t)free; /* the rest of it spills */
        char *q =
            mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        numa_set_preferred(node);
        memset(q, 1, all);
        CHECK(write(ends[1], "x", 1) == 1);
        pause();
    }
    char c;
    CHECK(read(ends[0], &c, 1) == 1);
    CHECK(nt_prefault(p, size, NULL, NULL) == -ENOMEM);
    kill(robber, SIGKILL);
    waitpid(robber, NULL, 0);
    CHECK(nt_prefault(p, size, NULL, NULL) == 0);
    CHECK(lab_lies(p, size, node));
}

/* The default spills, and the report says that it did and why. */
static void spill_here(void *arg)
{
    size_t bytes = (size_t)numa_node_size64(*(int *)arg, NULL);
    for (size_t at = 0; at < bytes + 16 * MIB; at += 4096) {
        char *p = nt_malloc(4096);
        CHECK(p);
        memset(p, 1, 4096);
    }
}

static void run_spill(void)
{
    int node = small_node();
    lab_on(node, spill_here, &node);
    char *text = report();
    double full = figure(text, "elsewhere_full_bytes_now");
    printf("       %.1f MiB elsewhere since node %d is full\n", full / (double)MIB,
           node);
    CHECK(full > 16.0 * MIB);
}

/* ---- Refused ----------------------------------------------------------------------------- */

/* A sandbox that answers EPERM to mbind, as container runtimes do. */
static void run_refused(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    lab_go(lab_node[0]);
    /* Everything works, unbound; what lands elsewhere is said to be refused. */
    char text[32];
    snprintf(text, sizeof text, "bind:%d", lab_node[1]);
    for (int i = 0; i < 2000; i++) {
        char *p = nt_malloc_policy(4096, text);
        CHECK(p);
        memset(p, 1, 4096);
    }
    CHECK(figure(report(), "elsewhere_refused_bytes_now") > 1900 * 4096.0);
    CHECK(nt_snapshot(&now) == 0 && now.total.bound_bytes_now == 0);
    char *p = nt_malloc_distributed(PARTS, NULL);
    CHECK(p && nt_migrate(p, lab_node[1]) == -EPERM);
}

/* A migrated block that grows or shrinks, alone or in its pool: all of it is there. */
static void run_migrate_grown(void)
{
    struct nt_pool *pool;
    lab_go(lab_node[0]);
    CHECK(nt_pool_create(NULL, &pool) == 0);
    for (int i = 0; i < 2; i++) {
        char *p = i ? nt_pool_malloc(pool, 4 * MIB) : nt_malloc(4 * MIB);
        CHECK(p);
        memset(p, 1, 4 * MIB);
        CHECK((i ? nt_pool_migrate(pool, lab_node[1]) : nt_migrate(p, lab_node[1])) ==
              0);
        static const size_t sizes[] = {8 * MIB, 3 * MIB, 5 * MIB};
        for (int k = 0; k < 3; k++) {
            p = nt_realloc(p, sizes[k]);
            CHECK(p && p[0] == 1 && p[3 * MIB - 1] == 1);
            memset(p, 1, sizes[k]);
            CHECK(lab_lies(p, sizes[k], lab_node[1]));
        }
        nt_free(p);
    }
    char *p = nt_malloc(4 * MIB);
    CHECK(p);
    memset(p, 1, 4 * MIB);
    CHECK(lab_lies(p, 4 * MIB, lab_node[0]));
}

/* Where mremap must take the source's mapping away (before Linux 5.7, or under a limit),
 * what is mapped there anew is bound again. */
static void run_moved_source(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 4 /* MREMAP_DONTUNMAP */, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    lab_go(lab_node[0]);
    CHECK(nt_thread_policy("preferred:1") == 0);
    char *p = nt_malloc(8 * MIB), *behind = nt_malloc(2 * MIB);
    CHECK(p && behind);
    memset(p, 1, 8 * MIB);
    uintptr_t from = (uintptr_t)p;
    p = nt_realloc(p, 12 * MIB);
    CHECK(p && (uintptr_t)p != from && p[8 * MIB - 1] == 1);
    char *again = nt_malloc(8 * MIB);
    CHECK((uintptr_t)again == from);
    memset(again, 1, 8 * MIB);
    CHECK(lab_lies(p, 8 * MIB, 1) && lab_lies(again, 8 * MIB, 1));
}

/* To a node that has not the room: said, and nothing is lost. */
static void run_migrate_full(void)
{
    lab_go(lab_node[0]);
    CHECK(nt_malloc(100)); /* nodes are known from here on */
    size_t size = nt__promise_room(2) / 4 * 3 / MIB * MIB;
    char *p = nt_malloc(size);
    CHECK(p);
    memset(p, 1, size);
    CHECK(nt_migrate(p, 1) == 0 && lab_lies(p, size, 1));
    /* What others left a moment ago may have come back only now: so ask again. */
    size_t more = nt__promise_room(2) / MIB * MIB + 8 * MIB;
    char *q = nt_malloc(more);
    CHECK(q);
    memset(q, 2, more);
    CHECK(nt_migrate(q, 1) == -ENOMEM);
    for (size_t i = 0; i < size; i += PAGE)
        CHECK(p[i] == 1);
    for (size_t i = 0; i < more; i += PAGE)
        CHECK(q[i] == 2);
}

/* ---- Strict, and more ------------------------------------------------------------------- */

/* What a thread that did not come along was about to map is not missing in a child. */
static void run_strict_fork(void)
{
    uint64_t node1 = 2; /* by slots */
    struct nt_policy policy = {NT_BIND, node1};
    CHECK(nt_malloc_policy(100, "bind:1"));
    if (nt__promise_room(node1) < 256 * MIB) /* the first piece has most of it */
        return;
    CHECK(nt__promise_begin(&policy, nt__promise_room(node1) / 4 * 3));
    CHECK(!nt_malloc_policy(nt__promise_room(node1) / 2, "bind:1"));
    pid_t pid = fork();
    if (pid == 0)
        _exit(!nt_malloc_policy(nt__promise_room(node1) / 2, "bind:1"));
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* What was given back is not there to be had again when others took the room. */
static void run_strict_again(void)
{
    CHECK(nt_malloc_policy(100, "bind:1")); /* nodes are known from here on */
    size_t room = nt__promise_room(2) / MIB * MIB, size = room / 2;
    char *p = nt_malloc_policy(size, "bind:1");
    CHECK(p);
    memset(p, 1, size);
    nt_free(p);
    nt_purge();
    lab_go(1);
    char *others = nt_malloc(room);
    CHECK(others);
    memset(others, 1, room);
    errno = 0;
    p = nt_malloc_policy(size, "bind:1");
    CHECK(!p && errno == ENOMEM);
    nt_free(others);
    nt_purge();
    p = nt_malloc_policy(size, "bind:1");
    CHECK(p);
    memset(p, 1, size);
}

/* Huge pages are reserved on another node than the strict policy's. */
static void run_strict_hugetlb(void)
{
    FILE *f = fopen("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/"
                    "nr_hugepages",
                    "w");
    if (!f) /* this kernel has none */
        return;
    fprintf(f, "40\n");
    fclose(f);
    char *p = nt_malloc_policy(8 * MIB, "bind:1");
    CHECK(p);
    memset(p, 1, 8 * MIB);
    CHECK(lab_lies(p, 8 * MIB, 1));
}

int main(int argc, char **argv)
{
    if (numa_node_size64(numa_max_node(), NULL) < (long long)(128 * MIB))
        parts = 16 * MIB;
    static const struct lab_case cases[] = {
        {"first-touch", run_first_touch, NULL, NULL, 2},
        {"distributed", run_distributed, NULL, NULL, 2},
        {"prefault", run_prefault, NULL, NULL, 2},
        {"migrate", run_migrate, NULL, NULL, 2},
        {"migrate-pool", run_migrate_pool, NULL, NULL, 2},
        {"residency", run_residency, NULL, NULL, 2},
        {"report", run_report, NULL, NULL, 2},
        {"strict-small", run_strict_small, NULL, NULL, LAB_NAMED},
        {"strict-large", run_strict_large, NULL, NULL, LAB_NAMED},
        {"strict-untouched", run_strict_untouched, NULL, NULL, LAB_NAMED},
        {"strict-robbed", run_strict_robbed, NULL, NULL, LAB_NAMED},
        {"spill", run_spill, NULL, NULL, LAB_NAMED},
        {"migrate-grown", run_migrate_grown, NULL, NULL, 2},
        {"moved-source", run_moved_source, NULL, NULL, 2},
        {"migrate-full", run_migrate_full, NULL, NULL, LAB_NAMED},
        {"strict-fork", run_strict_fork, NULL, NULL, LAB_NAMED},
        {"strict-again", run_strict_again, NULL, NULL, LAB_NAMED},
        {"strict-hugetlb", run_strict_hugetlb, "hugepages:hugetlb", NULL, LAB_NAMED},
        {"refused", run_refused, NULL, NULL, 2},
    };
    return lab_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
