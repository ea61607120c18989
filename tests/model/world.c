/* SPDX-License-Identifier: MIT */
#include "tests/model/world.h"

#include "pools/remote.h"
#include "pools/sampled.h"
#include "tests/model/instrument.h"
#include "tests/model/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CLASSES = 2 };
enum { STARTS = NT_UNIT / WORLD_BYTES }; /* where blocks may begin */

struct world W;

static char headers[NT_UNIT_SLICES * NT_HEADER] __attribute__((aligned(NT_CACHE_LINE)));
static void *map_of_slices[NT_UNIT_SLICES];
static bool live[STARTS]; /* handed out and not freed */

/* A state: the executable's data, and of each block the two words that are ours. The rest of the
 * blocks' memory nobody writes to. */
static struct copies {
    struct nt_block block[STARTS];
    size_t size;
    char data[];
} * anew, *kept;

extern char __data_start[], _end[]; /* NOLINT: the linker's */

void world_own_get(struct world_own *own)
{
    own->shard = nt__heap_shard;
    own->locks = nt__lock_held;
}

void world_own_put(const struct world_own *own)
{
    nt__heap_shard = own->shard ? own->shard : &nt__shard_none;
    nt__lock_held = own->locks;
}

static struct nt_block *block_at(unsigned i)
{
    return (struct nt_block *)(nt__window.base + i * WORLD_BYTES);
}

static void keep(struct copies *c)
{
    for (unsigned i = 0; i < STARTS; i++)
        c->block[i] = *block_at(i);
    memcpy(c->data, __data_start, c->size);
}

static void put_back(const struct copies *c)
{
    for (unsigned i = 0; i < STARTS; i++)
        *block_at(i) = c->block[i];
    memcpy(__data_start, c->data, c->size);
}

static struct copies *new_copies(void)
{
    size_t size = (size_t)(_end - __data_start);
    struct copies *c = instrument_map(sizeof *c + size);
    c->size = size;
    return c;
}

void world_start(void)
{
    anew = new_copies();
    kept = new_copies();
    uintptr_t unit = nt__align_up((uintptr_t)instrument_map(2 * NT_UNIT), NT_UNIT);
    instrument_watch((void *)unit, NT_UNIT);
    nt__window = (struct nt_window){unit, NT_UNIT, map_of_slices, headers};
    for (unsigned i = 0; i < NT_UNIT_SLICES; i++)
        map_of_slices[i] = nt__window_header_at(i);
    nt__sizeclasses.process = nt__sizeclasses.count = CLASSES;
    for (unsigned c = 0; c < CLASSES; c++) {
        nt__sizeclasses.size[c] = (uint32_t)(WORLD_BYTES << c);
        nt__sizeclasses.least[c] = nt__sizeclasses.first[c] = nt__sizeclasses.most[c] =
            1;
    }
    for (size_t i = 0; i < NT_CLASS_BYTES; i++)
        nt__sizeclasses.of[i] = i * NT_GRAIN > WORLD_BYTES;
    for (unsigned c = 0; c < NT_CLASSES; c++)
        nt__shard_none.current[c] = &nt__slab_none;
    nt__shard_none.unknown = &nt__slab_none;
    W.placement.arena[0] = W.placement.large[0] = &W.arena;
    nt__shard_none.placement = &W.placement;
    keep(anew);
}

void world_anew(void)
{
    put_back(anew);
}

void world_keep(void)
{
    nt__heap_shard = &nt__shard_none;
    keep(kept);
}

void world_begin(void)
{
    put_back(kept);
}

void world_attach(void)
{
    nt__heap_shard = nt__shard_acquire(&W.placement, 0);
}

void world_is(struct nt_shard *s)
{
    nt__heap_shard = s;
}

void world_detach(void)
{
    struct nt_shard *s = nt__heap_shard;
    nt__heap_shard = &nt__shard_none;
    nt__shard_retire(s);
}

/* ---- For instrument.c -------------------------------------------------------------- */

static bool within(const void *at, const void *from, size_t size)
{
    return (uintptr_t)at - (uintptr_t)from < size;
}

bool world_is_quiet(const void *at)
{
    const char *p = at;
    if (within(at, W.shard, sizeof W.shard)) {
        size_t offset = (size_t)(p - (const char *)W.shard) % sizeof W.shard[0];
        return offset != offsetof(struct nt_shard, pending) &&
               offset != offsetof(struct nt_shard, state);
    }
    if (within(at, headers, sizeof headers))
        return (size_t)(p - headers) % NT_HEADER == offsetof(struct nt_slab, carved);
    return within(at, map_of_slices, sizeof map_of_slices) ||
           within(at, &W.arena, sizeof W.arena) ||
           within(at, &nt__window, sizeof nt__window) || at == &nt__guest_found ||
           at == &nt__guest_wanted || at == &nt__sampler.generation ||
           sched_is_mutex(p - offsetof(struct nt_lock, taken));
}

