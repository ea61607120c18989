/* SPDX-License-Identifier: MIT */
/*
 * realloc: a block stays where it is if it holds what is asked for and that is more than half of
 * it, or no smaller class would do; else it moves to another class, or, when it outgrows the
 * small sizes or is about to, becomes a large block that grows in place.
 *
 * errno: kept on success, as in alloc.c.
 */
#include "pools/guarded.h"
#include "pools/large.h"
#include "pools/misuse.h"
#include "pools/peak.h"
#include "pools/pool.h"
#include "pools/sampled.h"
#include "src/base/foreign.h"
#include "src/base/guest.h"
#include "src/heap/calls.h"
#include "src/heap/figures.h"
#include "src/heap/heap.h"
#include "src/heap/start.h"

#include <errno.h>
#include <numatally/numatally.h>
#include <string.h>

/* The next of 20/16, 25/16 and 32/16 of a power of two: each a quarter above the one before. */
static size_t room_for(size_t size)
{
    size_t octave = (size_t)1 << (63 - __builtin_clzl((size - 1) | 1));
    size_t fifth = octave / 16 * 20, sixth = octave / 16 * 25;
    return size <= fifth ? fifth : size <= sixth ? sixth : 2 * octave;
}

/* A block for what was `old` bytes large. One that grew by little goes on to grow, perhaps: it
 * gets room if a block with room is at hand, so that the bytes that are copied are a few times
 * those that are kept, however small the steps (after tcmalloc's realloc). How much goes by what
 * is asked for alone. By the old block it would be by the table of classes, and what a record
 * says of one table would not hold for another. */
static void *resized(size_t old, size_t size)
{
    const struct nt_asked asked = {size, room_for(size), 1};
    if (size <= old || size >= old + old / 4 || asked.held > NT_CLASSED_MAX ||
        nt__sizeclasses.size[nt__sizeclass_of(asked.held)] / 2 >= size)
        return nt__heap_malloc(size); /* free_sized takes a larger one for a mistake */
    void *p = nt__heap_pop(size, asked.held);
    if (p)
        return p;
    if (nt__sizeclass_of(size) != nt__sizeclass_of(asked.held))
        return nt__heap_malloc(size);
    NT_FORWARD(malloc(size));
    return nt__heap_allocate(&asked, false);
}

static void *move(void *p, size_t old, size_t size, struct nt_pool *pool)
{
    int saved = errno;
    void *to = pool ? nt__pool_malloc(pool, size, 1, false) : resized(old, size);
    errno = to ? saved : ENOMEM;
    if (!to)
        return NULL;
    memcpy(to, p, nt__min(old, size));
    nt__heap_free(p);
    if (pool)
        nt__figures_tick();
    return to;
}

static void count_in_place(const struct nt_slab *slab, struct nt_pool *pool,
                           size_t size)
{
    if (pool) {
        nt__pool_count_realloc(pool, nt__shard_of(slab), size);
        return;
    }
    struct nt_shard *s = nt__heap_hold();
    if (s)
        nt__count_add_two(&s->realloc_requested, size, &s->reallocs, 1);
    nt__heap_let_go();
}

static void *realloc_large(struct nt_slab *slab, size_t size, struct nt_pool *pool)
{
    int saved = errno;
    void *p = NULL;
    nt__guest_refresh();
    if (pool) {
        p = nt__pool_realloc_large(pool, slab, size);
    } else {
        struct nt_shard *s = nt__heap_hold();
        p = s ? nt__large_realloc(s, slab, size) : NULL;
        nt__heap_let_go();
    }
    errno = p ? saved : ENOMEM;
    nt__figures_tick();
    return p;
}

/* A small block that grows by a quarter or more, from here on, may do so again. */
#define GROWS_FROM (4 * NT_KIB)
#define TURNS 64u

/* Does the block that was last given room to grow still leave half of it? Its header may be
 * another thread's by now, so this is a guess. */
NT_RACES static bool room_is_idle(const struct nt_shard *s)
{
    const struct nt_slab *last = s->grown;
    return last && last->kind == NT_SLAB_LARGE && last->home == s &&
           last->bytes <= last->run_slices << NT_SLICE_SHIFT >> 1;
}

/* May another have room, so that it is not copied again? One at a time: most of a run is to lie
 * idle only until its block has grown. Where it never does, others wait for TURNS, the next time
 * for twice as many, and so on for ever: what lies idle is a run for each doubling. */
static bool may_have_room(struct nt_shard *s)
{
    if (s->grown_left == 0 || !room_is_idle(s))
        return true;
    s->grown_left--;
    return false;
}

/* To have a run of its own though it is small? Not where that is a huge page, or pages are large. */
static bool grows_early(struct nt_shard *s, size_t old, size_t size)
{
    return size >= GROWS_FROM && size <= NT_SMALL_MAX && size >= old + old / 4 &&
           s->arena && !nt__shard_by_first_touch(s) &&
           nt__arena_config.huge < NT_HUGE_THP && nt__os_page_size() <= GROWS_FROM &&
           may_have_room(s);
}

/* `to` was given a run. */
static void note_room(struct nt_shard *s, struct nt_slab *to)
{
    if (to->bytes > to->run_slices << NT_SLICE_SHIFT >> 1)
        return;
    if (s->grown_turns == 0)
        s->grown_turns = TURNS;
    else if (s->grown != to && room_is_idle(s) && s->grown_turns < UINT32_MAX / 2)
        s->grown_turns *= 2;
    s->grown_left = s->grown_turns;
    s->grown = to;
}

