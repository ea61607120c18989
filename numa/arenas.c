/* SPDX-License-Identifier: MIT */
#include "numa/arenas.h"

#include "src/base/meta.h"

static struct {
    struct nt_lock lock; /* who makes a placement or an arena */
    /* written under the lock, counts last; read by anyone */
    unsigned count, placements;
    struct nt_placement process; /* the first: there is always room for it */
    struct nt_placement *placement[NT_PLACEMENTS];
    struct nt_arena *arena[NT_ARENAS];
} arenas = {.lock = NT_LOCK_INIT(NT_RANK_PLACEMENTS)};

/* Threads on a slot are served from there if the policy has it, else from the nearest
 * that it has. */
static void fill_serve(struct nt_placement *p)
{
    for (unsigned i = 0; i < nt__topo()->nodes; i++)
        p->serve[i] = p->policy.slots >> i & 1
                          ? (uint8_t)i
                          : (uint8_t)nt__topo_nearest(i, p->policy.slots);
}

static struct nt_placement *make_placement(const struct nt_policy *policy)
{
    struct nt_placement *p = arenas.placements == 0 ? &arenas.process : NULL;
    if (!p && arenas.placements < NT_PLACEMENTS)
        p = nt__meta_alloc(sizeof *p, NT_CACHE_LINE);
    if (!p)
        return NULL;
    p->policy = *policy;
    p->index = arenas.placements;
    fill_serve(p);
    arenas.placement[p->index] = p;
    __atomic_store_n(&arenas.placements, p->index + 1, __ATOMIC_RELEASE);
    return p;
}

static struct nt_placement *find_placement(const struct nt_policy *policy)
{
    unsigned n = __atomic_load_n(&arenas.placements, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < n; i++)
        if (nt__policy_same(&arenas.placement[i]->policy, policy))
            return arenas.placement[i];
    return NULL;
}

struct nt_placement *nt__placement_of(const struct nt_policy *policy)
{
    struct nt_placement *p = find_placement(policy);
    if (p)
        return p;
    nt__lock(&arenas.lock);
    p = find_placement(policy); /* somebody may just have made it */
    if (!p)
        p = make_placement(policy);
    nt__unlock(&arenas.lock);
    return p;
}

struct nt_placement *nt__placement_process(void)
{
    return arenas.placement[0];
}

void nt__arenas_start(const struct nt_policy *process)
{
    nt__placement_of(process);
}

/* The process's placement finds room for all its arenas, however many others have: a
 * thread that comes to a node late must not find malloc out of memory. */
static struct nt_arena *make_arena(const struct nt_placement *p, unsigned slot,
                                   int home)
{
    struct nt_arena *a = NULL;
    if (arenas.count < (p->index == 0 ? NT_ARENAS : NT_ARENAS - 2 * NT_TOPO_NODES))
        a = nt__meta_alloc(sizeof *a, NT_CACHE_LINE);
    if (!a)
        return NULL;
    nt__arena_init(a, arenas.count, slot, &p->policy, home);
    arenas.arena[arenas.count] = a;
    __atomic_store_n(&arenas.count, arenas.count + 1, __ATOMIC_RELEASE);
    return a;
}

/* The arena at `*place`, made if there is none. */
static struct nt_arena *arena_at(struct nt_arena **place, const struct nt_placement *p,
                                 unsigned slot, int home)
{
    struct nt_arena *a = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (NT_LIKELY(a != NULL))
        return a;
    nt__lock(&arenas.lock);
    a = *place;
    if (!a) {
        a = make_arena(p, slot, home);
        __atomic_store_n(place, a, __ATOMIC_RELEASE);
    }
    nt__unlock(&arenas.lock);
    return a;
}

struct nt_arena *nt__placement_arena(struct nt_placement *p, unsigned slot)
{
    return arena_at(&p->arena[slot], p, slot, (int)slot);
}

struct nt_arena *nt__placement_large(struct nt_placement *p, unsigned slot)
{
    if (nt__topo()->nodes == 1 || !nt__policy_by_touch(&p->policy))
        return nt__placement_arena(p, slot);
    return arena_at(&p->large[slot], p, slot, NT_BY_TOUCH);
}

unsigned nt__arenas_count(void)
{
    return __atomic_load_n(&arenas.count, __ATOMIC_ACQUIRE);
}

struct nt_arena *nt__arenas_get(unsigned index)
{
    return arenas.arena[index];
}

void *nt__arenas_take(struct nt_arena *a, size_t slices, size_t align, bool *clean)
{
    void *run = nt__arena_take(a, slices, align, clean);
    if (NT_LIKELY(run != NULL) || slices >= NT_WINDOW_MOST >> NT_SLICE_SHIFT)
        return run; /* or nothing that is free could help */
    size_t bytes = 0;
    for (unsigned i = 0; i < nt__arenas_count(); i++)
        bytes += nt__arena_release(arenas.arena[i]);
    return bytes != 0 ? nt__arena_take(a, slices, align, clean) : NULL;
}

size_t nt__arenas_purge(void)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < nt__arenas_count(); i++)
        bytes += nt__arena_purge(arenas.arena[i]);
    return bytes;
}

void nt__placements_fork_lock(void)
{
    nt__lock_for_fork(&arenas.lock);
}

void nt__placements_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT)
        nt__unlock_after_fork(&arenas.lock);
    else
        nt__lock_init(&arenas.lock, NT_RANK_PLACEMENTS);
}

/* Arenas share a rank: fork alone takes several, in order of index. */
void nt__arenas_fork_lock(void)
{
    for (unsigned i = 0; i < arenas.count; i++)
        nt__lock_for_fork(&arenas.arena[i]->lock);
}

void nt__arenas_fork_unlock(enum nt_fork how)
{
    for (unsigned i = 0; i < nt__arenas_count(); i++) {
        struct nt_arena *a = arenas.arena[i];
        if (how == NT_FORK_PARENT)
            nt__unlock_after_fork(&a->lock);
        else if (how == NT_FORK_RAW && nt__lock_raw(&a->lock))
            nt__arena_init(a, a->index, a->slot, &a->policy, a->home);
        else
            nt__lock_init(&a->lock, NT_RANK_ARENA);
    }
}