bool world_may_touch(const void *at)
{
    return !within(at, (const void *)nt__window.base, NT_UNIT) ||
           W.lent[world_slice(at)];
}

const char *world_name(const void *at, char *name, size_t size)
{
    static const struct {
        size_t offset;
        const char *name;
    } fields[] = {
        {offsetof(struct nt_slab, owner), "owner"},
        {offsetof(struct nt_slab, remote), "remote"},
        {offsetof(struct nt_slab, pending), "pending"},
        {offsetof(struct nt_slab, free), "free"},
    };
    const char *p = at;
    if (within(at, W.shard, sizeof W.shard)) {
        size_t offset = (size_t)(p - (const char *)W.shard);
        snprintf(name, size, "shard %c, %s%zu", (int)('A' + offset / sizeof W.shard[0]),
                 offset % sizeof W.shard[0] == offsetof(struct nt_shard, pending)
                     ? "pending, "
                     : "",
                 offset % sizeof W.shard[0]);
    } else if (within(at, headers, sizeof headers)) {
        size_t offset = (size_t)(p - headers);
        const char *field = "";
        for (size_t i = 0; i < NT_ARRAY_LEN(fields); i++)
            if (fields[i].offset == offset % NT_HEADER)
                field = fields[i].name;
        snprintf(name, size, "slab %zu, %s, %zu", offset / NT_HEADER, field,
                 offset % NT_HEADER);
    } else if (within(at, (const void *)nt__window.base, NT_UNIT)) {
        snprintf(name, size, "slab %zu's memory, %zu", world_slice(at),
                 ((uintptr_t)at - nt__window.base) % NT_SLICE);
    } else {
        snprintf(name, size, "%s%zx", sched_is_mutex(at) ? "lock " : "",
                 (size_t)(p - __data_start));
    }
    return name;
}

/* ---- What always holds ------------------------------------------------------------- */

