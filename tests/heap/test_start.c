/* SPDX-License-Identifier: MIT */
/*
 * The start, by whichever thread comes first, and children of every kind of fork, made
 * while other threads are in the middle of everything: all of them must allocate.
 */
#define _GNU_SOURCE
#include "src/heap/start.h"

#include "numa/arenas.h"
#include "pools/pool.h"
#include "tests/child.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <numatally/numa.h>
#include <numatally/stats.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

static struct nt_snapshot now;

/* Use of every kind; 0 when all was well. */
static int use_heap(void)
{
    static char *p[300];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < NT_ARRAY_LEN(p); i++) {
            size_t size = i % 50 == 0 ? 700000 : 1 + i * 61 % 5000;
            p[i] = nt_malloc(size);
            CHECK(p[i]);
            memset(p[i], (int)i, size);
            p[i] = nt_realloc(p[i], size + 1000);
            CHECK(p[i] && p[i][size - 1] == (char)i);
        }
        for (unsigned i = 0; i < NT_ARRAY_LEN(p); i++)
            nt_free(p[i]);
    }
    struct nt_pool *pool = NULL;
    CHECK(nt_pool_create(NULL, &pool) == 0 && nt_pool_malloc(pool, 1000));
    nt_pool_destroy(pool);
    nt_purge();
    CHECK(nt_snapshot(&now) == 0);
    return 0;
}

/* ---- Start -------------------------------------------------------------------------- */

static pthread_barrier_t together;

static void *first_malloc(void *arg)
{
    pthread_barrier_wait(&together);
    char *p = nt_malloc(100);
    memset(p, 1, 100);
    nt_free(p);
    return arg;
}

static int act_start_race(void)
{
    enum { N = 8 };
    pthread_t thread[N];
    pthread_barrier_init(&together, NULL, N);
    for (int i = 0; i < N; i++)
        CHECK(pthread_create(&thread[i], NULL, first_malloc, NULL) == 0);
    for (int i = 0; i < N; i++)
        pthread_join(thread[i], NULL);
    CHECK(nt_snapshot(&now) == 0 && now.total.allocations_total == N);
    CHECK(now.threads_total == N && now.total.live_blocks_now == 0);
    return 0;
}

/* A thread that starts the library is held in the n-th of these calls that it makes there,
 * before its fork handlers are registered, which would wait for it: CMakeLists.txt has --wrap
 * for them. */
static struct {
    sem_t is_held, go_on;
    int at;
    bool was; /* it was made so often */
} hold;
enum { CALLS = 12 };                 /* more than there are */
static _Thread_local int calls_made; /* 0: not of the thread that is to be held */

static void made_a_call(void)
{
    if (calls_made == 0 || calls_made++ != hold.at)
        return;
    hold.was = true;
    sem_post(&hold.is_held);
    sem_wait(&hold.go_on);
}

pid_t __real_getpid(void);
pid_t __wrap_getpid(void);
int __real_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice);
void *__real_mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset);
int __real_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));

int __real___register_atfork(void (*before)(void), void (*parent)(void),
                             void (*child)(void), void *library);
int __wrap___register_atfork(void (*before)(void), void (*parent)(void),
                             void (*child)(void), void *library);

int __wrap___register_atfork(void (*before)(void), void (*parent)(void),
                             void (*child)(void), void *library)
{
    calls_made = 0;
    return __real___register_atfork(before, parent, child, library);
}

pid_t __wrap_getpid(void)
{
    made_a_call();
    return __real_getpid();
}

int __wrap_madvise(void *at, size_t size, int advice)
{
    made_a_call();
    return __real_madvise(at, size, advice);
}

void *__wrap_mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset)
{
    made_a_call();
    return __real_mmap(at, size, rights, flags, fd, offset);
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    made_a_call();
    return __real_pthread_key_create(key, destructor);
}

static void *starts(void *unused)
{
    calls_made = 1;
    nt_free(nt_malloc(100));
    calls_made = 0;
    sem_post(&hold.is_held);
    return unused;
}

static int fork_beside_start(void)
{
    pthread_t thread;
    int status = -1;
    sem_init(&hold.is_held, 0, 0);
    sem_init(&hold.go_on, 0, 0);
    CHECK(pthread_create(&thread, NULL, starts, NULL) == 0);
    sem_wait(&hold.is_held);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        _exit(use_heap());
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    sem_post(&hold.go_on);
    pthread_join(thread, NULL);
    if (status != 0)
        fprintf(stderr, "held in call %d: status 0x%x\n", hold.at, (unsigned)status);
    CHECK(hold.was ? hold.at < CALLS : hold.at > 1);
    return status != 0 || use_heap() != 0;
}

/* A fork while another thread starts the library: in its child nobody gives up what that one
 * holds, and what it has made by then is half of it. */
