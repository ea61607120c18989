/* SPDX-License-Identifier: MIT */
/*
 * nt_mark against counts that the test keeps itself, phase by phase: with one thread, with
 * threads that are still at the marks, and with threads that are not.
 */
#define _GNU_SOURCE
#include "tests/child.h"

#include "src/base/base.h"

#include <errno.h>
#include <numatally/stats.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#define MIB ((size_t)1 << 20)

static struct nt_snapshot now, then;
static struct nt_phase_figures rows[NT_PHASES_MAX + 1];

static uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- The oracle: counts beside each call ----------------------------------------------- */

struct counts {
    uint64_t allocs, allocated, requested, frees, freed;
};

static void *counted_malloc(struct counts *to, size_t size)
{
    void *p = nt_malloc(size);
    __atomic_add_fetch(&to->allocs, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&to->allocated, nt_usable_size(p), __ATOMIC_RELAXED);
    __atomic_add_fetch(&to->requested, size, __ATOMIC_RELAXED);
    return p;
}

static void counted_free(struct counts *to, void *p)
{
    if (!p)
        return;
    __atomic_add_fetch(&to->frees, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&to->freed, nt_usable_size(p), __ATOMIC_RELAXED);
    nt_free(p);
}

static const struct nt_phase_figures *phase(const char *name)
{
    long n = nt_snapshot_phases(rows, NT_ARRAY_LEN(rows));
    for (long i = 0; i < n; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static int same(const char *name, const struct counts *c, uint64_t entries)
{
    const struct nt_phase_figures *p = phase(name);
    CHECK(p != NULL);
    CHECK(p->entries_total == entries);
    CHECK(p->allocations_total == c->allocs &&
          p->allocated_bytes_total == c->allocated);
    CHECK(p->requested_bytes_total == c->requested);
    CHECK(p->frees_total == c->frees && p->freed_bytes_total == c->freed);
    return 0;
}

/* What all phases did is what the process did between `then` and `now`. */
static int adds_up(void)
{
    struct nt_phase_figures sum = {0};
    long n = nt_snapshot_phases(rows, NT_ARRAY_LEN(rows));
    for (long i = 0; i < n; i++) {
        sum.allocations_total += rows[i].allocations_total;
        sum.allocated_bytes_total += rows[i].allocated_bytes_total;
        sum.requested_bytes_total += rows[i].requested_bytes_total;
        sum.frees_total += rows[i].frees_total;
        sum.freed_bytes_total += rows[i].freed_bytes_total;
        sum.remote_frees_total += rows[i].remote_frees_total;
        sum.far_frees_total += rows[i].far_frees_total;
    }
    CHECK(nt_snapshot_diff(&then, &now, &now) == 0);
    CHECK(sum.allocations_total == now.total.allocations_total);
    CHECK(sum.allocated_bytes_total == now.total.allocated_bytes_total);
    CHECK(sum.requested_bytes_total == now.total.requested_bytes_total);
    CHECK(sum.frees_total == now.total.frees_total);
    CHECK(sum.freed_bytes_total == now.total.freed_bytes_total);
    CHECK(sum.remote_frees_total == now.total.remote_frees_total);
    CHECK(sum.far_frees_total == now.total.far_frees_total);
    return 0;
}

/* ---- One thread -------------------------------------------------------------------------- */

static int act_counts(void)
{
    static const char *const names[] = {"set-up", "assembly", "solve"};
    static void *kept[3000];
    struct counts counts[3] = {0};
    uint64_t entries[3] = {0};
    uint32_t draw = 77;
    nt_free(nt_malloc(10)); /* before any phase: in none */
    CHECK(nt_snapshot(&then) == 0);
    for (int i = 0; i < 60; i++) {
        unsigned k = i < 3 ? (unsigned)i : (draw >> 9) % 3;
        CHECK(nt_mark(names[k]) == 0);
        entries[k]++;
        for (int j = 0; j < 1000; j++) {
            draw = draw * 1664525 + 1013904223;
            void **at = &kept[(draw >> 8) % NT_ARRAY_LEN(kept)];
            size_t size = (draw >> 6) % (draw % 100 == 0 ? 900000 : 2000);
            counted_free(&counts[k], *at);
            *at = counted_malloc(&counts[k], size);
        }
    }
    CHECK(nt_mark(NULL) == 0);
    CHECK(nt_snapshot(&now) == 0);
    nt_free(nt_malloc(10)); /* after them */
    for (int k = 0; k < 3; k++)
        CHECK(same(names[k], &counts[k], entries[k]) == 0);
    CHECK(nt_snapshot_phases(NULL, 0) == 3);
    for (int k = 0; k < 3; k++)
        CHECK(strcmp(rows[k].name, names[k]) == 0 && !rows[k].running);
    return adds_up();
}

static int act_running(void)
{
    CHECK(nt_snapshot_phases(rows, NT_ARRAY_LEN(rows)) == 0);
    CHECK(nt_mark(NULL) == 0); /* none to end */
    CHECK(nt_snapshot_phases(NULL, 0) == 0);
    CHECK(nt_mark("one") == 0);
    void *p = nt_malloc(5000);
    const struct nt_phase_figures *one = phase("one");
    CHECK(one && one->running && one->allocations_total == 1 && one->frees_total == 0);
    CHECK(one->last_live_bytes == nt_usable_size(p) && one->first_live_bytes == 0);
    CHECK(one->live_bytes_peak == nt_usable_size(p));
    CHECK(phase("one")->allocations_total == 1); /* listing changes nothing */
    CHECK(nt_mark("one") == 0);                  /* again: another entry */
    CHECK(phase("one")->entries_total == 2 && phase("one")->running);
    nt_free(p);
    CHECK(phase("one")->frees_total == 1 && phase("one")->last_live_bytes == 0);
    CHECK(nt_mark("two") == 0);
    p = nt_malloc(100);
    CHECK(nt_mark(NULL) == 0 && nt_mark(NULL) == 0);
    nt_free(p);
    CHECK(phase("one")->allocations_total == 1 && phase("one")->frees_total == 1);
    CHECK(phase("two")->allocations_total == 1 && phase("two")->frees_total == 0);
    CHECK(!phase("one")->running && !phase("two")->running);
    CHECK(phase("two")->last_live_bytes >= 100);
    CHECK(nt_mark("one") == 0); /* what went on between is not its */
    CHECK(phase("one")->entries_total == 3 && phase("one")->frees_total == 1);
    CHECK(phase("one")->first_live_bytes == 0); /* of the first entry */
    return 0;
}

static int act_time(void)
{
    struct timespec pause = {.tv_nsec = 20000000};
    uint64_t before = clock_ns();
    CHECK(nt_mark("sleep") == 0);
    uint64_t begun = clock_ns();
    nanosleep(&pause, NULL);
    uint64_t ending = clock_ns();
    CHECK(nt_mark("other") == 0);
    uint64_t after = clock_ns();
    uint64_t spent = phase("sleep")->spent_ns_total;
    CHECK(spent >= ending - begun && spent <= after - before);
    nanosleep(&pause, NULL);
    CHECK(phase("sleep")->spent_ns_total == spent);
    CHECK(phase("other")->spent_ns_total >= 20000000);
    return 0;
}

/* Reallocs that move, in place, pools, far frees: all that the totals have. */
static int act_all_calls(void)
{
    struct nt_pool_options o = {.size = sizeof o, .name = "mine"};
    struct nt_pool *pool = NULL;
    CHECK(nt_snapshot(&then) == 0);
    CHECK(nt_mark("a") == 0);
    CHECK(nt_pool_create(&o, &pool) == 0);
    char *p = nt_malloc(1000);
    p = nt_realloc(p, 990);
    p = nt_realloc(p, 5000000);
    p = nt_realloc(p, 50000000);
    for (int i = 0; i < 100; i++)
        CHECK(nt_pool_malloc(pool, 100 + (size_t)i * 300));
    CHECK(nt_mark("b") == 0);
    CHECK(nt_snapshot(&now) == 0);
    CHECK(phase("a")->allocations_total == now.total.allocations_total);
    CHECK(phase("a")->allocations_total >= 102 && phase("a")->frees_total >= 1);
    nt_pool_reset(pool);
    CHECK(phase("b")->frees_total == 100 && phase("b")->allocations_total == 0);
    CHECK(nt_pool_malloc(pool, 3000000));
    nt_pool_destroy(pool);
    nt_free(p);
    CHECK(nt_mark(NULL) == 0);
    CHECK(nt_snapshot(&now) == 0);
    CHECK(phase("b")->last_live_bytes == 0);
    return adds_up();
}

/* ---- Peaks ---------------------------------------------------------------------------- */

static int act_peak(void)
{
    uint64_t base = 0;
    char *p = nt_malloc(80 * MIB); /* the process's peak */
    nt_free(p);
    char *kept = nt_malloc(10 * MIB);
    base = nt_usable_size(kept);
    CHECK(nt_mark("low") == 0);
    p = nt_malloc(20 * MIB);
    uint64_t low = base + nt_usable_size(p);
    nt_free(p);
    CHECK(phase("low")->live_bytes_peak == low);
    CHECK(nt_mark("flat") == 0);
    nt_free(nt_malloc(100));
    CHECK(nt_mark("low") == 0);
    p = nt_malloc(5 * MIB);
    nt_free(p);
    CHECK(nt_mark("high") == 0);
    for (int i = 1; i <= 6; i++) {
        p = nt_malloc((size_t)i * 10 * MIB);
        nt_free(p);
    }
    CHECK(nt_mark(NULL) == 0);
    p = nt_malloc(90 * MIB);
    CHECK(phase("low")->live_bytes_peak == low);
    CHECK(phase("low")->first_live_bytes == base);
    CHECK(phase("low")->last_live_bytes == base);
    uint64_t flat = phase("flat")->live_bytes_peak;
    CHECK(flat >= base && flat < base + 200000);
    uint64_t high = phase("high")->live_bytes_peak, truth = base + 60 * MIB;
    CHECK(high <= truth && high >= truth - truth / 128 - 4 * MIB);
    nt_free(p);
    nt_free(kept);
    return 0;
}

/* Small blocks, over and over: short by the step and a slab a class at most, never above. */
static int act_peak_small(void)
{
    static char *p[100000];
    CHECK(nt_snapshot(&then) == 0);
    for (size_t i = 0; i < NT_ARRAY_LEN(p); i++)
        p[i] = nt_malloc(500);
    for (size_t i = 0; i < NT_ARRAY_LEN(p); i++)
        nt_free(p[i]);
    for (size_t n = 1000; n <= NT_ARRAY_LEN(p); n *= 10) {
        char name[32];
        uint64_t truth = 0;
        snprintf(name, sizeof name, "%zu", n);
        CHECK(nt_mark(name) == 0);
        for (int again = 0; again < 3; again++) {
            for (size_t i = 0; i < n; i++) {
                p[i] = nt_malloc(500);
                truth += again == 0 ? nt_usable_size(p[i]) : 0;
            }
            for (size_t i = 0; i < n; i++)
                nt_free(p[i]);
        }
        CHECK(nt_mark("between") == 0);
        uint64_t got = phase(name)->live_bytes_peak;
        uint64_t step = truth / 128 < 65536 ? 65536 : truth / 128;
        CHECK(got <= truth);
        CHECK(got + step + MIB >= truth);
    }
    return 0;
}

/* ---- Threads -------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 12, BLOCKS = 500 };

static pthread_barrier_t barrier;
static struct counts by_round[ROUNDS];
static uint64_t remote_by_round[ROUNDS];
static void *shared[THREADS][BLOCKS];

static void pin(unsigned cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one,
                      &one); /* one of two nodes; without, all the same */
}

/* Each frees what its neighbour allocated in the round before: remote frees. */
static void *work(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    uint32_t draw = me;
    pin(me % 2);
    for (int r = 0; r < ROUNDS; r++) {
        pthread_barrier_wait(&barrier); /* the main thread has marked */
        struct counts *c = &by_round[r];
        void **from = shared[(me + 1) % THREADS];
        for (int i = 0; i < BLOCKS; i++) {
            if (from[i] != NULL)
                __atomic_add_fetch(&remote_by_round[r], 1, __ATOMIC_RELAXED);
            counted_free(c, from[i]);
            from[i] = NULL;
        }
        pthread_barrier_wait(&barrier); /* all have freed */
        for (int i = 0; i < BLOCKS; i++) {
            draw = draw * 1664525 + 1013904223;
            shared[me][i] = counted_malloc(c, (draw >> 8) % (i == 7 ? 700000 : 1500));
        }
        pthread_barrier_wait(&barrier); /* and are still */
    }
    return NULL;
}

static int act_threads(void)
{
    pthread_t thread[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, work, (void *)i) == 0);
    CHECK(nt_snapshot(&then) == 0);
    for (int r = 0; r < ROUNDS; r++) {
        char name[32];
        snprintf(name, sizeof name, "round %d", r % (ROUNDS / 2));
        CHECK(nt_mark(name) == 0);
        for (int i = 0; i < 3; i++)
            pthread_barrier_wait(&barrier);
    }
    CHECK(nt_mark(NULL) == 0);
    CHECK(nt_snapshot(&now) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int r = 0; r < ROUNDS / 2; r++) {
        struct counts c = by_round[r];
        const struct counts *again = &by_round[r + ROUNDS / 2];
        char name[32];
        c.allocs += again->allocs;
        c.allocated += again->allocated;
        c.requested += again->requested;
        c.frees += again->frees;
        c.freed += again->freed;
        snprintf(name, sizeof name, "round %d", r);
        CHECK(same(name, &c, 2) == 0);
        CHECK(phase(name)->remote_frees_total ==
              remote_by_round[r] + remote_by_round[r + ROUNDS / 2]);
        CHECK(phase(name)->far_frees_total <= phase(name)->remote_frees_total);
    }
    CHECK(by_round[1].frees == THREADS * BLOCKS);
    return adds_up();
}

