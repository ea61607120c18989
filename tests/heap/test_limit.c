/* SPDX-License-Identifier: MIT */
/*
 * nt_on_limit: called once for each crossing upwards, as late as the header says and no
 * later, on the thread that crossed; and a callback may do what it likes but not return.
 */
#define _GNU_SOURCE
#include "tests/child.h"

#include "src/base/base.h"

#include <errno.h>
#include <numatally/stats.h>
#include <pthread.h>

#define MIB ((uint64_t)1 << 20)
#define LIMIT (100 * MIB)

static struct {
    unsigned calls;
    uint64_t live_bytes;
    pthread_t thread;
    void *context;
} seen;

static void note(uint64_t live_bytes, void *context)
{
    seen.calls++;
    seen.live_bytes = live_bytes;
    seen.thread = pthread_self();
    seen.context = context;
    errno = 77; /* its errno is its own */
}

static uint64_t live_now(void)
{
    static _Thread_local struct nt_snapshot s;
    nt_snapshot(&s);
    return s.total.live_bytes_now;
}

/* How late it may be: the step, and a run of blocks (a unit at most) of one class. */
static uint64_t late(void)
{
    return LIMIT / 128 + 2 * MIB;
}

/* ---- Crossing ------------------------------------------------------------------------ */

/* Growth in the run that another had left. */
static int act_growth(void)
{
    char *p = NULL;
    for (size_t size = 1000; size < 2 * MIB; size += size / 2)
        CHECK((p = nt_realloc(p, size)) != NULL);
    nt_free(p);
    p = nt_realloc(nt_malloc(4000), 8000);
    CHECK(nt_on_limit(MIB, note, NULL) == 0);
    for (size_t size = 10000; size < 3 * MIB / 2; size += 20000) {
        CHECK((p = nt_realloc(p, size)) != NULL);
        uint64_t live = live_now(), step = 64 * 1024;
        CHECK(live > MIB || seen.calls == 0);
        CHECK(live <= MIB + step || seen.calls == 1);
    }
    CHECK(seen.calls == 1 && seen.live_bytes <= MIB + 2 * 64 * 1024);
    nt_free(p);
    return 0;
}

static int act_large(void)
{
    char *p[200];
    int context;
    CHECK(nt_on_limit(LIMIT, note, &context) == 0);
    errno = 5;
    for (int i = 0; i < 200; i++) {
        p[i] = nt_malloc(MIB);
        CHECK(p[i] && errno == 5);
        p[i][0] = 1;
        if (live_now() <= LIMIT)
            CHECK(seen.calls == 0);
        if (live_now() > LIMIT + late())
            CHECK(seen.calls == 1);
    }
    CHECK(seen.calls == 1 && seen.context == &context);
    CHECK(seen.live_bytes > LIMIT && seen.live_bytes <= LIMIT + late());
    CHECK(pthread_equal(seen.thread, pthread_self()));
    for (int i = 0; i < 200; i++)
        nt_free(p[i]);
    CHECK(seen.calls == 1);
    return 0;
}

/* Up and down: once for each time. Each turn goes below by more than can be missed. */
static int act_again(void)
{
    char *p = nt_malloc(90 * MIB);
    CHECK(nt_on_limit(LIMIT, note, NULL) == 0);
    for (unsigned i = 1; i <= 50; i++) {
        char *q = nt_malloc(20 * MIB);
        CHECK(q && seen.calls == i);
        nt_free(nt_malloc(MIB)); /* still above: no call */
        CHECK(seen.calls == i);
        nt_free(q);
    }
    nt_free(p);
    return 0;
}

static int act_small(void)
{
    static char *p[400000];
    size_t n = 0;
    CHECK(nt_on_limit(LIMIT, note, NULL) == 0);
    for (unsigned turn = 1; turn <= 3; turn++) {
        uint64_t live = 0;
        for (n = 0; seen.calls < turn && n < NT_ARRAY_LEN(p); n++) {
            p[n] = nt_malloc(500);
            live += nt_usable_size(p[n]);
        }
        CHECK(seen.calls == turn);
        CHECK(seen.live_bytes > LIMIT && live > LIMIT && live <= LIMIT + late());
        for (size_t i = 0; i < 20000; i++) { /* more of them: no call */
            CHECK(n < NT_ARRAY_LEN(p));
            p[n++] = nt_malloc(500);
        }
        CHECK(seen.calls == turn);
        while (n > 0)
            nt_free(p[--n]);
    }
    return 0;
}

