/* SPDX-License-Identifier: MIT */
/* Every size finds the smallest class that holds it, whatever table is asked for. */
#include "pools/sizeclass.h"

#include "numa/window.h"
#include "tests/child.h"

static const struct nt_sizeclasses *t = &nt__sizeclasses;

/* What every table must be, and every size's class. */
static void check_table(void)
{
    assert_true(t->count >= 1 && t->count < NT_CLASSES);
    assert_int_equal(t->process, t->count);
    assert_true(nt__sizeclass_large() >= t->count);
    assert_int_equal(t->size[nt__sizeclass_large()], 0);
    assert_int_equal(t->size[t->count - 1], NT_CLASSED_MAX);
    for (unsigned c = 0; c < t->count; c++) {
        assert_int_equal(t->size[c] % NT_GRAIN, 0);
        assert_true(c == 0 || t->size[c] > t->size[c - 1]);
        assert_true(nt__is_pow2(t->most[c]) && t->most[c] <= NT_UNIT_SLICES);
        assert_true(t->first[c] >= 1 && t->first[c] <= t->most[c]);
        assert_true(t->least[c] >= 1 && t->least[c] <= t->first[c]);
        assert_true(t->least[c] * NT_SLICE >= 2 * (size_t)t->size[c] - NT_GRAIN);
        assert_true(t->most[c] * NT_SLICE / t->size[c] <= UINT16_MAX);
    }
    unsigned c = 0;
    for (size_t size = 0; size <= NT_CLASSED_MAX; size++) {
        /* The smallest class, to 2 KiB above NT_SMALL_MAX. */
        size_t least = size <= NT_SMALL_MAX ? size : nt__align_up(size, 2 * NT_KIB);
        while (t->size[c] < least)
            c++;
        if (nt__sizeclass_of(size) != c)
            fail_msg("size %zu: class %u, not %u", size, nt__sizeclass_of(size), c);
    }
}

static void test_built_in(void **state)
{
    (void)state;
    assert_int_equal(nt__sizeclass_start(NULL, 0), 0);
    check_table();
    for (size_t size = 1; size <= NT_CLASSED_MAX; size++) {
        size_t block = t->size[nt__sizeclass_of(size)];
        if (size <= 128)
            assert_int_equal(block, nt__align_up(size, 16));
        else if ((block - size) * 8 > block)
            fail_msg("size %zu: %zu of %zu bytes are wasted", size, block - size,
                     block);
    }
}

/* Powers of two are what programs ask for. */
static void test_powers_of_two(void **state)
{
    (void)state;
    nt__sizeclass_start(NULL, 0);
    for (size_t size = 16; size <= NT_CLASSED_MAX; size *= 2)
        assert_int_equal(t->size[nt__sizeclass_of(size)], size);
}

static void test_slabs(void **state)
{
    (void)state;
    nt__sizeclass_start(NULL, 0);
    for (unsigned c = 0; c < t->count; c++) {
        size_t bytes = t->most[c] * NT_SLICE, first = t->first[c] * NT_SLICE;
        if (t->size[c] <= 4 * NT_KIB)
            assert_true(bytes / t->size[c] >= 512);
        else
            assert_int_equal(t->most[c], NT_UNIT_SLICES);
        /* No more slices than needed for that. */
        assert_true(t->most[c] == 1 || bytes / 2 / t->size[c] < 512);
        assert_true(first / t->size[c] >= 256 || first >= NT_MIB / 2);
        assert_true(t->first[c] == 1 || first / 2 / t->size[c] < 256);
        assert_true(t->least[c] == t->first[c] ||
                    t->least[c] * NT_SLICE / t->size[c] >= 8);
        /* One block at least, wherever the first begins. */
        assert_true(first <= NT_MIB / 2 ||
                    first / 2 < 2 * (size_t)t->size[c] - NT_GRAIN);
    }
}

