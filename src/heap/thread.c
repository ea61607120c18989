/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "src/heap/thread.h"

#include "pools/large.h"
#include "pools/peak.h"
#include "pools/remote.h"
#include "pools/sampled.h"
#include "pools/sums.h"
#include "src/base/fmt.h"
#include "src/base/guest.h"
#include "src/base/meta.h"
#include "src/heap/calls.h"
#include "src/heap/figures.h"
#include "src/heap/heap.h"
#include "src/heap/start.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local struct nt_shard *nt__heap_shard
    __attribute__((tls_model("initial-exec"))) = &nt__shard_none;

/* Of threads without a shard: they are not elsewhere. */
static struct nt_placement nowhere;

struct nt_shard nt__shard_none = {
    .placement = &nowhere,
    .unknown = &nt__slab_none,
    .current = {[0 ... NT_CLASSES - 1] = &nt__slab_none},
};
struct nt_shard nt__shard_gone; /* as that one, from the first thread's end on */

struct thread {
    struct thread *next;      /* in the register, constant */
    struct thread *next_free; /* among the free entries */
    struct nt_shard *shard;   /* NULL: the thread is gone, the entry free */
    int tid;
    char name[32];          /* as the program calls it; "": as the system does */
    struct nt_sums before;  /* what the shard had counted when it was taken */
    struct nt_sums earlier; /* of the thread's former shards */
    uint64_t migrations;    /* times it was found on another node */
    int64_t live_before;    /* in the shard then */
    int64_t peak;           /* with the former shards */
};

static struct {
    pthread_key_t key; /* if `keyed` */
    bool keyed;        /* else none was left: the end of a thread is not noticed */
    struct nt_lock lock;
    struct thread *first; /* all under `lock`, the entries too */
    struct thread *free;
    struct nt_sums exited;
    uint64_t exited_migrations;
    uint64_t now, total; /* read by anyone */
} threads = {.lock = NT_LOCK_INIT(NT_RANK_REGISTER)};

/* What the thread has done by now. */
static struct nt_sums sum_thread(const struct thread *t)
{
    struct nt_sums now = t->earlier;
    nt__sums_add_shard(&now, t->shard);
    nt__sums_subtract(&now, &t->before);
    return now;
}

/* The most it had allocated and not freed, as far as that was noted, and what it has now. */
static int64_t peak_of(const struct thread *t)
{
    int64_t earlier = (int64_t)(t->earlier.allocated - t->earlier.freed);
    int64_t here = nt__peak_of_shard(t->shard) - t->live_before;
    return earlier + here > t->peak ? earlier + here : t->peak;
}

/* The calling thread, whose entry `t` is, goes on with shard `s`. Under the lock. */
static void take_shard(struct thread *t, struct nt_shard *s)
{
    t->before = (struct nt_sums){0};
    nt__sums_add_shard(&t->before, s);
    t->live_before = nt__peak_restart(s);
    t->shard = s;
    nt__heap_shard = s;
}

/* An entry of nobody's, or a new one. Under the lock. */
static struct thread *free_entry(void)
{
    struct thread *t = threads.free;
    if (t) {
        threads.free = t->next_free;
        return t;
    }
    t = nt__meta_alloc(sizeof *t, NT_CACHE_LINE);
    if (t) {
        t->next = threads.first;
        threads.first = t;
    }
    return t;
}

/* One is to be free, if there is memory. */
static void make_entry(void)
{
    nt__lock(&threads.lock);
    struct thread *t = free_entry();
    if (t) {
        t->next_free = threads.free;
        threads.free = t;
    }
    nt__unlock(&threads.lock);
}

/* The calling thread's entry; NULL: it has none, or it is not to be found. */
static struct thread *entry(void)
{
    return threads.keyed ? pthread_getspecific(threads.key) : NULL;
}

/* The first thread has read one byte of nt__shard_none's table, and the kernel mapped of the
 * library's file what lies around it. Nothing from there on was written to, so it can be read
 * anew. */
static void unmap_table_of_none(void)
{
    size_t page = nt__os_page_size();
    uintptr_t from = nt__align_up((uintptr_t)nt__shard_none.class_of, page);
    uintptr_t to = (uintptr_t)(&nt__shard_none + 1) / page * page;
    if (from <
        to) /* not by libc's symbol, which networks hook: they know nothing of these */
        syscall(SYS_madvise, from, to - from, MADV_DONTNEED);
}

