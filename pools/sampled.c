/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "pools/sampled.h"

#include "pools/guarded.h"
#include "pools/misuse.h"

#include <errno.h>
#include <unistd.h>

enum { GRAIN = NT_GRAIN, SMALL = NT_SMALL_MAX, CLASSED = NT_CLASSED_MAX };
_Static_assert(GRAIN == NT_SIZE_GRAIN && SMALL == NT_SIZE_FINE &&
                   CLASSED == NT_SIZE_MAX,
               "sizes are told apart as classes are found");

static struct {
    struct nt_lock lock;
    struct nt_shard *of[NT_ARENAS]; /* the hidden ones, by arena; under `lock` */
} hidden = {.lock = NT_LOCK_INIT(NT_RANK_SAMPLED)};

/* The kernel's number of the calling thread, asked once. */
static _Thread_local int32_t tid __attribute__((tls_model("initial-exec")));

static int32_t this_thread(void)
{
    if (tid == 0)
        tid = gettid();
    return tid;
}

/* ---- Draws --------------------------------------------------------------------------- */

#define ASKED_BYTES (128 * NT_KIB) /* at least */
#define ASKED_BLOCKS 16u
#define NEVER ((uint64_t)1 << 62)

/* Does a thread ask for its node now and then? Larger sizes ask each time (src/heap/alloc.c). */
static bool asks(const struct nt_shard *s, unsigned c)
{
    return nt__topo()->nodes > 1 && !s->pool && c < nt__sizeclasses.process &&
           nt__sizeclasses.size[c] <= NT_SMALL_MAX;
}

/* The class's next sample falls `draw` bytes behind what was asked for by now. 0: none does. */
static void set(struct nt_shard *s, unsigned c, uint64_t draw)
{
    struct nt_sampling *st = &s->sampling;
    uint64_t total = s->requested[c] + s->drawn[c];
    if (asks(s, c)) {
        uint64_t bytes = draw != 0 ? draw : NEVER;
        draw = nt__min(bytes,
                       nt__max(ASKED_BYTES, ASKED_BLOCKS * nt__sizeclasses.size[c]));
        s->beyond[c] = bytes - draw;
    }
    /* Each store's release keeps the ones before it before it. */
    __atomic_store_n(&st->class, c, __ATOMIC_RELEASE);
    __atomic_store_n(&st->total, total, __ATOMIC_RELEASE);
    __atomic_store_n(&st->changes, st->changes + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&s->requested[c], -draw, __ATOMIC_RELEASE);
    __atomic_store_n(&s->drawn[c], total + draw, __ATOMIC_RELEASE);
    __atomic_store_n(&st->changes, st->changes + 1, __ATOMIC_RELEASE);
}

static void restart(struct nt_shard *s, unsigned c)
{
    set(s, c, nt__profile_draw(s->sampling.interval));
}

uint64_t nt__sampled_both(const struct nt_shard *s, unsigned c)
{
    const struct nt_sampling *st = &s->sampling;
    for (;;) {
        /* Each load's acquire keeps the ones behind it behind it. */
        uint32_t changes = __atomic_load_n(&st->changes, __ATOMIC_ACQUIRE);
        uint64_t total = __atomic_load_n(&s->requested[c], __ATOMIC_ACQUIRE) +
                         __atomic_load_n(&s->drawn[c], __ATOMIC_ACQUIRE);
        if (changes % 2 != 0 && __atomic_load_n(&st->class, __ATOMIC_ACQUIRE) == c)
            total = __atomic_load_n(&st->total, __ATOMIC_ACQUIRE);
        if (__atomic_load_n(&st->changes, __ATOMIC_RELAXED) == changes)
            return total;
    }
}

void nt__sampled_start(void)
{
    if (nt__topo()->nodes > 1)
        nt__profile_renew(); /* so they begin to ask */
}

