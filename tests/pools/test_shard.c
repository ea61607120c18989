/* SPDX-License-Identifier: MIT */
/*
 * One shard against a shadow model: blocks are apart, keep their contents, are counted
 * to the last one; slabs move between the lists as slab.h says and go back when empty.
 */
#include "pools/shard.h"

#include "pools/large.h"
#include "pools/remote.h"
#include "tests/pools/room.h"

#include <errno.h>
#include <sys/mman.h>

static struct nt_shard *new_shard(void)
{
    struct nt_shard *s = room_shard(0, NULL);
    assert_non_null(s);
    return s;
}

static uint64_t slabs_of(const struct nt_shard *s)
{
    uint64_t n = 0;
    for (unsigned c = 0; c < nt__sizeclasses.count; c++)
        n += s->slabs[c];
    return n;
}

/* Every class: a block, all its bytes, and back; fresh ones read as zero if said so. */
static void test_every_class(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard();
    for (unsigned c = 0; c < nt__sizeclasses.count; c++) {
        size_t size = nt__sizeclasses.size[c];
        bool zeroed;
        char *p = nt__shard_malloc(s, c, &(struct nt_asked){size, size, 1}, &zeroed);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % NT_GRAIN, 0);
        for (size_t i = 0; zeroed && i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 1, size);
        assert_int_equal(s->allocs[c], 1);
        assert_int_equal(s->requested[c], size);
        assert_int_equal(s->slabs[c], (uint64_t)nt__sizeclasses.first[c] << 32 | 1);
        room_free(s, p);
        assert_int_equal(s->frees[c], 1);
        nt__shard_check(s);
    }
    nt__shard_trim(s);
    assert_int_equal(slabs_of(s), 0);
}

enum { BLOCKS = 4000 };

