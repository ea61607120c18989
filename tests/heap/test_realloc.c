/* SPDX-License-Identifier: MIT */
/* realloc: contents and errors, what moves and what does not, and how it is counted. */
#include "tests/child.h"
#include "tests/heap/sizes.h"

#include <errno.h>
#include <numatally/numa.h>
#include <numatally/numatally.h>
#include <numatally/stats.h>
#include <unistd.h>

/* Between classes far apart none gets so much room that free_sized thinks it another's. */
static int act_far_classes(void)
{
    setenv("NUMATALLY_CONF", "classes:16;176;208;1K;5K", 1);
    for (size_t from = 1; from < 1024; from += 3)
        for (size_t to = 1; to < 1100; to += 7) {
            char *p = nt_realloc(nt_malloc(from), to);
            CHECK(p && nt_usable_size(p) >= to);
            nt_free_sized(p, to); /* a mistake would be the end */
        }
    return 0;
}

static void test_far_classes(void **state)
{
    (void)state;
    child_ok(act_far_classes);
}

static void test_resize(void **state)
{
    (void)state;
    errno = 5;
    for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++)
        for (size_t k = 0; k < NT_ARRAY_LEN(sizes); k++) {
            if (sizes[i] > 10000000 && sizes[k] > 10000000)
                continue;
            unsigned char *p = nt_malloc(sizes[i]);
            memset(p, (int)i + 1, sizes[i]);
            unsigned char *q = nt_realloc(p, sizes[k]);
            if (sizes[k] == 0) {
                assert_null(q);
                continue;
            }
            assert_non_null(q);
            assert_true(all(q, (int)i + 1, nt__min(sizes[i], sizes[k])));
            assert_true(nt_usable_size(q) >= sizes[k]);
            memset(q, 7, nt_usable_size(q));
            nt_free(q);
        }
    char *p = nt_realloc(NULL, 100);
    assert_non_null(p);
    strcpy(p, "kept");
    assert_int_equal(errno, 5);
    ASSERT_FAILS(nt_realloc(p, huge + 1), ENOMEM);
    ASSERT_FAILS(nt_realloc(p, (size_t)1 << 46), ENOMEM);
    ASSERT_FAILS(nt_reallocarray(p, huge, 4), ENOMEM);
    ASSERT_FAILS(nt_reallocarray(p, most, most), ENOMEM);
    ASSERT_FAILS(nt_realloc(NULL, huge + 1), ENOMEM);
    assert_string_equal(p, "kept");
    p = nt_reallocarray(p, 1000, 1000);
    assert_true(p && strcmp(p, "kept") == 0 && nt_usable_size(p) >= 1000000);
    ASSERT_FAILS(nt_realloc(p, (size_t)1 << 46),
                 ENOMEM); /* a large one too stays valid */
    assert_string_equal(p, "kept");
    assert_null(nt_reallocarray(p, 0, 10));
}

/* A little more or less of the same block moves nothing. */
static void test_in_place(void **state)
{
    (void)state;
    char *p = nt_malloc(1000), *q = nt_malloc(40000);
    for (size_t size = nt_usable_size(p); size > nt_usable_size(p) / 2; size -= 16)
        assert_ptr_equal(nt_realloc(p, size), p);
    for (size_t size = nt_usable_size(q); size > nt_usable_size(q) / 2; size -= 1000)
        assert_ptr_equal(nt_realloc(q, size), q);
    nt_free(p);
    nt_free(q);
    p = nt_malloc(16); /* there is no smaller class */
    for (size_t size = 16; size > 0; size--)
        assert_ptr_equal(nt_realloc(p, size), p);
    nt_free(p);
}

/* As a file that grows is read: block by block, to many MiB. */
static void test_grows(void **state)
{
    (void)state;
    size_t size = 100;
    unsigned char *p = nt_malloc(size);
    memset(p, 9, size);
    while (size < 100 * NT_MIB) {
        size_t more = size + size / 3;
        p = nt_realloc(p, more);
        assert_non_null(p);
        assert_true(p[0] == 9 && p[size / 2] == 9 && p[size - 1] == 9);
        memset(p + size, 9, more - size);
        size = more;
    }
    assert_true(all(p, 9, size));
    nt_free(p);
    /* So much more that the number of its units has no bit below 2^32. */
    p = nt_malloc(2 * NT_MIB);
    ASSERT_FAILS(nt_realloc(p, ((size_t)1 << 53) + 2 * NT_MIB), ENOMEM);
    nt_free(p);
}

