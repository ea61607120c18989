/* SPDX-License-Identifier: MIT */
/*
 * What was sampled: sites, the sampled blocks in use, and who freed whose.
 *
 * A site is a stack; sites are found by a hash of it, made in the library's own memory and
 * never unmade, so a pointer to one is good for ever. Blocks in use are in a table by their
 * address (open addressing), pairs of sites in another; both are mapped, and mapped anew
 * twice as large. All of it is under one lock: it is taken once a sample, and once when
 * a sampled block is freed.
 *
 * The peak. When all sites together come to have more estimated bytes in use than ever, each
 * site's figures are those of the peak. Copying them each time would cost sites x peaks;
 * instead `peak` counts the peaks, and a site whose figures are about to change for the
 * first time since the last one keeps them in `at_peak`.
 *
 * Always: live.samples of all sites sum up to the blocks in the table.
 */
#ifndef NT_TRACK_PROFILE_H
#define NT_TRACK_PROFILE_H

#include "src/base/lock.h"
#include "src/base/modules.h"
#include "src/base/unwind.h"
#include "src/track/estimate.h"

#include <numatally/profile.h>

/* Is there sampling, and what is to be known of it at once. Written by nt__profile_set. */
struct nt_sampler {
    uint64_t interval;   /* 0: off */
    uint32_t generation; /* of `interval`; 0: no shard need follow */
    uint8_t how;         /* enum nt_unwinder */
};
extern NT_HIDDEN struct nt_sampler nt__sampler;

/* From now on. Any thread, signal handlers too. */
NT_HIDDEN void nt__profile_set(uint64_t interval);

/* Have all shards follow, though nothing changed. */
NT_HIDDEN void nt__profile_renew(void);

/* Once, before the first nt__profile_set. */
NT_HIDDEN void nt__profile_start(enum nt_unwinder how, uint64_t seed);

/* Bytes until the next sample, by the interval of now; 0: it is off. */
NT_HIDDEN uint64_t nt__profile_draw(uint64_t interval);

struct nt_stack {
    uint32_t depth, generation;
    uintptr_t pc[NT_STACK_MAX];
};

/* The calling thread's. Hold no lock of rank NT_RANK_PROFILE or above, nor one that anybody
 * holds while the dynamic linker calls malloc. */
NT_HIDDEN void nt__profile_stack(struct nt_stack *out);

struct nt_site;

struct nt_sample {
    const void *block;
    uint64_t size;  /* asked for, not 0 */
    uint64_t held;  /* what its class was to hold: more, if it was aligned or given room
                          to grow; no table of classes has a say in it */
    uint32_t align; /* asked for; 0: none beyond NT_GRAIN's */
    uint64_t interval; /* by which it was sampled */
    uint64_t block_bytes;
    void *home; /* the shard that counted it */
    int32_t tid, node;
    /* nt__profile_add's */
    struct nt_weight weight;
    struct nt_site *site;
    uint64_t born_ns;
};

/* `*sample` was allocated here. False: no memory, nothing happened. */
NT_HIDDEN bool nt__profile_add(struct nt_sample *sample, const struct nt_stack *stack);

/* The block at `block`, which was added last for a realloc, took the place of another. Does
 * nothing if it was not sampled. */
NT_HIDDEN void nt__profile_moved(const void *block);

/* The sampled block at `block` is freed; what it was. False: there is none. */
NT_HIDDEN bool nt__profile_remove(const void *block, struct nt_sample *out);

/* All sampled blocks in [start, end) are freed. */
NT_HIDDEN void nt__profile_remove_range(uintptr_t start, uintptr_t end);

/* `*sample`, which was removed, was freed by another thread, here. */
NT_HIDDEN void nt__profile_add_remote(const struct nt_sample *sample,
                                      const struct nt_stack *stack);

/* The site with this stack; NULL: no memory. */
NT_HIDDEN const struct nt_site *nt__profile_site(const struct nt_stack *stack);

/* Its innermost frames for a line of text: FILE+0xADDRESS each, as addr2line -e FILE takes it. */
NT_HIDDEN void nt__profile_site_text(const struct nt_site *site, char *out, size_t cap);

