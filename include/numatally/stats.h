/* SPDX-License-Identifier: MIT */
/*
 * The figures: what was counted, as one plain struct, as text and as JSON.
 *
 * The counter lists below are the only place where a figure is named. Every
 * struct field, every line of the text report, every JSON key and docs/counters.md
 * follow them. A name's ending says its kind: `_total` only grows, `_now` goes both
 * ways, `_peak` is the largest `_now` that was seen (docs/counters.md: how exactly).
 *
 * Nothing here stops other threads, takes a lock that an allocation waits for, or
 * allocates. While threads run, figures read a moment apart may differ by what
 * happened in between; when they are still, all figures are exact and add up.
 */
#ifndef NUMATALLY_STATS_H
#define NUMATALLY_STATS_H

#include <numatally/numatally.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NT_SNAPSHOT_VERSION 1
#define NT_NODES_MAX 64    /* NUMA nodes with memory or cpus, by slot */
#define NT_CLASSES_MAX 128 /* size classes; the last used one is "large" */

/* X(name, unit, label, text) -- unit: 'n' a count, 'b' bytes.
 * label: the row of the text report; text: the sentence in the manual. */
#define NT_NODE_FIGURES(X)                                                             \
    X(allocations_total, 'n', "Allocations",                                           \
      "blocks handed out from the node's memory")                                      \
    X(allocated_bytes_total, 'b', "Allocated", "block bytes handed out")               \
    X(requested_bytes_total, 'b', "Requested", "bytes that callers asked for")         \
    X(realloc_requested_bytes_total, 'b', "Requested in place",                        \
      "asked for by reallocs that kept a block of a class where it was")               \
    X(reallocs_in_place_total, 'n', "Reallocs in place",                               \
      "reallocs that moved nothing")                                                   \
    X(frees_total, 'n', "Frees", "blocks that came back")                              \
    X(freed_bytes_total, 'b', "Freed", "block bytes that came back")                   \
    X(remote_frees_total, 'n', "Remote frees",                                         \
      "frees by another thread than the owner")                                        \
    X(far_frees_total, 'n', "Far frees", "frees by a thread running on another node")  \
    X(live_blocks_now, 'n', "Live blocks", "blocks in use")                            \
    X(live_bytes_now, 'b', "Live", "block bytes in use")                               \
    X(live_bytes_peak, 'b', "Live, peak", "most block bytes ever in use")              \
    X(inherited_blocks_now, 'n', "Inherited blocks",                                   \
      "in use at the fork, by the parent")                                             \
    X(inherited_bytes_now, 'b', "Inherited", "block bytes in use at the fork")         \
    X(reserved_bytes_now, 'b', "Reserved", "address space mapped")                     \
    X(committed_bytes_now, 'b', "Committed", "of it handed to slabs and large blocks") \
    X(cached_bytes_now, 'b', "Cached", "free, used before, not yet given back")        \
    X(bound_bytes_now, 'b', "Bound", "reserved and bound to the node by mbind")        \
    X(huge_bytes_now, 'b', "Huge pages",                                               \
      "reserved and advised or mapped as huge pages")                                  \
    X(returned_bytes_total, 'b', "Returned", "given back to the system")               \
    X(mappings_now, 'n', "Mappings", "memory mappings in use")                         \
    X(resident_bytes_now, 'b', "In memory", "asked for from here and in memory")       \
    X(elsewhere_full_bytes_now, 'b', "Elsewhere, full",                                \
      "of it on a node that was not wanted, the wanted being full")                    \
    X(elsewhere_refused_bytes_now, 'b', "Elsewhere, refused",                          \
      "of it elsewhere as binding is refused or the node not allowed")                 \
    X(elsewhere_moved_bytes_now, 'b', "Elsewhere, moved",                              \
      "of it elsewhere for another reason: moved since, or full then")                 \
    X(lying_bytes_now, 'b', "Lying here", "lies on the node, wherever asked from")     \
    X(lying_huge_bytes_now, 'b', "Lying here, huge", "of this in huge pages")

/* The figures of one NUMA node, or of all of them summed. */
struct nt_node_figures {
#define NT_FIELD(name, unit, label, text) uint64_t name;
    NT_NODE_FIGURES(NT_FIELD)
#undef NT_FIELD
};

#define NT_CLASS_FIGURES(X)                                                            \
    X(block_bytes, 'b', "Size", "bytes of one block; 0 in the row of large blocks")    \
    X(allocations_total, 'n', "Allocations", "blocks handed out")                      \
    X(requested_bytes_total, 'b', "Requested", "bytes that callers asked for")         \
    X(allocated_bytes_total, 'b', "Allocated", "block bytes handed out")               \
    X(frees_total, 'n', "Frees", "blocks that came back")                              \
    X(live_blocks_now, 'n', "Live blocks", "blocks in use")                            \
    X(live_bytes_now, 'b', "Live", "block bytes in use")                               \
    X(live_bytes_peak, 'b', "Live, peak", "most block bytes ever in use")              \
    X(slabs_now, 'n', "Slabs", "slabs (large: blocks) that hold memory")

