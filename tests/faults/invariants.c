/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/faults/invariants.h"

#include "numa/arenas.h"
#include "numa/units.h"
#include "pools/shard.h"
#include "pools/slab.h"

#include <sys/mman.h>

/* What is handed out next must be there: advice that changes nothing fails with ENOMEM
 * where nothing is mapped. */
static bool is_there(char *at, size_t size)
{
    return madvise(at, size, MADV_NORMAL) == 0;
}

static const char *check_extents(const struct nt_arena *a)
{
    for (int dirty = 0; dirty < 2; dirty++)
        for (unsigned bin = 0; bin < NT_EXTENT_BINS; bin++)
            for (uint32_t u = a->extents[dirty][bin]; u != NT_NO_UNIT;
                 u = nt__window_unit(u)->next)
                if (!is_there(nt__window_unit_address(u),
                              (size_t)nt__window_unit(u)->length << NT_UNIT_SHIFT))
                    return "free units that are not mapped";
    return NULL;
}

static const char *check_partial(const struct nt_arena *a)
{
    for (unsigned n = 0; n < NT_UNIT_SLICES; n++)
        for (uint32_t u = a->partial[n]; u != NT_NO_UNIT;
             u = nt__window_unit(u)->next) {
            const struct nt_unit *unit = nt__window_unit(u);
            if (unit->arena != a->index + 1)
                return "a unit in the list of an arena that it does not name";
            for (unsigned i = 0; i < NT_UNIT_SLICES; i++)
                if ((unit->used >> i & 1) == 0 &&
                    !is_there(nt__window_unit_address(u) +
                                  ((size_t)i << NT_SLICE_SHIFT),
                              NT_SLICE))
                    return "free slices that are not mapped";
        }
    return NULL;
}

/* Each slice of a slab of blocks is in the map by the slab, each other by itself. */
static const char *check_map(void)
{
    size_t slices = nt__window.limit >> NT_SLICE_SHIFT;
    for (size_t i = 0; i < slices; i++) {
        const char *own = nt__window_header_at(i);
        const struct nt_slab *slab = nt__window.map[i];
        size_t first = nt__window_index(nt__window_slice(slab));
        if ((const char *)slab == own)
            continue;
        if (first > i || slab->kind != NT_SLAB_BLOCKS || i - first >= slab->slices)
            return "a slice in the map of a slab that does not have it";
    }
    return NULL;
}

static uint64_t held_slices(void)
{
    uint64_t sum = 0;
    for (const struct nt_shard *s = nt__shard_first(); s; s = s->next)
        for (unsigned c = 0; c <= nt__sizeclass_large(); c++)
            sum += s->slabs[c];
    return sum >> 32;
}

uint64_t invariants_cached(void)
{
    uint64_t units = 0;
    for (unsigned i = 0; i < nt__arenas_count(); i++)
        units += nt__arenas_get(i)->cached;
    return units;
}

uint64_t invariants_lent(void)
{
    uint64_t slices = 0;
    for (unsigned i = 0; i < nt__arenas_count(); i++)
        slices += nt__arenas_get(i)->committed;
    return slices;
}

const char *invariants_broken(void)
{
    uint64_t units = 0;
    for (struct nt_shard *s = nt__shard_first(); s; s = s->next)
        nt__shard_check(s); /* panics */
    for (unsigned i = 0; i < nt__arenas_count(); i++) {
        struct nt_arena *a = nt__arenas_get(i);
        nt__arena_check(a);
        const char *broken = check_extents(a);
        if (!broken)
            broken = check_partial(a);
        if (broken)
            return broken;
        if (a->bound > a->reserved || a->huge > a->reserved)
            return "more bound or huge than there is";
        units += a->reserved;
    }
    if (units > nt__window.limit >> NT_UNIT_SHIFT)
        return "more units than the window has";
    if (held_slices() > invariants_lent())
        return "shards hold more than the arenas lend";
    return check_map();
}
