/* SPDX-License-Identifier: MIT */
/*
 * Shards that have no owner: what threads leave behind when they end or move to another
 * node.
 *
 * A new thread takes a whole idle shard of its node, slabs, counters and all: a program
 * that starts a thread per task does not grow. Until then the threads that run take
 * single slabs out of idle shards before they cut new ones.
 *
 * What is freed to slabs of idle shards is received by the threads that free it: one
 * in so many slabs sent makes its sender look after a few idle shards.
 *
 * What idle shards keep goes back when no thread took them for the delay after which free
 * memory does (setting `return`). Whoever runs and looks whether it is time looks after
 * some of them, in turn, until all have been looked after since the last one came, or was
 * sent something: `due` counts down to that.
 *
 * The list's lock makes its holder the owner of every shard on the list.
 */
#include "pools/large.h"
#include "pools/remote.h"
#include "pools/shard.h"
#include "pools/spare.h"
#include "src/base/os.h"

struct idle_list {
    struct nt_lock lock;
    struct nt_shard *first, *last; /* shards are taken in front, looked at in turn */
    unsigned count;                /* written under the lock, read by anyone */
    unsigned due;                  /* looks to come; written by anyone, count at most */
    uint32_t looked_ms;
};

/* A list for each arena that slabs come from: what one adopts must lie where it would
 * have been cut. */
static struct {
    struct idle_list of[NT_ARENAS];
} idle = {.of = {[0 ... NT_ARENAS - 1] = {.lock = NT_LOCK_INIT(NT_RANK_SHARDS)}}};

static struct idle_list *list_of(const struct nt_arena *arena)
{
    return &idle.of[arena->index];
}

/* Shards looked at by one refill. */
#define LOOK_AT 4
/* Shards looked after at once when free memory goes back, four times in the delay. */
#define AGE_AT_ONCE 16

static void append(struct idle_list *list, struct nt_shard *s)
{
    s->idle_next = NULL;
    if (list->last)
        list->last->idle_next = s;
    else
        list->first = s;
    list->last = s;
    __atomic_store_n(&list->count, list->count + 1, __ATOMIC_RELAXED);
}

static struct nt_shard *take_first(struct idle_list *list)
{
    struct nt_shard *s = list->first;
    if (!s)
        return NULL;
    list->first = s->idle_next;
    if (!list->first)
        list->last = NULL;
    __atomic_store_n(&list->count, list->count - 1, __ATOMIC_RELAXED);
    return s;
}

struct nt_shard *nt__shard_acquire(struct nt_placement *placement, unsigned slot)
{
    const struct nt_arena *arena = nt__placement_arena(placement, slot);
    if (!arena)
        return NULL;
    struct idle_list *list = list_of(arena);
    nt__lock(&list->lock);
    struct nt_shard *s = take_first(list);
    if (s)
        __atomic_store_n(&s->state, NT_SHARD_OWNED, __ATOMIC_RELAXED);
    nt__unlock(&list->lock);
    if (!s)
        return nt__shard_new(placement, slot, NULL);
    return s;
}

void nt__shard_retire(struct nt_shard *s)
{
    nt__remote_flush(s);
    nt__remote_receive(s);
    nt__spare_drop(s);
    nt__shard_shrink(s);
    s->idle_ms = (uint32_t)nt__os_now_ms();
    struct idle_list *list = list_of(s->arena);
    nt__lock(&list->lock);
    __atomic_store_n(&s->state, NT_SHARD_IDLE, __ATOMIC_RELAXED);
    append(list, s);
    nt__unlock(&list->lock);
    nt__shard_idle_due(s->arena);
}

struct nt_slab *nt__shard_adopt(struct nt_shard *s, unsigned c)
{
    struct idle_list *list = list_of(s->arena);
    if (__atomic_load_n(&list->count, __ATOMIC_RELAXED) == 0)
        return NULL;
    struct nt_slab *slab = NULL;
    nt__lock(&list->lock);
    for (unsigned i = 0; i < LOOK_AT && i < list->count && !slab; i++) {
        struct nt_shard *other = take_first(list);
        append(list, other);
        slab = nt__shard_yield(other, c);
    }
    /* Still under the lock: the slab may be linked in the other's pending stack, and
     * whoever acquires the other next must find there that it is no longer its own. */
    if (slab)
        nt__slab_change_owner(slab, s);
    nt__unlock(&list->lock);
    if (slab)
        nt__shard_hold(s, c, slab->slices);
    return slab;
}

