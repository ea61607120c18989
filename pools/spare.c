/* SPDX-License-Identifier: MIT */
#include "pools/spare.h"

#include "numa/residency.h"
#include "pools/shard.h"
#include "src/base/os.h"

#include <string.h>

#define PROVED 8
#define PROBE 32
#define SAMPLE 32
#define MOST (64 * NT_MIB / NT_SLICE)   /* of all spares of a shard, by first touch */
#define MOST_ON_ONE_NODE NT_UNIT_SLICES /* else: the arena's cache is as good */

static uint32_t most(const struct nt_shard *s)
{
    return nt__shard_by_first_touch(s) ? MOST : MOST_ON_ONE_NODE;
}

static struct nt_habit *find(struct nt_spares *spares, size_t slices)
{
    for (unsigned i = 0; i < NT_HABITS; i++)
        if (spares->habit[i].slices == slices)
            return &spares->habit[i];
    return NULL;
}

static void give(struct nt_shard *s, struct nt_habit *h)
{
    if (!h->run)
        return;
    nt__arena_give(s->large_arena, h->run, h->slices, false);
    s->spares.slices -= h->slices;
    h->run = NULL;
}

void nt__spare_drop(struct nt_shard *s)
{
    for (unsigned i = 0; i < NT_HABITS; i++)
        give(s, &s->spares.habit[i]);
    memset(&s->spares, 0, sizeof s->spares);
}

/* ---- Handing out -------------------------------------------------------------------- */

void *nt__spare_take(struct nt_shard *s, size_t slices, bool *probe)
{
    struct nt_habit *h = find(&s->spares, slices);
    if (!h || !h->run)
        return NULL;
    void *run = h->run;
    h->run = NULL;
    s->spares.slices -= h->slices;
    *probe = nt__shard_by_first_touch(s) && ++h->reused == PROBE;
    if (*probe)
        h->reused = 0;
    h->last = run;
    h->fresh = *probe;
    h->used = true;
    return run;
}

void nt__spare_note(struct nt_shard *s, size_t slices, const void *run)
{
    struct nt_spares *spares = &s->spares;
    if (s->pool || slices > most(s))
        return;
    struct nt_habit *h = find(spares, slices);
    if (!h) {
        h = &spares->habit[spares->next++ % NT_HABITS];
        give(s, h);
        *h = (struct nt_habit){.slices = (uint32_t)slices};
    }
    h->last = run;
    h->fresh = true;
}

/* ---- Coming back -------------------------------------------------------------------- */

/* No page of the block lies on another node, as far as a sample tells. */
static bool is_here(const struct nt_shard *s, const struct nt_slab *slab)
{
    struct nt_residency r;
    if (nt__residency_range(nt__window_slice(slab), slab->bytes, SAMPLE, &r) != 0)
        return false;
    return r.on_node[s->slot] + r.absent == r.asked;
}

static bool is_habit(const struct nt_shard *s, struct nt_habit *h,
                     const struct nt_slab *slab)
{
    if (h->last != nt__window_slice(slab) || slab->moved)
        h->proved = 0;
    else if (h->fresh)
        h->proved = is_here(s, slab) ? (uint8_t)nt__min(h->proved + 1, PROVED) : 0;
    return h->proved == PROVED;
}

bool nt__spare_keep(struct nt_shard *s, const struct nt_slab *slab)
{
    struct nt_spares *spares = &s->spares;
    size_t slices = slab->run_slices;
    if (slab->home != s || s->pool || slices > most(s))
        return false;
    struct nt_habit *h = find(spares, slices);
    if (!h || (nt__shard_by_first_touch(s) && !is_habit(s, h, slab)) || slab->moved ||
        slab->clean)
        return false;
    give(s, h);
    for (unsigned i = 0; i < NT_HABITS && spares->slices + slices > most(s); i++)
        give(s, &spares->habit[i]);
    h->run = nt__window_slice(slab);
    h->used = true;
    spares->slices += h->slices;
    if (spares->slices > NT_UNIT_SLICES && !s->watching)
        nt__shard_watch(s);
    return true;
}

bool nt__spare_age(struct nt_shard *s)
{
    struct nt_spares *spares = &s->spares;
    if (spares->slices <= NT_UNIT_SLICES)
        return false;
    uint32_t now = (uint32_t)nt__os_now_ms();
    if (now - spares->ms < nt__arena_config.return_ms)
        return true;
    spares->ms = now;
    for (unsigned i = 0; i < NT_HABITS; i++) {
        if (!spares->habit[i].used)
            give(s, &spares->habit[i]);
        spares->habit[i].used = false;
    }
    return true;
}
