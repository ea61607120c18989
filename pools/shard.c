/* SPDX-License-Identifier: MIT */
#include "pools/shard.h"

#include "numa/residency.h"
#include "pools/large.h"
#include "pools/list.h"
#include "pools/peak.h"
#include "pools/remote.h"
#include "pools/sampled.h"
#include "pools/spare.h"
#include "src/base/guest.h"
#include "src/base/os.h"

#include <errno.h>

#define FREES_WATCHED 128
#define LOOKS 2 /* at least, once something waits: the first sees what is in use */
#define FREES_UNWATCHED 512
#define ROOM_BYTES (64 * NT_KIB)
#define ROOM_BLOCKS 4u
#define KEPT_SLICES (32 * NT_MIB / NT_SLICE) /* of empty slabs */
#define GROWS_BY 8u                          /* a class's slabs: by an eighth */
/* Slices of a class's slabs: so many, and one more will be filled, too. */
#define SLICES_MANY (4 * NT_MIB / NT_SLICE)
#define FILLED 4096u /* bytes of a block: of a larger one little may be touched */

static bool age_slabs(struct nt_shard *s);

struct nt_slab nt__slab_none;

/* ---- When memory waits --------------------------------------------------------------- */

/* Frees to a current slab until its next event. */
static int32_t frees_to_event(const struct nt_shard *s)
{
    return s->watching ? -FREES_WATCHED : -FREES_UNWATCHED;
}

/* A program may go on for ever in lists that never run dry: so the current slabs' event
 * is made to come often, as long as something waits. */
bool nt__shard_watch(struct nt_shard *s)
{
    bool waits = age_slabs(s);
    waits |= nt__spare_age(s);
    bool due = nt__arena_decay(s->arena);
    waits |= nt__arena_waits(s->arena);
    if (s->large_arena != s->arena) {
        due |= nt__arena_decay(s->large_arena);
        waits |= nt__arena_waits(s->large_arena);
    }
    waits |= nt__shard_idle_waits(s->arena);
    if (waits == s->watching)
        return due;
    s->watching = waits;
    s->looks = LOOKS;
    for (unsigned c = 0; waits && c < nt__sizeclass_count(); c++)
        if (s->current[c] != &nt__slab_none)
            s->current[c]->back = frees_to_event(s);
    return due;
}

/* Does something wait that others left? What the shard itself keeps is watched from then
 * on. */
static bool waits_elsewhere(const struct nt_shard *s)
{
    return nt__arena_waits(s->arena) || nt__arena_waits(s->large_arena) ||
           nt__shard_idle_waits(s->arena);
}

/* Close a slab that is on no list and return its memory to the arena. Whoever calls this
 * sees to it that nt__shard_watch is called when all is done. */
static void release(struct nt_shard *s, struct nt_slab *slab)
{
    unsigned slices = slab->slices;
    char *run = nt__window_slice(slab);
    if (NT_UNLIKELY(slab->sampled != 0) && s->pool)
        nt__profile_remove_range((uintptr_t)run, (uintptr_t)run + slices * NT_SLICE);
    struct nt_arena *a = nt__arenas_get(slab->arena);
    bool untouched = slab->clean && slab->carved == 0;
    bool moved = slab->moved;
    nt__shard_let_go(s, slab->class, slices);
    nt__slab_close(slab);
    if (moved)
        nt__arena_give_anew(a, run, slices, untouched);
    else
        nt__arena_give(a, run, slices, untouched);
    nt__shard_charge(s, -(size_t)slices);
}

/* Nobody can be about to add to a slab that has no block out and nothing on its way:
 * but it may still be linked in a pending stack, which its remote word tells. */
static bool is_free(const struct nt_slab *slab)
{
    return __atomic_load_n(&slab->remote, __ATOMIC_ACQUIRE) == 0;
}

/* Free blocks of a full slab with which it has room again. */
static unsigned room(const struct nt_slab *slab)
{
    size_t most = nt__max(ROOM_BYTES / slab->size, ROOM_BLOCKS);
    return (unsigned)nt__max(nt__min(slab->capacity / 4u, most), 1);
}

/* ---- Empty slabs ------------------------------------------------------------------- */

