/* SPDX-License-Identifier: MIT */
#include "src/base/meta.h"

#include "src/base/os.h"

#define CHUNK (256 * NT_KIB)

static struct {
    struct nt_lock lock;
    char *next; /* under `lock`: free bytes of the last chunk */
    char *end;
    size_t bytes; /* written under `lock`, read by anyone */
} meta = {.lock = NT_LOCK_INIT(NT_RANK_META)};

void *nt__meta_alloc(size_t size, size_t align)
{
    nt__lock(&meta.lock);
    char *p = (char *)nt__align_up((uintptr_t)meta.next, align);
    if (!meta.next || p > meta.end || (size_t)(meta.end - p) < size) {
        size_t chunk = nt__max(CHUNK, nt__align_up(size, nt__os_page_size()));
        p = nt__os_map(chunk);
        if (!p && chunk == CHUNK) { /* under a tight limit: only what is needed */
            chunk = nt__align_up(size, nt__os_page_size());
            p = nt__os_map(chunk);
        }
        if (!p) {
            nt__unlock(&meta.lock);
            return NULL;
        }
        meta.end = p + chunk;
        __atomic_store_n(&meta.bytes, meta.bytes + chunk, __ATOMIC_RELAXED);
    }
    meta.next = p + size;
    nt__unlock(&meta.lock);
    return p;
}

size_t nt__meta_bytes(void)
{
    return __atomic_load_n(&meta.bytes, __ATOMIC_RELAXED);
}

void nt__meta_fork_lock(void)
{
    nt__lock_for_fork(&meta.lock);
}

void nt__meta_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&meta.lock);
        return;
    }
    if (how == NT_FORK_RAW && nt__lock_raw(&meta.lock))
        meta.next = meta.end = NULL;
    nt__lock_init(&meta.lock, NT_RANK_META);
}
