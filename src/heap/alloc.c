/* SPDX-License-Identifier: MIT */
/*
 * The malloc family over the calling thread's shard. What the fast path in heap.h does
 * not serve ends here; pools.c has the same for explicit pools.
 *
 * errno: kept on success, whatever the system calls in between did to it.
 */
#include "pools/guarded.h"
#include "pools/large.h"
#include "pools/misuse.h"
#include "pools/peak.h"
#include "pools/pool.h"
#include "pools/remote.h"
#include "src/base/foreign.h"
#include "src/base/guest.h"
#include "src/base/os.h"
#include "src/heap/calls.h"
#include "src/heap/figures.h"
#include "src/heap/heap.h"
#include "src/heap/start.h"
#include "src/heap/thread.h"

#include <errno.h>
#include <numatally/numatally.h>
#include <string.h>

/* ---- malloc ---------------------------------------------------------------------------- */

/* From shard `s`, counted. `*zeroed`: it reads as zero; large blocks do if `zero`. */
static void *take(struct nt_shard *s, const struct nt_asked *asked, bool zero,
                  bool *zeroed)
{
    size_t size = asked->size, align = asked->align;
    unsigned c = nt__sizeclass_large();
    if (NT_UNLIKELY(nt__guarded)) {
        *zeroed = zero;
        return nt__guarded_malloc(s, size, align, zero);
    }
    if (size <= NT_CLASSED_MAX && align <= NT_SLICE)
        c = align <= NT_GRAIN ? nt__sizeclass_of(asked->held)
                              : nt__sizeclass_aligned(size, align);
    *zeroed = zero;
    if (c == nt__sizeclass_large())
        return nt__large_malloc(s, size, align, zero);
    return nt__shard_malloc(s, c, asked, zeroed);
}

void *nt__heap_allocate(const struct nt_asked *asked, bool zero)
{
    int saved = errno;
    size_t size = asked->size;
    bool zeroed = false;
    if (size > NT_CLASSED_MAX)
        nt__guest_refresh();
    struct nt_shard *s = nt__heap_hold();
    void *p = s ? take(s, asked, zero, &zeroed) : NULL;
    nt__heap_let_go();
    if (NT_UNLIKELY(!p)) {
        errno = ENOMEM;
        return NULL;
    }
    if (zero && !zeroed)
        memset(p, 0, size);
    nt__figures_tick();
    errno = saved;
    return p;
}

static void *allocate(size_t size, size_t align, bool zero)
{
    const struct nt_asked asked = nt__asked(size, align);
    return nt__heap_allocate(&asked, zero);
}

void *nt__heap_pop(size_t size, size_t room)
{
    struct nt_shard *s = nt__heap_shard;
    bool due;
    if (room > NT_CLASSED_MAX || nt__shard_is_elsewhere(s))
        return NULL;
    void *p = nt__shard_pop_class(s, nt__sizeclass_of(room), size, &due);
    return due ? nt__sampled_instead(s, size, room, p) : p;
}

NT_SLOW static void *malloc_rest(size_t size)
{
    void *p = nt__heap_pop(size, size);
    if (p)
        return p;
    NT_FORWARD(malloc(size));
    return allocate(size, 1, false);
}

/* Is the shard known to be of the node that the thread runs on? False: ask. */
NT_FAST bool surely_here(const struct nt_shard *s)
{
    unsigned slot = 0;
    if (nt__topo_machine.nodes > 1) {
        int cpu = nt__topo_cpu_at_hand();
        if (NT_UNLIKELY(cpu < 0 || cpu >= NT_TOPO_CPUS))
            return false;
        slot = nt__topo_machine.slot_of_cpu[cpu];
    }
    return s->placement->serve[slot] == s->slot;
}

void *nt__heap_see_to_large(struct nt_shard *s, void *p, size_t size, bool due)
{
    p = nt__large_seen_to(s, nt__slab_at(p), size, due);
    nt__figures_tick();
    return p;
}

/* A large block: where one of its length was freed, no call but at the end either. */
__attribute__((noinline)) static void *malloc_large(size_t size)
{
    struct nt_shard *s = nt__heap_shard;
    bool usual = *nt__start_alive != 0 && surely_here(s), due = false;
    void *p = NT_LIKELY(usual) ? nt__large_again(s, size, &due) : NULL;
    if (NT_UNLIKELY(!p))
        return malloc_rest(size);
    if (NT_UNLIKELY(due || !nt__peak_large_is_known(s) || nt__figures_waiting()))
        return nt__heap_see_to_large(s, p, size, due);
    return p;
}

/* The class of a small size may not be known yet, or its list is empty. */
__attribute__((noinline)) static void *malloc_small(size_t size)
{
    nt__shard_know(nt__heap_shard, size);
    return malloc_rest(size);
}

/* Sizes above NT_SMALL_MAX all come by here: no frame, no call but at the end. With one node
 * there is no need to ask where the thread runs. */
