/* SPDX-License-Identifier: MIT */
#include "pools/large.h"

#include "numa/residency.h"
#include "pools/list.h"
#include "src/base/guest.h"

#include <errno.h>
#include <string.h>

/* Up to here copying costs less than mapping pages elsewhere, and their runs anew. */
#define MOVED_BY_COPY NT_CLASSED_MAX

static size_t page_bytes(size_t size)
{
    return nt__align_up(size, nt__os_page_size());
}

static size_t slices_of(size_t bytes)
{
    return (bytes + NT_SLICE - 1) >> NT_SLICE_SHIFT;
}

void *nt__large_seen_to(struct nt_shard *s, struct nt_slab *slab, size_t size, bool due)
{
    if (!nt__peak_large_is_known(s))
        nt__peak_publish(s, nt__sizeclass_large());
    if (due)
        nt__sampled_large(s, slab, size);
    return nt__window_slice(slab);
}

static void count_free(struct nt_shard *s, const struct nt_slab *slab)
{
    const struct nt_shard *home = slab->home;
    size_t bytes = slab->bytes;
    unsigned c = nt__sizeclass_large();
    if (home == s) {
        nt__count_add(&s->frees[c], 1);
        nt__count_add(&s->large_freed, bytes);
    } else {
        nt__count_add(&s->sent[c], 1);
        nt__count_add(&s->sent_blocks[home->slot], 1);
        nt__count_add(&s->sent_bytes[home->slot], bytes);
        nt__count_add(&s->large_sent, bytes);
        if (home->slot != s->slot) /* else it would hide what is allocated here */
            nt__peak_publish(s, c);
    }
    /* Else not published: what only falls can wait for the next allocation. */
}

/* Page by page: none is touched that was not. Were all in memory, as they are now? */
static bool clear(void *run, size_t bytes)
{
    if (!nt__guest_mpi())
        return nt__os_clear(run, bytes);
    memset(run, 0, bytes);
    return true;
}

/* First touch must find nothing already placed, and calloc nothing but zeroes. Where a
 * slab was, its first block's mark is taken away: else a realloc to a class would copy it,
 * and each free of that block look for it among the free. */
static void make_fresh(void *run, size_t bytes, bool zero, bool placed)
{
    if (placed && !nt__guest_mpi() && nt__os_purge(run, bytes))
        return;
    if (zero)
        clear(run, bytes);
    else
        ((struct nt_block *)run)->key = NULL;
}

/* ---- Runs ------------------------------------------------------------------------- */

/* A run from the arena, to be made fresh unless it is clean. What the shard keeps empty is to
 * serve for it, as for a slab, if it comes from there. */
static void *take_run(struct nt_shard *s, size_t slices, size_t align, bool *clean)
{
    nt__arena_decay(s->large_arena);
    if (s->empty_slices > NT_UNIT_SLICES && !nt__shard_by_first_touch(s))
        nt__shard_shrink(s);
    void *run =
        nt__shard_take(s, s->large_arena, slices, nt__max(align, NT_SLICE), clean);
    if (run)
        nt__spare_note(s, slices, run);
    return run;
}

static void give(struct nt_slab *slab, void *run, size_t slices)
{
    struct nt_arena *a = nt__arenas_get(slab->arena);
    if (slab->moved)
        nt__arena_give_anew(a, run, slices, slab->clean);
    else
        nt__arena_give(a, run, slices, slab->clean);
}

/* The run becomes a block, which is counted. */
static void *open_run(struct nt_shard *s, void *run, size_t bytes, size_t size)
{
    struct nt_slab *slab = nt__slab_open_large(run, slices_of(bytes), bytes, s);
    slab->arena = s->large_arena->index;
    if (s->pool)
        nt__list_push(&s->larges, slab);
    nt__shard_hold(s, nt__sizeclass_large(), slab->run_slices);
    return nt__large_seen_to(s, slab, size, nt__large_count(s, slab, size));
}

