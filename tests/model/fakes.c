/* SPDX-License-Identifier: MIT */
/* What the code under test calls, as simple as can be. What no scenario should come to says so. */
#include "numa/residency.h"
#include "pools/large.h"
#include "pools/peak.h"
#include "pools/remote.h"
#include "pools/sampled.h"
#include "pools/spare.h"
#include "src/base/guest.h"
#include "src/base/meta.h"
#include "src/base/os.h"
#include "tests/model/sched.h"
#include "tests/model/world.h"

#include <errno.h>

struct nt_window nt__window;
struct nt_sizeclasses nt__sizeclasses;
struct nt_topo nt__topo_machine = {.nodes = 1};
struct nt_arena_config nt__arena_config = {.return_ms = 1000};
struct nt_sampler nt__sampler;
bool nt__guest_found, nt__guest_wanted, nt__peak_watching;
unsigned nt__lock_missed;
_Thread_local uint32_t nt__lock_held;
_Thread_local struct nt_shard *nt__heap_shard = &nt__shard_none;
struct nt_shard nt__shard_none;

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    sched_lock(mutex);
    return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    return sched_trylock(mutex) ? 0 : EBUSY;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    sched_unlock(mutex);
    return 0;
}

void nt__lock_wait(const struct nt_lock *lock)
{
    (void)lock; /* a hint only */
}

void nt__lock_for_fork(struct nt_lock *lock)
{
    (void)lock;
}

void nt__unlock_after_fork(struct nt_lock *lock)
{
    (void)lock;
}

void nt__panic(const char *what, const char *file, int line)
{
    sched_fail("%s:%d: not so: %s", file, line, what);
}

void *nt__arenas_take(struct nt_arena *a, size_t slices, size_t align, bool *clean)
{
    size_t i = 0;
    nt__lock(&a->lock);
    while (i < NT_UNIT_SLICES && W.lent[i])
        i++;
    if (slices != 1 || align > NT_SLICE || i == NT_UNIT_SLICES)
        sched_fail("the world is too small");
    W.lent[i] = true;
    nt__unlock(&a->lock);
    *clean = false;
    return (void *)(nt__window.base + i * NT_SLICE);
}

void nt__arena_give(struct nt_arena *a, void *run, size_t slices, bool clean)
{
    (void)slices;
    (void)clean;
    nt__lock(&a->lock);
    W.lent[world_slice(run)] = false;
    nt__unlock(&a->lock);
}

void nt__arena_give_anew(struct nt_arena *a, void *run, size_t slices, bool clean)
{
    nt__arena_give(a, run, slices, clean);
}

unsigned nt__sizetable_aligned(const struct nt_sizetable *t, size_t size, size_t align)
{
    (void)t, (void)align;
    return nt__sizeclass_of(size);
}

void nt__arena_will_fill(struct nt_arena *a, void *run, size_t slices)
{
    (void)a, (void)run, (void)slices;
}

bool nt__arena_decay(struct nt_arena *a)
{
    (void)a;
    return false;
}

struct nt_arena *nt__placement_arena(struct nt_placement *p, unsigned slot)
{
    return p->arena[slot];
}

struct nt_arena *nt__placement_large(struct nt_placement *p, unsigned slot)
{
    return p->large[slot];
}

unsigned nt__arenas_count(void)
{
    return 1;
}

struct nt_arena *nt__arenas_get(unsigned index)
{
    (void)index;
    return &W.arena;
}

const struct nt_topo *nt__topo(void)
{
    return &nt__topo_machine;
}

/* Only shards are asked for. */
void *nt__meta_alloc(size_t size, size_t align)
{
    (void)align;
    unsigned i = __atomic_fetch_add(&W.shards, 1, __ATOMIC_RELAXED);
    if (size != sizeof W.shard[0] || i >= WORLD_SHARDS)
        sched_fail("too many shards");
    return &W.shard[i];
}

bool nt__os_would_give(size_t size)
{
    (void)size;
    return true;
}

uint64_t nt__os_now_ms(void)
{
    return 5000;
}

void nt__peak_publish(struct nt_shard *s, unsigned c)
{
    (void)s;
    (void)c;
}

bool nt__spare_age(struct nt_shard *s)
{
    (void)s;
    return false;
}

void nt__spare_drop(struct nt_shard *s)
{
    (void)s;
}

void nt__guest_look(void)
{
}

static _Noreturn void unexpected(const char *what)
{
    sched_fail("%s is called", what);
}

int nt__residency_move(void *at, size_t size, unsigned slot)
{
    (void)at;
    (void)size;
    (void)slot;
    unexpected(__func__);
}

int nt__large_migrate(struct nt_slab *slab, unsigned slot)
{
    (void)slab;
    (void)slot;
    unexpected(__func__);
}

void nt__large_free_rest(struct nt_shard *s, struct nt_slab *slab, void *p)
{
    (void)s;
    (void)slab;
    (void)p;
    unexpected(__func__);
}

void nt__profile_remove_range(uintptr_t from, uintptr_t to)
{
    (void)from;
    (void)to;
    unexpected(__func__);
}

void nt__sampled_follow(struct nt_shard *s)
{
    (void)s;
    unexpected(__func__);
}

void *nt__sampled_asked(struct nt_shard *s, const struct nt_asked *asked, void *plain)
{
    (void)s;
    (void)asked;
    (void)plain;
    unexpected(__func__);
}

void *nt__sampled_instead(struct nt_shard *s, size_t size, size_t room, void *plain)
{
    (void)s;
    (void)size;
    (void)room;
    (void)plain;
    unexpected(__func__);
}

void nt__heap_free_slow(void *p)
{
    sched_fail("a free of %p is taken for misuse", p);
}