struct nt_fmt;

/* Sizes that classes were to hold, in rows as fine as any table of size classes can tell them apart: 16
 * bytes each up to 32 KiB, 2 KiB each up to 512 KiB, and one row for all larger. */
#define NT_SIZE_GRAIN 16
#define NT_SIZE_FINE (32 * NT_KIB)
#define NT_SIZE_COARSE (2 * NT_KIB)
#define NT_SIZE_MAX (512 * NT_KIB)
#define NT_SIZE_ROWS                                                                   \
    (NT_SIZE_FINE / NT_SIZE_GRAIN + (NT_SIZE_MAX - NT_SIZE_FINE) / NT_SIZE_COARSE + 1)

/* X(name, unit, label, text), as in stats.h. */
#define NT_SIZE_FIGURES(X)                                                             \
    X(up_to_bytes, 'b', "Up to", "the largest size of the row; 0: all larger")         \
    X(samples_total, 'n', "Samples", "blocks sampled, exact")                          \
    X(allocations_total, 'n', "Allocations", "estimate of the blocks handed out")      \
    X(requested_bytes_total, 'b', "Requested", "estimate of the bytes asked for")      \
    X(allocated_bytes_total, 'b', "Allocated", "estimate of their block bytes")        \
    X(at_peak_samples, 'n', "Samples, at peak",                                        \
      "sampled blocks in use when all sites together had most bytes in use")           \
    X(at_peak_blocks, 'n', "Blocks, at peak", "estimate of the blocks in use then")    \
    X(at_peak_requested_bytes, 'b', "At peak", "estimate of the bytes asked for then") \
    X(at_peak_allocated_bytes, 'b', "Blocks' bytes, at peak",                          \
      "estimate of the block bytes in use then")                                       \
    X(held_bytes_total, 'b', "Held", "estimate of what their classes were to hold")    \
    X(at_peak_held_bytes, 'b', "Held, at peak",                                        \
      "estimate of what the classes of those in use then were to hold")                \
    X(align_bytes, 'b', "Alignment", "the largest asked for; 0: none above 16")

/* The sampled blocks of a row of sizes. */
struct nt_size_figures {
#define NT_FIELD(name, unit, label, text) uint64_t name;
    NT_SIZE_FIGURES(NT_FIELD)
#undef NT_FIELD
};

/* Everything, copied into memory of its own (NULL with a count of 0). */
struct nt_profile {
    uint64_t interval_bytes; /* the last that was not 0 */
    uint64_t sampling;       /* it is on */
    uint64_t lost_total;     /* samples there was no memory for */
    struct nt_site_figures total;
    struct nt_site_figures *sites;
    struct nt_sample_figures *samples;
    struct nt_remote_figures *remotes;
    struct nt_module *modules;
    struct nt_size_figures *sizes; /* ascending, those that were sampled */
    size_t nsites, nsamples, nremotes, nmodules, nsizes;
    void *memory; /* the arrays */
    size_t memory_bytes;
    /* For whoever can say more of a return address than its file and the place there: prints
     * rows of text. Else NULL. */
    void (*print_frame)(struct nt_fmt *f, void *context, uint32_t generation,
                        uint64_t pc);
    void *print_context;
};

/* Was it ever on? */
NT_HIDDEN bool nt__profile_exists(void);

/* Empty, without `memory`, if it was never on or there is no memory for it. False: the lock
 * was not to be had, and must not be waited for. */
NT_HIDDEN bool nt__profile_read(struct nt_profile *out, bool wait);
NT_HIDDEN void nt__profile_free(struct nt_profile *profile);

/* As the public calls. */
NT_HIDDEN long nt__profile_sites(struct nt_site_figures *out, size_t max);
NT_HIDDEN long nt__profile_samples(struct nt_sample_figures *out, size_t max);
NT_HIDDEN long nt__profile_remotes(struct nt_remote_figures *out, size_t max);

NT_HIDDEN void nt__profile_fork_lock(void);
NT_HIDDEN void nt__profile_fork_unlock(enum nt_fork how);

#endif
