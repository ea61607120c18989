/* SPDX-License-Identifier: MIT */
/*
 * What the programs of the lab share: nodes as the kernel has them, threads on a node,
 * and where pages are, by the system call itself and by nothing of ours.
 *
 * A program is a table of cases. Each case runs in a process of its own, started anew
 * with the case's environment; "not so" on stderr or a signal is a failure.
 */
#ifndef NT_TESTS_LAB_H
#define NT_TESTS_LAB_H

#define _GNU_SOURCE
#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u
#define MIB ((size_t)1 << 20)

#define CHECK(x)                                                                       \
    do {                                                                               \
        if (!(x)) {                                                                    \
            fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #x,  \
                    errno);                                                            \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)

#define LAB_NAMED 1000 /* nodes: such a case runs when it is named */

struct lab_case {
    const char *name;
    void (*run)(void);
    const char *conf;    /* NUMATALLY_CONF */
    const char *numactl; /* options of numactl to start it with, one word */
    int min_nodes;       /* nodes with memory and cpus that it needs */
};

/* Nodes with cpus and memory, in order. */
static int lab_node[64], lab_nodes;

static inline bool lab_has_cpus(int node)
{
    struct bitmask *cpus = numa_allocate_cpumask();
    bool has = numa_node_to_cpus(node, cpus) == 0 && numa_bitmask_weight(cpus) != 0;
    numa_free_cpumask(cpus);
    return has;
}

static inline void lab_start(void)
{
    for (int n = 0; n <= numa_max_node(); n++)
        if (numa_node_size64(n, NULL) > 0 && lab_has_cpus(n))
            lab_node[lab_nodes++] = n;
}

/* The calling thread runs on `node` from now on. */
static inline void lab_go(int node)
{
    CHECK(numa_run_on_node(node) == 0);
    CHECK(numa_node_of_cpu(sched_getcpu()) == node);
}

/* Pages of [p, p+bytes) by node; what is not in memory is in on[-1+64]. */
struct lab_pages {
    long on[64], absent, all;
};

static inline void lab_ask(struct lab_pages *out, const void *p, size_t bytes)
{
    enum { BATCH = 512 };
    uintptr_t at = (uintptr_t)p & ~(uintptr_t)(PAGE - 1), end = (uintptr_t)p + bytes;
    while (at < end) {
        void *page[BATCH];
        int status[BATCH];
        unsigned long n = 0;
        for (; n < BATCH && at < end; at += PAGE)
            page[n++] = (void *)at;
        CHECK(move_pages(0, n, page, NULL, status, 0) == 0);
        for (unsigned long i = 0; i < n; i++) {
            if (status[i] >= 0)
                out->on[status[i]]++;
            else
                out->absent++;
            out->all++;
        }
    }
}

/* Every page of the block is in memory, and on `node`. A page that the kernel is moving to make
 * room, as on a node that was just full, counts as absent meanwhile: so it is asked again. */
static inline bool lab_lies(const void *p, size_t bytes, int node)
{
    struct lab_pages pages = {.all = 0};
    lab_ask(&pages, p, bytes);
    for (int tries = 0; pages.absent != 0 && tries < 5; tries++) {
        usleep(100 * 1000);
        pages = (struct lab_pages){.all = 0};
        lab_ask(&pages, p, bytes);
    }
    if (pages.on[node] == pages.all)
        return true;
    fprintf(stderr, "of %ld pages %ld lie on node %d, %ld nowhere\n", pages.all,
            pages.on[node], node, pages.absent);
    return false;
}

/* Run `body(arg)` in a thread on `node`. */
struct lab_job {
    void (*body)(void *arg);
    void *arg;
    int node;
};

static inline void *lab_thread(void *arg)
{
    const struct lab_job *job = arg;
    lab_go(job->node);
    job->body(job->arg);
    return NULL;
}

static inline void lab_on(int node, void (*body)(void *), void *arg)
{
    pthread_t thread;
    struct lab_job job = {body, arg, node};
    CHECK(pthread_create(&thread, NULL, lab_thread, &job) == 0);
    pthread_join(thread, NULL);
}

static inline int lab_run(const char *self, const struct lab_case *c)
{
    pid_t pid = fork();
    if (pid == 0) {
        /* A huge page lies on one node: shares of few pages would be rough. */
        prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
        setenv("NUMATALLY_CONF", c->conf ? c->conf : "", 1);
        if (c->numactl)
            execlp("numactl", "numactl", c->numactl, self, c->name, (char *)NULL);
        else
            execl(self, self, c->name, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    printf("%s %s\n", status == 0 ? "ok    " : "FAILED", c->name);
    if (WIFSIGNALED(status))
        printf("       by signal %d\n", WTERMSIG(status));
    fflush(stdout);
    return status == 0 ? 0 : 1;
}

/* No argument: all cases that this machine has the nodes for. A name: this case, in this
 * process. "strict*": all of them whose names begin so. */
static inline int lab_main(int argc, char **argv, const struct lab_case *cases,
                           size_t n)
{
    int failed = 0, ran = 0;
    char self[4096] = {0};
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    lab_start();
    const char *star = argc > 1 ? strchr(argv[1], '*') : NULL;
    for (size_t i = 0; i < n; i++) {
        if (star && strncmp(argv[1], cases[i].name, (size_t)(star - argv[1])) != 0)
            continue;
        if (!star && argc > 1 && strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
        if (!star && (argc > 1 || cases[i].min_nodes > lab_nodes))
            continue;
        failed += lab_run(self, &cases[i]);
        ran++;
    }
    if (argc > 1 && !star) {
        fprintf(stderr, "%s: there is no case '%s'\n", argv[0], argv[1]);
        return 2;
    }
    printf("%d of %d cases failed on %d nodes\n", failed, ran, lab_nodes);
    return failed != 0 || ran == 0;
}

#endif
