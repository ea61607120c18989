/* SPDX-License-Identifier: MIT */
/*
 * A small world for pools/: a window of one unit, one node, classes of 16 and 32 KiB, slabs of
 * one slice, so that four or two blocks fill one. What is real here is remote.c, adopt.c,
 * shard.c, slab.c, register.c, and the two inline functions of heap.h; what they call stands in
 * fakes.c.
 */
#ifndef NT_TESTS_MODEL_WORLD_H
#define NT_TESTS_MODEL_WORLD_H

#include "src/heap/heap.h"

enum { WORLD_SHARDS = 6 };

/* This, as all of the executable's data, is put back when a run begins. */
extern struct world {
    struct nt_shard shard[WORLD_SHARDS];
    unsigned shards;
    struct nt_arena arena;
    struct nt_placement placement;
    bool lent[NT_UNIT_SLICES];
} W;

static inline size_t world_slice(const void *p)
{
    return ((uintptr_t)p - nt__window.base) / NT_SLICE;
}

/* What is thread-local in the code. */
struct world_own {
    struct nt_shard *shard;
    uint32_t locks;
};

void world_own_get(struct world_own *own);
void world_own_put(const struct world_own *own);

/* Once. */
void world_start(void);

/* A scenario begins: everything as world_start left it. */
void world_anew(void);

/* Put everything back to where it was at the last call of world_keep. */
void world_keep(void);
void world_begin(void);

/* No thread runs: each block is home once, each slab on one list, and so on; and after that
 * all can be freed, and all memory goes back. */
void world_end(void);

/* malloc(WORLD_BYTES) and free, watched: a block is one thread's at a time. */
#define WORLD_BYTES (16 * NT_KIB)
void *world_malloc(size_t size);
void world_free(void *p);
void world_took(void *p);
void world_drops(void *p);

/* What readers of figures do: the sum of all shards' counters. */
void world_read(void);

/* The calling thread begins, goes on as the owner of `s`, or ends. */
void world_attach(void);
void world_is(struct nt_shard *s);
void world_detach(void);

/* For instrument.c: nobody else writes to this, or it does not matter; is it lent? For
 * people: what it is. */
bool world_is_quiet(const void *at);
bool world_may_touch(const void *at);
const char *world_name(const void *at, char *name, size_t size);

#endif