void nt__shard_receive_idle(const struct nt_arena *arena)
{
    struct idle_list *list = list_of(arena);
    if (!nt__trylock(&list->lock))
        return;
    for (unsigned i = 0; i < LOOK_AT && i < list->count; i++) {
        struct nt_shard *s = take_first(list);
        append(list, s);
        nt__remote_receive(s);
        nt__shard_shrink(s);
    }
    nt__unlock(&list->lock);
}

void nt__shard_idle_due(const struct nt_arena *arena)
{
    struct idle_list *list = list_of(arena);
    __atomic_store_n(&list->due, __atomic_load_n(&list->count, __ATOMIC_RELAXED),
                     __ATOMIC_RELAXED);
}

bool nt__shard_idle_waits(const struct nt_arena *arena)
{
    return __atomic_load_n(&list_of(arena)->due, __ATOMIC_RELAXED) != 0;
}

/* Trim those of the next few that have been idle for the delay. Are these all? */
static bool age_some(struct idle_list *list, unsigned n, uint32_t now)
{
    bool all = true;
    while (n-- != 0) {
        struct nt_shard *s = take_first(list);
        append(list, s);
        if (now - s->idle_ms < nt__arena_config.return_ms)
            all = false;
        else
            nt__shard_trim(s);
    }
    return all;
}

void nt__shard_age_idle(const struct nt_arena *arena)
{
    struct idle_list *list = list_of(arena);
    unsigned due = __atomic_load_n(&list->due, __ATOMIC_RELAXED);
    if (due == 0 || !nt__trylock(&list->lock))
        return;
    uint32_t now = (uint32_t)nt__os_now_ms();
    if (now - list->looked_ms >= nt__arena_config.return_ms / 4) {
        list->looked_ms = now;
        unsigned left = (unsigned)nt__min(due, list->count);
        unsigned n = (unsigned)nt__min(left, AGE_AT_ONCE);
        left = age_some(list, n, now) ? left - n : list->count; /* or all once more */
        /* Unless there are new ones meanwhile. */
        __atomic_compare_exchange_n(&list->due, &due, left, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED);
    }
    nt__unlock(&list->lock);
}

void nt__shard_trim_idle(void)
{
    for (unsigned i = 0; i < nt__arenas_count(); i++) {
        struct idle_list *list = &idle.of[i];
        nt__lock(&list->lock);
        for (struct nt_shard *s = list->first; s; s = s->idle_next)
            nt__shard_trim(s);
        nt__unlock(&list->lock);
    }
}

/* The lists share a rank: fork alone takes several, in order, while no
 * arena can be made. */
void nt__shard_fork_lock(void)
{
    for (unsigned i = 0; i < nt__arenas_count(); i++)
        nt__lock_for_fork(&idle.of[i].lock);
}

void nt__shard_fork_unlock(enum nt_fork how, struct nt_shard *mine)
{
    for (unsigned i = 0; i < nt__arenas_count(); i++) {
        struct idle_list *list = &idle.of[i];
        if (how == NT_FORK_PARENT)
            nt__unlock_after_fork(&list->lock);
        else if (how == NT_FORK_RAW && nt__lock_raw(&list->lock))
            list->first = list->last = NULL, list->count = list->due = 0;
        else
            nt__lock_init(&list->lock, NT_RANK_SHARDS);
    }
    if (how == NT_FORK_PARENT)
        return;
    /* The owners did not come along, and may have been in the middle of anything. */
    for (struct nt_shard *s = nt__shard_first(); s; s = s->next)
        if (s->state == NT_SHARD_OWNED && s != mine && !s->pool)
            s->state = NT_SHARD_LOST;
}
