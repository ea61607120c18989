/* SPDX-License-Identifier: MIT */
/*
 * The sampling profiler: who allocates, how much, for how long.
 *
 * When it is on, blocks are sampled at random, one for each `interval` bytes asked for on
 * average, and of each the stack, size, size class, node, thread and time are kept until it
 * is freed. A block of `size` bytes is sampled with probability 1 - exp(-size/interval),
 * so what a sample stands for is known: the figures here are estimates of the true ones,
 * right on average, each beside its standard error (95 of 100 lie within 1.96 errors when
 * there are some tens of samples). Blocks of malloc and its relatives, aligned, large, from
 * realloc and from explicit pools are all sampled by this one rule. Not seen: a realloc that
 * keeps a block of a size class in place, and requests for 0 bytes.
 *
 * Sites. A site is a stack at which blocks were allocated; return addresses, as far as
 * NT_STACK_MAX. Addresses become functions with the table of modules in the JSON report.
 *
 * The settings sample, sample_stack, sample_signal and sample_seed (docs/tuning.md) do from
 * outside what nt_sample does. docs/profiling.md explains the figures and what they cost.
 */
#ifndef NUMATALLY_PROFILE_H
#define NUMATALLY_PROFILE_H

#include <numatally/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NT_STACK_MAX 64 /* return addresses kept of a stack, the innermost */
#define NT_LIFETIMES 16

/* Sample one block for each `interval` bytes on average from now on; 0: none. 1 samples every
 * block. Other threads notice at their next slow call, or after 512 frees. What was sampled so
 * far stays in the figures, and blocks that were sampled are followed until they are
 * freed.
 *
 * Any thread, but not in a signal handler: the first call may load libgcc's unwinder. 0;
 * -EINVAL: the interval is above 2^40; -ENOENT: libgcc_s.so.1 cannot be loaded (the setting
 * sample_stack:frames does without). A forked child goes on as its parent did, with the
 * samples of its parent. */
NT_API int nt_sample(size_t interval);

/* X(name, unit, label, text), as in stats.h. `_error`: the standard error of the estimate
 * before it. */
#define NT_SITE_FIGURES(X)                                                             \
    X(samples_total, 'n', "Samples", "blocks sampled, exact")                          \
    X(allocations_total, 'n', "Allocations", "estimate of the blocks handed out")      \
    X(reallocs_total, 'n', "Reallocs",                                                 \
      "of these, blocks that a realloc moved to, by copying or by moving pages")       \
    X(requested_bytes_total, 'b', "Requested", "estimate of the bytes asked for")      \
    X(requested_bytes_total_error, 'b', "+-", "its standard error")                    \
    X(live_samples_now, 'n', "Live samples", "sampled blocks in use, exact")           \
    X(live_blocks_now, 'n', "Live blocks", "estimate of the blocks in use")            \
    X(live_requested_bytes_now, 'b', "Live", "estimate of the bytes asked for in use") \
    X(live_requested_bytes_now_error, 'b', "+-", "its standard error")                 \
    X(at_peak_blocks, 'n', "Blocks, at peak",                                          \
      "live_blocks_now when all sites together had most bytes in use")                 \
    X(at_peak_requested_bytes, 'b', "At peak", "live_requested_bytes_now then")        \
    X(at_peak_requested_bytes_error, 'b', "+-", "its standard error")                  \
    X(sampled_frees_total, 'n', "Freed samples", "sampled blocks that were freed")     \
    X(lifetime_ns_total, 't', "Lived, s", "time these lived, summed")                  \
    X(remote_frees_total, 'n', "Remote frees",                                         \
      "estimate of the blocks freed by another thread")

struct nt_site_figures {
    uint32_t depth;      /* return addresses in `stack` */
    uint32_t generation; /* which modules they lie in: those in memory then */
#define NT_FIELD(name, unit, label, text) uint64_t name;
    NT_SITE_FIGURES(NT_FIELD)
#undef NT_FIELD
    /* Freed samples by how long they lived: i counts those below 4^i microseconds that are
     * in none before; the last one all others. */
    uint64_t lifetimes[NT_LIFETIMES];
    uint64_t stack[NT_STACK_MAX]; /* innermost first */
};

/* A sampled block that is in use. */
struct nt_sample_figures {
    uint64_t address;
    uint64_t requested_bytes;
    uint64_t block_bytes; /* of its size class; of a large block: whole pages */
    uint64_t site;        /* index in the table of sites */
    uint64_t born_ns;     /* when it was allocated, after sampling was first on */
    int32_t tid;          /* of the thread that allocated it */
    int32_t node;
};

/* Sampled blocks that another thread freed than the one that had allocated them. */
struct nt_remote_figures {
    uint64_t site;      /* where they were allocated */
    uint64_t free_site; /* where freed: in the same table */
    uint64_t samples_total;
    uint64_t frees_total;           /* estimate of the blocks */
    uint64_t requested_bytes_total; /* estimate of their bytes */
};

/* The sites, in the order in which they were first seen, into out[0..max): how many there
 * are, which may be more than `max` (out may be NULL if max is 0), or -EINVAL. Sites only
 * become more. One with no samples is one that only frees. Any thread; waits for those who
 * are sampling just then. */
NT_API long nt_snapshot_sites(struct nt_site_figures *out, size_t max);

/* As nt_snapshot_sites, for sampled blocks in use, in no order. */
NT_API long nt_snapshot_samples(struct nt_sample_figures *out, size_t max);

/* As nt_snapshot_sites, for pairs of a site and a site that freed, by remote frees. */
NT_API long nt_snapshot_remote(struct nt_remote_figures *out, size_t max);

#ifdef __cplusplus
}
#endif
#endif
