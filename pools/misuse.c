/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "pools/misuse.h"

#include "pools/remote.h"
#include "src/base/conf.h"
#include "src/base/fmt.h"

#include <stdlib.h>
#include <unistd.h>

enum nt_misuse nt__misuse_check(const struct nt_shard *s, const struct nt_slab *slab,
                                const void *p)
{
    if (!slab)
        return NT_MISUSE_UNALLOCATED;
    if (slab->kind == NT_SLAB_LARGE)
        return p == nt__window_slice(slab) ? NT_MISUSE_NONE : NT_MISUSE_INTERIOR;
    if ((uintptr_t)p < slab->start)
        return NT_MISUSE_UNALLOCATED;
    if (!nt__slab_starts(slab, p))
        return NT_MISUSE_INTERIOR;
    if (!nt__slab_carved(slab, p))
        return NT_MISUSE_UNALLOCATED;
    /* The mark of a free block may be chance: look for the block among the free. */
    const struct nt_block *block = p;
    if (block->key == NT_KEY &&
        (nt__slab_lists(slab, p) || nt__remote_holds(s, slab, p)))
        return NT_MISUSE_DOUBLE_FREE;
    return NT_MISUSE_NONE;
}

static const char *words(enum nt_misuse what)
{
    switch (what) {
    case NT_MISUSE_DOUBLE_FREE:
        return "block that is already free";
    case NT_MISUSE_INTERIOR:
        return "address inside a block";
    case NT_MISUSE_UNALLOCATED:
        return "address where no block is in use (freed before, or never allocated)";
    case NT_MISUSE_SIZE:
        return "block of another size";
    default:
        return "address that is not from this heap";
    }
}

/* The slab or large block around an address in the window, if any: for large blocks
 * only the first slice knows, so look back for it. */
static const struct nt_slab *around(const void *p)
{
    if (!nt__window_has(p))
        return NULL;
    const struct nt_slab *slab = nt__slab_of(p);
    if (slab)
        return slab;
    size_t index = nt__window_index(p);
    for (size_t back = 1; back <= index; back++) {
        const struct nt_slab *before = (const void *)nt__window_header_at(index - back);
        if (before->kind != NT_SLAB_NONE)
            return before->kind == NT_SLAB_LARGE && before->run_slices > back ? before
                                                                              : NULL;
    }
    return NULL;
}

static void complain(enum nt_misuse what, const char *call, const void *p,
                     const char *detail)
{
    char block[128] = "";
    const struct nt_slab *slab = around(p);
    if (slab && slab->kind == NT_SLAB_LARGE) {
        const char *start = nt__window_slice(slab);
        nt__fmt_into(block, sizeof block, "; large block %p of %zu bytes, node %d",
                     (const void *)start, slab->bytes, nt__topo()->node[slab->slot].id);
        if (what == NT_MISUSE_UNALLOCATED && p != start)
            what = NT_MISUSE_INTERIOR;
    } else if (slab && (uintptr_t)p >= slab->start) {
        const struct nt_shard *owner = __atomic_load_n(&slab->owner, __ATOMIC_RELAXED);
        size_t index = ((uintptr_t)p - slab->start) / slab->size;
        nt__fmt_into(block, sizeof block, "; size class %u, block %p, node %d",
                     (unsigned)slab->size,
                     (const void *)(slab->start + index * slab->size),
                     owner ? nt__topo()->node[owner->slot].id : -1);
    }
    nt__warn("%s(%p)%s: %s%s, thread %d; stopping (setting check:off ignores it)", call,
             p, detail, words(what), block, (int)gettid());
}

void nt__misuse(enum nt_misuse what, const char *call, const void *p)
{
    if (!nt__conf()->check)
        return;
    complain(what, call, p, "");
    abort();
}

void nt__misuse_size(const char *call, const void *p, size_t size, size_t align)
{
    if (!nt__conf()->check)
        return;
    char detail[96];
    if (align != 0)
        nt__fmt_into(detail, sizeof detail, " with alignment %zu, size %zu", align,
                     size);
    else
        nt__fmt_into(detail, sizeof detail, " with size %zu", size);
    complain(NT_MISUSE_SIZE, call, p, detail);
    abort();
}
