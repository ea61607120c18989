/* SPDX-License-Identifier: MIT */
#include "numa/arena.h"

#include "numa/bind.h"
#include "src/base/os.h"

#include <string.h>

enum { UNIT_OTHER = 0, UNIT_EXTENT, UNIT_PARTIAL, UNIT_LENT };

#define FIRST_PIECE 16u                   /* units: 32 MiB */
#define LARGEST_PIECE (NT_GIB / NT_UNIT)  /* 1 GiB */
#define HUGE_AFTER (32 * NT_MIB)          /* small programs must not bloat */
#define ALL UINT32_MAX
#define PURGE_AT_ONCE (256 * NT_MIB / NT_UNIT) /* units purged by one caller */

struct nt_arena_config nt__arena_config = {.return_ms = 1000};

static void set(uint64_t *figure, uint64_t value)
{
    __atomic_store_n(figure, value, __ATOMIC_RELAXED);
}

static uint32_t now_ms(void)
{
    return (uint32_t)nt__os_now_ms();
}

/* ---- Lists of units ---------------------------------------------------------- */

static void list_push(uint32_t *head, uint32_t u)
{
    struct nt_unit *unit = nt__window_unit(u);
    unit->prev = NT_NO_UNIT;
    unit->next = *head;
    if (*head != NT_NO_UNIT)
        nt__window_unit(*head)->prev = u;
    *head = u;
}

static void list_remove(uint32_t *head, uint32_t u)
{
    struct nt_unit *unit = nt__window_unit(u);
    if (unit->prev != NT_NO_UNIT)
        nt__window_unit(unit->prev)->next = unit->next;
    else
        *head = unit->next;
    if (unit->next != NT_NO_UNIT)
        nt__window_unit(unit->next)->prev = unit->prev;
}

/* The owner is read by neighbours in other arenas, without our lock. */
static void own(const struct nt_arena *a, struct nt_unit *unit)
{
    __atomic_store_n(&unit->arena, (uint8_t)(a->index + 1), __ATOMIC_RELAXED);
}

static unsigned free_slices(const struct nt_unit *unit)
{
    return NT_UNIT_SLICES - (unsigned)__builtin_popcount(unit->used);
}

static void partial_insert(struct nt_arena *a, uint32_t u)
{
    struct nt_unit *unit = nt__window_unit(u);
    unsigned n = free_slices(unit);
    own(a, unit);
    if (n == 0) {
        unit->state = UNIT_LENT;
        return;
    }
    NT_ASSERT(n < NT_UNIT_SLICES);
    unit->state = UNIT_PARTIAL;
    list_push(&a->partial[n], u);
    a->partial_bins |= 1u << n;
}

static void partial_remove(struct nt_arena *a, uint32_t u)
{
    struct nt_unit *unit = nt__window_unit(u);
    if (unit->state == UNIT_LENT)
        return;
    NT_ASSERT(unit->state == UNIT_PARTIAL);
    unsigned n = free_slices(unit);
    list_remove(&a->partial[n], u);
    if (a->partial[n] == NT_NO_UNIT)
        a->partial_bins &= ~(1u << n);
}

/* ---- Extents ------------------------------------------------------------------ */

static unsigned extent_bin(uint32_t length)
{
    unsigned bin = 31u - (unsigned)__builtin_clz(length);
    return bin < NT_EXTENT_BINS ? bin : NT_EXTENT_BINS - 1;
}

static void extent_remove(struct nt_arena *a, uint32_t u)
{
    struct nt_unit *first = nt__window_unit(u);
    struct nt_unit *last = nt__window_unit(u + first->length - 1);
    unsigned bin = extent_bin(first->length);
    list_remove(&a->extents[bin], u);
    if (a->extents[bin] == NT_NO_UNIT)
        a->extent_bins &= ~(1u << bin);
    if (first->dirty)
        set(&a->cached, a->cached - first->length);
    last->state = UNIT_OTHER;
    first->state = UNIT_OTHER;
}

/* A free extent of this arena that has unit `u` at its edge. */
static bool is_edge(const struct nt_arena *a, uint32_t u)
{
    if ((size_t)u << NT_UNIT_SHIFT >= __atomic_load_n(&nt__window.limit, __ATOMIC_RELAXED))
        return false;
    const struct nt_unit *unit = nt__window_unit(u);
    return __atomic_load_n(&unit->arena, __ATOMIC_RELAXED) == a->index + 1 &&
           unit->state == UNIT_EXTENT;
}