/* Slabs of 64 KiB to 2 MiB: none is longer than allowed or needed, but each holds a block. */
static void test_short_slabs(void **state)
{
    (void)state;
    for (unsigned most = 1; most <= NT_UNIT_SLICES; most *= 2) {
        nt__sizeclass_slab(most);
        nt__sizeclass_start(NULL, 0);
        check_table();
        for (unsigned c = 0; c < t->count; c++) {
            size_t bytes = t->most[c] * NT_SLICE, half = bytes / 2;
            size_t one = 2 * (size_t)t->size[c] - NT_GRAIN; /* holds one anywhere */
            assert_true(bytes >= one);
            assert_true(t->most[c] <= most || half < one);
            assert_true(t->most[c] == 1 || half / t->size[c] < 512);
            if (t->most[c] < most)
                assert_true(bytes / t->size[c] >= 512);
        }
    }
    nt__sizeclass_start(NULL, 0);
    assert_int_equal(t->most[nt__sizeclass_of(NT_CLASSED_MAX)], NT_UNIT_SLICES);
}

static void test_aligned(void **state)
{
    (void)state;
    nt__sizeclass_start(NULL, 0);
    for (size_t align = 1; align <= NT_SLICE; align *= 2)
        for (size_t size = 0; size <= NT_CLASSED_MAX; size += 1 + size / 50) {
            unsigned c = nt__sizeclass_aligned(size, align);
            if (c == nt__sizeclass_large())
                continue;
            assert_true(t->size[c] >= size && t->size[c] % align == 0);
            for (unsigned k = nt__sizeclass_of(size); k < c; k++)
                assert_true(t->size[k] % align != 0); /* it is the first */
        }
    assert_int_equal(t->size[nt__sizeclass_aligned(1, NT_SLICE)], NT_SLICE);
    assert_int_equal(nt__sizeclass_aligned(NT_CLASSED_MAX, NT_SLICE), t->count - 1);
}

static void test_configured(void **state)
{
    static const uint32_t sizes[] = {16, 48, 112, 1008, 5008};
    (void)state;
    assert_int_equal(nt__sizeclass_start(sizes, 5), 5);
    check_table();
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(t->size[i], sizes[i]);
    assert_true(t->size[5] > 5008); /* the built-in ones go on above */
    nt__sizeclass_start(NULL, 0);
    unsigned count = t->count;
    assert_int_equal(nt__sizeclass_start((uint32_t[]){NT_CLASSED_MAX}, 1), 1);
    assert_int_equal(t->count, 1);
    check_table();
    nt__sizeclass_start(NULL, 0);
    assert_int_equal(t->count, count);
}

static void test_hostile(void **state)
{
    static const struct {
        uint32_t size[6];
        unsigned used;
    } cases[] = {
        {{0, 0, 0, 0, 0, 0}, 0},
        {{17, 24, 33, 8, 1, 15}, 0},               /* no multiples */
        {{64, 64, 64, 64, 64, 64}, 1},             /* not rising */
        {{640, 320, 160, 80, 48, 16}, 1},          /* falling */
        {{16, UINT32_MAX - 15, 32, 0, 48, 48}, 3}, /* far too large between */
        {{NT_CLASSED_MAX + 16, 32, 64, 16, 96, 95}, 3},
        {{NT_CLASSED_MAX - 16, NT_CLASSED_MAX, 16, 16, 16, 16}, 2},
    };
    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        assert_int_equal(nt__sizeclass_start(cases[i].size, 6), cases[i].used);
        check_table();
    }
}

static void test_too_many(void **state)
{
    static uint32_t sizes[1000];
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        sizes[i] = 16 * (i + 1);
    for (unsigned count = 90; count <= 1000; count += count < 130 ? 1 : 290) {
        unsigned used = nt__sizeclass_start(sizes, count);
        assert_true(used >= nt__min(count, NT_CLASSES - 2) || used == count);
        check_table();
        for (unsigned c = 0; c + 1 < used; c++)
            assert_int_equal(t->size[c], sizes[c]);
    }
}

static void test_random_tables(void **state)
{
    uint32_t sizes[140], draw = 1;
    (void)state;
    for (int round = 0; round < 60; round++) {
        unsigned count = (unsigned)round * 2 + 1;
        for (unsigned i = 0; i < count; i++) {
            draw = draw * 1664525 + 1013904223;
            sizes[i] = draw >> (10 + draw % 12) & ~(draw % 5 ? 15u : 0u);
        }
        assert_true(nt__sizeclass_start(sizes, count) <= count);
        check_table();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_in),      cmocka_unit_test(test_powers_of_two),
        cmocka_unit_test(test_slabs),         cmocka_unit_test(test_short_slabs),
        cmocka_unit_test(test_aligned),       cmocka_unit_test(test_configured),
        cmocka_unit_test(test_hostile),       cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_random_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
