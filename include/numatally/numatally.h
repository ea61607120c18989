/* SPDX-License-Identifier: MIT */
/*
 * numatally: a NUMA-aware malloc that counts everything it does.
 *
 * This header allocates and frees: from the process's own heap (nt_malloc and
 * its family, the same heap that libnumatally_malloc.so puts behind malloc) and
 * from explicit pools. Figures are read through <numatally/stats.h>.
 *
 * Common to every call below, unless it says otherwise:
 *  - sizes and alignments are in bytes; a block is aligned to 16 bytes at least;
 *  - every call may be made from any thread at any time, except inside a signal
 *    handler; a block may be freed by a thread other than the one that got it;
 *  - calls that return a block return NULL and set errno on failure: ENOMEM when
 *    memory (or a limit) is exhausted or the size exceeds PTRDIFF_MAX, EINVAL
 *    where named. Success leaves errno untouched;
 *  - calls that return int return 0 or a negative errno, and leave errno alone;
 *  - a size of 0 yields a block of its own, of at least one writable byte;
 *  - proven misuse (freeing twice, freeing what was never allocated, an interior
 *    pointer, a wrong size) prints one line on stderr and aborts, unless the
 *    setting check:off is in force: then the call is ignored.
 */
#ifndef NUMATALLY_NUMATALLY_H
#define NUMATALLY_NUMATALLY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NT_VERSION_MAJOR 0
#define NT_VERSION_MINOR 1
#define NT_VERSION_PATCH 0
#define NT_VERSION_STRING "0.1.0"

#if defined(__GNUC__)
#define NT_API __attribute__((visibility("default")))
#define NT_ALLOC_SIZE(...) __attribute__((alloc_size(__VA_ARGS__)))
#define NT_MALLOC __attribute__((malloc, warn_unused_result))
#define NT_WARN_UNUSED __attribute__((warn_unused_result))
#else
#define NT_API
#define NT_ALLOC_SIZE(...)
#define NT_MALLOC
#define NT_WARN_UNUSED
#endif

/* Version of the library that is loaded, as "0.1.0". Static; never NULL. */
NT_API const char *nt_version(void);

/* ---- The process's heap ------------------------------------------------ */

/* Get `size` bytes, contents undefined. */
NT_API void *nt_malloc(size_t size) NT_MALLOC NT_ALLOC_SIZE(1);

/* Get `count` * `size` zeroed bytes; ENOMEM when the product overflows. Fresh
 * pages are known to be zero and are not touched. */
NT_API void *nt_calloc(size_t count, size_t size) NT_MALLOC NT_ALLOC_SIZE(1, 2);

/* Change the size of `ptr` (from any nt_ call; NULL behaves as nt_malloc). The
 * contents up to the smaller size are kept. On failure NULL is returned and
 * `ptr` stays valid. `size` 0 frees `ptr` and returns NULL, as glibc does.
 * Large blocks grow in place or by moving page tables; they are copied only where the
 * kernel refuses that. */
NT_API void *nt_realloc(void *ptr, size_t size) NT_WARN_UNUSED NT_ALLOC_SIZE(2);

/* nt_realloc to `count` * `size`; ENOMEM, `ptr` kept, when the product overflows. */
NT_API void *nt_reallocarray(void *ptr, size_t count, size_t size) NT_WARN_UNUSED
    NT_ALLOC_SIZE(2, 3);

/* Get `size` bytes at a multiple of `alignment`, a power of two (EINVAL
 * otherwise). Alignments up to 64 GiB are served, memory permitting; beyond: ENOMEM. */
NT_API void *nt_aligned_alloc(size_t alignment, size_t size) NT_MALLOC NT_ALLOC_SIZE(2);

/* As nt_aligned_alloc, but `alignment` must also be a multiple of sizeof(void *),
 * the block comes back through `*out` (untouched on failure), and the result is 0,
 * EINVAL or ENOMEM (positive, as POSIX has it); errno is left alone. */
NT_API int nt_posix_memalign(void **out, size_t alignment, size_t size) NT_WARN_UNUSED;

/* Free a block of any nt_ call, pools included; NULL does nothing. Keeps errno. */
NT_API void nt_free(void *ptr);

