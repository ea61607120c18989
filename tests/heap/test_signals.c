/* SPDX-License-Identifier: MIT */
/*
 * Marks and reports by signal: at any moment of an allocation, a start or end of a thread, a
 * mark or a report, nothing waits for ever, no mark is lost, and all counts stay exact.
 */
#define _GNU_SOURCE
#include "tests/child.h"

#include "pools/pool.h"
#include "src/base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <numatally/stats.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

static struct nt_phase_figures rows[NT_PHASES_MAX];
static struct nt_snapshot before, after;
static char folder[] = "/tmp/numatally-signals-XXXXXX";
static char path[64];

static void settings(const char *conf)
{
    char all[128];
    snprintf(path, sizeof path, "%s/%d.json", folder, (int)getpid());
    snprintf(all, sizeof all, conf, path);
    setenv("NUMATALLY_CONF", all, 1);
    nt_free(nt_malloc(1)); /* starts the library */
}

static const struct nt_phase_figures *phase(const char *name)
{
    long n = nt_snapshot_phases(rows, NT_ARRAY_LEN(rows));
    for (long i = 0; i < n; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

/* The record in the file; NULL if there is none, or half of one. */
static json_t *record(void)
{
    return json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
}

static bool reported(void)
{
    json_t *root = record();
    json_decref(root);
    return root != NULL;
}

/* ---- What a signal does ------------------------------------------------------------------ */

static int act_marks(void)
{
    settings("mark_signal:USR1");
    CHECK(nt_mark("begin") == 0);
    nt_free(nt_malloc(100));
    errno = 77;
    CHECK(raise(SIGUSR1) == 0 && errno == 77);
    CHECK(phase("signal 1") && phase("signal 1")->running);
    nt_free(nt_malloc(100));
    nt_free(nt_malloc(100));
    raise(SIGUSR1);
    CHECK(phase("begin")->allocations_total == 1 && !phase("begin")->running);
    CHECK(phase("signal 1")->allocations_total == 2);
    CHECK(phase("signal 2")->running && phase("signal 2")->allocations_total == 0);
    CHECK(nt_mark("end") == 0 && nt_snapshot_phases(NULL, 0) == 4);
    raise(SIGUSR1);
    CHECK(phase("signal 3")->running);
    return 0;
}

static int act_reports(void)
{
    settings("report_signal:SIGUSR2,report:%s");
    CHECK(!reported());
    char *p = nt_malloc(12345);
    errno = 77;
    raise(SIGUSR2);
    CHECK(errno == 77);
    json_t *root = record();
    CHECK(root && json_is_false(json_object_get(root, "final")));
    json_t *total = json_object_get(root, "total");
    CHECK(json_integer_value(json_object_get(total, "requested_bytes_total")) == 12346);
    CHECK(json_object_get(root, "phases") == NULL);
    json_decref(root);
    nt_free(p);
    CHECK(nt_mark("later") == 0);
    raise(SIGUSR2); /* in the place of the first */
    root = record();
    CHECK(json_array_size(json_object_get(root, "phases")) == 1);
    json_decref(root);
    CHECK(unlink(path) == 0);
    return 0;
}

static int act_report_to_stderr(void)
{
    settings("report_signal:RTMIN+3");
    raise(SIGRTMIN + 3);
    close(STDERR_FILENO);
    int fd = open("/dev/null", O_WRONLY); /* another file under the number */
    if (fd != STDERR_FILENO)
        return 1;
    raise(SIGRTMIN + 3);
    return 0;
}

static void test_stderr(void **state)
{
    static char said[1 << 16];
    (void)state;
    assert_int_equal(child_status(act_report_to_stderr, said, sizeof said), 0);
    const char *once = strstr(said, "While it ran, ");
    assert_non_null(once);
    assert_null(strstr(once + 1, "While it ran, "));
}

/* One signal for both. */
static int act_both(void)
{
    settings("report_signal:HUP,mark_signal:HUP,report:%s");
    raise(SIGHUP);
    CHECK(phase("signal 1") && reported());
    unlink(path);
    return 0;
}

static int fds[2];

static void *send_and_write(void *thread)
{
    struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 20; i++) {
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        nanosleep(&pause, NULL);
    }
    return write(fds[1], "x", 1) == 1 ? NULL : thread;
}

/* A read goes on after the signal. */
static int act_restarts(void)
{
    pthread_t me = pthread_self(), other;
    char byte;
    settings("mark_signal:USR1");
    CHECK(pipe(fds) == 0);
    CHECK(pthread_create(&other, NULL, send_and_write, &me) == 0);
    CHECK(read(fds[0], &byte, 1) == 1);
    pthread_join(other, NULL);
    CHECK(phase("signal 1"));
    return 0;
}

/* ---- Whose signal it is ---------------------------------------------------------------------- */

static volatile sig_atomic_t theirs;

static void handler(int number)
{
    theirs = number;
}

static int act_handled_before(void)
{
    signal(SIGUSR1, handler);
    signal(SIGUSR2, SIG_IGN);
    settings("mark_signal:USR1,report_signal:USR2");
    raise(SIGUSR1);
    raise(SIGUSR2);
    CHECK(theirs == SIGUSR1 && nt_snapshot_phases(NULL, 0) == 0);
    return 0;
}

static void test_handled_before(void **state)
{
    static char said[4096];
    (void)state;
    assert_int_equal(child_status(act_handled_before, said, sizeof said), 0);
    assert_string_equal(
        said,
        "numatally: mark_signal: the signal USR1 is left alone: the program "
        "handles it\nnumatally: report_signal: the signal USR2 is left alone: the "
        "program ignores it\n");
}

static int act_handled_later(void)
{
    struct sigaction old;
    settings("mark_signal:USR1");
    raise(SIGUSR1);
    struct sigaction ours = {.sa_handler = handler};
    CHECK(sigaction(SIGUSR1, &ours, &old) == 0);
    raise(SIGUSR1);
    CHECK(theirs == SIGUSR1 && nt_snapshot_phases(NULL, 0) == 1);
    nt_free(nt_malloc(1000000)); /* nor is it taken again */
    theirs = 0;
    raise(SIGUSR1);
    CHECK(theirs == SIGUSR1 && nt_snapshot_phases(NULL, 0) == 1);
    old.sa_handler(SIGUSR1); /* who passes it on, may */
    CHECK(nt_snapshot_phases(NULL, 0) == 2);
    return 0;
}

static int act_unset(void)
{
    struct sigaction s;
    settings("check:on");
    for (int i = 1; i <= SIGRTMAX; i++)
        if (sigaction(i, NULL, &s) == 0 && s.sa_handler != SIG_DFL)
            CHECK(s.sa_handler == SIG_IGN);
    return 0;
}

/* ---- At a bad moment -------------------------------------------------------------------------- */

/* The interrupted thread has the register of pools: no report now, but one later. */
static int act_deferred(void)
{
    settings("report_signal:USR2,report:%s");
    CHECK(nt__pool_register_lock(true));
    raise(SIGUSR2);
    CHECK(!reported());
    nt__pool_register_unlock();
    nt_free(nt_malloc(5000000)); /* a slow call */
    CHECK(reported());
    unlink(path);
    return 0;
}

static bool stop;
static uint64_t allocs, frees;

static void *churn(void *arg)
{
    void *p[64] = {NULL};
    uint64_t a = 0, f = 0;
    bool once = arg != NULL;
    for (unsigned i = 0; once ? i < 200 : !__atomic_load_n(&stop, __ATOMIC_RELAXED);
         i++) {
        f += p[i % 64] != NULL;
        nt_free(p[i % 64]);
        p[i % 64] = nt_malloc(i % 500 == 0 ? 200000 : i * 37 % 3000);
        a++;
    }
    for (int i = 0; i < 64; i++) {
        f += p[i] != NULL;
        nt_free(p[i]);
    }
    __atomic_add_fetch(&allocs, a, __ATOMIC_RELAXED);
    __atomic_add_fetch(&frees, f, __ATOMIC_RELAXED);
    return NULL;
}

/* Threads that come and go, pools, marks, snapshots and reports. */
static void *all_calls(void *unused)
{
    static struct nt_snapshot s;
    static struct nt_thread_figures t[8];
    int null = open("/dev/null", O_WRONLY);
    (void)unused;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        pthread_t thread;
        struct nt_pool_options o = {.size = sizeof o};
        struct nt_pool *pool = NULL;
        if (pthread_create(&thread, NULL, churn, &stop) != 0 ||
            nt_pool_create(&o, &pool) != 0 || nt_mark("mine") != 0 ||
            nt_snapshot(&s) != 0 || nt_snapshot_threads(t, 8) < 2 ||
            nt_snapshot_phases(NULL, 0) < 1 || nt_report(null, NT_FORMAT_TEXT) != 0)
            abort();
        nt_pool_destroy(pool);
        pthread_join(thread, NULL);
    }
    close(null);
    return NULL;
}

