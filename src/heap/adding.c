/* SPDX-License-Identifier: MIT */
/* A snapshot's figures, from the counters of shards, pools and arenas. */
#include "pools/peak.h"
#include "pools/pool.h"
#include "pools/sampled.h"
#include "src/heap/figures.h"

/* The class of a row: that of large blocks has the last one in use. */
static unsigned class_at(const struct nt_snapshot *out, unsigned row)
{
    return row + 1 == out->classes ? nt__sizeclass_large() : row;
}

static void add_class(struct nt_snapshot *out, const struct nt_shard *s, unsigned r)
{
    struct nt_node_figures *node = &out->node[s->slot];
    struct nt_class_figures *row = &out->class_[r];
    unsigned c = class_at(out, r);
    uint64_t size = nt__sizeclasses.size[c];
    uint64_t sent = nt__count_read(&s->sent[c]);
    uint64_t frees = nt__count_read(&s->frees[c]);
    uint64_t allocs = nt__count_read(&s->allocs[c]);
    uint64_t requested = nt__sampled_requested(s, c);
    uint64_t allocated = allocs * size, freed = frees * size;
    if (c == nt__sizeclass_large()) {
        allocated = nt__count_read(&s->large_allocated);
        freed = nt__count_read(&s->large_freed);
        row->live_bytes_now -= nt__count_read(&s->large_sent);
        row->slabs_now -= nt__count_read(&s->spares.slices) << 32; /* no block's */
    } else {
        row->live_bytes_now -= sent * size;
    }
    node->allocations_total += allocs;
    node->allocated_bytes_total += allocated;
    node->requested_bytes_total += requested;
    node->frees_total += frees;
    node->freed_bytes_total += freed;
    row->allocations_total += allocs;
    row->requested_bytes_total += requested;
    row->allocated_bytes_total += allocated;
    row->frees_total += frees + sent;
    row->live_bytes_now += allocated - freed;
    row->slabs_now += nt__count_read(&s->slabs[c]); /* and slices: split by derive */
    if (!s->pool)
        out->free_matrix[s->slot][s->slot] += frees;
}

/* Blocks freed here that live elsewhere are that node's frees. */
static void add_sent(struct nt_snapshot *out, const struct nt_shard *s)
{
    for (unsigned home = 0; home < out->nodes; home++) {
        uint64_t blocks = nt__count_read(&s->sent_blocks[home]);
        out->node[home].frees_total += blocks;
        out->node[home].freed_bytes_total += nt__count_read(&s->sent_bytes[home]);
        out->node[home].remote_frees_total += blocks;
        if (home != s->slot)
            out->node[home].far_frees_total += blocks;
        out->free_matrix[s->slot][home] += blocks;
    }
}

static void add_shards(struct nt_snapshot *out)
{
    for (const struct nt_shard *s = nt__shard_first(); s; s = s->next) {
        for (unsigned r = 0; r < out->classes; r++)
            add_class(out, s, r);
        add_sent(out, s);
        out->node[s->slot].reallocs_in_place_total += nt__count_read(&s->reallocs);
        out->node[s->slot].realloc_requested_bytes_total +=
            nt__count_read(&s->realloc_requested);
    }
}

/* Frees of a pool's blocks are counted in its shards; the matrix has them by who freed,
 * and what is off its diagonal is far, as of any block. */
static void add_pools(struct nt_snapshot *out)
{
    for (const struct nt_pool *p = nt__pool_first(); p; p = p->next)
        for (unsigned home = 0; home < out->nodes; home++)
            for (unsigned slot = 0; slot < out->nodes; slot++) {
                uint64_t blocks = nt__count_read(&p->freed_by[slot][home]);
                out->free_matrix[slot][home] += blocks;
                if (slot == home)
                    continue;
                out->node[home].remote_frees_total += blocks;
                out->node[home].far_frees_total += blocks;
            }
}

