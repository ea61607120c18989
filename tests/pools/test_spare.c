/* SPDX-License-Identifier: MIT */
/*
 * Spare runs on a machine of several nodes: kept for a habit, and for nothing else. What
 * the kernel is asked about nodes that are real is in tests/lab/api_spares.c.
 */
#include "pools/large.h"
#include "pools/spare.h"

#include "src/base/os.h"
#include "tests/pools/room.h"

#include <sys/mman.h>

enum { TRUSTED = 4, PROBES = 8, MOST = 512 };

static size_t resident(const char *p, size_t size)
{
    static unsigned char map[1 << 16];
    size_t n = 0, pages = size / nt__os_page_size();
    if (pages > sizeof map || mincore((void *)(uintptr_t)p, size, map) != 0)
        return SIZE_MAX;
    for (size_t i = 0; i < pages; i++)
        n += map[i] & 1;
    return n;
}

/* How many pages a new block has in memory; it is written to and freed. */
static size_t cycle(struct nt_shard *s, size_t size)
{
    char *p = nt__large_malloc(s, size, 1, false);
    if (!p)
        return SIZE_MAX;
    size_t found = resident(p, size);
    memset(p, 1, size);
    return nt__large_free(s, nt__slab_of(p), p) ? found : SIZE_MAX;
}

/* Eight by first touch, then as they are but for a few pages, ever less often. */
static int act_habit(void)
{
    struct nt_shard *s = room_shard(1, NULL);
    size_t pages = NT_MIB / nt__os_page_size();
    for (unsigned i = 0; i < TRUSTED; i++) {
        CHECK(s->spares.slices == 0);
        CHECK(cycle(s, NT_MIB) == 0);
    }
    for (unsigned interval = TRUSTED, probes = 0; probes < 9; probes++) {
        for (unsigned i = 1; i <= interval; i++) {
            CHECK(s->spares.slices == NT_MIB / NT_SLICE);
            CHECK(cycle(s, NT_MIB) == pages - (i == interval ? PROBES : 0));
            CHECK(s->spares.habit[0].ask == 0); /* it was asked for */
        }
        interval = interval < MOST ? 2 * interval : MOST;
    }
    uint64_t before = room_committed();
    nt__spare_drop(s);
    CHECK(room_committed() == before - NT_MIB / NT_SLICE);
    CHECK(cycle(s, NT_MIB) == 0 && s->spares.slices == 0); /* all forgotten */
    return 0;
}

/* Two lengths in turn, inside each other, are two habits. */
static int act_nested(void)
{
    struct nt_shard *s = room_shard(0, NULL);
    for (unsigned i = 0; i < TRUSTED + 2; i++) {
        char *p = nt__large_malloc(s, 3 * NT_MIB, 1, false);
        CHECK((cycle(s, NT_MIB) == 0) == (i < TRUSTED));
        CHECK((resident(p, 3 * NT_MIB) == 0) == (i < TRUSTED));
        memset(p, 1, 3 * NT_MIB);
        CHECK(nt__large_free(s, nt__slab_of(p), p));
    }
    return 0;
}

/* Several of a length at once are none: reused space is placed by first touch, always. */
static int act_several(void)
{
    struct nt_shard *s = room_shard(0, NULL);
    for (unsigned i = 0; i < 4 * TRUSTED; i++) {
        char *p[2];
        for (unsigned j = 0; j < 2; j++) {
            CHECK((p[j] = nt__large_malloc(s, NT_MIB, 1, false)) != NULL);
            CHECK(resident(p[j], NT_MIB) == 0);
            memset(p[j], 1, NT_MIB);
        }
        for (unsigned j = 0; j < 2; j++) /* first in, first out, and the other way */
            CHECK(nt__large_free(s, nt__slab_of(p[j ^ (i & 1)]), p[j ^ (i & 1)]));
        CHECK(s->spares.slices == 0);
    }
    return 0;
}

/* Nor is what another shard frees, what was divided, or what came by mremap. */
static int act_not_kept(void)
{
    struct nt_shard *s = room_shard(0, NULL), *away = room_shard(1, NULL);
    for (unsigned i = 0; i < 4 * TRUSTED; i++) {
        char *p = nt__large_malloc(s, NT_MIB, 1, false);
        CHECK(p && nt__large_free(away, nt__slab_of(p), p));
        CHECK((p = nt__large_malloc(s, 2 * NT_MIB, 1, false)) != NULL);
        nt__large_divide(nt__slab_of(p), 3);
        CHECK(nt__large_free(s, nt__slab_of(p), p));
        CHECK((p = nt__large_malloc(s, 80 * NT_MIB, 1, false)) != NULL);
        CHECK(nt__large_free(s, nt__slab_of(p), p));
        CHECK(s->spares.slices == 0);
    }
    return 0;
}

static void *again(struct nt_shard *s)
{
    bool due;
    void *p = nt__large_again(s, NT_MIB, &due);
    return p ? p : nt__large_malloc(s, NT_MIB, 1, false);
}

