/* SPDX-License-Identifier: MIT */
/* What is proved of an address, and the one line that says it before the end. */
#include "pools/misuse.h"

#include "pools/large.h"
#include "pools/remote.h"
#include "src/base/conf.h"
#include "tests/pools/room.h"

static struct nt_shard *mine, *other;

static enum nt_misuse check(const struct nt_shard *s, const void *p)
{
    return nt__misuse_check(s, nt__slab_of(p), p);
}

static void test_blocks(void **state)
{
    (void)state;
    char *p = room_malloc(mine, 100), *q = room_malloc(mine, 100);
    struct nt_slab *slab = nt__slab_of(p);
    assert_int_equal(check(mine, p), NT_MISUSE_NONE);
    assert_int_equal(check(NULL, p), NT_MISUSE_NONE);
    assert_int_equal(check(other, p), NT_MISUSE_NONE);
    for (unsigned i = 1; i < slab->size; i++)
        assert_int_equal(check(mine, p + i), NT_MISUSE_INTERIOR);
    char *never = (char *)slab->start + (size_t)slab->carved * slab->size;
    assert_int_equal(check(mine, never), NT_MISUSE_UNALLOCATED);
    room_free(mine, p);
    assert_int_equal(check(mine, p), NT_MISUSE_DOUBLE_FREE);
    assert_int_equal(check(other, p), NT_MISUSE_DOUBLE_FREE);
    assert_int_equal(check(mine, q), NT_MISUSE_NONE);
    room_free(mine, q);
}

/* A program may write the mark of a free block into its own: that proves nothing. */
static void test_mark_by_chance(void **state)
{
    (void)state;
    struct nt_block *p = room_malloc(mine, 48);
    p->key = NT_KEY;
    assert_int_equal(check(mine, p), NT_MISUSE_NONE);
    p->next = p;
    assert_int_equal(check(mine, p), NT_MISUSE_NONE);
    room_free(mine, p);
}

static void test_on_the_way_home(void **state)
{
    (void)state;
    char *p = room_malloc(mine, 200);
    struct nt_slab *slab = nt__slab_of(p);
    nt__remote_gather(other, slab, p);
    assert_int_equal(check(other, p), NT_MISUSE_DOUBLE_FREE);
    nt__remote_flush(other);
    assert_int_equal(check(other, p), NT_MISUSE_DOUBLE_FREE);
    assert_int_equal(check(mine, p), NT_MISUSE_DOUBLE_FREE);
    nt__remote_receive(mine);
    assert_int_equal(check(mine, p), NT_MISUSE_DOUBLE_FREE);
}

static void test_large(void **state)
{
    (void)state;
    char *p = nt__large_malloc(mine, 3 * NT_MIB, 1, false);
    assert_int_equal(check(mine, p), NT_MISUSE_NONE);
    assert_int_equal(check(mine, p + 16), NT_MISUSE_INTERIOR);
    assert_int_equal(check(mine, p + NT_SLICE), NT_MISUSE_UNALLOCATED);
    struct nt_slab *slab = nt__slab_of(p);
    assert_true(nt__large_free(mine, slab, p));
    assert_int_equal(check(mine, p), NT_MISUSE_UNALLOCATED);
}

/* ---- What is said ------------------------------------------------------------------- */

static char *block, *large;

#define SAY(name, what, call, p)                                                       \
    static int act_##name(void)                                                        \
    {                                                                                  \
        nt__misuse(what, call, p);                                                     \
        return 0;                                                                      \
    }

SAY(double_free, NT_MISUSE_DOUBLE_FREE, "free", block)
SAY(interior, NT_MISUSE_INTERIOR, "realloc", block + 8)
SAY(unallocated, NT_MISUSE_UNALLOCATED, "free", large + 100 * NT_MIB)
SAY(foreign, NT_MISUSE_FOREIGN, "free", (void *)0x1234)
SAY(inside_large, NT_MISUSE_UNALLOCATED, "free", large + 2 * NT_MIB)
SAY(large_itself, NT_MISUSE_UNALLOCATED, "free", large)

static int act_size(void)
{
    nt__misuse_size("free_sized", block, 777, 0);
    return 0;
}

static int act_size_aligned(void)
{
    nt__misuse_size("free_aligned_sized", block, 777, 4096);
    return 0;
}

/* The line names the call, the address, what is wrong, the block, and what to do. */
static void test_words(void **state)
{
    char words[128];
    (void)state;
    block = room_malloc(mine, 100);
    large = nt__large_malloc(mine, 4 * NT_MIB, 1, false);
    snprintf(words, sizeof words, "free(%p): block that is already free",
             (void *)block);
    child_aborts(act_double_free, words);
    child_aborts(act_double_free, "size class 112");
    child_aborts(act_double_free, "check:off");
    child_aborts(act_double_free, "thread ");
    snprintf(words, sizeof words, "realloc(%p): address inside a block",
             (void *)(block + 8));
    child_aborts(act_interior, words);
    snprintf(words, sizeof words, "block %p", (void *)block);
    child_aborts(act_interior, words);
    child_aborts(act_unallocated, "no block is in use");
    child_aborts(act_foreign, "free(0x1234): address that is not from this heap");
    snprintf(words, sizeof words, "address inside a block; large block %p of %zu bytes",
             (void *)large, 4 * NT_MIB);
    child_aborts(act_inside_large, words);
    child_aborts(act_large_itself, "no block is in use");
    child_aborts(act_size, "with size 777: block of another size");
    child_aborts(act_size_aligned, "with alignment 4096, size 777");
}

static int act_check_off(void)
{
    setenv("NUMATALLY_CONF", "check:off", 1);
    nt__conf_load();
    CHECK(!nt__conf()->check);
    nt__misuse(NT_MISUSE_DOUBLE_FREE, "free", block);
    nt__misuse_size("free_sized", block, 1, 0);
    return 0;
}

static void test_check_off(void **state)
{
    char said[512];
    (void)state;
    assert_int_equal(child_status(act_check_off, said, sizeof said), 0);
    assert_string_equal(said, "");
}

int main(void)
{
    unsetenv("NUMATALLY_CONF");
    room_start("2x1");
    mine = room_shard(0, NULL);
    other = room_shard(1, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),          cmocka_unit_test(test_mark_by_chance),
        cmocka_unit_test(test_on_the_way_home), cmocka_unit_test(test_large),
        cmocka_unit_test(test_words),           cmocka_unit_test(test_check_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
