/* SPDX-License-Identifier: MIT */
/*
 * A shard: the slabs of one thread on one node, and everything that is counted there.
 *
 * Each class has a *current* slab that blocks come from; slabs that ran dry are on the
 * list `full`, those with room again on partial[class], those that hold no block any more
 * on empty[class] (slab.h tells how they move).
 * An allocation pops the current slab's list and adds to two counters; a free pushes
 * and adds to one: these counters are the ones that the reports sum up. Where a block
 * was freed by a thread other than its slab's, that thread counts it, in `sent`.
 *
 * A shard is owned by one thread, or by an explicit pool (under the pool's lock), or is
 * idle: on its node's list of idle shards, under that list's lock (adopt.c). It stays
 * on one node for ever; a thread that moves takes another. Shards are never unmapped:
 * late frees and readers may always look.
 *
 * Always (all threads still), summed over the shards of a node's slot n, per class:
 *   live blocks = sum of allocs - frees, minus sent by any shard, home n
 * and each counter row is written by the shard's owner only.
 */
#ifndef NT_POOLS_SHARD_H
#define NT_POOLS_SHARD_H

#include "numa/arenas.h"
#include "pools/slab.h"
#include "src/track/count.h"

struct nt_pool;

/* For what a block is. Its class was to hold more than the size if it was to be aligned, or
 * given room to grow. */
struct nt_asked {
    size_t size, held, align;
};

static inline struct nt_asked nt__asked(size_t size, size_t align)
{
    return (struct nt_asked){size, align > NT_GRAIN ? nt__align_up(size, align) : size,
                             align};
}

/* Where the next samples fall (sampled.h). The owner's. */
struct nt_sampling {
    uint64_t interval;   /* by which drawn[] was drawn; 0: nothing is sampled */
    uint32_t generation; /* of the sampler that this follows */
    bool never;          /* no sampling here */
    bool hidden;         /* sampled blocks come from here */
    bool inside;         /* a sample is being taken */
    struct nt_asked due; /* of a pool: for the block to be sampled; size 0: none */
    /* A change of both words of a class, for readers: it goes on while `changes` is odd. */
    uint32_t changes, class;
    uint64_t total; /* their sum meanwhile */
};

#define NT_BATCHES 64 /* home slabs whose remote frees are gathered at once */

/* Blocks of one slab that this thread freed and has not sent home yet. */
struct nt_batch {
    struct nt_slab *slab; /* NULL: unused */
    struct nt_block *head, *tail;
    uint32_t left, most; /* it takes so many more, of so many */
};

#define NT_HABITS 4 /* lengths of runs of large blocks remembered */

/* How large blocks of a length are used, and the run kept for the next: spare.h. */
struct nt_habit {
    void *run;         /* the spare; NULL: none */
    const void *last;  /* the run of this length handed out last, or kept */
    uint32_t slices;   /* 0: unused */
    uint16_t interval; /* blocks from probe to probe; 0: not proved */
    uint16_t left;     /* until the next one; not proved: times to be right yet */
    uint8_t ask;       /* pages to ask for when `last` comes back */
    bool used;         /* kept since the last look at what is */
    bool full;         /* all pages of `last` were in memory when it was last cleared */
};

struct nt_spares {
    struct nt_habit habit[NT_HABITS];
    struct nt_slab
        *ahead;      /* the run of a block that had grown, for the next one; or NULL */
    uint64_t slices; /* of all spares; read by anyone */
    uint32_t ms;     /* of the last look */
    uint8_t next;    /* habit to be forgotten next */
};

/* What the shards of an explicit pool may hold together; under the pool's lock. */
struct nt_budget {
    uint64_t limit; /* slices; 0: any number */
    uint64_t held;
};

enum nt_shard_state {
    NT_SHARD_IDLE = 0, /* on its slot's idle list */
    NT_SHARD_OWNED,    /* by a thread or a pool */
    NT_SHARD_LOST,     /* by a thread that a fork left behind in the parent */
};

struct nt_shard {
    /* What every allocation and free uses. The owner's. */
    struct nt_slab *unknown;             /* current[-1]: &nt__slab_none */
    struct nt_slab *current[NT_CLASSES]; /* never NULL: &nt__slab_none has no block */
    uint64_t allocs[NT_CLASSES];         /* blocks handed out */
    uint64_t requested[NT_CLASSES];      /* bytes asked for by these, less drawn[] */
    uint64_t frees[NT_CLASSES];          /* blocks of own slabs that came back here */

