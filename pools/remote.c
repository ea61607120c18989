/* SPDX-License-Identifier: MIT */
#include "pools/remote.h"

#include <errno.h>

#define BATCH_BLOCKS 64u
#define BATCH_BYTES (16 * NT_KIB)

#define IDLE_SENDS 16u /* batches to idle shards between two looks after them */

#define POINTER_BITS 48
#define POINTER (((uint64_t)1 << POINTER_BITS) - 1)
#define QUEUED ((uint64_t)1 << POINTER_BITS)
#define ONE_BLOCK ((uint64_t)2 << POINTER_BITS)
#define COUNT_SHIFT (POINTER_BITS + 1)

static struct nt_block *first_of(uint64_t remote)
{
    return (struct nt_block *)(uintptr_t)(remote & POINTER);
}

/* Put a slab, marked queued, on its owner's stack. The owner may change just now: then
 * the old one's stack gets it, and whoever empties that passes it on. */
static void push_pending(struct nt_slab *slab)
{
    struct nt_shard *owner = __atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE);
    slab->pending = __atomic_load_n(&owner->pending, __ATOMIC_RELAXED);
    /* Release: pairs with the exchange in receive. */
    while (!__atomic_compare_exchange_n(&owner->pending, &slab->pending, slab, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
}

static void send(struct nt_slab *slab, struct nt_block *head, struct nt_block *tail,
                 unsigned count)
{
    uint64_t old = __atomic_load_n(&slab->remote, __ATOMIC_RELAXED);
    uint64_t new;
    do {
        tail->next = first_of(old);
        new = ((old & ~(POINTER | QUEUED)) + count * ONE_BLOCK) | QUEUED |
              (uint64_t)(uintptr_t)head;
        /* Release: pairs with the owner's exchange, which reads the chain. Acquire: the
         * owner that took the slab off a stack has read slab->pending by then. */
    } while (!__atomic_compare_exchange_n(&slab->remote, &old, new, true,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    if (!(old & QUEUED))
        push_pending(slab);
}

/* After a batch went to a slab of an idle shard, now and then: nobody else will receive
 * it, and its memory might be all that is free. What is left is looked after later. The
 * state is read without a lock: a wrong guess costs a look. */
static void look_after_idle(struct nt_shard *s, const struct nt_slab *slab)
{
    /* Acquire: the owner's shard may be newer than anything that we have seen. */
    const struct nt_shard *owner = __atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE);
    if (!owner || __atomic_load_n(&owner->state, __ATOMIC_RELAXED) != NT_SHARD_IDLE)
        return;
    nt__shard_idle_due(owner->arena);
    if (++s->sent_to_idle % IDLE_SENDS == 0) {
        int saved = errno; /* nobody else keeps it */
        nt__shard_receive_idle(owner->arena);
        nt__shard_watch(s);
        errno = saved;
    }
}

void nt__remote_send(struct nt_shard *s, struct nt_batch *batch)
{
    struct nt_slab *slab = batch->slab;
    if (!slab)
        return;
    send(slab, batch->head, batch->tail, batch->most - batch->left);
    batch->slab = NULL;
    look_after_idle(s, slab);
}

void nt__remote_begin(struct nt_shard *s, struct nt_batch *batch, struct nt_slab *slab,
                      struct nt_block *block)
{
    nt__remote_send(s, batch);
    block->next = NULL;
    batch->slab = slab;
    batch->head = batch->tail = block;
    batch->most = (uint32_t)nt__min(BATCH_BLOCKS, BATCH_BYTES / slab->size + 1);
    batch->left = batch->most - 1;
    if (batch->left == 0)
        nt__remote_send(s, batch);
}

void nt__remote_flush(struct nt_shard *s)
{
    for (unsigned i = 0; i < NT_BATCHES; i++)
        if (s->batch[i].slab)
            nt__remote_send(s, &s->batch[i]);
}

void nt__remote_age(struct nt_shard *s)
{
    nt__remote_send(s, &s->batch[s->batches++ % NT_BATCHES]);
}

void nt__remote_receive(struct nt_shard *s)
{
    if (!__atomic_load_n(&s->pending, __ATOMIC_RELAXED))
        return;
    struct nt_slab *slab = __atomic_exchange_n(&s->pending, NULL, __ATOMIC_ACQUIRE);
    while (slab) {
        struct nt_slab *next = slab->pending;
        if (__atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE) != s) {
            push_pending(slab); /* still queued */
        } else {
            /* Pairs with send's, both ways. The slab is no longer queued. */
            uint64_t remote = __atomic_exchange_n(&slab->remote, 0, __ATOMIC_ACQ_REL);
            nt__shard_receive(s, slab, first_of(remote),
                              (unsigned)(remote >> COUNT_SHIFT));
        }
        slab = next;
    }
}

unsigned nt__remote_take(struct nt_slab *slab, struct nt_block **chain)
{
    *chain = NULL;
    if (__atomic_load_n(&slab->remote, __ATOMIC_RELAXED) <= QUEUED)
        return 0;
    /* Leaves queued as it is; acquire: pairs with send's release. */
    uint64_t remote = __atomic_fetch_and(&slab->remote, QUEUED, __ATOMIC_ACQUIRE);
    *chain = first_of(remote);
    return (unsigned)(remote >> COUNT_SHIFT);
}

/* Walks a chain that its owner may be taking: follows only what is a block. */
NT_RACES static bool chain_holds(const struct nt_slab *slab, const struct nt_block *b,
                                 const void *p)
{
    for (unsigned n = 0; b && n < slab->capacity; n++) {
        if (b == p)
            return true;
        if (!nt__slab_carved(slab, b) || !nt__slab_starts(slab, b))
            return false;
        b = b->next;
    }
    return false;
}

bool nt__remote_holds(const struct nt_shard *s, const struct nt_slab *slab,
                      const void *p)
{
    for (unsigned i = 0; s && i < NT_BATCHES; i++)
        if (s->batch[i].slab == slab && chain_holds(slab, s->batch[i].head, p))
            return true;
    return chain_holds(slab, first_of(__atomic_load_n(&slab->remote, __ATOMIC_ACQUIRE)),
                       p);
}