enum { SENT = 4000 };

/* Signals that queue: each one that was sent is a mark. Whichever thread they hit. */
static int act_storm_of_marks(void)
{
    pthread_t thread[4];
    settings("mark_signal:RTMIN+1");
    CHECK(nt_snapshot(&before) == 0);
    CHECK(nt_mark("mine") == 0 && nt_mark("first") == 0); /* these have rows, then */
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&thread[i], NULL, churn, NULL) == 0);
    CHECK(pthread_create(&thread[3], NULL, all_calls, NULL) == 0);
    for (int i = 0; i < SENT; i++) {
        const union sigval value = {0};
        int result = i % 2 ? pthread_kill(thread[i % 4], SIGRTMIN + 1)
                           : sigqueue(getpid(), SIGRTMIN + 1, value);
        if (result != 0) { /* the queue is full */
            sched_yield();
            i--;
        }
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    CHECK(nt_mark(NULL) == 0);
    CHECK(nt_snapshot(&after) == 0 && nt_snapshot_diff(&before, &after, &after) == 0);
    CHECK(after.total.allocations_total == allocs && after.total.frees_total == frees);
    uint64_t entries = 0, phase_allocs = 0, phase_frees = 0;
    long n = nt_snapshot_phases(rows, NT_ARRAY_LEN(rows));
    CHECK(n == NT_PHASES_MAX);
    for (long i = 0; i < n; i++) {
        phase_allocs += rows[i].allocations_total;
        phase_frees += rows[i].frees_total;
        if (strcmp(rows[i].name, "mine") != 0)
            entries += rows[i].entries_total;
    }
#if defined(__SANITIZE_THREAD__) /* it keeps one signal of a kind for each thread */
    CHECK(entries > 1 && entries <= 1 + SENT);
#else
    CHECK(entries == 1 + SENT);
#endif
    CHECK(phase_allocs == allocs && phase_frees == frees);
    return 0;
}