/* What grows beyond small sizes does so again, so it becomes a large block, which can grow where
 * it is. Not by first touch: what a large block grows by must have been given back first there,
 * which costs more than copying. */
static void *grow(void *p, size_t old, size_t size)
{
    int saved = errno;
    struct nt_shard *s = nt__heap_hold();
    void *to = NULL;
    if (s && !nt__shard_by_first_touch(s))
        to = nt__large_malloc_ahead(s, size, size <= NT_SMALL_MAX || may_have_room(s));
    if (to)
        note_room(s, nt__slab_at(to));
    nt__heap_let_go();
    errno = saved;
    if (!to)
        return move(p, old, size, NULL);
    memcpy(to, p, old);
    nt__heap_free(p);
    nt__figures_tick();
    return to;
}

/* It always moves: what was kept of the old address is found out. */
static void *move_guarded(void *p, size_t size)
{
    size_t old = nt__guarded_size(p);
    if (old == 0) {
        nt__guarded_misuse(NT_MISUSE_DOUBLE_FREE, "realloc", p);
        errno = EINVAL;
        return NULL;
    }
    return move(p, old, size, NULL);
}

static void *reallocate(struct nt_slab *slab, void *p, size_t size)
{
    if (NT_UNLIKELY(nt__guarded_has(slab)))
        return move_guarded(p, size);
    bool large = slab->kind == NT_SLAB_LARGE;
    struct nt_pool *pool = slab->pooled ? nt__shard_of(slab)->pool : NULL;
    size_t old = large ? slab->bytes : slab->size;
    if (large && (size > NT_CLASSED_MAX || size > old))
        return realloc_large(slab, size, pool);
    if (size <= old && (size > old / 2 ||
                        (!pool && !large && nt__sizeclass_of(size) == slab->class))) {
        count_in_place(slab, pool, size);
        return p;
    }
    if (size > old && !pool &&
        (size > NT_SMALL_MAX || grows_early(nt__heap_shard, old, size)))
        return grow(p, old, size);
    return move(p, old, size, pool);
}

/* `to`, that the profile may know that `p` moved there. */
static void *noted(const void *p, void *to)
{
    if (to && to != p)
        nt__sampled_moved(to);
    return to;
}

__attribute__((noinline)) static void *realloc_rest(void *p, size_t size)
{
    NT_FORWARD(realloc(p, size));
    if (size == 0) {
        nt__heap_free(p);
        return NULL;
    }
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    if (NT_UNLIKELY(!nt__window_has(p))) {
        if (nt__foreign_is_glibc(p))
            return noted(p, move(p, nt__foreign_usable_size(p), size, NULL));
        nt__misuse(NT_MISUSE_FOREIGN, "realloc", p);
        errno = EINVAL;
        return NULL;
    }
    struct nt_slab *slab = nt__heap_checked(p, "realloc");
    if (slab)
        return noted(p, reallocate(slab, p, size));
    errno = EINVAL;
    return NULL;
}

/* A block of this thread's own that needs another class: as malloc and free would do it.
 * realloc_rest sees to those that grow by little, which get room. */
__attribute__((noinline)) static void *
move_plain(void *p, size_t size, struct nt_slab *slab, struct nt_shard *s)
{
    size_t old = slab->size;
    bool due;
    if (size == 0 || (size > old && size < old + old / 4) || !nt__slab_carved(slab, p))
        return realloc_rest(p, size);
    if (size <= nt__min(old, NT_SMALL_MAX) && s->class_of[size] == slab->class + 1) {
        nt__count_add_two(&s->realloc_requested, size, &s->reallocs, 1);
        return p;
    }
    if (NT_UNLIKELY(size >= GROWS_FROM) && grows_early(s, old, size))
        return realloc_rest(p, size);
    void *to = nt__shard_pop(s, size, &due);
    if (NT_UNLIKELY(!to))
        return realloc_rest(p, size);
    if (NT_UNLIKELY(due))
        to = nt__sampled_instead(s, size, size, to);
    memcpy(to, p, nt__min(old, size));
    nt__shard_push(s, slab, p);
    return NT_UNLIKELY(due) ? noted(p, to) : to;
}

/* Mostly blocks of this thread's own. */
void *nt_realloc(void *p, size_t size)
{
    struct nt_shard *s = nt__heap_shard;
    if (NT_UNLIKELY(!nt__window_has(p)))
        return p ? realloc_rest(p, size) : nt__heap_malloc(size);
    struct nt_slab *slab = nt__slab_at(p);
    if (NT_RACY(slab->owner) != s) {
        bool due;
        if (*nt__start_alive == 0 || !nt__large_stays(s, slab, p, size, &due))
            return realloc_rest(p, size);
        if (NT_LIKELY(!due && nt__peak_large_is_known(s) && !nt__figures_waiting()))
            return p;
        return nt__heap_see_to_large(s, p, size, due);
    }
    const struct nt_block *block = p;
    if (NT_UNLIKELY(slab->pooled || !nt__slab_starts(slab, p) || block->key == NT_KEY))
        return realloc_rest(p, size);
    if (size > slab->size || size <= slab->size / 2)
        return move_plain(p, size, slab, s);
    nt__count_add_two(&s->realloc_requested, size, &s->reallocs, 1);
    return p;
}

void *nt_reallocarray(void *p, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return nt_realloc(p, bytes);
}