/* Nor, once the habit is shown, what is not in keeping with it. */
static int act_broken(void)
{
    struct nt_shard *s = room_shard(0, NULL);
    for (unsigned i = 0; i < 2 * TRUSTED; i++)
        CHECK(cycle(s, NT_MIB) != SIZE_MAX);
    void *p = again(s), *q = again(s);
    CHECK(p && q && s->spares.slices == 0);
    CHECK(nt__large_free(s, nt__slab_of(q), q) && s->spares.slices != 0);
    CHECK(again(s) == q && s->spares.slices == 0);
    CHECK(nt__large_free(s, nt__slab_of(p), p)); /* of two, the first */
    CHECK(s->spares.slices == 0);
    CHECK(nt__large_free(s, nt__slab_of(q), q));
    for (unsigned i = 0; i < 2 * TRUSTED; i++)
        CHECK(cycle(s, NT_MIB) != SIZE_MAX);
    CHECK(s->spares.slices != 0 && (p = again(s)) != NULL);
    nt__large_divide(nt__slab_of(p), 3);
    CHECK(nt__large_free(s, nt__slab_of(p), p) && s->spares.slices == 0);
    return 0;
}

/* With the habit goes the spare that it left. */
static int act_ended(void)
{
    struct nt_shard *s = room_shard(0, NULL);
    for (unsigned i = 0; i < 2 * TRUSTED; i++)
        CHECK(cycle(s, NT_MIB) != SIZE_MAX);
    void *p = again(s), *q = again(s);
    CHECK(p && q && nt__large_free(s, nt__slab_of(q), q));
    CHECK(s->spares.slices != 0);
    uint64_t before = room_committed();
    CHECK(nt__large_free(s, nt__slab_of(p), p)); /* not the last one: the end */
    CHECK(s->spares.slices == 0);
    CHECK(room_committed() == before - 2 * NT_MIB / NT_SLICE);
    CHECK(cycle(s, NT_MIB) == 0);
    return 0;
}

/* Nor is a run kept that had another length meanwhile: nobody was asked for its pages. */
static int act_resized(void)
{
    struct nt_shard *s = room_shard(0, NULL);
    for (unsigned i = 0; i < 2 * TRUSTED; i++)
        CHECK(cycle(s, NT_MIB) != SIZE_MAX);
    char *p = again(s);
    CHECK(p && nt__large_realloc(s, nt__slab_of(p), 3 * NT_MIB) == p);
    CHECK(nt__large_realloc(s, nt__slab_of(p), NT_MIB) == p);
    CHECK(nt__large_free(s, nt__slab_of(p), p) && s->spares.slices == 0);
    for (unsigned i = 0; i < TRUSTED; i++)
        CHECK(cycle(s, NT_MIB) == 0); /* to be shown again */
    CHECK(s->spares.slices != 0);
    return 0;
}

/* No more than 64 MiB, and the habits are four. */
static int act_bounds(void)
{
    struct nt_shard *s = room_shard(0, NULL);
    for (unsigned n = 1; n <= 6; n++)
        for (unsigned i = 0; i < TRUSTED; i++) {
            CHECK(cycle(s, n * 10 * NT_MIB) == 0);
            uint64_t kept = 0;
            for (unsigned h = 0; h < NT_HABITS; h++)
                kept += s->spares.habit[h].run ? s->spares.habit[h].slices : 0;
            CHECK(s->spares.slices == kept && kept <= 64 * NT_MIB / NT_SLICE);
        }
    CHECK(s->spares.slices == 60 * NT_MIB / NT_SLICE);
    return 0;
}

/* Neither calloc nor alignment is forgotten for a habit. */
static int act_as_asked(void)
{
    struct nt_shard *s = room_shard(0, NULL);
    for (unsigned i = 0; i < 2 * TRUSTED; i++)
        CHECK(cycle(s, NT_MIB) != SIZE_MAX);
    CHECK(s->spares.slices != 0);
    char *p = nt__large_malloc(s, NT_MIB, 4 * NT_MIB, false);
    CHECK(p && (uintptr_t)p % (4 * NT_MIB) == 0);
    CHECK(nt__large_free(s, nt__slab_of(p), p));
    for (unsigned i = 0; i < 2 * TRUSTED; i++)
        CHECK(cycle(s, NT_MIB) != SIZE_MAX);
    CHECK(s->spares.slices != 0);
    CHECK((p = nt__large_malloc(s, NT_MIB, 1, true)) != NULL);
    for (size_t i = 0; i < NT_MIB; i++)
        CHECK(p[i] == 0);
    return 0;
}

/* What nobody needs any more goes back, and what is needed stays. */
static int act_aged(void)
{
    struct nt_shard *s = room_shard(0, NULL);
    nt__arena_config.return_ms = 20;
    for (unsigned i = 0; i < TRUSTED; i++) {
        CHECK(cycle(s, 10 * NT_MIB) == 0);
        CHECK(cycle(s, 20 * NT_MIB) == 0);
    }
    CHECK(s->spares.slices == 30 * NT_MIB / NT_SLICE);
    while (s->spares.slices == 30 * NT_MIB / NT_SLICE) { /* ctest guards against ever */
        CHECK(cycle(s, 20 * NT_MIB) != SIZE_MAX);
        room_free(s, room_malloc(s, 64));
    }
    CHECK(s->spares.slices == 20 * NT_MIB / NT_SLICE);
    while (s->spares.slices != 0)
        room_free(s, room_malloc(s, 64));
    return 0;
}