/* Is a block of 16 KiB, now of 24, in a place where it can become one of 100? */
static bool grows_on(char *p)
{
    char *q = nt_realloc(nt_realloc(p, 24 * NT_KIB), 100 * NT_KIB);
    bool stays = q == p;
    nt_free(q);
    return stays;
}

/* Else growing gives pages back first, or a page is too much for one. */
static bool has_room(void)
{
    return nt_node_count() == 1 && sysconf(_SC_PAGESIZE) == 4096;
}

/* One that grows early has room for more. While one has it and stays small, others wait for some
 * turns; then it is the next one's, as after each that is freed. */
static void test_grows_early(void **state)
{
    (void)state;

    unsigned waited = 0;
    char *kept = nt_realloc(nt_malloc(8 * NT_KIB), 16 * NT_KIB), *p;
    for (unsigned i = 0; i < 1000; i++) {
        p = nt_realloc(nt_malloc(8 * NT_KIB), 16 * NT_KIB);
        assert_true(nt_usable_size(p) >= 16 * NT_KIB);
        waited += !grows_on(p);
    }
    assert_true(has_room() ? waited > 0 && waited < 100 : waited == 1000);
    nt_free(kept);
}

/* Arrays that stay small between some that come and go: ever fewer of them are given room. */
static int act_room_is_rare(void)
{
    enum { KEPT = 2000, SIZE = 5000 };
    static char *kept[KEPT];
    unsigned runs = 0;
    for (unsigned i = 0; i < KEPT; i++) {
        char *p[3];
        for (unsigned j = 0; j < 3; j++)
            p[j] = nt_malloc(NT_KIB);
        for (size_t size = 2 * NT_KIB; size <= NT_MIB; size *= 2)
            for (unsigned j = 0; j < 3; j++)
                CHECK((p[j] = nt_realloc(p[j], size)) != NULL);
        for (unsigned j = 0; j < 3; j++)
            nt_free(p[j]);
        kept[i] = nt_realloc(nt_malloc(3000), SIZE);
        runs += nt_usable_size(kept[i]) == 2 * 4 * NT_KIB; /* whole pages */
    }
    CHECK(has_room() ? runs > 0 && runs < 20 : runs == 0);
    for (unsigned i = 0; i < KEPT; i++)
        nt_free(kept[i]);
    return 0;
}

static void test_room_is_rare(void **state)
{
    (void)state;
    child_ok(act_room_is_rare);
}

/* Small blocks that realloc moves are an allocation and a free each, exactly, up and down. */
static void test_moves(void **state)
{
    enum { MOVES = 20000 };
    static struct nt_snapshot before, after;
    uint64_t seed = 1, asked = 0, stays = 0, kept;
    size_t size = 100;
    (void)state;
    unsigned char *p = nt_malloc(size);
    memset(p, 1, size);
    assert_int_equal(nt_snapshot(&before), 0);
    errno = 21;
    for (unsigned i = 0; i < MOVES; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t next = 1 + (seed >> 33) % (i % 2 ? 30000 : 300);
        void *was = p;
        p = nt_realloc(p, next);
        assert_non_null(p);
        kept = nt__min(size, next);
        if (!all(p, (int)(i % 255) + 1, kept))
            fail_msg("move %u, from %zu to %zu bytes: contents are lost", i, size,
                     next);
        memset(p, (int)((i + 1) % 255) + 1, next);
        stays += p == was;
        asked += next;
        size = next;
    }
    assert_int_equal(errno, 21);
    assert_int_equal(nt_snapshot(&after), 0);
    assert_true(stays != 0 && stays < MOVES / 2);
    assert_int_equal(after.total.reallocs_in_place_total -
                         before.total.reallocs_in_place_total,
                     stays);
    assert_int_equal(after.total.allocations_total - before.total.allocations_total,
                     MOVES - stays);
    assert_int_equal(after.total.frees_total - before.total.frees_total, MOVES - stays);
    assert_int_equal(after.total.requested_bytes_total -
                         before.total.requested_bytes_total +
                         after.total.realloc_requested_bytes_total -
                         before.total.realloc_requested_bytes_total,
                     asked);
    nt_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_far_classes), /* these before the library starts here */
        cmocka_unit_test(test_room_is_rare), cmocka_unit_test(test_resize),
        cmocka_unit_test(test_in_place),     cmocka_unit_test(test_grows),
        cmocka_unit_test(test_grows_early),  cmocka_unit_test(test_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
