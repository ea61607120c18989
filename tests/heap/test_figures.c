/* SPDX-License-Identifier: MIT */
/*
 * nt_snapshot and its kin against counts the test keeps itself, on a made-up machine of
 * two nodes with a cpu each: to the last block and byte, in rows that add up.
 */
#define _GNU_SOURCE
#include "tests/child.h"

#include "src/base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <numatally/stats.h>
#include <pthread.h>
#include <sched.h>

static struct nt_snapshot now, then;

/* ---- What always holds ------------------------------------------------------------- */

#define SUM(field)                                                                     \
    do {                                                                               \
        uint64_t sum = 0;                                                              \
        for (unsigned n = 0; n < s->nodes; n++)                                        \
            sum += s->node[n].field;                                                   \
        if (sum != s->total.field) {                                                   \
            fprintf(stderr, #field ": nodes %llu, total %llu\n",                       \
                    (unsigned long long)sum, (unsigned long long)s->total.field);      \
            return 1;                                                                  \
        }                                                                              \
    } while (0)

#define SUM_CLASSES(field)                                                             \
    do {                                                                               \
        uint64_t sum = 0;                                                              \
        for (unsigned c = 0; c < s->classes; c++)                                      \
            sum += s->class_[c].field;                                                 \
        if (sum != s->total.field) {                                                   \
            fprintf(stderr, #field ": classes %llu, total %llu\n",                     \
                    (unsigned long long)sum, (unsigned long long)s->total.field);      \
            return 1;                                                                  \
        }                                                                              \
    } while (0)

