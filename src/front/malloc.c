/* SPDX-License-Identifier: MIT */
/*
 * The C symbols that libnumatally_malloc.so replaces.
 *
 * Thin on purpose: each call is one of the heap's, plus what its own standard adds
 * (an alignment that is rounded, a size that is). malloc and free carry the heap's
 * fast path inline; everything else is a jump. What holds for all of them, errno
 * included, is said in <numatally/numatally.h>.
 *
 * Where the standards leave room, or today's allocators differ:
 *   aligned_alloc   an alignment that is no power of two: NULL and EINVAL (C17)
 *   memalign        rounds such an alignment up, as glibc does
 *   all of them     an alignment above 64 GiB: NULL and ENOMEM
 *   pvalloc         rounds the size up to pages, at least one
 *   realloc(p, 0)   frees and returns NULL, as glibc does
 *   mallopt         1 for glibc's tuning hints, which change nothing here; 0 for what
 *                   would have to change contents (M_PERTURB) or is not known
 *   mallinfo        figures past INT_MAX are shown as INT_MAX, not wrapped around
 *
 * glibc's own entry points are aliases: a program that gets a block from
 * __libc_malloc and gives it to free, or the other way round, stays in one heap.
 */
#include "src/base/os.h"
#include "src/base/sanitizer.h"
#include "src/heap/calls.h"
#include "src/heap/heap.h"
#include "src/heap/start.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <numatally/numatally.h>
#include <numatally/stats.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* C23's, which glibc 2.36 does not declare; and old names that nothing declares. */
NT_API void free_sized(void *ptr, size_t size);
NT_API void free_aligned_sized(void *ptr, size_t alignment, size_t size);
NT_API void cfree(void *ptr);

/* A library's constructors run before the dynamic linker's own end is registered; so what
 * the start registers runs after all libraries' destructors, though nobody has allocated
 * yet. */
__attribute__((constructor)) static void begin(void)
{
    if (!nt__elsewhere())
        nt__start();
}

/* ---- The family ----------------------------------------------------------- */

NT_API void *malloc(size_t size)
{
    return nt__heap_malloc(size);
}

NT_API void free(void *ptr)
{
    nt__heap_free(ptr);
}

NT_API void *calloc(size_t count, size_t size)
{
    return nt__heap_calloc(count, size);
}

NT_API void *realloc(void *ptr, size_t size)
{
    return nt_realloc(ptr, size);
}

NT_API void *reallocarray(void *ptr, size_t count, size_t size)
{
    return nt_reallocarray(ptr, count, size);
}

NT_API void *aligned_alloc(size_t alignment, size_t size)
{
    return nt_aligned_alloc(alignment, size);
}

NT_API int posix_memalign(void **out, size_t alignment, size_t size)
{
    return nt_posix_memalign(out, alignment, size);
}

NT_API void *memalign(size_t alignment, size_t size)
{
    size_t power = sizeof(void *);

    if (alignment > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return NULL;
    }
    while (power < alignment)
        power *= 2;
    return nt_aligned_alloc(power, size);
}

NT_API void *valloc(size_t size)
{
    return nt_aligned_alloc(nt__os_page_size(), size);
}

NT_API void *pvalloc(size_t size)
{
    size_t page = nt__os_page_size();

    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    return nt_aligned_alloc(page, nt__align_up(nt__max(size, 1), page));
}

NT_API void free_sized(void *ptr, size_t size)
{
    nt_free_sized(ptr, size);
}

NT_API void free_aligned_sized(void *ptr, size_t alignment, size_t size)
{
    nt_free_aligned_sized(ptr, alignment, size);
}

NT_API void cfree(void *ptr)
{
    nt__heap_free(ptr);
}

NT_API size_t malloc_usable_size(void *ptr)
{
    return nt_usable_size(ptr);
}

/* ---- Telling and tuning --------------------------------------------------- */

NT_API int malloc_trim(size_t pad)
{
    (void)pad; /* nothing is kept back: pages return when they are needed */
    return nt_purge() != 0;
}

NT_API int mallopt(int param, int value)
{
    switch (param) {
    case M_MXFAST:
        return value >= 0 && (size_t)value <= 80 * sizeof(size_t) / 4;
    case M_TRIM_THRESHOLD:
    case M_TOP_PAD:
    case M_MMAP_THRESHOLD:
    case M_MMAP_MAX:
    case M_CHECK_ACTION:
    case M_ARENA_TEST:
    case M_ARENA_MAX:
        return 1;
    default:
        return 0;
    }
}

/* What mallinfo2 and malloc_info say, for one node or all. glibc counts blocks with
 * mappings of their own apart; so do we, but only for all nodes together. */
struct account {
    size_t used;         /* in blocks that the program holds */
    size_t unused;       /* in slabs, but in no such block */
    size_t large_blocks; /* blocks with a mapping of their own, and their bytes: */
    size_t large_bytes;
    size_t releasable; /* what malloc_trim would look at */
};

static struct account account_of(const struct nt_node_figures *node)
{
    size_t used = node->live_bytes_now + node->inherited_bytes_now;
    size_t held = node->committed_bytes_now;

    return (struct account){
        .used = used,
        .unused = (held > used ? held - used : 0) + node->cached_bytes_now,
        .releasable = node->cached_bytes_now,
    };
}

/* A snapshot is too large for small stacks, and taking one must not allocate: it
 * would count itself. So it gets pages of its own. NULL: none to be had. */