static void add_arenas(struct nt_snapshot *out)
{
    for (unsigned i = 0; i < nt__arenas_count(); i++) {
        const struct nt_arena *a = nt__arenas_get(i);
        struct nt_node_figures *node = &out->node[a->slot];
        node->reserved_bytes_now += nt__count_read(&a->reserved) << NT_UNIT_SHIFT;
        node->committed_bytes_now += nt__count_read(&a->committed) << NT_SLICE_SHIFT;
        node->cached_bytes_now += nt__count_read(&a->cached) << NT_UNIT_SHIFT;
        node->bound_bytes_now += nt__count_read(&a->bound) << NT_UNIT_SHIFT;
        node->huge_bytes_now += nt__count_read(&a->huge) << NT_UNIT_SHIFT;
        node->mappings_now += nt__count_read(&a->mappings);
        node->returned_bytes_total += nt__count_read(&a->returned);
    }
}

/* Take off what the parent had counted; what lived then is inherited. */
static void take_base(struct nt_snapshot *out, const struct nt_snapshot *base)
{
    for (unsigned n = 0; n < out->nodes; n++) {
        struct nt_node_figures *node = &out->node[n];
        const struct nt_node_figures *b = &base->node[n];
        node->allocations_total -= b->allocations_total;
        node->allocated_bytes_total -= b->allocated_bytes_total;
        node->requested_bytes_total -= b->requested_bytes_total;
        node->reallocs_in_place_total -= b->reallocs_in_place_total;
        node->realloc_requested_bytes_total -= b->realloc_requested_bytes_total;
        node->frees_total -= b->frees_total;
        node->freed_bytes_total -= b->freed_bytes_total;
        node->remote_frees_total -= b->remote_frees_total;
        node->far_frees_total -= b->far_frees_total;
        node->returned_bytes_total -= b->returned_bytes_total;
        node->inherited_blocks_now = b->live_blocks_now;
        node->inherited_bytes_now = b->live_bytes_now;
        for (unsigned f = 0; f < out->nodes; f++)
            out->free_matrix[f][n] -= base->free_matrix[f][n];
    }
    /* The child's pools may have added classes since. */
    for (unsigned r = 0; r < base->classes; r++) {
        bool large = r + 1 == base->classes;
        struct nt_class_figures *row = &out->class_[large ? out->classes - 1 : r];
        row->allocations_total -= base->class_[r].allocations_total;
        row->requested_bytes_total -= base->class_[r].requested_bytes_total;
        row->allocated_bytes_total -= base->class_[r].allocated_bytes_total;
        row->frees_total -= base->class_[r].frees_total;
    }
}

/* Everything that follows from the sums; live before the base is taken off. */
static void derive(struct nt_snapshot *out, const struct nt_snapshot *base)
{
    const struct nt_peaks *peaks = nt__peaks();
    struct nt_node_figures *total = &out->total;
    for (unsigned n = 0; n < out->nodes; n++) {
        struct nt_node_figures *node = &out->node[n];
        node->live_blocks_now =
            nt__not_below_zero(node->allocations_total - node->frees_total);
        node->live_bytes_now =
            nt__not_below_zero(node->allocated_bytes_total - node->freed_bytes_total);
        node->live_bytes_peak = nt__peak_above(&peaks->node[n], node->live_bytes_now);
    }
    for (unsigned r = 0; r < out->classes; r++) {
        struct nt_class_figures *row = &out->class_[r];
        unsigned c = class_at(out, r);
        row->block_bytes = nt__sizeclasses.size[c];
        row->live_blocks_now =
            nt__not_below_zero(row->allocations_total - row->frees_total);
        row->live_bytes_now = nt__not_below_zero(row->live_bytes_now);
        row->live_bytes_peak = nt__peak_above(&peaks->class_[c], row->live_bytes_now);
        uint64_t held = nt__not_below_zero(row->slabs_now);
        row->slabs_now =
            c == nt__sizeclass_large() ? row->live_blocks_now : (uint32_t)held;
        row->slab_bytes_now = held >> 32 << NT_SLICE_SHIFT;
    }
    if (base)
        take_base(out, base);
    for (unsigned n = 0; n < out->nodes; n++) {
        const uint64_t *from = (const uint64_t *)&out->node[n];
        for (size_t i = 0; i < sizeof *total / sizeof(uint64_t); i++)
            ((uint64_t *)total)[i] += from[i];
    }
    total->live_bytes_peak = nt__peak_above(&peaks->total, total->live_bytes_now);
}

void nt__figures_add(struct nt_snapshot *out, const struct nt_snapshot *base)
{
    nt__peak_settle();
    add_shards(out);
    add_pools(out);
    add_arenas(out);
    derive(out, base);
}
