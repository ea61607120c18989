/* SPDX-License-Identifier: MIT */
/*
 * Runs a command and writes down what it and its children used, for programs.py.
 *
 *   launch FILE SECONDS [NAME=VALUE]... -- COMMAND [ARGUMENT]...
 *
 * The command runs with these variables added to the environment, which this program
 * itself does not have, so that it is not measured on the allocator to be preloaded. FILE
 * gets one line: user and system time of all processes that were waited for, in
 * microseconds, and the largest resident peak of one of them, in KiB. The status is the
 * command's; 124: it took more than SECONDS and was killed, with all its children.
 *
 * Why not from Python: the resident peak that the kernel reports of a child includes what
 * its parent had resident before exec, and an interpreter has more than some programs. This
 * parent has next to nothing.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t child;
static volatile sig_atomic_t late;

static void give_up(int signal_number)
{
    late = signal_number == SIGALRM;
    kill(-(pid_t)child, SIGKILL);
}

static long long microseconds(struct timeval time)
{
    return time.tv_sec * 1000000ll + time.tv_usec;
}

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(125);
}

/* The child: a process group of its own, so that all of it can be ended. */
static _Noreturn void become(char **arguments)
{
    setpgid(0, 0);
    for (; strcmp(*arguments, "--") != 0; arguments++)
        putenv(*arguments);
    execvp(arguments[1], arguments + 1);
    die(arguments[1]);
}

int main(int count, char **arguments)
{
    int mark = 3;
    while (mark < count && strcmp(arguments[mark], "--") != 0)
        mark++;
    if (mark + 1 >= count) {
        fputs("usage: launch FILE SECONDS [NAME=VALUE]... -- COMMAND...\n", stderr);
        return 125;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* whoever waits for the figures is gone */
    child = fork();
    if (child < 0)
        die("fork");
    if (child == 0)
        become(arguments + 3);
    setpgid(child, child); /* whoever of the two comes first */
    signal(SIGALRM, give_up);
    signal(SIGTERM, give_up);
    signal(SIGINT, give_up);
    alarm((unsigned)atoi(arguments[2]));
    int status;
    while (waitpid(child, &status, 0) < 0)
        ;
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    FILE *file = fopen(arguments[1], "w");
    if (!file ||
        fprintf(file, "%lld %lld %ld\n", microseconds(used.ru_utime),
                microseconds(used.ru_stime), used.ru_maxrss) < 0 ||
        fclose(file) != 0)
        die(arguments[1]);
    kill(-(pid_t)child, SIGKILL); /* what the command left behind, if anything */
    if (late)
        return 124;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