/* Blocks of many sizes that come back as other sizes: the way down is seen. */
static int act_other_classes(void)
{
    static char *p[400000];
    CHECK(nt_on_limit(LIMIT, note, NULL) == 0);
    for (unsigned turn = 1; turn <= 8; turn++) {
        uint64_t live = 0;
        size_t n = 0;
        for (; live < LIMIT + 20 * MIB && n < NT_ARRAY_LEN(p); n++) {
            p[n] = nt_malloc(300 * turn + n % 5);
            live += nt_usable_size(p[n]);
        }
        CHECK(seen.calls == turn);
        while (n > 0)
            nt_free(p[--n]);
    }
    return 0;
}

/* One that moves its block has both for a moment. */
static int act_realloc(void)
{
    CHECK(nt_on_limit(LIMIT, note, NULL) == 0);
    char *p = NULL;
    uint64_t size = MIB;
    errno = 6;
    for (; size < LIMIT / 2; size += 8 * MIB) {
        p = nt_realloc(p, size);
        CHECK(p && seen.calls == 0);
    }
    for (; size < 2 * LIMIT; size += 16 * MIB) {
        p = nt_realloc(p, size);
        CHECK(p && errno == 6 && seen.live_bytes < size + LIMIT * 2);
    }
    CHECK(seen.calls >= 1 && seen.live_bytes > LIMIT);
    p = nt_realloc(p, MIB);
    unsigned before = seen.calls;
    p = nt_realloc(p, LIMIT + 20 * MIB);
    CHECK(p && errno == 6 && seen.calls == before + 1);
    nt_free(p);
    return 0;
}

static int act_pools(void)
{
    struct nt_pool_options o = {.size = sizeof o};
    struct nt_pool *pool = NULL;
    CHECK(nt_pool_create(&o, &pool) == 0);
    CHECK(nt_on_limit(LIMIT, note, NULL) == 0);
    for (unsigned turn = 1; turn <= 4; turn++) {
        for (int i = 0; i < 60; i++)
            CHECK(nt_pool_malloc(pool, turn % 2 ? 2 * MIB : 2 * MIB + 5));
        CHECK(seen.calls == turn);
        nt_pool_reset(pool); /* at once, and seen at once */
    }
    char *p = nt_pool_malloc(pool, 10000);
    p = nt_pool_realloc(pool, p, LIMIT + 20 * MIB); /* moves into a large block */
    CHECK(p && seen.calls == 5);
    nt_pool_destroy(pool);
    char *q = nt_malloc(LIMIT + 20 * MIB);
    CHECK(seen.calls == 6);
    nt_free(q);
    return 0;
}

static int act_set_and_removed(void)
{
    char *p = nt_malloc(LIMIT + 20 * MIB);
    CHECK(nt_on_limit(LIMIT, note, NULL) == 0); /* is above already: no crossing */
    char *q = nt_malloc(50 * MIB);
    CHECK(seen.calls == 0);
    nt_free(q);
    nt_free(p);
    nt_free(nt_malloc(LIMIT + 20 * MIB));
    CHECK(seen.calls == 1);
    CHECK(nt_on_limit(LIMIT, NULL, NULL) == 0);
    nt_free(nt_malloc(LIMIT + 20 * MIB));
    CHECK(nt_on_limit(0, note, NULL) == 0);
    nt_free(nt_malloc(LIMIT + 20 * MIB));
    CHECK(seen.calls == 1);
    CHECK(nt_on_limit(UINT64_MAX, note, NULL) == 0);
    nt_free(nt_malloc(LIMIT + 20 * MIB));
    CHECK(seen.calls == 1);
    CHECK(nt_on_limit(1, note, NULL) == 0); /* a byte, in a process that has none */
    p = nt_malloc(MIB);
    CHECK(seen.calls == 2 && seen.live_bytes >= MIB);
    nt_free(p);
    CHECK(nt_on_limit(50 * MIB, note, NULL) == 0);
    p = nt_malloc(60 * MIB);
    CHECK(nt_on_limit(LIMIT, note, NULL) == 0); /* replaced: a higher one */
    q = nt_malloc(60 * MIB);
    CHECK(seen.calls == 4);
    nt_free(p);
    nt_free(q);
    return 0;
}

/* ---- What a callback does ---------------------------------------------------------------- */

static char *stock[64];
static unsigned stocked, depth, deepest;

