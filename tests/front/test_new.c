/* SPDX-License-Identifier: MIT */
/* operator new and delete by their mangled names, from C: no C++ runtime is near. What
 * needs one (throwing, handlers, replacing) is prog_new.cpp's. */
#include <numatally/stats.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void *_Znwm(size_t size);
void *_Znam(size_t size);
void *_ZnwmRKSt9nothrow_t(size_t size, const void *tag);
void *_ZnamRKSt9nothrow_t(size_t size, const void *tag);
void *_ZnwmSt11align_val_t(size_t size, size_t alignment);
void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment,
                                         const void *tag);
void _ZdlPv(void *p);
void _ZdaPv(void *p);
void _ZdlPvm(void *p, size_t size);
void _ZdaPvm(void *p, size_t size);
void _ZdlPvSt11align_val_t(void *p, size_t alignment);

static struct nt_snapshot before, after;

static void test_forms(void **state)
{
    (void)state;
    assert_int_equal(nt_snapshot(&before), 0);
    for (size_t size = 0; size < 3000000; size = size * 3 + 1) {
        void *p[] = {_Znwm(size), _Znam(size), _ZnwmRKSt9nothrow_t(size, ""),
                     _ZnamRKSt9nothrow_t(size, ""), _ZnwmSt11align_val_t(size, 256)};
        for (size_t i = 0; i < sizeof p / sizeof p[0]; i++) {
            assert_non_null(p[i]);
            assert_true(nt_usable_size(p[i]) >= size);
            memset(p[i], 1, size);
        }
        assert_int_equal((uintptr_t)p[4] % 256, 0);
        _ZdlPv(p[0]);
        _ZdaPv(p[1]);
        _ZdlPvm(p[2], size);
        _ZdaPvm(p[3], size);
        _ZdlPvSt11align_val_t(p[4], 256);
    }
    assert_int_equal(nt_snapshot(&after), 0);
    assert_int_equal(after.total.live_blocks_now, before.total.live_blocks_now);
    assert_true(after.total.allocations_total > before.total.allocations_total + 50);
}

static void test_no_memory(void **state)
{
    (void)state;
    volatile size_t most = SIZE_MAX / 2;
    assert_null(_ZnwmRKSt9nothrow_t(most, ""));
    assert_null(_ZnamRKSt9nothrow_t(most, ""));
    assert_null(_ZnamSt11align_val_tRKSt9nothrow_t(most, 64, ""));
    _ZdlPv(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms),
                                       cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