void nt__sampled_follow(struct nt_shard *s)
{
    struct nt_sampling *st = &s->sampling;
    __atomic_store_n(&st->generation,
                     __atomic_load_n(&nt__sampler.generation, __ATOMIC_ACQUIRE),
                     __ATOMIC_RELAXED); /* restart's stores come after it */
    st->interval =
        st->never ? 0 : __atomic_load_n(&nt__sampler.interval, __ATOMIC_RELAXED);
    for (unsigned c = 0; !st->never && c < NT_CLASSES; c++) /* of those to come, too */
        restart(s, c);
}

/* Such a point was reached in class `c`: the interval it was drawn by, and the next is drawn. 0:
 * no sample is to be taken. */
static uint64_t reach(struct nt_shard *s, unsigned c)
{
    uint64_t interval = s->sampling.interval, passed = s->requested[c];
    uint64_t beyond = s->beyond[c];
    if (beyond != 0 && nt__shard_is_elsewhere(s))
        nt__shard_forget(s);
    if (beyond > passed) {
        set(s, c, beyond - passed);
        return 0;
    }
    restart(s, c);
    nt__sampled_sync(s);
    return s->sampling.inside || s->sampling.interval == 0 ? 0 : interval;
}

/* ---- Allocations --------------------------------------------------------------------- */

/* As samples have it. What is aligned to more than a slice is a large block. */
static uint32_t alignment(const struct nt_asked *asked)
{
    return asked->align > NT_GRAIN ? (uint32_t)asked->align : 0;
}

static struct nt_sample sample_of(struct nt_shard *s, const struct nt_asked *asked,
                                  uint64_t interval)
{
    return (struct nt_sample){
        .size = asked->size,
        .held = asked->held,
        .align = alignment(asked),
        .interval = interval,
        .home = s,
        .tid = this_thread(),
        .node = nt__topo()->node[s->slot].id,
    };
}

/* The hidden shard for what `s` allocates. Under the lock. NULL: no memory. */
static struct nt_shard *hidden_for(const struct nt_shard *s)
{
    struct nt_shard **of = &hidden.of[s->arena->index];
    if (!*of) {
        *of = nt__shard_new(s->placement, s->slot, NULL);
        if (*of)
            (*of)->sampling.never = (*of)->sampling.hidden = true;
    }
    return *of;
}

struct nt_shard *nt__hidden_lock(const struct nt_shard *s)
{
    nt__lock(&hidden.lock);
    return s ? hidden_for(s) : NULL;
}

void nt__hidden_unlock(void)
{
    nt__unlock(&hidden.lock);
}

/* For a large block: no class serves it, whatever it holds. */
static struct nt_asked large(size_t size)
{
    return (struct nt_asked){size, nt__max(size, NT_CLASSED_MAX + 1), 1};
}

/* A hidden shard's block, which is counted in `s` already. At no moment are two counted. */
static void *take(struct nt_shard *s, unsigned c, const struct nt_asked *asked)
{
    bool zeroed;
    void *p = NULL;
    nt__count_add(&s->allocs[c], (uint64_t)-1);
    nt__lock(&hidden.lock);
    struct nt_shard *from = hidden_for(s);
    if (from)
        p = nt__shard_malloc(from, c, asked, &zeroed);
    if (p) {
        nt__count_add(&from->allocs[c], (uint64_t)-1);
        nt__count_add(&from->requested[c], -(uint64_t)asked->size);
    }
    nt__unlock(&hidden.lock);
    nt__count_add(&s->allocs[c], 1);
    return p;
}

static void put_back(struct nt_slab *slab, void *p)
{
    nt__lock(&hidden.lock);
    nt__shard_put(slab->owner, slab, p, false);
    nt__unlock(&hidden.lock);
}

