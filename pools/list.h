/* SPDX-License-Identifier: MIT */
/*
 * Lists of slabs, linked both ways through `next` and `prev`. A slab is on one at most, its
 * owner's, who alone walks and changes it.
 */
#ifndef NT_POOLS_LIST_H
#define NT_POOLS_LIST_H

#include "pools/slab.h"

static inline void nt__list_push(struct nt_slab **list, struct nt_slab *slab)
{
    slab->prev = NULL;
    slab->next = *list;
    if (*list)
        (*list)->prev = slab;
    *list = slab;
}

static inline void nt__list_remove(struct nt_slab **list, struct nt_slab *slab)
{
    if (slab->prev)
        slab->prev->next = slab->next;
    else
        *list = slab->next;
    if (slab->next)
        slab->next->prev = slab->prev;
}

/* Has the slab, or the first of a list, blocks on its own list? These are of used memory; the
 * others are to be carved. */
static inline bool nt__list_is_used(const struct nt_slab *slab)
{
    return slab && slab->free;
}

/* In front, or, if it has only blocks to be carved, at the end. The walk is paid for: the slab
 * is needed again when those before it have been used up. */
static inline void nt__list_put(struct nt_slab **list, struct nt_slab *slab)
{
    struct nt_slab *last = *list;
    if (!last || nt__list_is_used(slab)) {
        nt__list_push(list, slab);
        return;
    }
    while (last->next)
        last = last->next;
    slab->prev = last;
    slab->next = NULL;
    last->next = slab;
}

#endif