NT_SLOW static struct nt_shard *attach(void)
{
    nt__start();
    /* Starting registers handlers, which may have allocated, and so attached, already. */
    if (nt__heap_shard != &nt__shard_none)
        return nt__heap_shard;
    make_entry(); /* before the shard: it may share a page with what there is */
    struct nt_placement *placement = nt__placement_process();
    struct nt_shard *s =
        nt__shard_acquire(placement, placement->serve[nt__topo_here()]);
    if (!s)
        return NULL;
    nt__lock(&threads.lock);
    struct thread *t = free_entry();
    if (t) {
        t->tid = (int)gettid();
        t->name[0] = '\0';
        t->earlier = (struct nt_sums){0};
        t->migrations = 0;
        t->peak = 0;
        take_shard(t, s);
        nt__count_add(&threads.now, 1);
        nt__count_add(&threads.total, 1);
    }
    nt__unlock(&threads.lock);
    if (!t) {
        nt__shard_retire(s);
        return NULL;
    }
    /* Past the 32nd key this allocates: from the shard that the thread now has. */
    if (NT_LIKELY(threads.keyed))
        pthread_setspecific(threads.key, t);
    if (NT_RACY(threads.total) == 1)
        unmap_table_of_none();
    return s;
}

/* Under the lock. */
static void fill_gone(void)
{
    if (nt__shard_gone.placement)
        return;
    nt__shard_gone.placement = &nowhere;
    nt__shard_gone.unknown = &nt__slab_none;
    for (unsigned c = 0; c < NT_CLASSES; c++)
        nt__shard_gone.current[c] = &nt__slab_none;
}

/* Runs as the thread ends. Should it allocate again, it finds nt__shard_gone: a shard
 * taken in the last round of destructors would be nobody's for ever. */
static void detach(void *ended)
{
    struct thread *t = ended;
    struct nt_shard *s = t->shard;
    nt__lock(&threads.lock);
    fill_gone();
    nt__heap_shard = &nt__shard_gone;
    struct nt_sums done = sum_thread(t);
    nt__sums_add(&threads.exited, &done);
    threads.exited_migrations += t->migrations;
    t->shard = NULL;
    t->next_free = threads.free;
    threads.free = t;
    nt__count_add(&threads.now, (uint64_t)-1);
    nt__unlock(&threads.lock);
    nt__shard_retire(s);
}

/* To another shard: `old`, or the new one. What the thread held stays on its node, for
 * whoever runs there next. */
NT_SLOW static struct nt_shard *change(struct nt_shard *old,
                                       struct nt_placement *placement, unsigned slot)
{
    struct thread *t = entry();
    struct nt_shard *s = t ? nt__shard_acquire(placement, slot) : NULL;
    if (!s)
        return old;
    nt__lock(&threads.lock);
    t->peak = peak_of(t);
    t->earlier = sum_thread(t);
    t->migrations += placement == old->placement;
    take_shard(t, s);
    nt__unlock(&threads.lock);
    nt__shard_retire(old);
    return s;
}

bool nt__thread_place(struct nt_placement *placement)
{
    struct nt_shard *s = nt__thread_shard();
    unsigned slot = placement->serve[nt__topo_here()];
    if (s && s->placement != placement)
        s = change(s, placement, slot);
    return s && s->placement == placement;
}

struct nt_shard *nt__thread_shard(void)
{
    nt__start_check_fork();
    struct nt_shard *s = nt__heap_shard;
    if (NT_UNLIKELY(s == &nt__shard_none))
        return attach();
    if (NT_UNLIKELY(s == &nt__shard_gone))
        return NULL;
    if (NT_LIKELY(!nt__shard_is_elsewhere(s)))
        return s;
    return change(s, s->placement, s->placement->serve[nt__topo_here()]);
}

void nt__thread_start(void)
{
    threads.keyed = pthread_key_create(&threads.key, detach) == 0;
}

void nt__thread_counts(uint64_t *now, uint64_t *total)
{
    *now = nt__count_read(&threads.now);
    *total = nt__count_read(&threads.total);
}

void nt__thread_fork_lock(void)
{
    nt__lock_for_fork(&threads.lock);
}

void nt__thread_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&threads.lock);
        return;
    }
    nt__lock_init(&threads.lock, NT_RANK_REGISTER);
    threads.now = threads.total = 0;
    threads.exited = (struct nt_sums){0};
    threads.exited_migrations = 0;
    threads.free = NULL;
    for (struct thread *t = threads.first; t; t = t->next) {
        if (t->shard != nt__heap_shard || !t->shard) {
            t->shard = NULL;
            t->next_free = threads.free;
            threads.free = t;
            continue;
        }
        t->tid = (int)gettid();
        t->earlier = (struct nt_sums){0};
        t->migrations = 0;
        t->peak = 0;
        take_shard(t, t->shard);
        threads.now = threads.total = 1;
    }
}

/* ---- Past the end ------------------------------------------------------------------------ */

/* What threads do past their end: they take no shard again, which nobody would give up
 * for them. */
static struct {
    struct nt_lock lock;
    struct nt_shard *shard;
} orphan = {.lock = NT_LOCK_INIT(NT_RANK_POOL)};

/* The shard that such threads share; hold the lock while using it. NULL: no memory. */
static struct nt_shard *orphan_lock(void)
{
    nt__lock(&orphan.lock);
    if (!orphan.shard)
        orphan.shard = nt__shard_new(nt__placement_process(),
                                     nt__placement_process()->serve[0], NULL);
    if (orphan.shard) /* its lock is held, under which no stack is looked at */
        orphan.shard->sampling.never = true;
    return orphan.shard;
}

