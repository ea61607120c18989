/* SPDX-License-Identifier: MIT */
/*
 * nt_prefault: pages brought in ahead of their use.
 *
 * The range is cut into *stretches*, each to be touched from one node: the parts of a
 * divided array, from their nodes; a block whose policy names several nodes, in as many
 * equal stretches, since there the kernel chooses the node and many touch faster than
 * one; everything else, one stretch from where the caller runs.
 *
 * A stretch goes step by step, so that progress can be told and a full node is seen
 * before it is touched: under a strict policy a touch too many kills the process.
 */
#define _GNU_SOURCE
#include "numa/promise.h"
#include "numa/residency.h"
#include "pools/slab.h"
#include "src/base/os.h"
#include "src/heap/calls.h"
#include "src/heap/reserve.h"
#include "src/heap/start.h"

#include <errno.h>
#include <numatally/numa.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define STEP (16 * NT_MIB)
#define STEP_STRICT (2 * NT_MIB)
#define TELL_MS 100

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

struct stretch {
    uintptr_t at, end;
    int slot; /* touch from there; -1: from anywhere */
};

struct work {
    struct stretch stretch[NT_TOPO_NODES];
    unsigned count;
    bool alone;      /* one stretch, for the calling thread itself */
    uint64_t strict; /* slots whose room is asked for before each step; 0: none */
    uint64_t done;   /* bytes; all below: atomic */
    unsigned running;
    int stop; /* negative errno: why no more is to be done */
};

struct job {
    struct work *work;
    const struct stretch *stretch;
};

/* ---- Touching ------------------------------------------------------------------------ */

/* What kernels before 5.14 leave to us. What may not be written they do not tell: it is
 * a fault of the program's then. */
static int populate_by_hand(uintptr_t at, size_t size)
{
    if (msync((void *)at, size, MS_ASYNC) != 0)
        return -EFAULT;
    for (size_t i = 0; i < size; i += nt__os_page_size())
        __atomic_fetch_or((char *)at + i, 0, __ATOMIC_RELAXED);
    return 0;
}

int nt__populate(uintptr_t at, size_t size)
{
    while (madvise((void *)at, size, MADV_POPULATE_WRITE) != 0) {
        if (errno == EAGAIN || errno == EINTR)
            continue;
        if (errno == ENOMEM && msync((void *)at, size, MS_ASYNC) != 0)
            return -EFAULT; /* a hole in the range */
        if (errno != EINVAL)
            return -errno;
        /* EINVAL is also what may not be written; of nothing, only an older kernel. */
        if (madvise((void *)at, 0, MADV_POPULATE_WRITE) == 0)
            return -EFAULT;
        return populate_by_hand(at, size);
    }
    return 0;
}

static int step(const struct work *w, uintptr_t at, size_t size)
{
    if (w->strict != 0 && nt__promise_touchable(w->strict) < size) {
        struct nt_residency r = {.size = sizeof r};
        nt__residency_range((void *)at, size, 0, &r);
        if (r.absent != 0)
            return -ENOMEM;
    }
    return nt__populate(at, size);
}

static void touch(struct work *w, const struct stretch *s)
{
    size_t most = w->strict ? STEP_STRICT : STEP;
    for (uintptr_t at = s->at; at < s->end;) {
        size_t size = nt__min(most, s->end - at);
        int result = step(w, at, size);
        if (result != 0)
            __atomic_store_n(&w->stop, result, __ATOMIC_RELAXED);
        if (__atomic_load_n(&w->stop, __ATOMIC_RELAXED) != 0)
            return;
        __atomic_add_fetch(&w->done, size, __ATOMIC_RELAXED);
        at += size;
    }
}

/* The calling thread goes to the node, as far as it may. */
static void go_to(int slot)
{
    cpu_set_t allowed, there;
    CPU_ZERO(&there);
    if (slot < 0 || nt__topo()->fake ||
        pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) != 0)
        return;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && nt__topo()->slot_of_cpu[cpu] == slot)
            CPU_SET(cpu, &there);
    if (CPU_COUNT(&there) != 0)
        pthread_setaffinity_np(pthread_self(), sizeof there, &there);
}

