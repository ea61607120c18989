/* SPDX-License-Identifier: MIT */
/*
 * The library's locks, each with a rank.
 *
 * A thread takes locks in rising rank only, so no two threads can wait for each
 * other; debug builds check it. Ranks, outermost first: see enum nt_rank. Memory is
 * given back and moved with no arena lock held; only growing (window, meta) calls
 * the system under its lock. None of them is on the way of an allocation or free
 * that the thread's own slabs can serve.
 *
 * fork: heap.c takes all of them in prepare, releases them in the parent and makes
 * them anew in the child.
 */
#ifndef NT_BASE_LOCK_H
#define NT_BASE_LOCK_H

#include "src/base/base.h"

#include <pthread.h>

enum nt_rank {
    NT_RANK_START = 1,    /* start.c: one thread starts the library */
    NT_RANK_POOL = 2,     /* pool.c: one per explicit pool; thread.c: orphans */
    NT_RANK_FIGURES = 3,  /* figures.c: one reader fills the static snapshot */
    NT_RANK_PHASES = 4,   /* phases.c, limit.c: what the program asked to be watched */
    NT_RANK_REGISTER = 5, /* pool.c, thread.c, wrap.c: who exists */
    NT_RANK_SAMPLED = 6,  /* sampled.c: the shards of sampled blocks */
    NT_RANK_PLACEMENTS = 7, /* arenas.c: who makes a placement or an arena */
    NT_RANK_SHARDS = 8,     /* adopt.c: idle shards, by arena */
    NT_RANK_WINDOW = 9,     /* window.c: growing; held over mmap */
    NT_RANK_ARENA = 10,     /* arena.c: one per arena */
    NT_RANK_PROFILE = 11,   /* profile.c: what was sampled; held over mmap */
    NT_RANK_MODULES = 12,   /* modules.c: held over the dynamic linker's */
    NT_RANK_META = 13,      /* meta.c: the library's own memory; held over mmap */
    NT_RANK_PEAK = 14,      /* peak.c: one thread settles; waits for nothing */
    NT_RANK_TRACKED = 15,   /* blocks.c: one per shard, of all tracked allocators */
    NT_RANK_HISTORY = 16,   /* history.c: waits for nothing */
};

/* How the locks are given up after a fork. */
enum nt_fork {
    NT_FORK_PARENT, /* taken in prepare, released */
    NT_FORK_CHILD,  /* taken in prepare, by a thread of the parent: made anew */
    NT_FORK_RAW,    /* the child of _Fork or clone: nobody took them. What a held lock
                       guards may be half done: its owner starts it anew, empty */
};

struct nt_lock {
    pthread_mutex_t mutex;
    uint8_t rank;
    bool taken;  /* a hint: whoever finds it set waits a moment before it may sleep */
    bool forked; /* by nt__lock_for_fork; the holder's */
};

/* All zero but in debug builds: what has a lock in it lies in .bss, page by page. */
#define NT_LOCK_INIT(r)                                                                \
    {                                                                                  \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .rank = NT_DEBUG ? (r) : 0                 \
    }

#if NT_DEBUG
extern NT_HIDDEN _Thread_local uint32_t nt__lock_held; /* a bit per rank */
#define NT_LOCK_RANKED(lock) NT_ASSERT(nt__lock_held >> (lock)->rank == 0)
#define NT_LOCK_SET(lock) (nt__lock_held |= 1u << (lock)->rank)
#define NT_LOCK_CLEAR(lock) (nt__lock_held &= ~(1u << (lock)->rank))
#else
#define NT_LOCK_RANKED(lock) ((void)0)
#define NT_LOCK_SET(lock) ((void)0)
#define NT_LOCK_CLEAR(lock) ((void)0)
#endif

static inline void nt__lock_init(struct nt_lock *lock, enum nt_rank rank)
{
    *lock = (struct nt_lock)NT_LOCK_INIT((uint8_t)rank);
}

static inline void nt__lock_hint(struct nt_lock *lock, bool taken)
{
    __atomic_store_n(&lock->taken, taken, __ATOMIC_RELAXED);
}

/* Opening, reading and writing files are what a cancelled thread ends at, perhaps with a lock
 * of ours; malloc must be none. Between these two it goes on. */
static inline int nt__cancel_off(void)
{
    int was;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &was);
    return was;
}

static inline void nt__cancel_as(int was)
{
    pthread_setcancelstate(was, NULL);
}

/* Until the holder gave it up, or for a moment. */
NT_HIDDEN NT_SLOW void nt__lock_wait(const struct nt_lock *lock);

static inline void nt__lock(struct nt_lock *lock)
{
    NT_LOCK_RANKED(lock);
    if (NT_UNLIKELY(__atomic_load_n(&lock->taken, __ATOMIC_RELAXED)))
        nt__lock_wait(lock);
    pthread_mutex_lock(&lock->mutex);
    nt__lock_hint(lock, true);
    NT_LOCK_SET(lock);
}

static inline bool nt__trylock(struct nt_lock *lock)
{
    if (pthread_mutex_trylock(&lock->mutex) != 0)
        return false;
    nt__lock_hint(lock, true);
    NT_LOCK_SET(lock);
    return true;
}

/* Take the lock; or, in a signal handler, which must not wait for what the thread that it
 * interrupted may hold, only if it is free. */
static inline bool nt__lock_or_try(struct nt_lock *lock, bool wait)
{
    if (!wait)
        return nt__trylock(lock);
    nt__lock(lock);
    return true;
}

/* fork takes several of a rank and gives them up in the same thread: no ranks. Where that is
 * the only thread and the lock is held, by itself then, interrupted by a signal handler that
 * forks, it is not waited for but counted as missed; nt__unlock_after_fork leaves it alone. */
NT_HIDDEN void nt__lock_for_fork(struct nt_lock *lock);
NT_HIDDEN void nt__unlock_after_fork(struct nt_lock *lock);
extern NT_HIDDEN unsigned nt__lock_missed;

/* After NT_FORK_RAW: was the lock held? It is made anew. */
static inline bool nt__lock_raw(struct nt_lock *lock)
{
    bool held = pthread_mutex_trylock(&lock->mutex) != 0;
    nt__lock_init(lock, (enum nt_rank)lock->rank);
    return held;
}

static inline void nt__unlock(struct nt_lock *lock)
{
    NT_LOCK_CLEAR(lock);
    nt__lock_hint(lock, false);
    pthread_mutex_unlock(&lock->mutex);
}

#endif
