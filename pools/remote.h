/* SPDX-License-Identifier: MIT */
/*
 * Blocks go home: freed by any thread, a block returns to the slab it was cut from.
 *
 * The freeing thread gathers blocks per home slab in a small cache of its own and
 * sends a batch with one compare-and-swap: across sockets the atomic is the cost.
 *
 *   slab->remote   [count:15][queued:1][first block:48]
 *
 * Senders push chains; only the owner takes, all at once, so there is no ABA. The
 * sender that finds a slab not queued also pushes it on its owner's `pending` stack,
 * where the owner finds it at its next refill. queued stays set from then until the
 * owner pops the slab from the stack, so a slab is in one stack at most, once.
 *
 * A slab that changed owners meanwhile is found in the old owner's stack: whoever
 * empties that stack passes it on. A slab with remote != 0 is never given back.
 *
 * Batches hold at most 64 blocks and 16 KiB, so what is under way stays negligible.
 */
#ifndef NT_POOLS_REMOTE_H
#define NT_POOLS_REMOTE_H

#include "pools/shard.h"

/* `batch` is another slab's, or none's: it becomes `slab`'s, with one block. */
NT_HIDDEN __attribute__((noinline)) void nt__remote_begin(struct nt_shard *s,
                                                          struct nt_batch *batch,
                                                          struct nt_slab *slab,
                                                          struct nt_block *block);

/* Send a batch that is full. */
NT_HIDDEN __attribute__((noinline)) void nt__remote_send(struct nt_shard *s,
                                                         struct nt_batch *batch);

/* Free `p`, of another owner's `slab`: gather it in `s`'s cache, counted. */
NT_FAST void nt__remote_gather(struct nt_shard *s, struct nt_slab *slab, void *p)
{
    struct nt_block *block = p;
    struct nt_batch *batch =
        &s->batch[((uintptr_t)slab >> NT_HEADER_SHIFT) % NT_BATCHES];
    size_t class = slab->class, slot = slab->slot;
    nt__count_add(&s->sent[class], 1);
    nt__count_add_two(&s->sent_blocks[slot], 1, &s->sent_bytes[slot], slab->size);
    block->key = NT_KEY;
    if (NT_UNLIKELY(batch->slab != slab)) {
        nt__remote_begin(s, batch, slab, block);
        return;
    }
    block->next = batch->head;
    batch->head = block;
    if (NT_UNLIKELY(--batch->left == 0))
        nt__remote_send(s, batch);
}

/* Send all that is gathered. */
NT_HIDDEN void nt__remote_flush(struct nt_shard *s);

/* Send one batch, in turn: so that none waits for ever. At refills. */
NT_HIDDEN void nt__remote_age(struct nt_shard *s);

/* Receive what was sent to any of `s`'s slabs. The owner of `s`. */
NT_HIDDEN void nt__remote_receive(struct nt_shard *s);

/* Take what was sent to this slab, linked; returns how many. The slab's owner. */
NT_HIDDEN unsigned nt__remote_take(struct nt_slab *slab, struct nt_block **chain);

/* Is `p` gathered in `s` or sent to `slab` already? To prove a double free. */
NT_HIDDEN bool nt__remote_holds(const struct nt_shard *s, const struct nt_slab *slab,
                                const void *p);

#endif
