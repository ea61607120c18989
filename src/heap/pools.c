/* SPDX-License-Identifier: MIT */
/* The public calls on explicit pools: checks of what the caller gave, then pools/. */
#include "numa/arenas.h"
#include "pools/misuse.h"
#include "pools/peak.h"
#include "pools/pool.h"
#include "src/base/os.h"
#include "src/heap/calls.h"
#include "src/heap/figures.h"
#include "src/heap/start.h"

#include <errno.h>
#include <numatally/numatally.h>
#include <string.h>

/* Of the options: the policy's nodes may be given apart from it. */
static bool read_policy(const struct nt_pool_options *o, struct nt_policy *policy)
{
    if (!o->policy && !o->nodes) {
        *policy = nt__placement_process()->policy;
        return true;
    }
    if (!o->nodes)
        return nt__policy_parse(o->policy, policy) == NULL;
    const char *mode = o->policy ? o->policy : "preferred-many";
    return nt__policy_make(mode, strlen(mode), o->nodes, policy) == NULL;
}

int nt_pool_create(const struct nt_pool_options *options, struct nt_pool **out)
{
    NT_FORWARD(pool_create(options, out));
    struct nt_pool_options o = {.size = sizeof o};
    if (!out || (options && options->size != sizeof o))
        return -EINVAL;
    if (options)
        o = *options;
    int saved = errno;
    nt__start();
    struct nt_policy policy;
    if (!read_policy(&o, &policy))
        return -EINVAL;
    struct nt_placement *placement = nt__placement_of(&policy);
    struct nt_pool *pool = placement ? nt__pool_new(o.name, o.limit, placement) : NULL;
    errno = saved;
    if (!pool)
        return -ENOMEM;
    *out = pool;
    return 0;
}

static void *allocate(struct nt_pool *pool, size_t size, size_t align, bool zero)
{
    int saved = errno;
    nt__start_check_fork();
    void *p = size > PTRDIFF_MAX ? NULL : nt__pool_malloc(pool, size, align, zero);
    nt__figures_tick();
    errno = p ? saved : ENOMEM;
    return p;
}

void *nt_pool_malloc(struct nt_pool *pool, size_t size)
{
    NT_FORWARD(pool_malloc(pool, size));
    return allocate(pool, size, 1, false);
}

void *nt_pool_calloc(struct nt_pool *pool, size_t count, size_t size)
{
    NT_FORWARD(pool_calloc(pool, count, size));
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return allocate(pool, bytes, 1, true);
}

void *nt_pool_aligned_alloc(struct nt_pool *pool, size_t alignment, size_t size)
{
    NT_FORWARD(pool_aligned_alloc(pool, alignment, size));
    if (!nt__is_pow2(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return allocate(pool, size, alignment, false);
}

void *nt_pool_realloc(struct nt_pool *pool, void *p, size_t size)
{
    NT_FORWARD(pool_realloc(pool, p, size));
    if (!p)
        return nt_pool_malloc(pool, size);
    const struct nt_slab *slab = nt__window_has(p) ? nt__slab_of(p) : NULL;
    const struct nt_shard *owner = NULL;
    if (slab)
        owner = slab->kind == NT_SLAB_LARGE ? slab->home : slab->owner;
    if (!owner || owner->pool != pool) {
        nt__misuse(NT_MISUSE_FOREIGN, "nt_pool_realloc", p);
        errno = EINVAL;
        return NULL;
    }
    return nt_realloc(p, size);
}

/* What came back may have made room below the limit that is watched. */
static void look_below(void)
{
    if (nt__peak_is_above())
        nt__peak_settle();
    nt__figures_tick();
}

void nt_pool_reset(struct nt_pool *pool)
{
    NT_FORWARD(pool_reset(pool));
    int saved = errno;
    nt__pool_empty(pool);
    look_below();
    errno = saved;
}

void nt_pool_destroy(struct nt_pool *pool)
{
    NT_FORWARD(pool_destroy(pool));
    int saved = errno;
    if (pool) {
        nt__pool_close(pool);
        look_below();
    }
    errno = saved;
}

int nt_pool_name(struct nt_pool *pool, const char *name)
{
    NT_FORWARD(pool_name(pool, name));
    if (!pool || !name || *name == '\0')
        return -EINVAL;
    nt__pool_rename(pool, name);
    return 0;
}