static void *sampled_block(struct nt_shard *s, unsigned c, const struct nt_asked *asked,
                           uint64_t interval)
{
    struct nt_stack stack;
    struct nt_sample sample = sample_of(s, asked, interval);
    nt__profile_stack(&stack);
    void *p = take(s, c, asked);
    if (!p)
        return NULL;
    sample.block = p;
    sample.block_bytes = nt__sizeclasses.size[c];
    if (nt__profile_add(&sample, &stack))
        return p;
    put_back(nt__slab_of(p), p);
    return NULL;
}

/* `plain` goes back on its list, as if it had not been taken. */
static void untake(void *plain)
{
    struct nt_slab *slab = nt__slab_of(plain);
    struct nt_block *block = plain;
    block->next = slab->free;
    block->key = NT_KEY;
    slab->free = block;
}

void *nt__sampled_asked(struct nt_shard *s, const struct nt_asked *asked, void *plain)
{
    int saved = errno; /* nobody on the fast path keeps it */
    unsigned c = nt__slab_of(plain)->class;
    uint64_t interval = reach(s, c);
    void *p = NULL;
    if (interval != 0 && s->pool) {
        s->sampling.due = *asked;
    } else if (interval != 0) {
        s->sampling.inside = true;
        p = sampled_block(s, c, asked, interval);
        s->sampling.inside = false;
    }
    errno = saved;
    if (!p)
        return plain;
    untake(plain);
    return p;
}

void *nt__sampled_instead(struct nt_shard *s, size_t size, size_t room, void *plain)
{
    return nt__sampled_asked(s, &(struct nt_asked){size, room, 1}, plain);
}

void nt__sampled_large(struct nt_shard *s, struct nt_slab *slab, size_t size)
{
    int saved = errno; /* a realloc in place does not keep it */
    struct nt_stack stack;
    const struct nt_asked asked = large(size);
    uint64_t interval = reach(s, nt__sizeclass_large());
    if (interval == 0)
        return;
    if (s->pool) {
        s->sampling.due = asked;
        return;
    }
    s->sampling.inside = true;
    struct nt_sample sample = sample_of(s, &asked, interval);
    sample.block = nt__window_slice(slab);
    sample.block_bytes = slab->bytes;
    nt__profile_stack(&stack);
    slab->sampled = nt__profile_add(&sample, &stack);
    s->sampling.inside = false;
    errno = saved;
}

/* ---- Frees --------------------------------------------------------------------------- */

static void note_free(const struct nt_shard *s, const struct nt_sample *sample)
{
    struct nt_stack stack;
    if (s->sampling.never || sample->tid == this_thread())
        return;
    nt__profile_stack(&stack);
    nt__profile_add_remote(sample, &stack);
}

static void count_free(struct nt_shard *s, const struct nt_shard *home, unsigned c)
{
    if (home == s) {
        nt__count_add(&s->frees[c], 1);
        return;
    }
    nt__count_add(&s->sent[c], 1);
    nt__count_add(&s->sent_blocks[home->slot], 1);
    nt__count_add(&s->sent_bytes[home->slot], nt__sizeclasses.size[c]);
}

void nt__sampled_free(struct nt_shard *s, struct nt_slab *slab, void *p)
{
    struct nt_sample sample;
    unsigned c = slab->class;
    bool known = false;
    nt__lock(&hidden.lock);
    struct nt_shard *owner = slab->owner;
    /* Again, now that nobody else can: of two frees one must find the other. */
    enum nt_misuse bad = nt__misuse_check(owner, nt__slab_of(p), p);
    if (bad == NT_MISUSE_NONE) {
        known = nt__profile_remove(p, &sample);
        if (hidden.of[slab->arena] == owner)
            nt__shard_put(owner, slab, p, false); /* `slab` may be gone now */
    }
    nt__unlock(&hidden.lock);
    if (bad != NT_MISUSE_NONE) {
        nt__misuse(bad, "free", p);
        return;
    }
    count_free(s, known ? sample.home : s, c);
    if (known)
        note_free(s, &sample);
}