static void test_random(void **state)
{
    static struct {
        unsigned char *p;
        size_t size;
        unsigned char mark;
    } kept[BLOCKS];
    static uint64_t allocs[NT_CLASSES], frees[NT_CLASSES], requested[NT_CLASSES];
    (void)state;
    uint64_t before = room_committed();
    struct nt_shard *s = new_shard();
    uint32_t draw = 12345;
    for (int step = 0; step < 200000; step++) {
        draw = draw * 1664525 + 1013904223;
        unsigned i = (draw >> 8) % BLOCKS;
        /* Phases that grow and phases that shrink, so that slabs fill and empty. */
        bool grow = (step / 20000) % 2 == 0 || draw >> 30 == 0;
        if (kept[i].p && !grow) {
            unsigned c = nt__sizeclass_of(kept[i].size);
            assert_int_equal(kept[i].p[0], kept[i].mark);
            assert_int_equal(kept[i].p[nt__sizeclasses.size[c] - 1], kept[i].mark);
            room_free(s, kept[i].p);
            kept[i].p = NULL;
            frees[c]++;
        } else if (!kept[i].p && grow) {
            static const size_t tops[] = {64, 300, 2000, 9000, 70000, NT_CLASSED_MAX};
            size_t top = tops[draw % 97 == 0 ? 5 : draw % 23 == 0 ? 4 : draw % 4];
            kept[i].size = 1 + (draw >> 4) % top;
            kept[i].p = room_malloc(s, kept[i].size);
            assert_non_null(kept[i].p);
            unsigned c = nt__sizeclass_of(kept[i].size);
            kept[i].mark = (unsigned char)step;
            kept[i].p[0] = kept[i].p[nt__sizeclasses.size[c] - 1] = (unsigned char)step;
            allocs[c]++;
            requested[c] += kept[i].size;
        }
        if (step % 1000 == 0)
            nt__shard_check(s);
    }
    for (unsigned c = 0; c < nt__sizeclasses.count; c++) {
        assert_int_equal(s->allocs[c], allocs[c]);
        assert_int_equal(s->frees[c], frees[c]);
        assert_int_equal(s->requested[c], requested[c]);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (kept[i].p) {
            assert_int_equal(kept[i].p[0], kept[i].mark);
            room_free(s, kept[i].p);
        }
    nt__shard_check(s);
    nt__shard_trim(s);
    assert_int_equal(slabs_of(s), 0);
    assert_int_equal(room_committed(), before);
}

/* A slab is put aside when full, and serves again once a quarter of it is free. */
static void test_places(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard();
    unsigned c = nt__sizeclass_of(1024);
    static char *p[5000];
    p[0] = room_malloc(s, 1024);
    unsigned capacity = nt__slab_of(p[0])->capacity;
    assert_true(capacity < NT_ARRAY_LEN(p));
    for (unsigned i = 1; i <= capacity; i++)
        p[i] = room_malloc(s, 1024);
    struct nt_slab *first = nt__slab_of(p[0]);
    assert_int_equal(first->place, NT_PLACE_FULL);
    assert_ptr_equal(s->full, first);
    assert_int_equal(nt__slab_of(p[capacity])->place, NT_PLACE_CURRENT);
    unsigned slices = 2 * nt__sizeclasses.first[c];
    assert_int_equal(s->slabs[c], (uint64_t)slices << 32 | 2);
    for (unsigned i = 0; i < capacity / 4 - 1; i++)
        room_free(s, p[i]);
    assert_int_equal(first->place, NT_PLACE_FULL);
    room_free(s, p[capacity / 4 - 1]);
    assert_int_equal(first->place, NT_PLACE_PARTIAL);
    assert_ptr_equal(s->partial[c], first);
    assert_null(s->full);
    nt__slab_check(first);
    for (unsigned i = capacity / 4; i < capacity; i++)
        room_free(s, p[i]);
    nt__shard_check(s);
    room_free(s, p[capacity]);
    nt__shard_trim(s);
    assert_int_equal(s->slabs[c], 0);
}

/* Blocks that were used are handed out before memory that never was; and then that is. */
static void test_used_first(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard();
    static char *p[NT_UNIT / 4096];
    nt__arenas_purge(); /* what comes is fresh */
    p[0] = room_malloc(s, 4096);
    struct nt_slab *first = nt__slab_of(p[0]);
    unsigned capacity = first->capacity, n;
    for (n = 1; n <= capacity; n++)
        p[n] = room_malloc(s, 4096);
    struct nt_slab *second = nt__slab_of(p[capacity]);
    assert_true(second != first && second->clean);
    unsigned carved = second->carved;
    for (unsigned i = 0; i < capacity / 2; i++)
        room_free(s, p[i]);
    assert_int_equal(first->place, NT_PLACE_PARTIAL);
    for (unsigned i = 0; i < capacity / 2; i++)
        assert_ptr_equal(nt__slab_of(p[i] = room_malloc(s, 4096)), first);
    assert_int_equal(second->carved, carved);
    assert_int_equal(second->place, NT_PLACE_PARTIAL);
    nt__shard_check(s);
    p[n++] = room_malloc(s, 4096); /* nothing used is left */
    assert_ptr_equal(nt__slab_of(p[n - 1]), second);
    assert_true(second->carved > carved);
    for (unsigned i = 0; i < capacity; i++)
        room_free(s, p[i]);
    assert_int_equal(first->place, NT_PLACE_EMPTY); /* no less used for that */
    carved = second->carved;
    while (second->free)
        p[n++] = room_malloc(s, 4096);
    assert_ptr_equal(nt__slab_of(p[0] = room_malloc(s, 4096)), first);
    assert_int_equal(second->carved, carved);
    room_free(s, p[0]);
    while (n != capacity)
        room_free(s, p[--n]);
    nt__shard_trim(s);
    assert_int_equal(slabs_of(s), 0);
}

/* What a class has grows by an eighth to a quarter, or by a first slab. */
static void test_slabs_grow(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard();
    unsigned c = nt__sizeclass_of(16384), n = 0;
    static char *p[40 * NT_UNIT / 16384];
    uint64_t held = 0, longest = 0;
    while (longest < NT_UNIT_SLICES) {
        assert_true(n < NT_ARRAY_LEN(p));
        assert_non_null(p[n++] = room_malloc(s, 16384));
        uint64_t more = (s->slabs[c] >> 32) - held;
        if (more == 0)
            continue;
        assert_true(more == nt__sizeclasses.first[c] ||
                    (more <= held / 4 && more > held / 8));
        assert_true(more >= longest);
        longest = more;
        held += more;
    }
    while (n != 0)
        room_free(s, p[--n]);
    nt__shard_trim(s);
    assert_int_equal(slabs_of(s), 0);
}

/* Of a long slab not a quarter need be free for it to serve again. */
static void test_room(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard();
    unsigned c = nt__sizeclass_of(16384), n = 0;
    static char *p[NT_UNIT / 16384 * 2];
    struct nt_slab *slab;
    p[n++] = room_malloc(s, 16384);
    slab = nt__slab_of(p[0]);
    for (; (uint32_t)s->slabs[c] < 2; n++)
        p[n] = room_malloc(s, 16384);
    assert_int_equal(slab->place, NT_PLACE_FULL);
    unsigned freed = 0;
    while (slab->place == NT_PLACE_FULL) {
        room_free(s, p[freed]);
        p[freed++] = p[--n];
    }
    assert_true(freed >= 4 && freed * 16384 <= 2 * NT_SLICE);
    while (n != 0)
        room_free(s, p[--n]);
    nt__shard_trim(s);
}

static void test_receive(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard();
    unsigned c = nt__sizeclass_of(2048);
    static struct nt_block *p[5000];
    p[0] = room_malloc(s, 2048);
    unsigned capacity = nt__slab_of(p[0])->capacity;
    assert_true(capacity < NT_ARRAY_LEN(p));
    for (unsigned i = 1; i <= capacity; i++)
        p[i] = room_malloc(s, 2048);
    struct nt_slab *slab = nt__slab_of(p[0]);
    for (unsigned i = 0; i < capacity; i++) {
        p[i]->next = i + 1 < capacity ? p[i + 1] : NULL;
        p[i]->key = NT_KEY;
    }
    nt__shard_receive(s, slab, NULL, 0);
    assert_int_equal(slab->place, NT_PLACE_FULL);
    struct nt_block *rest = p[2]->next;
    p[2]->next = NULL;
    nt__shard_receive(s, slab, p[0], 3);
    assert_int_equal(slab->place, NT_PLACE_FULL);
    assert_int_equal(nt__slab_listed(slab), 3);
    nt__shard_receive(s, slab, rest, capacity - 3); /* over the edge, and to the end */
    assert_int_equal(slab->place, NT_PLACE_EMPTY);
    assert_int_equal(slab->back, 0);
    assert_int_equal(nt__slab_listed(slab), capacity);
    nt__shard_check(s);
    room_free(s, p[capacity]);
    s->frees[c] += capacity; /* as whoever freed them had counted */
    nt__shard_trim(s);
    assert_int_equal(s->slabs[c], 0);
}

/* Memory that another shard freed. */
static void leave_waiting(const struct nt_shard *s)
{
    bool clean;
    void *run = nt__arena_take(s->arena, 64, NT_SLICE, &clean);
    assert_non_null(run);
    nt__arena_give(s->arena, run, 64, false);
    assert_true(nt__arena_waits(s->arena));
}

/* So many times the delay passes, and the shard does what makes it look. */
static void pass_delays(struct nt_shard *s, int times)
{
    for (int looks = 0; looks < times; looks++) {
        usleep(80 * 1000);
        for (int i = 0; i < 128; i++)
            room_free(s, room_malloc(s, 64));
    }
}

/* Slabs that a batch left empty serve the next one; another class or a large block gets their
 * memory, but for a unit; and what nobody needed for the delay goes back, the current slab too. */
static void test_kept(void **state)
{
    enum { BATCH = 600, SIZE = 32768 };
    static char *p[BATCH];
    (void)state;
    struct nt_shard *s = new_shard();
    nt__arena_config.return_ms = 50;
    uint64_t committed = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BATCH; i++)
            assert_non_null(p[i] = room_malloc(s, SIZE));
        if (round == 0)
            committed = room_committed();
        assert_int_equal(room_committed(), committed); /* nothing is cut anew */
        for (int i = BATCH; i-- > 0;)
            room_free(s, p[i]);
        nt__shard_check(s);
    }
    assert_true(s->empty_slices > 2 * NT_UNIT_SLICES);
    char *other = room_malloc(s, 3000);
    assert_true(s->empty_slices <= NT_UNIT_SLICES);
    room_free(s, other);
    for (int large = 1; large >= 0; large--) {
        for (int i = 0; i < BATCH; i++)
            assert_non_null(p[i] = room_malloc(s, SIZE));
        for (int i = BATCH; i-- > 0;)
            room_free(s, p[i]);
        assert_true(s->empty_slices > 2 * NT_UNIT_SLICES && s->watching);
        if (large == 0)
            break;
        other = nt__large_malloc(s, 8 * NT_MIB, 1, false);
        assert_true(other && s->empty_slices <= NT_UNIT_SLICES);
        nt__large_free(s, nt__slab_of(other), other);
    }
    pass_delays(s, 4); /* with nothing of it needed */
    assert_int_equal(s->empty_slices, 0);
    assert_ptr_equal(s->current[nt__sizeclass_of(SIZE)], &nt__slab_none);
    nt__shard_check(s);
    nt__arena_config.return_ms = 1000;
}

