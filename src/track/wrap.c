/* SPDX-License-Identifier: MIT */
#include "src/track/wrap.h"

#include "src/base/fmt.h"
#include "src/base/meta.h"
#include "src/track/count.h"

#include <errno.h>
#include <string.h>

#define USUAL_ALIGNMENT 16 /* of what malloc gives */

static struct {
    struct nt_lock lock;
    struct nt_tracker *first; /* written under `lock`, followed by anyone */
    struct nt_tracker *last;
    unsigned created;
    uint64_t open; /* trackers; written under `lock`, read by anyone */
} trackers = {.lock = NT_LOCK_INIT(NT_RANK_REGISTER)};

static bool is_open(const struct nt_tracker *t)
{
    return __atomic_load_n(&t->open, __ATOMIC_RELAXED);
}

/* ---- The calls --------------------------------------------------------------------------- */

static void *failed(struct nt_tracker *t, int error)
{
    __atomic_add_fetch(&t->failed, 1, __ATOMIC_RELAXED);
    errno = error;
    return NULL;
}

/* The caller's errno. It is 0 while inner runs: what is said then is inner's. */
static int begin(void)
{
    int saved = errno;
    errno = 0;
    return saved;
}

static void *failed_inside(struct nt_tracker *t)
{
    return failed(t, errno != 0 ? errno : ENOMEM);
}

static void give_back(struct nt_tracker *t, void *p)
{
    t->inner.free(t->inner.context, p);
}

/* What inner gave, for the caller. */
static void *counted(struct nt_tracker *t, void *p, size_t size, int saved)
{
    if (NT_UNLIKELY(!p))
        return failed_inside(t);
    if (NT_UNLIKELY(!nt__blocks_add(&t->blocks, p, size))) {
        give_back(t, p);
        return failed(t, ENOMEM);
    }
    errno = saved;
    return p;
}

void *nt__tracker_malloc(struct nt_tracker *t, size_t size)
{
    if (NT_UNLIKELY(!is_open(t)))
        return failed(t, EINVAL);
    int saved = begin();
    return counted(t, t->inner.malloc(t->inner.context, size), size, saved);
}

void *nt__tracker_calloc(struct nt_tracker *t, size_t count, size_t size)
{
    size_t bytes;
    if (NT_UNLIKELY(!is_open(t)))
        return failed(t, EINVAL);
    if (__builtin_mul_overflow(count, size, &bytes))
        return failed(t, ENOMEM);
    int saved = begin();
    void *p;
    if (t->inner.calloc) {
        p = t->inner.calloc(t->inner.context, count, size);
    } else {
        p = t->inner.malloc(t->inner.context, bytes);
        if (p)
            memset(p, 0, bytes);
    }
    return counted(t, p, bytes, saved);
}

void *nt__tracker_aligned_alloc(struct nt_tracker *t, size_t alignment, size_t size)
{
    const struct nt_allocator *inner = &t->inner;
    if (NT_UNLIKELY(!is_open(t)) || !nt__is_pow2(alignment))
        return failed(t, EINVAL);
    if (!inner->aligned_alloc && alignment > USUAL_ALIGNMENT)
        return failed(t, ENOTSUP);
    int saved = begin();
    void *p = inner->aligned_alloc
                  ? inner->aligned_alloc(inner->context, alignment, size)
                  : inner->malloc(inner->context, size);
    if (p && (uintptr_t)p % alignment != 0) { /* less than malloc must do */
        give_back(t, p);
        return failed(t, ENOTSUP);
    }
    return counted(t, p, size, saved);
}

/* realloc where inner has none. There are two blocks for a moment. */
static void *move_by_copy(struct nt_tracker *t, void *p, size_t size)
{
    size_t old;
    if (!nt__blocks_find(&t->blocks, p, &old)) {
        if (!t->inner.usable_size)
            return failed(t, EINVAL);
        int saved = errno;
        old = t->inner.usable_size(t->inner.context, p);
        errno = saved;
    }
    void *q = nt__tracker_malloc(t, size);
    if (!q)
        return NULL;
    memcpy(q, p, nt__min(old, size));
    nt__tracker_free(t, p);
    return q;
}