/* Free units, merged with what is free beside them. The age of the whole is that of
 * its largest part: a big old extent must not stay young by what joins it. */
static void extent_insert(struct nt_arena *a, uint32_t u, uint32_t length, bool dirty,
                          uint32_t stamp)
{
    uint32_t largest = length;
    uint32_t beside[2] = {NT_NO_UNIT, u + length};
    if (u > 0 && is_edge(a, u - 1))
        beside[0] = u - nt__window_unit(u - 1)->length;
    if (!is_edge(a, u + length))
        beside[1] = NT_NO_UNIT;
    for (int i = 0; i < 2; i++) {
        if (beside[i] == NT_NO_UNIT)
            continue;
        const struct nt_unit *other = nt__window_unit(beside[i]);
        dirty |= other->dirty != 0;
        if (other->length > largest) {
            largest = other->length;
            stamp = other->stamp_ms;
        }
        extent_remove(a, beside[i]);
        length += other->length;
        u = beside[i] < u ? beside[i] : u;
    }
    struct nt_unit *first = nt__window_unit(u);
    struct nt_unit *last = nt__window_unit(u + length - 1);
    own(a, first);
    own(a, last);
    first->state = last->state = UNIT_EXTENT;
    first->length = last->length = length;
    first->used = last->used = 0;
    first->dirty = dirty ? ALL : 0;
    first->stamp_ms = stamp;
    unsigned bin = extent_bin(length);
    list_push(&a->extents[bin], u);
    a->extent_bins |= 1u << bin;
    if (dirty)
        set(&a->cached, a->cached + length);
}

/* Cut units [at, at+units) out of the extent that begins at `u`. */
static void extent_cut(struct nt_arena *a, uint32_t u, uint32_t at, uint32_t units)
{
    struct nt_unit *first = nt__window_unit(u);
    uint32_t length = first->length;
    uint32_t stamp = first->stamp_ms;
    bool dirty = first->dirty != 0;
    extent_remove(a, u);
    /* Neighbours of the rests are lent, or are the cut: nothing merges. */
    if (at > u)
        extent_insert(a, u, at - u, dirty, stamp);
    if (at + units < u + length)
        extent_insert(a, at + units, u + length - at - units, dirty, stamp);
}

/* Where in the extent at `u` do `units` fit at `align`? NT_NO_UNIT: nowhere. */
static uint32_t extent_fits(uint32_t u, uint32_t units, size_t align)
{
    uintptr_t address = (uintptr_t)nt__window_unit_address(u);
    size_t skip = (nt__align_up(address, align) - address) >> NT_UNIT_SHIFT;
    if (skip + units > nt__window_unit(u)->length)
        return NT_NO_UNIT;
    return u + (uint32_t)skip;
}

/* The extent that has `units` units at `align`, from *at on; NT_NO_UNIT: none has. */
static uint32_t extent_find(struct nt_arena *a, uint32_t units, size_t align,
                            uint32_t *at)
{
    uint32_t bins = a->extent_bins & (ALL << extent_bin(units));
    for (; bins != 0; bins &= bins - 1) {
        uint32_t u = a->extents[__builtin_ctz(bins)];
        for (; u != NT_NO_UNIT; u = nt__window_unit(u)->next) {
            *at = extent_fits(u, units, align);
            if (*at != NT_NO_UNIT)
                return u;
        }
    }
    return NT_NO_UNIT;
}

/* ---- Pieces -------------------------------------------------------------------- */

/* Map, bind and advise a piece of at least `units`. Called without the lock. */
static bool grow(struct nt_arena *a, uint32_t units, size_t align, uint32_t piece)
{
    uint8_t huge = nt__arena_config.huge;
    bool hugetlb = false;
    uint32_t length = units > piece ? units : piece;
    uint32_t u = NT_NO_UNIT;
    if (huge == NT_HUGE_HUGETLB) {
        u = nt__window_map(units, align, true);
        hugetlb = u != NT_NO_UNIT;
        length = hugetlb ? units : length;
    }
    /* Under a tight limit ask for less and less, down to what is needed. */
    for (; u == NT_NO_UNIT; length = length / 2 > units ? length / 2 : units) {
        u = nt__window_map(length, align, false);
        if (u != NT_NO_UNIT || length == units)
            break;
    }
    if (u == NT_NO_UNIT)
        return false;
    void *at = nt__window_unit_address(u);
    size_t bytes = (size_t)length << NT_UNIT_SHIFT;
    bool bound = a->bind_to >= 0 && nt__bind_node(at, bytes, a->bind_to) == 0;
    bool advised = hugetlb;
    if (huge == NT_HUGE_THP && a->reserved << NT_UNIT_SHIFT >= HUGE_AFTER)
        advised = nt__os_advise_huge(at, bytes);

    nt__lock(&a->lock);
    set(&a->reserved, a->reserved + length);
    set(&a->bound, a->bound + (bound ? length : 0));
    set(&a->huge, a->huge + (advised ? length : 0));
    set(&a->mappings, a->mappings + 1);
    uint64_t eighth = a->reserved / 8;
    a->next_piece = (uint32_t)nt__min(nt__max(FIRST_PIECE, (size_t)eighth), LARGEST_PIECE);
    extent_insert(a, u, length, false, now_ms());
    nt__unlock(&a->lock);
    return true;
}