/*
 * Empty slabs are kept, blocks listed, so that what comes and goes in batches need not be
 * cut anew each time: a unit's worth, and up to KEPT_SLICES of what was used of late.
 * Keeping does not make the process larger than it was: before a shard cuts a new slab,
 * or takes a run for a large block, it gives back all but a unit. And of those that nobody
 * needed for the delay after which free memory goes back (setting `return`) none is kept.
 * Current slabs that nobody uses as long are taken out of use, and so come to be empty.
 */

static void put_empty(struct nt_shard *s, struct nt_slab *slab)
{
    slab->place = NT_PLACE_EMPTY;
    s->empty_slices += slab->slices;
    nt__list_put(&s->empty[slab->class], slab);
}

static void take_empty(struct nt_shard *s, struct nt_slab *slab)
{
    nt__list_remove(&s->empty[slab->class], slab);
    s->empty_slices -= slab->slices;
    s->empty_unused = (uint32_t)nt__min(s->empty_unused, s->empty_slices);
}

/* Give empty slabs back until no more than `most` slices of them are left, or those that
 * are cannot be given. */
static void release_empty(struct nt_shard *s, uint32_t most)
{
    for (unsigned c = nt__sizeclass_count(); c-- > 0 && s->empty_slices > most;) {
        struct nt_slab *next;
        for (struct nt_slab *slab = s->empty[c]; slab && s->empty_slices > most;
             slab = next) {
            next = slab->next;
            if (is_free(slab)) {
                take_empty(s, slab);
                release(s, slab);
            }
        }
    }
}

static void retire_current(struct nt_shard *s, unsigned c);

/* Take current slabs of which nobody used a block since the last look out of use; what is
 * gathered for others they may be waiting for in the same way. */
static void age_current(struct nt_shard *s)
{
    nt__remote_flush(s);
    nt__remote_receive(s);
    for (unsigned c = 0; c < nt__sizeclass_count(); c++) {
        uint32_t used = (uint32_t)(s->allocs[c] + s->frees[c]);
        if (used == s->used[c])
            retire_current(s, c);
        s->used[c] = used;
    }
}

/* Give back the empty slabs that were not needed since the last look, if that is long
 * enough ago. Is there to be another look? A batch comes and goes: until the next one
 * there is. */
static bool age_slabs(struct nt_shard *s)
{
    if (s->empty_slices <= NT_UNIT_SLICES && !s->watching)
        return false;
    uint32_t now = (uint32_t)nt__os_now_ms();
    if (now - s->empty_ms < nt__arena_config.return_ms)
        return true;
    if (s->ageing) /* this is a part of it */
        return true;
    s->empty_ms = now;
    s->ageing = true;
    age_current(s);
    s->ageing = false;
    if (s->empty_unused != 0)
        release_empty(s, s->empty_slices - s->empty_unused);
    s->empty_unused = s->empty_slices;
    if (s->looks != 0)
        s->looks--;
    return s->looks != 0 || s->empty_slices != 0;
}

void nt__shard_shrink(struct nt_shard *s)
{
    release_empty(s, NT_UNIT_SLICES);
    nt__shard_watch(s);
}

/* A slab that is on no list has no block out. */
static void keep_or_release(struct nt_shard *s, struct nt_slab *slab)
{
    slab->back = 0;
    if (s->empty_slices >= KEPT_SLICES && is_free(slab)) {
        release(s, slab);
        nt__shard_watch(s);
        return;
    }
    put_empty(s, slab);
    if (s->empty_slices > NT_UNIT_SLICES && !s->watching)
        nt__shard_watch(s);
}

/* A slab that is on no list has room and `live` blocks out. */
static void put_by_live(struct nt_shard *s, struct nt_slab *slab, unsigned live)
{
    if (live == 0) {
        keep_or_release(s, slab);
        return;
    }
    slab->place = NT_PLACE_PARTIAL;
    slab->back = -(int32_t)live;
    nt__list_put(&s->partial[slab->class], slab);
}

/* A slab of the class with room, off its list, with used memory if there is some; NULL: there
 * is none. */