void *nt__large_malloc(struct nt_shard *s, size_t size, size_t align, bool zero)
{
    if (size > PTRDIFF_MAX || align > NT_ALIGN_MOST)
        return NULL;
    nt__sampled_sync(s);
    size_t bytes = page_bytes(size ? size : 1);
    void *run = align <= NT_SLICE ? nt__spare_take(s, slices_of(bytes)) : NULL;
    if (run) {
        struct nt_habit *h = nt__spare_habit(s, slices_of(bytes));
        if (zero && h->full)
            memset(run, 0, bytes);
        else if (zero)
            h->full = clear(run, bytes);
        bool due;
        nt__large_reopen(s, run, bytes, size, &due);
        return nt__large_seen_to(s, nt__slab_at(run), size, due);
    }
    bool clean;
    run = take_run(s, slices_of(bytes), align, &clean);
    if (!run)
        return NULL;
    if (!clean)
        make_fresh(run, bytes, zero, nt__shard_by_first_touch(s));
    return open_run(s, run, bytes, size);
}

void *nt__large_malloc_ahead(struct nt_shard *s, size_t size, bool kept)
{
    nt__sampled_sync(s);
    size_t bytes = page_bytes(size), slices = slices_of(bytes);
    if (s->pool || nt__shard_by_first_touch(s))
        return nt__large_malloc(s, size, NT_SLICE, false);
    struct nt_slab *slab = kept ? nt__spare_take_ahead(s, slices) : NULL;
    if (slab) {
        bool due;
        nt__large_reopen(s, nt__window_slice(slab), bytes, size, &due);
        return nt__large_seen_to(s, slab, size, due);
    }
    bool clean;
    void *run = nt__arena_take_ahead(s->large_arena, slices, &clean);
    if (!run)
        return nt__large_malloc(s, size, NT_SLICE, false);
    if (!clean)
        make_fresh(run, bytes, false, false);
    nt__spare_resized(s, run);
    open_run(s, run, bytes, size);
    nt__slab_header(run)->grows = 1;
    return run;
}

void nt__large_free_rest(struct nt_shard *s, struct nt_slab *slab, void *p)
{
    struct nt_shard *home = slab->home;
    if (slab->sampled != 0)
        nt__sampled_large_gone(s, slab);
    if (home->pool)
        nt__list_remove(&home->larges, slab);
    count_free(s, slab);
    if (nt__spare_keep(s, slab, p))
        return;
    int saved = errno;
    nt__shard_let_go(s, nt__sizeclass_large(), slab->run_slices);
    nt__shard_charge(home, -slab->run_slices);
    give(slab, p, slab->run_slices);
    nt__shard_watch(s);
    errno = saved;
}

/* The size changed where the block is. */
static void resize(struct nt_shard *s, struct nt_slab *slab, size_t size)
{
    size_t old = slab->bytes, bytes = page_bytes(size);
    slab->bytes = bytes;
    if (slab->sampled != 0) /* it is another block from now on */
        nt__sampled_large_gone(s, slab);
    nt__count_add_two(&s->large_freed, old, &s->large_allocated, bytes); /* peak.h */
    if (nt__count_add_two_passes(&s->reallocs, 1, &s->requested[nt__sizeclass_large()],
                                 size))
        nt__sampled_large(s, slab, size);
    if (!nt__peak_large_is_known(s))
        nt__peak_publish(s, nt__sizeclass_large());
}

