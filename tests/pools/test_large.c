/* SPDX-License-Identifier: MIT */
/*
 * Large blocks: nothing of them is touched, calloc'd ones are zero whatever was there,
 * realloc keeps every byte whether it grows in place, moves or shrinks, in own or
 * another's shard, and each is counted and charged to the last page.
 */
#include "pools/large.h"

#include "pools/pool.h"
#include "pools/spare.h"
#include "src/base/os.h"
#include "tests/pools/room.h"

#include <sys/mman.h>

static size_t page;

static struct nt_shard *new_shard(unsigned slot)
{
    slot = slot < nt__topo()->nodes ? slot : 0;
    return room_shard(slot, NULL);
}

static void fill(char *p, size_t from, size_t to, unsigned seed)
{
    for (size_t i = from; i < to; i += 509)
        p[i] = (char)(i / 509 * 31 + seed);
}

static int same(const char *p, size_t from, size_t to, unsigned seed)
{
    for (size_t i = from; i < to; i += 509)
        if (p[i] != (char)(i / 509 * 31 + seed))
            return 0;
    return 1;
}

static int zero(const char *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != 0)
            return 0;
    return 1;
}

static size_t resident(char *p, size_t size)
{
    static unsigned char map[1 << 16];
    size_t n = 0;
    if (size / page > sizeof map || mincore(p, size, map) != 0)
        return SIZE_MAX;
    for (size_t i = 0; i < size / page; i++)
        n += map[i] & 1;
    return n;
}

/* Where slabs were, no mark of a free block is left for a realloc to copy. */
static int act_marks(void)
{
    enum { BLOCKS = 200, SIZE = 32768 };
    struct nt_shard *s = new_shard(0);
    void *block[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        CHECK((block[i] = room_malloc(s, SIZE)) != NULL);
    for (int i = 0; i < BLOCKS; i++)
        room_free(s, block[i]);
    nt__shard_trim(s);
    for (int i = 0; i < 4; i++) {
        char *p = nt__large_malloc(s, NT_CLASSED_MAX + 1, 1, false);
        CHECK(p && ((struct nt_block *)(void *)p)->key != NT_KEY);
    }
    return 0;
}

static int act_malloc(void)
{
    unsigned l = nt__sizeclass_large();
    struct nt_shard *s = new_shard(0);
    static const size_t sizes[] = {0, 1, NT_CLASSED_MAX + 1, 3000000, 64 * NT_MIB};
    uint64_t bytes = 0, asked = 0;
    for (unsigned i = 0; i < NT_ARRAY_LEN(sizes); i++) {
        char *p = nt__large_malloc(s, sizes[i], 1, false);
        CHECK(p && (uintptr_t)p % NT_SLICE == 0);
        struct nt_slab *slab = nt__slab_of(p);
        CHECK(slab->kind == NT_SLAB_LARGE && slab->home == s);
        CHECK(slab->bytes >= sizes[i] && slab->bytes % page == 0 && slab->bytes > 0);
        CHECK(slab->bytes < sizes[i] + page + 1);
        CHECK(resident(p, slab->bytes) == 0); /* first touch is the user's */
        bytes += slab->bytes;
        asked += sizes[i];
        CHECK(s->allocs[l] == i + 1 && (uint32_t)s->slabs[l] == i + 1);
        CHECK(s->large_allocated == bytes && s->requested[l] == asked);
    }
    CHECK(!nt__large_malloc(s, (size_t)PTRDIFF_MAX + 1, 1, false));
    CHECK(!nt__large_malloc(s, 1, (size_t)1 << 63, false));
    CHECK(!nt__large_malloc(s, (size_t)1 << 50, 1, false));
    CHECK(s->allocs[l] == NT_ARRAY_LEN(sizes));
    return 0;
}

static int act_align(void)
{
    struct nt_shard *s = new_shard(0);
    for (size_t align = 1; align <= NT_GIB; align *= 2) {
        char *p = nt__large_malloc(s, 100, align, true);
        CHECK(p && (uintptr_t)p % align == 0);
        CHECK(zero(p, page));
        p[0] = 1;
        CHECK(nt__large_free(s, nt__slab_of(p), p));
    }
    return 0;
}

static int act_free(void)
{
    unsigned l = nt__sizeclass_large();
    struct nt_shard *s = new_shard(0), *away = new_shard(1);
    uint64_t before = room_committed();
    char *p = nt__large_malloc(s, 10 * NT_MIB, 1, false);
    struct nt_slab *slab = nt__slab_of(p);
    memset(p, 1, 10 * NT_MIB);
    CHECK(nt__large_free(s, slab, p));
    CHECK(!nt__large_free(s, slab, p)); /* the second of two frees */
    CHECK(s->frees[l] == 1 && s->large_freed == 10 * NT_MIB && s->slabs[l] == 0);
    CHECK(room_committed() == before);
    p = nt__large_malloc(s, 3 * NT_MIB, 1, false);
    CHECK(nt__large_free(away, nt__slab_of(p), p));
    CHECK(away->sent[l] == 1 && away->sent_blocks[0] == 1 && away->frees[l] == 0);
    CHECK(away->sent_bytes[0] == 3 * NT_MIB && away->large_sent == 3 * NT_MIB);
    CHECK(s->frees[l] == 1 && s->slabs[l] + away->slabs[l] == 0);
    CHECK(room_committed() == before);
    return 0;
}

/* Recycled memory: zeroed when that is promised, and (several nodes) placed anew. */
static int act_recycled(void)
{
    struct nt_shard *s = new_shard(0);
    static const size_t sizes[] = {NT_MIB, 2 * NT_MIB - 5000, 4 * NT_MIB,
                                   9 * NT_MIB + 1};
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < NT_ARRAY_LEN(sizes); i++) {
            char *p = nt__large_malloc(s, sizes[i], 1, true);
            size_t bytes = nt__slab_of(p)->bytes;
            CHECK(zero(p, sizes[i]));
            memset(p, 7, bytes);
            CHECK(nt__large_free(s, nt__slab_of(p), p));
            p = nt__large_malloc(s, sizes[i], 1, false);
            if (nt__topo()->nodes > 1)
                CHECK(resident(p, bytes) == 0);
            memset(p, 9, bytes);
            CHECK(nt__large_free(s, nt__slab_of(p), p));
        }
    return 0;
}

