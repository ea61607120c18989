/* SPDX-License-Identifier: MIT */
#include "numa/arenas.h"

#include "numa/topo.h"

static struct {
    unsigned count; /* constant after start */
    struct nt_arena arena[NT_TOPO_NODES + 1];
} arenas;

void nt__arenas_start(void)
{
    const struct nt_topo *topo = nt__topo();
    for (unsigned i = 0; i < topo->nodes; i++)
        nt__arena_init(&arenas.arena[i], i, i, topo->nodes > 1 ? topo->node[i].id : -1);
    arenas.count = topo->nodes;
    if (topo->nodes > 1) {
        nt__arena_init(&arenas.arena[arenas.count], arenas.count, 0, -1);
        arenas.count++;
    }
}

unsigned nt__arenas_count(void)
{
    return arenas.count;
}

struct nt_arena *nt__arenas_get(unsigned index)
{
    return &arenas.arena[index];
}

struct nt_arena *nt__arenas_large(unsigned slot)
{
    return arenas.count > 1 ? &arenas.arena[arenas.count - 1] : &arenas.arena[slot];
}

void *nt__arenas_take(struct nt_arena *a, size_t slices, size_t align, bool *clean)
{
    void *run = nt__arena_take(a, slices, align, clean);
    if (NT_LIKELY(run != NULL) || slices >= NT_WINDOW_MOST >> NT_SLICE_SHIFT)
        return run; /* or nothing that is free could help */
    size_t bytes = 0;
    for (unsigned i = 0; i < arenas.count; i++)
        bytes += nt__arena_release(&arenas.arena[i]);
    return bytes != 0 ? nt__arena_take(a, slices, align, clean) : NULL;
}

size_t nt__arenas_purge(void)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < arenas.count; i++)
        bytes += nt__arena_purge(&arenas.arena[i]);
    return bytes;
}

/* Arenas share a rank: fork alone takes several, in order of index. */
void nt__arenas_fork_lock(void)
{
    for (unsigned i = 0; i < arenas.count; i++)
        nt__lock_for_fork(&arenas.arena[i].lock);
}

void nt__arenas_fork_unlock(enum nt_fork how)
{
    for (unsigned i = 0; i < arenas.count; i++) {
        struct nt_arena *a = &arenas.arena[i];
        if (how == NT_FORK_PARENT)
            nt__unlock_after_fork(&a->lock);
        else if (how == NT_FORK_RAW && nt__lock_raw(&a->lock))
            nt__arena_init(a, a->index, a->slot, a->bind_to);
        else
            nt__lock_init(&a->lock, NT_RANK_ARENA);
    }
}