static bool resize_in_place(struct nt_shard *s, struct nt_slab *slab, size_t bytes)
{
    size_t slices = slices_of(bytes);
    struct nt_arena *a = nt__arenas_get(slab->arena);
    char *run = nt__window_slice(slab);
    size_t have = slab->run_slices;
    bool clean;
    if (bytes >= slab->bytes && slices < have) /* it has room */
        return true;
    if (slices > have) {
        if (!nt__shard_charge(s, slices - have))
            return false;
        if (!nt__arena_extend(a, run, have, slices, &clean)) {
            nt__shard_charge(s, have - slices);
            return false;
        }
        if (!clean && nt__shard_by_first_touch(s) && !nt__guest_mpi())
            nt__os_purge(run + (have << NT_SLICE_SHIFT), (slices - have)
                                                             << NT_SLICE_SHIFT);
    } else if (slices < have) {
        give(slab, run + (slices << NT_SLICE_SHIFT), have - slices);
        nt__shard_charge(s, slices - have);
    }
    /* As much more, or mod 2^64 less. */
    nt__count_add(&s->slabs[nt__sizeclass_large()], (uint64_t)(slices - have) << 32);
    if (slices != have)
        nt__spare_resized(s, run);
    slab->run_slices = slices;
    return true;
}

/* To a new run: the pages move there by page table, or are copied. */
static void *move(struct nt_shard *s, struct nt_slab *slab, size_t size)
{
    size_t kept = nt__min(slab->bytes, page_bytes(size)); /* it may become smaller */
    char *from = nt__window_slice(slab);
    void *to = nt__large_malloc_ahead(s, size, false);
    if (!to)
        return NULL;
    struct nt_slab *target = nt__slab_header(to);
    if (kept <= MOVED_BY_COPY || nt__guest_mpi()) {
        memcpy(to, from, kept);
    } else if (nt__os_move(from, to, kept)) {
        target->moved = 1;
        /* Behind the last page its run may hold what was there before. */
        slab->clean = kept == slab->run_slices << NT_SLICE_SHIFT;
    } else if (!nt__os_is_mapped(to,
                                 kept)) { /* it went, and there is no memory for it */
        target->moved = 1;
        nt__large_free(s, target, to);
        return NULL;
    } else { /* trying may have replaced the target's mapping */
        const struct nt_arena *a = nt__arenas_get(target->arena);
        target->moved = 1;
        nt__bind(to, target->run_slices << NT_SLICE_SHIFT, &a->policy, a->home);
        memcpy(to, from, kept);
    }
    if (!nt__large_free(s, slab, from)) /* somebody frees what is being reallocated */
        return NULL;
    return to;
}

/* ---- Nodes ------------------------------------------------------------------------ */

void nt__large_divide(struct nt_slab *slab, uint64_t slots)
{
    size_t page = nt__os_page_size(), pages = slab->bytes / page;
    size_t n = nt__bits(slots);
    char *run = nt__window_slice(slab);
    slab->parts = slots;
    slab->moved = 1;
    for (size_t i = 0; i < n; i++, slots &= slots - 1) {
        size_t at = pages * i / n * page, end = pages * (i + 1) / n * page;
        if (end > at)
            nt__bind_move(run + at, end - at, (unsigned)__builtin_ctzll(slots));
    }
}

/* One part: so what it may grow by comes to lie there, too. */
int nt__large_migrate(struct nt_slab *slab, unsigned slot)
{
    slab->parts = (uint64_t)1 << slot;
    slab->moved = 1;
    return nt__residency_move(nt__window_slice(slab),
                              slab->run_slices << NT_SLICE_SHIFT, slot);
}

/* The parts of another size begin elsewhere: a new block, copied. */
static void *move_parts(struct nt_shard *s, struct nt_slab *slab, size_t size)
{
    void *to = nt__large_malloc(s, size, NT_SLICE, false);
    if (!to)
        return NULL;
    void *from = nt__window_slice(slab);
    nt__large_divide(nt__slab_header(to), slab->parts);
    memcpy(to, from, nt__min(slab->bytes, size));
    return nt__large_free(s, slab, from) ? to : NULL;
}

void *nt__large_realloc(struct nt_shard *s, struct nt_slab *slab, size_t size)
{
    size_t bytes = page_bytes(size);
    if (slab->parts != 0 && bytes != slab->bytes)
        return move_parts(s, slab, size);
    if (slab->home == s && resize_in_place(s, slab, bytes)) {
        resize(s, slab, size);
        return nt__window_slice(slab);
    }
    return move(s, slab, size);
}