/* Current slabs go out of use when nobody uses them, while something waits: those with a
 * block out stay, for the next one of their class, and one that is in use stays current. */
static void test_current_ages(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard();
    nt__arena_config.return_ms = 50;
    unsigned kept = nt__sizeclass_of(3000), gone = nt__sizeclass_of(5000);
    unsigned used = nt__sizeclass_of(64);
    char *p = room_malloc(s, 3000);
    room_free(s, room_malloc(s, 5000));
    room_free(s, room_malloc(s, 64));
    const struct nt_slab *slab = s->current[used];
    void *large[2] = {room_malloc(s, 32768), room_malloc(s, 500000)};
    room_free(s, large[0]);
    room_free(s, large[1]);
    leave_waiting(s);
    nt__shard_watch(s);
    pass_delays(s, 4);
    assert_ptr_equal(s->current[gone], &nt__slab_none);
    assert_int_equal(s->slabs[gone], 0);
    assert_ptr_equal(s->current[kept], &nt__slab_none);
    assert_ptr_equal(s->partial[kept], nt__slab_of(p));
    assert_ptr_equal(s->current[used], slab);
    assert_int_equal(s->empty_slices, 0);
    nt__shard_check(s);
    char *q = room_malloc(s, 3000);
    assert_ptr_equal(nt__slab_of(q), nt__slab_of(p));
    room_free(s, q);
    room_free(s, p);
    nt__shard_trim(s);
    nt__arena_config.return_ms = 1000;
}

