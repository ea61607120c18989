/* SPDX-License-Identifier: MIT */
/*
 * The window: the one stretch of addresses that all blocks lie in.
 *
 *   slice  64 KiB   what slabs and large blocks are made of
 *   unit   2 MiB    32 slices; what is mapped, bound to a node, given back
 *   piece  many units mapped (and bound, and advised) at once for one arena
 *
 * Every slice has a header of 128 bytes in one array and a pointer in another, the
 * *map*, which names the header that speaks for it: its own, or that of the first slice
 * of its slab. So from any address to its slab is a subtraction, a comparison, a shift
 * and a load; whatever is not in the window is foreign. Headers lie apart from the memory
 * they describe because headers at 64 KiB strides would share one cache set (measured:
 * docs/design.md). For the same reason those of a unit are shuffled within it, each unit's
 * in another way: slabs of a whole unit, and the blocks in them, would all use set 0.
 *
 * The window is not reserved: it begins at an address where nothing else goes, 16 TiB
 * wide, and is mapped piece by piece from the bottom. Should somebody else sit there,
 * the piece is skipped; should no such place be free (a sanitizer's shadow, a small
 * address space), a stretch is reserved from the kernel instead and pieces are opened
 * in it. So address space at rest is what is used plus less than a piece.
 *
 * Always: limit only grows; all slices below limit are in the map, and their headers are
 * mapped, and are zero for slices that never were used. Units that pressure gave back to the kernel
 * or that an alignment skipped are holes: they are on the hole list and are mapped before the
 * limit grows.
 */
#ifndef NT_NUMA_WINDOW_H
#define NT_NUMA_WINDOW_H

#include "src/base/lock.h"

#define NT_WINDOW_MOST (16 * 1024 * NT_GIB)
#define NT_SLICE_SHIFT 16
#define NT_SLICE ((size_t)1 << NT_SLICE_SHIFT)
#define NT_UNIT_SHIFT 21
#define NT_UNIT ((size_t)1 << NT_UNIT_SHIFT)
#define NT_UNIT_SLICES 32u
#define NT_HEADER_SHIFT 7 /* 128 bytes a slice */
#define NT_HEADER ((size_t)1 << NT_HEADER_SHIFT)

/* Read by every free; written under the window's lock, `limit` last (release). */
struct nt_window {
    uintptr_t base; /* first byte, a multiple of NT_UNIT; 1 GiB in fact */
    size_t limit;   /* bytes from base that have headers */
    void **map;     /* of each slice, the header that speaks for it: slab.h writes it */
    char *headers;  /* header of slice 0 */
};

extern NT_HIDDEN struct nt_window nt__window;

/* What an arena knows of a unit: the last 32 bytes of its first slice's header.
 * Under the lock of the arena that owns the unit (hole: the window's lock). */
struct nt_unit {
    uint32_t next, prev; /* unit numbers in a list of the arena; NT_NO_UNIT: end */
    uint32_t used;       /* slices handed out, a bit each */
    uint32_t dirty;      /* slices that may not read as zero; of an extent how many */
    uint32_t length;     /* first and last unit of a free extent: its units */
    uint32_t stamp_ms;   /* when the extent's first was freed, or it became loose */
    uint16_t arena;      /* owner's index + 1; 0: a hole, or never mapped */
    uint8_t state;       /* enum nt_unit_state */
    uint8_t advised;     /* enum nt_advice: until it is mapped anew */
    uint8_t spare[4];
};

_Static_assert(sizeof(struct nt_unit) == 32, "fits behind the slab in a header");

#define NT_NO_UNIT UINT32_MAX

static inline bool nt__window_has(const void *p)
{
    return (uintptr_t)p - nt__window.base <
           __atomic_load_n(&nt__window.limit, __ATOMIC_ACQUIRE);
}

static inline size_t nt__window_index(const void *p)
{
    return ((uintptr_t)p - nt__window.base) >> NT_SLICE_SHIFT;
}

/* Where the i-th slice's header is in the array, and whose the i-th header is. */
static inline size_t nt__window_shuffle(size_t i)
{
    return i ^ (i / NT_UNIT_SLICES % NT_UNIT_SLICES);
}

static inline char *nt__window_header_at(size_t index)
{
    return nt__window.headers + (nt__window_shuffle(index) << NT_HEADER_SHIFT);
}

/* The slice's own header. */
static inline char *nt__window_header(const void *p)
{
    return nt__window_header_at(nt__window_index(p));
}

/* The address of the slice whose header this is. */
static inline char *nt__window_slice(const void *header)
{
    size_t i = (size_t)((const char *)header - nt__window.headers) >> NT_HEADER_SHIFT;
    return (char *)(nt__window.base + (nt__window_shuffle(i) << NT_SLICE_SHIFT));
}

static inline struct nt_unit *nt__window_unit(uint32_t number)
{
    char *header = nt__window_header_at((size_t)number * NT_UNIT_SLICES);
    return (struct nt_unit *)(void *)(header + NT_HEADER - sizeof(struct nt_unit));
}

static inline char *nt__window_unit_address(uint32_t number)
{
    return (char *)(nt__window.base + ((size_t)number << NT_UNIT_SHIFT));
}

static inline uint32_t nt__window_unit_number(const void *p)
{
    return (uint32_t)(((uintptr_t)p - nt__window.base) >> NT_UNIT_SHIFT);
}

/* Choose the place. Once, before anything else here. Cannot fail: a window without
 * room serves nothing. */
NT_HIDDEN void nt__window_start(void);

/* Map `units` consecutive units whose first address is a multiple of `align` bytes (a
 * power of two); `hugetlb` as in os.h. Their nt_units are zeroed. The first unit's
 * number, or NT_NO_UNIT. Takes the lock. */
NT_HIDDEN uint32_t nt__window_map(uint32_t units, size_t align, bool hugetlb);

/* Give free units that no arena lists any more back to the kernel: they become holes.
 * False: they are still mapped and whose they were. */
NT_HIDDEN bool nt__window_unmap(uint32_t first, uint32_t units);

NT_HIDDEN void nt__window_fork_lock(void);
NT_HIDDEN void nt__window_fork_unlock(enum nt_fork how);

#endif
