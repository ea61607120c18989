/* SPDX-License-Identifier: MIT */
#include "pools/slab.h"

#include "pools/shard.h"

#define CARVE_CLEAN (4 * NT_KIB) /* bytes of fresh memory to touch at once */
#define CARVE_RESIDENT 64u       /* blocks */
#define ORDER_SEEN 16u           /* blocks of a list that are looked at */
#define ORDER_MATTERS 256u /* bytes: larger blocks share no lines, and few pages */

/* The header `by` speaks for the slice. Read by anyone who frees what is not his. */
static void speak_for(size_t index, void *by)
{
    __atomic_store_n(&nt__window.map[index], by, __ATOMIC_RELAXED);
}

struct nt_slab *nt__slab_open(void *run, unsigned c, unsigned slices,
                              struct nt_shard *owner, bool clean)
{
    const struct nt_sizeclasses *t = &nt__sizeclasses;
    struct nt_slab *slab = nt__slab_header(run);
    size_t size = t->size[c], offset = (uintptr_t)run - nt__window.base;
    size_t skipped = (size - offset % size) % size;
    NT_ASSERT(slab->kind == NT_SLAB_NONE && skipped + size <= slices * NT_SLICE);
    slab->free = NULL;
    slab->magic = UINT64_MAX / size + 1;
    slab->start = (uintptr_t)run + skipped;
    slab->capacity = (uint16_t)((slices * NT_SLICE - skipped) / size);
    slab->back = INT32_MIN;
    slab->size = (uint32_t)size;
    slab->carved = 0;
    slab->class = (uint8_t)c;
    slab->place = NT_PLACE_CURRENT;
    slab->slices = (uint8_t)slices;
    slab->slot = owner->slot;
    slab->pooled = owner->pool != NULL;
    slab->arena = owner->arena->index;
    slab->moved = 0;
    slab->sampled = owner->sampling.hidden;
    slab->plain = !slab->pooled && !slab->sampled;
    slab->clean = clean;
    slab->next = slab->prev = NULL;
    __atomic_store_n(&slab->remote, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&slab->owner, owner, __ATOMIC_RELAXED);
    slab->kind = NT_SLAB_BLOCKS;
    for (size_t first = nt__window_index(run), i = 1; i < slices; i++)
        speak_for(first + i, slab);
    return slab;
}

void nt__slab_change_owner(struct nt_slab *slab, struct nt_shard *owner)
{
    /* Release: senders that see the new owner see its shard. */
    __atomic_store_n(&slab->owner, owner, __ATOMIC_RELEASE);
}

struct nt_slab *nt__slab_open_large(void *run, size_t slices, size_t bytes,
                                    struct nt_shard *home)
{
    struct nt_slab *slab = nt__slab_header(run);
    NT_ASSERT(slab->kind == NT_SLAB_NONE);
    __atomic_store_n(&slab->owner, NULL, __ATOMIC_RELAXED);
    slab->bytes = bytes;
    slab->run_slices = slices;
    slab->home = home;
    slab->slot = home->slot;
    slab->pooled = home->pool != NULL;
    slab->moved = slab->clean = slab->sampled = slab->grows = 0;
    slab->parts = 0;
    slab->class = (uint8_t)nt__sizeclass_large();
    slab->next = slab->prev = NULL;
    slab->kind = NT_SLAB_LARGE;
    return slab;
}

void nt__slab_close(struct nt_slab *slab)
{
    unsigned slices = slab->kind == NT_SLAB_BLOCKS ? slab->slices : 1;
    for (size_t first = nt__window_index(nt__window_slice(slab)), i = 1; i < slices;
         i++)
        speak_for(first + i, nt__window_header_at(first + i));
    __atomic_store_n(&slab->owner, NULL, __ATOMIC_RELAXED);
    slab->kind = NT_SLAB_NONE;
    slab->plain = 0;
}

void *nt__slab_carve(struct nt_slab *slab)
{
    NT_ASSERT(slab->free == NULL && slab->carved < slab->capacity);
    size_t want = slab->clean ? CARVE_CLEAN / slab->size : CARVE_RESIDENT;
    size_t left = (size_t)slab->capacity - slab->carved;
    size_t n = want < 1 ? 1 : nt__min(want, left);
    const size_t size = slab->size;
    const void *key = NT_KEY;
    char *first = (char *)slab->start + slab->carved * size;
    struct nt_block *list = NULL;
    /* From the end, so that the list rises in address. */
    for (char *at = first + (n - 1) * size; at > first; at -= size) {
        struct nt_block *block = (struct nt_block *)(void *)at;
        block->next = list;
        block->key = key;
        list = block;
    }
    if (!slab->clean)
        ((struct nt_block *)(void *)first)->key = NULL;
    slab->free = list;
    __atomic_store_n(&slab->carved, (uint16_t)(slab->carved + n), __ATOMIC_RELAXED);
    return first;
}

/* Upwards or downwards: both are walked in turn. */
static bool is_in_order(const struct nt_slab *slab)
{
    const struct nt_block *b = slab->free;
    ptrdiff_t step = b && b->next ? (const char *)b->next - (const char *)b : 0;
    if (step != (ptrdiff_t)slab->size && step != -(ptrdiff_t)slab->size)
        return false;
    for (unsigned i = 0; i < ORDER_SEEN && b && b->next; i++, b = b->next)
        if ((const char *)b->next - (const char *)b != step)
            return false;
    return true;
}

void nt__slab_tidy(struct nt_slab *slab)
{
    if (slab->size > ORDER_MATTERS || slab->carved < 2 || is_in_order(slab))
        return;
    slab->free = NULL;
    slab->clean = 0;
    __atomic_store_n(&slab->carved, 0, __ATOMIC_RELAXED);
}

unsigned nt__slab_listed(const struct nt_slab *slab)
{
    unsigned n = 0;
    for (const struct nt_block *b = slab->free; b; b = b->next)
        n++;
    return n;
}

NT_RACES bool nt__slab_lists(const struct nt_slab *slab, const void *p)
{
    unsigned n = 0;
    const struct nt_block *b = slab->free;
    while (b && n++ < slab->capacity) {
        if (b == p)
            return true;
        /* Another thread may be looking: do not follow what is no block of ours. */
        if (!nt__slab_carved(slab, b) || !nt__slab_starts(slab, b))
            return false;
        b = b->next;
    }
    return false;
}

#define CHECK(x)                                                                       \
    do {                                                                               \
        if (!(x))                                                                      \
            nt__panic(#x, __FILE__, __LINE__);                                         \
    } while (0)

void nt__slab_check(const struct nt_slab *slab)
{
    unsigned listed = 0;
    CHECK(slab->kind == NT_SLAB_BLOCKS);
    CHECK(slab->start - (uintptr_t)nt__window_slice(slab) < slab->size);
    CHECK(nt__slab_starts(slab, (const void *)slab->start));
    CHECK(slab->size == nt__sizeclasses.size[slab->class]);
    CHECK(slab->carved <= slab->capacity);
    for (const struct nt_block *b = slab->free; b; b = b->next) {
        CHECK(nt__slab_starts(slab, b) && nt__slab_carved(slab, b));
        CHECK(++listed <= slab->carved);
    }
    if (slab->place == NT_PLACE_PARTIAL)
        CHECK(slab->back <= 0 && (unsigned)-slab->back + listed <= slab->carved);
    if (slab->place == NT_PLACE_EMPTY)
        CHECK(slab->back == 0 && listed == slab->carved);
    if (slab->place == NT_PLACE_FULL)
        CHECK(slab->back < 0 && slab->carved == slab->capacity);
}
