/* SPDX-License-Identifier: MIT */
#include "pools/sizeclass.h"

#include "numa/window.h"
#include "src/base/sizes.h"

struct nt_sizeclasses nt__sizeclasses;

#define BLOCKS_MOST 512u
#define BLOCKS_FIRST 256u
#define BLOCKS_LEAST 8u
#define SLICES_FIRST 8u

static unsigned slab_most = NT_UNIT_SLICES;

/* Slices, a power of two up to `most`, for `blocks` blocks; more if it takes them for one, as
 * the first begins at a multiple of its size. */
static uint8_t slices_for(uint32_t size, unsigned blocks, unsigned most)
{
    unsigned slices = 1;
    while ((slices < most && slices * NT_SLICE / size < blocks) ||
           slices * NT_SLICE < 2 * (size_t)size - NT_GRAIN)
        slices *= 2;
    return (uint8_t)slices;
}

void nt__sizeclass_slab(unsigned slices)
{
    slab_most = slices;
}

static void add(uint32_t size)
{
    struct nt_sizeclasses *t = &nt__sizeclasses;
    unsigned c = t->count;
    t->size[c] = size;
    unsigned first = (unsigned)nt__min(SLICES_FIRST, slab_most);
    t->least[c] = slices_for(size, BLOCKS_LEAST, first);
    t->first[c] = slices_for(size, BLOCKS_FIRST, first);
    t->most[c] = slices_for(size, BLOCKS_MOST, slab_most);
    /* Release: who finds it finds all of it. */
    __atomic_store_n(&t->count, c + 1, __ATOMIC_RELEASE);
}

/* of[i]: the first class of at least i * step bytes. */
static void fill(uint8_t *of, size_t count, size_t step)
{
    unsigned c = 0;
    for (size_t i = 0; i < count; i++) {
        while (nt__sizeclasses.size[c] < i * step)
            c++;
        of[i] = (uint8_t)c;
    }
}

unsigned nt__sizeclass_start(const uint32_t *sizes, unsigned count)
{
    struct nt_sizeclasses *t = &nt__sizeclasses;
    unsigned used = 0;
    uint32_t size = 0;
    t->count = 0;
    for (unsigned i = 0; i < count && t->count < NT_CLASSES - 1; i++) {
        if (sizes[i] % NT_GRAIN != 0 || sizes[i] <= size || sizes[i] > NT_CLASSED_MAX)
            continue;
        size = sizes[i];
        add(size);
        used++;
    }
    /* Everything above the largest given, and the largest of all, must have a class. */
    for (size = nt__size_next(size); size <= NT_CLASSED_MAX;
         size = nt__size_next(size)) {
        if (t->count == NT_CLASSES - 1) {
            t->count--; /* no room: the last stands for all that is left */
            t->size[t->count] = 0;
            add(NT_CLASSED_MAX);
            break;
        }
        add(size);
    }
    t->process = t->count;
    t->size[NT_CLASS_LARGE] = 0;
    fill(t->of, NT_CLASS_BYTES, NT_GRAIN);
    fill(t->of_2k, NT_ARRAY_LEN(t->of_2k), 2 * NT_KIB);
    return used;
}

unsigned nt__sizeclass_aligned(size_t size, size_t align)
{
    const struct nt_sizeclasses *t = &nt__sizeclasses;
    unsigned c = nt__sizeclass_of(nt__align_up(size, align));
    while (c < t->process && (t->size[c] & (align - 1)) != 0)
        c++;
    return c < t->process ? c : NT_CLASS_LARGE;
}

/* ---- Tables of pools ------------------------------------------------------------------- */

bool nt__sizeclass_fit(const uint32_t *sizes, size_t count)
{
    if (count == 0 || count > NT_CLASSES - 1)
        return false;
    for (size_t i = 0; i < count; i++)
        if (sizes[i] == 0 || sizes[i] % NT_GRAIN != 0 || sizes[i] > NT_CLASSED_MAX ||
            (i > 0 && sizes[i] <= sizes[i - 1]))
            return false;
    return true;
}

/* The class whose blocks have this very size; NT_CLASS_LARGE: there is none. */
static unsigned find(uint32_t size)
{
    const struct nt_sizeclasses *t = &nt__sizeclasses;
    for (unsigned c = 0; c < t->count; c++)
        if (t->size[c] == size)
            return c;
    return NT_CLASS_LARGE;
}

bool nt__sizeclass_add(const uint32_t *sizes, unsigned count, struct nt_sizetable *out)
{
    const struct nt_sizeclasses *t = &nt__sizeclasses;
    unsigned missing = 0;
    for (unsigned i = 0; i < count; i++)
        missing += find(sizes[i]) == NT_CLASS_LARGE;
    if (missing > NT_CLASS_LARGE - t->count)
        return false;
    out->count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (find(sizes[i]) == NT_CLASS_LARGE)
            add(sizes[i]);
        out->class[out->count++] = (uint8_t)find(sizes[i]);
    }
    for (unsigned c = 0; c < t->process; c++)
        if (t->size[c] > sizes[count - 1])
            out->class[out->count++] = (uint8_t)c;
    return true;
}

unsigned nt__sizetable_aligned(const struct nt_sizetable *t, size_t size, size_t align)
{
    if (!t || t->count == 0)
        return nt__sizeclass_aligned(size, align);
    unsigned low = 0, high = t->count; /* the first large enough is in [low, high] */
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (nt__sizeclasses.size[t->class[middle]] < size)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < t->count && nt__sizeclasses.size[t->class[low]] % align != 0)
        low++;
    return low < t->count ? t->class[low] : NT_CLASS_LARGE;
}