/* A current slab whose list is dry is aged while it looks for what came back: it is not carved
 * from any more, then, nor put on a list twice. */
static void test_retired_in_refill(void **state)
{
    enum { BATCH = 1200, SIZE = 32768, MINE = 2000 }; /* more than is kept */
    static char *p[BATCH], *mine[MINE];
    (void)state;
    struct nt_shard *s = new_shard(), *other = new_shard();
    unsigned c = nt__sizeclass_of(80);
    int n = 0;
    nt__arena_config.return_ms = 50;
    do
        mine[n++] = room_malloc(s, 80);
    while (s->current[c]->free);
    assert_true(s->current[c]->clean &&
                s->current[c]->carved < s->current[c]->capacity);
    for (int i = 0; i < BATCH; i++)
        assert_non_null(p[i] = room_malloc(s, SIZE));
    leave_waiting(s);
    nt__shard_watch(s);
    nt__shard_watch(s); /* notes what was used */
    for (int i = 0; i < BATCH; i++)
        nt__remote_gather(other, nt__slab_of(p[i]), p[i]);
    nt__remote_flush(other);
    usleep(80 * 1000);
    mine[n++] = room_malloc(s, 80);
    assert_ptr_equal(s->current[c], nt__slab_of(mine[n - 1]));
    nt__shard_check(s);
    while (n < MINE)
        assert_non_null(mine[n++] = room_malloc(s, 80));
    for (int i = 0; i < MINE; i++)
        memset(mine[i], i % 100, 80);
    for (int i = 0; i < MINE - 1; i++)
        room_free(s, mine[i]);
    nt__shard_check(s);
    nt__shard_trim(s);
    assert_int_equal(s->slabs[c] & UINT32_MAX, 1);
    for (int i = 0; i < 80; i++)
        assert_int_equal(mine[MINE - 1][i], (MINE - 1) % 100);
    room_free(s, mine[MINE - 1]);
    nt__shard_trim(s);
    nt__arena_config.return_ms = 1000;
}