void *nt__heap_malloc_slow(size_t size)
{
    struct nt_shard *s = nt__heap_shard;
    if (size > NT_CLASSED_MAX)
        return malloc_large(size);
    if (size <= NT_SMALL_MAX)
        return malloc_small(size);
    if (NT_UNLIKELY(nt__topo_machine.nodes > 1) && NT_UNLIKELY(!surely_here(s)))
        return malloc_rest(size);
    bool due;
    void *p = nt__shard_pop_class(s, nt__sizeclass_of(size), size, &due);
    if (NT_UNLIKELY(due))
        return nt__sampled_instead(s, size, size, p);
    return NT_LIKELY(p != NULL) ? p : malloc_rest(size);
}

void *nt_malloc(size_t size)
{
    return nt__heap_malloc(size);
}

void *nt__heap_calloc_slow(size_t count, size_t size)
{
    size_t bytes;
    if (NT_UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) {
        errno = ENOMEM;
        return NULL;
    }
    nt__shard_know(nt__heap_shard, bytes);
    void *p = nt__heap_pop(bytes, bytes);
    if (p)
        return memset(p, 0, bytes);
    NT_FORWARD(calloc(count, size));
    return allocate(bytes, 1, true);
}

void *nt__heap_calloc_sampled(struct nt_shard *s, size_t bytes, void *plain)
{
    return memset(nt__sampled_instead(s, bytes, bytes, plain), 0, bytes);
}

void *nt_calloc(size_t count, size_t size)
{
    return nt__heap_calloc(count, size);
}

#define ALIGNED_SMALL (NT_SMALL_MAX / 2) /* aligned up to as much it is small, too */

NT_SLOW static void *aligned_sampled(struct nt_shard *s, size_t to, size_t n, void *p)
{
    return nt__sampled_asked(s, &(struct nt_asked){n, nt__align_up(n, to), to}, p);
}

NT_FAST void *pop_aligned_class(struct nt_shard *s, size_t c, size_t alignment,
                                size_t size)
{
    bool due;
    void *p = nt__shard_pop_class(s, c, size, &due);
    return NT_UNLIKELY(due) ? aligned_sampled(s, alignment, size, p) : p;
}

/* Small ones, of the first class from `size` on whose blocks are all aligned; NULL: ask further. */
NT_FAST void *pop_aligned(size_t alignment, size_t size)
{
    struct nt_shard *s = nt__heap_shard;
    if (NT_UNLIKELY(alignment > ALIGNED_SMALL || size > ALIGNED_SMALL))
        return NULL;
    size_t room = nt__align_up(size, alignment), c = s->class_of[room];
    if (NT_UNLIKELY(c-- == 0))
        return NULL;
    while ((nt__sizeclasses.size[c] & (alignment - 1)) != 0) /* of large blocks: 0 */
        c++;
    return pop_aligned_class(s, c, alignment, size);
}

/* The same of any size that has a class. */
static void *pop_aligned_any(size_t alignment, size_t size)
{
    struct nt_shard *s = nt__heap_shard;
    if (alignment > NT_SLICE || size > NT_CLASSED_MAX || NT_UNLIKELY(!surely_here(s)))
        return NULL;
    nt__shard_know(s, nt__align_up(size, alignment));
    unsigned c = nt__sizeclass_aligned(size, alignment);
    if (NT_UNLIKELY(c == nt__sizeclass_large()))
        return NULL;
    return pop_aligned_class(s, c, alignment, size);
}

__attribute__((noinline)) static void *aligned_rest(size_t alignment, size_t size)
{
    void *p = pop_aligned_any(alignment, size);
    if (p)
        return p;
    NT_FORWARD(aligned_alloc(alignment, size));
    if (size > NT_CLASSED_MAX && alignment <= NT_SLICE) /* as each of these is */
        return malloc_large(size);
    return allocate(size, alignment, false);
}