static int act_storm_of_reports(void)
{
    pthread_t thread[4];
    settings("report_signal:USR1,mark_signal:USR2,report:%s");
    CHECK(nt_snapshot(&before) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&thread[i], NULL, churn, NULL) == 0);
    CHECK(pthread_create(&thread[3], NULL, all_calls, NULL) == 0);
    for (int i = 0; i < SENT; i++)
        CHECK(pthread_kill(thread[i % 4], i % 8 < 4 ? SIGUSR1 : SIGUSR2) == 0);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    CHECK(nt_snapshot(&after) == 0 && nt_snapshot_diff(&before, &after, &after) == 0);
    CHECK(after.total.allocations_total == allocs && after.total.frees_total == frees);
    nt_free(nt_malloc(5000000)); /* what is due by now */
    unlink(path);
    raise(SIGUSR1);
    CHECK(reported());
    unlink(path);
    return 0;
}

/* Timers that ring once, so that there is always something done between two signals. */
static int act_storm_on_one(void)
{
    struct sigevent each = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec soon = {.it_value = {.tv_nsec = 1}};
    timer_t timer;
    settings("mark_signal:USR1,report_signal:USR1,report:%s");
    CHECK(nt_snapshot(&before) == 0);
    CHECK(timer_create(CLOCK_MONOTONIC, &each, &timer) == 0);
    for (int i = 0; i < 2000 || nt_snapshot_phases(NULL, 0) < 100; i++) {
        soon.it_value.tv_nsec = 1 + i * 7919 % 40000;
        CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
        churn(&stop);
    }
    CHECK(timer_delete(timer) == 0);
    CHECK(nt_mark(NULL) == 0);
    CHECK(nt_snapshot(&after) == 0 && nt_snapshot_diff(&before, &after, &after) == 0);
    CHECK(after.total.allocations_total == allocs && after.total.frees_total == frees);
    CHECK(reported());
    unlink(path);
    return 0;
}

static void *ready_and_churn(void *arg)
{
    pthread_barrier_wait(arg);
    return churn(NULL);
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SMALL_STACK (1 << 18)
#else
#define SMALL_STACK PTHREAD_STACK_MIN
#endif

/* The smallest stacks there are, and the code for several nodes. */
static int act_small_stacks(void)
{
    pthread_t thread[4];
    pthread_attr_t attr;
    pthread_barrier_t ready;
    setenv("NUMATALLY_TOPOLOGY", "2x1", 1);
    settings("report_signal:USR1,mark_signal:USR2,report:%s");
    pthread_barrier_init(&ready, NULL, 5);
    pthread_attr_init(&attr);
    CHECK(pthread_attr_setstacksize(&attr, (size_t)SMALL_STACK) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&thread[i], &attr, ready_and_churn, &ready) == 0);
    pthread_barrier_wait(&ready);
    for (int i = 0; i < SENT; i++)
        CHECK(pthread_kill(thread[i % 4], i % 8 < 4 ? SIGUSR1 : SIGUSR2) == 0);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    unlink(path);
    raise(SIGUSR1);
    json_t *root = record();
    CHECK(root && json_array_size(json_object_get(root, "nodes")) == 2);
    CHECK(json_integer_value(json_object_get(root, "residency_pages_now")) > 0);
    json_decref(root);
    unlink(path);
    return 0;
}

