/* SPDX-License-Identifier: MIT */
#include "numa/units.h"

#include "src/base/fmt.h"

#define ADVISED_MOST 16384u /* units by themselves */

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

static unsigned free_slices(const struct nt_unit *unit)
{
    return NT_UNIT_SLICES - nt__bits(unit->used);
}

void nt__partial_insert(struct nt_arena *a, uint32_t u)
{
    struct nt_unit *unit = nt__window_unit(u);
    unsigned n = free_slices(unit);
    nt__unit_own(a, unit);
    if (n == 0) {
        unit->state = NT_UNIT_LENT;
        return;
    }
    NT_ASSERT(n < NT_UNIT_SLICES);
    unit->state = NT_UNIT_PARTIAL;
    list_push(&a->partial[n], u);
    a->partial_bins |= 1u << n;
}

void nt__partial_remove(struct nt_arena *a, uint32_t u)
{
    struct nt_unit *unit = nt__window_unit(u);
    if (unit->state == NT_UNIT_LENT)
        return;
    NT_ASSERT(unit->state == NT_UNIT_PARTIAL);
    unsigned n = free_slices(unit);
    list_remove(&a->partial[n], u);
    if (a->partial[n] == NT_NO_UNIT)
        a->partial_bins &= ~(1u << n);
}

void nt__unit_note_loose(struct nt_arena *a, struct nt_unit *unit)
{
    if (!nt__unit_is_loose(unit) || nt__arena_config.huge > NT_HUGE_OFF)
        return;
    unit->stamp_ms = nt__unit_now_ms();
    __atomic_store_n(&a->loose, UINT32_MAX, __ATOMIC_RELAXED); /* all */
}

/* ---- Huge pages --------------------------------------------------------------- */

static uint32_t advised_units; /* of all arenas: each may split a mapping */

/* `huge` never falls below 0: pieces that were advised whole are counted, too. */
void nt__unit_note_advice(struct nt_arena *a, struct nt_unit *unit, enum nt_advice how)
{
    bool before = unit->advised != NT_ADVICE_NONE, after = how != NT_ADVICE_NONE;
    if (after && !before)
        __atomic_add_fetch(&advised_units, 1, __ATOMIC_RELAXED);
    else if (before && !after)
        __atomic_sub_fetch(&advised_units, 1, __ATOMIC_RELAXED);
    if (how == NT_ADVICE_HUGE && unit->advised != NT_ADVICE_HUGE)
        nt__figure_set(&a->huge, a->huge + 1);
    else if (how != NT_ADVICE_HUGE && unit->advised == NT_ADVICE_HUGE && a->huge != 0)
        nt__figure_set(&a->huge, a->huge - 1);
    unit->advised = (uint8_t)how;
    if (unit->state == NT_UNIT_PARTIAL) /* what nobody borrows will be in memory */
        nt__unit_note_loose(a, unit);
}

void nt__unit_forget_advice(uint32_t units)
{
    __atomic_sub_fetch(&advised_units, units, __ATOMIC_RELAXED);
}

void nt__unit_advise(struct nt_arena *a, uint32_t u, enum nt_advice how)
{
    struct nt_unit *unit = nt__window_unit(u);
    char *at = nt__window_unit_address(u);
    nt__lock(&a->lock);
    enum nt_advice was = unit->advised;
    if (was == how ||
        (was == NT_ADVICE_NONE &&
         __atomic_load_n(&advised_units, __ATOMIC_RELAXED) >= ADVISED_MOST))
        how = NT_ADVICE_NONE;
    else
        nt__unit_note_advice(a, unit, how);
    nt__unlock(&a->lock);
    while (how != NT_ADVICE_NONE) {
        bool done = how == NT_ADVICE_HUGE ? nt__os_advise_huge(at, NT_UNIT)
                                          : nt__os_advise_small(at, NT_UNIT);
        nt__lock(&a->lock);
        enum nt_advice now = unit->advised; /* somebody may have asked for the other */
        if (now == how && how == NT_ADVICE_HUGE && !done)
            nt__unit_note_advice(a, unit, was);
        nt__unlock(&a->lock);
        how = now == how ? NT_ADVICE_NONE : now;
    }
}

void nt__units_forgo_huge(struct nt_arena *a, uint32_t u, size_t units)
{
    for (uint32_t i = 0; nt__figure_get(&a->huge) != 0 && i < units; i++)
        if (nt__unit_is_advised(u + i, NT_ADVICE_HUGE))
            nt__unit_advise(a, u + i, NT_ADVICE_SMALL);
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
    bool dirty = first->dirty != 0;
    list_remove(&a->extents[dirty][bin], u);
    if (a->extents[dirty][bin] == NT_NO_UNIT)
        a->extent_bins[dirty] &= ~(1u << bin);
    if (dirty)
        nt__figure_set(&a->cached, a->cached - first->length);
    last->state = NT_UNIT_OTHER;
    first->state = NT_UNIT_OTHER;
}

bool nt__extent_at(const struct nt_arena *a, uint32_t u)
{
    if ((size_t)u << NT_UNIT_SHIFT >=
        __atomic_load_n(&nt__window.limit, __ATOMIC_RELAXED))
        return false;
    const struct nt_unit *unit = nt__window_unit(u);
    return __atomic_load_n(&unit->arena, __ATOMIC_RELAXED) == a->index + 1 &&
           unit->state == NT_UNIT_EXTENT;
}

