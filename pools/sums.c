/* SPDX-License-Identifier: MIT */
#include "pools/sums.h"

#include "pools/sampled.h"

void nt__sums_add_shard(struct nt_sums *to, const struct nt_shard *s)
{
    for (unsigned c = 0; c <= nt__sizeclass_large(); c = nt__sizeclass_next(c)) {
        uint64_t size = nt__sizeclasses.size[c];
        uint64_t allocs = nt__count_read(&s->allocs[c]);
        uint64_t sent = nt__count_read(&s->sent[c]);
        uint64_t frees = nt__count_read(&s->frees[c]) + sent;
        if ((allocs | frees) == 0)
            continue;
        to->allocs += allocs;
        to->allocated += allocs * size;
        to->requested += nt__sampled_requested(s, c);
        to->frees += frees;
        to->freed += frees * size;
        to->remote += sent;
    }
    to->allocated += nt__count_read(&s->large_allocated);
    to->freed += nt__count_read(&s->large_freed) + nt__count_read(&s->large_sent);
}

static void add_times(struct nt_sums *to, const struct nt_sums *from, uint64_t sign)
{
    to->allocs += sign * from->allocs;
    to->allocated += sign * from->allocated;
    to->requested += sign * from->requested;
    to->frees += sign * from->frees;
    to->freed += sign * from->freed;
    to->remote += sign * from->remote;
}

void nt__sums_add(struct nt_sums *to, const struct nt_sums *from)
{
    add_times(to, from, 1);
}

void nt__sums_subtract(struct nt_sums *to, const struct nt_sums *from)
{
    add_times(to, from, (uint64_t)-1);
}
