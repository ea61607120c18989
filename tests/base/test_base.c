/* SPDX-License-Identifier: MIT */
/* The words every file uses: alignment, and how many bits are set. */
#include "src/base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_align(void **state)
{
    (void)state;
    assert_int_equal(nt__align_up(0, 16), 0);
    assert_int_equal(nt__align_up(17, 16), 32);
    assert_int_equal(nt__align_down(31, 16), 16);
    assert_true(nt__is_pow2(1) && nt__is_pow2(NT_GIB));
    assert_false(nt__is_pow2(0) || nt__is_pow2(NT_GIB + 1));
}

static void test_bits(void **state)
{
    uint64_t x = 1;
    (void)state;
    assert_int_equal(nt__bits(0), 0);
    assert_int_equal(nt__bits(UINT64_MAX), 64);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(nt__bits(UINT64_MAX >> i), 64 - i);
    for (unsigned i = 0; i < 1000; i++) {
        unsigned n = 0;
        x = x * 6364136223846793005u + 1442695040888963407u;
        for (unsigned k = 0; k < 64; k++)
            n += (unsigned)(x >> k & 1);
        assert_int_equal(nt__bits(x), n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_align),
        cmocka_unit_test(test_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