/* The short way to a spare run and back: the same run, counted as by the long one, and left
 * to that where something else is to be done. */
static int act_again(void)
{
    unsigned l = nt__sizeclass_large();
    struct nt_shard *s = new_shard(0);
    bool due;
    CHECK(!nt__large_again(s, NT_MIB, &due) && !nt__large_again(s, SIZE_MAX, &due));
    char *first = NULL;
    for (unsigned i = 0; i < 5; i++) { /* by first touch that shows a habit */
        CHECK((first = nt__large_malloc(s, NT_MIB, 1, false)) != NULL);
        CHECK(nt__large_free(s, nt__slab_of(first), first));
    }
    CHECK(s->spares.slices == NT_MIB / NT_SLICE);
    uint64_t committed = room_committed(), allocs = s->allocs[l];
    uint64_t bytes = s->large_allocated, asked = s->requested[l];
    CHECK(!nt__large_again(s, NT_MIB + 1, &due)); /* another length */
    CHECK(!nt__large_again(s, NT_MIB - NT_SLICE, &due));
    unsigned long_ways = 0;
    for (unsigned i = 0; i < 5000; i++) {
        size_t size = NT_MIB - i;
        char *p = nt__large_again(s, size, &due);
        if (!p) {
            CHECK((p = nt__large_malloc(s, size, 1, false)) != NULL);
            long_ways++;
        }
        CHECK(p == first && !due && s->spares.slices == 0);
        struct nt_slab *slab = nt__slab_of(p);
        CHECK(slab->kind == NT_SLAB_LARGE && slab->home == s);
        CHECK(slab->bytes == nt__align_up(size, page));
        CHECK(slab->run_slices == NT_MIB / NT_SLICE);
        CHECK(s->slabs[l] == ((NT_MIB / NT_SLICE) << 32 | 1));
        asked += size, bytes += slab->bytes;
        CHECK(s->allocs[l] == ++allocs && s->frees[l] == allocs - 1);
        CHECK(s->large_allocated == bytes && s->requested[l] == asked);
        CHECK(room_committed() == committed);
        memset(p, 1, NT_SLICE);
        CHECK(!nt__large_again(s, size, &due)); /* there is no other */
        CHECK(nt__large_free(s, slab, p) && !nt__large_free(s, slab, p));
        CHECK(s->large_freed == bytes && s->frees[l] == allocs);
        CHECK(s->slabs[l] == ((NT_MIB / NT_SLICE) << 32 | 1)); /* the spare */
        CHECK(s->spares.slices == NT_MIB / NT_SLICE);
    }
    CHECK(s->large_allocated == bytes);
    /* By first touch probes after 4, 8, .. 512, 512 .. blocks; else once in 65536. */
    CHECK(nt__topo()->nodes > 1 ? long_ways == 15 : long_ways <= 1);
    return 0;
}