static bool stop;

static void *churn(void *arg)
{
    struct counts *c = arg;
    void *p[64] = {NULL};
    for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
        counted_free(c, p[i % 64]);
        p[i % 64] = counted_malloc(c, i * 37 % 3000);
    }
    for (int i = 0; i < 64; i++)
        counted_free(c, p[i]);
    return NULL;
}

static void *marker(void *arg)
{
    static const char *const names[] = {"x", "y", "z"};
    for (unsigned i = 0; i < 3000; i++)
        if (nt_mark(names[(i + (uintptr_t)arg) % 3]) != 0)
            abort();
    return NULL;
}

/* Marks by two threads while two others run: nothing is lost or counted twice. */
static int act_threads_run(void)
{
    static struct counts c[2];
    struct counts sum = {0};
    pthread_t thread[2], mark[2];
    CHECK(nt_snapshot(&then) == 0);
    CHECK(nt_mark("begin") == 0);
    for (uintptr_t i = 0; i < 2; i++) {
        CHECK(pthread_create(&thread[i], NULL, churn, &c[i]) == 0);
        CHECK(pthread_create(&mark[i], NULL, marker, (void *)i) == 0);
    }
    for (int i = 0; i < 500; i++) {
        long n = nt_snapshot_phases(rows, NT_ARRAY_LEN(rows));
        int running = 0;
        for (long k = 0; k < n; k++)
            running += rows[k].running;
        CHECK(n >= 1 && n <= 4 && running == 1);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(mark[i], NULL);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        sum.allocs += c[i].allocs;
        sum.requested += c[i].requested;
        sum.frees += c[i].frees;
    }
    CHECK(nt_mark(NULL) == 0);
    CHECK(nt_snapshot(&now) == 0);
    CHECK(phase("x")->entries_total + phase("y")->entries_total +
              phase("z")->entries_total ==
          6000);
    uint64_t allocs = 0, frees = 0, requested = 0;
    for (int i = 0; i < 4; i++) {
        allocs += rows[i].allocations_total;
        frees += rows[i].frees_total;
        requested += rows[i].requested_bytes_total;
    }
    CHECK(allocs == sum.allocs && frees == sum.frees && requested == sum.requested);
    return adds_up();
}