    uint8_t state;        /* enum nt_shard_state; under the idle list's lock */
    uint8_t slot;         /* node, constant */
    uint8_t sent_to_idle; /* batches, mod 256 */
    uint8_t watching;     /* current slabs have an event every few frees: shard.c */
    uint8_t batches;      /* next to be sent for its age */
    uint8_t looks;        /* to come at least, while watching */
    uint8_t changes;      /* small ones published, mod 256: peak.c */
    uint16_t turn;        /* arena of others looked at last: shard.c */
    bool ageing;          /* what was not used is being taken out of use */
    /* constant; of a pool's: under the pool's lock */
    struct nt_placement *placement; /* what the two arenas are of */
    struct nt_arena *arena;         /* slabs come from here */
    struct nt_arena *large_arena;   /* large blocks come from here */
    struct nt_pool *pool;           /* NULL: the process's heap; constant */
    struct nt_shard *next;          /* in the register of all shards, constant */
    struct nt_shard *idle_next;     /* under the idle list's lock */
    uint32_t idle_ms;               /* when it came there */

    /* The owner's. */
    struct nt_slab *partial[NT_CLASSES];

    /* More counters, the owner's, read by anyone. */
    uint64_t slabs[NT_CLASSES]; /* slabs held (large: runs, the spare ones, too) + 2^32
                                    times the slices of these; summed mod 2^64 */
    uint64_t large_allocated, large_freed, large_sent; /* bytes of large blocks */
    uint64_t reallocs;                                 /* that moved nothing */
    uint64_t realloc_requested;  /* bytes these asked for, large blocks apart */
    struct nt_sampling sampling; /* sampled.h */

    /* What is in the sums that peaks are taken from; peak.c says who writes. */
    int64_t published[NT_CLASSES];
    int64_t live_bytes; /* sum of published: what was taken here and not freed here */
    int64_t live_peak;  /* most of it since the owner came */

    /* The owner's. */
    struct nt_slab *full;
    uint32_t empty_slices; /* of the slabs on empty */
    uint32_t empty_unused; /* least there were of these since empty_ms */
    uint32_t empty_ms;

    /* Of each small size its class + 1, for malloc: one load, no arithmetic. 0 until the size,
     * or one near it, is asked for: pages of it that nobody needs are not touched. */
    uint8_t class_of[NT_SMALL_MAX + 1];

    /* The owner's. What is from here on a small program with one thread does not write to. */
    struct nt_slab
        *empty[NT_CLASSES];    /* kept for the next time: shard.c says how many */
    uint32_t used[NT_CLASSES]; /* allocs + frees, mod 2^32, at the last look */
    struct nt_slab *larges;    /* of an explicit pool: its large blocks */
    struct nt_spares spares;   /* spare.h */
    struct nt_slab *grown; /* the block that was last given room to grow: realloc.c */
    uint32_t grown_turns, grown_left; /* for which others wait if it does not */
    struct nt_budget *budget; /* of an explicit pool; NULL: no limit; constant */
    struct nt_batch batch[NT_BATCHES];
    uint64_t drawn[NT_CLASSES]; /* requested[] + drawn[] is what was asked for */
    uint64_t
        beyond[NT_CLASSES]; /* several nodes: from where the node is asked for on to the
                                    next sample's point */

    /* What was freed here of others' slabs: by class and by home slot, a matrix row. The
     * owner's, read by anyone; published_sent as published. */
    uint64_t sent[NT_CLASSES];
    uint64_t sent_blocks[NT_TOPO_NODES], sent_bytes[NT_TOPO_NODES];
    int64_t published_sent[NT_TOPO_NODES];

    struct nt_slab *pending __attribute__((aligned(NT_CACHE_LINE))); /* remote.h */
};

extern NT_HIDDEN struct nt_slab nt__slab_none;

/* The shard that a slab's blocks, or a large block, are counted in when they are freed. */
static inline struct nt_shard *nt__shard_of(const struct nt_slab *slab)
{
    return slab->kind == NT_SLAB_LARGE
               ? slab->home
               : __atomic_load_n(&slab->owner, __ATOMIC_RELAXED);
}

/* The shard holds another slab, or large block, of so many slices; or one less. The owner. */
static inline void nt__shard_hold(struct nt_shard *s, unsigned c, uint64_t slices)
{
    nt__count_add(&s->slabs[c], slices << 32 | 1);
}