void *nt_aligned_alloc(size_t alignment, size_t size)
{
    if (!nt__is_pow2(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    if (alignment <= NT_GRAIN)
        return nt__heap_malloc(size);
    void *p = pop_aligned(alignment, size);
    return NT_LIKELY(p != NULL) ? p : aligned_rest(alignment, size);
}

int nt_posix_memalign(void **out, size_t alignment, size_t size)
{
    if (!nt__is_pow2(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    void *p = pop_aligned(alignment, size);
    if (NT_UNLIKELY(!p)) {
        int saved = errno;
        p = alignment <= NT_GRAIN ? nt__heap_malloc(size)
                                  : aligned_rest(alignment, size);
        errno = saved;
        if (!p)
            return ENOMEM;
    }
    *out = p;
    return 0;
}

/* ---- free ------------------------------------------------------------------------------- */

static void free_foreign(void *p, const char *call)
{
    if (!nt__foreign_is_glibc(p)) {
        nt__misuse(NT_MISUSE_FOREIGN, call, p);
        return;
    }
    nt__figures_foreign();
    nt__foreign_free(p);
}

static inline void free_large(struct nt_shard *s, struct nt_slab *slab, void *p)
{
    if (NT_UNLIKELY(!nt__large_free(s, slab, p)))
        nt__misuse(NT_MISUSE_UNALLOCATED, "free", p);
    else if (NT_UNLIKELY(NT_RACY(nt__peak_watching) && nt__peak_is_above()))
        nt__peak_publish(s, nt__sizeclass_large());
}

static void free_guarded(struct nt_slab *slab, void *p, const char *call)
{
    struct nt_shard *s = nt__heap_hold();
    if (s)
        nt__guarded_free(s, slab, p, call);
    nt__heap_let_go();
    nt__figures_tick();
}

/* `p` was checked: it is a block in use of `slab`. */
static void free_block(struct nt_slab *slab, void *p)
{
    if (NT_UNLIKELY(nt__guarded_has(slab))) {
        free_guarded(slab, p, "free");
        return;
    }
    if (slab->pooled) {
        nt__pool_free(nt__shard_of(slab)->pool, slab, p);
        return;
    }
    struct nt_shard *s = nt__heap_shard;
    if (NT_UNLIKELY(s == &nt__shard_none))
        s = nt__thread_shard();
    if (NT_UNLIKELY(!s || s == &nt__shard_gone)) {
        nt__heap_free_orphaned(slab, p);
    } else if (slab->kind == NT_SLAB_LARGE) {
        free_large(s, slab, p);
    } else if (nt__sampled_is_hidden(slab)) {
        nt__sampled_free(s, slab, p);
    } else if (nt__shard_of(slab) == s) {
        nt__shard_push(s, slab, p);
    } else {
        nt__remote_gather(s, slab, p);
    }
}

struct nt_slab *nt__heap_checked(void *p, const char *call)
{
    struct nt_slab *slab = nt__slab_of(p);
    enum nt_misuse bad = nt__misuse_check(nt__heap_shard, slab, p);
    if (NT_LIKELY(bad == NT_MISUSE_NONE))
        return slab;
    nt__misuse(bad, call, p);
    return NULL;
}

void nt__heap_free_slow(void *p)
{
    if (!p)
        return;
    NT_FORWARD(free(p));
    int saved = errno;
    if (NT_UNLIKELY(!nt__window_has(p))) {
        free_foreign(p, "free");
    } else {
        struct nt_slab *slab = nt__heap_checked(p, "free");
        if (slab)
            free_block(slab, p);
    }
    errno = saved;
}

/* A large block of this thread's, or whatever there is. */
__attribute__((noinline)) static void free_unplain(struct nt_shard *s,
                                                   struct nt_slab *slab, void *p)
{
    /* In the map is the first slice alone. */
    if (NT_LIKELY(NT_RACY(slab->kind) == NT_SLAB_LARGE && slab->home == s &&
                  (uintptr_t)p % NT_SLICE == 0))
        free_large(s, slab, p);
    else
        nt__heap_free_slow(p);
}

/* Mostly blocks of other threads, in use; or large ones of this thread. */
void nt__heap_free_other(void *p, struct nt_slab *slab, struct nt_shard *s)
{
    const struct nt_block *block = p;
    if (NT_LIKELY(NT_RACY(slab->plain) && s->arena && nt__slab_starts(slab, p) &&
                  block->key != NT_KEY))
        nt__remote_gather(s, slab, p);
    else
        free_unplain(s, slab, p);
}

void nt_free(void *p)
{
    nt__heap_free(p);
}

/* Could a request for `size` at `align` have given this block? In-place reallocs keep a
 * block for anything above half of it. */
static bool size_fits(const struct nt_slab *slab, const void *p, size_t size,
                      size_t align)
{
    size_t block = slab->kind == NT_SLAB_LARGE ? slab->bytes : slab->size;
    if (nt__guarded_has(slab))
        return nt__max(size, 1) == nt__guarded_size(p);
    if (size > block)
        return false;
    if (slab->kind == NT_SLAB_LARGE)
        return nt__align_up(size ? size : 1, nt__os_page_size()) == block ||
               (size <= NT_CLASSED_MAX && size > block / 2);
    const struct nt_sizetable *own =
        slab->pooled ? &nt__shard_of(slab)->pool->sizes : NULL;
    return size > block / 2 || nt__sizetable_aligned(own, size, align) == slab->class;
}

static void free_checked(void *p, size_t align, size_t size, const char *call)
{
    if (!p)
        return;
    if (nt__window_has(p)) {
        const struct nt_slab *slab = nt__heap_checked(p, call);
        if (!slab)
            return;
        if (((uintptr_t)p & (align - 1)) != 0 ||
            !size_fits(slab, p, size, align > NT_SLICE ? NT_SLICE : align)) {
            nt__misuse_size(call, p, size, align > 1 ? align : 0);
            return;
        }
    }
    nt__heap_free(p);
}

void nt_free_sized(void *p, size_t size)
{
    NT_FORWARD(free_sized(p, size));
    free_checked(p, 1, size, "free_sized");
}

void nt_free_aligned_sized(void *p, size_t alignment, size_t size)
{
    NT_FORWARD(free_aligned_sized(p, alignment, size));
    if (!nt__is_pow2(alignment)) {
        nt__misuse_size("free_aligned_sized", p, size, alignment);
        return;
    }
    free_checked(p, alignment, size, "free_aligned_sized");
}
