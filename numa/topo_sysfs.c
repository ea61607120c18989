/* SPDX-License-Identifier: MIT */
/*
 * The machine as the kernel tells it under /sys/devices/system/node, read with plain
 * system calls: libnuma and hwloc both allocate.
 */
#define _GNU_SOURCE
#include "numa/topo.h"

#include <fcntl.h>
#include <numaif.h>
#include <string.h>
#include <unistd.h>

/* The longest text: a node's cpu list where every second cpu is another node's, four
 * digits and a comma each. */
#define TEXT_MAX (NT_TOPO_CPUS / 2 * 5 + 2)

static bool read_text(const char *folder, const char *name, char *text, size_t max)
{
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return false;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    close(dir);
    if (fd < 0)
        return false;
    size_t length = 0;
    ssize_t n;
    while (length < max - 1 && (n = read(fd, text + length, max - 1 - length)) > 0)
        length += (size_t)n;
    close(fd);
    text[length] = '\0';
    return true;
}

static bool add_node(void *context, unsigned long id)
{
    struct nt_topo *t = context;
    if (t->nodes < NT_TOPO_NODES)
        t->node[t->nodes++].id = (int)id;
    return true;
}

struct mark {
    struct nt_topo *t;
    unsigned slot;
};

static bool mark_memory(void *context, unsigned long id)
{
    struct nt_topo *t = context;
    for (unsigned i = 0; i < t->nodes; i++)
        if (t->node[i].id == (int)id)
            t->node[i].has_memory = true;
    return true;
}

static bool mark_cpu(void *context, unsigned long cpu)
{
    struct mark *m = context;
    m->t->slot_of_cpu[cpu] = (uint8_t)m->slot;
    m->t->node[m->slot].has_cpus = true;
    return true;
}

/* Cpusets and cgroups: which nodes may this process use? All, if the kernel is mute. A
 * single node is not asked about: a container's filter may log such calls, or kill. */
static void read_allowed(struct nt_topo *t)
{
    unsigned long mask[NT_NODE_ID_MAX / (8 * sizeof(unsigned long))] = {0};
    unsigned bits = 8 * sizeof mask[0];
    bool known =
        t->nodes > 1 &&
        get_mempolicy(NULL, mask, NT_NODE_ID_MAX, NULL, MPOL_F_MEMS_ALLOWED) == 0;
    for (unsigned i = 0; i < t->nodes; i++) {
        unsigned id = (unsigned)t->node[i].id;
        t->node[i].allowed = !known || (mask[id / bits] >> id % bits & 1);
    }
}

static void node_file(char *name, unsigned id)
{
    char digits[12];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + id % 10);
    while ((id /= 10) != 0);
    memcpy(name, "node", 4);
    name += 4;
    while (n != 0)
        *name++ = digits[--n];
    memcpy(name, "/cpulist", sizeof "/cpulist");
}

bool nt__topo_sysfs(struct nt_topo *t, const char *folder)
{
    static char text[TEXT_MAX]; /* at start only, one thread: stacks may be small */
    if (!read_text(folder, "online", text, sizeof text) ||
        !nt__topo_list(text, NT_NODE_ID_MAX, add_node, t) || t->nodes == 0)
        return false;
    if (!read_text(folder, "has_memory", text, sizeof text) ||
        !nt__topo_list(text, NT_NODE_ID_MAX, mark_memory, t))
        for (unsigned i = 0; i < t->nodes; i++)
            t->node[i].has_memory = true;
    for (unsigned i = 0; i < t->nodes; i++) {
        struct mark m = {t, i};
        char name[32];
        node_file(name, (unsigned)t->node[i].id);
        if (read_text(folder, name, text, sizeof text))
            nt__topo_list(text, NT_TOPO_CPUS, mark_cpu, &m);
    }
    read_allowed(t);
    return true;
}