static inline void nt__shard_let_go(struct nt_shard *s, unsigned c, uint64_t slices)
{
    nt__count_add(&s->slabs[c], -(slices << 32 | 1));
}

/* The register of all shards there ever were; follow `next`. */
NT_HIDDEN struct nt_shard *nt__shard_first(void);

/* A new shard on `slot`, in the register. NULL: no memory. */
NT_HIDDEN struct nt_shard *nt__shard_new(struct nt_placement *placement, unsigned slot,
                                         struct nt_pool *pool);

/* Is the calling thread, whose shard `s` is, served from another node by now? */
NT_FAST bool nt__shard_is_elsewhere(const struct nt_shard *s)
{
    return s->placement->serve[nt__topo_here()] != s->slot;
}

/* Do pages of this shard's large blocks lie where they were touched first? Else they all
 * lie on one node: there is only one, or the policy is bound. */
NT_FAST bool nt__shard_by_first_touch(const struct nt_shard *s)
{
    return s->large_arena != s->arena;
}

/* From now on the memory of a shard without an owner, or of a pool, comes under
 * `placement`. False: no memory for its arenas, nothing changed. */
NT_HIDDEN bool nt__shard_place(struct nt_shard *s, struct nt_placement *placement);

/* Fill in class_of around `size`. */
NT_HIDDEN NT_SLOW void nt__shard_learn(struct nt_shard *s, size_t size);

/* Another table of sizes holds from now on (a pool's, under its lock), or each size is to ask. */
NT_HIDDEN void nt__shard_forget(struct nt_shard *s);

/* See to it that nt__shard_pop knows the class of `size`. The owner. */
static inline void nt__shard_know(struct nt_shard *s, size_t size)
{
    if (size <= NT_SMALL_MAX && NT_UNLIKELY(s->class_of[size] == 0) && s->arena)
        nt__shard_learn(s, size);
}

/* A block of class `c`, by whatever way there is one; counted. NULL: no memory. `*zeroed`: the
 * block reads as zero. */
NT_HIDDEN void *nt__shard_malloc(struct nt_shard *s, unsigned c,
                                 const struct nt_asked *asked, bool *zeroed);

/* Borrow and give back runs for slabs and large blocks, within the budget. As
 * nt__arenas_take and nt__arena_give. */
NT_HIDDEN void *nt__shard_take(struct nt_shard *s, struct nt_arena *a, size_t slices,
                               size_t align, bool *clean);
/* The shard holds so many more (or, mod 2^64, fewer) slices. False: too many. */
NT_HIDDEN bool nt__shard_charge(struct nt_shard *s, size_t slices);

/* slab->back came to 0, or passed it. */
NT_HIDDEN NT_SLOW void nt__shard_event(struct nt_shard *s, struct nt_slab *slab);

/* Blocks that others freed, in a chain of `n` (maybe 0), come to the owner's slab. */
NT_HIDDEN void nt__shard_receive(struct nt_shard *s, struct nt_slab *slab,
                                 struct nt_block *chain, unsigned n);

/* Free memory may wait to be given back: see to it, now (true: it was time to look) and
 * at some of the frees to come. */
NT_HIDDEN bool nt__shard_watch(struct nt_shard *s);

/* Move the pages of all slabs and large blocks of a pool's shard to a node; as
 * nt__bind_move. */
NT_HIDDEN int nt__shard_migrate(struct nt_shard *s, unsigned slot);

/* Give back the empty slabs but a unit's worth. */
NT_HIDDEN void nt__shard_shrink(struct nt_shard *s);

/* Give back every slab without a live block. */
NT_HIDDEN void nt__shard_trim(struct nt_shard *s);

/* Give back every slab and large block, live or not (explicit pools). */
NT_HIDDEN void nt__shard_empty(struct nt_shard *s);

/* Take a slab with room off another shard's lists; NULL if it has none of class c. */
NT_HIDDEN struct nt_slab *nt__shard_yield(struct nt_shard *s, unsigned c);

/* Debug: panic unless the shard's and its slabs' invariants hold. The owner only. */
NT_HIDDEN void nt__shard_check(struct nt_shard *s);

/* adopt.c: shards and slabs of threads that are gone. */
NT_HIDDEN struct nt_shard *nt__shard_acquire(struct nt_placement *placement,
                                             unsigned slot);
