/* SPDX-License-Identifier: MIT */
#include "numa/promise.h"

#include "numa/residency.h"

#define LEFT_LEAST (4 * NT_MIB) /* of each node; or a 64th of it, if more */
#define LEFT_MOST (256 * NT_MIB)

static uint64_t under_way; /* bytes that were asked about and are not mapped yet */

/* A `part`th of what is left alone is. */
static uint64_t beyond(uint64_t slots, unsigned part)
{
    uint64_t room = 0;
    for (; slots != 0; slots &= slots - 1) {
        unsigned slot = (unsigned)__builtin_ctzll(slots);
        uint64_t left = nt__max(LEFT_LEAST, nt__topo()->node[slot].memory_bytes / 64);
        uint64_t free = nt__topo_free_bytes(slot);
        left = nt__min(left, LEFT_MOST) / part;
        room += free > left ? free - left : 0;
    }
    return room;
}

uint64_t nt__promise_room(uint64_t slots)
{
    return beyond(slots, 1);
}

uint64_t nt__promise_touchable(uint64_t slots)
{
    return beyond(slots, 2);
}

/* What strict pieces mapped on any of these nodes may still take. */
static uint64_t owed(uint64_t slots)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < nt__arenas_count(); i++) {
        const struct nt_arena *a = nt__arenas_get(i);
        if (a->policy.mode == NT_BIND && (a->policy.slots & slots) != 0)
            bytes += nt__residency_owed(a);
    }
    return bytes;
}

/* On a made-up machine, and where mbind is refused, nothing binds and nobody is killed. */
bool nt__promise_is_kept(const struct nt_policy *policy)
{
    return policy->mode == NT_BIND && nt__bind_error() == 0;
}

bool nt__promise_begin(const struct nt_policy *policy, size_t bytes)
{
    if (!nt__promise_is_kept(policy))
        return true;
    uint64_t others = __atomic_fetch_add(&under_way, bytes, __ATOMIC_ACQ_REL);
    if (nt__promise_room(policy->slots) >= owed(policy->slots) + others + bytes)
        return true;
    __atomic_fetch_sub(&under_way, bytes, __ATOMIC_ACQ_REL);
    return false;
}

void nt__promise_end(const struct nt_policy *policy, size_t bytes)
{
    if (nt__promise_is_kept(policy))
        __atomic_fetch_sub(&under_way, bytes, __ATOMIC_ACQ_REL);
}

void nt__promise_fork_child(void)
{
    under_way = 0;
}
