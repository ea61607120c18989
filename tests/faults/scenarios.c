/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/faults/scenarios.h"

#include <errno.h>
#include <numatally/numa.h>
#include <numatally/numatally.h>
#include <numatally/profile.h>
#include <numatally/stats.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct ledger ledger;

/* Where the nodes could not be read, those that are named are not there. */
static bool may_be_wrong;

static void must(bool so, const char *what)
{
    if (!so && !ledger.wrong)
        ledger.wrong = what;
}

/* ---- Blocks ----------------------------------------------------------------------------- */

struct held {
    unsigned char *p;
    size_t size;
};

static void add(int64_t blocks, size_t bytes, bool more)
{
    __atomic_add_fetch(&ledger.blocks, blocks, __ATOMIC_RELAXED);
    __atomic_add_fetch(&ledger.bytes, more ? (int64_t)bytes : -(int64_t)bytes,
                       __ATOMIC_RELAXED);
}

/* What is written to: a byte a page, or a slice. */
static size_t step(size_t size)
{
    return size > MIB ? 64 * KIB : 4 * KIB;
}

static void write_to(const struct held *h)
{
    for (size_t i = 0; i < h->size; i += step(h->size))
        h->p[i] = (unsigned char)((uintptr_t)h->size >> 3 ^ i >> 12);
    h->p[h->size - 1] = 0x5a;
}

static bool is_intact(const struct held *h, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += step(h->size))
        if (h->p[i] != (unsigned char)((uintptr_t)h->size >> 3 ^ i >> 12) &&
            i != h->size - 1)
            return false;
    return size < h->size || h->p[h->size - 1] == 0x5a;
}

/* The block that a call returned; NULL is an answer if errno says why. */
static bool keep(struct held *h, void *p, size_t size)
{
    *h = (struct held){p, size};
    must(p || errno == ENOMEM || (may_be_wrong && errno == EINVAL),
         "NULL without ENOMEM");
    if (!p)
        return false;
    __atomic_add_fetch(&ledger.taken, 1, __ATOMIC_RELAXED);
    add(1, nt_usable_size(p), true);
    write_to(h);
    return true;
}

static void drop(struct held *h)
{
    if (!h->p)
        return;
    must(is_intact(h, h->size), "a block's contents are not what was written to it");
    add(-1, nt_usable_size(h->p), false);
    int was = errno = 12345;
    nt_free(h->p);
    must(errno == was, "free changed errno");
    h->p = NULL;
}

static void take(struct held *h, size_t size)
{
    errno = 0;
    keep(h, nt_malloc(size), size);
}

static void grow(struct held *h, size_t size)
{
    size_t before = nt_usable_size(h->p);
    errno = 0;
    unsigned char *p = nt_realloc(h->p, size);
    ledger.reallocs = true;
    if (!p) {
        must(errno == ENOMEM, "realloc: NULL without ENOMEM");
        must(is_intact(h, h->size), "a realloc that failed changed the block");
        must(nt_usable_size(h->p) == before, "a realloc that failed changed its size");
        return;
    }
    add(0, before, false);
    h->p = p;
    must(is_intact(h, size < h->size ? size : h->size), "realloc lost contents");
    h->size = size;
    add(0, nt_usable_size(p), true);
    write_to(h);
}

static void churn(const size_t *sizes, size_t kinds, size_t n)
{
    static _Thread_local struct held h[4096];
    for (size_t i = 0; i < n; i++)
        take(&h[i], sizes[i % kinds]);
    for (size_t i = 0; i < n; i += 2)
        drop(&h[i]);
    for (size_t i = 0; i < n; i += 2)
        take(&h[i], sizes[(i + 1) % kinds]);
    for (size_t i = n; i-- != 0;)
        drop(&h[i]);
}

/* ---- The scenarios -------------------------------------------------------------------- */

static void start(void)
{
    struct held h;
    take(&h, 100);
    drop(&h);
}

static void small(void)
{
    static const size_t sizes[] = {16, 48, 100, 500, 1000, 5000};
    churn(sizes, COUNT(sizes), 3000);
}

static void medium(void)
{
    static const size_t sizes[] = {40 * KIB, 100 * KIB, 70 * KIB, 400 * KIB};
    churn(sizes, COUNT(sizes), 200);
}

