/* SPDX-License-Identifier: MIT */
/*
 * Ends without exit handlers: prog_exit WAY [ROUNDS].
 *   plain, _Exit, thread   allocate, then end by that with status 5, the last in a thread
 *   handler                the same from an exit handler
 *   fork, _Fork            a child ends so, then the parent returns from main
 *   vfork, clone           children in the parent's memory do, four threads beside them
 *   storm, births          children are ended by a signal handler amid mallocs, or amid
 *                          beginnings and ends of threads
 * A child that hangs is killed and counts as failed.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STATUS = 5, CHURNERS = 4, HANG_SECONDS = 60, STACK = 1 << 16 };

static atomic_bool stop;

static void *churn(void *number)
{
    void *mine[64] = {0};
    unsigned random = (unsigned)(uintptr_t)number;

    while (!atomic_load(&stop)) {
        void **place = &mine[(random = random * 1103515245 + 12345) >> 8 & 63];

        free(*place);
        *place = malloc(random >> 12 & (random & 1 << 30 ? 0xfffff : 0xfff));
    }
    for (size_t i = 0; i < COUNT(mine); i++)
        free(mine[i]);
    return NULL;
}

/* Wait for the child, but not for ever. */
static bool ended_with(pid_t child, int want)
{
    const struct timespec pause = {0, 1000000};
    int status = 0;

    for (int ms = 0; waitpid(child, &status, WNOHANG) == 0; ms++) {
        if (ms == HANG_SECONDS * 1000)
            kill(child, SIGKILL);
        nanosleep(&pause, NULL);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != want)
        printf("child: wait status 0x%x\n", (unsigned)status);
    return WIFEXITED(status) && WEXITSTATUS(status) == want;
}

/* ---- ends ------------------------------------------------------------------- */

static void *end_in_thread(void *unused)
{
    free(hidden(malloc(opaque(100))));
    (void)unused;
    _exit(STATUS);
}

static void end_in_handler(void)
{
    free(hidden(malloc(opaque(100))));
    _exit(STATUS);
}

static void end_in_signal(int number)
{
    (void)number;
    _exit(STATUS);
}

static int end_in_memory_of_parent(void *unused)
{
    (void)unused;
    _exit(STATUS);
}

/* ---- children --------------------------------------------------------------- */

static bool child_once(const char *way)
{
    static char stack[STACK] __attribute__((aligned(16)));
    pid_t child = -1;

    if (strcmp(way, "vfork") == 0) {
        child = vfork();
        if (child == 0)
            _exit(STATUS);
    } else if (strcmp(way, "clone") == 0) {
        child = clone(end_in_memory_of_parent, stack + STACK, CLONE_VM | SIGCHLD, NULL);
    } else if (strcmp(way, "fork") == 0 || strcmp(way, "_Fork") == 0) {
        child = way[0] == 'f' ? fork() : _Fork();
        if (child == 0) {
            /* Large: a child of _Fork counts from its first slow call on. */
            free(hidden(malloc(opaque(3000000))));
            _exit(STATUS);
        }
    }
    return child > 0 && ended_with(child, STATUS);
}

/* Threads allocate without pause until a timer's signal ends the process. */
static _Noreturn void storm(unsigned round)
{
    struct itimerval timer = {.it_value.tv_usec = 500 + round * 397 % 20000};
    pthread_t thread;

    signal(SIGALRM, end_in_signal);
    for (size_t i = 0; i < CHURNERS; i++)
        pthread_create(&thread, NULL, churn, (void *)(i + round));
    setitimer(ITIMER_REAL, &timer, NULL);
    churn((void *)(uintptr_t)round);
    _exit(99); /* not reached */
}

static void *live_shortly(void *alarm)
{
    pthread_sigmask(SIG_UNBLOCK, alarm, NULL);
    free(hidden(malloc(opaque(100))));
    return NULL;
}

/* The signal finds threads at their beginning or end. */
static _Noreturn void births(unsigned round)
{
    struct itimerval timer = {.it_value.tv_usec = 500 + round * 397 % 20000};
    sigset_t alarm;

    signal(SIGALRM, end_in_signal);
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_BLOCK, &alarm, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (;;) {
        pthread_t threads[CHURNERS];

        for (size_t i = 0; i < CHURNERS; i++)
            pthread_create(&threads[i], NULL, live_shortly, &alarm);
        for (size_t i = 0; i < CHURNERS; i++)
            pthread_join(threads[i], NULL);
    }
}

static bool storms(void (*body)(unsigned), unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        pid_t child = fork();

        if (child == 0)
            body(i);
        if (child < 0 || !ended_with(child, STATUS))
            return false;
    }
    return true;
}

static bool children(const char *way, unsigned rounds)
{
    pthread_t threads[CHURNERS];
    bool good = true;

    for (size_t i = 0; i < CHURNERS; i++)
        pthread_create(&threads[i], NULL, churn, (void *)i);
    for (unsigned i = 0; i < rounds && good; i++) {
        void *p = malloc(opaque(1000 + i));

        fill(p, 1000 + i, i);
        good = child_once(way) && filled(p, 1000 + i, i);
        free(p);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < CHURNERS; i++)
        pthread_join(threads[i], NULL);
    return good;
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
    pthread_t thread;

    free(hidden(malloc(opaque(100))));
    if (strcmp(way, "plain") == 0)
        _exit(STATUS);
    if (strcmp(way, "_Exit") == 0)
        _Exit(STATUS);
    if (strcmp(way, "thread") == 0 &&
        pthread_create(&thread, NULL, end_in_thread, NULL) == 0)
        pthread_join(thread, NULL);
    if (strcmp(way, "handler") == 0) {
        atexit(end_in_handler);
        return 0;
    }
    if (strcmp(way, "storm") == 0)
        CHECK("every child ended in its handler", storms(storm, rounds));
    else if (strcmp(way, "births") == 0)
        CHECK("every child ended in its handler", storms(births, rounds));
    else
        CHECK("every child ended with its status", children(way, rounds));
    return done();
}
