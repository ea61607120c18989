/* SPDX-License-Identifier: MIT */
/* Aligned blocks in numbers: they come off the current slab of their class, as others do,
 * and are counted as others are; a sampled one is aligned, too. */
#include "tests/child.h"

#include "src/base/base.h"

#include <errno.h>
#include <numatally/numatally.h>
#include <numatally/profile.h>
#include <numatally/stats.h>

enum { BLOCKS = 3000 };

static unsigned char *block[BLOCKS];

static size_t size_of(unsigned i, size_t align)
{
    return 1 + (size_t)i * 37 % 1500 + (i % 7 == 0 ? align : 0);
}

static void fill(size_t align, bool by_posix)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t size = size_of(i, align);
        void *p = NULL;
        if (by_posix)
            assert_int_equal(nt_posix_memalign(&p, align, size), 0);
        else
            p = nt_aligned_alloc(align, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p & (align - 1), 0);
        assert_true(nt_usable_size(p) >= size);
        block[i] = memset(p, (int)(i % 251), size);
    }
}

static void empty(size_t align)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t size = size_of(i, align);
        for (size_t b = 0; b < size; b++)
            if (block[i][b] != i % 251)
                fail_msg("block %u of alignment %zu, byte %zu", i, align, b);
        nt_free_aligned_sized(block[i], align, size);
    }
}

/* Many live at once, apart from each other, twice: from new slabs and from used ones. */
static void test_many(void **state)
{
    static struct nt_snapshot before, after;
    (void)state;
    errno = 17;
    for (size_t align = sizeof(void *); align <= 4096; align *= 2) {
        uint64_t asked = 0;
        for (unsigned i = 0; i < BLOCKS; i++)
            asked += 2 * size_of(i, align);
        assert_int_equal(nt_snapshot(&before), 0);
        for (int round = 0; round < 2; round++) {
            fill(align, round == 1);
            empty(align);
        }
        assert_int_equal(nt_snapshot(&after), 0);
        assert_int_equal(after.total.allocations_total - before.total.allocations_total,
                         2 * BLOCKS);
        assert_int_equal(after.total.frees_total - before.total.frees_total,
                         2 * BLOCKS);
        assert_int_equal(after.total.requested_bytes_total -
                             before.total.requested_bytes_total,
                         asked);
        assert_int_equal(after.total.live_bytes_now, before.total.live_bytes_now);
    }
    assert_int_equal(errno, 17);
}

/* With an interval of 1 each is a sample, and lies as it must. */
static void test_sampled(void **state)
{
    (void)state;
    assert_int_equal(nt_sample(1), 0);
    nt_free(nt_malloc(100000)); /* a slow call sees it */
    for (size_t align = 32; align <= 4096; align *= 4) {
        long had = nt_snapshot_samples(NULL, 0);
        fill(align, align == 128);
        assert_int_equal(nt_snapshot_samples(NULL, 0) - had, BLOCKS);
        empty(align);
        assert_int_equal(nt_snapshot_samples(NULL, 0), had);
    }
    assert_int_equal(nt_sample(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_sampled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