void *nt__tracker_realloc(struct nt_tracker *t, void *p, size_t size)
{
    size_t old;
    if (NT_UNLIKELY(!is_open(t)))
        return failed(t, EINVAL);
    if (!p)
        return nt__tracker_malloc(t, size);
    if (size == 0) {
        nt__tracker_free(t, p);
        return NULL;
    }
    if (!t->inner.realloc)
        return move_by_copy(t, p, size);
    int saved = begin();
    bool known = nt__blocks_take(&t->blocks, p, &old);
    void *q = t->inner.realloc(t->inner.context, p, size);
    int error = errno;
    if (known)
        nt__blocks_settle(&t->blocks, p, old, q, size);
    else if (q)
        nt__blocks_adopt(&t->blocks, p, q, size);
    errno = q ? saved : error;
    return q ? q : failed_inside(t);
}

void nt__tracker_free(struct nt_tracker *t, void *p)
{
    if (!p)
        return;
    int saved = errno;
    if (NT_LIKELY(is_open(t)))
        nt__blocks_remove(&t->blocks, p);
    give_back(t, p);
    errno = saved;
}

size_t nt__tracker_usable_size(struct nt_tracker *t, void *p)
{
    size_t size = 0;
    if (p && t->inner.usable_size)
        size = t->inner.usable_size(t->inner.context, p);
    else if (p && !nt__blocks_find(&t->blocks, p, &size))
        size = 0;
    return size;
}

/* ---- The register ------------------------------------------------------------------------ */

/* A closed one to use again, or a new one. Under the lock. */
static struct nt_tracker *find_unused(void)
{
    struct nt_tracker *t = trackers.first;
    while (t && (t->open || t->closing))
        t = t->next;
    if (t)
        return t;
    t = nt__meta_alloc(sizeof *t, NT_CACHE_LINE);
    if (!t)
        return NULL;
    if (trackers.last)
        trackers.last->next = t;
    else
        trackers.first = t;
    trackers.last = t;
    return t;
}

/* What was counted by now is no longer shown. Under the lock. */
static void begin_anew(struct nt_tracker *t)
{
    nt__blocks_sums(&t->blocks, &t->base);
    t->failed_base = nt__count_read(&t->failed);
    nt__blocks_restart_peak(&t->blocks);
}

struct nt_tracker *nt__tracker_new(const struct nt_allocator *inner, const char *name)
{
    nt__lock(&trackers.lock);
    struct nt_tracker *t = find_unused();
    if (t) {
        trackers.created++;
        if (name)
            nt__name_copy(t->name, sizeof t->name, name);
        else
            nt__fmt_into(t->name, sizeof t->name, "tracked-%u", trackers.created);
        t->inner = *inner;
        begin_anew(t);
        __atomic_store_n(&t->open, true, __ATOMIC_RELAXED);
        nt__count_add(&trackers.open, 1);
    }
    nt__unlock(&trackers.lock);
    return t;
}

/* The open tracker at `p`, or NULL. Under the lock. */
static struct nt_tracker *find(const void *p)
{
    struct nt_tracker *t = trackers.first;
    while (t && (t != p || !t->open))
        t = t->next;
    return t;
}

/* A block's free may be read and its allocation not yet. */
static uint64_t not_below_zero(uint64_t difference)
{
    return (int64_t)difference < 0 ? 0 : difference;
}

