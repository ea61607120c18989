/* SPDX-License-Identifier: MIT */
/*
 * Which NUMA nodes there are, and on which of them a thread runs.
 *
 * Read once at start, from one source: NUMATALLY_TOPOLOGY (a made-up machine, see
 * topo_fake.c) or /sys (topo_sysfs.c). Nodes are kept by *slot*, 0 .. nodes-1, in
 * rising order of the system's numbers, which may have holes. Whatever cannot be
 * read leaves one node, number 0, that has everything. Constant after start.
 */
#ifndef NT_NUMA_TOPO_H
#define NT_NUMA_TOPO_H

#include "src/base/base.h"

#include <sched.h>

#define NT_TOPO_NODES 64    /* slots; further nodes are left out, their cpus slot 0 */
#define NT_NODE_ID_MAX 1024 /* the kernel's own bound on node numbers */
#define NT_TOPO_CPUS 8192   /* further cpus count as slot 0 */
#define NT_DISTANCE_HERE 10 /* the firmware's units */
#define NT_DISTANCE_FAR 20  /* what is assumed where nothing is said */

struct nt_topo_node {
    int id; /* the system's number */
    bool has_memory, has_cpus;
    bool allowed;          /* this process may take its memory */
    uint64_t memory_bytes; /* 0: none, or not known */
    uint64_t kept_bytes;   /* of these, what the kernel keeps free for itself */
    uint8_t
        distance[NT_TOPO_NODES]; /* to each slot, the firmware's units: here is 10 */
};

struct nt_topo {
    unsigned nodes; /* 1 .. NT_TOPO_NODES */
    bool fake;      /* binding is recorded only */
    struct nt_topo_node node[NT_TOPO_NODES];
    uint8_t slot_of_cpu[NT_TOPO_CPUS];
};

/* Read the machine. Once, before anything else here; no malloc. */
NT_HIDDEN void nt__topo_start(void);

NT_HIDDEN const struct nt_topo *nt__topo(void);

/* For the inline functions below. */
extern NT_HIDDEN struct nt_topo nt__topo_machine;

/* glibc 2.35 and up registers restartable sequences: the cpu is a load away. It must
 * not be registered twice, so we only read glibc's. Weak: older ones have none. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));

/* Negative where that is not to be had. Calls nothing, so that its callers can do without
 * a frame. */
NT_FAST int nt__topo_cpu_at_hand(void)
{
    if (!&__rseq_offset)
        return -1;
    /* struct rseq: cpu_id_start, cpu_id; negative while not registered. */
    const char *area = (const char *)__builtin_thread_pointer() + __rseq_offset;
    return __atomic_load_n((const int *)(const void *)(area + 4), __ATOMIC_RELAXED);
}

NT_FAST int nt__topo_cpu(void)
{
    int cpu = nt__topo_cpu_at_hand();
    return NT_LIKELY(cpu >= 0) ? cpu : sched_getcpu();
}

/* Slot of the node the calling thread runs on, a moment ago. With one node: 0, and
 * nothing is asked. */
NT_FAST unsigned nt__topo_here(void)
{
    if (nt__topo_machine.nodes < 2)
        return 0;
    int cpu = nt__topo_cpu();
    return cpu < 0 || cpu >= NT_TOPO_CPUS ? 0 : nt__topo_machine.slot_of_cpu[cpu];
}

/* Of the slots in `among`, not none, the nearest to `from` by distance: one with cpus
 * before one without, then the lower slot. */
NT_HIDDEN unsigned nt__topo_nearest(unsigned from, uint64_t among);

/* Slots that this process may take memory of. */
NT_HIDDEN uint64_t nt__topo_usable(void);

/* Bytes of the node's memory that a program can still have, asked of the kernel now: free
 * or clean file cache, less what the kernel keeps for itself (topo_sysfs.c). Of a made-up
 * node: all it has. 0: none, or not known. Some system calls; errno is kept. */
NT_HIDDEN uint64_t nt__topo_free_bytes(unsigned slot);

/* The slots of a node list in numactl's words: "0-3,5", "!2" (all but), "all". False:
 * malformed, empty, or naming a node that this process may not take memory of. */
NT_HIDDEN bool nt__topo_slots(const char *list, uint64_t *slots);

/* Slot of the system's node `id`, or -1. */
NT_HIDDEN int nt__topo_slot(int id);

/* The sources. Each fills `*t` (zeroed) and returns true, or leaves it to the next. */
NT_HIDDEN bool nt__topo_fake(struct nt_topo *t, const char *text);
NT_HIDDEN bool nt__topo_sysfs(struct nt_topo *t, const char *folder);

/* For the sources: 10 from each node to itself and 20 to every other. */
NT_HIDDEN void nt__topo_distances(struct nt_topo *t);

/* Free memory and clean file cache of the system's node `id`, in bytes, under the folder
 * that nt__topo_sysfs reads. */
NT_HIDDEN uint64_t nt__topo_sysfs_free(const char *folder, unsigned id);

/* Does `path`, /sys/kernel/mm/transparent_hugepage/enabled, say that whatever may be a huge page is
 * one from its first touch on? */
NT_HIDDEN bool nt__topo_sysfs_huge_always(const char *path);

/* Parse a list such as "0-3,5" and call `set` for each number below `max`. False when
 * the text is malformed, goes on behind it, or `set` refuses a number. */
NT_HIDDEN bool nt__topo_list(const char *text, unsigned long max,
                             bool (*set)(void *context, unsigned long number),
                             void *context);

/* The same for a list with something behind it, which is what is returned; NULL for
 * false. An empty list, or a comma at its end, is the caller's to refuse. */
NT_HIDDEN const char *nt__topo_numbers(const char *text, unsigned long max,
                                       bool (*set)(void *context, unsigned long number),
                                       void *context);

#endif