static struct nt_slab *take_with_room(struct nt_shard *s, unsigned c)
{
    struct nt_slab *partial = s->partial[c], *empty = s->empty[c];
    if (partial && (nt__list_is_used(partial) || !nt__list_is_used(empty))) {
        nt__list_remove(&s->partial[c], partial);
        return partial;
    }
    if (empty) {
        take_empty(s, empty);
        nt__slab_tidy(empty);
    }
    return empty;
}

/* ---- Events ------------------------------------------------------------------------ */

static void look(struct nt_shard *s)
{
    if (nt__shard_watch(s)) {
        nt__remote_age(s);
        nt__shard_receive_idle(s->arena);
    }
    nt__shard_age_idle(s->arena);
}

/* Another arena, each in its turn: perhaps no thread is left on its node to look after it. */
static void look_further(struct nt_shard *s)
{
    unsigned n = nt__arenas_count();
    s->turn = (uint16_t)(s->turn + 1u < n ? s->turn + 1 : 0);
    struct nt_arena *a = n != 0 ? nt__arenas_get(s->turn) : NULL;
    if (!a || a == s->arena || a == s->large_arena)
        return;
    nt__arena_decay(a);
    if (nt__shard_idle_waits(a))
        nt__shard_receive_idle(a);
    nt__shard_age_idle(a);
}

static void event(struct nt_shard *s, struct nt_slab *slab)
{
    if (slab->place == NT_PLACE_CURRENT) {
        nt__sampled_sync(s);
        slab->back = frees_to_event(s);
        if (s->watching || waits_elsewhere(s))
            look(s);
        look_further(s);
        return;
    }
    if (slab->place == NT_PLACE_FULL) {
        unsigned freed = room(slab) + (unsigned)slab->back;
        NT_ASSERT(freed <= slab->capacity);
        nt__list_remove(&s->full, slab);
        put_by_live(s, slab, slab->capacity - freed);
    } else {
        NT_ASSERT(slab->back == 0);
        nt__list_remove(&s->partial[slab->class], slab); /* its only event */
        keep_or_release(s, slab);
    }
    if (NT_DEBUG)
        nt__shard_check(s);
}

void nt__shard_event(struct nt_shard *s, struct nt_slab *slab)
{
    int saved = errno;                  /* nobody on the fast path of free keeps it */
    if (!s->pool && !s->sampling.never) /* else a lock is held */
        nt__guest_meet();
    event(s, slab);
    errno = saved;
}

void nt__shard_receive(struct nt_shard *s, struct nt_slab *slab, struct nt_block *chain,
                       unsigned n)
{
    if (n != 0 && slab->free) {
        struct nt_block *tail = chain;
        while (tail->next)
            tail = tail->next;
        tail->next = slab->free;
    }
    if (n != 0)
        slab->free = chain;
    if (n == 0 || slab->place == NT_PLACE_CURRENT)
        return;
    slab->back += (int32_t)n;
    if (slab->back >= 0)
        event(s, slab);
}

/* ---- Refill ------------------------------------------------------------------------ */

/* The current slab of the class has no block on its list: it waits on `full`, or, if
 * there are some to be carved yet, on `partial`. */
static void set_aside(struct nt_shard *s, struct nt_slab *slab)
{
    unsigned c = slab->class; /* it may go back to the arena */
    s->current[c] = &nt__slab_none;
    if (slab->carved < slab->capacity) {
        put_by_live(s, slab, slab->carved);
    } else {
        slab->place = NT_PLACE_FULL;
        slab->back = -(int32_t)room(slab);
        nt__list_push(&s->full, slab);
    }
    nt__peak_publish(s, c);
}

/* Slices that a slab more may have: what the shard has of the class grows by an eighth to a
 * quarter, or by a first slab. Of a pool with a limit each slice counts. */
static unsigned slices_wanted(const struct nt_shard *s, unsigned c)
{
    const struct nt_sizeclasses *t = &nt__sizeclasses;
    unsigned slices = s->budget && s->budget->limit != 0 ? t->least[c] : t->first[c];
    while (slices < t->most[c] && slices * GROWS_BY <= s->slabs[c] >> 32)
        slices *= 2;
    return slices;
}

