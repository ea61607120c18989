/* SPDX-License-Identifier: MIT */
#include "pools/pool.h"

#include "pools/large.h"
#include "pools/misuse.h"
#include "pools/peak.h"
#include "pools/sampled.h"
#include "src/base/fmt.h"
#include "src/base/guest.h"
#include "src/base/meta.h"

#include <errno.h>
#include <string.h>

static struct {
    struct nt_lock lock;   /* names, limits, which pools are open */
    struct nt_pool *first; /* written under `lock`, followed by anyone */
    unsigned created;
    uint64_t open; /* pools; written under `lock`, read by anyone */
} pools = {.lock = NT_LOCK_INIT(NT_RANK_REGISTER)};

struct nt_pool *nt__pool_first(void)
{
    return __atomic_load_n(&pools.first, __ATOMIC_ACQUIRE);
}

bool nt__pool_register_lock(bool wait)
{
    return nt__lock_or_try(&pools.lock, wait);
}

void nt__pool_register_unlock(void)
{
    nt__unlock(&pools.lock);
}

uint64_t nt__pool_count(void)
{
    return nt__count_read(&pools.open);
}

struct nt_sums nt__pool_sums(const struct nt_pool *pool)
{
    struct nt_sums sums = {0};
    for (unsigned i = 0; i < NT_TOPO_NODES; i++) {
        const struct nt_shard *s = __atomic_load_n(&pool->shard[i], __ATOMIC_ACQUIRE);
        if (s)
            nt__sums_add_shard(&sums, s);
    }
    return sums;
}

/* A closed pool to use again, or a new one. Under the register's lock. */
static struct nt_pool *find(void)
{
    struct nt_pool *pool = pools.first;
    while (pool && pool->open)
        pool = pool->next;
    if (pool)
        return pool;
    pool = nt__meta_alloc(sizeof *pool, NT_CACHE_LINE);
    if (!pool)
        return NULL;
    nt__lock_init(&pool->lock, NT_RANK_POOL);
    pool->next = pools.first;
    __atomic_store_n(&pools.first, pool, __ATOMIC_RELEASE);
    return pool;
}

/* The shards of a closed pool, which hold nothing, serve its next life. Somebody may be
 * trimming them. False: no memory. */
static bool take_again(struct nt_pool *pool, struct nt_placement *placement,
                       const struct nt_sizetable *sizes)
{
    bool placed = true;
    nt__lock(&pool->lock);
    pool->placement = placement;
    pool->sizes = sizes ? *sizes : (struct nt_sizetable){0};
    pool->budget.limit = (pool->limit + NT_SLICE - 1) >> NT_SLICE_SHIFT;
    for (unsigned i = 0; i < NT_TOPO_NODES && placed; i++) {
        struct nt_shard *s = pool->shard[i];
        placed = !s || nt__shard_place(s, placement);
        if (!s || !placed)
            continue;
        nt__shard_forget(s);
        nt__peak_restart(s);
    }
    nt__unlock(&pool->lock);
    return placed;
}

bool nt__pool_sizes(const uint32_t *sizes, unsigned count, struct nt_sizetable *out)
{
    nt__lock(&pools.lock);
    bool added = nt__sizeclass_add(sizes, count, out);
    nt__unlock(&pools.lock);
    return added;
}

struct nt_pool *nt__pool_new(const char *name, size_t limit,
                             struct nt_placement *placement,
                             const struct nt_sizetable *sizes)
{
    nt__lock(&pools.lock);
    struct nt_pool *pool = find();
    if (pool) {
        pools.created++;
        if (name)
            nt__name_copy(pool->name, sizeof pool->name, name);
        else
            nt__fmt_into(pool->name, sizeof pool->name, "pool-%u", pools.created);
        pool->limit = limit;
        pool->base = nt__pool_sums(pool);
        pool->open = true;
        nt__count_add(&pools.open, 1);
    }
    nt__unlock(&pools.lock);
    if (!pool || take_again(pool, placement, sizes))
        return pool;
    nt__pool_close(pool);
    return NULL;
}

/* The shard for the calling thread: of the node that its own is served from. NULL: no
 * memory. Under the pool's lock. */
static struct nt_shard *shard_here(struct nt_pool *pool)
{
    unsigned slot = pool->placement->serve[nt__topo_here()];
    if (!pool->shard[slot]) {
        struct nt_shard *s = nt__shard_new(pool->placement, slot, pool);
        if (s)
            s->budget = &pool->budget;
        __atomic_store_n(&pool->shard[slot], s, __ATOMIC_RELEASE);
    }
    return pool->shard[slot];
}

