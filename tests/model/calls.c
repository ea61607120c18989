/* SPDX-License-Identifier: MIT */
/* malloc and free of a thread of the model: heap.h's, and of alloc.c what they come to here. */
#include "pools/remote.h"
#include "tests/model/sched.h"
#include "tests/model/world.h"

void *nt__heap_malloc_slow(size_t size)
{
    if (nt__heap_shard == &nt__shard_none)
        world_attach();
    bool zeroed;
    const struct nt_asked asked = nt__asked(size, 1);
    return nt__shard_malloc(nt__heap_shard, nt__sizeclass_of(size), &asked, &zeroed);
}

void nt__heap_free_other(void *p, struct nt_slab *slab, struct nt_shard *s)
{
    const struct nt_block *block = p;
    if (s == &nt__shard_none)
        world_attach();
    if (!NT_RACY(slab->plain) || !nt__slab_starts(slab, p) || block->key == NT_KEY)
        sched_fail("a free of another thread's block is taken for misuse");
    nt__remote_gather(nt__heap_shard, slab, p);
}

void *world_malloc(size_t size)
{
    void *p = nt__heap_malloc(size);
    world_took(p);
    return p;
}

void world_free(void *p)
{
    world_drops(p);
    nt__heap_free(p);
}

void world_read(void)
{
    uint64_t sum = 0;
    for (const struct nt_shard *s = nt__shard_first(); s; s = s->next)
        for (unsigned c = 0; c < nt__sizeclasses.count; c++)
            sum += nt__count_read(&s->allocs[c]) + s->slot;
    if (sum > 1000)
        sched_fail("a reader sees what never was: %ju", (uintmax_t)sum);
}
