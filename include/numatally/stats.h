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
#define NT_NODES_MAX 64 /* NUMA nodes with memory or cpus, by slot */
#define NT_CLASSES_MAX                                                                 \
    128 /* size classes; the last used one is "large"; before it
                              are those that only pools have, in no order */

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
    X(slabs_now, 'n', "Slabs", "slabs (large: blocks) that hold memory")               \
    X(slab_bytes_now, 'b', "In slabs", "memory of these, in whole slices of 64 KiB")

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
    uint64_t tracked_now;         /* tracked allocators (wrap.h) that exist */
    uint64_t cpu_ns_total;        /* processor time, of all threads, in nanoseconds */
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

/* What happened between two snapshots of a process, the earlier `from` and the later `to`,
 * into `*out`, which may be one of the two. Of the figures
 *   `_total`  is the difference: what was added in between;
 *   `_now`    is the difference, too. Where less is in use than before it is negative, and
 *             stands there as two's complement: read it as (int64_t)out->total.live_bytes_now;
 *   `_peak`   and figures without a kind are those of `to`. A peak is the largest since the
 *             process began: that of a stretch of the program is had by nt_mark.
 * free_matrix is the difference. `start_unix_ns` is when `from` was read, so the time
 * between is now_unix_ns - start_unix_ns; all else is `to`'s. While threads run, each
 * figure is of the two moments it was read at.
 * 0, or -EINVAL: something is NULL, is not of this library's size and version, or the two
 * have other nodes or size classes (but `to` may have those that pools added). Reads and writes nothing but its arguments. */
NT_API int nt_snapshot_diff(const struct nt_snapshot *from,
                            const struct nt_snapshot *to, struct nt_snapshot *out);

/* One thread's figures, over its whole life, whichever nodes it ran on. */
struct nt_thread_figures {
    int64_t tid;
    int64_t node;  /* the system's number of the node whose memory it takes now */
    char name[32]; /* by nt_thread_name, else the system's */
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

/* Call the calling thread `name` in reports, instead of by the system's name for it; NULL:
 * by the system's again. Copied, cut at 31 bytes between two characters of UTF-8; any bytes
 * are allowed: text reports show '?' for what would break their rows, and records escape it.
 * 0; -EINVAL: the name is empty; -ENOMEM: no memory for a first figure of the thread, or
 * the thread is past its end. */
NT_API int nt_thread_name(const char *name);

/* The same for a pool, which nt_pool_create named. -EINVAL: one of the two is NULL, or
 * the name is empty. The caller sees to it that the pool is not destroyed meanwhile. */
NT_API int nt_pool_name(struct nt_pool *pool, const char *name);

/* ---- Phases --------------------------------------------------------------- */

#define NT_PHASES_MAX 128 /* rows; names that come later share the last, "(other)" */

/* One phase's figures, over all the times it was entered: what was added in it to the
 * figures of the same name in nt_snapshot's total. */
struct nt_phase_figures {
    char name[64];
    uint8_t running; /* it is the one that runs: its figures go up to now */
    uint8_t reserved_[7];
    uint64_t entries_total;
    uint64_t spent_ns_total; /* nanoseconds, by a clock that never goes back */
    uint64_t allocations_total;
    uint64_t allocated_bytes_total;
    uint64_t requested_bytes_total;
    uint64_t frees_total;
    uint64_t freed_bytes_total;
    uint64_t remote_frees_total;
    uint64_t far_frees_total;
    uint64_t first_live_bytes; /* live in the process when it was first entered */
    uint64_t last_live_bytes;  /* when it was last left, or now */
    uint64_t live_bytes_peak;  /* most in the process while it ran */
};

/* End the phase that runs, if one does, and begin the phase `name`; NULL: begin none. So a
 * phase is what the process, all threads and pools of it, does between two marks; the
 * figures are differences of the process's totals, and one reading ends a phase and begins
 * the next: phases add up. A name that was there before goes on with its row, one entry
 * more; the name of the phase that runs begins an entry of it anew.
 *
 * Exact if the other threads are still at both marks. Those that run are counted as far as
 * they are read at that moment: what they do during the reading, some microseconds, comes
 * to the one phase or to the other, never to both or none.
 *
 * The name is copied, cut at 63 bytes between two characters; the first 127 different
 * names have rows of their own, and what comes then shares one named "(other)". Any
 * thread may mark; the costs are those of a snapshot, and it never waits for an allocation.
 * The setting mark_signal marks from outside.
 *
 * In a forked child the phase that runs goes on, counted from the fork; the phases that
 * were left by then are its parent's. 0, or -EINVAL: the name is empty. */
NT_API int nt_mark(const char *name);

/* As nt_snapshot_threads, for phases, in the order in which they were first entered. */
NT_API long nt_snapshot_phases(struct nt_phase_figures *out, size_t max);

/* ---- A limit -------------------------------------------------------------- */

/* Call callback(live_bytes, context) when the process's live bytes (block bytes, pools
 * included) come to more than `bytes`; 0, or a callback that is NULL: never, from now on.
 * There is one limit: the call replaces it. Always returns 0.
 *
 * When. Crossing upwards counts: it is called once, then again when no more than `bytes`
 * were live in between. More than `bytes` being live already is no crossing. Live bytes are
 * added up when a thread has used up a run of blocks or takes a large one, not at each
 * allocation, so that the limit costs these nothing: the call may come late by a run of
 * blocks of each class and thread, and by 1/128 of the limit, 64 KiB at least; and a dip
 * below the limit that is smaller than that may be missed. `live_bytes` is as exact as a
 * snapshot's. A realloc that moves its block has two for a moment.
 *
 * Where. On the thread that crossed, at the end of the allocating call (malloc, realloc,
 * nt_pool_malloc...), whose block stays valid. The library holds no lock then: the callback
 * may allocate, free (but not the block of a realloc that is under way), and make any call
 * of this library. It is not run twice at a time: until it has returned nothing is
 * watched, so what it allocates itself does not call it. A limit that it sets, by this
 * very call, is watched from its return on.
 *
 * The call may be one of libc's own, which may hold locks of its own (printf that allocates
 * its buffer): let the callback write(2), note what it saw, or give memory back.
 *
 * It must return. One that leaves by longjmp, an exception or the end of its thread breaks
 * nothing else, but is never called again. A callback that another thread replaces or
 * removes may still be running when this returns. A forked child keeps the limit. */
NT_API int nt_on_limit(uint64_t bytes,
                       void (*callback)(uint64_t live_bytes, void *context),
                       void *context);

/* ---- Reports -------------------------------------------------------------- */

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