void nt__pool_close(struct nt_pool *pool)
{
    nt__pool_empty(pool);
    nt__lock(&pools.lock);
    pool->open = false;
    nt__count_add(&pools.open, (uint64_t)-1);
    nt__unlock(&pools.lock);
}

void nt__pool_rename(struct nt_pool *pool, const char *name)
{
    nt__lock(&pools.lock);
    nt__name_copy(pool->name, sizeof pool->name, name);
    nt__unlock(&pools.lock);
}

/* Under the pool's lock. */
static void trim(struct nt_pool *pool)
{
    for (unsigned i = 0; i < NT_TOPO_NODES; i++)
        if (pool->shard[i])
            nt__shard_trim(pool->shard[i]);
}

/* An allocation failed. What the pool keeps for the next one counts against its limit, on
 * whichever node it is: so it is given back. False: there was none. Under the lock. */
static bool make_room(struct nt_pool *pool)
{
    uint64_t held = pool->budget.held;
    if (pool->budget.limit == 0)
        return false;
    trim(pool);
    return pool->budget.held < held;
}

/* From shard `s`, counted. `*zeroed`: it reads as zero; large blocks do if `zero`. */
static void *take(struct nt_shard *s, size_t size, size_t align, bool zero,
                  bool *zeroed)
{
    const struct nt_asked asked = nt__asked(size, align);
    unsigned c = nt__sizeclass_large();
    if (size <= NT_CLASSED_MAX && align <= NT_SLICE)
        c = nt__sizetable_aligned(&s->pool->sizes, size, align);
    *zeroed = zero;
    if (c == nt__sizeclass_large())
        return nt__large_malloc(s, size, align, zero);
    bool sampled = false;
    nt__shard_know(s, size);
    void *p = align <= NT_GRAIN ? nt__shard_pop(s, size, &sampled) : NULL;
    *zeroed = false;
    if (sampled)
        return nt__sampled_instead(s, size, size, p);
    return p ? p : nt__shard_malloc(s, c, &asked, zeroed);
}

void *nt__pool_malloc(struct nt_pool *pool, size_t size, size_t align, bool zero)
{
    bool zeroed = false;
    if (size > NT_CLASSED_MAX)
        nt__guest_refresh();
    nt__guest_meet();
    nt__lock(&pool->lock);
    struct nt_shard *s = shard_here(pool);
    void *p = s ? take(s, size, align, zero, &zeroed) : NULL;
    if (NT_UNLIKELY(!p) && s && make_room(pool))
        p = take(s, size, align, zero, &zeroed);
    struct nt_due due = {0};
    if (s && NT_UNLIKELY(s->sampling.due.size != 0))
        due = nt__sampled_due(s, p);
    nt__unlock(&pool->lock);
    nt__sampled_pool(&due, p);
    if (p && zero && !zeroed)
        memset(p, 0, size);
    return p;
}

static void free_locked(struct nt_pool *pool, struct nt_slab *slab, void *p)
{
    struct nt_shard *home = slab->kind == NT_SLAB_LARGE ? slab->home : slab->owner;
    if (home->state == NT_SHARD_LOST) /* see lose_shards: the block is left there */
        return;
    nt__count_add(&pool->freed_by[nt__topo_here()][home->slot], 1);
    if (slab->kind == NT_SLAB_LARGE) {
        nt__large_free(home, slab, p);
        return;
    }
    if (NT_UNLIKELY(slab->sampled != 0))
        nt__sampled_pool_free(slab, p);
    nt__shard_push(home, slab, p);
}

void nt__pool_free(struct nt_pool *pool, struct nt_slab *slab, void *p)
{
    nt__lock(&pool->lock);
    /* Again, now that nobody else can: of two frees one must find the other. */
    enum nt_misuse bad = nt__misuse_check(slab->owner, nt__slab_of(p), p);
    if (bad == NT_MISUSE_NONE)
        free_locked(pool, slab, p);
    nt__unlock(&pool->lock);
    if (bad != NT_MISUSE_NONE)
        nt__misuse(bad, "free", p);
}

