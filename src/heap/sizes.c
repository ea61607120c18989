/* SPDX-License-Identifier: MIT */
/* How large a block is, and would be. */
#include "pools/guarded.h"
#include "pools/misuse.h"
#include "src/base/foreign.h"
#include "src/base/os.h"
#include "src/heap/calls.h"
#include "src/heap/heap.h"
#include "src/heap/start.h"

#include <numatally/numatally.h>

__attribute__((noinline)) static size_t usable_rest(const void *p)
{
    if (!p)
        return 0;
    NT_FORWARD(usable_size(p));
    if (!nt__window_has(p))
        return nt__foreign_is_glibc(p) ? nt__foreign_usable_size(p) : 0;
    const struct nt_slab *slab = nt__slab_of(p);
    enum nt_misuse bad = nt__misuse_check(nt__heap_shard, slab, p);
    if (bad == NT_MISUSE_DOUBLE_FREE)
        nt__misuse(bad, "malloc_usable_size", p);
    if (bad != NT_MISUSE_NONE)
        return 0;
    if (NT_UNLIKELY(nt__guarded_has(slab)))
        return nt__guarded_size(p);
    return slab->kind == NT_SLAB_LARGE ? slab->bytes : slab->size;
}

size_t nt_usable_size(const void *p)
{
    if (NT_UNLIKELY(!nt__window_has(p)))
        return usable_rest(p);
    const struct nt_slab *slab = nt__slab_at(p);
    const struct nt_block *block = p;
    if (NT_UNLIKELY(!NT_RACY(slab->plain) || !nt__slab_starts(slab, p) ||
                    block->key == NT_KEY || !nt__slab_carved(slab, p)))
        return usable_rest(p);
    return slab->size;
}

size_t nt_good_size(size_t size)
{
    NT_FORWARD(good_size(size));
    nt__start();
    if (size > PTRDIFF_MAX)
        return 0;
    if (nt__guarded)
        return nt__max(size, 1);
    if (size > NT_CLASSED_MAX)
        return nt__align_up(size, nt__os_page_size());
    return nt__sizeclasses.size[nt__sizeclass_of(size)];
}
