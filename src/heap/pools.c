/* SPDX-License-Identifier: MIT */
/*
 * The public calls on explicit pools: checks of what the caller gave, then pools/; and the
 * pools' figures, the process's own heap among them.
 */
#include "numa/arenas.h"
#include "pools/misuse.h"
#include "pools/peak.h"
#include "pools/pool.h"
#include "src/base/os.h"
#include "src/heap/calls.h"
#include "src/heap/figures.h"
#include "src/heap/start.h"

#include <errno.h>
#include <numatally/stats.h>
#include <string.h>

/* What the process's own heap had counted before the fork. */
static struct nt_sums process_base;

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

/* What the options had before there were tables of sizes. */
#define OPTIONS_SIZE_FIRST offsetof(struct nt_pool_options, classes)

static bool read_options(const struct nt_pool_options *options,
                         struct nt_pool_options *o)
{
    if (options && (options->size != sizeof *o && options->size != OPTIONS_SIZE_FIRST))
        return false;
    if (options)
        memcpy(o, options, options->size);
    return (!o->classes && o->class_count == 0) ||
           (o->classes && nt__sizeclass_fit(o->classes, o->class_count));
}

int nt_pool_create(const struct nt_pool_options *options, struct nt_pool **out)
{
    NT_FORWARD(pool_create(options, out));
    struct nt_pool_options o = {.size = sizeof o};
    if (!out || !read_options(options, &o))
        return -EINVAL;
    int saved = errno;
    nt__start();
    struct nt_policy policy;
    if (!read_policy(&o, &policy))
        return -EINVAL;
    struct nt_sizetable sizes = {0};
    if (o.classes && !nt__pool_sizes(o.classes, (unsigned)o.class_count, &sizes))
        return -ENOSPC;
    struct nt_placement *placement = nt__placement_of(&policy);
    struct nt_pool *pool =
        placement ? nt__pool_new(o.name, o.limit, placement, &sizes) : NULL;
    nt__figures_tick();
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
    int saved = errno;
    nt__pool_rename(pool, name);
    nt__figures_tick();
    errno = saved;
    return 0;
}

/* ---- Figures ----------------------------------------------------------------------------- */

/* `sums`: all that was ever counted; what `base` has of it was not this pool's. */
static void fill_pool(struct nt_pool_figures *out, const struct nt_sums *sums,
                      const struct nt_sums *base)
{
    struct nt_sums own = *sums;
    nt__sums_subtract(&own, base);
    out->allocations_total = own.allocs;
    out->allocated_bytes_total = own.allocated;
    out->requested_bytes_total = own.requested;
    out->frees_total = own.frees;
    out->freed_bytes_total = own.freed;
    out->live_blocks_now = nt__not_below_zero(sums->allocs - sums->frees);
    out->live_bytes_now = nt__not_below_zero(sums->allocated - sums->freed);
    if (out->live_bytes_peak < out->live_bytes_now)
        out->live_bytes_peak = out->live_bytes_now;
}

static struct nt_sums process_sums(void)
{
    struct nt_sums sums = {0};
    for (const struct nt_shard *s = nt__shard_first(); s; s = s->next)
        if (!s->pool)
            nt__sums_add_shard(&sums, s);
    return sums;
}

static void fill_process(struct nt_pool_figures *out)
{
    struct nt_sums sums = process_sums();
    uint64_t committed = 0;
    memcpy(out->name, "process", sizeof "process");
    for (unsigned i = 0; i < nt__arenas_count(); i++)
        committed += nt__count_read(&nt__arenas_get(i)->committed);
    for (const struct nt_pool *p = nt__pool_first(); p; p = p->next)
        committed -= nt__count_read(&p->budget.held);
    out->committed_bytes_now = nt__not_below_zero(committed) << NT_SLICE_SHIFT;
    out->live_bytes_peak = nt__peak_above(&nt__peaks()->process, 0);
    fill_pool(out, &sums, &process_base);
}

static void fill_explicit(struct nt_pool_figures *out, const struct nt_pool *p)
{
    struct nt_sums sums = nt__pool_sums(p);
    memcpy(out->name, p->name, sizeof out->name);
    for (unsigned i = 0; i < NT_TOPO_NODES; i++) {
        const struct nt_shard *s = __atomic_load_n(&p->shard[i], __ATOMIC_ACQUIRE);
        out->live_bytes_peak += s ? nt__peak_above(&s->live_peak, 0) : 0;
    }
    out->limit_bytes = p->limit;
    out->committed_bytes_now = nt__count_read(&p->budget.held) << NT_SLICE_SHIFT;
    fill_pool(out, &sums, &p->base);
}

bool nt__pools_read(struct nt_pool_figures *out, size_t max, bool wait, size_t *n)
{
    if (!nt__pool_register_lock(wait))
        return false;
    *n = 1;
    if (max > 0) {
        memset(out, 0, max * sizeof *out);
        fill_process(out);
    }
    for (const struct nt_pool *p = nt__pool_first(); p; p = p->next) {
        if (!p->open)
            continue;
        if (*n < max)
            fill_explicit(&out[*n], p);
        ++*n;
    }
    nt__pool_register_unlock();
    return true;
}

long nt_snapshot_pools(struct nt_pool_figures *out, size_t max)
{
    NT_FORWARD(snapshot_pools(out, max));
    if (!out && max != 0)
        return -EINVAL;
    int saved = errno;
    nt__start();
    size_t n = 0;
    nt__pools_read(out, max, true, &n);
    nt__figures_tick();
    errno = saved;
    return (long)n;
}

void nt__pools_begin_child(void)
{
    process_base = process_sums();
    for (struct nt_pool *p = nt__pool_first(); p; p = p->next)
        p->base = nt__pool_sums(p);
}