static void fill(struct nt_tracked_figures *out, const struct nt_tracker *t)
{
    struct nt_block_counts sums;
    const struct nt_block_counts *base = &t->base;
    nt__blocks_sums(&t->blocks, &sums);
    int64_t live = __atomic_load_n(&t->blocks.live, __ATOMIC_RELAXED);
    int64_t peak = __atomic_load_n(&t->blocks.peak, __ATOMIC_RELAXED);
    memcpy(out->name, t->name, sizeof out->name);
    out->allocations_total = sums.allocations - base->allocations;
    out->requested_bytes_total = sums.requested - base->requested;
    out->reallocs_in_place_total = sums.in_place - base->in_place;
    out->frees_total = sums.frees - base->frees;
    out->freed_requested_bytes_total = sums.freed - base->freed;
    out->live_blocks_now = not_below_zero(sums.allocations - sums.frees);
    out->live_requested_bytes_now = not_below_zero((uint64_t)live);
    out->live_requested_bytes_peak =
        not_below_zero((uint64_t)(peak > live ? peak : live));
    out->failed_total = nt__count_read(&t->failed) - t->failed_base;
    out->foreign_frees_total = sums.foreign - base->foreign;
    for (unsigned i = 0; i < NT_TRACKED_SIZES; i++)
        out->sizes[i] = sums.sizes[i] - base->sizes[i];
}

int nt__tracker_figures(const void *p, struct nt_tracked_figures *out)
{
    nt__lock(&trackers.lock);
    const struct nt_tracker *t = find(p);
    if (t)
        fill(out, t);
    nt__unlock(&trackers.lock);
    return t ? 0 : -EINVAL;
}

int nt__tracker_reset(const void *p)
{
    nt__lock(&trackers.lock);
    struct nt_tracker *t = find(p);
    if (t)
        begin_anew(t);
    nt__unlock(&trackers.lock);
    return t ? 0 : -EINVAL;
}

int nt__tracker_forget(const void *p)
{
    nt__lock(&trackers.lock);
    struct nt_tracker *t = find(p);
    nt__unlock(&trackers.lock);
    if (t)
        nt__blocks_close(&t->blocks);
    return t ? 0 : -EINVAL;
}

int nt__tracker_release(const void *p)
{
    struct nt_block_counts sums;
    int result = -EINVAL;
    nt__lock(&trackers.lock);
    struct nt_tracker *t = find(p);
    if (t) {
        nt__blocks_sums(&t->blocks, &sums);
        result = sums.allocations == sums.frees ? 0 : -EBUSY;
    }
    if (result == 0) {
        __atomic_store_n(&t->open, false, __ATOMIC_RELAXED);
        nt__count_add(&trackers.open, (uint64_t)-1);
        t->closing = true;
    }
    nt__unlock(&trackers.lock);
    if (result != 0)
        return result;
    nt__blocks_close(&t->blocks);
    nt__lock(&trackers.lock);
    t->closing = false;
    nt__unlock(&trackers.lock);
    return 0;
}

bool nt__trackers_read(struct nt_tracked_figures *out, size_t max, bool wait, size_t *n)
{
    if (!nt__lock_or_try(&trackers.lock, wait))
        return false;
    *n = 0;
    for (const struct nt_tracker *t = trackers.first; t; t = t->next) {
        if (!t->open)
            continue;
        if (*n < max)
            fill(&out[*n], t);
        ++*n;
    }
    nt__unlock(&trackers.lock);
    return true;
}

uint64_t nt__trackers_count(void)
{
    return nt__count_read(&trackers.open);
}

/* ---- fork -------------------------------------------------------------------------------- */

void nt__trackers_fork_lock(void)
{
    nt__lock_for_fork(&trackers.lock);
    nt__blocks_fork_lock();
}

void nt__trackers_fork_unlock(enum nt_fork how)
{
    uint32_t torn = nt__blocks_fork_unlock(how);
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&trackers.lock);
        return;
    }
    nt__lock_init(&trackers.lock, NT_RANK_REGISTER);
    for (struct nt_tracker *t = trackers.first; t; t = t->next) {
        nt__blocks_forget(&t->blocks, torn);
        begin_anew(t);
        t->closing = false; /* its tables are empty, if there are any left */
    }
}
