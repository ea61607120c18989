/* SPDX-License-Identifier: MIT */
/* From any address to its slab and block, for every class; carving; closing. */
#include "pools/slab.h"

#include "tests/pools/room.h"

static struct nt_shard *owner;

static char *take(unsigned slices)
{
    bool clean;
    char *run = nt__arena_take(nt__arenas_get(0), slices, NT_SLICE, &clean);
    assert_non_null(run);
    return run;
}

static void give(struct nt_slab *slab, char *run, unsigned slices)
{
    nt__slab_close(slab);
    for (unsigned i = 0; i < slices; i++)
        assert_null(nt__slab_of(run + i * NT_SLICE));
    nt__arena_give(nt__arenas_get(0), run, slices, false);
}

/* Every byte of a slab of each class belongs to it, and blocks start where they do. */
static void test_addresses(void **state)
{
    (void)state;
    for (unsigned c = 0; c < nt__sizeclasses.count; c++) {
        unsigned slices = nt__sizeclasses.most[c];
        size_t size = nt__sizeclasses.size[c];
        char *run = take(slices);
        struct nt_slab *slab =
            nt__slab_open(run, c, nt__sizeclasses.most[c], owner, true);
        assert_true(slab->owner == owner && slab->size == size && slab->class == c);
        size_t skipped = slab->start - (uintptr_t)run;
        assert_true(skipped < size && (slab->start - nt__window.base) % size == 0);
        assert_int_equal(slab->capacity, (slices * NT_SLICE - skipped) / size);
        assert_true(slab->capacity > 0);
        nt__slab_check(slab);
        size_t step = size <= 1024 ? 1 : 61;
        for (size_t at = 0; at < slices * NT_SLICE; at += step) {
            assert_ptr_equal(nt__slab_of(run + at), slab);
            bool starts = at >= skipped && (at - skipped) % size == 0;
            if (nt__slab_starts(slab, run + at) != starts)
                fail_msg("class %zu, offset %zu", size, at);
        }
        for (size_t at = skipped; at < slices * NT_SLICE; at += size)
            assert_true(nt__slab_starts(slab, run + at));
        give(slab, run, slices);
        for (unsigned i = 0; i < slices; i++)
            assert_null(nt__slab_of(run + i * NT_SLICE));
    }
}

/* The multiplication is exact wherever in the widest window a block may lie, for any size
 * that a table of classes may have. */
static void test_multiples(void **state)
{
    (void)state;
    uint64_t r = 88172645463325252u;
    for (size_t size = NT_GRAIN; size <= NT_CLASSED_MAX; size += NT_GRAIN) {
        struct nt_slab slab = {.magic = UINT64_MAX / size + 1};
        for (unsigned i = 0; i < 40; i++) {
            r ^= r << 13, r ^= r >> 7, r ^= r << 17;
            size_t most = i < 20 ? NT_WINDOW_MOST / size : r >> 20 & 0xffff;
            size_t at = i == 0 ? most * size : r % (most + 1) * size;
            size_t off = 1 + r / 3 % (size - 1);
            if (!nt__slab_starts_at(&slab, at) || nt__slab_starts_at(&slab, at + off) ||
                nt__slab_starts_at(&slab, at + 1) ||
                (at && nt__slab_starts_at(&slab, at - 1)))
                fail_msg("size %zu, offset %zu, %zu behind it", size, at, off);
        }
    }
}

/* All blocks of a slab come out once, in its bounds, whether it is clean or not. */
static void test_carve(void **state)
{
    static bool seen[65536];
    (void)state;
    for (int clean = 0; clean < 2; clean++)
        for (unsigned c = 0; c < nt__sizeclasses.count; c++) {
            unsigned slices = nt__sizeclasses.most[c];
            size_t size = nt__sizeclasses.size[c];
            char *run = take(slices);
            struct nt_slab *slab =
                nt__slab_open(run, c, nt__sizeclasses.most[c], owner, clean);
            char *start = (char *)slab->start;
            memset(seen, 0, sizeof seen);
            unsigned blocks = 0;
            while (slab->carved < slab->capacity) {
                char *p = nt__slab_carve(slab);
                struct nt_block *list = slab->free;
                nt__slab_check(slab);
                unsigned listed = nt__slab_listed(slab);
                assert_true(size > 2048 || listed > 0 ||
                            slab->carved == slab->capacity);
                for (;;) {
                    size_t i = (size_t)(p - start) / size;
                    assert_int_equal((size_t)(p - start) % size, 0);
                    assert_true(i < slab->carved && !seen[i]);
                    assert_true(nt__slab_carved(slab, p));
                    seen[i] = true;
                    blocks++;
                    if (!list)
                        break;
                    p = (char *)list;
                    list = list->next;
                }
                slab->free = NULL;
            }
            assert_int_equal(blocks, slab->capacity);
            assert_false(nt__slab_carved(slab, start + slab->capacity * size));
            assert_false(nt__slab_carved(slab, start - 1));
            give(slab, run, slices);
        }
}

