/* SPDX-License-Identifier: MIT */
/* The public calls on large arrays and on where memory lies: division, migration, the
 * truth. prefault.c has what brings pages in. */
#include "numa/residency.h"
#include "pools/large.h"
#include "pools/pool.h"
#include "src/heap/calls.h"
#include "src/heap/figures.h"
#include "src/heap/heap.h"
#include "src/heap/start.h"

#include <errno.h>
#include <numatally/numa.h>
#include <string.h>

int nt_node_of(const void *p)
{
    NT_FORWARD(node_of(p));
    int saved = errno;
    nt__start();
    int node = nt__residency_of(p);
    errno = saved;
    return node;
}

int nt_residency(const void *p, size_t bytes, size_t most, struct nt_residency *out)
{
    NT_FORWARD(residency(p, bytes, most, out));
    if (!out || out->size != sizeof *out)
        return -EINVAL;
    int saved = errno;
    nt__start();
    int result = nt__residency_range(p, bytes, most, out);
    errno = saved;
    return result;
}

/* ---- Arrays in parts ---------------------------------------------------------------- */

/* Without a list: all with cpus; if none of them has memory, those that have. */
static bool read_nodes(const char *nodes, uint64_t *slots)
{
    if (nodes)
        return nt__topo_slots(nodes, slots);
    *slots = 0;
    for (unsigned i = 0; i < nt__topo()->nodes; i++)
        if (nt__topo()->node[i].has_cpus)
            *slots |= nt__topo_usable() & (uint64_t)1 << i;
    return *slots != 0 || nt__topo_slots("all", slots);
}

static void *divided(size_t size, uint64_t slots)
{
    int saved = errno;
    struct nt_shard *s = nt__heap_hold();
    void *p = s ? nt__large_malloc(s, size, 1, false) : NULL;
    if (p)
        nt__large_divide(nt__slab_header(p), slots);
    nt__heap_let_go();
    nt__figures_tick();
    errno = p ? saved : ENOMEM;
    return p;
}

void *nt_malloc_distributed(size_t size, const char *nodes)
{
    NT_FORWARD(malloc_distributed(size, nodes));
    uint64_t slots;
    nt__start();
    nt__start_check_fork();
    if (!read_nodes(nodes, &slots)) {
        errno = EINVAL;
        return NULL;
    }
    if (size > NT_CLASSED_MAX && (slots & (slots - 1)) != 0)
        return divided(size, slots);
    return nt_malloc_onnode(size, nt__topo()->node[__builtin_ctzll(slots)].id);
}

/* ---- Migration ---------------------------------------------------------------------- */

/* What mbind answers, in the words of numa.h. On one node, or a made-up machine, there
 * is nothing to move. */
static int outcome(int result)
{
    if (result == -ENOSYS)
        return 0;
    return result == -EIO ? -ENOMEM : result;
}

/* Slot of a node whose memory this process may take; -1: there is no such. */
static int usable_slot(int node)
{
    int slot = nt__topo_slot(node);
    return slot >= 0 && (nt__topo_usable() >> slot & 1) ? slot : -1;
}

int nt_migrate(void *p, int node)
{
    NT_FORWARD(migrate(p, node));
    int saved = errno;
    nt__start();
    int slot = usable_slot(node);
    struct nt_slab *slab = nt__window_has(p) ? nt__slab_of(p) : NULL;
    if (slot < 0 || !slab)
        return -EINVAL;
    if (slab->kind != NT_SLAB_LARGE)
        return -EOPNOTSUPP;
    if (p != nt__window_slice(slab))
        return -EINVAL;
    int result = outcome(nt__large_migrate(slab, (unsigned)slot));
    errno = saved;
    return result;
}

int nt_pool_migrate(struct nt_pool *pool, int node)
{
    NT_FORWARD(pool_migrate(pool, node));
    int saved = errno;
    nt__start_check_fork();
    int slot = usable_slot(node);
    if (!pool || slot < 0)
        return -EINVAL;
    struct nt_policy policy = {NT_PREFERRED, (uint64_t)1 << slot};
    struct nt_placement *placement = nt__placement_of(&policy);
    int result = placement ? outcome(nt__pool_migrate(pool, placement, (unsigned)slot))
                           : -ENOMEM;
    errno = saved;
    return result;
}
