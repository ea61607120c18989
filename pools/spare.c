/* SPDX-License-Identifier: MIT */
#include "pools/spare.h"

#include "numa/residency.h"
#include "src/base/guest.h"
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

static void give_run(struct nt_shard *s, void *run, size_t slices)
{
    nt__arena_give(s->large_arena, run, slices, false);
    nt__shard_let_go(s, nt__sizeclass_large(), slices);
    nt__count_add(&s->spares.slices, -(uint64_t)slices);
}

static void give(struct nt_shard *s, struct nt_habit *h)
{
    if (!h->run)
        return;
    give_run(s, h->run, h->slices);
    h->run = NULL;
}

static void give_ahead(struct nt_shard *s)
{
    struct nt_slab *ahead = s->spares.ahead;
    if (ahead)
        give_run(s, nt__window_slice(ahead), ahead->run_slices);
    s->spares.ahead = NULL;
}

void nt__spare_drop(struct nt_shard *s)
{
    for (unsigned i = 0; i < NT_HABITS; i++)
        give(s, &s->spares.habit[i]);
    give_ahead(s);
    memset(s->spares.habit, 0, sizeof s->spares.habit);
}

void nt__spare_resized(struct nt_shard *s, const void *run)
{
    for (unsigned i = 0; i < NT_HABITS; i++)
        if (s->spares.habit[i].last == run)
            s->spares.habit[i].last = NULL;
}

/* The i-th of n places spread over a run: of any 2, 4 or 8 in a row one is on an odd page,
 * and so on, lest pages dealt out in turn all look alike. */
static char *place(void *run, size_t slices, unsigned i, unsigned n)
{
    size_t page = nt__os_page_size(), pages = (slices << NT_SLICE_SHIFT) / page;
    return (char *)run + (pages * (2 * i + 1) / (2 * n) + i) % pages * page;
}

/* ---- Handing out -------------------------------------------------------------------- */

NT_SLOW static void probe(struct nt_habit *h, void *run)
{
    int saved = errno;
    for (unsigned i = 0; i < PAGES_PROBED && !nt__guest_mpi(); i++)
        nt__os_purge(place(run, h->slices, i, PAGES_PROBED), nt__os_page_size());
    h->ask = PAGES_PROBED;
    h->full = false;
    h->interval = (uint16_t)nt__min(2u * h->interval, PROBE_LAST);
    h->left = h->interval;
    errno = saved;
}

void *nt__spare_take(struct nt_shard *s, size_t slices)
{
    struct nt_habit *h = nt__spare_habit(s, slices);
    if (!h || !h->run)
        return NULL;
    void *run = h->run;
    h->run = NULL;
    nt__count_add(&s->spares.slices, -(uint64_t)h->slices);
    if (--h->left == 0 && nt__shard_by_first_touch(s))
        probe(h, run);
    return run;
}

struct nt_slab *nt__spare_take_ahead(struct nt_shard *s, size_t slices)
{
    struct nt_slab *ahead = s->spares.ahead;
    if (!ahead || ahead->run_slices < slices)
        return NULL;
    s->spares.ahead = NULL;
    nt__count_add(&s->spares.slices, -(uint64_t)ahead->run_slices);
    return ahead;
}

void nt__spare_note(struct nt_shard *s, size_t slices, const void *run)
{
    struct nt_spares *spares = &s->spares;
    if (s->pool || slices > most(s))
        return;
    struct nt_habit *h = nt__spare_habit(s, slices);
    if (!h) {
        h = &spares->habit[spares->next++ % NT_HABITS];
        give(s, h);
        *h = (struct nt_habit){.slices = (uint32_t)slices, .left = PROVED};
    }
    h->last = run;
    h->full = false;
    if (nt__shard_by_first_touch(s))
        h->ask = PAGES_PROVED;
    else
        h->interval = PROBE_LAST;
}

/* ---- Coming back -------------------------------------------------------------------- */

/* No page lies on another node, as far as is asked. */
NT_SLOW static bool is_here(const struct nt_shard *s, const struct nt_habit *h,
                            void *run)
{
    int saved = errno, here = nt__topo()->node[s->slot].id, node = here;
    for (unsigned i = 0; i < h->ask && (node == here || node == -ENOENT); i++)
        node = nt__residency_of(place(run, h->slices, i, h->ask));
    errno = saved;
    return node == here || node == -ENOENT;
}

/* A block comes back: is it used as this thread always does? If not, what was kept so far
 * is not to be handed out either. */
static bool is_habit(struct nt_shard *s, struct nt_habit *h, void *run, bool moved)
{
    if (moved || run != h->last || (h->ask != 0 && !is_here(s, h, run))) {
        give(s, h);
        h->interval = 0;
        h->left = PROVED;
    } else if (h->interval == 0 && --h->left == 0) {
        h->interval = h->left = PROBE_FIRST;
    }
    h->ask = 0;
    return h->interval != 0;
}

/* More is kept than a unit: it is to be given back if nobody needs it. */
NT_SLOW static void watch(struct nt_shard *s)
{
    int saved = errno;
    nt__shard_watch(s);
    errno = saved;
}

/* The longer one, where with the spares that come and go it is no more than a unit. */
static bool keep_ahead(struct nt_shard *s, struct nt_slab *slab)
{
    struct nt_spares *spares = &s->spares;
    size_t slices = slab->run_slices,
           before = spares->ahead ? spares->ahead->run_slices : 0;
    if (slab->home != s || slab->moved || slab->clean || nt__shard_by_first_touch(s) ||
        slices < before || spares->slices - before + slices > MOST_ON_ONE_NODE)
        return false;
    give_ahead(s);
    spares->ahead = slab;
    nt__count_add(&spares->slices, slices);
    return true;
}

bool nt__spare_keep(struct nt_shard *s, struct nt_slab *slab, void *run)
{
    if (slab->grows)
        return keep_ahead(s, slab);
    struct nt_spares *spares = &s->spares;
    size_t slices = slab->run_slices;
    struct nt_habit *h = nt__spare_habit(s, slices);
    bool moved = slab->moved || slab->clean; /* not as a run should be, or to be kept */
    if (!h || slab->home != s)
        return false;
    if ((nt__shard_by_first_touch(s) && !is_habit(s, h, run, moved)) || moved)
        return false;
    give(s, h);
    h->full = h->full && run == h->last;
    if (spares->slices + slices > most(s))
        give_ahead(s);
    for (unsigned i = 0; i < NT_HABITS && spares->slices + slices > most(s); i++)
        give(s, &spares->habit[i]);
    h->run = run;
    h->last = run;
    h->used = true;
    nt__count_add(&spares->slices, h->slices);
    if (NT_UNLIKELY(spares->slices > NT_UNIT_SLICES && !s->watching))
        watch(s);
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
