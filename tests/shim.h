/* SPDX-License-Identifier: MIT */
/*
 * A counter that is not ours, to hold ours against: an allocator around another that keeps
 * each block's size in the sixteen bytes before it, and counts what it is asked to do. And
 * an arena as a program may have one, with no more than malloc and free.
 */
#ifndef NT_TESTS_SHIM_H
#define NT_TESTS_SHIM_H

#include <errno.h>
#include <numatally/wrap.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

struct shim {
    struct nt_allocator inner;
    _Atomic uint64_t allocations, requested, in_place, frees, freed, refused;
    _Atomic uint64_t sizes[64]; /* by the highest bit that is set */
    _Atomic int64_t live, peak;
    atomic_bool refuse; /* say no, with `refusal` */
    int refusal;
};

struct shim_head {
    size_t size, before; /* bytes from the inner block to this one */
};

static inline struct shim_head *shim_head_of(void *p)
{
    return (struct shim_head *)p - 1;
}

static inline void shim_live(struct shim *s, int64_t by)
{
    int64_t now = atomic_fetch_add(&s->live, by) + by, peak = atomic_load(&s->peak);
    while (now > peak && !atomic_compare_exchange_weak(&s->peak, &peak, now))
        ;
}

static inline void shim_new(struct shim *s, size_t size)
{
    unsigned bit = 0;
    while (size >> bit > 1)
        bit++;
    atomic_fetch_add(&s->sizes[bit], 1);
    atomic_fetch_add(&s->allocations, 1);
    atomic_fetch_add(&s->requested, size);
}

static inline void *shim_begin(struct shim *s, char *p, size_t before, size_t size)
{
    if (!p) {
        atomic_fetch_add(&s->refused, 1);
        return NULL;
    }
    p += before;
    *shim_head_of(p) = (struct shim_head){size, before};
    shim_new(s, size);
    shim_live(s, (int64_t)size);
    return p;
}

static inline int shim_refuses(struct shim *s, size_t size)
{
    if (!atomic_load(&s->refuse) && size <= PTRDIFF_MAX / 2)
        return 0;
    errno = s->refusal;
    return 1;
}

static inline void *shim_malloc(void *context, size_t size)
{
    struct shim *s = context;
    char *p = NULL;
    if (!shim_refuses(s, size))
        p = s->inner.malloc(s->inner.context, size + 16);
    return shim_begin(s, p, 16, size);
}

static inline void *shim_calloc(void *context, size_t count, size_t size)
{
    struct shim *s = context;
    char *p = NULL;
    if (!shim_refuses(s, count * size))
        p = s->inner.calloc(s->inner.context, 1, count * size + 16);
    return shim_begin(s, p, 16, count * size);
}

static inline void *shim_aligned_alloc(void *context, size_t alignment, size_t size)
{
    struct shim *s = context;
    size_t before = alignment < 16 ? 16 : alignment;
    char *p = NULL;
    if (!shim_refuses(s, size))
        p = s->inner.aligned_alloc(s->inner.context, alignment, size + before);
    return shim_begin(s, p, before, size);
}

static inline void shim_free(void *context, void *p)
{
    struct shim *s = context;
    struct shim_head head = *shim_head_of(p);
    atomic_fetch_add(&s->frees, 1);
    atomic_fetch_add(&s->freed, head.size);
    shim_live(s, -(int64_t)head.size);
    s->inner.free(s->inner.context, (char *)p - head.before);
}

static inline void *shim_realloc(void *context, void *p, size_t size)
{
    struct shim *s = context;
    struct shim_head head = *shim_head_of(p);
    uintptr_t was = (uintptr_t)p;
    char *q = NULL;
    if (!shim_refuses(s, size))
        q = s->inner.realloc(s->inner.context, (char *)p - head.before,
                             size + head.before);
    if (!q) {
        atomic_fetch_add(&s->refused, 1);
        return NULL;
    }
    q += head.before;
    shim_head_of(q)->size = size;
    if ((uintptr_t)q == was) {
        atomic_fetch_add(&s->in_place, 1);
        atomic_fetch_add(&s->requested, size);
    } else {
        shim_new(s, size);
        atomic_fetch_add(&s->frees, 1);
    }
    atomic_fetch_add(&s->freed, head.size);
    shim_live(s, (int64_t)size - (int64_t)head.size);
    return q;
}

static inline size_t shim_usable_size(void *context, void *p)
{
    (void)context;
    return shim_head_of(p)->size;
}

/* Counts in *s from 0 on what goes to `inner`. It has the calls that inner has. */
static inline struct nt_allocator shim_around(struct shim *s, struct nt_allocator inner)
{
    memset(s, 0, sizeof *s);
    s->inner = inner;
    return (struct nt_allocator){
        .size = sizeof(struct nt_allocator),
        .context = s,
        .malloc = shim_malloc,
        .calloc = inner.calloc ? shim_calloc : NULL,
        .realloc = inner.realloc ? shim_realloc : NULL,
        .aligned_alloc = inner.aligned_alloc ? shim_aligned_alloc : NULL,
        .free = shim_free,
        .usable_size = inner.usable_size ? shim_usable_size : NULL,
    };
}

/* What differs, by name; NULL: nothing does. */
static inline const char *shim_differs(const struct shim *s,
                                       const struct nt_tracked_figures *f)
{
    for (unsigned i = 0; i < 64; i++)
        if (s->sizes[i] != (i < NT_TRACKED_SIZES ? f->sizes[i] : 0))
            return "sizes";
    return s->allocations != f->allocations_total             ? "allocations"
           : s->requested != f->requested_bytes_total         ? "requested"
           : s->in_place != f->reallocs_in_place_total        ? "in place"
           : s->frees != f->frees_total                       ? "frees"
           : s->freed != f->freed_requested_bytes_total       ? "freed"
           : s->allocations - s->frees != f->live_blocks_now  ? "live blocks"
           : (uint64_t)s->live != f->live_requested_bytes_now ? "live"
           : s->requested - s->freed != (uint64_t)s->live     ? "the shim itself"
                                                              : NULL;
}

/* ---- An arena ---------------------------------------------------------------------------- */

struct arena {
    size_t used, frees;
    char bytes[1 << 22] __attribute__((aligned(64)));
};

static inline void *arena_malloc(void *context, size_t size)
{
    struct arena *a = context;
    if (size > sizeof a->bytes - a->used)
        return NULL; /* errno is not its business */
    void *p = a->bytes + a->used;
    a->used += size <= 16 ? 16 : (size + 15) & ~(size_t)15;
    return p;
}

static inline void arena_free(void *context, void *p)
{
    (void)p;
    ((struct arena *)context)->frees++;
}

static inline struct nt_allocator arena_allocator(struct arena *a)
{
    a->used = a->frees = 0;
    return (struct nt_allocator){.size = sizeof(struct nt_allocator),
                                 .context = a,
                                 .malloc = arena_malloc,
                                 .free = arena_free};
}

#endif
