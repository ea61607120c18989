/* SPDX-License-Identifier: MIT */
/*
 * A policy: on which nodes memory is wanted, in numactl's words (<numatally/numa.h>
 * lists them). Here it is a mode and a set of node slots; bind.h has what the kernel is
 * told, arenas.h the memory that is had under one.
 */
#ifndef NT_NUMA_POLICY_H
#define NT_NUMA_POLICY_H

#include "src/base/base.h"

enum nt_policy_mode {
    NT_LOCAL,
    NT_BIND,
    NT_PREFERRED,
    NT_PREFERRED_MANY,
    NT_INTERLEAVE, /* from here on pages may go to nodes in turn */
    NT_WEIGHTED_INTERLEAVE,
    NT_INHERIT,
};

struct nt_policy {
    uint8_t mode;   /* enum nt_policy_mode */
    uint64_t slots; /* nodes, never none; LOCAL and INHERIT: all that may be used */
};

#define NT_POLICY_NAME_MAX 64

/* Read "bind:0-3,5" or "bind:0-3;5", "local", ... NULL, or what is wrong with it. The
 * topology has started. */
NT_HIDDEN const char *nt__policy_parse(const char *text, struct nt_policy *out);

/* The same from its two parts; `list` NULL: none given. */
NT_HIDDEN const char *nt__policy_make(const char *mode, size_t length, const char *list,
                                      struct nt_policy *out);

/* Its text, cut where it is too long. */
NT_HIDDEN void nt__policy_name(const struct nt_policy *p, char *name, size_t max);

static inline bool nt__policy_same(const struct nt_policy *a, const struct nt_policy *b)
{
    return a->mode == b->mode && a->slots == b->slots;
}

/* Are the pages of large blocks where they are touched first, of several nodes? Else the
 * policy alone says where they are. */
static inline bool nt__policy_by_touch(const struct nt_policy *p)
{
    bool several = (p->slots & (p->slots - 1)) != 0;
    return p->mode == NT_LOCAL || p->mode == NT_INHERIT ||
           ((p->mode == NT_BIND || p->mode == NT_PREFERRED_MANY) && several);
}

#endif