void *nt__pool_realloc_large(struct nt_pool *pool, struct nt_slab *slab, size_t size)
{
    nt__lock(&pool->lock);
    void *p = NULL;
    struct nt_due due = {0};
    if (slab->home->state != NT_SHARD_LOST) {
        struct nt_shard *home = slab->home;
        const void *old = nt__window_slice(slab);
        p = nt__large_realloc(home, slab, size);
        if (NT_UNLIKELY(!p) && make_room(pool))
            p = nt__large_realloc(home, slab, size);
        if (p && p != old) /* one block more, and one freed, from here */
            nt__count_add(&pool->freed_by[nt__topo_here()][home->slot], 1);
        if (NT_UNLIKELY(home->sampling.due.size != 0))
            due = nt__sampled_due(home, p);
    } else { /* see lose_shards: the old block is left there */
        struct nt_shard *here = shard_here(pool);
        if (here)
            p = nt__large_malloc(here, size, 1, false);
        if (p)
            memcpy(p, nt__window_slice(slab), nt__min(slab->bytes, size));
    }
    nt__unlock(&pool->lock);
    nt__sampled_pool(&due, p);
    return p;
}

void nt__pool_count_realloc(struct nt_pool *pool, struct nt_shard *home, size_t size)
{
    nt__lock(&pool->lock);
    nt__count_add_two(&home->realloc_requested, size, &home->reallocs, 1);
    nt__unlock(&pool->lock);
}

int nt__pool_migrate(struct nt_pool *pool, struct nt_placement *placement,
                     unsigned slot)
{
    int result = 0;
    nt__lock(&pool->lock);
    /* Arenas first, so that nothing has changed when one cannot be had. */
    for (unsigned i = 0; i < NT_TOPO_NODES; i++)
        if (pool->shard[i] && (!nt__placement_arena(placement, i) ||
                               !nt__placement_large(placement, i))) {
            nt__unlock(&pool->lock);
            return -ENOMEM;
        }
    for (unsigned i = 0; i < NT_TOPO_NODES; i++)
        if (pool->shard[i])
            nt__shard_place(pool->shard[i], placement);
    for (unsigned i = 0; i < NT_TOPO_NODES; i++) {
        int moved = pool->shard[i] ? nt__shard_migrate(pool->shard[i], slot) : 0;
        result = moved != 0 ? moved : result;
    }
    pool->placement = placement;
    nt__unlock(&pool->lock);
    return result;
}

static void empty_shard(struct nt_pool *pool, struct nt_shard *s)
{
    uint64_t live = 0;
    for (unsigned c = 0; c <= nt__sizeclass_large(); c = nt__sizeclass_next(c))
        live += s->allocs[c] - s->frees[c];
    nt__count_add(&pool->freed_by[nt__topo_here()][s->slot], live);
    nt__shard_empty(s);
}

void nt__pool_empty(struct nt_pool *pool)
{
    nt__lock(&pool->lock);
    for (unsigned i = 0; i < NT_TOPO_NODES; i++)
        if (pool->shard[i])
            empty_shard(pool, pool->shard[i]);
    nt__unlock(&pool->lock);
}

void nt__pool_trim_all(void)
{
    for (struct nt_pool *pool = nt__pool_first(); pool; pool = pool->next) {
        nt__lock(&pool->lock);
        trim(pool);
        nt__unlock(&pool->lock);
    }
}

/* Pools share a rank: fork alone takes several, in the register's order. */
void nt__pool_fork_lock(void)
{
    nt__lock_for_fork(&pools.lock);
    for (struct nt_pool *pool = pools.first; pool; pool = pool->next)
        nt__lock_for_fork(&pool->lock);
}

/* Whoever was inside stayed in the parent: its shards may be half changed. They are left
 * alone, with their blocks, and new ones are made as needed. */
static void lose_shards(struct nt_pool *pool)
{
    for (unsigned i = 0; i < NT_TOPO_NODES; i++) {
        if (pool->shard[i])
            pool->shard[i]->state = NT_SHARD_LOST;
        pool->shard[i] = NULL;
    }
    pool->budget.held = 0;
}

void nt__pool_fork_unlock(enum nt_fork how)
{
    for (struct nt_pool *pool = pools.first; pool; pool = pool->next)
        if (how == NT_FORK_PARENT)
            nt__unlock_after_fork(&pool->lock);
        else if (how == NT_FORK_RAW && nt__lock_raw(&pool->lock))
            lose_shards(pool);
        else
            nt__lock_init(&pool->lock, NT_RANK_POOL);
    if (how == NT_FORK_PARENT)
        nt__unlock_after_fork(&pools.lock);
    else
        nt__lock_init(&pools.lock, NT_RANK_REGISTER);
}
