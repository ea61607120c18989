/* SPDX-License-Identifier: MIT */
/*
 * From a size to its class and back; nothing else knows the table.
 *
 * A class is a block size. A size finds its class by one load from a byte table, which
 * has an entry for each 16 bytes up to NT_SMALL_MAX and for each 2 KiB from there (malloc's own,
 * in each shard, has one for each byte: shard.h); above NT_CLASSED_MAX a block is *large* and
 * has slices of its own. The table is data: the built-in one wastes at most 12.5 % above
 * 128 bytes (seven, then six steps in each doubling) and 16-byte steps below; the
 * setting `classes` replaces its lower part, at no cost to the fast path.
 *
 * A slab of a class is so many slices that it holds at least 512 blocks up to 4 KiB
 * and fills a unit above: what happens once per slab then weighs little on each block
 * (bench: docs/design.md). A shard's first slab of a class is shorter, eight blocks or
 * half a megabyte, or what holds one block wherever it begins: a thread that uses many classes a little takes little address space.
 * The setting `slab` makes all of them shorter.
 *
 * The process's classes are constant after start. Explicit pools may have sizes of their own
 * (pool.h): those that are no class yet become further ones, behind the process's and in no
 * order, for ever. So a class's number means the same in all shards, counters, and records.
 */
#ifndef NT_POOLS_SIZECLASS_H
#define NT_POOLS_SIZECLASS_H

#include "src/base/base.h"

#define NT_GRAIN 16 /* sizes are multiples of it, and alignments */
#define NT_SMALL_MAX (32 * NT_KIB)
#define NT_CLASSED_MAX (512 * NT_KIB)
#define NT_CLASSES 128 /* room; as NT_CLASSES_MAX in stats.h */
#define NT_CLASS_BYTES (NT_SMALL_MAX / NT_GRAIN + 1)

#define NT_CLASS_LARGE (NT_CLASSES - 1) /* the row of large blocks: no class's */

struct nt_sizeclasses {
    unsigned process;          /* classes of the process's table, ascending */
    unsigned count;            /* these and those that pools added; it only grows */
    uint32_t size[NT_CLASSES]; /* block bytes */
    /* Slices of a slab: where room is scarce, of a shard's first one, and at most. */
    uint8_t least[NT_CLASSES], first[NT_CLASSES], most[NT_CLASSES];
    uint8_t of[NT_CLASS_BYTES]; /* class of size s <= NT_SMALL_MAX: of[(s+15)/16] */
    uint8_t of_2k[NT_CLASSED_MAX / (2 * NT_KIB) +
                  1]; /* of larger s: of_2k[(s+2047)/2048] */
};

extern NT_HIDDEN struct nt_sizeclasses nt__sizeclasses;

/* Classes in use. Acquire: pairs with nt__sizeclass_add. */
static inline unsigned nt__sizeclass_count(void)
{
    return __atomic_load_n(&nt__sizeclasses.count, __ATOMIC_ACQUIRE);
}

/* Build the table: `sizes` ascending multiples of 16 up to NT_CLASSED_MAX take the
 * place of the built-in ones up to the largest given; count 0: all built in. Returns
 * how many were used; the rest were out of order, out of range, or too many. */
NT_HIDDEN unsigned nt__sizeclass_start(const uint32_t *sizes, unsigned count);

/* Slabs of the tables built from now on have at most so many slices, a power of two up to
 * NT_UNIT_SLICES; or as many as hold one block. */
NT_HIDDEN void nt__sizeclass_slab(unsigned slices);

/* The class of `size` <= NT_CLASSED_MAX. */
static inline unsigned nt__sizeclass_of(size_t size)
{
    if (size <= NT_SMALL_MAX)
        return nt__sizeclasses.of[(size + NT_GRAIN - 1) / NT_GRAIN];
    return nt__sizeclasses.of_2k[(size + 2 * NT_KIB - 1) / (2 * NT_KIB)];
}

/* The first class of at least `size` bytes whose blocks all lie at multiples of
 * `align` (a power of two, a slice at most), or that of large blocks when there is none. */
NT_HIDDEN unsigned nt__sizeclass_aligned(size_t size, size_t align);

/* The class that large blocks are counted in. */
static inline unsigned nt__sizeclass_large(void)
{
    return NT_CLASS_LARGE;
}

/* To walk the rows in use: from 0, by the next one, to that of large blocks. */
static inline unsigned nt__sizeclass_next(unsigned c)
{
    return c + 1 < nt__sizeclass_count() || c == NT_CLASS_LARGE ? c + 1
                                                                : NT_CLASS_LARGE;
}

/* A table of sizes of one's own. */
struct nt_sizetable {
    unsigned count;            /* 0: the process's table */
    uint8_t class[NT_CLASSES]; /* ascending by size, to NT_CLASSED_MAX */
};

/* A table of `sizes` (checked as by nt__sizeclass_fit) and, above the largest, of the process's
 * classes. One caller at a time. False: there is no room for so many classes, and nothing was
 * changed. */
NT_HIDDEN bool nt__sizeclass_add(const uint32_t *sizes, unsigned count,
                                 struct nt_sizetable *out);

/* Are these ascending multiples of 16 up to NT_CLASSED_MAX, from 1 to NT_CLASSES - 1? */
NT_HIDDEN bool nt__sizeclass_fit(const uint32_t *sizes, size_t count);

/* As nt__sizeclass_aligned, of such a table; NULL: of the process's. */
NT_HIDDEN unsigned nt__sizetable_aligned(const struct nt_sizetable *t, size_t size,
                                         size_t align);

#endif
