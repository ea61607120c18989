/* SPDX-License-Identifier: MIT */
/* What the tests of pools share: the rooms below started, on a made-up machine. */
#ifndef NT_TESTS_POOLS_ROOM_H
#define NT_TESTS_POOLS_ROOM_H

#include "numa/arenas.h"
#include "numa/bind.h"
#include "numa/topo.h"
#include "pools/shard.h"
#include "tests/child.h"

static inline void room_start(const char *topology)
{
    setenv("NUMATALLY_TOPOLOGY", topology, 1);
    nt__topo_start();
    nt__bind_start();
    nt__sizeclass_start(NULL, 0);
    nt__window_start();
    nt__arenas_start();
}

static inline void *room_malloc(struct nt_shard *s, size_t size)
{
    bool zeroed;
    void *p = nt__shard_pop(s, size);
    return p ? p : nt__shard_malloc(s, nt__sizeclass_of(size), size, &zeroed);
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
