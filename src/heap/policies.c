/* SPDX-License-Identifier: MIT */
/* The public calls that allocate under a policy: the thread's, or one allocation's. */
#include "pools/pool.h"
#include "src/heap/calls.h"
#include "src/heap/figures.h"
#include "src/heap/heap.h"
#include "src/heap/start.h"
#include "src/heap/thread.h"

#include <errno.h>
#include <numatally/numa.h>
#include <string.h>

int nt_thread_policy(const char *policy)
{
    NT_FORWARD(thread_policy(policy));
    int saved = errno;
    nt__start();
    nt__start_check_fork();
    struct nt_placement *placement = nt__placement_process();
    if (policy) {
        struct nt_policy p;
        if (nt__policy_parse(policy, &p) != NULL)
            return -EINVAL;
        placement = nt__placement_of(&p);
    }
    bool placed = placement && nt__thread_place(placement);
    errno = saved;
    return placed ? 0 : -ENOMEM;
}

/* The pool that single allocations under a policy come from: made once, kept. */
static struct nt_pool *pool_of(const struct nt_policy *policy)
{
    static struct nt_pool *pools[NT_PLACEMENTS];
    struct nt_placement *placement = nt__placement_of(policy);
    if (!placement)
        return NULL;
    struct nt_pool **place = &pools[placement->index];
    struct nt_pool *pool = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (pool)
        return pool;
    char name[NT_POLICY_NAME_MAX];
    nt__policy_name(policy, name, sizeof name);
    pool = nt__pool_new(name, 0, placement, NULL);
    struct nt_pool *none = NULL;
    if (pool && !__atomic_compare_exchange_n(place, &none, pool, false,
                                             __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        nt__pool_close(pool);
        pool = none;
    }
    return pool;
}

static void *allocate(size_t size, size_t align, const struct nt_policy *policy)
{
    if (nt__topo()->nodes == 1)
        return nt_aligned_alloc(align, size);
    int saved = errno;
    nt__start_check_fork();
    struct nt_pool *pool = size <= PTRDIFF_MAX ? pool_of(policy) : NULL;
    void *p = pool ? nt__pool_malloc(pool, size, align, false) : NULL;
    nt__figures_tick();
    errno = p ? saved : ENOMEM;
    return p;
}

void *nt_malloc_policy(size_t size, const char *policy)
{
    NT_FORWARD(malloc_policy(size, policy));
    struct nt_policy p;
    nt__start();
    if (!policy || nt__policy_parse(policy, &p) != NULL) {
        errno = EINVAL;
        return NULL;
    }
    return allocate(size, 1, &p);
}

void *nt_aligned_alloc_onnode(size_t alignment, size_t size, int node)
{
    NT_FORWARD(aligned_alloc_onnode(alignment, size, node));
    nt__start();
    int slot = nt__topo_slot(node);
    if (slot < 0 || !(nt__topo_usable() >> slot & 1) || !nt__is_pow2(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return allocate(size, alignment,
                    &(struct nt_policy){NT_PREFERRED, (uint64_t)1 << slot});
}

void *nt_malloc_onnode(size_t size, int node)
{
    return nt_aligned_alloc_onnode(1, size, node);
}
