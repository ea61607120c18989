/* SPDX-License-Identifier: MIT */
/* What the tests of pools share: the rooms below started, on a made-up machine. */
#ifndef NT_TESTS_POOLS_ROOM_H
#define NT_TESTS_POOLS_ROOM_H

#include "numa/arenas.h"
#include "pools/shard.h"
#include "tests/child.h"

static inline struct nt_placement *room_place(const char *policy)
{
    struct nt_policy p;
    if (nt__policy_parse(policy, &p))
        abort();
    return nt__placement_of(&p);
}

static inline void room_start(const char *topology)
{
    setenv("NUMATALLY_TOPOLOGY", topology, 1);
    nt__topo_start();
    nt__bind_start();
    nt__sizeclass_start(NULL, 0);
    nt__window_start();
    room_place("local");
    nt__arenas_start(&nt__placement_process()->policy);
    for (unsigned i = 0; i < nt__topo()->nodes; i++) /* numbered in order of nodes */
        nt__placement_arena(nt__placement_process(), i);
}

static inline struct nt_shard *room_acquire(unsigned slot)
{
    return nt__shard_acquire(nt__placement_process(), slot);
}

static inline struct nt_shard *room_shard(unsigned slot, struct nt_pool *pool)
{
    return nt__shard_new(nt__placement_process(), slot, pool);
}

static inline void *room_malloc(struct nt_shard *s, size_t size)
{
    bool zeroed, due;
    nt__shard_know(s, size);
    void *p = nt__shard_pop(s, size, &due);
    return p ? p
             : nt__shard_malloc(s, nt__sizeclass_of(size),
                                &(struct nt_asked){size, size, 1}, &zeroed);
}

static inline void room_free(struct nt_shard *s, void *p)
{
    nt__shard_push(s, nt__slab_of(p), p);
}

/* Slices that all arenas have lent. */
static inline uint64_t room_committed(void)
{
    uint64_t slices = 0;
    for (unsigned i = 0; i < nt__arenas_count(); i++)
        slices += nt__arenas_get(i)->committed;
    return slices;
}

#endif