NT_HIDDEN void nt__shard_retire(struct nt_shard *s);
NT_HIDDEN struct nt_slab *nt__shard_adopt(struct nt_shard *s, unsigned c);
/* Receive for some idle shards with slabs of an arena, which nobody else does while they
 * are idle, and give back what they do not need. */
NT_HIDDEN void nt__shard_receive_idle(const struct nt_arena *arena);
NT_HIDDEN void nt__shard_trim_idle(void);
/* Something came to the arena's idle shards that may go back when it is time. */
NT_HIDDEN void nt__shard_idle_due(const struct nt_arena *arena);
NT_HIDDEN bool nt__shard_idle_waits(const struct nt_arena *arena);
/* Give back what some idle shards hold, if it is time. */
NT_HIDDEN void nt__shard_age_idle(const struct nt_arena *arena);
NT_HIDDEN void nt__shard_fork_lock(void);
/* In the child shards of other threads are lost; `mine` (or NULL) is kept. */
NT_HIDDEN void nt__shard_fork_unlock(enum nt_fork how, struct nt_shard *mine);

/* sampled.h: the block to be handed out for `size` bytes, now that a sample is due: `plain`,
 * which was taken and counted, or another in its place. `room`: the size that its class was
 * found by, `size` but where a realloc leaves room. */
NT_HIDDEN NT_SLOW __attribute__((returns_nonnull)) void *
nt__sampled_instead(struct nt_shard *s, size_t size, size_t room, void *plain);
NT_HIDDEN NT_SLOW __attribute__((returns_nonnull)) void *
nt__sampled_asked(struct nt_shard *s, const struct nt_asked *asked, void *plain);

/* current[c]; `c` may be -1: a size whose class is not known yet. */
NT_FAST struct nt_slab *nt__shard_current(const struct nt_shard *s, size_t c)
{
    _Static_assert(sizeof(void *) == 8, "rows of pointers");
    const char *rows = (const char *)s + offsetof(struct nt_shard, current);
    return *(struct nt_slab *const *)(const void *)(rows + (ptrdiff_t)c * 8);
}

/* A block of class `c` from the current slab, counted; NULL when its list is empty. `*due`:
 * what is to be handed out is nt__sampled_instead's. */
NT_FAST void *nt__shard_pop_class(struct nt_shard *s, size_t c, size_t size, bool *due)
{
    struct nt_slab *slab = nt__shard_current(s, c);
    struct nt_block *block = slab->free;
    *due = false;
#if defined(__x86_64__)
    __asm__("" : "+a"(block)); /* where it is returned: else gcc moves it there */
#endif
    if (NT_UNLIKELY(block == NULL))
        return NULL;
    if (NT_COUNTING && !NT_SAMPLING)
        nt__count_add_two(&s->allocs[c], 1, &s->requested[c], size);
    else if (NT_COUNTING)
        *due = nt__count_add_two_passes(&s->allocs[c], 1, &s->requested[c], size);
    struct nt_block *next = block->next;
    slab->free = next;
    __builtin_prefetch(next, 1);
    if (NT_CHECKING)
        block->key = NULL;
    return block;
}

/* A block for `size` bytes from the current slab, counted; NULL when its list is empty,
 * or the size is not small, or its class not known. */
NT_FAST void *nt__shard_pop(struct nt_shard *s, size_t size, bool *due)
{
    *due = false;
    if (NT_UNLIKELY(size > NT_SMALL_MAX))
        return NULL;
    return nt__shard_pop_class(s, (size_t)s->class_of[size] - 1, size, due);
}

/* Put a block of the shard's own slab back; `counted`, or somebody else counts it. The
 * caller has checked it. */
NT_FAST void nt__shard_put(struct nt_shard *s, struct nt_slab *slab, void *p,
                           bool counted)
{
    struct nt_block *block = p;
    block->next = slab->free;
    if (NT_CHECKING)
        block->key = NT_KEY;
    slab->free = block;
    if (NT_COUNTING && counted)
        nt__count_add(&s->frees[slab->class], 1);
    if (NT_UNLIKELY(++slab->back == 0))
        nt__shard_event(s, slab);
}

NT_FAST void nt__shard_push(struct nt_shard *s, struct nt_slab *slab, void *p)
{
    nt__shard_put(s, slab, p, true);
}

#endif
