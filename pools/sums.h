/* SPDX-License-Identifier: MIT */
/*
 * A shard's counters added up over its classes: what threads and pools show. Read from
 * anywhere; exact when the shard's owner is still.
 */
#ifndef NT_POOLS_SUMS_H
#define NT_POOLS_SUMS_H

#include "pools/shard.h"

struct nt_sums {
    uint64_t allocs, allocated, requested; /* blocks, block bytes, bytes asked for */
    uint64_t frees, freed; /* blocks and their bytes freed by the owner */
    uint64_t remote;       /* of these, of others' slabs */
};

NT_HIDDEN void nt__sums_add_shard(struct nt_sums *to, const struct nt_shard *s);

/* *to += *from, or -= */
NT_HIDDEN void nt__sums_add(struct nt_sums *to, const struct nt_sums *from);
NT_HIDDEN void nt__sums_subtract(struct nt_sums *to, const struct nt_sums *from);

#endif
