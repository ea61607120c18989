/* SPDX-License-Identifier: MIT */
/*
 * Pages elsewhere than they should be; for a machine with nodes 0 and 1, of which the second
 * is small. By the argument:
 *
 *   full     threads on node 1 use more than the node has
 *   moved    half of what lies on node 0 is moved to node 1, behind the allocator's back
 *   oneside  a thread on node 0 allocates what those on both nodes use
 *   clean    each node's thread has what it uses
 */
#include "pattern.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 3, /* on node 1 */ ROW = 4096, MIB_ROWS = 256, ROWS = 128 * MIB_ROWS };

static void *row[ROWS]; /* of node 0 */

static pthread_barrier_t all;

static void pin_to(int node)
{
    char path[64], cpus[256] = "";
    cpu_set_t set;
    unsigned first, last;
    FILE *f;

    snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", node);
    f = fopen(path, "r");
    if (f == NULL || fgets(cpus, sizeof cpus, f) == NULL ||
        sscanf(cpus, "%u-%u", &first, &last) < 1)
        exit(3);
    fclose(f);
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        exit(4);
}

static SITE void assemble(unsigned rows, void **list)
{
    for (unsigned i = 0; i < rows; i++) {
        void *p = memset(malloc(ROW), 8, ROW);
        KEEP(p);
        if (list != NULL)
            list[i] = p;
    }
}

static void *on_node_1(void *mib)
{
    pin_to(1);
    assemble(MIB_ROWS * (unsigned)(uintptr_t)mib, NULL);
    pthread_barrier_wait(&all);
    pthread_barrier_wait(&all);
    return NULL;
}

static void move_to_1(unsigned rows)
{
    static int node[ROWS], status[ROWS];

    for (unsigned i = 0; i < rows; i++)
        node[i] = 1;
    if (syscall(SYS_move_pages, 0, (unsigned long)rows, row, node, status, 2) < 0)
        exit(5);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    pthread_t thread[THREADS];
    uintptr_t there = !strcmp(what, "full") ? 27 : !strcmp(what, "clean") ? 4 : 1;

    pin_to(0);
    pthread_barrier_init(&all, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, on_node_1, (void *)there);
    pthread_barrier_wait(&all);
    assemble(MIB_ROWS * (!strcmp(what, "oneside") ? 40 : 12), row);
    if (!strcmp(what, "moved"))
        move_to_1(6 * MIB_ROWS);
    compute(200000000); /* what was assembled */
    exit(0);            /* with all threads there */
}
