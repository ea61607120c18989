/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "src/heap/start.h"

#include "numa/arenas.h"
#include "numa/bind.h"
#include "numa/promise.h"
#include "numa/topo.h"
#include "pools/guarded.h"
#include "pools/peak.h"
#include "pools/pool.h"
#include "pools/sampled.h"
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/base/guest.h"
#include "src/base/meta.h"
#include "src/base/os.h"
#include "src/heap/figures.h"
#include "src/heap/heap.h"
#include "src/heap/limit.h"
#include "src/heap/phases.h"
#include "src/heap/reserve.h"
#include "src/heap/sampler.h"
#include "src/heap/signals.h"
#include "src/heap/thread.h"
#include "src/track/wrap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NOT_STARTED, STARTED };

static const uint8_t alive_always = 1;
const uint8_t *nt__start_alive = &alive_always;

static struct {
    struct nt_lock lock;
    int state;
    pid_t starter;        /* the process that began to start; 0: none yet */
    unsigned interrupted; /* forks under way without the locks: see before_fork */
    uint8_t *alive;       /* the page the kernel wipes in children; NULL: it cannot */
} start = {.lock = NT_LOCK_INIT(NT_RANK_START)};

int __cxa_atexit(void (*function)(void *), void *argument, void *library);
int __register_atfork(void (*before)(void), void (*parent)(void), void (*child)(void),
                      void *library);

/* ---- fork ---------------------------------------------------------------------------- */

static void lock_all(void)
{
    nt__modules_fork_lock(); /* first: its holder waits for the linker's lock, whose
                                holder may wait in malloc for any of the others */
    nt__lock_for_fork(&start.lock);
    nt__sampler_fork_lock();
    nt__heap_fork_lock();
    nt__figures_fork_lock();
    nt__phases_fork_lock();
    nt__limit_fork_lock();
    nt__pool_fork_lock();
    nt__thread_fork_lock();
    nt__trackers_fork_lock();
    nt__sampled_fork_lock();
    nt__placements_fork_lock();
    nt__shard_fork_lock();
    nt__window_fork_lock();
    nt__arenas_fork_lock();
    nt__profile_fork_lock();
    nt__meta_fork_lock();
    nt__peak_fork_lock();
}

static void unlock_all(enum nt_fork how)
{
    nt__peak_fork_unlock(how); /* peaks before the figures that have them */
    nt__meta_fork_unlock(how);
    nt__modules_fork_unlock(how);
    if (how != NT_FORK_PARENT)
        nt__guest_fork_child();
    nt__profile_fork_unlock(how);
    nt__arenas_fork_unlock(how);
    nt__window_fork_unlock(how);
    nt__shard_fork_unlock(how, nt__heap_shard);
    nt__placements_fork_unlock(how);
    nt__sampled_fork_unlock(how);
    nt__trackers_fork_unlock(how);
    nt__thread_fork_unlock(how);
    nt__pool_fork_unlock(how);
    nt__figures_fork_unlock(how);
    nt__phases_fork_unlock(how);
    nt__limit_fork_unlock(how);
    nt__heap_fork_unlock(how);
    nt__sampler_fork_unlock(how);
    if (how != NT_FORK_PARENT)
        nt__promise_fork_child();
    if (how == NT_FORK_PARENT)
        nt__unlock_after_fork(&start.lock);
    else
        nt__lock_init(&start.lock, NT_RANK_START);
}

/* A lock that the only thread holds is given up when the signal handler that forks has
 * returned: in the child, too. So nothing is done to any. The child's page reads 0, and it
 * finds at its next call, when what was interrupted is through, that it is one. */
static void before_fork(void)
{
    unsigned missed = nt__lock_missed;
    lock_all();
    if (NT_LIKELY(missed == nt__lock_missed))
        return;
    unlock_all(NT_FORK_PARENT);
    start.interrupted++;
}

static bool was_interrupted(void)
{
    if (NT_LIKELY(start.interrupted == 0))
        return false;
    start.interrupted--;
    return true;
}

static void after_fork_parent(void)
{
    if (was_interrupted())
        return;
    unlock_all(NT_FORK_PARENT);
}