static void *compute(void *at)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    __atomic_store_n((bool *)at, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        pthread_mutex_lock(&mutex); /* where the thread sanitizer lets signals in */
        pthread_mutex_unlock(&mutex);
    }
    pthread_testcancel();
    return NULL;
}

/* A thread that is to be cancelled, and computes: it does not end inside our handler. */
static int act_cancelled(void)
{
    static bool computes;
    pthread_t thread;
    void *result;
    settings("report_signal:USR1,mark_signal:USR2,report:%s");
    CHECK(pthread_create(&thread, NULL, compute, &computes) == 0);
    while (!__atomic_load_n(&computes, __ATOMIC_ACQUIRE))
        sched_yield();
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_kill(thread, SIGUSR1) == 0 && pthread_kill(thread, SIGUSR2) == 0);
    while (nt_snapshot_phases(NULL, 0) == 0 || !reported())
        sched_yield(); /* listing phases makes the report, if that was in its way */
    CHECK(pthread_kill(thread, 0) == 0);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    raise(SIGUSR1);
    CHECK(reported());
    unlink(path);
    return 0;
}

/* ---- Forks --------------------------------------------------------------------------------- */

static int act_in_child(void)
{
    raise(SIGUSR1);
    CHECK(phase("signal 2") && phase("signal 1") == NULL);
    return 0;
}

static int act_forks(void)
{
    settings("mark_signal:USR1");
    raise(SIGUSR1);
    CHECK(nt_mark(NULL) == 0);
    CHECK(child_failed(act_in_child) == 0);
    CHECK(phase("signal 2") == NULL);
    pid_t pid = _Fork(); /* no handler of fork's ran, and it has not allocated yet */
    if (pid == 0) {
        raise(SIGUSR1);
        nt_free(nt_malloc(100));
        raise(SIGUSR1);
        bool good = phase("signal 2") && nt_snapshot_phases(NULL, 0) == 1;
        _exit(good ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

static int act_storm_of_forks(void)
{
    struct sigevent each = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec soon = {.it_value = {.tv_nsec = 1}};
    timer_t timer;
    settings("mark_signal:USR1");
    CHECK(timer_create(CLOCK_MONOTONIC, &each, &timer) == 0);
    for (int i = 0; i < 300; i++) {
        int status = -1;
        soon.it_value.tv_nsec = 1 + i * 7919 % 400000;
        CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
        pid_t pid = fork();
        if (pid == 0) { /* timers stay in the parent */
            raise(SIGUSR1);
            _exit(nt_snapshot_phases(NULL, 0) >= 1 && nt_mark("own") == 0 ? 0 : 1);
        }
        while (waitpid(pid, &status, 0) < 0)
            CHECK(errno == EINTR);
        CHECK(status == 0);
    }
    CHECK(timer_delete(timer) == 0);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

/* Processes with the setting report: write at their ends, too. */
static int tear_down(void **state)
{
    char file[sizeof folder + 300];
    DIR *dir = opendir(folder);
    (void)state;
    for (const struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        snprintf(file, sizeof file, "%s/%s", folder, e->d_name);
        unlink(file);
    }
    return !dir || closedir(dir) != 0 ? -1 : rmdir(folder);
}

int main(void)
{
    setenv("NUMATALLY_TOPOLOGY", "1x2", 1); /* each act starts the library by itself */
    struct CMUnitTest tests[] = {
        ACT(marks),
        ACT(reports),
        cmocka_unit_test(test_stderr),
        ACT(both),
        ACT(restarts),
        cmocka_unit_test(test_handled_before),
        ACT(handled_later),
        ACT(unset),
        ACT(deferred),
        ACT(storm_of_marks),
        ACT(storm_of_reports),
        ACT(storm_on_one),
        ACT(small_stacks),
        ACT(cancelled),
        ACT(forks),
        ACT(storm_of_forks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