/* Blocks of others are sent home when the delay has passed, though no batch is full. */
static void test_gathered_ages(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard(), *other = new_shard();
    nt__arena_config.return_ms = 50;
    char *p = room_malloc(other, 3000);
    room_free(s, room_malloc(s, 64));
    leave_waiting(s);
    nt__shard_watch(s);
    nt__remote_gather(s, nt__slab_of(p), p);
    assert_int_equal(nt__slab_of(p)->remote, 0);
    pass_delays(s, 2);
    assert_int_not_equal(nt__slab_of(p)->remote, 0);
    nt__shard_trim(s);
    nt__shard_trim(other);
    nt__arena_config.return_ms = 1000;
}

/* What others left is noticed within some hundred frees, by a shard that waits for nothing
 * itself. */
static void test_notices(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard();
    nt__arena_purge(s->arena);
    pass_delays(s, 1);
    for (int i = 0; i < 600; i++)
        room_free(s, room_malloc(s, 64));
    assert_false(s->watching);
    leave_waiting(s);
    for (int i = 0; i < 600; i++)
        room_free(s, room_malloc(s, 64));
    assert_true(s->watching);
    nt__shard_trim(s);
    nt__arena_purge(s->arena);
}

static void test_yield(void **state)
{
    (void)state;
    struct nt_shard *s = new_shard();
    unsigned c = nt__sizeclass_of(512);
    assert_null(nt__shard_yield(s, c));
    char *p = room_malloc(s, 512);
    struct nt_slab *slab = nt__shard_yield(s, c);
    assert_ptr_equal(slab, nt__slab_of(p));
    assert_int_equal(s->slabs[c], 0);
    assert_null(nt__shard_yield(s, c));
    nt__shard_check(s);
}

static void test_empty(void **state)
{
    (void)state;
    uint64_t before = room_committed();
    struct nt_shard *s = new_shard();
    for (int i = 0; i < 3000; i++) {
        char *p = room_malloc(s, (size_t)(i * 7 % 6000));
        assert_non_null(p);
        if (i % 3 == 0)
            room_free(s, p);
    }
    nt__shard_empty(s);
    assert_int_equal(slabs_of(s), 0);
    assert_int_equal(room_committed(), before);
    for (unsigned c = 0; c < nt__sizeclasses.count; c++)
        assert_int_equal(s->allocs[c], s->frees[c]);
    assert_non_null(room_malloc(s, 100));
    nt__shard_check(s);
}

static struct nt_shard *broken;

static int act_check(void)
{
    nt__shard_check(broken);
    return 0;
}

static void test_check_finds(void **state)
{
    (void)state;
    broken = new_shard();
    char *p = room_malloc(broken, 64);
    struct nt_slab *slab = nt__slab_of(p);
    child_ok(act_check);
    slab->place = NT_PLACE_PARTIAL;
    child_aborts(act_check, "defect of numatally");
    slab->place = NT_PLACE_CURRENT;
    slab->owner = new_shard();
    child_aborts(act_check, "owner");
    slab->owner = broken;
    room_free(broken, p);
    child_ok(act_check);
}

/* Frees that give memory back, and are refused it, do not tell errno. */
static void test_errno(void **state)
{
    (void)state;
    enum { MANY = 8192, SIZE = 2048 };
    static char *block[MANY];
    struct nt_shard *s = new_shard();
    uint32_t before = nt__arena_config.return_ms;
    nt__arena_config.return_ms = 0;
    for (unsigned i = 0; i < MANY; i++) {
        block[i] = room_malloc(s, SIZE);
        assert_non_null(block[i]);
    }
    for (unsigned i = 0; i < MANY; i += NT_UNIT / SIZE / 2)
        if (mlock(block[i], 1) != 0) /* the kernel keeps these pages */
            print_message("mlock is not allowed here: errno %d\n", errno);
    for (unsigned i = 0; i < MANY; i++) {
        errno = 0;
        room_free(s, block[i]);
        assert_int_equal(errno, 0);
    }
    nt__arena_config.return_ms = before;
    munlockall();
}

int main(void)
{
    room_start("1x1");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retired_in_refill), /* while memory is clean */
        cmocka_unit_test(test_every_class),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_used_first),
        cmocka_unit_test(test_slabs_grow),
        cmocka_unit_test(test_receive),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_yield),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_check_finds),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_current_ages),
        cmocka_unit_test(test_notices),
        cmocka_unit_test(test_gathered_ages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