static int act_fork_beside_start(void)
{
    for (hold.at = 1; hold.at <= CALLS; hold.at++)
        CHECK(child_failed(fork_beside_start) == 0);
    return 0;
}

static int act_start_again(void)
{
    nt__start();
    nt__start();
    CHECK(*nt__start_alive == 1);
    return use_heap();
}

static int act_settings(void)
{
    setenv("NUMATALLY_CONF", "classes:48;1008,return:5", 1);
    CHECK(nt_good_size(20) == 48 && nt_good_size(49) == 1008);
    return use_heap();
}

/* ---- Children --------------------------------------------------------------------------- */

static pid_t plain_fork(void)
{
    return fork();
}

static pid_t raw_fork(void)
{
    return _Fork();
}

static pid_t raw_clone(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

/* The child ends by _exit: after a raw clone libc itself is not to be relied on. */
static int child_of(pid_t (*make)(void), int (*act)(void))
{
    int status = -1;
    fflush(NULL);
    pid_t pid = make();
    if (pid == 0)
        _exit(act());
    CHECK(pid > 0);
    alarm(60); /* a child that hangs is a failure, not an end of the night */
    CHECK(waitpid(pid, &status, 0) == pid);
    alarm(0);
    if (status != 0)
        fprintf(stderr, "child's status 0x%x\n", (unsigned)status);
    return status;
}

static char *kept[100];

static int child_uses(void)
{
    for (int i = 0; i < 100; i++)
        CHECK(strcmp(kept[i], "of the parent") == 0);
    CHECK(use_heap() == 0);
    CHECK(now.inherited == 1 && now.pid == getpid());
    CHECK(now.total.inherited_blocks_now >= 100);
    for (int i = 0; i < 100; i++)
        nt_free(kept[i]);
    CHECK(use_heap() == 0);
    return 0;
}

static int child_forks_on(void)
{
    CHECK(use_heap() == 0);
    CHECK(child_of(plain_fork, child_uses) == 0);
    CHECK(child_of(raw_fork, child_uses) == 0);
    return use_heap();
}

static int children(void)
{
    for (int i = 0; i < 100; i++)
        strcpy(kept[i] = nt_malloc(50), "of the parent");
    CHECK(child_of(plain_fork, child_uses) == 0);
    CHECK(child_of(raw_fork, child_uses) == 0);
    CHECK(child_of(raw_clone, child_uses) == 0);
    CHECK(child_of(plain_fork, child_forks_on) == 0);
    CHECK(child_of(raw_fork, child_forks_on) == 0);
    return use_heap();
}

/* A child of _Fork whose first call is a free, or a look. */
static int child_only_frees(void)
{
    for (int i = 0; i < 100; i++)
        nt_free(kept[i]);
    return 0;
}

static int child_only_looks(void)
{
    CHECK(nt_snapshot(&now) == 0 && now.inherited == 1);
    CHECK(now.total.allocations_total == 0);
    return 0;
}

/* A sandbox that answers EPERM to madvise: something fails as the library starts. */
static void refuse(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {NT_ARRAY_LEN(code), code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program); /* or nothing fails, then */
    errno = 7;
}

static int act_first_onnode(void)
{
    refuse();
    CHECK(nt_malloc_onnode(100, 1) && errno == 7);
    return 0;
}

static int act_first_distributed(void)
{
    refuse();
    CHECK(nt_malloc_distributed(NT_MIB, NULL) && errno == 7);
    return 0;
}

static int act_first_good_size(void)
{
    refuse();
    CHECK(nt_good_size(100) >= 100 && errno == 7);
    return 0;
}

/* Starting is no business of errno's, whichever call comes first. */
static int act_first_keeps_errno(void)
{
    CHECK(child_failed(act_first_onnode) == 0);
    CHECK(child_failed(act_first_distributed) == 0);
    CHECK(child_failed(act_first_good_size) == 0);
    return 0;
}

static int act_first_call_in_child(void)
{
    for (int i = 0; i < 100; i++)
        strcpy(kept[i] = nt_malloc(50), "of the parent");
    CHECK(child_of(raw_fork, child_only_frees) == 0);
    CHECK(child_of(raw_fork, child_only_looks) == 0);
    CHECK(child_of(plain_fork, child_only_looks) == 0);
    return 0;
}

/* ---- fork in a signal handler ----------------------------------------------------------- */

/* The child goes on with what was interrupted, which holds the lock. */
static int forks_holding(struct nt_lock *lock)
{
    int status = -1;
    nt__lock(lock);
    alarm(60);
    pid_t pid = fork();
    if (pid == 0) {
        bool held = !nt__trylock(lock);
        nt__unlock(lock);
        _exit(held && *nt__start_alive == 0 ? child_uses() : 2);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    alarm(0);
    CHECK(!nt__trylock(lock)); /* nobody gave it up */
    nt__unlock(lock);
    CHECK(child_of(plain_fork, child_uses) == 0);
    return use_heap();
}

static int act_fork_holding_a_lock(void)
{
    for (int i = 0; i < 100; i++)
        strcpy(kept[i] = nt_malloc(50), "of the parent");
    struct nt_pool *pool = NULL;
    CHECK(nt_pool_create(NULL, &pool) == 0 && nt_pool_malloc(pool, 100));
    CHECK(forks_holding(&nt__arenas_get(0)->lock) == 0);
    CHECK(forks_holding(&pool->lock) == 0);
    nt_pool_destroy(pool);
    return 0;
}

enum { HANDLED = 150 };
static volatile sig_atomic_t handled, handled_badly;
static volatile pid_t handlers_process;

/* Every third child returns to what was interrupted, the others end. */
static void handler_forks(int signal)
{
    int saved = errno, status = -1;
    (void)signal;
    if (getpid() != handlers_process)
        return;
    pid_t pid = fork();
    if (pid != 0) {
        handled_badly |= waitpid(pid, &status, 0) != pid || status != 0;
        handled++;
    } else if (handled % 3 != 0) {
        _exit(0);
    }
    errno = saved;
}

static int act_fork_in_handler(void)
{
    static void *p[64];
    struct sigaction action = {.sa_handler = handler_forks, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 700}, {0, 700}};
    handlers_process = getpid();
    alarm(300); /* a handler that waits for its own thread */
    CHECK(sigaction(SIGPROF, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_PROF, &often, NULL) == 0);
    uint32_t draw = 1;
    while (handled < HANDLED && getpid() == handlers_process) {
        draw = draw * 1664525 + 1013904223;
        nt_free(p[draw >> 26]);
        p[draw >> 26] = nt_malloc(300000 + (draw >> 8) % 3000000);
        CHECK(p[draw >> 26] != NULL);
    }
    if (getpid() != handlers_process) {
        CHECK(use_heap() == 0 && now.inherited == 1 && now.pid == getpid());
        _exit(0);
    }
    CHECK(setitimer(ITIMER_PROF, &(struct itimerval){0}, NULL) == 0);
    CHECK(!handled_badly);
    return use_heap();
}

/* ---- Beside threads that never rest ----------------------------------------------------- */

static bool stop;
static char *shared[64];

static void *never_rest(void *seed)
{
    uint32_t draw = *(uint32_t *)seed;
    struct nt_pool *pool = NULL;
    if (nt_pool_create(NULL, &pool) != 0)
        return NULL;
    for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
        draw = draw * 1664525 + 1013904223;
        char *p = nt_malloc((draw >> 8) % (draw % 64 == 0 ? 900000 : 4000));
        p = __atomic_exchange_n(&shared[draw >> 26], p, __ATOMIC_ACQ_REL);
        nt_free(p);
        if (i % 100 == 0)
            nt_free(nt_pool_malloc(pool, 500));
        if (i % 1000 == 0)
            nt_pool_reset(pool);
        if (i % 2000 == 0)
            nt_purge();
    }
    return seed;
}

