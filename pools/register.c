/* SPDX-License-Identifier: MIT */
/* Shards come to be, are found, and get memory from their arenas within their budgets. */
#include "pools/pool.h"
#include "src/base/meta.h"
#include "src/base/os.h"

#include <string.h>

static struct {
    struct nt_shard *first; /* pushed by anyone, never popped */
} shards;

struct nt_shard *nt__shard_first(void)
{
    return __atomic_load_n(&shards.first, __ATOMIC_ACQUIRE);
}

bool nt__shard_place(struct nt_shard *s, struct nt_placement *placement)
{
    struct nt_arena *arena = nt__placement_arena(placement, s->slot);
    struct nt_arena *large = nt__placement_large(placement, s->slot);
    if (!arena || !large)
        return false;
    s->placement = placement;
    s->arena = arena;
    s->large_arena = large;
    return true;
}

struct nt_shard *nt__shard_new(struct nt_placement *placement, unsigned slot,
                               struct nt_pool *pool)
{
    /* What is allocated there is never given back: so all else first. */
    if (!nt__placement_arena(placement, slot) || !nt__placement_large(placement, slot))
        return NULL;
    struct nt_shard *s = nt__meta_alloc(sizeof *s, NT_CACHE_LINE);
    if (!s)
        return NULL;
    s->slot = (uint8_t)slot;
    nt__shard_place(s, placement);
    s->unknown = &nt__slab_none;
    for (unsigned c = 0; c < NT_CLASSES; c++)
        s->current[c] = &nt__slab_none;
    s->state = NT_SHARD_OWNED;
    s->pool = pool;
    s->next = nt__shard_first();
    /* Release: pairs with nt__shard_first's acquire. */
    while (!__atomic_compare_exchange_n(&shards.first, &s->next, s, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    return s;
}

void nt__shard_learn(struct nt_shard *s, size_t size)
{
    size_t first = nt__align_down(size, NT_CACHE_LINE);
    const struct nt_sizetable *own = s->pool ? &s->pool->sizes : NULL;
    for (size_t i = first; i < first + NT_CACHE_LINE && i <= NT_SMALL_MAX; i++)
        s->class_of[i] = (uint8_t)(nt__sizetable_aligned(own, i, 1) + 1);
}

void nt__shard_forget(struct nt_shard *s)
{
    for (size_t i = 0; i <= NT_SMALL_MAX; i += NT_CACHE_LINE)
        if (s->class_of[i] != 0) /* else its page may be one that nobody has touched */
            memset(&s->class_of[i], 0, nt__min(NT_CACHE_LINE, NT_SMALL_MAX + 1 - i));
}

bool nt__shard_charge(struct nt_shard *s, size_t slices)
{
    struct nt_budget *b = s->budget;
    bool more = slices <= PTRDIFF_MAX;
    if (more && slices >= NT_GIB >> NT_SLICE_SHIFT &&
        !nt__os_would_give(slices << NT_SLICE_SHIFT))
        return false;
    if (!b)
        return true;
    if (more && b->limit != 0 && b->held + slices > b->limit)
        return false;
    nt__count_add(&b->held, slices);
    return true;
}

void *nt__shard_take(struct nt_shard *s, struct nt_arena *a, size_t slices,
                     size_t align, bool *clean)
{
    if (!nt__shard_charge(s, slices))
        return NULL;
    void *run = nt__arenas_take(a, slices, align, clean);
    bool possible = slices < NT_WINDOW_MOST >> NT_SLICE_SHIFT;
    if (!run &&
        possible) { /* what this shard and idle ones keep for the next time is needed now */
        nt__shard_trim(s);
        nt__shard_trim_idle();
        run = nt__arenas_take(a, slices, align, clean);
    }
    if (!run)
        nt__shard_charge(s, -slices);
    return run;
}
