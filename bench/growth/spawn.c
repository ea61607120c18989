/* SPDX-License-Identifier: MIT */
/*
 * Starts a program many times, in one environment or another, and says how long each start
 * took: what startup.py reads.
 *
 *   spawn ROUNDS SEED PROGRAM SETTINGS...
 *
 * SETTINGS are variables, NAME=VALUE with a blank between two, that one column adds to the
 * environment of this program; "" adds none.
 *
 * In each round every column has one start, in an order drawn anew. A start is measured
 * from before posix_spawn (which is a vfork) until wait4 has returned, so it has the
 * kernel's work for a new process, the dynamic linker's, the program's and its end. What
 * this driver costs itself is in all columns, also in the plain one.
 *
 * Output, one line a start: the column's number from 0, then nanoseconds by the clock,
 * microseconds of CPU time of the child, its minor page faults.
 */
#define _GNU_SOURCE
#include "../bench.h"

#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { MOST = 32 };

extern char **environ;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static long microseconds(struct timeval t)
{
    return t.tv_sec * 1000000L + t.tv_usec;
}

/* 0, or 1 after a message. */
static int start_once(char *program, char **environment, int number)
{
    char *arguments[] = {program, NULL};
    struct rusage used;
    int status;
    pid_t child;
    uint64_t begin = now_ns();
    int error = posix_spawn(&child, program, NULL, NULL, arguments, environment);
    if (error != 0 || wait4(child, &status, 0, &used) != child || status != 0) {
        fprintf(stderr, "spawn: %s in column %d: %s\n", program, number,
                error ? strerror(error) : "it failed");
        return 1;
    }
    uint64_t end = now_ns();
    printf("%d %llu %ld %ld\n", number, (unsigned long long)(end - begin),
           microseconds(used.ru_utime) + microseconds(used.ru_stime), used.ru_minflt);
    return 0;
}

/* The environment of this process and these settings. */
static char **environment_with(const char *settings)
{
    size_t count = 0, words = 1;
    while (environ[count])
        count++;
    for (const char *at = settings; *at; at++)
        words += *at == ' ';
    char **made = calloc(count + words + 1, sizeof *made);
    char *text = strdup(settings);
    if (!made || !text)
        bench_no_memory();
    memcpy(made, environ, count * sizeof *made);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        made[count++] = word;
    return made;
}

int main(int argc, char **argv)
{
    char **environments[MOST];
    uint16_t order[MOST];
    int columns = argc - 4;
    if (columns < 1 || columns > MOST) {
        fprintf(stderr, "usage: spawn ROUNDS SEED PROGRAM SETTINGS... (at most %d)\n",
                MOST);
        return 2;
    }
    unsigned long rounds = strtoul(argv[1], NULL, 10);
    uint64_t random = strtoull(argv[2], NULL, 10) * 2 + 1;
    for (int i = 0; i < columns; i++)
        environments[i] = environment_with(argv[4 + i]);
    for (unsigned long round = 0; round < rounds; round++) {
        bench_shuffle(&random, order, (size_t)columns);
        for (int i = 0; i < columns; i++)
            if (start_once(argv[3], environments[order[i]], order[i]))
                return 1;
    }
    return fflush(stdout) ? 1 : 0;
}
