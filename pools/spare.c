/* SPDX-License-Identifier: MIT */
#include "pools/spare.h"

#include "numa/residency.h"
#include "pools/shard.h"
#include "src/base/os.h"

#include <errno.h>
#include <string.h>

#define PROVED 4
#define PROBE_FIRST 4
#define PROBE_LAST 512
#define PAGES_PROVED 32
#define PAGES_PROBED 8
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

/* The i-th of n places spread over a run: of any 2, 4 or 8 in a row one is on an odd page,
 * and so on, lest pages dealt out in turn all look alike. */
static char *place(void *run, size_t slices, unsigned i, unsigned n)
{
    size_t page = nt__os_page_size(), pages = (slices << NT_SLICE_SHIFT) / page;
    return (char *)run + (pages * (2 * i + 1) / (2 * n) + i) % pages * page;
}

/* ---- Handing out -------------------------------------------------------------------- */

static void probe(struct nt_habit *h, void *run)
{
    for (unsigned i = 0; i < PAGES_PROBED; i++)
        nt__os_purge(place(run, h->slices, i, PAGES_PROBED), nt__os_page_size());
    h->ask = PAGES_PROBED;
    h->interval = (uint16_t)nt__min(2u * h->interval, PROBE_LAST);
    h->left = h->interval;
}

void *nt__spare_take(struct nt_shard *s, size_t slices)
{
    struct nt_habit *h = find(&s->spares, slices);
    if (!h || !h->run)
        return NULL;
    void *run = h->run;
    h->run = NULL;
    s->spares.slices -= h->slices;
    h->last = run;
    h->used = true;
    if (nt__shard_by_first_touch(s) && --h->left == 0)
        probe(h, run);
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
        *h = (struct nt_habit){.slices = (uint32_t)slices, .left = PROVED};
    }
    h->last = run;
    h->ask = PAGES_PROVED;
}

/* ---- Coming back -------------------------------------------------------------------- */

/* No page lies on another node, as far as is asked. */
static bool is_here(const struct nt_shard *s, const struct nt_habit *h, void *run)
{
    int here = nt__topo()->node[s->slot].id;
    for (unsigned i = 0; i < h->ask; i++) {
        int node = nt__residency_of(place(run, h->slices, i, h->ask));
        if (node != here && node != -ENOENT)
            return false;
    }
    return true;
}

/* A block comes back: is it used as this thread always does? */
static bool is_habit(const struct nt_shard *s, struct nt_habit *h, void *run,
                     bool moved)
{
    if (moved || run != h->last || !is_here(s, h, run)) {
        h->interval = 0;
        h->left = PROVED;
    } else if (h->interval == 0 && --h->left == 0) {
        h->interval = h->left = PROBE_FIRST;
    }
    h->ask = 0;
    return h->interval != 0;
}

bool nt__spare_keep(struct nt_shard *s, const struct nt_slab *slab)
{
    struct nt_spares *spares = &s->spares;
    size_t slices = slab->run_slices;
    if (slab->home != s || s->pool || slices > most(s))
        return false;
    void *run = nt__window_slice(slab);
    struct nt_habit *h = find(spares, slices);
    bool moved = slab->moved || slab->clean; /* not as a run should be, or to be kept */
    if (!h || (nt__shard_by_first_touch(s) && !is_habit(s, h, run, moved)) || moved)
        return false;
    give(s, h);
    for (unsigned i = 0; i < NT_HABITS && spares->slices + slices > most(s); i++)
        give(s, &spares->habit[i]);
    h->run = run;
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