/* ---- Runs ---------------------------------------------------------------------- */

static uint32_t run_mask(unsigned first, size_t slices)
{
    return (slices >= NT_UNIT_SLICES ? ALL : ((1u << slices) - 1)) << first;
}

/* First place of `slices` free slices at a multiple of `step` in a unit, or -1. */
static int run_find(uint32_t used, unsigned slices, unsigned step)
{
    for (unsigned at = 0; at + slices <= NT_UNIT_SLICES; at += step) {
        uint32_t clash = used & run_mask(at, slices);
        if (clash == 0)
            return (int)at;
        if (step == 1) /* go on behind the last slice in the way */
            at = 31u - (unsigned)__builtin_clz(clash);
    }
    return -1;
}

static void *unit_lend(struct nt_arena *a, uint32_t u, unsigned at, unsigned slices,
                       bool *clean)
{
    struct nt_unit *unit = nt__window_unit(u);
    uint32_t mask = run_mask(at, slices);
    NT_ASSERT((unit->used & mask) == 0);
    *clean = (unit->dirty & mask) == 0;
    unit->used |= mask;
    partial_insert(a, u);
    set(&a->committed, a->committed + slices);
    return nt__window_unit_address(u) + ((size_t)at << NT_SLICE_SHIFT);
}

/* A run within one unit: the fullest unit that has room, else a free one. */
static void *take_small(struct nt_arena *a, unsigned slices, size_t align, bool *clean)
{
    unsigned step = (unsigned)(align >> NT_SLICE_SHIFT);
    uint32_t bins = slices < NT_UNIT_SLICES ? a->partial_bins & (ALL << slices) : 0;
    for (; bins != 0; bins &= bins - 1) {
        uint32_t u = a->partial[__builtin_ctz(bins)];
        for (int tries = 0; u != NT_NO_UNIT && tries < 8; tries++) {
            int at = run_find(nt__window_unit(u)->used, slices, step);
            if (at >= 0) {
                partial_remove(a, u);
                return unit_lend(a, u, (unsigned)at, slices, clean);
            }
            u = nt__window_unit(u)->next;
        }
    }
    uint32_t at;
    uint32_t u = extent_find(a, 1, NT_UNIT, &at);
    if (u == NT_NO_UNIT)
        return NULL;
    uint32_t dirty = nt__window_unit(u)->dirty;
    extent_cut(a, u, at, 1);
    nt__window_unit(at)->used = 0;
    nt__window_unit(at)->dirty = dirty;
    return unit_lend(a, at, 0, slices, clean);
}

/* Lend `slices` from the extent at `u` on: `units` units, the last perhaps in part. */
static void lend_units(struct nt_arena *a, uint32_t u, uint32_t at, uint32_t units,
                       size_t slices, bool *clean)
{
    bool dirty = nt__window_unit(u)->dirty != 0;
    extent_cut(a, u, at, units);
    unsigned tail = (unsigned)(slices % NT_UNIT_SLICES);
    if (tail != 0) { /* the rest of the last unit serves others */
        struct nt_unit *last = nt__window_unit(at + units - 1);
        last->used = run_mask(0, tail);
        last->dirty = dirty ? ALL : 0;
        partial_insert(a, at + units - 1);
    }
    *clean = !dirty;
    set(&a->committed, a->committed + slices);
}

static void *take_large(struct nt_arena *a, size_t slices, size_t align, bool *clean)
{
    uint32_t units = (uint32_t)((slices + NT_UNIT_SLICES - 1) / NT_UNIT_SLICES);
    uint32_t at;
    uint32_t u = extent_find(a, units, align, &at);
    if (u == NT_NO_UNIT)
        return NULL;
    lend_units(a, u, at, units, slices, clean);
    return nt__window_unit_address(at);
}

