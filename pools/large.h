/* SPDX-License-Identifier: MIT */
/*
 * Large blocks: above 512 KiB, aligned to more than a slice, or grown by realloc. Each has
 * slices of its own and is first touched by its user: nothing here writes to fresh memory, so
 * that an array lies where the threads that initialise it run.
 *
 * A block grows where it is when what follows is free, else its pages are moved by page
 * table (mremap); only where the kernel refuses is it copied. Which of two frees of the
 * same block was the first is decided by an atomic exchange of the slab's kind.
 *
 * The run of a block that was freed may be kept for the next one of its length (spare.h);
 * any other has its pages given back before it is handed out again by first touch. A block
 * that a thread frees and asks for again, in a loop, costs no call: nt__large_free and
 * nt__large_again, whose ways out are for all that is not so.
 *
 * A block may be divided: its parts are bound to nodes. Its mapping then is not as its
 * neighbours' are, so it is made anew when the block is freed, as is that of a block
 * whose pages came by mremap or were migrated.
 *
 * Counted in the shard that allocated it (`home`). Callers hold the pool's lock when
 * `s` is a pool's.
 */
#ifndef NT_POOLS_LARGE_H
#define NT_POOLS_LARGE_H

#include "pools/peak.h"
#include "pools/sampled.h"
#include "pools/spare.h"
#include "src/base/os.h"

/* A block at a greater alignment is not to be had: up to it addresses are skipped, of which
 * each 64 KiB has an entry in the map. */
#define NT_ALIGN_MOST (64 * NT_GIB)

/* `size` bytes at a multiple of `align`, counted; zeroed if `zero`. NULL: no memory, or an
 * alignment above NT_ALIGN_MOST. */
NT_HIDDEN void *nt__large_malloc(struct nt_shard *s, size_t size, size_t align,
                                 bool zero);

/* The same, for one that grew and may go on to: with room behind it, if that is at hand; `kept`:
 * in the run of one that had grown, whatever its length. */
NT_HIDDEN void *nt__large_malloc_ahead(struct nt_shard *s, size_t size, bool kept);

/* Give the block `size` bytes (more than it has, or than NT_CLASSED_MAX), keeping its contents. The
 * block, perhaps elsewhere, or NULL: no memory, nothing changed. `s` must be its home;
 * another's is moved as if freed here and allocated here. */
NT_HIDDEN void *nt__large_realloc(struct nt_shard *s, struct nt_slab *slab,
                                  size_t size);

/* Divide a block in equal parts on the nodes of `slots`, in order. Its pages that are in
 * memory move. */
NT_HIDDEN void nt__large_divide(struct nt_slab *slab, uint64_t slots);

/* Have the whole block on one node from now on; as nt__bind_move. */
NT_HIDDEN int nt__large_migrate(struct nt_slab *slab, unsigned slot);

/* Count the block of `slab`, for `size` bytes. Is a sample due? */
NT_FAST bool nt__large_count(struct nt_shard *s, const struct nt_slab *slab,
                             size_t size)
{
    unsigned c = nt__sizeclass_large();
    nt__count_add(&s->large_allocated, slab->bytes);
    return nt__count_add_two_passes(&s->allocs[c], 1, &s->requested[c], size);
}

/* The spare `run` is a block of `bytes` for `size`, which is counted. `*due`: a sample is, and
 * what is to be handed out is nt__large_seen_to's. */
NT_FAST void *nt__large_reopen(struct nt_shard *s, void *run, size_t bytes, size_t size,
                               bool *due)
{
    struct nt_slab *slab = nt__slab_at(run);
    NT_ASSERT(slab->kind == NT_SLAB_NONE && slab->home == s && !slab->pooled &&
              !slab->moved && !slab->clean && !slab->sampled && !slab->parts &&
              slab->arena == s->large_arena->index);
    slab->bytes = bytes;
    slab->kind = NT_SLAB_LARGE;
    *due = nt__large_count(s, slab, size);
    return run;
}

/* nt__large_malloc for more than NT_CLASSED_MAX, where the run of such a block was freed and
 * nothing else is to be seen to first. NULL: nothing was done. Calls nothing. `*due`: as
 * above; else see nt__peak_large_is_known. */
NT_FAST void *nt__large_again(struct nt_shard *s, size_t size, bool *due)
{
    if (nt__sampled_is_behind(s))
        return NULL;
    void *run = nt__spare_at_hand(s, (size + NT_SLICE - 1) >> NT_SLICE_SHIFT);
    if (!run)
        return NULL;
    /* Where there is a spare the page's size was asked for. */
    return nt__large_reopen(s, run, nt__align_up(size, NT_RACY(nt__os_page)), size,
                            due);
}

/* The block of `slab` was counted, and is sampled if that is `due`: what else there is to be
 * done. Returns the block. */
NT_HIDDEN void *nt__large_seen_to(struct nt_shard *s, struct nt_slab *slab, size_t size,
                                  bool due);

/* The rest of a free that came first. */
NT_HIDDEN void nt__large_free_rest(struct nt_shard *s, struct nt_slab *slab, void *p);

/* Free the block at `p`, counted in `s`. False: another free came first. Leaves errno alone. */
NT_FAST bool nt__large_free(struct nt_shard *s, struct nt_slab *slab, void *p)
{
    unsigned c = nt__sizeclass_large();
    uint8_t kind = __atomic_exchange_n(&slab->kind, NT_SLAB_NONE, __ATOMIC_ACQ_REL);
    if (NT_UNLIKELY(kind != NT_SLAB_LARGE))
        return false;
    if (NT_LIKELY(slab->home == s && !slab->sampled && nt__spare_put(s, slab, p)))
        nt__count_add_two(&s->frees[c], 1, &s->large_freed, slab->bytes);
    else
        nt__large_free_rest(s, slab, p);
    return true;
}

/* Is `p` a block of `s`, a thread's shard, that has just the pages that `size` bytes need, or
 * fewer and room for them in its run? Then it is that large now. `*due`: it is to be sampled;
 * that, and what a block that has grown needs besides, nt__large_seen_to does. */
NT_FAST bool nt__large_stays(struct nt_shard *s, struct nt_slab *slab, const void *p,
                             size_t size, bool *due)
{
    if (NT_RACY(slab->kind) != NT_SLAB_LARGE || slab->home != s || slab->sampled ||
        (uintptr_t)p % NT_SLICE != 0)
        return false;
    size_t bytes = nt__align_up(size, NT_RACY(nt__os_page)), old = slab->bytes;
    if (bytes != old) {
        if (bytes < old || bytes > slab->run_slices << NT_SLICE_SHIFT ||
            slab->parts != 0)
            return false;
        slab->bytes = bytes;
    }
    nt__count_add_two(&s->large_freed, old, &s->large_allocated,
                      bytes); /* the order: peak.h */
    *due = nt__count_add_two_passes(&s->reallocs, 1,
                                    &s->requested[nt__sizeclass_large()], size);
    return true;
}

#endif
