/* SPDX-License-Identifier: MIT */
/*
 * What placement programs share, in the bench and in tests/lab: the machine's nodes,
 * threads that stay on one, and where pages really are.
 *
 * The nodes are read from /sys and pages are asked of the kernel by move_pages: nothing
 * here is the library's, so that its word is not taken for anything. Nothing here calls
 * malloc either; what the programs keep for themselves comes from nodes_map.
 */
#ifndef BENCH_NODES_H
#define BENCH_NODES_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NODES_MOST = 64, NODES_PAGE = 4096, NODES_ASKED = 512 };

struct node {
    int id;
    cpu_set_t cpus;
    unsigned cpu_count;
    size_t total_kib, free_kib; /* free: when nodes_read was called */
    int distance[NODES_MOST];   /* by index */
};

struct nodes {
    unsigned count;
    struct node node[NODES_MOST];
};

/* Bytes by the index of the node they lie on. */
struct tally {
    uint64_t on[NODES_MOST];
    uint64_t absent; /* not in memory, or the kernel would not say */
};

/* Ends the program: the machine is not as expected. */
static inline void nodes_fail(const char *what)
{
    fprintf(stderr, "placement: %s\n", what);
    exit(3);
}

/* Zeroed memory outside the allocator, for good. */
static inline void *nodes_map(size_t bytes)
{
    void *at =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        nodes_fail("no memory for the program's own tables: give the machine more");
    return at;
}

/* A small file as text; false: it cannot be read. */
static inline bool nodes_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, size - 1, file) : 0;
    if (file)
        fclose(file);
    text[length] = '\0';
    return length != 0;
}

/* The next range of a list such as 0-3,8; false: the list is at its end. */
static inline bool nodes_range(char **list, long *first, long *last)
{
    char *end;
    *first = *last = strtol(*list, &end, 10);
    if (end == *list)
        return false;
    if (*end == '-')
        *last = strtol(end + 1, &end, 10);
    *list = end + (*end == ',');
    return true;
}

static inline void nodes_read_one(struct node *node, int id)
{
    char path[96], text[4096];
    char *at = text;
    long first, last;

    node->id = id;
    CPU_ZERO(&node->cpus);
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", id);
    nodes_text(path, text, sizeof text);
    while (nodes_range(&at, &first, &last))
        for (long cpu = first; cpu <= last; cpu++, node->cpu_count++)
            CPU_SET((size_t)cpu, &node->cpus);
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d/distance", id);
    nodes_text(path, text, sizeof text);
    at = text;
    for (unsigned i = 0; i < NODES_MOST && *at; i++)
        node->distance[i] = (int)strtol(at, &at, 10);
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d/meminfo", id);
    nodes_text(path, text, sizeof text);
    if ((at = strstr(text, "MemTotal:")))
        node->total_kib = strtoul(at + 9, NULL, 10);
    if ((at = strstr(text, "MemFree:")))
        node->free_kib = strtoul(at + 8, NULL, 10);
}

static inline void nodes_read(struct nodes *nodes)
{
    char text[4096];
    char *at = text;
    long first, last;

    memset(nodes, 0, sizeof *nodes);
    if (!nodes_text("/sys/devices/system/node/online", text, sizeof text))
        nodes_fail("no /sys/devices/system/node/online: this kernel knows no nodes");
    while (nodes_range(&at, &first, &last))
        for (long id = first; id <= last && nodes->count < NODES_MOST; id++)
            nodes_read_one(&nodes->node[nodes->count++], (int)id);
}

static inline unsigned nodes_index(const struct nodes *nodes, int id)
{
    for (unsigned i = 0; i < nodes->count; i++)
        if (nodes->node[i].id == id)
            return i;
    return NODES_MOST;
}

/* Where memory of a thread on `node` should be: there, or where there is none on the
 * nearest node that has some, one with cpus before one without. */
static inline unsigned nodes_home(const struct nodes *nodes, unsigned node)
{
    unsigned best = NODES_MOST;

    if (nodes->node[node].total_kib != 0)
        return node;
    for (unsigned i = 0; i < nodes->count; i++) {
        const struct node *other = &nodes->node[i];
        if (other->total_kib == 0)
            continue;
        if (best == NODES_MOST ||
            (other->cpu_count != 0) > (nodes->node[best].cpu_count != 0) ||
            ((other->cpu_count != 0) == (nodes->node[best].cpu_count != 0) &&
             nodes->node[node].distance[i] < nodes->node[node].distance[best]))
            best = i;
    }
    return best;
}

/* The calling thread runs on the node from now on, and does so when this returns. */
static inline void nodes_pin(const struct node *node)
{
    if (sched_setaffinity(0, sizeof node->cpus, &node->cpus) != 0)
        nodes_fail("sched_setaffinity to a node's cpus was refused");
}

/* A thread that is on the node from its first instruction on. By inheritance: thread
 * attributes with cpus would call malloc. */
static inline pthread_t nodes_thread(const struct node *node, void *(*run)(void *),
                                     void *argument)
{
    cpu_set_t before;
    pthread_t thread;

    if (sched_getaffinity(0, sizeof before, &before) != 0)
        nodes_fail("sched_getaffinity was refused");
    nodes_pin(node);
    if (pthread_create(&thread, NULL, run, argument) != 0)
        nodes_fail("cannot start a thread");
    sched_setaffinity(0, sizeof before, &before);
    return thread;
}

/* Write to every page of a block. */
static inline void nodes_touch(void *block, size_t size)
{
    volatile char *at = block;

    if (!block)
        nodes_fail("malloc returned NULL");
    for (size_t i = 0; i < size; i += NODES_PAGE)
        at[i] = 1;
    at[size - 1] = 1;
}

/* Pages to be asked about, and how many bytes of each count. */
struct nodes_asker {
    const struct nodes *nodes;
    struct tally *tally;
    unsigned pages;
    void *page[NODES_ASKED];
    uint32_t bytes[NODES_ASKED];
};

static inline void nodes_ask(struct nodes_asker *a)
{
    int status[NODES_ASKED];

    if (a->pages == 0)
        return;
    if (syscall(SYS_move_pages, 0, (unsigned long)a->pages, a->page, NULL, status, 0) !=
        0)
        nodes_fail("move_pages was refused: it cannot be known where pages are");
    for (unsigned i = 0; i < a->pages; i++) {
        unsigned on = status[i] < 0 ? NODES_MOST : nodes_index(a->nodes, status[i]);
        *(on < NODES_MOST ? &a->tally->on[on] : &a->tally->absent) += a->bytes[i];
    }
    a->pages = 0;
}

/* Add the pages of [block, block+size). Ends in nodes_ask. */
static inline void nodes_add(struct nodes_asker *a, const void *block, size_t size)
{
    uintptr_t at = (uintptr_t)block, end = at + size;

    while (at < end) {
        uintptr_t page = at & ~(uintptr_t)(NODES_PAGE - 1);
        uintptr_t next = page + NODES_PAGE < end ? page + NODES_PAGE : end;
        a->page[a->pages] = (void *)page;
        a->bytes[a->pages] = (uint32_t)(next - at);
        if (++a->pages == NODES_ASKED)
            nodes_ask(a);
        at = next;
    }
}

static inline uint64_t tally_sum(const struct tally *t)
{
    uint64_t sum = t->absent;
    for (unsigned i = 0; i < NODES_MOST; i++)
        sum += t->on[i];
    return sum;
}

#endif