/* ---- Names ------------------------------------------------------------------------------ */

static int act_names(void)
{
    char longer[100];
    CHECK(nt_mark("") == -EINVAL);
    CHECK(nt_snapshot_phases(NULL, 0) == 0);
    CHECK(nt_snapshot_phases(NULL, 1) == -EINVAL);
    memset(longer, 'n', sizeof longer);
    longer[99] = '\0';
    CHECK(nt_mark(longer) == 0);
    longer[80] = 'm'; /* beyond what is kept: the same */
    CHECK(nt_mark(longer) == 0);
    longer[63] = '\0';
    CHECK(phase(longer) != NULL && phase(longer)->entries_total == 2);
    memcpy(longer + 61, "\xe2\x82\xac", 4); /* a character is not cut */
    CHECK(nt_mark(longer) == 0);
    longer[61] = '\0';
    CHECK(phase(longer) != NULL && phase(longer)->entries_total == 1);
    CHECK(nt_mark("\"\\\n\x01\xff") == 0);
    CHECK(phase("\"\\\n\x01\xff") != NULL); /* kept as it is */
    char name[] = "mine";
    CHECK(nt_mark(name) == 0);
    memset(name, 0, sizeof name); /* it was copied */
    CHECK(phase("mine") != NULL && phase("mine")->running);
    memset(rows, 0x55, sizeof rows);
    CHECK(nt_snapshot_phases(rows, 2) == 4); /* how many there are */
    CHECK(rows[1].name[0] == 'n' && rows[2].name[0] == 0x55);
    return 0;
}