/* Only as much of fresh memory is touched as shares a page with the block. */
static void test_carve_touches_little(void **state)
{
    (void)state;
    unsigned c = nt__sizeclass_of(64);
    char *run = take(nt__sizeclasses.most[c]);
    struct nt_slab *slab = nt__slab_open(run, c, nt__sizeclasses.most[c], owner, true);
    nt__slab_carve(slab);
    assert_true(slab->carved * 64 <= 4096);
    give(slab, run, nt__sizeclasses.most[c]);
}

static void test_lists(void **state)
{
    (void)state;
    unsigned c = nt__sizeclass_of(48);
    char *run = take(nt__sizeclasses.most[c]);
    struct nt_slab *slab = nt__slab_open(run, c, nt__sizeclasses.most[c], owner, false);
    char *p = nt__slab_carve(slab);
    assert_ptr_equal(p, (char *)slab->start);
    assert_int_equal(nt__slab_listed(slab), slab->carved - 1);
    assert_false(nt__slab_lists(slab, p));
    assert_true(nt__slab_lists(slab, p + 48));
    assert_true(nt__slab_lists(slab, p + 48 * (slab->carved - 1)));
    assert_false(nt__slab_lists(slab, p + 49));
    assert_false(nt__slab_lists(slab, p + 48 * slab->carved));
    /* A list that leads astray, as after a write past a block, is not followed. */
    struct nt_block *first = slab->free;
    struct nt_block *second = first->next;
    first->next = (struct nt_block *)(void *)((char *)second + 1);
    assert_false(nt__slab_lists(slab, p + 48 * 5));
    first->next = (struct nt_block *)(void *)&slab;
    assert_false(nt__slab_lists(slab, p + 48 * 5));
    second->next = first; /* nor round and round */
    first->next = second;
    assert_false(nt__slab_lists(slab, p + 48 * 5));
    slab->free = NULL;
    give(slab, run, nt__sizeclasses.most[c]);
}

static void test_large(void **state)
{
    (void)state;
    char *run = take(20);
    struct nt_slab *slab = nt__slab_open_large(run, 20, 20 * NT_SLICE - 4096, owner);
    assert_true(slab->kind == NT_SLAB_LARGE && slab->owner == NULL);
    assert_int_equal(slab->bytes, 20 * NT_SLICE - 4096);
    assert_int_equal(slab->run_slices, 20);
    assert_true(slab->home == owner && slab->slot == owner->slot);
    assert_int_equal(slab->class, nt__sizeclass_large());
    assert_ptr_equal(nt__slab_of(run), slab);
    assert_ptr_equal(nt__slab_of(run + NT_SLICE - 1), slab);
    assert_null(nt__slab_of(run + NT_SLICE));
    give(slab, run, 20);
}

static void test_change_owner(void **state)
{
    (void)state;
    unsigned c = nt__sizeclass_of(NT_CLASSED_MAX);
    unsigned slices = nt__sizeclasses.most[c];
    char *run = take(slices);
    struct nt_slab *slab = nt__slab_open(run, c, nt__sizeclasses.most[c], owner, true);
    struct nt_shard *other = room_shard(0, NULL);
    nt__slab_change_owner(slab, other);
    for (unsigned i = 0; i < slices; i++)
        assert_ptr_equal(nt__slab_of(run + i * NT_SLICE)->owner, other);
    give(slab, run, slices);
}

static struct nt_slab *broken;

static int act_check(void)
{
    nt__slab_check(broken);
    return 0;
}

/* What nt__slab_check is for. */
static void test_check_finds(void **state)
{
    (void)state;
    unsigned c = nt__sizeclass_of(100);
    char *run = take(nt__sizeclasses.most[c]);
    broken = nt__slab_open(run, c, nt__sizeclasses.most[c], owner, false);
    nt__slab_carve(broken);
    child_ok(act_check);
    struct nt_block *list = broken->free;
    broken->free = list->next->next;
    struct nt_block *next = ((struct nt_block *)broken->free)->next;
    ((struct nt_block *)broken->free)->next = (struct nt_block *)(void *)(run + 3);
    child_aborts(act_check, "defect of numatally");
    ((struct nt_block *)broken->free)->next = next;
    broken->size += 16;
    child_aborts(act_check, "size");
    broken->size -= 16;
    uint16_t carved = broken->carved;
    broken->carved = (uint16_t)(broken->capacity + 1);
    child_aborts(act_check, "carved");
    broken->carved = carved;
    broken->place = NT_PLACE_PARTIAL;
    broken->back = 1;
    child_aborts(act_check, "back");
    broken->place = NT_PLACE_FULL;
    child_aborts(act_check, "back");
    broken->free = NULL;
    give(broken, run, nt__sizeclasses.most[c]);
}

int main(void)
{
    room_start("1x1");
    owner = room_shard(0, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_multiples),
        cmocka_unit_test(test_carve),
        cmocka_unit_test(test_carve_touches_little),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_change_owner),
        cmocka_unit_test(test_check_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
