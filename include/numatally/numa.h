/* SPDX-License-Identifier: MIT */
/*
 * Where memory lies, and where it should: nodes, policies, large arrays, the truth.
 *
 * Nodes are named by the system's numbers, as numactl and /sys have them. With
 * NUMATALLY_TOPOLOGY set they are the made-up machine's, and nothing is asked of the
 * kernel: what would have been bound is only counted.
 *
 * A *policy* is text in numactl's words, with its node lists ("0-3,5", "!2", "all"):
 *
 *   local                        the node the thread runs on; when it is full the nearest
 *                                other, those without cpus last (the default)
 *   bind:LIST                    these nodes only: ENOMEM when they are full
 *   preferred:NODE               this node; when it is full the nearest other
 *   preferred-many:LIST          these nodes, the nearest of them first; then others
 *                                (before Linux 5.15: as preferred, that nearest one)
 *   interleave:LIST              pages on these nodes in turn
 *   weighted-interleave:LIST     in turn, each node so many pages as its weight in
 *                                /sys/kernel/mm/mempolicy/weighted_interleave says
 *                                (before Linux 6.9: as interleave)
 *   inherit                      what numactl or set_mempolicy asked for
 *
 * A list may be left out after bind, preferred-many and the interleaves: it is "all"
 * then. All calls follow the rules at the head of numatally.h.
 */
#ifndef NUMATALLY_NUMA_H
#define NUMATALLY_NUMA_H

#include <numatally/numatally.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The machine -------------------------------------------------------- */

/* One node. */
struct nt_node_info {
    int node;       /* the system's number */
    int has_cpus;   /* 0: a node of memory only (HBM, CXL, a GPU's) */
    int has_memory; /* 0: its threads take memory of the nearest node that has some */
    int allowed;    /* this process may take its memory (cpusets) */
    uint64_t memory_bytes; /* 0: none, or not known */
    uint64_t free_bytes; /* that a program can still have, now; 0: none, or not known */
};

/* Nodes there are, at least 1. */
NT_API unsigned nt_node_count(void);

/* Fill *out for the `index`-th node, in rising order of their numbers. -EINVAL: `out` is
 * NULL or there are not so many. */
NT_API int nt_node_info(unsigned index, struct nt_node_info *out);

/* Distance between two nodes in the firmware's units: 10 to itself. -EINVAL: no such
 * node. */
NT_API int nt_node_distance(int from, int to);

/* The node the calling thread runs on, a moment ago. */
NT_API int nt_node_here(void);

/* ---- The truth ---------------------------------------------------------- */

/* The node that the page at `ptr` lies on, asked of the kernel (move_pages). -ENOENT: it
 * is not in memory (never touched, or swapped out); -EFAULT: nothing is mapped there;
 * -ENOSYS: the kernel cannot say. Works for any address of the process. With
 * NUMATALLY_TOPOLOGY: the node asked for, of blocks that are bound to one. */
NT_API int nt_node_of(const void *ptr);

/* Where the pages of a range lie. */
struct nt_residency {
    size_t size;          /* sizeof(struct nt_residency), set by the caller */
    uint64_t page_bytes;  /* bytes of a page here */
    uint64_t pages;       /* pages that the range touches */
    uint64_t asked;       /* of these the kernel was asked about */
    uint64_t absent;      /* of these not in memory: never touched, or swapped out */
    uint64_t huge;        /* of these parts of huge pages (0 before Linux 6.7) */
    uint64_t on_node[64]; /* of these on each node, by nt_node_info's index */
};

/* Fill *out for [ptr, ptr+bytes). At most `most` pages are asked about, spread evenly
 * over the range (0: all of them; about 0.2 s a GiB of 4 KiB pages). -EINVAL: `out` is
 * NULL or its size unknown; -EFAULT: part of it is not mapped; -ENOSYS as above. */
NT_API int nt_residency(const void *ptr, size_t bytes, size_t most,
                        struct nt_residency *out);

/* ---- Policies ----------------------------------------------------------- */

/* The policy of what the calling thread allocates from now on; NULL: the process's
 * (setting `policy`) again. What it has allocated stays where it is. -EINVAL: not a
 * policy, or it names a node that this process may not use; -ENOMEM: too many different
 * policies (some hundred). On failure nothing changes. */
NT_API int nt_thread_policy(const char *policy);

/* nt_malloc of memory under a policy, whatever the thread's is. EINVAL as above. Small
 * blocks of one policy share pages: 2 MiB at a time are taken for each. */
NT_API void *nt_malloc_policy(size_t size, const char *policy) NT_MALLOC
    NT_ALLOC_SIZE(1);

/* ---- Large arrays ------------------------------------------------------- */

/* One array in equal contiguous parts on nodes, in rising order: what a loop over it
 * with OpenMP's static schedule wants when threads are bound in order of nodes. Parts
 * begin at page boundaries. nt_realloc keeps the division (by copying). `nodes` is a
 * node list; NULL: all with cpus (if these have no memory: all). EINVAL: not a list, or a
 * node this process may not use. Sizes up to 512 KiB are not divided and lie on the first node. */
NT_API void *nt_malloc_distributed(size_t size, const char *nodes) NT_MALLOC
    NT_ALLOC_SIZE(1);

/* Called now and then with what has been brought in of what there is, in bytes, by the
 * thread that called nt_prefault. Not 0: stop. */
typedef int nt_progress(uint64_t done, uint64_t all, void *context);

/* Bring the pages of [ptr, ptr+bytes) into memory, where their policy has them, without
 * changing what they hold: with one thread per node for an array in parts, by the calling
 * thread's node where first touch decides. `progress` may be NULL. -ENOMEM: a node is
 * full (what lies in a block bound to it is then partly elsewhere, but nobody is
 * killed); -ECANCELED: `progress` said stop; -EFAULT: not mapped, or (from Linux 5.14 on;
 * before, it is a fault) not to be written. */
NT_API int nt_prefault(void *ptr, size_t bytes, nt_progress *progress, void *context);

/* Move a large block (nt_malloc above 512 KiB, nt_malloc_distributed) to `node`, also
 * the pages that are still to be touched. -EINVAL: no such block or node; -EOPNOTSUPP:
 * a smaller block, which shares its pages with others; -ENOMEM: some pages did not find
 * room there and stayed; -EPERM: a sandbox refuses mbind. The contents may be used
 * meanwhile. nt_realloc keeps the block there (by copying). */
NT_API int nt_migrate(void *ptr, int node);

/* Move everything in a pool to `node`; later blocks come from there, too. Other threads
 * may use the pool meanwhile. Errors as nt_migrate. */
NT_API int nt_pool_migrate(struct nt_pool *pool, int node);

#ifdef __cplusplus
}
#endif
#endif
