/* SPDX-License-Identifier: MIT */
/*
 * Which blocks are sampled, at no cost to those that are not.
 *
 * The fast path adds the size to requested[class]. While sampling is on, that counter is set
 * so that it passes 2^64 when the next sample point is reached: the add that counts is the
 * test, one branch on its carry (as slab->back's for events). What was taken off is kept in
 * drawn[class], and the sum of both is what was asked for. A Poisson process on all bytes is
 * one on each class's bytes, so each class of a shard has a draw of its own.
 *
 * How a free finds that its block is sampled, at no cost either: sampled blocks of size
 * classes come from *hidden* shards, one per arena, behind a lock, which no thread ever has
 * as its own; so their frees leave the fast path. Nothing is counted in a hidden shard: the
 * shard of the thread that allocates counts the block, that of the one that frees it the
 * free. Large blocks and explicit pools, whose frees are never fast, have a count in the
 * slab's header (slab->sampled).
 *
 * With several nodes a thread must notice that it was moved to another, and the fast path does
 * not ask. So the same carry comes after some bytes of each small class, sampling or not.
 * What is moved finds the sizes in its shard's table forgotten, and so takes the slow path, where
 * it changes shards (src/heap/thread.c).
 *
 * A change of the interval reaches a shard at its next slow call, or at its current
 * slab's event, every 512 frees.
 */
#ifndef NT_POOLS_SAMPLED_H
#define NT_POOLS_SAMPLED_H

#include "pools/shard.h"
#include "src/track/profile.h"

/* At the start, when the nodes are known. */
NT_HIDDEN void nt__sampled_start(void);

NT_HIDDEN NT_SLOW void nt__sampled_follow(struct nt_shard *s);

/* Is the interval another by now? */
NT_FAST bool nt__sampled_is_behind(const struct nt_shard *s)
{
    /* Acquire: pairs with nt__profile_set. */
    return s->sampling.generation !=
           __atomic_load_n(&nt__sampler.generation, __ATOMIC_ACQUIRE);
}

/* The owner, in every slow call. */
NT_FAST void nt__sampled_sync(struct nt_shard *s)
{
    if (NT_UNLIKELY(nt__sampled_is_behind(s)))
        nt__sampled_follow(s);
}

/* Bytes that were asked for in the class, ever. Any thread. */
NT_HIDDEN uint64_t nt__sampled_both(const struct nt_shard *s, unsigned c);
static inline uint64_t nt__sampled_requested(const struct nt_shard *s, unsigned c)
{
    /* In this order, as nt__sampled_follow has it the other way round. */
    uint64_t requested = __atomic_load_n(&s->requested[c], __ATOMIC_ACQUIRE);
    bool never = __atomic_load_n(&s->sampling.generation, __ATOMIC_RELAXED) == 0;
    return never ? requested : nt__sampled_both(s, c);
}

/* A sample is due at the large block `slab`, which was taken for `size` bytes. */
NT_HIDDEN NT_SLOW void nt__sampled_large(struct nt_shard *s, struct nt_slab *slab,
                                         size_t size);

/* The sampled large block `slab` is freed by the owner of `s`, or becomes another. */
NT_HIDDEN NT_SLOW void nt__sampled_large_gone(const struct nt_shard *s,
                                              struct nt_slab *slab);

/* Is `slab` a hidden shard's? */
NT_FAST bool nt__sampled_is_hidden(const struct nt_slab *slab)
{
    return slab->sampled != 0 && slab->kind == NT_SLAB_BLOCKS && !slab->pooled;
}

/* `p` is a block that a realloc moved to: if it is sampled, that is noted. */
static inline void nt__sampled_moved(const void *p)
{
    if (nt__profile_exists() && NT_RACY(nt__slab_at(p)->sampled) != 0)
        nt__profile_moved(p);
}

/* Free the block `p` of a hidden shard's slab, counted in `s`. */
NT_HIDDEN NT_SLOW void nt__sampled_free(struct nt_shard *s, struct nt_slab *slab,
                                        void *p);

/* What the pool's shard found due while its lock was held, now that it is not: stacks are
 * not looked at under locks. */
struct nt_due {
    struct nt_asked asked; /* size 0: nothing is due */
    uint64_t interval;
    struct nt_slab *slab;
    int32_t node;
};

/* Under the pool's lock: what is due at the block `p`, if anything. */
NT_HIDDEN struct nt_due nt__sampled_due(struct nt_shard *s, void *p);
NT_HIDDEN void nt__sampled_pool(const struct nt_due *due, void *p);

/* Under the pool's lock: a block of a slab with sampled blocks is freed. */
NT_HIDDEN NT_SLOW void nt__sampled_pool_free(struct nt_slab *slab, const void *p);

/* The hidden shards' lock, and the one for what `s` allocates (NULL: none is asked for, or
 * there is no memory). guarded.c keeps its own under the same lock. */
NT_HIDDEN struct nt_shard *nt__hidden_lock(const struct nt_shard *s);
NT_HIDDEN void nt__hidden_unlock(void);

/* A sample is due in class `c` at guarded.c's block `p`. The site; NULL: it is not taken. */
NT_HIDDEN const struct nt_site *nt__sampled_guarded(struct nt_shard *s, unsigned c,
                                                    const struct nt_asked *asked,
                                                    void *p);

/* Such a block, which was removed from the profile, was freed by the owner of `s`. The site. */
NT_HIDDEN const struct nt_site *
nt__sampled_guarded_freed(const struct nt_shard *s, const struct nt_sample *sample);

/* Give back what holds no block, of the hidden shards. */
NT_HIDDEN void nt__sampled_trim(void);

NT_HIDDEN void nt__sampled_fork_lock(void);
NT_HIDDEN void nt__sampled_fork_unlock(enum nt_fork how);

#endif
