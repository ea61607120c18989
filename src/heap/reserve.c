/* SPDX-License-Identifier: MIT */
#include "src/heap/reserve.h"

#include "numa/arenas.h"
#include "numa/promise.h"
#include "src/base/fmt.h"
#include "src/base/os.h"

#include <errno.h>

#define STEP (16 * NT_MIB)
#define LEFT (64 * NT_MIB) /* of a node is not touched, that others may go on */

/* The slots that threads are served from, wherever they run. */
static uint64_t slots_served(const struct nt_placement *p)
{
    uint64_t served = 0;
    for (unsigned i = 0; i < nt__topo()->nodes; i++)
        if (nt__topo()->node[i].has_cpus)
            served |= (uint64_t)1 << p->serve[i];
    return served;
}

/* What may be touched on the node. Where nobody knows: anything. */
static size_t left_on(unsigned slot)
{
    if (nt__topo()->node[slot].memory_bytes == 0)
        return SIZE_MAX;
    size_t bytes = nt__topo_free_bytes(slot);
    return bytes > LEFT ? bytes - LEFT : 0;
}

static int touch(const struct nt_arena *a, char *at, size_t bytes)
{
    bool strict = nt__bind_is_strict(&a->policy);
    if (left_on(a->slot) < bytes ||
        (strict && nt__promise_touchable(a->policy.slots) < bytes))
        return -ENOMEM;
    return nt__populate((uintptr_t)at, bytes);
}

/* The arena's memory is touched where the kernel puts it for the arena: not where it is the
 * toucher's node that counts. It is kept as used memory is. */
static void prefault(struct nt_arena *a, size_t slices)
{
    size_t all = slices << NT_SLICE_SHIFT, done = 0, most = left_on(a->slot);
    int id = nt__topo()->node[a->slot].id, result = 0;
    int refused = nt__bind_error();
    bool clean;
    if (refused != 0 && refused != -ENOSYS && a->policy.mode != NT_INHERIT) {
        nt__warn("prefault:on is left out on node %d: memory cannot be bound here (%s)",
                 id, nt__errno_text(-refused));
        return;
    }
    char *run = nt__arena_take(a, slices, NT_UNIT, &clean);
    while (run && result == 0 && done < all) {
        size_t step = nt__min(STEP, all - done);
        result = step > most - done ? -ENOMEM : touch(a, run + done, step);
        done += result == 0 ? step : 0;
    }
    if (run && done != 0)
        nt__arena_give(a, run, done >> NT_SLICE_SHIFT, false);
    if (run && done != all)
        nt__arena_give(a, run + done, (all - done) >> NT_SLICE_SHIFT, true);
    if (result != 0)
        nt__warn("prefault:on: of %zu MiB on node %d %zu MiB are brought in (%s); the "
                 "rest comes as it is used",
                 all / NT_MIB, id, done / NT_MIB,
                 result == -ENOMEM ? "the node has no more that is free"
                                   : nt__errno_text(-result));
}

static void reserve(const struct nt_conf *conf, unsigned slot, uint64_t bytes)
{
    struct nt_arena *a = nt__placement_arena(nt__placement_process(), slot);
    uint32_t units = (uint32_t)((bytes + NT_UNIT - 1) >> NT_UNIT_SHIFT);
    size_t all = (size_t)units << NT_UNIT_SHIFT;
    if (!a || units == 0)
        return;
    nt__arena_keep(a, units);
    if (!nt__os_would_give(all) || !nt__arena_grow(a, units)) {
        nt__warn("reserve: the %zu MiB for node %d cannot be mapped: no memory, a "
                 "limit (ulimit -v), or too little free for policy:bind; memory is "
                 "taken as it is needed, and so much of it kept",
                 all / NT_MIB, nt__topo()->node[slot].id);
        return;
    }
    if (conf->prefault)
        prefault(a, (size_t)units * NT_UNIT_SLICES);
}

static void reserve_on(const struct nt_conf *conf, uint64_t served, size_t i)
{
    int slot = nt__topo_slot(conf->reserve.node[i]);
    if (slot < 0)
        nt__warn("reserve: there is no node %d here; its part is ignored. `numatally "
                 "topo' shows the nodes",
                 conf->reserve.node[i]);
    else if (!(served >> slot & 1))
        nt__warn("reserve: no thread is served from node %d under this policy; its "
                 "part is ignored",
                 conf->reserve.node[i]);
    else
        reserve(conf, (unsigned)slot, conf->reserve.bytes[i]);
}

void nt__reserve_start(const struct nt_conf *conf)
{
    const struct nt_reserve *r = &conf->reserve;
    if (!nt__conf_is_meant || (r->each == 0 && r->count == 0))
        return;
    uint64_t served = slots_served(nt__placement_process());
    for (size_t i = 0; i < r->count; i++)
        reserve_on(conf, served, i);
    for (unsigned slot = 0; slot < nt__topo()->nodes; slot++)
        if (served >> slot & 1)
            reserve(conf, slot, r->each);
}