static void after_fork_child(void)
{
    if (was_interrupted())
        return;
    if (start.alive)
        *start.alive = 1;
#if NT_DEBUG
    nt__lock_held = 0;
#endif
    unlock_all(NT_FORK_CHILD);
}

void nt__start_raw_child(void)
{
    *start.alive = 1;
#if NT_DEBUG
    nt__lock_held = 0;
#endif
    unlock_all(NT_FORK_RAW);
}

#define HUGE_FILE "/sys/kernel/mm/transparent_hugepage/enabled"

/* ---- start --------------------------------------------------------------------------- */

static void watch_for_raw_children(void)
{
    size_t page = nt__os_page_size();
    uint8_t *alive = nt__os_map(page);
    if (!alive || madvise(alive, page, MADV_WIPEONFORK) != 0)
        return;
    *alive = 1;
    start.alive = alive;
    nt__start_alive = alive;
}

/* The setting's; else what numactl gave this process is kept. */
static void choose_policy(const char *setting, struct nt_policy *policy)
{
    const char *wrong = NULL;
    if (*setting != '\0' && !(wrong = nt__policy_parse(setting, policy)))
        return;
    if (wrong)
        nt__warn("NUMATALLY_CONF: policy:%s %s; using the default", setting, wrong);
    const char *word = nt__bind_inherits() ? "inherit" : "local";
    if (nt__policy_make(word, strlen(word), NULL, policy) != NULL)
        *policy =
            (struct nt_policy){.mode = NT_INHERIT, .slots = 1}; /* no usable node */
}

static void start_heap(void)
{
    const struct nt_conf *conf;
    struct nt_policy policy;
    nt__conf_load();
    conf = nt__conf();
    nt__topo_start();
    nt__bind_start();
    choose_policy(conf->policy, &policy);
    nt__sizeclass_slab(conf->slab_bytes >> NT_SLICE_SHIFT);
    nt__sizeclass_start(conf->class_bytes, conf->class_count);
    nt__arena_config.huge = (uint8_t)conf->hugepages;
    nt__arena_config.always =
        nt__arena_config.huge == NT_HUGE_AUTO && nt__topo_sysfs_huge_always(HUGE_FILE);
    nt__arena_config.return_ms = conf->return_ms;
    nt__guarded = conf->guard;
    nt__window_start();
    nt__arenas_start(&policy);
    nt__sampled_start();
    nt__reserve_start(conf);
    nt__thread_start();
    watch_for_raw_children();
}

static void at_end(void *unused)
{
    (void)unused;
    if (nt__guarded)
        nt__guarded_look();
    nt__figures_end();
}

static void start_now(void)
{
    /* A fork while another thread was starting leaves its child locks that nobody gives up:
     * this one, and those that start_heap takes. So who starts is known before they are
     * taken. */
    pid_t me = getpid(), starter = __atomic_load_n(&start.starter, __ATOMIC_RELAXED);
    if (starter != me) {
        if (starter != 0) {
            nt__lock_init(&start.lock, NT_RANK_START);
            nt__placements_fork_unlock(NT_FORK_RAW);
        }
        __atomic_store_n(&start.starter, me, __ATOMIC_RELAXED);
    }
    nt__lock(&start.lock);
    bool first = start.state == NOT_STARTED;
    if (first) {
        start_heap();
        __atomic_store_n(&start.state, STARTED, __ATOMIC_RELEASE);
    }
    nt__unlock(&start.lock);
    if (!first)
        return;
    /* From here on these may call malloc, and find the heap working. No library is named
     * to them: so what is registered outlives a dlclose. (pthread_atfork is a part of each
     * library that lies, a page by itself, behind all that is ours.) */
    __cxa_atexit(at_end, NULL, NULL);
    __register_atfork(before_fork, after_fork_parent, after_fork_child, NULL);
    nt__figures_start();
    nt__signals_start();
}

void nt__start(void)
{
    if (NT_LIKELY(__atomic_load_n(&start.state, __ATOMIC_ACQUIRE) == STARTED))
        return;
    int saved = errno; /* no caller need think of what fails on the way */
    int cancel = nt__cancel_off();
    start_now();
    nt__cancel_as(cancel);
    errno = saved;
}