void nt__sampled_large_gone(const struct nt_shard *s, struct nt_slab *slab)
{
    int saved = errno;
    struct nt_sample sample;
    slab->sampled = 0;
    if (nt__profile_remove(nt__window_slice(slab), &sample) && !slab->pooled)
        note_free(s, &sample);
    errno = saved;
}

/* ---- Explicit pools -------------------------------------------------------------------- */

struct nt_due nt__sampled_due(struct nt_shard *s, void *p)
{
    struct nt_due due = {.asked = s->sampling.due};
    s->sampling.due.size = 0;
    if (due.asked.size == 0 || !p)
        return (struct nt_due){0};
    due.interval = s->sampling.interval;
    due.slab = nt__slab_of(p);
    due.node = nt__topo()->node[s->slot].id;
    if (due.slab->sampled != UINT8_MAX)
        due.slab->sampled++;
    return due;
}

void nt__sampled_pool(const struct nt_due *due, void *p)
{
    struct nt_stack stack;
    if (due->asked.size == 0)
        return;
    int saved = errno;
    const struct nt_slab *slab = due->slab;
    struct nt_sample sample = {
        .block = p,
        .size = due->asked.size,
        .held = due->asked.held,
        .align = alignment(&due->asked),
        .interval = due->interval,
        .block_bytes = slab->kind == NT_SLAB_LARGE ? slab->bytes : slab->size,
        .tid = this_thread(),
        .node = due->node,
    };
    nt__profile_stack(&stack);
    nt__profile_add(&sample, &stack);
    errno = saved;
}

void nt__sampled_pool_free(struct nt_slab *slab, const void *p)
{
    struct nt_sample sample;
    if (nt__profile_remove(p, &sample) && slab->sampled != UINT8_MAX)
        slab->sampled--;
}

/* ---- Guarded blocks ------------------------------------------------------------------- */

const struct nt_site *nt__sampled_guarded(struct nt_shard *s, unsigned c,
                                          const struct nt_asked *asked, void *p)
{
    struct nt_stack stack;
    const struct nt_slab *slab = nt__slab_of(p);
    uint64_t interval = reach(s, c);
    if (interval == 0)
        return NULL;
    s->sampling.inside = true;
    struct nt_sample sample = sample_of(s, asked, interval);
    sample.block = p;
    sample.block_bytes = slab->kind == NT_SLAB_LARGE ? slab->bytes : slab->size;
    nt__profile_stack(&stack);
    nt__profile_add(&sample, &stack);
    s->sampling.inside = false;
    return sample.site;
}

const struct nt_site *nt__sampled_guarded_freed(const struct nt_shard *s,
                                                const struct nt_sample *sample)
{
    struct nt_stack stack;
    nt__profile_stack(&stack);
    if (!s->sampling.never && sample->tid != this_thread())
        nt__profile_add_remote(sample, &stack);
    return nt__profile_site(&stack);
}

/* ---- The rest -------------------------------------------------------------------------- */

void nt__sampled_trim(void)
{
    nt__lock(&hidden.lock);
    for (unsigned i = 0; i < nt__arenas_count(); i++)
        if (hidden.of[i])
            nt__shard_trim(hidden.of[i]);
    nt__unlock(&hidden.lock);
}

void nt__sampled_fork_lock(void)
{
    nt__lock_for_fork(&hidden.lock);
}

/* In a raw child whoever held the lock stayed in the parent: his shards may be half changed.
 * They are left alone, with their blocks, and new ones are made as needed. */
void nt__sampled_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&hidden.lock);
        return;
    }
    tid = 0;
    if (how == NT_FORK_RAW && nt__lock_raw(&hidden.lock)) {
        for (unsigned i = 0; i < NT_ARENAS; i++)
            hidden.of[i] = NULL;
        nt__guarded_forget();
    }
    nt__lock_init(&hidden.lock, NT_RANK_SAMPLED);
}
