/* SPDX-License-Identifier: MIT */
#include "pools/sizeclass.h"

#include "numa/window.h"
#include "src/base/sizes.h"

struct nt_sizeclasses nt__sizeclasses;

#define BLOCKS_WANTED 512u
#define BLOCKS_FIRST 8u
#define SLICES_FIRST 8u /* the largest class fits */

static unsigned slab_most = NT_UNIT_SLICES;

/* Slices, a power of two up to `most`, for `blocks` blocks; or as many as hold one. */
static uint8_t slices_for(uint32_t size, unsigned blocks, unsigned most)
{
    unsigned slices = 1;
    while (slices * NT_SLICE < size ||
           (slices < most && slices * NT_SLICE / size < blocks))
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
    unsigned c = t->count++;
    t->size[c] = size;
    t->slices[c] = slices_for(size, BLOCKS_WANTED, slab_most);
    t->first[c] =
        slices_for(size, BLOCKS_FIRST, (unsigned)nt__min(SLICES_FIRST, slab_most));
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
    fill(t->of, NT_CLASS_BYTES, NT_GRAIN);
    fill(t->of_2k, NT_ARRAY_LEN(t->of_2k), 2 * NT_KIB);
    return used;
}

unsigned nt__sizeclass_aligned(size_t size, size_t align)
{
    const struct nt_sizeclasses *t = &nt__sizeclasses;
    unsigned c = nt__sizeclass_of(size);
    while (c < t->count && t->size[c] % align != 0)
        c++;
    return c;
}