/* The figures of one size class over all nodes, threads and pools. */
struct nt_class_figures {
#define NT_FIELD(name, unit, label, text) uint64_t name;
    NT_CLASS_FIGURES(NT_FIELD)
#undef NT_FIELD
};

/* Everything at one moment. About 60 KiB: keep it static or on the heap. */
struct nt_snapshot {
    uint32_t size;    /* sizeof(struct nt_snapshot) of the library that wrote it */
    uint32_t version; /* NT_SNAPSHOT_VERSION */

    /* the process */
    int64_t pid;
    int64_t rank;           /* MPI rank from the environment; -1: none */
    uint64_t start_unix_ns; /* when the library started (or the process forked) */
    uint64_t now_unix_ns;   /* when this was read */
    char host[64];
    char program[64]; /* the name of the executable, without its folder */
    char version_string[16];

    /* what is counted by process only */
    uint64_t threads_now;         /* threads that hold a shard */
    uint64_t threads_total;       /* threads that ever took one */
    uint64_t pools_now;           /* explicit pools that exist */
    uint64_t foreign_frees_total; /* blocks of glibc's own heap passed on to it */
    uint64_t metadata_bytes_now;  /* the library's own structures */
    uint64_t residency_pages_now; /* pages that the kernel was asked about, for the
                                     figures from resident_bytes_now on; 0: it was not
                                     asked, and these are 0. nt_report asks */
    uint64_t page_bytes;          /* the system's page size */
    uint8_t fake_topology;        /* NUMATALLY_TOPOLOGY is in force */
    uint8_t inherited;            /* this is a forked child's own count */
    uint8_t final;                /* the process had come to its end */
    uint8_t reserved_[5];

    /* nodes: slots 0 .. nodes-1 are in use, node_id[slot] is the system's number */
    uint32_t nodes;
    uint32_t classes; /* rows of `class_` in use; the last is large blocks */
    int32_t node_id[NT_NODES_MAX];
    struct nt_node_figures node[NT_NODES_MAX];
    struct nt_node_figures total;
    struct nt_class_figures class_[NT_CLASSES_MAX];

    /* frees[f][h]: blocks freed by threads on slot f whose home is slot h. */
    uint64_t free_matrix[NT_NODES_MAX][NT_NODES_MAX];
};

/* Read everything into `*out`. 0, or -EINVAL when `out` is NULL. Never blocks. */
NT_API int nt_snapshot(struct nt_snapshot *out);

/* One thread's figures, over its whole life, whichever nodes it ran on. */
struct nt_thread_figures {
    int64_t tid;
    int64_t node; /* the system's number of the node whose memory it takes now */
    char name[16];
    uint64_t allocations_total;
    uint64_t allocated_bytes_total;
    uint64_t requested_bytes_total;
    uint64_t frees_total; /* blocks it freed, whoever had allocated them */
    uint64_t freed_bytes_total;
    uint64_t remote_frees_total; /* of these, blocks of another thread's slabs */
    uint64_t live_bytes_peak;    /* most bytes it had allocated and not freed itself */
    uint64_t migrations_total;   /* times it was found to run on another node */
};

/* Fill up to `max` entries with the threads that live now; the first entry is the
 * sum over all threads that are gone (tid 0, name "exited"). Returns how many there
 * are, which may exceed `max`; -EINVAL when `out` is NULL and `max` is not 0. */
NT_API long nt_snapshot_threads(struct nt_thread_figures *out, size_t max);

/* One pool's figures. Entry 0 is the process's own heap ("process"). */
struct nt_pool_figures {
    char name[32];
    uint64_t allocations_total;
    uint64_t allocated_bytes_total;
    uint64_t requested_bytes_total;
    uint64_t frees_total;
    uint64_t freed_bytes_total;
    uint64_t live_blocks_now;
    uint64_t live_bytes_now;
    uint64_t live_bytes_peak;
    uint64_t committed_bytes_now;
    uint64_t limit_bytes; /* 0: none */
};

/* As nt_snapshot_threads, for pools. */
NT_API long nt_snapshot_pools(struct nt_pool_figures *out, size_t max);

enum nt_format {
    NT_FORMAT_TEXT = 0, /* for people: rows are figures, columns are nodes */
    NT_FORMAT_JSON = 1, /* one line, one record: docs/record.schema.json */
};

/* Write a report of now to file descriptor `fd`, without malloc or stdio.
 * 0, -EINVAL for an unknown format, or the negative errno of write(2). */
NT_API int nt_report(int fd, enum nt_format format);

#ifdef __cplusplus
}
#endif
#endif
