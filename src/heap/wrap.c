/* SPDX-License-Identifier: MIT */
/*
 * The public calls on allocators as tables: checks of what the caller gave, then
 * src/track/wrap.c, which does the counting; and explicit pools as such tables.
 *
 * What the tables' calls have besides is what every call of ours has: a child that no fork
 * handler prepared is noticed, and what is due is done, when no lock is held.
 */
#include "src/track/wrap.h"

#include "src/heap/calls.h"
#include "src/heap/figures.h"
#include "src/heap/start.h"

#include <errno.h>

/* ---- Tracked allocators -------------------------------------------------------------------- */

static void *and_tick(void *p)
{
    int saved = errno;
    nt__figures_tick();
    errno = saved;
    return p;
}

static void *tracked_malloc(void *context, size_t size)
{
    nt__start_check_fork();
    return and_tick(nt__tracker_malloc(context, size));
}

static void *tracked_calloc(void *context, size_t count, size_t size)
{
    nt__start_check_fork();
    return and_tick(nt__tracker_calloc(context, count, size));
}

static void *tracked_realloc(void *context, void *p, size_t size)
{
    nt__start_check_fork();
    return and_tick(nt__tracker_realloc(context, p, size));
}

static void *tracked_aligned_alloc(void *context, size_t alignment, size_t size)
{
    nt__start_check_fork();
    return and_tick(nt__tracker_aligned_alloc(context, alignment, size));
}

static void tracked_free(void *context, void *p)
{
    nt__start_check_fork();
    nt__tracker_free(context, p);
}

static size_t tracked_usable_size(void *context, void *p)
{
    nt__start_check_fork();
    return nt__tracker_usable_size(context, p);
}

int nt_tracked(const struct nt_allocator *inner, const char *name,
               struct nt_allocator *out)
{
    NT_FORWARD(tracked(inner, name, out));
    if (!inner || !out || inner->size != sizeof *inner || !inner->malloc ||
        !inner->free || (name && *name == '\0'))
        return -EINVAL;
    int saved = errno;
    nt__start();
    nt__start_check_fork();
    struct nt_tracker *t = nt__tracker_new(inner, name);
    nt__figures_tick();
    errno = saved;
    if (!t)
        return -ENOMEM;
    *out = (struct nt_allocator){.size = sizeof *out,
                                 .context = t,
                                 .malloc = tracked_malloc,
                                 .calloc = tracked_calloc,
                                 .realloc = tracked_realloc,
                                 .aligned_alloc = tracked_aligned_alloc,
                                 .free = tracked_free,
                                 .usable_size = tracked_usable_size};
    return 0;
}

/* Of a table that nt_tracked may have filled; NULL: it has not. */
static const void *tracker_of(const struct nt_allocator *tracked)
{
    if (!tracked || tracked->size != sizeof *tracked ||
        tracked->malloc != tracked_malloc)
        return NULL;
    nt__start_check_fork();
    return tracked->context;
}

int nt_tracked_figures(const struct nt_allocator *tracked,
                       struct nt_tracked_figures *out)
{
    NT_FORWARD(tracked_figures(tracked, out));
    const void *t = tracker_of(tracked);
    return t && out ? nt__tracker_figures(t, out) : -EINVAL;
}

int nt_tracked_reset(const struct nt_allocator *tracked)
{
    NT_FORWARD(tracked_reset(tracked));
    const void *t = tracker_of(tracked);
    return t ? nt__tracker_reset(t) : -EINVAL;
}

int nt_tracked_forget(const struct nt_allocator *tracked)
{
    NT_FORWARD(tracked_forget(tracked));
    const void *t = tracker_of(tracked);
    int saved = errno;
    int result = t ? nt__tracker_forget(t) : -EINVAL;
    errno = saved;
    return result;
}

int nt_tracked_release(const struct nt_allocator *tracked)
{
    NT_FORWARD(tracked_release(tracked));
    const void *t = tracker_of(tracked);
    int saved = errno;
    int result = t ? nt__tracker_release(t) : -EINVAL;
    nt__figures_tick();
    errno = saved;
    return result;
}

long nt_snapshot_tracked(struct nt_tracked_figures *out, size_t max)
{
    NT_FORWARD(snapshot_tracked(out, max));
    if (!out && max != 0)
        return -EINVAL;
    int saved = errno;
    nt__start();
    nt__start_check_fork();
    size_t n = 0;
    nt__trackers_read(out, max, true, &n);
    nt__figures_tick();
    errno = saved;
    return (long)n;
}

/* ---- Pools ------------------------------------------------------------------------------- */

static void *pool_malloc(void *context, size_t size)
{
    return nt_pool_malloc(context, size);
}

static void *pool_calloc(void *context, size_t count, size_t size)
{
    return nt_pool_calloc(context, count, size);
}

static void *pool_realloc(void *context, void *p, size_t size)
{
    return nt_pool_realloc(context, p, size);
}

static void *pool_aligned_alloc(void *context, size_t alignment, size_t size)
{
    return nt_pool_aligned_alloc(context, alignment, size);
}

static void pool_free(void *context, void *p)
{
    (void)context; /* the block knows its pool */
    nt_free(p);
}

static size_t pool_usable_size(void *context, void *p)
{
    (void)context;
    return nt_usable_size(p);
}

int nt_pool_allocator(struct nt_pool *pool, struct nt_allocator *out)
{
    NT_FORWARD(pool_allocator(pool, out));
    if (!pool || !out)
        return -EINVAL;
    *out = (struct nt_allocator){.size = sizeof *out,
                                 .context = pool,
                                 .malloc = pool_malloc,
                                 .calloc = pool_calloc,
                                 .realloc = pool_realloc,
                                 .aligned_alloc = pool_aligned_alloc,
                                 .free = pool_free,
                                 .usable_size = pool_usable_size};
    return 0;
}
