/* SPDX-License-Identifier: MIT */
/*
 * One heap in a process, however often the library is in it.
 *
 * A program may link libnumatally.so or libnumatally.a and run under
 * libnumatally_malloc.so, or link both: two copies of this code, each with its own
 * state. A block of the one given to the other would be misuse. So libnumatally_malloc.so
 * exports nt__calls_0, a table of its nt_ functions, and every other copy in its link
 * namespace passes on to that table what its own fast path does not serve, which is then
 * everything: such a copy never starts, so no thread of it has a shard and its window is
 * empty. It has no heap, no handlers, and no report. The fast paths cost nothing for it.
 *
 * The table is found by the dynamic linker, through a weak reference: when the copy is
 * loaded, before any of it runs, without a call that could allocate. The reference is
 * NULL in a static program, without libnumatally_malloc.so, in another namespace than it
 * (dlmopen), and where it came after this copy or out of sight (by dlopen: then it is
 * nobody's malloc either). Such a copy has a heap of its own.
 *
 * The table is an interface between versions. Its name's number goes up when an entry
 * changes its meaning; `size` tells tables of different length apart. Copies that do not
 * agree stay apart.
 */
#ifndef NT_HEAP_CALLS_H
#define NT_HEAP_CALLS_H

#include "src/heap/heap.h"

#include <numatally/numa.h>
#include <numatally/profile.h>
#include <numatally/stats.h>
#include <numatally/wrap.h>

/* Every public call that needs the heap; the others are made of these. */
#define NT_CALLS(X)                                                                    \
    X(malloc)                                                                          \
    X(calloc)                                                                          \
    X(realloc)                                                                         \
    X(aligned_alloc)                                                                   \
    X(free)                                                                            \
    X(free_sized)                                                                      \
    X(free_aligned_sized)                                                              \
    X(usable_size)                                                                     \
    X(good_size)                                                                       \
    X(purge)                                                                           \
    X(aligned_alloc_onnode)                                                            \
    X(malloc_policy)                                                                   \
    X(thread_policy)                                                                   \
    X(node_of)                                                                         \
    X(residency)                                                                       \
    X(malloc_distributed)                                                              \
    X(migrate)                                                                         \
    X(pool_migrate)                                                                    \
    X(prefault)                                                                        \
    X(pool_create)                                                                     \
    X(pool_malloc)                                                                     \
    X(pool_calloc)                                                                     \
    X(pool_aligned_alloc)                                                              \
    X(pool_realloc)                                                                    \
    X(pool_reset)                                                                      \
    X(pool_destroy)                                                                    \
    X(snapshot)                                                                        \
    X(snapshot_threads)                                                                \
    X(snapshot_pools)                                                                  \
    X(snapshot_phases)                                                                 \
    X(mark)                                                                            \
    X(on_limit)                                                                        \
    X(thread_name)                                                                     \
    X(pool_name)                                                                       \
    X(report)                                                                          \
    X(sample)                                                                          \
    X(snapshot_sites)                                                                  \
    X(snapshot_samples)                                                                \
    X(snapshot_remote)                                                                 \
    X(tracked)                                                                         \
    X(tracked_figures)                                                                 \
    X(tracked_reset)                                                                   \
    X(tracked_forget)                                                                  \
    X(tracked_release)                                                                 \
    X(snapshot_tracked)                                                                \
    X(pool_allocator)                                                                  \
    X(node_count)                                                                      \
    X(node_info)                                                                       \
    X(node_distance)                                                                   \
    X(node_here)

struct nt_calls {
    size_t size;                 /* sizeof(struct nt_calls) where it was compiled */
    const struct nt_shard *copy; /* whose it is: the nt__shard_none there */
#define NT_CALL(name) __typeof__(nt_##name) *name; /* NOLINT(*-parentheses) */
    NT_CALLS(NT_CALL)
#undef NT_CALL
};

extern NT_API const struct nt_calls nt__calls_0 __attribute__((weak)); /* src/front */

/* The copy whose heap this one uses; NULL: its own. Constant in the process's life. */
static inline const struct nt_calls *nt__elsewhere(void)
{
    const struct nt_calls *calls = &nt__calls_0;
    if (!calls || calls->copy == &nt__shard_none || calls->size != sizeof *calls)
        return NULL;
    return calls;
}

/* In nt_NAME: leave with what `call`, NAME(arguments), gives in the other copy. */
#define NT_FORWARD(call)                                                               \
    do {                                                                               \
        const struct nt_calls *elsewhere_ = nt__elsewhere();                           \
        if (NT_UNLIKELY(elsewhere_ != NULL))                                           \
            return elsewhere_->call;                                                   \
    } while (0)

#endif