static void *touch_there(void *arg)
{
    const struct job *job = arg;
    go_to(job->stretch->slot);
    touch(job->work, job->stretch);
    /* Release: whoever sees nobody running sees what was done. */
    __atomic_sub_fetch(&job->work->running, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* ---- Cutting -------------------------------------------------------------------------- */

/* The large block that the range lies in, or NULL. */
static const struct nt_slab *block_at(const void *p)
{
    size_t ahead = nt__window_has(p) ? nt__window_index(p) + 1 : 0;
    while (ahead-- > 0) {
        const struct nt_slab *slab = (const void *)nt__window_header_at(ahead);
        if (slab->kind != NT_SLAB_NONE)
            return slab->kind == NT_SLAB_LARGE &&
                           (uintptr_t)p - (uintptr_t)nt__window_slice(slab) <
                               slab->bytes
                       ? slab
                       : NULL;
    }
    return NULL;
}

static void add(struct work *w, uintptr_t at, uintptr_t end, int slot)
{
    if (at < end)
        w->stretch[w->count++] = (struct stretch){at, end, slot};
}

/* [at, end) of the block's parts, or of `n` equal parts of the range itself. What lies
 * behind the block goes with its last part. */
static void cut(struct work *w, const struct nt_slab *slab, uintptr_t at, uintptr_t end)
{
    const struct nt_arena *a = slab ? nt__arenas_get(slab->arena) : NULL;
    bool named = a && a->policy.mode != NT_LOCAL && a->policy.mode != NT_INHERIT;
    uint64_t slots = slab ? slab->parts : 0;
    size_t page = nt__os_page_size();
    uintptr_t from = at, to = end;
    if (slots != 0) {
        from = (uintptr_t)nt__window_slice(slab);
        to = from + slab->bytes;
    } else if (named && !nt__policy_by_touch(&a->policy)) {
        slots = a->policy.slots;
    }
    if (a && a->policy.mode == NT_BIND && !slab->moved && nt__bind_error() == 0)
        w->strict = a->policy.slots;
    size_t pages = (to - from) / page, n = nt__bits(slots);
    w->alone = n < 2;
    if (n < 2) {
        add(w, at, end, -1);
        return;
    }
    for (size_t i = 0; i < n; i++, slots &= slots - 1)
        add(w, nt__max(at, from + pages * i / n * page),
            i + 1 == n ? end : nt__min(end, from + pages * (i + 1) / n * page),
            __builtin_ctzll(slots));
}

/* ---- The call -------------------------------------------------------------------------- */

static void tell(struct work *w, uint64_t all, nt_progress *progress, void *context)
{
    uint64_t done = __atomic_load_n(&w->done, __ATOMIC_RELAXED);
    if (progress && progress(done, all, context) != 0 &&
        __atomic_load_n(&w->stop, __ATOMIC_RELAXED) == 0)
        __atomic_store_n(&w->stop, -ECANCELED, __ATOMIC_RELAXED);
}

/* One stretch: the caller's own work, told between the steps. */
static void work_alone(struct work *w, uint64_t all, nt_progress *progress,
                       void *context)
{
    const struct stretch whole = w->stretch[0];
    for (uintptr_t at = whole.at; at < whole.end && w->stop == 0; at += STEP) {
        struct stretch s = {at, nt__min(at + STEP, whole.end), -1};
        touch(w, &s);
        tell(w, all, progress, context);
    }
}

static void work_together(struct work *w, uint64_t all, nt_progress *progress,
                          void *context)
{
    pthread_t thread[NT_TOPO_NODES];
    bool made[NT_TOPO_NODES] = {false};
    struct job job[NT_TOPO_NODES];
    w->running = w->count;
    for (unsigned i = 0; i < w->count; i++) {
        job[i] = (struct job){w, &w->stretch[i]};
        made[i] = pthread_create(&thread[i], NULL, touch_there, &job[i]) == 0;
        if (!made[i]) { /* no more threads: where the policy decides it is as well */
            touch(w, &w->stretch[i]);
            __atomic_sub_fetch(&w->running, 1, __ATOMIC_RELAXED);
        }
    }
    /* Acquire: pairs with touch_there. */
    for (unsigned ms = 1; __atomic_load_n(&w->running, __ATOMIC_ACQUIRE) != 0; ms++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        if (ms % TELL_MS == 0)
            tell(w, all, progress, context);
    }
    for (unsigned i = 0; i < w->count; i++)
        if (made[i])
            pthread_join(thread[i], NULL);
    tell(w, all, progress, context);
}

int nt_prefault(void *p, size_t bytes, nt_progress *progress, void *context)
{
    NT_FORWARD(prefault(p, bytes, progress, context));
    int saved = errno;
    nt__start();
    size_t page = nt__os_page_size();
    uintptr_t at = nt__align_down((uintptr_t)p, page);
    uintptr_t end = nt__align_up((uintptr_t)p + bytes, page);
    if ((uintptr_t)p + bytes < (uintptr_t)p || (end < at))
        return -EFAULT;
    if (bytes == 0)
        return 0;
    struct work w = {.count = 0};
    cut(&w, block_at(p), at, end);
    if (w.alone)
        work_alone(&w, end - at, progress, context);
    else
        work_together(&w, end - at, progress, context);
    errno = saved;
    return w.stop;
}