static void orphan_unlock(void)
{
    nt__unlock(&orphan.lock);
}

struct nt_shard *nt__heap_hold(void)
{
    nt__guest_meet();
    return nt__heap_shard == &nt__shard_gone ? orphan_lock() : nt__thread_shard();
}

void nt__heap_let_go(void)
{
    if (NT_UNLIKELY(nt__heap_shard == &nt__shard_gone))
        orphan_unlock();
}

void nt__heap_fork_lock(void)
{
    nt__lock_for_fork(&orphan.lock);
}

void nt__heap_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT)
        nt__unlock_after_fork(&orphan.lock);
    else
        nt__lock_init(&orphan.lock, NT_RANK_POOL);
    if (how == NT_FORK_RAW) /* it may have been in use: the child begins another */
        orphan.shard = NULL;
}

void nt__heap_free_orphaned(struct nt_slab *slab, void *p)
{
    struct nt_shard *s = orphan_lock();
    if (s && nt__sampled_is_hidden(slab)) {
        nt__sampled_free(s, slab, p);
    } else if (s && slab->kind == NT_SLAB_LARGE) {
        nt__large_free(s, slab, p);
    } else if (s && slab->owner == s) {
        nt__shard_push(s, slab, p);
    } else if (s) {
        nt__remote_gather(s, slab, p);
        nt__remote_flush(s);
    }
    orphan_unlock();
}

/* ---- Reading ------------------------------------------------------------------------ */

static void read_name(struct nt_thread_figures *f)
{
    char path[48];
    nt__fmt_into(path, sizeof path, "/proc/self/task/%d/comm", (int)f->tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, f->name, sizeof f->name - 1);
    if (fd >= 0)
        close(fd);
    size_t length = n > 0 ? (size_t)n : 0;
    if (length > 0 && f->name[length - 1] == '\n')
        length--;
    f->name[length] = '\0';
}

static void fill(struct nt_thread_figures *out, const struct nt_sums *s)
{
    out->allocations_total = s->allocs;
    out->allocated_bytes_total = s->allocated;
    out->requested_bytes_total = s->requested;
    out->frees_total = s->frees;
    out->freed_bytes_total = s->freed;
    out->remote_frees_total = s->remote;
}

static void fill_thread(struct nt_thread_figures *f, struct thread *t)
{
    struct nt_sums now = sum_thread(t);
    memset(f, 0, sizeof *f);
    f->tid = t->tid;
    f->node = nt__topo()->node[t->shard->slot].id;
    fill(f, &now);
    memcpy(f->name, t->name, sizeof f->name);
    f->migrations_total = t->migrations;
    t->peak = peak_of(t); /* what was read once does not become less */
    f->live_bytes_peak = (uint64_t)t->peak;
}

/* Under the lock. Returns how many there are. */
static size_t list(struct nt_thread_figures *out, size_t max)
{
    size_t n = 0;
    if (max > 0) {
        memset(out, 0, sizeof *out);
        out->node = -1;
        memcpy(out->name, "exited", sizeof "exited");
        fill(out, &threads.exited);
        out->migrations_total = threads.exited_migrations;
    }
    n++;
    for (struct thread *t = threads.first; t; t = t->next) {
        if (!t->shard)
            continue;
        if (n < max)
            fill_thread(&out[n], t);
        n++;
    }
    return n;
}

bool nt__thread_read(struct nt_thread_figures *out, size_t max, bool wait, size_t *n)
{
    if (!nt__lock_or_try(&threads.lock, wait))
        return false;
    *n = list(out, max);
    nt__unlock(&threads.lock);
    /* The system's names are read from /proc, which takes longer. */
    for (size_t i = 1; i < *n && i < max; i++)
        if (out[i].name[0] == '\0')
            read_name(&out[i]);
    return true;
}

long nt_snapshot_threads(struct nt_thread_figures *out, size_t max)
{
    NT_FORWARD(snapshot_threads(out, max));
    if (!out && max != 0)
        return -EINVAL;
    int saved = errno, cancel = nt__cancel_off();
    size_t n = 0;
    nt__thread_read(out, max, true, &n);
    nt__cancel_as(cancel);
    nt__figures_tick();
    errno = saved;
    return (long)n;
}

int nt_thread_name(const char *name)
{
    NT_FORWARD(thread_name(name));
    if (name && *name == '\0')
        return -EINVAL;
    int saved = errno;
    nt__start();
    struct thread *t = nt__thread_shard() ? entry() : NULL;
    if (t) {
        nt__lock(&threads.lock);
        nt__name_copy(t->name, sizeof t->name, name ? name : "");
        nt__unlock(&threads.lock);
    }
    nt__figures_tick();
    errno = saved;
    return t ? 0 : -ENOMEM;
}
