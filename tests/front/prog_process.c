/* SPDX-License-Identifier: MIT */
/*
 * New processes at any moment: prog_process WAY [ROUNDS]. Four threads allocate, free
 * and hand blocks to each other without pause while the main thread makes processes.
 * Each child allocates at once, frees what it inherited, and (after a real fork) starts
 * a thread and reports. A child that hangs is ended by its alarm and counts as failed.
 */
#include "check.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { CHURNERS = 4, SHELF = 64, INHERITED = 2000, HANG_SECONDS = 60 };

static _Atomic(void *) shelf[SHELF]; /* blocks on their way from thread to thread */
static void *inherited[INHERITED];   /* the main thread's own */
static atomic_bool stop;

static size_t mixed_size(unsigned *random)
{
    *random = *random * 1103515245 + 12345;
    unsigned n = *random >> 8;
    switch (n % 64) {
    case 0:
        return n % 3000000;
    case 1 ... 8:
        return n % 70000;
    default:
        return n % 600;
    }
}

static void *churn(void *number)
{
    enum { MINE = 50 };
    void *mine[MINE] = {0};
    unsigned random = (unsigned)(uintptr_t)number;

    while (!atomic_load(&stop)) {
        size_t n = mixed_size(&random);
        void **place = &mine[random % MINE];
        free(*place);
        *place = random & 1 ? malloc(n) : calloc(1, n);
        if (*place && n)
            memset(*place, 1, n < 100 ? n : 100);
        if (random % 5 == 0)
            *place = atomic_exchange(&shelf[(random >> 4) % SHELF], *place);
        if (random % 11 == 0)
            *place = realloc(*place, mixed_size(&random) + 1);
    }
    for (int i = 0; i < MINE; i++)
        free(mine[i]);
    return NULL;
}

/* Allocate, check contents and that nothing overlaps, free. No stdio: a raw clone may
 * have happened inside it. */
static bool allocate_some(void)
{
    enum { BLOCKS = 300 };
    static _Thread_local void *block[BLOCKS];
    static _Thread_local size_t bytes[BLOCKS];
    unsigned random = 7;
    bool good = true;

    for (unsigned i = 0; i < BLOCKS; i++) {
        bytes[i] = mixed_size(&random) % 5000;
        block[i] = malloc(bytes[i]);
        good &= block[i] != NULL;
        fill(block[i], bytes[i], i);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        good &= filled(block[i], bytes[i], i);
        free(block[i]);
    }
    return good;
}

static bool inherited_is_whole(void)
{
    bool good = true;

    for (unsigned i = 0; i < INHERITED; i++)
        good &= filled(inherited[i], i, i);
    return good;
}

/* What a child does first, whatever way it came. Gives its exit status. */
static int child_body(void)
{
    alarm(HANG_SECONDS);
    if (!allocate_some())
        return 11;
    if (!inherited_is_whole())
        return 12;
    for (int i = 0; i < INHERITED; i++)
        free(inherited[i]);
    for (int i = 0; i < SHELF; i++)
        free(atomic_exchange(&shelf[i], NULL));
    return allocate_some() ? 0 : 13;
}

static void *child_thread(void *unused)
{
    (void)unused;
    return (void *)(uintptr_t)allocate_some();
}

/* After fork() everything of libc works too. */
static int forked_child_body(void)
{
    pthread_t thread;
    void *good = NULL;
    int (*report)(int, int);
    int status = child_body();

    if (status != 0)
        return status;
    if (pthread_create(&thread, NULL, child_thread, NULL) ||
        pthread_join(thread, &good) || !good)
        return 14;
    void *symbol = dlsym(RTLD_DEFAULT, "nt_report");
    memcpy(&report, &symbol, sizeof(symbol));
    int null = open("/dev/null", O_WRONLY);
    if (report && null >= 0 && report(null, 1) != 0)
        return 15;
    return 0;
}