static struct nt_slab *open_slab(struct nt_shard *s, unsigned c)
{
    bool clean;
    unsigned slices = slices_wanted(s, c);
    bool fills = s->slabs[c] >> 32 >= SLICES_MANY && nt__sizeclasses.size[c] <= FILLED;
    if (s->empty_slices > NT_UNIT_SLICES)
        nt__shard_shrink(s);
    void *run = nt__shard_take(s, s->arena, slices, NT_SLICE, &clean);
    while (!run && slices > nt__sizeclasses.least[c]) { /* a shorter one will do */
        slices /= 2;
        run = nt__shard_take(s, s->arena, slices, NT_SLICE, &clean);
    }
    if (!run)
        return NULL;
    if (clean && fills)
        nt__arena_will_fill(s->arena, run, slices);
    nt__shard_hold(s, c, slices);
    nt__arena_decay(s->arena);
    return nt__slab_open(run, c, slices, s, clean);
}

/* A slab with room, by falling preference; it becomes the current one. */
static struct nt_slab *next_slab(struct nt_shard *s, unsigned c)
{
    nt__remote_receive(s); /* may put slabs on partial */
    nt__remote_age(s);
    struct nt_slab *slab = take_with_room(s, c);
    if (!slab && !s->pool && !s->sampling.hidden)
        slab = nt__shard_adopt(s, c);
    if (!slab)
        slab = open_slab(s, c);
    if (!slab)
        return NULL;
    slab->place = NT_PLACE_CURRENT;
    slab->back = frees_to_event(s);
    s->current[c] = slab;
    return slab;
}

/* The current slab's list is empty: what came back from other threads. It may be the current
 * one no more afterwards. */
static void receive_dry(struct nt_shard *s, struct nt_slab *slab)
{
    struct nt_block *chain;
    unsigned n = nt__remote_take(slab, &chain);
    nt__shard_receive(s, slab, chain, n);
    if (n == 0 && slab->clean) /* look for used memory before fresh is touched */
        nt__remote_receive(s);
}

/* Are there blocks to be carved, of fresh memory only if there are no used ones? */
static bool is_carvable(const struct nt_shard *s, const struct nt_slab *slab)
{
    unsigned c = slab->class;
    bool used = nt__list_is_used(s->partial[c]) || nt__list_is_used(s->empty[c]);
    return slab->carved < slab->capacity && !(slab->clean && used);
}

static void *refill(struct nt_shard *s, unsigned c, bool *zeroed)
{
    struct nt_slab *slab = s->current[c];
    *zeroed = false;
    for (;;) {
        if (slab != &nt__slab_none) {
            if (!slab->free) {
                receive_dry(s, slab);
                if (s->current[c] != slab) { /* old current slabs were retired */
                    slab = s->current[c];
                    continue;
                }
            }
            struct nt_block *block = slab->free;
            if (block) {
                slab->free = block->next;
                block->key = NULL;
                return block;
            }
            if (is_carvable(s, slab)) {
                *zeroed = slab->clean;
                return nt__slab_carve(slab);
            }
            set_aside(s, slab);
        }
        slab = next_slab(s, c);
        if (!slab)
            return NULL;
    }
}

void *nt__shard_malloc(struct nt_shard *s, unsigned c, const struct nt_asked *asked,
                       bool *zeroed)
{
    nt__sampled_sync(s);
    void *p = refill(s, c, zeroed);
    if (!p ||
        !nt__count_add_two_passes(&s->allocs[c], 1, &s->requested[c], asked->size))
        return p;
    void *instead = nt__sampled_asked(s, asked, p);
    *zeroed &= instead == p;
    return instead;
}

/* ---- Giving up --------------------------------------------------------------------- */

/* Take the current slab of a class out of use, to partial or full. */
static void retire_current(struct nt_shard *s, unsigned c)
{
    struct nt_slab *slab = s->current[c];
    if (slab == &nt__slab_none)
        return;
    unsigned listed = nt__slab_listed(slab);
    if (listed == 0 && slab->carved == slab->capacity) {
        set_aside(s, slab);
        return;
    }
    s->current[c] = &nt__slab_none;
    put_by_live(s, slab, slab->carved - listed);
}

