/* SPDX-License-Identifier: MIT */
/*
 * Any allocator as a table of calls, and any such table counted.
 *
 * nt_tracked puts a counting allocator around another one: the system's malloc
 * (nt_system_allocator), an explicit pool (nt_pool_allocator), or a program's own arena,
 * of which it needs no more than malloc and free. What it hands out is again such a table,
 * so it goes wherever an allocator goes, and may itself be tracked. Its figures are exact
 * at any moment at which no call is under way, the peak included; reports have them in a
 * table of their own. No pool need be in the program. docs/wrap.md has examples and costs.
 *
 * Nothing of the library is locked while an inner allocator runs: it may allocate from
 * another tracked one, and make any call of this library.
 */
#ifndef NUMATALLY_WRAP_H
#define NUMATALLY_WRAP_H

#include <malloc.h>
#include <numatally/numatally.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An allocator. Each call is handed `context`. Zero everything, set `size`, then what there
 * is: malloc and free must be there, all others may be NULL. What is expected of them is
 * what libc's promise: blocks are aligned to 16 bytes, failure is NULL (with errno, if they
 * have any to say; else it is taken for ENOMEM), also of a request for 0 bytes. */
struct nt_allocator {
    size_t size;   /* sizeof(struct nt_allocator): lets the struct grow */
    void *context; /* the allocator's own; may be NULL */
    void *(*malloc)(void *context, size_t size);
    void *(*calloc)(void *context, size_t count, size_t size);
    void *(*realloc)(void *context, void *ptr, size_t size);
    void *(*aligned_alloc)(void *context, size_t alignment, size_t size);
    void (*free)(void *context, void *ptr);
    size_t (*usable_size)(void *context, void *ptr);
};

/* ---- Counting -------------------------------------------------------------------------- */

/* X(name, unit, label, text), as in stats.h. Bytes are those asked for: of an allocator of
 * somebody else's nothing more is known. */
#define NT_TRACKED_FIGURES(X)                                                          \
    X(allocations_total, 'n', "Allocations", "blocks handed out")                      \
    X(requested_bytes_total, 'b', "Requested",                                         \
      "bytes asked for, by reallocs in place, too")                                    \
    X(reallocs_in_place_total, 'n', "In place", "reallocs that moved nothing")         \
    X(frees_total, 'n', "Frees", "blocks that came back")                              \
    X(freed_requested_bytes_total, 'b', "Freed",                                       \
      "bytes that had been asked for of these, and before reallocs in place")          \
    X(live_blocks_now, 'n', "Live blocks", "blocks in use")                            \
    X(live_requested_bytes_now, 'b', "Live", "bytes asked for of these")               \
    X(live_requested_bytes_peak, 'b', "Live, peak", "most bytes ever in use")          \
    X(failed_total, 'n', "Failed", "requests that got nothing")                        \
    X(foreign_frees_total, 'n', "Foreign",                                             \
      "frees of blocks it had not handed out, passed on")

#define NT_TRACKED_SIZES 48

struct nt_tracked_figures {
    char name[32];
#define NT_FIELD(name, unit, label, text) uint64_t name;
    NT_TRACKED_FIGURES(NT_FIELD)
#undef NT_FIELD
    /* Allocations by the size asked for: i counts those from 2^i to 2^(i+1)-1 bytes, the
     * first also 0, the last all above. Their sum is allocations_total. */
    uint64_t sizes[NT_TRACKED_SIZES];
};

/* Fill *out with an allocator that passes on to `inner` and counts. `*inner` is copied, so it
 * may be `*out`. The name, for reports, is copied and cut at 31 bytes between two characters;
 * any bytes are allowed; NULL: "tracked-N". All calls of `*out` are there, and as libc's:
 *  - calloc, where inner has none, is malloc and memset; realloc is malloc, a copy of what
 *    had been asked for, and free; usable_size is what was asked for;
 *  - aligned_alloc, where inner has none, serves alignments up to 16 by malloc, and others
 *    not at all: ENOTSUP. EINVAL where the alignment is no power of two;
 *  - realloc to 0 bytes frees and gives NULL; calls on NULL behave as libc's;
 *  - a block that it has not handed out is passed on to inner by free and realloc, and
 *    counted as a foreign free. Where inner has neither realloc nor usable_size, realloc of
 *    it is EINVAL;
 *  - ENOMEM also when there is no memory to keep the block in mind: inner has it back then.
 * Copies of `*out` are the same allocator. -EINVAL: a pointer is NULL, inner's size is not
 * that of this struct, or it has no malloc or no free, or the name is empty; -ENOMEM. On
 * failure *out is untouched. */
NT_API int nt_tracked(const struct nt_allocator *inner, const char *name,
                      struct nt_allocator *out) NT_WARN_UNUSED;

/* The figures of one. -EINVAL: `tracked` is NULL, not nt_tracked's, or released; `out` is
 * NULL. While threads run, they may disagree by what happens during the reading. */
NT_API int nt_tracked_figures(const struct nt_allocator *tracked,
                              struct nt_tracked_figures *out);

/* Totals begin again at 0, and the peak at what is live. -EINVAL as above. */
NT_API int nt_tracked_reset(const struct nt_allocator *tracked);

/* Inner took all its blocks back at once, as an arena that was emptied does, or nt_pool_reset:
 * those in use count as freed now. -EINVAL as above. Nobody may use it during the call. */
NT_API int nt_tracked_forget(const struct nt_allocator *tracked);

/* It is used no more. -EBUSY: blocks of it are in use, and nothing happened; -EINVAL as
 * above. Nobody may use it during the call. Calls of it that come later fail with EINVAL,
 * until another tracked allocator takes its place. */
NT_API int nt_tracked_release(const struct nt_allocator *tracked);

/* The figures of all there are into out[0..max), as nt_snapshot_pools does for pools. */
NT_API long nt_snapshot_tracked(struct nt_tracked_figures *out, size_t max);

/* ---- Allocators ------------------------------------------------------------------------ */

/* Fill *out with an allocator whose blocks come from `pool`, by nt_pool_malloc and its
 * like; free is nt_free. It needs no release, and is good until the pool is destroyed.
 * -EINVAL: one of the two is NULL. */
NT_API int nt_pool_allocator(struct nt_pool *pool, struct nt_allocator *out);

/* The malloc and free that the program which includes this would call: libc's, or whatever
 * stands in their place. They are named here because the library itself calls no malloc. */
static inline void *nt_system_malloc_(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static inline void *nt_system_calloc_(void *context, size_t count, size_t size)
{
    (void)context;
    return calloc(count, size);
}

static inline void *nt_system_realloc_(void *context, void *ptr, size_t size)
{
    (void)context;
    return realloc(ptr, size);
}

static inline void *nt_system_aligned_alloc_(void *context, size_t alignment,
                                             size_t size)
{
    (void)context;
    return memalign(alignment, size); /* declared whatever the language's standard */
}

static inline void nt_system_free_(void *context, void *ptr)
{
    (void)context;
    free(ptr);
}

static inline size_t nt_system_usable_size_(void *context, void *ptr)
{
    (void)context;
    return malloc_usable_size(ptr);
}

static inline struct nt_allocator nt_system_allocator(void)
{
    struct nt_allocator a;
    a.size = sizeof a;
    a.context = NULL;
    a.malloc = nt_system_malloc_;
    a.calloc = nt_system_calloc_;
    a.realloc = nt_system_realloc_;
    a.aligned_alloc = nt_system_aligned_alloc_;
    a.free = nt_system_free_;
    a.usable_size = nt_system_usable_size_;
    return a;
}

#ifdef __cplusplus
}
#endif
#endif