void *nt__arena_take(struct nt_arena *a, size_t slices, size_t align, bool *clean)
{
    if (slices > (UINT32_MAX / 2) * (size_t)NT_UNIT_SLICES)
        return NULL;
    bool small = slices <= NT_UNIT_SLICES && align <= NT_UNIT;
    uint32_t units = (uint32_t)((slices + NT_UNIT_SLICES - 1) / NT_UNIT_SLICES);
    align = nt__max(align, small ? NT_SLICE : NT_UNIT);
    for (;;) {
        nt__lock(&a->lock);
        void *run = small ? take_small(a, (unsigned)slices, align, clean)
                          : take_large(a, slices, align, clean);
        uint32_t piece = a->next_piece;
        nt__unlock(&a->lock);
        if (run || !grow(a, units, nt__max(align, NT_UNIT), piece))
            return run;
    }
}

/* Slices of unit `u`, on no list, came back. */
static void partial_or_extent(struct nt_arena *a, uint32_t u)
{
    struct nt_unit *unit = nt__window_unit(u);
    if (unit->used != 0) {
        partial_insert(a, u);
        return;
    }
    unit->state = UNIT_OTHER; /* it may come to lie within an extent, where nobody looks */
    extent_insert(a, u, 1, unit->dirty != 0, now_ms());
}

/* Slices [at, at+slices) of unit `u` come back. */
static void unit_give(struct nt_arena *a, uint32_t u, unsigned at, size_t slices,
                      bool clean)
{
    struct nt_unit *unit = nt__window_unit(u);
    uint32_t mask = run_mask(at, slices);
    if (unit->state == UNIT_OTHER) { /* within a long run: nothing is noted of it yet */
        own(a, unit);
        unit->state = UNIT_LENT;
        unit->used = ALL;
        unit->dirty = ALL;
    }
    NT_ASSERT((unit->used & mask) == mask);
    partial_remove(a, u);
    unit->used &= ~mask;
    if (!clean)
        unit->dirty |= mask;
    partial_or_extent(a, u);
}

static void give_locked(struct nt_arena *a, uint32_t u, unsigned at, size_t slices,
                        bool clean)
{
    set(&a->committed, a->committed - slices);
    if (at != 0 || slices < NT_UNIT_SLICES) {
        size_t here = nt__min(slices, NT_UNIT_SLICES - at);
        unit_give(a, u, at, here, clean);
        slices -= here;
        u++;
    }
    uint32_t full = (uint32_t)(slices / NT_UNIT_SLICES);
    unsigned tail = (unsigned)(slices % NT_UNIT_SLICES);
    if (full != 0)
        extent_insert(a, u, full, !clean, now_ms());
    if (tail != 0)
        unit_give(a, u + full, 0, tail, clean);
}

void nt__arena_give(struct nt_arena *a, void *run, size_t slices, bool clean)
{
    uint32_t u = nt__window_unit_number(run);
    unsigned at = (unsigned)(((uintptr_t)run >> NT_SLICE_SHIFT) % NT_UNIT_SLICES);
    nt__lock(&a->lock);
    give_locked(a, u, at, slices, clean);
    nt__unlock(&a->lock);
}

bool nt__arena_give_anew(struct nt_arena *a, void *run, size_t slices)
{
    size_t bytes = slices << NT_SLICE_SHIFT;
    if (!nt__os_remap(run, bytes))
        return false;
    if (a->bind_to >= 0)
        nt__bind_node(run, bytes, a->bind_to);
    nt__lock(&a->lock);
    set(&a->returned, a->returned + bytes);
    give_locked(a, nt__window_unit_number(run),
                (unsigned)(((uintptr_t)run >> NT_SLICE_SHIFT) % NT_UNIT_SLICES), slices,
                true);
    nt__unlock(&a->lock);
    return true;
}