static int adds_up(const struct nt_snapshot *s)
{
#define NT_FIELD(name, unit, label, text)                                              \
    if (strcmp(#name, "live_bytes_peak") != 0)                                         \
        SUM(name);
    NT_NODE_FIGURES(NT_FIELD)
#undef NT_FIELD
    SUM_CLASSES(allocations_total);
    SUM_CLASSES(allocated_bytes_total);
    SUM_CLASSES(requested_bytes_total);
    SUM_CLASSES(frees_total);
    SUM_CLASSES(live_blocks_now);
    SUM_CLASSES(live_bytes_now);
    uint64_t in_slabs = 0;
    for (unsigned c = 0; c < s->classes; c++) {
        const struct nt_class_figures *row = &s->class_[c];
        CHECK(s->inherited ||
              row->live_blocks_now == row->allocations_total - row->frees_total);
        CHECK(row->live_bytes_peak >= row->live_bytes_now);
        CHECK(row->live_bytes_peak <= s->total.live_bytes_peak);
        CHECK(row->slab_bytes_now >= row->live_bytes_now);
        CHECK(row->slab_bytes_now % 65536 == 0);
        CHECK((row->slab_bytes_now == 0) == (row->slabs_now == 0));
        in_slabs += row->slab_bytes_now;
        if (row->block_bytes != 0) {
            CHECK(row->allocated_bytes_total ==
                  row->allocations_total * row->block_bytes);
            CHECK(row->live_bytes_now == row->live_blocks_now * row->block_bytes);
        }
    }
    for (unsigned h = 0; h < s->nodes; h++) {
        const struct nt_node_figures *n = &s->node[h];
        uint64_t freed = 0, far = 0;
        for (unsigned f = 0; f < s->nodes; f++) {
            freed += s->free_matrix[f][h];
            far += f == h ? 0 : s->free_matrix[f][h];
        }
        CHECK(freed == n->frees_total);
        CHECK(far == n->far_frees_total);
        CHECK(n->far_frees_total <= n->remote_frees_total || s->inherited ||
              n->remote_frees_total <= n->frees_total);
        CHECK(n->live_bytes_peak >= n->live_bytes_now);
        CHECK(n->committed_bytes_now + n->cached_bytes_now <= n->reserved_bytes_now);
        CHECK(s->inherited ||
              n->live_blocks_now == n->allocations_total - n->frees_total);
        CHECK(s->inherited ||
              n->live_bytes_now == n->allocated_bytes_total - n->freed_bytes_total);
    }
    CHECK(s->total.live_bytes_peak >= s->total.live_bytes_now);
    CHECK(in_slabs <= s->total.committed_bytes_now);
    return 0;
}

static int snap(void)
{
    CHECK(nt_snapshot(&now) == 0);
    return adds_up(&now);
}

/* ---- Acts -------------------------------------------------------------------------- */

static bool run_on(unsigned cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0;
}

static bool two_cpus(void)
{
    cpu_set_t all;
    return sched_getaffinity(0, sizeof all, &all) == 0 && CPU_ISSET(0, &all) &&
           CPU_ISSET(1, &all);
}

static int act_identity(void)
{
    char host[64] = "";
    CHECK(nt_snapshot(NULL) == -EINVAL);
    CHECK(snap() == 0);
    CHECK(now.size == sizeof now && now.version == NT_SNAPSHOT_VERSION);
    CHECK(now.pid == getpid() && now.nodes == 2 && now.fake_topology == 1);
    CHECK(now.node_id[0] == 0 && now.node_id[1] == 1);
    CHECK(gethostname(host, sizeof host - 1) == 0 && strcmp(now.host, host) == 0);
    CHECK(strcmp(now.program, "test_figures") == 0);
    CHECK(strcmp(now.version_string, NT_VERSION_STRING) == 0);
    CHECK(now.page_bytes == (uint64_t)sysconf(_SC_PAGESIZE));
    CHECK(now.now_unix_ns >= now.start_unix_ns && now.start_unix_ns > 0);
    CHECK(now.final == 0 && now.inherited == 0 && now.rank == -1);
    uint64_t cpu = now.cpu_ns_total;
    struct timespec t;
    CHECK(snap() == 0 && clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    CHECK(cpu != 0 && now.cpu_ns_total >= cpu);
    CHECK(now.cpu_ns_total <= (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec);
    CHECK(now.class_[now.classes - 1].block_bytes == 0);
    CHECK(now.total.allocations_total == 0 && now.total.live_bytes_peak == 0);
    return 0;
}

/* Blocks of every class, counted by us beside. */
static int act_counts(void)
{
    static struct {
        char *p;
        size_t bytes;
        bool large;
    } kept[3000];
    uint64_t allocs = 0, frees = 0, requested = 0, allocated = 0, freed = 0;
    static uint64_t by_class[NT_CLASSES_MAX];
    uint32_t draw = 5;
    run_on(0);
    CHECK(snap() == 0);
    unsigned large = now.classes - 1;
    for (int i = 0; i < 40000; i++) {
        draw = draw * 1664525 + 1013904223;
        unsigned k = (draw >> 8) % NT_ARRAY_LEN(kept);
        if (kept[k].p) {
            nt_free(kept[k].p);
            kept[k].p = NULL;
            frees++;
            freed += kept[k].bytes;
            continue;
        }
        size_t size = (draw >> 6) % (draw % 100 == 0  ? 1500000
                                     : draw % 10 == 0 ? 60000
                                                      : 900);
        kept[k].p = nt_malloc(size);
        kept[k].bytes = nt_usable_size(kept[k].p);
        allocs++;
        requested += size;
        allocated += kept[k].bytes;
        unsigned c = 0;
        while (c < large && now.class_[c].block_bytes != kept[k].bytes)
            c++;
        by_class[c]++;
    }
    CHECK(snap() == 0);
    CHECK(now.total.allocations_total == allocs && now.total.frees_total == frees);
    CHECK(now.total.requested_bytes_total == requested);
    CHECK(now.total.allocated_bytes_total == allocated);
    CHECK(now.total.freed_bytes_total == freed);
    CHECK(now.total.live_blocks_now == allocs - frees);
    CHECK(now.total.live_bytes_now == allocated - freed);
    for (unsigned c = 0; c <= large; c++)
        CHECK(now.class_[c].allocations_total == by_class[c]);
    CHECK(now.total.remote_frees_total == 0 && now.total.far_frees_total == 0);
    return 0;
}

static int act_reallocs(void)
{
    char *p = nt_malloc(1000);
    size_t block = nt_usable_size(p);
    CHECK(nt_realloc(p, 990) == p && nt_realloc(p, 995) == p);
    CHECK(snap() == 0);
    CHECK(now.total.reallocs_in_place_total == 2 && now.total.allocations_total == 1);
    CHECK(now.total.requested_bytes_total == 1000);
    CHECK(now.total.realloc_requested_bytes_total == 990 + 995);
    CHECK(now.total.live_bytes_now == block);
    p = nt_realloc(p, 5000000);
    char *wall = nt_malloc(5000000);
    p = nt_realloc(p, 50000000);
    CHECK(snap() == 0);
    CHECK(now.total.live_blocks_now == 2);
    CHECK(now.total.live_bytes_now == nt_usable_size(p) + nt_usable_size(wall));
    return 0;
}

static void *alloc_on_1(void *blocks)
{
    run_on(1);
    sched_yield();
    for (int i = 0; i < 100; i++)
        ((void **)blocks)[i] = nt_malloc(300);
    return NULL;
}

/* 100 blocks of node 1 and 100 of node 0, each freed from node 0. */
static int act_matrix(void)
{
    void *far[100], *near[100];
    pthread_t thread;
    run_on(0);
    sched_yield();
    for (int i = 0; i < 100; i++)
        near[i] = nt_malloc(300);
    CHECK(pthread_create(&thread, NULL, alloc_on_1, far) == 0);
    pthread_join(thread, NULL);
    CHECK(snap() == 0);
    CHECK(now.node[0].allocations_total == 100 && now.node[1].allocations_total == 100);
    CHECK(now.node[1].live_blocks_now == 100);
    for (int i = 0; i < 60; i++)
        nt_free(far[i]);
    for (int i = 0; i < 30; i++)
        nt_free(near[i]);
    CHECK(snap() == 0);
    CHECK(now.free_matrix[0][1] == 60 && now.free_matrix[0][0] == 30);
    CHECK(now.free_matrix[1][0] == 0 && now.free_matrix[1][1] == 0);
    CHECK(now.node[1].remote_frees_total == 60 && now.node[1].far_frees_total == 60);
    CHECK(now.node[0].remote_frees_total == 0 && now.node[0].far_frees_total == 0);
    CHECK(now.node[1].live_blocks_now == 40 && now.node[0].live_blocks_now == 70);
    CHECK(now.threads_total == 2 && now.threads_now == 1);
    run_on(1); /* this thread moves: what it frees now, it frees from there */
    sched_yield();
    nt_free(nt_malloc(1000000));
    for (int i = 30; i < 100; i++)
        nt_free(near[i]);
    CHECK(snap() == 0);
    CHECK(now.free_matrix[1][0] == 70 && now.node[0].live_blocks_now == 0);
    CHECK(now.node[0].far_frees_total == 70);
    struct nt_pool_options o = {.size = sizeof o, .nodes = "0"};
    struct nt_pool *pool = NULL; /* of node 0, used and emptied from node 1 */
    CHECK(nt_pool_create(&o, &pool) == 0);
    for (int i = 0; i < 10; i++)
        nt_free(nt_pool_malloc(pool, 300));
    CHECK(nt_pool_malloc(pool, 1000000));
    nt_pool_destroy(pool);
    CHECK(snap() == 0);
    CHECK(now.free_matrix[1][0] == 81 && now.node[0].far_frees_total == 81);
    CHECK(now.node[0].remote_frees_total == 81);
    return 0;
}

static int act_peak(void)
{
    char *p = nt_malloc(30000000);
    size_t bytes = nt_usable_size(p);
    nt_free(p);
    for (int i = 0; i < 1000; i++)
        nt_free(nt_malloc(1000));
    CHECK(snap() == 0);
    CHECK(now.total.live_bytes_peak >= bytes &&
          now.total.live_bytes_peak < bytes + 200000);
    CHECK(now.total.live_bytes_now == 0);
    CHECK(now.class_[now.classes - 1].live_bytes_peak == bytes);
    return 0;
}

static int act_memory(void)
{
    setenv("NUMATALLY_CONF", "return:3600000", 1); /* not by itself, however slow */
    char *p = nt_malloc(10000000);
    CHECK(snap() == 0);
    CHECK(now.total.committed_bytes_now >= 10000000);
    CHECK(now.total.reserved_bytes_now >= now.total.committed_bytes_now);
    CHECK(now.total.mappings_now > 0 && now.metadata_bytes_now > 0);
    memset(p, 1, 10000000);
    nt_free(p);
    CHECK(snap() == 0);
    CHECK(now.total.cached_bytes_now >= 9000000);
    CHECK(nt_purge() >= 9000000);
    CHECK(snap() == 0);
    CHECK(now.total.cached_bytes_now == 0 && now.total.returned_bytes_total >= 9000000);
    CHECK(now.class_[now.classes - 1].slabs_now == 0);
    CHECK(now.class_[now.classes - 1].slab_bytes_now == 0);
    return 0;
}

/* Memory in slabs of each class, and all of it, where nothing is kept besides. */
static int act_slabs(void)
{
    const struct nt_class_figures *large;
    uint64_t sum = 0;
    char *small[5000], *p, *q;
    for (int i = 0; i < 5000; i++)
        small[i] = nt_malloc((size_t)(i % 100) * 40);
    p = nt_malloc(10000000);
    CHECK(snap() == 0);
    large = &now.class_[now.classes - 1];
    CHECK(large->slabs_now == 1 && large->slab_bytes_now == 153 * 65536);
    p = nt_realloc(p, 20000000); /* where it is, or elsewhere */
    CHECK(snap() == 0);
    CHECK(large->slabs_now == 1 && large->slab_bytes_now == 306 * 65536);
    q = nt_malloc(600000);
    p = nt_realloc(p, 1000000);
    CHECK(snap() == 0);
    CHECK(large->slabs_now == 2 && large->slab_bytes_now == (16 + 10) * 65536);
    nt_free(q); /* its run is kept, which is no block's memory */
    CHECK(snap() == 0);
    CHECK(large->slabs_now == 1 && large->slab_bytes_now == 16 * 65536);
    q = nt_malloc(600000);
    CHECK(snap() == 0);
    CHECK(large->slabs_now == 2 && large->slab_bytes_now == (16 + 10) * 65536);
    nt_free(q);
    nt_purge();
    CHECK(snap() == 0);
    CHECK(large->slabs_now == 1 && large->slab_bytes_now == 16 * 65536);
    for (unsigned c = 0; c < now.classes; c++)
        sum += now.class_[c].slab_bytes_now;
    CHECK(sum == now.total.committed_bytes_now);
    nt_free(p);
    for (int i = 0; i < 5000; i++)
        nt_free(small[i]);
    nt_purge();
    CHECK(snap() == 0);
    for (unsigned c = 0; c < now.classes; c++)
        CHECK(now.class_[c].slab_bytes_now == 0 && now.class_[c].slabs_now == 0);
    return 0;
}

/* ---- fork --------------------------------------------------------------------------- */

static char *inherited_block;

static int act_in_child(void)
{
    CHECK(snap() == 0);
    CHECK(now.inherited == 1 && now.pid == getpid());
    CHECK(now.total.allocations_total == 0 && now.total.frees_total == 0);
    CHECK(now.total.requested_bytes_total == 0 && now.total.remote_frees_total == 0);
    CHECK(now.total.inherited_blocks_now == then.total.live_blocks_now);
    CHECK(now.total.inherited_bytes_now == then.total.live_bytes_now);
    CHECK(now.total.live_blocks_now == then.total.live_blocks_now);
    CHECK(now.start_unix_ns >= then.now_unix_ns);
    CHECK(now.threads_now == 1 && now.threads_total == 1);
    CHECK(now.total.live_bytes_peak == now.total.live_bytes_now);
    char *p = nt_malloc(100), *q = nt_malloc(200);
    nt_free(q);
    CHECK(p && snap() == 0);
    CHECK(now.total.allocations_total == 2 && now.total.frees_total == 1);
    CHECK(now.total.requested_bytes_total == 300);
    CHECK(now.total.live_blocks_now == then.total.live_blocks_now + 1);
    nt_free(inherited_block);
    CHECK(snap() == 0);
    CHECK(now.total.frees_total == 2);
    CHECK(now.total.live_blocks_now == then.total.live_blocks_now);
    struct nt_thread_figures t[4];
    CHECK(nt_snapshot_threads(t, 4) == 2);
    CHECK(t[0].allocations_total == 0 && t[1].tid == getpid());
    CHECK(t[1].allocations_total == 2 && t[1].frees_total == 2);
    struct nt_pool_figures pools[4];
    CHECK(nt_snapshot_pools(pools, 4) == 2);
    CHECK(pools[0].allocations_total == 2 && pools[1].allocations_total == 0);
    return 0;
}

static int act_fork(void)
{
    struct nt_pool *pool = NULL;
    CHECK(nt_pool_create(NULL, &pool) == 0 && nt_pool_malloc(pool, 5000));
    for (int i = 0; i < 500; i++)
        inherited_block = nt_malloc(64);
    nt_free(nt_malloc(9000000));
    CHECK(snap() == 0);
    then = now;
    CHECK(now.total.live_blocks_now == 501);
    CHECK(child_failed(act_in_child) == 0);
    CHECK(snap() == 0);
    CHECK(now.inherited == 0 &&
          now.total.allocations_total == then.total.allocations_total);
    CHECK(now.total.inherited_blocks_now == 0);
    return 0;
}

/* ---- Threads and pools ----------------------------------------------------------------- */

static pthread_barrier_t barrier;

static void *named_thread(void *arg)
{
    pthread_setname_np(pthread_self(), "worker");
    char *mine = nt_malloc(2000);
    nt_free(arg);
    *(pid_t *)mine = gettid();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    nt_free(mine);
    return NULL;
}

static int act_threads(void)
{
    struct nt_thread_figures t[8];
    pthread_t thread;
    run_on(0);
    CHECK(nt_snapshot_threads(NULL, 1) == -EINVAL);
    char *passed = nt_malloc(100);
    nt_free(nt_malloc(50));
    pthread_barrier_init(&barrier, NULL, 2);
    CHECK(pthread_create(&thread, NULL, named_thread, passed) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(nt_snapshot_threads(NULL, 0) == 3);
    memset(t, 255, sizeof t);
    CHECK(nt_snapshot_threads(t, 1) == 3);
    CHECK(t[1].tid == -1); /* nothing past `max` is written */
    CHECK(nt_snapshot_threads(t, 8) == 3);
    CHECK(t[0].tid == 0 && strcmp(t[0].name, "exited") == 0 &&
          t[0].allocations_total == 0);
    const struct nt_thread_figures *me = &t[1], *worker = &t[2];
    if (me->tid != getpid())
        me = &t[2], worker = &t[1];
    CHECK(me->tid == getpid() && strcmp(me->name, "test_figures") == 0);
    CHECK(me->allocations_total == 2 && me->frees_total == 1);
    CHECK(me->requested_bytes_total == 150 && me->remote_frees_total == 0 &&
          me->node == 0);
    CHECK(worker->tid != me->tid && strcmp(worker->name, "worker") == 0);
    CHECK(worker->allocations_total == 1 && worker->frees_total == 1);
    CHECK(worker->remote_frees_total == 1 && worker->requested_bytes_total == 2000);
    CHECK(worker->freed_bytes_total >= 100 && worker->live_bytes_peak <= 2048);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    CHECK(nt_snapshot_threads(t, 8) == 2);
    CHECK(t[0].allocations_total == 1 && t[0].frees_total == 2);
    CHECK(t[0].remote_frees_total == 1 && t[0].requested_bytes_total == 2000);
    CHECK(snap() == 0);
    CHECK(t[0].allocations_total + t[1].allocations_total ==
          now.total.allocations_total);
    CHECK(t[0].frees_total + t[1].frees_total == now.total.frees_total);
    return 0;
}

static int act_pools(void)
{
    struct nt_pool_figures f[4];
    struct nt_pool_options o = {.size = sizeof o, .name = "counted", .limit = 3000000};
    struct nt_pool *pool = NULL;
    CHECK(nt_snapshot_pools(NULL, 1) == -EINVAL);
    CHECK(nt_snapshot_pools(NULL, 0) == 1);
    CHECK(nt_pool_create(&o, &pool) == 0);
    char *outside = nt_malloc(777);
    char *p = nt_pool_malloc(pool, 1000), *q = nt_pool_malloc(pool, 700000);
    size_t live = nt_usable_size(p) + nt_usable_size(q);
    nt_free(nt_pool_malloc(pool, 10));
    memset(f, 255, sizeof f);
    CHECK(nt_snapshot_pools(f, 1) == 2);
    CHECK(f[1].allocations_total == UINT64_MAX);
    CHECK(nt_snapshot_pools(f, 4) == 2);
    CHECK(strcmp(f[0].name, "process") == 0 && f[0].limit_bytes == 0);
    CHECK(f[0].allocations_total == 1 && f[0].requested_bytes_total == 777);
    CHECK(f[0].live_bytes_now == nt_usable_size(outside));
    CHECK(f[0].live_bytes_peak == f[0].live_bytes_now); /* its own, not the pools' */
    CHECK(strcmp(f[1].name, "counted") == 0 && f[1].limit_bytes == 3000000);
    CHECK(f[1].allocations_total == 3 && f[1].frees_total == 1);
    CHECK(f[1].requested_bytes_total == 701010 && f[1].live_blocks_now == 2);
    CHECK(f[1].live_bytes_now == live && f[1].live_bytes_peak >= live);
    CHECK(f[1].live_bytes_peak <= live + 16);
    CHECK(f[1].committed_bytes_now >= live &&
          f[1].committed_bytes_now <= 3000000 + 65536);
    CHECK(snap() == 0);
    CHECK(f[0].committed_bytes_now + f[1].committed_bytes_now ==
          now.total.committed_bytes_now);
    CHECK(now.total.allocations_total == 4 && now.total.live_blocks_now == 3);
    nt_pool_destroy(pool);
    CHECK(nt_snapshot_pools(f, 4) == 1);
    CHECK(snap() == 0);
    CHECK(now.total.frees_total == 3 && now.total.live_blocks_now == 1);
    return 0;
}

/* ---- Reports -------------------------------------------------------------------------- */

static int act_report(void)
{
    static char text[1 << 16];
    int ends[2];
    for (int i = 0; i < 77; i++)
        (void)!nt_malloc(100);
    errno = 19;
    CHECK(nt_report(-1, NT_FORMAT_TEXT) == -EBADF);
    CHECK(nt_report(1, (enum nt_format)7) == -EINVAL);
    CHECK(nt_report(1, (enum nt_format) - 1) == -EINVAL);
    CHECK(errno == 19);
    int full = open("/dev/full", O_WRONLY);
    CHECK(full >= 0 && nt_report(full, NT_FORMAT_JSON) == -ENOSPC);
    for (int format = NT_FORMAT_TEXT; format <= NT_FORMAT_JSON; format++) {
        FILE *f = tmpfile();
        CHECK(f && nt_report(fileno(f), (enum nt_format)format) == 0);
        rewind(f);
        size_t n = fread(text, 1, sizeof text - 1, f);
        text[n] = '\0';
        fclose(f);
        CHECK(n > 100 && strstr(text, "77"));
        CHECK((text[0] == '{') == (format == NT_FORMAT_JSON));
        CHECK(strstr(text,
                     format == NT_FORMAT_JSON ? "allocations_total" : "Allocations"));
    }
    (void)ends;
    return 0;
}

/* Readers beside writers: figures that only grow never fall. */
static bool stop;
static int at_work;

static void *busy(void *unused)
{
    (void)unused;
    char *p[64] = {0};
    for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
        nt_free(p[i % 64]);
        p[i % 64] = nt_malloc(i * 37 % 4000);
        if (i == 0)
            __atomic_add_fetch(&at_work, 1, __ATOMIC_RELAXED);
    }
    for (int i = 0; i < 64; i++)
        nt_free(p[i]);
    return NULL;
}

static int act_beside_writers(void)
{
    pthread_t thread[2];
    uint64_t allocs = 0, frees = 0;
    nt_free(
        nt_malloc(1)); /* started by one: tsan cannot know that others wait for it */
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&thread[i], NULL, busy, NULL) == 0);
    while (__atomic_load_n(&at_work, __ATOMIC_RELAXED) < 2)
        sched_yield();
    for (int i = 0; i < 3000; i++) {
        CHECK(nt_snapshot(&now) == 0);
        CHECK(now.total.allocations_total >= allocs && now.total.frees_total >= frees);
        allocs = now.total.allocations_total;
        frees = now.total.frees_total;
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    CHECK(snap() == 0);
    CHECK(now.total.live_blocks_now == 0 && now.total.live_bytes_now == 0);
    CHECK(now.threads_total == 3 && now.threads_now == 1);
    return 0;
}

static void test_matrix(void **state)
{
    (void)state;
    if (!two_cpus()) {
        print_message("needs cpus 0 and 1\n");
        skip();
    }
    child_ok(act_matrix);
}

int main(void)
{
    unsetenv("NUMATALLY_CONF");
    setenv("NUMATALLY_TOPOLOGY", "2x1", 1); /* each act starts the library by itself */
    struct CMUnitTest tests[] = {
        ACT(identity), ACT(counts), ACT(reallocs), cmocka_unit_test(test_matrix),
        ACT(peak),     ACT(memory), ACT(slabs),    ACT(fork),
        ACT(threads),  ACT(pools),  ACT(report),   ACT(beside_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
