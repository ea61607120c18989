/* SPDX-License-Identifier: MIT */
/*
 * A slab: a run of slices cut into blocks of one class; or one large block.
 *
 * The slab is its first slice's header (window.h), and the map has it for each of its
 * slices; so from a block to its slab is arithmetic and a load. Other headers are not used.
 * A large block is in the map by its first slice only.
 *
 * Free blocks are on one LIFO list through their first word; the second word of a free
 * block is the *key*, a random address of our own that a block in use does not have
 * there unless a program writes it: finding it at a free means to look closer (misuse.c).
 * Blocks that were never handed out are not on the list but `carved` on demand, so
 * that pages nobody needs are not touched.
 *
 * Events. A slab changes its place only when a free makes it so. `back` counts the
 * owner's frees, and is set so that it comes to 0 at the next event:
 *
 *   place     back is                              at 0
 *   CURRENT   -512 + frees                         was sampling switched? start again
 *             -128 + frees, while memory waits      the same, and is it time to give
 *             to be given back to the system       it back?
 *   FULL      frees - room                         it has room again: -> PARTIAL
 *   PARTIAL   frees - live blocks                  it is empty: -> EMPTY
 *   EMPTY     0                                    no block is out: there is no event
 *
 * The add that counts is the test that triggers. room is a quarter of the capacity, but no
 * more than is worth keeping out of use (shard.c): putting a slab into use at its first free
 * costs 10 % on random lifetimes (PRICED).
 *
 * Always, for a slab of blocks: capacity == live + on the list + on the remote list
 * or under way there + (capacity - carved). FULL: all carved, list and remote were
 * empty when it became so.
 *
 * Who writes: `owner` whoever holds the shard it belongs to; the rest of the first
 * line the owner; `remote` anyone (remote.h); links the owner, `pending` see remote.h.
 */
#ifndef NT_POOLS_SLAB_H
#define NT_POOLS_SLAB_H

#include "numa/window.h"
#include "pools/sizeclass.h"

struct nt_shard;

enum nt_slab_kind {
    NT_SLAB_NONE = 0, /* the slice belongs to no slab: zero, as fresh headers are */
    NT_SLAB_BLOCKS,
    NT_SLAB_LARGE, /* one block; fields marked L are in use */
};

enum nt_slab_place {
    NT_PLACE_CURRENT,
    NT_PLACE_FULL,
    NT_PLACE_PARTIAL,
    NT_PLACE_EMPTY,
};

struct nt_slab {
    /* Read by every free, whoever's: seldom written, so that cpus can share the line. By the
     * owner. */
    struct nt_shard *owner; /* NULL in LARGE headers: never the caller's */
    union {
        struct {
            uint64_t magic;  /* 2^64 / size, rounded up: see nt__slab_starts_at */
            uintptr_t start; /* of the first block, the first multiple of size there */
        };
        struct {
            size_t bytes;      /* L: usable, whole pages */
            size_t run_slices; /* L: slices of its run */
        };
    };
    struct nt_slab *next, *prev; /* in a list of the owner's, by place */
    uint32_t size;               /* of a block, bytes */
    uint16_t capacity;           /* blocks */
    uint16_t carved;             /* of these ever handed out or listed */
    uint8_t class;
    uint8_t kind; /* enum nt_slab_kind */
    uint8_t slices;
    uint8_t slot;   /* node its figures go to: the owner's, or home's */
    uint8_t pooled; /* of an explicit pool: freed under its lock */
    uint8_t clean;  /* what is not carved reads as zero */
    uint8_t moved;  /* its mapping is made anew when it is freed: nt__arena_give_anew */
    uint8_t sampled; /* sampled.h: a hidden shard's; L, pools': sampled blocks in it */
    uint8_t fenced;  /* L: a page of it, or all, cannot be touched: guarded.c */
    uint8_t plain; /* blocks of a thread's shard: not L, pooled or hidden, not closed */
    uint8_t
        grows; /* L: of a realloc that grew: its run, with what room it has, is kept */
    uint16_t arena; /* index of the arena it is from */

    /* The second line: what the owner's malloc and free write, and now and then senders. */
    _Alignas(NT_CACHE_LINE) int32_t back; /* see above */
    uint8_t place;                        /* enum nt_slab_place */
    union {
        void *free;            /* first block of the list */
        struct nt_shard *home; /* L: the shard it is counted in */
    };
    uint64_t remote; /* remote.h */
    union {
        struct nt_slab *pending; /* next in the owner's stack of slabs with remotes */
        uint64_t parts; /* L: slots that it is divided over; one: moved there */
    };
    struct nt_unit unit; /* the arena's, not ours */
};