static bool ended_well(pid_t child)
{
    int status = -1;

    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        printf("child: %s %d\n", WIFSIGNALED(status) ? "signal" : "exit",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- The ways ------------------------------------------------------------- */

static bool by_fork(int round)
{
    fflush(stdout);
    pid_t child = fork();
    if (child != 0)
        return ended_well(child);
    int status = forked_child_body();
    if (round % 2)
        exit(status);
    _exit(status);
}

static bool by_fork_chain(int round)
{
    (void)round;
    fflush(stdout);
    pid_t child = fork();
    if (child != 0)
        return ended_well(child);
    for (int depth = 0; depth < 5; depth++) {
        void *p = malloc(1000);
        child = fork();
        if (child != 0)
            _exit(allocate_some() && ended_well(child) ? 0 : 1);
        free(p);
    }
    _exit(forked_child_body());
}

static void *fork_here(void *result)
{
    void *mine = malloc(123);
    pid_t child = fork();

    if (child == 0) {
        free(mine);
        _exit(forked_child_body());
    }
    free(mine);
    *(bool *)result = ended_well(child);
    return NULL;
}

static bool by_fork_in_thread(int round)
{
    pthread_t thread;
    bool good = false;

    (void)round;
    fflush(stdout);
    return !pthread_create(&thread, NULL, fork_here, &good) &&
           !pthread_join(thread, NULL) && good;
}

static bool by_bare_fork(int round)
{
    pid_t (*bare_fork)(void);
    void *symbol = dlsym(RTLD_DEFAULT, "_Fork");

    (void)round;
    memcpy(&bare_fork, &symbol, sizeof(symbol));
    if (!bare_fork)
        return false;
    pid_t child = bare_fork();
    return child == 0 ? (_exit(child_body()), false) : ended_well(child);
}

static bool by_clone(int round)
{
    (void)round;
    long child = syscall(SYS_clone, (unsigned long)SIGCHLD, NULL, NULL, NULL, 0UL);
    if (child == 0)
        _exit(child_body());
    return ended_well((pid_t)child);
}

static bool by_vfork(int round)
{
    (void)round;
    pid_t child = vfork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    return ended_well(child);
}

static bool by_spawn(int round)
{
    static char *const arguments[] = {"sh", "-c", "exit 0", NULL};
    pid_t child = -1;

    (void)round;
    return posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0 &&
           ended_well(child);
}

static bool by_system(int round)
{
    char line[64] = "";

    (void)round;
    if (WEXITSTATUS(system("exit 3")) != 3)
        return false;
    FILE *stream = popen("echo from the shell", "r");
    bool good = stream && fgets(line, sizeof(line), stream);
    return stream && pclose(stream) == 0 && good && !strcmp(line, "from the shell\n");
}

/* Handlers that allocate, and free in one phase what another allocated. */
static void *handlers_block[64];
static int handlers_blocks;

static void allocating_handler(void)
{
    for (int i = 0; i < handlers_blocks; i++)
        free(handlers_block[i]);
    for (handlers_blocks = 0; handlers_blocks < 64; handlers_blocks++)
        handlers_block[handlers_blocks] = calloc(1, (size_t)handlers_blocks * 300 + 1);
}

static bool by_fork_with_handlers(int round)
{
    if (round == 0)
        for (int i = 0; i < 20; i++)
            pthread_atfork(allocating_handler, allocating_handler, allocating_handler);
    return by_fork(round);
}

static const struct {
    const char *name;
    bool (*make)(int round);
} ways[] = {
    {"fork", by_fork},
    {"fork-chain", by_fork_chain},
    {"fork-in-thread", by_fork_in_thread},
    {"fork-with-handlers", by_fork_with_handlers},
    {"_Fork", by_bare_fork},
    {"clone", by_clone},
    {"vfork", by_vfork},
    {"posix_spawn", by_spawn},
    {"system", by_system},
};

int main(int argc, char **argv)
{
    pthread_t thread[CHURNERS];
    int rounds = argc > 2 ? atoi(argv[2]) : 50;
    bool known = false;

    for (unsigned i = 0; i < INHERITED; i++)
        fill(inherited[i] = malloc(i), i, i);
    for (uintptr_t i = 0; i < CHURNERS; i++)
        if (pthread_create(&thread[i], NULL, churn, (void *)(i + 1)))
            return 1;
    for (size_t i = 0; argc > 1 && i < COUNT(ways); i++)
        if (strcmp(argv[1], ways[i].name) == 0) {
            known = true;
            for (int round = 0; round < rounds && !check_failed; round++)
                CHECK(ways[i].name, ways[i].make(round));
        }
    atomic_store(&stop, true);
    for (int i = 0; i < CHURNERS; i++)
        pthread_join(thread[i], NULL);
    CHECK("the parent's blocks are whole", inherited_is_whole());
    CHECK("the parent goes on", child_body() == 0);
    if (!known) {
        fprintf(stderr, "usage: %s WAY [ROUNDS]; see the table `ways`\n", argv[0]);
        return 2;
    }
    return done();
}