/* Grow and shrink a block at random among others that stand in its way. */
static int act_realloc(void)
{
    struct nt_shard *s = new_shard(0), *away = new_shard(1);
    unsigned l = nt__sizeclass_large();
    enum { N = 6 };
    char *p[N] = {0};
    size_t size[N] = {0};
    uint64_t before = room_committed();
    uint32_t draw = 99;
    for (int step = 0; step < 600; step++) {
        draw = draw * 1664525 + 1013904223;
        unsigned i = (draw >> 16) % N;
        size_t want =
            NT_CLASSED_MAX + 1 + (draw >> 4) % (draw % 5 ? 3 * NT_MIB : 40 * NT_MIB);
        struct nt_shard *by = step % 7 == 0 ? away : s;
        if (!p[i]) {
            p[i] = nt__large_malloc(by, want, 1, step % 2);
            CHECK(p[i]);
            if (step % 2)
                CHECK(zero(p[i], want));
            fill(p[i], 0, nt__slab_of(p[i])->bytes, i); /* usable to its last page */
        } else if (draw % 6 == 0) {
            CHECK(same(p[i], 0, size[i], i));
            CHECK(nt__large_free(by, nt__slab_of(p[i]), p[i]));
            p[i] = NULL;
        } else {
            size_t least = nt__min(size[i], want);
            p[i] = nt__large_realloc(by, nt__slab_of(p[i]), want);
            CHECK(p[i]);
            CHECK(same(p[i], 0, least, i));
            fill(p[i], 0, nt__slab_of(p[i])->bytes, i);
        }
        if (p[i])
            size[i] = want;
        for (unsigned k = 0; k < N; k++)
            if (p[k] && !same(p[k], 0, size[k], k)) {
                fprintf(stderr, "step %d on %u: block %u of %zu bytes changed\n", step,
                        i, k, size[k]);
                return 1;
            }
        for (unsigned a = 0; a < nt__arenas_count(); a++)
            nt__arena_check(nt__arenas_get(a));
    }
    uint64_t live = 0;
    for (unsigned i = 0; i < N; i++)
        if (p[i]) {
            live += nt__slab_of(p[i])->bytes;
        }
    CHECK(s->large_allocated + away->large_allocated - s->large_freed -
              away->large_freed - s->large_sent - away->large_sent ==
          live);
    for (unsigned i = 0; i < N; i++)
        if (p[i])
            CHECK(nt__large_free(s, nt__slab_of(p[i]), p[i]));
    nt__spare_drop(s);
    nt__spare_drop(away);
    CHECK(s->slabs[l] + away->slabs[l] == 0);
    CHECK(room_committed() == before);
    return 0;
}