bool nt__arena_extend(struct nt_arena *a, void *run, size_t slices, size_t more,
                      bool *clean)
{
    uint32_t u = nt__window_unit_number((char *)run + (slices << NT_SLICE_SHIFT));
    unsigned at = (unsigned)(slices % NT_UNIT_SLICES);
    size_t want = more - slices;
    /* A run that does not begin a unit stays within it. */
    if (((uintptr_t)run & (NT_UNIT - 1)) != 0)
        return false;
    size_t here = at == 0 ? 0 : nt__min(want, NT_UNIT_SLICES - at);
    uint32_t units = (uint32_t)((want - here + NT_UNIT_SLICES - 1) / NT_UNIT_SLICES);
    uint32_t next = u + (at != 0);
    bool got = true;
    *clean = true;
    nt__lock(&a->lock);
    struct nt_unit *last = nt__window_unit(u);
    if (here != 0)
        got = (last->used & run_mask(at, here)) == 0;
    if (got && units != 0)
        got = is_edge(a, next) && nt__window_unit(next)->length >= units &&
              nt__window_unit(next)->used == 0;
    if (got && here != 0) {
        bool part;
        partial_remove(a, u);
        unit_lend(a, u, at, (unsigned)here, &part);
        *clean &= part;
    }
    if (got && units != 0) {
        bool part;
        lend_units(a, next, next, units, want - here, &part);
        *clean &= part;
    }
    nt__unlock(&a->lock);
    return got;
}

/* ---- Giving back to the system --------------------------------------------------- */

/* Take one dirty extent that has been free since before `before` off the lists.
 * NT_NO_UNIT: none. */
static uint32_t dirty_take(struct nt_arena *a, uint32_t age_ms, uint32_t *length)
{
    uint32_t now = now_ms();
    for (uint32_t bins = a->extent_bins; bins != 0; bins &= bins - 1) {
        uint32_t u = a->extents[__builtin_ctz(bins)];
        for (; u != NT_NO_UNIT; u = nt__window_unit(u)->next) {
            const struct nt_unit *first = nt__window_unit(u);
            if (first->dirty && now - first->stamp_ms >= age_ms) {
                *length = first->length;
                extent_cut(a, u, u, first->length);
                return u;
            }
        }
    }
    return NT_NO_UNIT;
}

/* Purge extents free for `age_ms` until `budget` units are done. Units given back. */
static size_t purge_extents(struct nt_arena *a, uint32_t age_ms, size_t budget)
{
    size_t done = 0;
    while (done < budget) {
        uint32_t length;
        nt__lock(&a->lock);
        uint32_t u = dirty_take(a, age_ms, &length);
        nt__unlock(&a->lock);
        if (u == NT_NO_UNIT)
            break;
        bool purged = nt__os_purge(nt__window_unit_address(u),
                                   (size_t)length << NT_UNIT_SHIFT);
        nt__lock(&a->lock);
        extent_insert(a, u, length, !purged, now_ms());
        if (purged)
            set(&a->returned, a->returned + ((uint64_t)length << NT_UNIT_SHIFT));
        nt__unlock(&a->lock);
        if (!purged)
            break;
        done += length;
    }
    return done;
}

