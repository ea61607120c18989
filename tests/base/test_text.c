/* SPDX-License-Identifier: MIT */
/* Numbers that a text begins with; the rest of text.c is tested by conf. */
#include "src/base/text.h"

#include "tests/child.h"

static void leads(const char *text, uint64_t number, size_t read)
{
    const char *end;
    assert_int_equal(nt__text_leading(text, &end), number);
    assert_int_equal(end - text, read);
}

static void test_leading(void **state)
{
    (void)state;
    leads("0", 0, 1);
    leads("17", 17, 2);
    leads("3-5", 3, 1);
    leads(" \t 5862208 kB\n", 5862208, 10);
    leads("\n10 21\n", 10, 3);
    leads("18446744073709551614,", UINT64_MAX - 1, 20);
    leads("18446744073709551615", UINT64_MAX, 20);
}

static void test_none(void **state)
{
    (void)state;
    leads("", 0, 0);
    leads("  ", 0, 0);
    leads("-1", 0, 0);
    leads("+1", 0, 0);
    leads(" x2", 0, 0);
}

/* All digits are read, also behind the one that is too much. */
static void test_too_large(void **state)
{
    (void)state;
    leads("18446744073709551616x", UINT64_MAX, 20);
    leads("99999999999999999999999999990", UINT64_MAX, 29);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leading),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