struct nt_slab *nt__shard_yield(struct nt_shard *s, unsigned c)
{
    nt__remote_receive(s);
    struct nt_slab *slab = take_with_room(s, c);
    if (!slab) {
        retire_current(s, c);
        slab = take_with_room(s, c);
    }
    if (slab)
        nt__shard_let_go(s, c, slab->slices);
    return slab;
}

void nt__shard_trim(struct nt_shard *s)
{
    nt__remote_receive(s);
    nt__spare_drop(s);
    for (unsigned c = 0; c < nt__sizeclass_count(); c++) {
        retire_current(s, c);
        nt__peak_publish(s, c);
    }
    release_empty(s, 0);
    nt__shard_watch(s);
    if (NT_DEBUG)
        nt__shard_check(s);
}

static int migrate_list(struct nt_slab *list, unsigned slot)
{
    int result = 0;
    for (struct nt_slab *slab = list; slab; slab = slab->next) {
        int moved =
            nt__residency_move(nt__window_slice(slab), slab->slices * NT_SLICE, slot);
        slab->moved = 1;
        result = moved != 0 ? moved : result;
    }
    return result;
}

int nt__shard_migrate(struct nt_shard *s, unsigned slot)
{
    int result = 0, moved;
    for (unsigned c = 0; c < nt__sizeclass_count(); c++) {
        retire_current(s, c); /* it may be empty */
        moved = migrate_list(s->partial[c], slot);
        result = moved != 0 ? moved : result;
    }
    moved = migrate_list(s->full, slot);
    result = moved != 0 ? moved : result;
    for (struct nt_slab *slab = s->larges; slab; slab = slab->next) {
        moved = nt__large_migrate(slab, slot);
        result = moved != 0 ? moved : result;
    }
    release_empty(s, 0); /* what is cut next comes from the new arena */
    nt__shard_watch(s);
    return result;
}

static void release_all(struct nt_shard *s, struct nt_slab **list)
{
    while (*list) {
        struct nt_slab *slab = *list;
        nt__list_remove(list, slab);
        release(s, slab);
    }
}

void nt__shard_empty(struct nt_shard *s)
{
    while (s->larges)
        nt__large_free(s, s->larges, nt__window_slice(s->larges));
    for (unsigned c = 0; c < nt__sizeclass_count(); c++) {
        retire_current(s, c);
        release_all(s, &s->partial[c]);
        release_all(s, &s->empty[c]);
    }
    s->empty_slices = s->empty_unused = 0;
    release_all(s, &s->full);
    nt__shard_watch(s);
    for (unsigned c = 0; c < nt__sizeclass_count(); c++) {
        nt__count_add(&s->frees[c], s->allocs[c] - s->frees[c]);
        nt__peak_publish(s, c);
    }
}

#define CHECK(x)                                                                       \
    do {                                                                               \
        if (!(x))                                                                      \
            nt__panic(#x, __FILE__, __LINE__);                                         \
    } while (0)

void nt__shard_check(struct nt_shard *s)
{
    unsigned empty = 0;
    for (unsigned c = 0; c < nt__sizeclass_count(); c++) {
        const struct nt_slab *slab = s->current[c];
        CHECK(
            slab == &nt__slab_none ||
            (slab->owner == s && slab->place == NT_PLACE_CURRENT && slab->class == c));
        for (slab = s->partial[c]; slab; slab = slab->next) {
            CHECK(slab->owner == s && slab->place == NT_PLACE_PARTIAL &&
                  slab->class == c);
            CHECK(!slab->next || slab->next->prev == slab);
            nt__slab_check(slab);
        }
        for (slab = s->empty[c]; slab; slab = slab->next) {
            CHECK(slab->owner == s && slab->place == NT_PLACE_EMPTY &&
                  slab->class == c);
            nt__slab_check(slab);
            empty += slab->slices;
        }
    }
    CHECK(empty == s->empty_slices && s->empty_unused <= empty);
    for (const struct nt_slab *slab = s->full; slab; slab = slab->next)
        CHECK(slab->owner == s && slab->place == NT_PLACE_FULL &&
              !slab->free == !slab->free);
}