_Static_assert(sizeof(struct nt_slab) == NT_HEADER, "one header a slice");
_Static_assert(offsetof(struct nt_slab, back) == NT_CACHE_LINE, "two lines");

/* The words of a free block. */
struct nt_block {
    struct nt_block *next;
    const void *key;
};

/* The mark of free blocks: where the map is, which no program has a use for. A
 * register has it anyway when a block is freed. */
#define NT_KEY ((const void *)nt__window.map)

/* The own header of the slice `p` lies in. `p` is in the window. */
NT_FAST struct nt_slab *nt__slab_header(const void *p)
{
    return (struct nt_slab *)(void *)nt__window_header(p);
}

/* The header that speaks for the slice `p` lies in; `p` is in the window. */
NT_FAST struct nt_slab *nt__slab_at(const void *p)
{
    return NT_RACY(nt__window.map[nt__window_index(p)]);
}

/* The slab of any address in the window: NULL when it belongs to none. */
static inline struct nt_slab *nt__slab_of(const void *p)
{
    struct nt_slab *slab = nt__slab_at(p);
    return slab->kind == NT_SLAB_NONE ? NULL : slab;
}

/* Does a block start `offset` bytes into the window, somewhere in the slab? Blocks lie at
 * multiples of their size from the window's base. Tests divisibility with one multiplication:
 * Lemire, Kaser and Kurz, "Faster remainder by direct computation", 2019; exact for offsets
 * up to 2^64 / size, 2^45 at least. */
NT_FAST bool nt__slab_starts_at(const struct nt_slab *slab, uintptr_t offset)
{
#if defined(__x86_64__)
    /* One instruction less than compilers make of the line below: both operands of the
     * magic stay in memory. */
    bool below;
    __asm__("imulq %2, %0\n\tcmpq %2, %0"
            : "+r"(offset), "=@ccb"(below)
            : "m"(slab->magic));
    return below;
#else
    return offset * slab->magic < slab->magic;
#endif
}

/* Does a block start at `p`, an address in the slab? */
NT_FAST bool nt__slab_starts(const struct nt_slab *slab, const void *p)
{
    return nt__slab_starts_at(slab, (uintptr_t)p - nt__window.base);
}

static inline bool nt__slab_carved(const struct nt_slab *slab, const void *p)
{
    /* Relaxed: the caller's block was carved before it got here. */
    size_t carved = __atomic_load_n(&slab->carved, __ATOMIC_RELAXED);
    return (uintptr_t)p - slab->start < carved * slab->size;
}

/* Make the run of `slices` at `run` a slab of class `c` of `owner`'s, CURRENT, nothing
 * carved.
 * `clean`: the memory reads as zero. */
NT_HIDDEN struct nt_slab *nt__slab_open(void *run, unsigned c, unsigned slices,
                                        struct nt_shard *owner, bool clean);

/* Make it a large block's, counted in `home`. */
NT_HIDDEN struct nt_slab *nt__slab_open_large(void *run, size_t slices, size_t bytes,
                                              struct nt_shard *home);

/* The slab, on no list and with nobody about to free to it, is `owner`'s now. */
NT_HIDDEN void nt__slab_change_owner(struct nt_slab *slab, struct nt_shard *owner);

/* Forget the slab: its slices belong to nobody. */
NT_HIDDEN void nt__slab_close(struct nt_slab *slab);

/* Carve blocks; return the first and put the rest on the empty list. One block, or as
 * many as share its page, from clean memory; more from memory that is resident. */
NT_HIDDEN void *nt__slab_carve(struct nt_slab *slab);

/* No block is out. If the list is not in the order of addresses, as far as a look at its head
 * tells, the blocks are to be carved anew: what is allocated in turn then lies in turn. */
NT_HIDDEN void nt__slab_tidy(struct nt_slab *slab);

/* Blocks on the list. Walks it. */
NT_HIDDEN unsigned nt__slab_listed(const struct nt_slab *slab);

/* Is `p` on the list? Walks it, at most its capacity. */
NT_HIDDEN bool nt__slab_lists(const struct nt_slab *slab, const void *p);

/* Debug: panic unless the slab's invariants hold. The owner's thread only. */
NT_HIDDEN void nt__slab_check(const struct nt_slab *slab);

#endif