/* Free a block whose requested size is known (C23). A size that cannot belong to
 * the block is misuse. `alignment` must be the one it was allocated with. */
NT_API void nt_free_sized(void *ptr, size_t size);
NT_API void nt_free_aligned_sized(void *ptr, size_t alignment, size_t size);

/* Bytes that may be used at `ptr`, at least what was asked for; 0 for NULL and for what is no
 * block's start. A block that was freed is misuse. */
NT_API size_t nt_usable_size(const void *ptr);

/* Bytes nt_malloc(`size`) would really give: use it to size growing buffers.
 * 0 when `size` exceeds PTRDIFF_MAX. */
NT_API size_t nt_good_size(size_t size);

/* Give every wholly free page back to the system now. Returns bytes given back. */
NT_API size_t nt_purge(void);

/* As nt_malloc, the memory wanted on NUMA node `node` (the system's number), or on the
 * nearest when that is full. EINVAL when this process may not use such a node or it has
 * no memory. numa.h has more of the kind. */
NT_API void *nt_malloc_onnode(size_t size, int node) NT_MALLOC NT_ALLOC_SIZE(1);

/* The same at a multiple of `alignment`, as nt_aligned_alloc. */
NT_API void *nt_aligned_alloc_onnode(size_t alignment, size_t size, int node) NT_MALLOC
    NT_ALLOC_SIZE(2);

/* ---- Explicit pools ----------------------------------------------------- */

/* A pool is memory that is given back all at once, and counted on its own. */
struct nt_pool;

/* What nt_pool_create reads. Zero everything, set `size`, then what you need. */
struct nt_pool_options {
    size_t size;        /* sizeof(struct nt_pool_options): lets the struct grow */
    const char *name;   /* in reports; copied, cut at 31 bytes; NULL: "pool-N" */
    size_t limit;       /* bytes the pool may take from the system; 0: none */
    const char *nodes;  /* node list ("0-3,5", "!2", "all") of the policy; without a
                           policy: of preferred-many, so a block comes from the node the
                           caller runs on if listed, else from the nearest listed */
    const char *policy; /* as in numa.h, with its list or (then `nodes` is it) without;
                           both NULL: the process's */
    const uint32_t *classes; /* sizes of its blocks, ascending multiples of 16 up to
                                524288, 1 to 127 of them; copied. Above the largest the
                                process's sizes go on; NULL: they are all its sizes */
    size_t class_count;      /* how many; 0 with NULL */
};

/* Create a pool. `options` may be NULL; a `size` without the last two fields, as programs
 * built before there were these have it, will do. -EINVAL: bad size, policy, node list or
 * table of sizes, or a node this process may not use; -ENOSPC: the sizes of the process and
 * of all pools that there ever were would be more than 127 (built in are 81); -ENOMEM. On
 * failure *out is untouched. */
NT_API int nt_pool_create(const struct nt_pool_options *options,
                          struct nt_pool **out) NT_WARN_UNUSED;

/* Allocate from `pool`: ENOMEM also when the pool's limit would be exceeded. */
NT_API void *nt_pool_malloc(struct nt_pool *pool, size_t size) NT_MALLOC
    NT_ALLOC_SIZE(2);
NT_API void *nt_pool_calloc(struct nt_pool *pool, size_t count, size_t size) NT_MALLOC
    NT_ALLOC_SIZE(2, 3);
NT_API void *nt_pool_aligned_alloc(struct nt_pool *pool, size_t alignment,
                                   size_t size) NT_MALLOC NT_ALLOC_SIZE(3);
/* Grow or shrink `ptr`, a block of this pool or NULL; stays in the pool. */
NT_API void *nt_pool_realloc(struct nt_pool *pool, void *ptr,
                             size_t size) NT_WARN_UNUSED NT_ALLOC_SIZE(3);

/* Free every block of the pool at once and keep the pool. No thread may use the
 * pool or its blocks during the call, nor any old block after it. */
NT_API void nt_pool_reset(struct nt_pool *pool);

/* nt_pool_reset, then the pool itself is gone too. NULL does nothing. */
NT_API void nt_pool_destroy(struct nt_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