static struct nt_snapshot *snapshot_open(void)
{
    int saved = errno;
    struct nt_snapshot *snap =
        nt__os_map(nt__align_up(sizeof(*snap), nt__os_page_size()));

    if (snap)
        nt_snapshot(snap);
    errno = saved;
    return snap;
}

static void snapshot_close(struct nt_snapshot *snap)
{
    nt__os_unmap(snap, nt__align_up(sizeof(*snap), nt__os_page_size()));
}

static struct account account_of_all(const struct nt_snapshot *snap)
{
    const struct nt_class_figures *large = &snap->class_[snap->classes - 1];
    struct account all = account_of(&snap->total);

    all.large_blocks = large->live_blocks_now;
    all.large_bytes = large->live_bytes_now;
    all.used -= nt__min(all.used, all.large_bytes);
    return all;
}

/* Free blocks are not counted one by one here, so ordblks, and the figures of glibc's
 * fast bins, are 0. */
NT_API struct mallinfo2 mallinfo2(void)
{
    struct mallinfo2 info = {0};
    struct nt_snapshot *snap = snapshot_open();

    if (!snap)
        return info;
    struct account all = account_of_all(snap);
    info.arena = all.used + all.unused;
    info.hblks = all.large_blocks;
    info.hblkhd = all.large_bytes;
    info.uordblks = all.used;
    info.fordblks = all.unused;
    info.keepcost = all.releasable;
    snapshot_close(snap);
    return info;
}

static int clamp(size_t n)
{
    return n > INT_MAX ? INT_MAX : (int)n;
}

NT_API struct mallinfo mallinfo(void)
{
    struct mallinfo2 wide = mallinfo2();

    return (struct mallinfo){
        .arena = clamp(wide.arena),
        .hblks = clamp(wide.hblks),
        .hblkhd = clamp(wide.hblkhd),
        .uordblks = clamp(wide.uordblks),
        .fordblks = clamp(wide.fordblks),
        .keepcost = clamp(wide.keepcost),
    };
}

NT_API void malloc_stats(void)
{
    int saved = errno;

    (void)nt_report(STDERR_FILENO, NT_FORMAT_TEXT);
    errno = saved;
}

/* glibc's elements, a heap for each node. Its lists of free chunks have no counterpart:
 * what is free stands in the total of type "rest". */
NT_API int malloc_info(int options, FILE *stream)
{
    if (options != 0)
        return EINVAL;
    struct nt_snapshot *snap = snapshot_open();
    if (!snap)
        return ENOMEM;

    fputs("<malloc version=\"1\">\n", stream);
    for (uint32_t slot = 0; slot < snap->nodes; slot++) {
        struct account node = account_of(&snap->node[slot]);
        size_t held = node.used + node.unused;
        fprintf(stream,
                "<heap nr=\"%d\">\n<sizes>\n</sizes>\n"
                "<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
                "<total type=\"rest\" count=\"%d\" size=\"%zu\"/>\n"
                "<system type=\"current\" size=\"%zu\"/>\n"
                "<system type=\"max\" size=\"%zu\"/>\n"
                "<aspace type=\"total\" size=\"%zu\"/>\n</heap>\n",
                (int)snap->node_id[slot], node.unused != 0, node.unused, held, held,
                (size_t)snap->node[slot].reserved_bytes_now);
    }
    struct account all = account_of_all(snap);
    size_t held = all.used + all.unused;
    fprintf(stream,
            "<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
            "<total type=\"rest\" count=\"%d\" size=\"%zu\"/>\n"
            "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n"
            "<system type=\"current\" size=\"%zu\"/>\n"
            "<system type=\"max\" size=\"%zu\"/>\n"
            "<aspace type=\"total\" size=\"%zu\"/>\n</malloc>\n",
            all.unused != 0, all.unused, all.large_blocks, all.large_bytes, held, held,
            (size_t)snap->total.reserved_bytes_now);
    snapshot_close(snap);
    return 0;
}

/* ---- glibc's own entry points --------------------------------------------- */

/* gcc wants an alias to promise what its target promises. */
#if defined(__has_attribute)
#if __has_attribute(copy)
#define PROMISES_OF(target) __attribute__((copy(target)))
#endif
#endif
#ifndef PROMISES_OF
#define PROMISES_OF(target)
#endif

#define ALIAS(type, name, arguments, target)                                           \
    NT_API type name arguments __attribute__((alias(#target))) PROMISES_OF(target)

ALIAS(void *, __libc_malloc, (size_t), malloc);
ALIAS(void *, __libc_calloc, (size_t, size_t), calloc);
ALIAS(void *, __libc_realloc, (void *, size_t), realloc);
ALIAS(void, __libc_free, (void *), free);
ALIAS(void *, __libc_memalign, (size_t, size_t), memalign);
ALIAS(void *, __libc_valloc, (size_t), valloc);
ALIAS(void *, __libc_pvalloc, (size_t), pvalloc);
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* mallinfo is */
ALIAS(int, __libc_mallopt, (int, int), mallopt);
ALIAS(struct mallinfo, __libc_mallinfo, (void), mallinfo);
ALIAS(int, __posix_memalign, (void **, size_t, size_t), posix_memalign);

/* Ours, whichever malloc the program gets. */
__typeof__(malloc) nt__front_malloc __attribute__((alias("malloc")))
PROMISES_OF(malloc);
