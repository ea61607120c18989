/* SPDX-License-Identifier: MIT */
/* The table that other copies of the library find: whole, and leading to this heap. */
#include "src/heap/calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_table(void **state)
{
    (void)state;
    const struct nt_calls *calls = &nt__calls_0;
    assert_non_null(calls);
    assert_int_equal(calls->size, sizeof *calls);
    assert_non_null(calls->copy);
#define FILLED(name) assert_non_null((void *)(uintptr_t)calls->name);
    NT_CALLS(FILLED)
#undef FILLED
    void *p = calls->malloc(100);
    assert_non_null(p);
    assert_int_equal(calls->usable_size(p), nt_usable_size(p));
    p = realloc(p, 5000);
    assert_true(calls->usable_size(p) >= 5000);
    calls->free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