static void *forks(void *make)
{
    uintptr_t failed = 0;
    for (int i = 0; i < 25; i++) {
        pid_t pid = (*(pid_t(**)(void))make)();
        int status = -1;
        if (pid == 0) {
            alarm(60);
            _exit(use_heap());
        }
        failed += pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
    }
    return (void *)failed;
}

static int beside_threads(pid_t (*first)(void), pid_t (*second)(void))
{
    pthread_t busy[2], forking[2];
    uint32_t seed[2] = {1, 2};
    pid_t (*make[2])(void) = {first, second};
    stop = false;
    CHECK(use_heap() == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&busy[i], NULL, never_rest, &seed[i]) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&forking[i], NULL, forks, &make[i]) == 0);
    for (int i = 0; i < 2; i++) {
        void *failed;
        pthread_join(forking[i], &failed);
        CHECK(failed == NULL);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(busy[i], &result);
        CHECK(result == &seed[i]);
    }
    return use_heap();
}

static int act_fork_beside_threads(void)
{
    return beside_threads(plain_fork, plain_fork);
}

static int act_raw_fork_beside_threads(void)
{
    return beside_threads(raw_fork, plain_fork);
}

static int act_children(void)
{
    return children();
}

int main(void)
{
    unsetenv("NUMATALLY_CONF");
    setenv("NUMATALLY_TOPOLOGY", "2x1", 1);
    struct CMUnitTest tests[] = {
        ACT(start_race),
        ACT(fork_beside_start),
        ACT(start_again),
        ACT(settings),
        ACT(children),
        ACT(first_keeps_errno),
        ACT(first_call_in_child),
        ACT(fork_holding_a_lock),
        ACT(fork_in_handler),
        ACT(fork_beside_threads),
        ACT(raw_fork_beside_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