#define HOLDS(x)                                                                       \
    do {                                                                               \
        if (!(x))                                                                      \
            sched_fail("%s:%d: not so: %s", __FILE__, __LINE__, #x);                   \
    } while (0)

static size_t start_of(const void *p)
{
    HOLDS(within(p, (const void *)nt__window.base, NT_UNIT));
    HOLDS(((uintptr_t)p - nt__window.base) % WORLD_BYTES == 0);
    return ((uintptr_t)p - nt__window.base) / WORLD_BYTES;
}

void world_took(void *p)
{
    HOLDS(!live[start_of(p)] && W.lent[world_slice(p)]);
    live[start_of(p)] = true;
}

void world_drops(void *p)
{
    HOLDS(live[start_of(p)]);
    live[start_of(p)] = false;
}

/* As remote.h has it. */
static struct nt_block *sent_to(const struct nt_slab *slab)
{
    return (struct nt_block *)(uintptr_t)(slab->remote & (((uint64_t)1 << 48) - 1));
}

static struct nt_slab *slab_number(size_t i)
{
    return (struct nt_slab *)(void *)nt__window_header_at(i);
}

static unsigned at_home[STARTS]; /* times that a block was found */

/* All of a chain are the slab's; returns how many. */
static unsigned find_chain(const struct nt_slab *slab, const struct nt_block *b)
{
    unsigned n = 0;
    for (; b; b = b->next) {
        HOLDS(nt__slab_at(b) == slab && nt__slab_starts(slab, b));
        HOLDS(++n <= slab->capacity);
        at_home[start_of(b)]++;
    }
    return n;
}

/* A block that nobody has is on its slab's list, sent to it, gathered for it, or not carved
 * yet: one of these, once. */
static void check_blocks(void)
{
    memset(at_home, 0, sizeof at_home);
    for (size_t i = 0; i < NT_UNIT_SLICES; i++) {
        const struct nt_slab *slab = slab_number(i);
        HOLDS(W.lent[i] == (slab->kind == NT_SLAB_BLOCKS));
        if (!W.lent[i])
            continue;
        find_chain(slab, slab->free);
        HOLDS(find_chain(slab, sent_to(slab)) == slab->remote >> 49);
        for (size_t b = slab->carved; b < slab->capacity; b++)
            at_home[start_of((char *)slab->start + b * slab->size)]++;
    }
    for (unsigned i = 0; i < W.shards; i++)
        for (unsigned b = 0; b < NT_BATCHES; b++) {
            const struct nt_batch *batch = &W.shard[i].batch[b];
            if (batch->slab)
                HOLDS(find_chain(batch->slab, batch->head) ==
                      batch->most - batch->left);
        }
    for (size_t i = 0; i < NT_UNIT_SLICES; i++) {
        const struct nt_slab *slab = slab_number(i);
        for (size_t b = 0; W.lent[i] && b < slab->capacity; b++) {
            size_t at = start_of((char *)slab->start + b * slab->size);
            HOLDS(at_home[at] == !live[at]);
        }
    }
}

static void find_slabs(const struct nt_slab *list, const struct nt_shard *s,
                       unsigned *found)
{
    for (; list && list != &nt__slab_none; list = list->next) {
        HOLDS(list->owner == s && list->kind == NT_SLAB_BLOCKS);
        HOLDS(found[world_slice(nt__window_slice(list))]++ == 0);
        if (list->place == NT_PLACE_CURRENT)
            break; /* on no list */
    }
}

/* Each slab is on one of its owner's lists, and, if it says that it is queued, on one stack. */
static void check_slabs(void)
{
    unsigned found[NT_UNIT_SLICES] = {0}, queued[NT_UNIT_SLICES] = {0};
    for (unsigned i = 0; i < W.shards; i++) {
        struct nt_shard *s = &W.shard[i];
        for (unsigned c = 0; c < CLASSES; c++) {
            find_slabs(s->current[c], s, found);
            find_slabs(s->partial[c], s, found);
            find_slabs(s->empty[c], s, found);
        }
        find_slabs(s->full, s, found);
        for (const struct nt_slab *slab = s->pending; slab; slab = slab->pending)
            HOLDS(queued[world_slice(nt__window_slice(slab))]++ == 0);
        nt__shard_check(s);
    }
    for (size_t i = 0; i < NT_UNIT_SLICES; i++) {
        HOLDS(found[i] == W.lent[i]);
        HOLDS(queued[i] == (W.lent[i] ? slab_number(i)->remote >> 48 & 1 : 0));
    }
}

static void check_counters(void)
{
    for (unsigned c = 0; c < CLASSES; c++) {
        uint64_t blocks = 0, slabs = 0, in_use = 0, lent = 0;
        for (unsigned i = 0; i < W.shards; i++) {
            const struct nt_shard *s = &W.shard[i];
            blocks += s->allocs[c] - s->frees[c] - s->sent[c];
            slabs += s->slabs[c];
        }
        for (size_t i = 0; i < NT_UNIT_SLICES; i++) {
            const struct nt_slab *slab = slab_number(i);
            if (!W.lent[i] || slab->class != c)
                continue;
            lent += 1 | (uint64_t)slab->slices << 32;
            for (size_t b = 0; b < slab->capacity; b++)
                in_use += live[start_of((char *)slab->start + b * slab->size)];
        }
        HOLDS(blocks == in_use && slabs == lent);
    }
}

static void check_register(void)
{
    unsigned n = 0;
    for (const struct nt_shard *s = nt__shard_first(); s; s = s->next)
        n++;
    HOLDS(n == W.shards);
}

static void check_all(void)
{
    check_register();
    check_blocks();
    check_slabs();
    check_counters();
}

/* Everything comes home: what is gathered is sent and received; a slab that changed its owner
 * is passed on once. */
static void settle(void)
{
    for (unsigned i = 0; i < W.shards; i++)
        nt__remote_flush(&W.shard[i]);
    for (unsigned i = 0; i < 2 * W.shards; i++)
        nt__remote_receive(&W.shard[i % W.shards]);
    check_all();
    for (unsigned i = 0; i < W.shards; i++)
        HOLDS(!W.shard[i].pending);
    for (size_t i = 0; i < NT_UNIT_SLICES; i++)
        HOLDS(!W.lent[i] || slab_number(i)->remote == 0);
}

void world_end(void)
{
    check_all();
    settle();
    for (size_t i = 0; i < STARTS; i++)
        if (live[i]) {
            nt__heap_shard = nt__slab_at(block_at((unsigned)i))->owner;
            world_free(block_at((unsigned)i));
        }
    nt__heap_shard = &nt__shard_none;
    for (unsigned i = 0; i < W.shards; i++)
        nt__shard_trim(&W.shard[i]);
    check_all();
    for (size_t i = 0; i < NT_UNIT_SLICES; i++)
        HOLDS(!W.lent[i]); /* all memory is back */
}