static void free_stock(uint64_t live_bytes, void *context)
{
    note(live_bytes, context);
    while (stocked > 0)
        nt_free(stock[--stocked]);
}

/* A cache that gives its blocks back at the limit: live bytes stay about there. */
static int act_frees(void)
{
    CHECK(nt_on_limit(LIMIT, free_stock, NULL) == 0);
    for (int i = 0; i < 1000; i++) {
        CHECK(stocked < NT_ARRAY_LEN(stock));
        char *p = nt_malloc(3 * MIB);
        CHECK(p && live_now() <= LIMIT + late());
        stock[stocked++] = p;
    }
    CHECK(seen.calls > 25 && seen.calls < 40);
    return 0;
}

static void allocate(uint64_t live_bytes, void *context)
{
    note(live_bytes, context);
    deepest = ++depth > deepest ? depth : deepest;
    for (int i = 0; i < 10000; i++)
        nt_free(nt_malloc((size_t)i * 50));
    stock[stocked++] = nt_malloc(50 * MIB);
    char *p = nt_malloc(LIMIT); /* above and, all the time, no call */
    p = nt_realloc(p, 2 * LIMIT);
    nt_free(p);
    depth--;
}

static int act_allocates(void)
{
    CHECK(nt_on_limit(LIMIT, allocate, NULL) == 0);
    char *p = nt_malloc(LIMIT + MIB);
    CHECK(seen.calls == 1 && deepest == 1 && stocked == 1);
    nt_free(nt_malloc(20 * MIB));
    CHECK(seen.calls == 1);
    nt_free(p);
    nt_free(stock[0]);
    p = nt_malloc(LIMIT + MIB);
    CHECK(seen.calls == 2 && deepest == 1);
    return 0;
}

static void call_all(uint64_t live_bytes, void *context)
{
    static struct nt_snapshot s;
    static struct nt_thread_figures threads[4];
    static struct nt_pool_figures pools[4];
    static struct nt_phase_figures phases[4];
    struct nt_pool_options o = {.size = sizeof o};
    struct nt_pool *pool = NULL;
    note(live_bytes, context);
    if (nt_snapshot(&s) != 0 || s.total.live_bytes_now < live_bytes ||
        nt_snapshot_threads(threads, 4) < 2 || nt_snapshot_pools(pools, 4) < 1 ||
        nt_mark("above") != 0 || nt_snapshot_phases(phases, 4) < 1 ||
        nt_thread_name("crosser") != 0 || nt_report(*(int *)context, NT_FORMAT_JSON) ||
        nt_pool_create(&o, &pool) != 0 || nt_pool_name(pool, "new") != 0)
        abort();
    nt_pool_destroy(pool);
    nt_purge();
    if (nt_on_limit(2 * LIMIT, note, NULL) != 0) /* watched from its return on */
        abort();
    nt_free(nt_malloc(3 * LIMIT));
}

static int act_calls_api(void)
{
    FILE *to = tmpfile();
    int fd = fileno(to);
    CHECK(nt_on_limit(LIMIT, call_all, &fd) == 0);
    char *p = nt_malloc(LIMIT + MIB);
    CHECK(p && seen.calls == 1);
    CHECK(lseek(fd, 0, SEEK_END) > 100);
    nt_free(nt_malloc(50 * MIB));
    CHECK(seen.calls == 1);
    nt_free(nt_malloc(LIMIT + MIB));
    CHECK(seen.calls == 2 && seen.live_bytes > 2 * LIMIT);
    return 0;
}

static void same_again(uint64_t live_bytes, void *context)
{
    note(live_bytes, context);
    nt_on_limit(LIMIT, same_again, NULL); /* as with signal(): does no harm */
}

static int act_sets_itself(void)
{
    CHECK(nt_on_limit(LIMIT, same_again, NULL) == 0);
    for (unsigned turn = 1; turn <= 5; turn++) {
        char *p = nt_malloc(LIMIT + 20 * MIB);
        nt_free(nt_malloc(10 * MIB));
        CHECK(seen.calls == turn);
        nt_free(p);
    }
    return 0;
}

static jmp_buf out;

static void jump(uint64_t live_bytes, void *context)
{
    note(live_bytes, context);
    longjmp(out, 1);
}

