/* SPDX-License-Identifier: MIT */
/*
 * The process's own heap: each thread's shard, and the calls behind malloc.
 *
 * Most allocations and frees end in the two inline functions here. The rest goes to
 * alloc.c; start, threads, fork and exit are thread.c's and start.c's.
 */
#ifndef NT_HEAP_HEAP_H
#define NT_HEAP_HEAP_H

#include "pools/shard.h"

#include <string.h>

/* The calling thread's shard. Before its first allocation nt__shard_none, after its
 * end nt__shard_gone: both have nothing to give and own nothing, so no one asks. */
extern NT_HIDDEN _Thread_local struct nt_shard *nt__heap_shard
    __attribute__((tls_model("initial-exec")));
extern NT_HIDDEN struct nt_shard nt__shard_none, nt__shard_gone;

/* Not NT_SLOW: all sizes above NT_SMALL_MAX are served there. */
NT_HIDDEN __attribute__((noinline)) void *nt__heap_malloc_slow(size_t size);
NT_HIDDEN __attribute__((noinline)) void *nt__heap_calloc_slow(size_t count,
                                                               size_t size);
NT_HIDDEN NT_SLOW void *nt__heap_calloc_sampled(struct nt_shard *s, size_t bytes,
                                                void *plain);
NT_HIDDEN NT_SLOW void nt__heap_free_slow(void *p);
/* `p` is in `slab`, which is not `s`'s, the calling thread's shard. */
NT_HIDDEN __attribute__((noinline)) void
nt__heap_free_other(void *p, struct nt_slab *slab, struct nt_shard *s);

/* A block for `size` bytes of the class of `room`, from the current slab, of a size that the
 * fast path leaves to us: because it is not small. NULL: ask nt__heap_allocate. */
NT_HIDDEN void *nt__heap_pop(size_t size, size_t room);

/* The large block `p` of `s` was counted, for `size` bytes: a sample, if that is `due`, its
 * publication, and what waits for a slow call. Returns it. */
NT_HIDDEN __attribute__((noinline)) void *
nt__heap_see_to_large(struct nt_shard *s, void *p, size_t size, bool due);

/* A block of any size, alignment and contents, counted; errno as malloc's is to be. */
NT_HIDDEN void *nt__heap_allocate(const struct nt_asked *asked, bool zero);

/* The slab whose block in use starts at `p`, an address in the window; NULL: there is none, and
 * `call` was told. */
NT_HIDDEN struct nt_slab *nt__heap_checked(void *p, const char *call);

/* The shard for what the calling thread asks: its own, or, past its end, the one that
 * such threads share, until let go. NULL: no memory (let go all the same). */
NT_HIDDEN struct nt_shard *nt__heap_hold(void);
NT_HIDDEN void nt__heap_let_go(void);

/* Free a block of the process's heap, checked, in a thread past its end or without a shard. */
NT_HIDDEN void nt__heap_free_orphaned(struct nt_slab *slab, void *p);

NT_HIDDEN void nt__heap_fork_lock(void);
NT_HIDDEN void nt__heap_fork_unlock(enum nt_fork how);

NT_FAST void *nt__heap_malloc(size_t size)
{
    struct nt_shard *s = nt__heap_shard;
    bool due;
    void *p = nt__shard_pop(s, size, &due);
    if (NT_UNLIKELY(p == NULL))
        return nt__heap_malloc_slow(size);
    return NT_UNLIKELY(due) ? nt__sampled_instead(s, size, size, p) : p;
}

/* Zero what was asked for of a block: the smallest ones, that a call would cost more than. */
NT_FAST void *nt__heap_clear(void *p, size_t bytes)
{
    typedef uint64_t grain
        __attribute__((vector_size(NT_GRAIN), aligned(1), may_alias));
    char *at = p, *end = at + bytes;
    grain zero = {0};
#if defined(__x86_64__)
    __asm__("" : "+x"(zero)); /* else gcc makes it anew for each store */
#endif
    if (NT_UNLIKELY(bytes > 4 * NT_GRAIN))
        return memset(p, 0, bytes);
    if (bytes > 2 * NT_GRAIN) {
        *(grain *)(at + NT_GRAIN) = zero;
        *(grain *)(end - 2 * NT_GRAIN) = zero;
    }
    if (bytes > NT_GRAIN)
        *(grain *)(end - NT_GRAIN) = zero;
    *(grain *)at = zero; /* a block has as much */
    return p;
}

NT_FAST void *nt__heap_calloc(size_t count, size_t size)
{
    struct nt_shard *s = nt__heap_shard;
    size_t bytes;
    bool due;
    if (NT_UNLIKELY(__builtin_mul_overflow(count, size, &bytes)))
        return nt__heap_calloc_slow(count, size);
    void *p = nt__shard_pop(s, bytes, &due);
    if (NT_UNLIKELY(p == NULL))
        return nt__heap_calloc_slow(count, size);
    return NT_UNLIKELY(due) ? nt__heap_calloc_sampled(s, bytes, p)
                            : nt__heap_clear(p, bytes);
}

NT_FAST void nt__heap_free(void *p)
{
    struct nt_shard *s = nt__heap_shard;
    uintptr_t offset = (uintptr_t)p - nt__window.base;
    if (NT_LIKELY(offset < NT_RACY(nt__window.limit))) {
        void *const *map = nt__window.map;
        struct nt_slab *slab = NT_RACY(map[offset >> NT_SLICE_SHIFT]);
        if (NT_UNLIKELY(NT_RACY(slab->owner) != s)) {
            nt__heap_free_other(p, slab, s);
            return;
        }
        const struct nt_block *block = p;
        if (NT_LIKELY(!NT_CHECKING ||
                      (nt__slab_starts_at(slab, offset) && block->key != map))) {
            nt__shard_push(s, slab, p);
            return;
        }
    }
    nt__heap_free_slow(p);
}

#endif
