/* SPDX-License-Identifier: MIT */
/*
 * The machine as the kernel tells it under /sys/devices/system/node, read with plain
 * system calls: libnuma and hwloc both allocate. What cannot be read or makes no sense
 * leaves what is sane: memory everywhere, of unknown size; 10 to itself, 20 elsewhere.
 *
 * Free is what a program can still have before the kernel kills for memory: free pages,
 * and file pages that are neither mapped, dirty nor being written; less the node's part of
 * vm.min_free_kbytes, which only the kernel itself may take. (Seen on Linux 6.12: a strictly
 * bound program was killed that much before the free pages ended, 34 MiB of 1 GiB.) Not
 * counted is what may be had or not: slabs that call themselves reclaimable, mapped files
 * (programs that run), swap. Page tables come out of it, 1/512 of what is touched. Whoever
 * refuses what does not fit refuses a little too early, then.
 */
#define _GNU_SOURCE
#include "numa/topo.h"

#include "src/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The longest text: a node's cpu list where every second cpu is another node's, four
 * digits and a comma each. */
#define TEXT_MAX (NT_TOPO_CPUS / 2 * 5 + 2)

/* What is read of nodeN/meminfo: every line that is looked at is among the first 20, of
 * 40 bytes each. It lies on a stack that may be small. */
#define MEMINFO_MAX 1024

/* The folder of which files are read; -1. It is opened once, since every process
 * that is started pays for this. */
static int open_folder(const char *folder)
{
    return open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool read_text(int dir, const char *name, char *text, size_t max)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t length = 0;
    ssize_t n = 0;
    while (length < max - 1 && (n = read(fd, text + length, max - 1 - length)) > 0)
        length += (size_t)n;
    close(fd);
    text[length] = '\0';
    return n >= 0; /* half a list would be another machine */
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
    bool known = t->nodes > 1 && syscall(SYS_get_mempolicy, NULL, mask, NT_NODE_ID_MAX,
                                         NULL, MPOL_F_MEMS_ALLOWED) == 0;
    for (unsigned i = 0; i < t->nodes; i++) {
        unsigned id = (unsigned)t->node[i].id;
        t->node[i].allowed = !known || (mask[id / bits] >> id % bits & 1);
    }
}

/* Make `name` (at least 32 bytes) "nodeID/LEAF". */
static void node_file(char *name, unsigned id, const char *leaf)
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
    *name++ = '/';
    memcpy(name, leaf, strlen(leaf) + 1);
}

/* One number for each node that is online, in their order. */
static void read_distances(struct nt_topo_node *node, unsigned nodes, const char *text)
{
    for (unsigned i = 0; i < nodes; i++) {
        const char *end;
        uint64_t units = nt__text_leading(text, &end);
        if (end == text)
            break;
        if (units != 0)
            node->distance[i] = (uint8_t)(units < UINT8_MAX ? units : UINT8_MAX);
        text = end;
    }
}

/* "Node 0 MemFree:    5862208 kB" in bytes; `key` is " MemFree:". 0 when it is not there. */
static uint64_t meminfo_bytes(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? nt__text_leading(at + strlen(key), &at) * NT_KIB : 0;
}

uint64_t nt__topo_sysfs_free(const char *folder, unsigned id)
{
    int saved = errno;
    char text[MEMINFO_MAX], name[32];
    uint64_t bytes = 0;
    int dir = open_folder(folder);
    node_file(name, id, "meminfo");
    if (dir >= 0 && read_text(dir, name, text, sizeof text)) {
        uint64_t files = meminfo_bytes(text, " Active(file):") +
                         meminfo_bytes(text, " Inactive(file):");
        uint64_t kept = meminfo_bytes(text, " Mapped:") +
                        meminfo_bytes(text, " Dirty:") +
                        meminfo_bytes(text, " Writeback:");
        bytes = meminfo_bytes(text, " MemFree:") + (files > kept ? files - kept : 0);
    }
    if (dir >= 0)
        close(dir);
    errno = saved;
    return bytes;
}

bool nt__topo_sysfs_huge_always(const char *path)
{
    int saved = errno;
    char text[64];
    bool always =
        read_text(AT_FDCWD, path, text, sizeof text) && strstr(text, "[always]");
    errno = saved;
    return always;
}

static void read_node(struct nt_topo *t, unsigned slot, int dir, char *text)
{
    struct nt_topo_node *node = &t->node[slot];
    struct mark m = {t, slot};
    char name[32];
    node_file(name, (unsigned)node->id, "cpulist");
    if (read_text(dir, name, text, TEXT_MAX))
        nt__topo_list(text, NT_TOPO_CPUS, mark_cpu, &m);
    node_file(name, (unsigned)node->id, "distance");
    if (read_text(dir, name, text, TEXT_MAX))
        read_distances(node, t->nodes, text);
    node_file(name, (unsigned)node->id, "meminfo");
    if (node->has_memory && read_text(dir, name, text, MEMINFO_MAX))
        node->memory_bytes = meminfo_bytes(text, " MemTotal:");
}

/* Each zone's low mark is its part of one number, by size. */
static void read_kept(struct nt_topo *t, char *text)
{
    uint64_t all_mib = 0;
    if (!read_text(AT_FDCWD, "/proc/sys/vm/min_free_kbytes", text, MEMINFO_MAX))
        return;
    const char *end;
    uint64_t kept = nt__text_leading(text, &end) * NT_KIB;
    for (unsigned i = 0; i < t->nodes; i++)
        all_mib += t->node[i].memory_bytes / NT_MIB;
    for (unsigned i = 0; i < t->nodes && all_mib != 0; i++)
        t->node[i].kept_bytes = kept / all_mib * (t->node[i].memory_bytes / NT_MIB);
}

static bool read_machine(struct nt_topo *t, int dir)
{
    static char text[TEXT_MAX]; /* at start only, one thread: stacks may be small */
    if (!read_text(dir, "online", text, sizeof text) ||
        !nt__topo_list(text, NT_NODE_ID_MAX, add_node, t) || t->nodes == 0)
        return false;
    if (!read_text(dir, "has_memory", text, sizeof text) ||
        !nt__topo_list(text, NT_NODE_ID_MAX, mark_memory, t))
        for (unsigned i = 0; i < t->nodes; i++)
            t->node[i].has_memory = true;
    nt__topo_distances(t);
    for (unsigned i = 0; i < t->nodes; i++)
        read_node(t, i, dir, text);
    read_kept(t, text);
    read_allowed(t);
    return true;
}

bool nt__topo_sysfs(struct nt_topo *t, const char *folder)
{
    int saved = errno;
    int dir = open_folder(folder);
    bool known = dir >= 0 && read_machine(t, dir);
    if (dir >= 0)
        close(dir);
    errno = saved;
    return known;
}