static void large(void)
{
    static const size_t sizes[] = {600 * KIB, MIB, 5 * MIB, 3 * MIB, 20 * MIB};
    churn(sizes, COUNT(sizes), 20);
    churn(sizes, COUNT(sizes), 10);
}

static void cleared(void)
{
    static const size_t sizes[] = {100, 40 * KIB, MIB, 9 * MIB};
    for (int turn = 0; turn < 3; turn++)
        for (size_t i = 0; i < COUNT(sizes); i++) {
            struct held h;
            errno = 0;
            unsigned char *p = nt_calloc(1, sizes[i]);
            for (size_t at = 0; p && at < sizes[i]; at += 64)
                must(p[at] == 0, "calloc gave what is not zero");
            keep(&h, p, sizes[i]);
            drop(&h);
        }
}

static void reallocs(void)
{
    struct held h[3];
    for (size_t i = 0; i < COUNT(h); i++)
        take(&h[i], 100);
    for (size_t size = 200; size <= 24 * MIB; size *= 3)
        for (size_t i = 0; i < COUNT(h); i++)
            if (h[i].p)
                grow(&h[i], size + i * 1000);
    for (size_t i = 0; i < COUNT(h); i++) {
        if (h[i].p)
            grow(&h[i], 2 * MIB);
        if (h[i].p)
            grow(&h[i], 3000);
        drop(&h[i]);
    }
}

static void aligned(void)
{
    struct held h[12];
    for (size_t i = 0; i < COUNT(h); i++) {
        errno = 0;
        keep(&h[i], nt_aligned_alloc(64 * KIB << i % 9, 100 * KIB), 100 * KIB);
        must(((uintptr_t)h[i].p & ((64 * KIB << i % 9) - 1)) == 0, "not aligned");
    }
    for (size_t i = 0; i < COUNT(h); i++)
        drop(&h[i]);
    void *p = &p;
    int result = nt_posix_memalign(&p, 4 * MIB, 5 * MIB);
    must(result == 0 || (result == ENOMEM && p == &p), "posix_memalign");
    if (result == 0)
        nt_free(p);
    ledger.taken += result == 0;
}

/* A pool's blocks are not in the ledger until it is destroyed: they are all gone then. */
static void pools(void)
{
    for (int turn = 0; turn < 3; turn++) {
        struct nt_pool_options o = {.size = sizeof o,
                                    .limit = turn == 2 ? 16 * MIB : 0,
                                    .policy = turn == 1 ? "interleave:all" : NULL};
        struct nt_pool *pool = NULL;
        int result = nt_pool_create(&o, &pool);
        must(result == 0 || (result == -ENOMEM && !pool), "nt_pool_create");
        if (result != 0)
            continue;
        for (int i = 0; i < 600; i++) {
            size_t size = i % 50 == 0 ? MIB : (size_t)i * 37 + 1;
            errno = 0;
            unsigned char *p = nt_pool_malloc(pool, size);
            must(p || errno == ENOMEM, "pool: NULL without ENOMEM");
            ledger.taken += p != NULL;
            if (p)
                memset(p, i, size);
            if (p && i % 3 == 0)
                nt_free(p);
            if (i == 300)
                nt_pool_reset(pool);
        }
        nt_pool_destroy(pool);
    }
}

static void onnode(void)
{
    static const char *const policy[] = {"bind:0", "interleave:all", "preferred:1",
                                         "preferred-many:0-1",
                                         "weighted-interleave:all"};
    struct held h[40];
    size_t n = 0;
    may_be_wrong = true;
    for (int i = 0; i < 10; i++) {
        errno = 0;
        size_t size = i % 2 ? 3 * MIB : 1000;
        void *p = nt_malloc_onnode(size, i % 2);
        keep(&h[n], p, size);
        n += p != NULL;
    }
    for (size_t i = 0; i < 2 * COUNT(policy); i++) {
        errno = 0;
        size_t size = i % 2 ? 2 * MIB : 2000;
        void *p = nt_malloc_policy(size, policy[i / 2]);
        keep(&h[n], p, size);
        n += p != NULL;
    }
    errno = 0;
    void *p = nt_malloc_distributed(6 * MIB, "all");
    if (keep(&h[n], p, 6 * MIB)) {
        struct nt_residency r = {.size = sizeof r};
        (void)nt_residency(p, 6 * MIB, 0, &r);
        (void)nt_node_of(p);
        (void)nt_migrate(p, 1);
        grow(&h[n], 9 * MIB);
        (void)nt_prefault(h[n].p, h[n].size, NULL, NULL);
        must(is_intact(&h[n], h[n].size), "prefault or migration changed contents");
        n++;
    }
    int result = nt_thread_policy("bind:1");
    must(result == 0 || result == -ENOMEM || result == -EINVAL, "nt_thread_policy");
    small();
    (void)nt_thread_policy(NULL);
    may_be_wrong = false;
    while (n != 0)
        drop(&h[--n]);
}