/* A pool bound to a node needs no proof: whoever comes next finds pages where they are to
 * be. But a pool keeps none. */
static int act_bound(void)
{
    struct nt_policy policy;
    CHECK(!nt__policy_parse("bind:1", &policy));
    struct nt_shard *s = nt__shard_new(nt__placement_of(&policy), 1, NULL);
    CHECK(s && cycle(s, NT_MIB) != SIZE_MAX);
    CHECK(s->spares.slices == NT_MIB / NT_SLICE);
    CHECK(cycle(s, 10 * NT_MIB) != SIZE_MAX);
    CHECK(s->spares.slices == NT_MIB / NT_SLICE);
    CHECK(cycle(s, 3 * NT_MIB / 2) != SIZE_MAX); /* a unit in all */
    CHECK(s->spares.slices == 3 * NT_MIB / 2 / NT_SLICE);
    char *p = nt__large_malloc(s, NT_MIB, 1, false);
    nt__large_divide(nt__slab_of(p), 3);
    CHECK(nt__large_free(s, nt__slab_of(p), p)); /* not as a run should be */
    CHECK(s->spares.slices == 3 * NT_MIB / 2 / NT_SLICE);
    return 0;
}

static char *ahead(const struct nt_shard *s)
{
    return s->spares.ahead ? nt__window_slice(s->spares.ahead) : NULL;
}

/* Where all is bound, the run of a block that had grown goes to the next that grows, with all
 * its slices; it gives way to others, and is given back in the end. */
static int act_ahead(void)
{
    enum { SLICES = NT_MIB / NT_SLICE };
    struct nt_policy policy;
    CHECK(!nt__policy_parse("bind:1", &policy));
    struct nt_shard *s = nt__shard_new(nt__placement_of(&policy), 1, NULL);
    size_t page = nt__os_page_size();
    bool due;
    CHECK(cycle(s, 4 * NT_MIB) != SIZE_MAX &&
          s->spares.slices == 0); /* there is room */
    char *p = nt__large_malloc_ahead(s, page, true);
    CHECK((p = nt__large_realloc(s, nt__slab_of(p), NT_MIB)) != NULL);
    memset(p, 1, NT_MIB);
    CHECK(nt__large_free(s, nt__slab_of(p), p));
    CHECK(ahead(s) == p && s->spares.slices == SLICES);
    CHECK(nt__large_malloc_ahead(s, page, true) == p && s->spares.slices == 0);
    CHECK(nt__slab_of(p)->bytes == page && nt__slab_of(p)->run_slices == SLICES);
    CHECK(!nt__large_stays(s, nt__slab_of(p), p, NT_MIB + 1, &due));
    CHECK(nt__large_stays(s, nt__slab_of(p), p, NT_MIB / 2 + 1, &due));
    CHECK(nt__slab_of(p)->bytes == NT_MIB / 2 + page && p[NT_MIB / 2] == 1);
    CHECK(!nt__large_stays(s, nt__slab_of(p), p, NT_MIB / 2, &due)); /* less */
    CHECK(s->large_allocated - s->large_freed == NT_MIB / 2 + page);
    uint64_t held = room_committed();
    CHECK(nt__large_realloc(s, nt__slab_of(p), 2 * NT_SLICE) == p); /* the room goes */
    CHECK(nt__slab_of(p)->run_slices == 2 && room_committed() == held - (SLICES - 2));
    CHECK(nt__large_free(s, nt__slab_of(p), p) && s->spares.slices == 2);
    char *q =
        nt__large_malloc_ahead(s, NT_MIB, true); /* it is too short for this one */
    CHECK(q && ahead(s) == p);
    CHECK(nt__large_free(s, nt__slab_of(q), q) && ahead(s) == q);
    CHECK(cycle(s, 2 * NT_MIB) != SIZE_MAX); /* a unit in all: the habit's */
    CHECK(s->spares.ahead == NULL && s->spares.slices == 2 * SLICES);
    CHECK((p = nt__large_malloc_ahead(s, page, true)) &&
          nt__large_free(s, nt__slab_of(p), p));
    CHECK(s->spares.ahead == NULL && s->spares.slices == 2 * SLICES);
    nt__spare_drop(s);
    CHECK((p = nt__large_malloc_ahead(s, page, true)) &&
          nt__large_free(s, nt__slab_of(p), p));
    CHECK(s->spares.slices == 1);
    nt__spare_drop(s);
    CHECK(s->spares.slices == 0 && !s->spares.ahead);
    return 0;
}

int main(void)
{
    room_start("2x1");
    struct CMUnitTest tests[] = {
        ACT(habit),  ACT(nested),   ACT(several), ACT(not_kept),
        ACT(bounds), ACT(as_asked), ACT(aged),    ACT(bound),
        ACT(broken), ACT(ended),    ACT(resized), ACT(ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