static int act_too_many(void)
{
    char name[32];
    for (int again = 0; again < 2; again++)
        for (int i = 0; i < 300; i++) {
            snprintf(name, sizeof name, "phase %d", i);
            CHECK(nt_mark(name) == 0);
            nt_free(nt_malloc(10));
        }
    CHECK(nt_mark(NULL) == 0);
    CHECK(nt_snapshot_phases(NULL, 0) == NT_PHASES_MAX);
    CHECK(phase("phase 126")->entries_total == 2);
    CHECK(phase("phase 127") == NULL);
    CHECK(phase("(other)") == &rows[NT_PHASES_MAX - 1]);
    CHECK(phase("(other)")->entries_total == 2 * (300 - 127));
    CHECK(phase("(other)")->allocations_total == 2 * (300 - 127));
    return 0;
}

/* A program that has a phase of that name shares it. */
static int act_named_other(void)
{
    char name[32];
    CHECK(nt_mark("(other)") == 0);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "phase %d", i);
        CHECK(nt_mark(name) == 0);
    }
    CHECK(nt_snapshot_phases(NULL, 0) == NT_PHASES_MAX - 1);
    CHECK(phase("(other)") == rows && rows[0].entries_total == 1 + 300 - 126);
    return 0;
}

/* ---- fork -------------------------------------------------------------------------------- */