void nt__extent_insert(struct nt_arena *a, uint32_t u, uint32_t length, uint32_t dirty,
                       uint32_t stamp)
{
    uint32_t largest = length;
    uint32_t beside[2] = {NT_NO_UNIT, u + length};
    if (u > 0 && nt__extent_at(a, u - 1))
        beside[0] = u - nt__window_unit(u - 1)->length;
    if (!nt__extent_at(a, u + length))
        beside[1] = NT_NO_UNIT;
    for (int i = 0; i < 2; i++) {
        if (beside[i] == NT_NO_UNIT)
            continue;
        const struct nt_unit *other = nt__window_unit(beside[i]);
        if ((other->dirty != 0) != (dirty != 0))
            continue;
        dirty += other->dirty;
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
    nt__unit_own(a, first);
    nt__unit_own(a, last);
    first->state = last->state = NT_UNIT_EXTENT;
    first->length = last->length = length;
    first->used = last->used = 0;
    first->dirty = dirty;
    first->stamp_ms = stamp;
    unsigned bin = extent_bin(length);
    list_push(&a->extents[dirty != 0][bin], u);
    a->extent_bins[dirty != 0] |= 1u << bin;
    if (dirty != 0)
        nt__figure_set(&a->cached, a->cached + length);
}

/* Of so many dirty slices in `all` units, the share of `part` of them: none only of none. */
static uint32_t share(uint32_t dirty, uint32_t part, uint32_t all)
{
    return (uint32_t)(((uint64_t)dirty * part + all - 1) / all);
}

uint32_t nt__extent_cut(struct nt_arena *a, uint32_t u, uint32_t at, uint32_t units)
{
    const struct nt_unit *first = nt__window_unit(u);
    uint32_t length = first->length, dirty = first->dirty, stamp = first->stamp_ms;
    uint32_t before = at - u, behind = length - before - units;
    extent_remove(a, u);
    /* Neighbours of the rests are lent, or are the cut, or of the other kind: nothing
     * merges. */
    if (before != 0)
        nt__extent_insert(a, u, before, share(dirty, before, length), stamp);
    if (behind != 0)
        nt__extent_insert(a, at + units, behind, share(dirty, behind, length), stamp);
    return share(dirty, units, length);
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

uint32_t nt__extent_find(struct nt_arena *a, uint32_t units, size_t align, uint32_t *at)
{
    for (int dirty = 1; dirty >= 0; dirty--) {
        uint32_t bins = a->extent_bins[dirty] & (NT_ALL_SLICES << extent_bin(units));
        for (; bins != 0; bins &= bins - 1) {
            uint32_t u = a->extents[dirty][__builtin_ctz(bins)];
            for (; u != NT_NO_UNIT; u = nt__window_unit(u)->next) {
                *at = extent_fits(u, units, align);
                if (*at != NT_NO_UNIT)
                    return u;
            }
        }
    }
    return NT_NO_UNIT;
}

void nt__unit_free_again(struct nt_arena *a, uint32_t u)
{
    struct nt_unit *unit = nt__window_unit(u);
    if (unit->used != 0) {
        nt__partial_insert(a, u);
        return;
    }
    unit->state = NT_UNIT_OTHER; /* it may come to lie within an extent: nobody looks */
    nt__extent_insert(a, u, 1, nt__bits(nt__unit_waiting(unit)), nt__unit_now_ms());
}

#define CHECK(x)                                                                       \
    do {                                                                               \
        if (!(x))                                                                      \
            nt__panic(#x, __FILE__, __LINE__);                                         \
    } while (0)

static void check_extents(const struct nt_arena *a, bool dirty, uint64_t *units)
{
    for (unsigned bin = 0; bin < NT_EXTENT_BINS; bin++) {
        uint32_t u = a->extents[dirty][bin];
        CHECK((u != NT_NO_UNIT) == (a->extent_bins[dirty] >> bin & 1));
        for (; u != NT_NO_UNIT; u = nt__window_unit(u)->next) {
            const struct nt_unit *first = nt__window_unit(u);
            uint32_t end = u + first->length;
            const struct nt_unit *last = nt__window_unit(end - 1);
            CHECK(first->state == NT_UNIT_EXTENT && last->state == NT_UNIT_EXTENT);
            CHECK(first->length == last->length && extent_bin(first->length) == bin);
            CHECK((first->dirty != 0) == dirty);
            CHECK(!nt__extent_at(a, end) ||
                  (nt__window_unit(end)->dirty != 0) != dirty);
            *units += first->length;
        }
    }
}

void nt__arena_check(struct nt_arena *a)
{
    uint64_t clean_units = 0, dirty_units = 0, free_in_partial = 0;
    nt__lock(&a->lock);
    check_extents(a, false, &clean_units);
    check_extents(a, true, &dirty_units);
    for (unsigned n = 0; n < NT_UNIT_SLICES; n++) {
        CHECK((a->partial[n] != NT_NO_UNIT) == (a->partial_bins >> n & 1));
        for (uint32_t u = a->partial[n]; u != NT_NO_UNIT;
             u = nt__window_unit(u)->next) {
            CHECK(nt__window_unit(u)->state == NT_UNIT_PARTIAL);
            CHECK(free_slices(nt__window_unit(u)) == n);
            free_in_partial += n;
        }
    }
    CHECK(dirty_units == a->cached);
    CHECK(a->reserved * NT_UNIT_SLICES == (clean_units + dirty_units) * NT_UNIT_SLICES +
                                              free_in_partial + a->committed);
    nt__unlock(&a->lock);
}