/* Another thread's block made smaller: what lies behind the new one must not change. */
static int act_shrink_of_another(void)
{
    struct nt_shard *s = new_shard(0), *away = new_shard(1);
    char *big = nt__large_malloc(s, 16 * NT_MIB, 1, false);
    fill(big, 0, 16 * NT_MIB, 3);
    /* A hole of 2 MiB before a block that is in use. */
    char *hole = nt__large_malloc(s, 4 * NT_MIB, 1, false);
    char *behind = nt__large_malloc(s, 16 * NT_MIB, 1, false);
    fill(behind, 0, 16 * NT_MIB, 4);
    CHECK(nt__large_free(s, nt__slab_of(hole), hole));
    char *small = nt__large_realloc(away, nt__slab_of(big), 2 * NT_MIB);
    CHECK(small && same(small, 0, 2 * NT_MIB, 3));
    CHECK(same(behind, 0, 16 * NT_MIB, 4));
    return 0;
}

/* A block that had shrunk and then moved: what it leaves is not all zeroes. */
static int act_shrunk_then_moved(void)
{
    struct nt_shard *s = new_shard(0);
    size_t full = 80 * NT_SLICE, less = full - NT_SLICE + page;
    char *p = nt__large_malloc(s, full, 1, false);
    char *wall = nt__large_malloc(s, full, 1, false);
    memset(p, 5, full);
    CHECK(nt__large_realloc(s, nt__slab_of(p), less) == p);
    char *q = nt__large_realloc(s, nt__slab_of(p), 4 * full);
    CHECK(q && q != p);
    for (int i = 0; i < 40; i++) { /* whoever gets the old place */
        char *z = nt__large_malloc(s, full, 1, true);
        CHECK(z && zero(z, full));
    }
    (void)wall;
    return 0;
}

static int act_in_place(void)
{
    struct nt_shard *s = new_shard(0);
    unsigned l = nt__sizeclass_large();
    char *p = nt__large_malloc(s, NT_MIB, 1, false);
    fill(p, 0, NT_MIB, 1);
    CHECK(nt__large_realloc(s, nt__slab_of(p), NT_MIB + 1) == p);
    CHECK(nt__slab_of(p)->bytes == NT_MIB + page);
    CHECK(nt__large_realloc(s, nt__slab_of(p), 8 * NT_MIB) == p); /* room behind it */
    CHECK(same(p, 0, NT_MIB, 1));
    CHECK(nt__large_realloc(s, nt__slab_of(p), NT_MIB) == p);
    CHECK(s->reallocs == 3 && s->allocs[l] == 1);
    CHECK(s->large_allocated - s->large_freed == NT_MIB);
    CHECK(s->requested[l] == NT_MIB * 3 + 1 + 8 * NT_MIB);
    CHECK(!nt__large_realloc(s, nt__slab_of(p), (size_t)1 << 50)); /* unchanged */
    CHECK(same(p, 0, NT_MIB, 1) && nt__slab_of(p)->bytes == NT_MIB);
    return 0;
}

static int act_budget(void)
{
    static struct nt_pool pool; /* budgets are of explicit pools */
    struct nt_shard *s = room_shard(0, &pool);
    struct nt_budget budget = {.limit = 64};
    s->budget = &budget;
    char *p = nt__large_malloc(s, 40 * NT_SLICE, 1, false);
    CHECK(p && budget.held == 40);
    CHECK(!nt__large_malloc(s, 25 * NT_SLICE, 1, false) && budget.held == 40);
    CHECK(nt__large_realloc(s, nt__slab_of(p), 64 * NT_SLICE) && budget.held == 64);
    CHECK(!nt__large_realloc(s, nt__slab_of(p), 65 * NT_SLICE) && budget.held == 64);
    CHECK(nt__large_realloc(s, nt__slab_of(p), 10 * NT_SLICE) && budget.held == 10);
    CHECK(s->larges == nt__slab_of(p) && !s->larges->next);
    CHECK(nt__large_free(s, nt__slab_of(p), p));
    CHECK(budget.held == 0 && !s->larges);
    return 0;
}