void nt__arena_decay(struct nt_arena *a)
{
    if (__atomic_load_n(&a->cached, __ATOMIC_RELAXED) == 0)
        return;
    uint32_t now = now_ms(), delay = nt__arena_config.return_ms;
    uint32_t due = __atomic_load_n(&a->next_look_ms, __ATOMIC_RELAXED);
    if ((int32_t)(now - due) < 0)
        return;
    /* One of those who find it due goes. */
    if (__atomic_compare_exchange_n(&a->next_look_ms, &due, now + delay / 4 + 1, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        purge_extents(a, delay, PURGE_AT_ONCE);
}

/* Free slices of partial units. One unit at a time is lent to ourselves meanwhile. */
static size_t purge_slices(struct nt_arena *a, uint32_t u)
{
    struct nt_unit *unit = nt__window_unit(u);
    size_t bytes = 0;
    nt__lock(&a->lock);
    uint32_t mask = unit->state == UNIT_PARTIAL ? unit->dirty & ~unit->used : 0;
    if (mask == 0 || unit->arena != a->index + 1) {
        nt__unlock(&a->lock);
        return 0;
    }
    partial_remove(a, u);
    unit->used |= mask;
    partial_insert(a, u);
    nt__unlock(&a->lock);
    uint32_t purged = 0;
    for (unsigned i = 0; i < NT_UNIT_SLICES; i++) {
        char *at = nt__window_unit_address(u) + ((size_t)i << NT_SLICE_SHIFT);
        if (mask >> i & 1 && nt__os_purge(at, NT_SLICE)) {
            purged |= 1u << i;
            bytes += NT_SLICE;
        }
    }
    nt__lock(&a->lock);
    partial_remove(a, u);
    unit->used &= ~mask;
    unit->dirty &= ~purged;
    set(&a->returned, a->returned + bytes);
    partial_or_extent(a, u);
    nt__unlock(&a->lock);
    return bytes;
}

size_t nt__arena_purge(struct nt_arena *a)
{
    size_t bytes = purge_extents(a, 0, SIZE_MAX) << NT_UNIT_SHIFT;
    size_t units = nt__window.limit >> NT_UNIT_SHIFT;
    for (uint32_t u = 0; u < units; u++)
        if (__atomic_load_n(&nt__window_unit(u)->arena, __ATOMIC_RELAXED) == a->index + 1)
            bytes += purge_slices(a, u);
    return bytes;
}

/* Units were unmapped. Which of them were advised, or made a mapping of their own, is
 * not noted: none of these figures is ever above what is left. */
static void count_release(struct nt_arena *a, uint32_t units)
{
    set(&a->reserved, a->reserved - units);
    set(&a->bound, nt__min(a->bound, a->reserved));
    set(&a->huge, nt__min(a->huge, a->reserved));
    set(&a->mappings, nt__min(a->mappings, a->reserved));
    set(&a->returned, a->returned + ((uint64_t)units << NT_UNIT_SHIFT));
}

size_t nt__arena_release(struct nt_arena *a)
{
    size_t bytes = 0;
    for (;;) {
        nt__lock(&a->lock);
        if (a->extent_bins == 0) {
            nt__unlock(&a->lock);
            return bytes;
        }
        uint32_t u = a->extents[__builtin_ctz(a->extent_bins)];
        uint32_t length = nt__window_unit(u)->length;
        bool dirty = nt__window_unit(u)->dirty != 0;
        extent_cut(a, u, u, length);
        nt__unlock(&a->lock);
        bool gone = nt__window_unmap(u, length);
        nt__lock(&a->lock);
        if (gone)
            count_release(a, length);
        else
            extent_insert(a, u, length, dirty, now_ms());
        nt__unlock(&a->lock);
        if (!gone)
            return bytes;
        bytes += (size_t)length << NT_UNIT_SHIFT;
    }
}

/* ---- Start and check ---------------------------------------------------------------- */

void nt__arena_init(struct nt_arena *a, unsigned index, unsigned slot, int bind_to)
{
    memset(a, 0, sizeof *a);
    nt__lock_init(&a->lock, NT_RANK_ARENA);
    a->index = (uint8_t)index;
    a->slot = (uint8_t)slot;
    a->bind_to = (int16_t)bind_to;
    a->next_piece = FIRST_PIECE;
    for (unsigned i = 0; i < NT_UNIT_SLICES; i++)
        a->partial[i] = NT_NO_UNIT;
    for (unsigned i = 0; i < NT_EXTENT_BINS; i++)
        a->extents[i] = NT_NO_UNIT;
}

#define CHECK(x)                                                                         \
    do {                                                                                 \
        if (!(x))                                                                        \
            nt__panic(#x, __FILE__, __LINE__);                                           \
    } while (0)

void nt__arena_check(struct nt_arena *a)
{
    uint64_t free_units = 0, dirty_units = 0, free_in_partial = 0;
    nt__lock(&a->lock);
    for (unsigned bin = 0; bin < NT_EXTENT_BINS; bin++) {
        CHECK((a->extents[bin] != NT_NO_UNIT) == (a->extent_bins >> bin & 1));
        for (uint32_t u = a->extents[bin]; u != NT_NO_UNIT;
             u = nt__window_unit(u)->next) {
            const struct nt_unit *first = nt__window_unit(u);
            const struct nt_unit *last = nt__window_unit(u + first->length - 1);
            CHECK(first->state == UNIT_EXTENT && last->state == UNIT_EXTENT);
            CHECK(first->length == last->length && extent_bin(first->length) == bin);
            CHECK(u == 0 || !is_edge(a, u - 1));
            CHECK(!is_edge(a, u + first->length));
            free_units += first->length;
            dirty_units += first->dirty ? first->length : 0;
        }
    }
    for (unsigned n = 0; n < NT_UNIT_SLICES; n++) {
        CHECK((a->partial[n] != NT_NO_UNIT) == (a->partial_bins >> n & 1));
        for (uint32_t u = a->partial[n]; u != NT_NO_UNIT; u = nt__window_unit(u)->next) {
            CHECK(nt__window_unit(u)->state == UNIT_PARTIAL);
            CHECK(free_slices(nt__window_unit(u)) == n);
            free_in_partial += n;
        }
    }
    CHECK(dirty_units == a->cached);
    CHECK(a->reserved * NT_UNIT_SLICES ==
          free_units * NT_UNIT_SLICES + free_in_partial + a->committed);
    nt__unlock(&a->lock);
}