static int act_in_grandchild(void)
{
    CHECK(nt_snapshot_phases(NULL, 0) == 0); /* none ran at the fork */
    CHECK(nt_mark("second") == 0 && phase("second")->entries_total == 1);
    return 0;
}

static int act_in_child(void)
{
    CHECK(nt_snapshot_phases(rows, NT_ARRAY_LEN(rows)) == 1);
    CHECK(strcmp(rows[0].name, "second") == 0 && rows[0].running);
    CHECK(rows[0].entries_total == 1 && rows[0].allocations_total == 0);
    CHECK(rows[0].first_live_bytes > 0);
    nt_free(nt_malloc(100));
    CHECK(nt_mark("third") == 0);
    CHECK(phase("second")->allocations_total == 1);
    CHECK(nt_mark("second") == 0 && phase("second")->entries_total == 2);
    CHECK(nt_mark(NULL) == 0);
    memset(&then, 0, sizeof then);
    CHECK(nt_snapshot(&now) == 0 && now.total.allocations_total == 1);
    return child_failed(act_in_grandchild);
}

static int act_fork(void)
{
    CHECK(nt_mark("first") == 0);
    void *p = nt_malloc(1000);
    CHECK(nt_mark("second") == 0);
    void *q = nt_malloc(1000);
    CHECK(child_failed(act_in_child) == 0);
    CHECK(phase("second")->allocations_total == 1 && phase("third") == NULL);
    CHECK(phase("second")->entries_total == 1);
    nt_free(p);
    nt_free(q);
    return 0;
}

int main(void)
{
    unsetenv("NUMATALLY_CONF");
    setenv("NUMATALLY_TOPOLOGY", "2x1", 1); /* each act starts the library by itself */
    struct CMUnitTest tests[] = {
        ACT(counts), ACT(running),    ACT(time),        ACT(all_calls),
        ACT(peak),   ACT(peak_small), ACT(threads),     ACT(threads_run),
        ACT(names),  ACT(too_many),   ACT(named_other), ACT(fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