/* A realloc that changes nothing is a block of another size to the figures. */
static int act_stays(void)
{
    unsigned l = nt__sizeclass_large();
    struct nt_shard *s = new_shard(0), *away = new_shard(1);
    char *p = nt__large_malloc(s, NT_MIB, 1, false);
    struct nt_slab *slab = nt__slab_of(p);
    bool due = true;
    CHECK(nt__large_stays(s, slab, p, NT_MIB - 1, &due) && !due);
    CHECK(s->reallocs == 1 && s->requested[l] == 2 * NT_MIB - 1);
    CHECK(s->large_allocated == 2 * NT_MIB && s->large_freed == NT_MIB);
    CHECK(!nt__large_stays(away, slab, p, NT_MIB, &due));
    CHECK(!nt__large_stays(s, slab, p + 16, NT_MIB, &due));
    CHECK(!nt__large_stays(s, slab, p, NT_MIB + 1, &due));
    CHECK(!nt__large_stays(s, slab, p, NT_MIB - page, &due));
    CHECK(!nt__large_stays(s, slab, p, 0, &due));
    CHECK(!nt__large_stays(s, slab, p, SIZE_MAX, &due));
    CHECK(s->reallocs == 1 && s->allocs[l] == 1);
    CHECK(nt__large_free(s, slab, p));
    CHECK(!nt__large_stays(s, slab, p, NT_MIB, &due));
    return 0;
}

/* calloc of what was used in part touches no more of it (one node: by first touch none of it
 * is left). */
static int act_sparse(void)
{
    struct nt_shard *s = new_shard(0);
    size_t size = 8 * NT_MIB, few = 100 * page, had = 0;
    if (nt__topo()->nodes > 1)
        return 0;
    for (unsigned i = 0; i < 3; i++) {
        char *p = nt__large_malloc(s, size, 1, true);
        CHECK(p && resident(p, size) == had);
        CHECK(zero(p, few));
        memset(p, 1, few);
        had = resident(p, size);
        CHECK(had < size / page && nt__large_free(s, nt__slab_of(p), p));
    }
    char *p = nt__large_malloc(s, size, 1, true);
    CHECK(p && zero(p, size));
    return 0;
}

static const char *machine = "2x1";

/* A freed block's memory goes back to the system though no large block, and no slab, is
 * ever asked for or given up again. */
static int act_given_back(void)
{
    struct nt_shard *s = new_shard(0);
    size_t size = 64 * NT_MIB;
    nt__arena_config.return_ms = 20;
    room_free(s, room_malloc(s, 64));
    char *p = nt__large_malloc(s, size, NT_SLICE, false);
    CHECK(p);
    memset(p, 1, size);
    CHECK(nt__large_free(s, nt__slab_of(p), p));
    while (s->large_arena->cached != 0) /* ctest guards against for ever */
        room_free(s, room_malloc(s, 64));
    CHECK(resident(p, size) == 0);
    return 0;
}

int main(void)
{
    /* First on a machine of one node, where runs are kept and recycled as they are. */
    int first = 0;
    pid_t pid = fork();
    if (pid == 0)
        machine = "1x1";
    else if (waitpid(pid, &first, 0) != pid)
        return 1;
    room_start(machine);
    page = nt__os_page_size();
    struct CMUnitTest tests[] = {
        ACT(malloc),   ACT(align),
        ACT(free),     ACT(recycled),
        ACT(realloc),  ACT(shrink_of_another),
        ACT(in_place), ACT(shrunk_then_moved),
        ACT(budget),   ACT(given_back),
        ACT(marks),    ACT(again),
        ACT(stays),    ACT(sparse),
    };
    int failed = cmocka_run_group_tests_name(machine, tests, NULL, NULL);
    return failed + (first != 0);
}