/* Forbidden, and defined: all goes on but the calls. */
static int act_jumps(void)
{
    CHECK(nt_on_limit(LIMIT, jump, NULL) == 0);
    if (setjmp(out) == 0) {
        char *p = nt_malloc(LIMIT + MIB);
        CHECK(!p); /* not reached: it does not come back */
    }
    CHECK(seen.calls == 1 && live_now() > LIMIT);
    CHECK(nt_on_limit(LIMIT, note, NULL) == 0);
    for (int i = 0; i < 1000; i++)
        nt_free(nt_malloc((size_t)i * 9999));
    CHECK(nt_mark("on") == 0 && nt_purge() > 0);
    CHECK(seen.calls == 1);
    return 0;
}

/* ---- Threads and forks -------------------------------------------------------------------- */

static unsigned inside, calls;
static bool twice, wrong;
static _Thread_local bool allocating;

static void in_threads(uint64_t live_bytes, void *context)
{
    (void)context;
    if (__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) != 1)
        __atomic_store_n(&twice, true, __ATOMIC_RELAXED);
    if (live_bytes <= 20 * MIB || !allocating)
        __atomic_store_n(&wrong, true, __ATOMIC_RELAXED);
    nt_free(nt_malloc(5000000));
    __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
}

static void *swing(void *unused)
{
    char *p[8];
    (void)unused;
    for (int i = 0; i < 300; i++) {
        allocating = true;
        for (int k = 0; k < 8; k++)
            p[k] = nt_malloc((size_t)(1 + k % 3) * MIB);
        allocating = false;
        for (int k = 0; k < 8; k++)
            nt_free(p[k]);
    }
    return NULL;
}

static int act_threads(void)
{
    pthread_t thread[4];
    CHECK(nt_on_limit(20 * MIB, in_threads, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&thread[i], NULL, swing, NULL) == 0);
    for (int i = 0; i < 2000; i++)
        live_now(); /* who only reads is never called */
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    CHECK(!twice && !wrong);
    unsigned before = calls; /* how many depends on who met whom */
    allocating = true;
    nt_free(nt_malloc(40 * MIB));
    CHECK(calls == before + 1);
    return 0;
}

static bool stop;

static void *read_always(void *unused)
{
    (void)unused;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        live_now();
    return NULL;
}

/* Readers add up what is live, too: no crossing gets lost by that. */
static int act_beside_readers(void)
{
    pthread_t reader;
    CHECK(nt_on_limit(LIMIT, note, NULL) == 0);
    CHECK(pthread_create(&reader, NULL, read_always, NULL) == 0);
    for (unsigned turn = 1; turn <= 5000; turn++) {
        nt_free(nt_malloc(LIMIT + 20 * MIB));
        CHECK(seen.calls == turn);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(reader, NULL);
    return 0;
}

static int act_child(void)
{
    seen.calls = 0;
    nt_free(nt_malloc(LIMIT + 20 * MIB));
    CHECK(seen.calls == 1);
    CHECK(nt_on_limit(0, NULL, NULL) == 0);
    return 0;
}

static int status_of_child = -1;

static void fork_inside(uint64_t live_bytes, void *context)
{
    note(live_bytes, context);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(100);
        return; /* the child's copy of the call goes on, too */
    }
    waitpid(pid, &status_of_child, 0);
}

static int act_forks(void)
{
    pid_t me = getpid();
    CHECK(nt_on_limit(LIMIT, note, NULL) == 0);
    CHECK(child_failed(act_child) == 0);
    nt_free(nt_malloc(LIMIT + 20 * MIB));
    CHECK(seen.calls == 1);
    CHECK(nt_on_limit(LIMIT, fork_inside, NULL) == 0);
    char *p = nt_malloc(LIMIT + 20 * MIB);
    CHECK(nt_on_limit(LIMIT, note, NULL) == 0);
    nt_free(p);
    nt_free(nt_malloc(LIMIT + 20 * MIB));
    CHECK(seen.calls == 3);
    if (getpid() != me)
        _exit(0);
    CHECK(status_of_child == 0);
    return 0;
}

int main(void)
{
    unsetenv("NUMATALLY_CONF");
    setenv("NUMATALLY_TOPOLOGY", "1x2", 1); /* each act starts the library by itself */
    struct CMUnitTest tests[] = {
        ACT(large),     ACT(again),          ACT(small),           ACT(other_classes),
        ACT(realloc),   ACT(pools),          ACT(set_and_removed), ACT(frees),
        ACT(allocates), ACT(calls_api),      ACT(sets_itself),     ACT(jumps),
        ACT(threads),   ACT(beside_readers), ACT(forks),           ACT(growth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