static void *thread(void *arg)
{
    (void)arg;
    static const size_t sizes[] = {100, 3000, 40 * KIB, MIB};
    churn(sizes, COUNT(sizes), 24);
    return NULL;
}

static void threads(void)
{
    pthread_t t[4];
    size_t made = 0;
    for (int turn = 0; turn < 2; turn++) {
        for (made = 0; made < COUNT(t); made++)
            if (pthread_create(&t[made], NULL, thread, NULL) != 0)
                break;
        while (made != 0)
            pthread_join(t[--made], NULL);
    }
    thread(NULL);
}

static void forks(void)
{
    struct held h;
    take(&h, 2000);
    pid_t pid = fork();
    if (pid == 0) {
        struct ledger before = ledger;
        small();
        must(ledger.blocks == before.blocks && ledger.bytes == before.bytes,
             "in a child");
        _exit(ledger.wrong ? 1 : 0);
    }
    int status = 0;
    must(pid < 0 || (waitpid(pid, &status, 0) == pid && status == 0), "a forked child");
    small();
    drop(&h);
}

static void purges(void)
{
    static const size_t sizes[] = {100, 50 * KIB, 3 * MIB};
    for (int turn = 0; turn < 3; turn++) {
        churn(sizes, COUNT(sizes), 60);
        nt_purge();
    }
}

static void reports(void)
{
    struct held h;
    take(&h, 3 * MIB);
    int fd = memfd_create("report", 0);
    (void)nt_report(fd, NT_FORMAT_TEXT);
    (void)nt_report(fd, NT_FORMAT_JSON);
    close(fd);
    small();
    struct sigaction is;
    if (sigaction(SIGUSR1, NULL, &is) == 0 && is.sa_handler != SIG_DFL)
        raise(SIGUSR1); /* it writes a report */
    drop(&h);
}

static void watches(void)
{
    for (int i = 0; i < 2; i++) {
        struct timespec pause = {.tv_nsec = 12000000};
        medium();
        (void)nanosleep(&pause, NULL);
    }
    reports();
}

static void samples(void)
{
    (void)nt_sample(4096);
    small();
    medium();
    reports();
    (void)nt_sample(0);
}

const struct scenario scenarios[] = {
    {"start", start, "", false, false, false},
    {"small", small, "", false, false, false},
    {"medium", medium, "return:0", false, false, false},
    {"large", large, "return:0", false, false, false},
    {"cleared", cleared, "", false, false, false},
    {"reallocs", reallocs, "", false, false, false},
    {"aligned", aligned, "", false, false, false},
    {"pools", pools, "", false, false, false},
    {"threads", threads, "", false, false, false},
    {"forks", forks, "", false, false, false},
    {"purges", purges, "hugepages:thp", false, false, false},
    {"nodes: start", start, "", true, false, false},
    {"nodes: large", large, "return:0", true, false, false},
    {"nodes: reallocs", reallocs, "", true, false, false},
    {"nodes: onnode", onnode, "", true, false, false},
    {"nodes: pools", pools, "policy:bind=0", true, false, true},
    {"reserved: start", start, "", false, true, false},
    {"reserved: large", large, "return:0", false, true, false},
    {"reserved: small", small, "", false, true, false},
    {"report", reports, "report:%s/report,report_signal:USR1", false, false, true},
    {"live", watches, "live:%s", false, false, true},
    {"timeline", watches, "report:every=10ms;%s/t-%%p.csv", false, false, true},
    {"sampling", samples, "sample_stack:frames,report:%s/report.json", false, false,
     true},
};
const unsigned scenarios_count = COUNT(scenarios);
