/* SPDX-License-Identifier: MIT */
/* Figures in words: at most eight characters, rounded to what is shown; texts in columns. */
#include "src/base/base.h"
#include "src/tool/top.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_counts_and_bytes(void **state)
{
    static const struct {
        double value;
        const char *count, *bytes;
    } cases[] = {
        {0, "0", "0"},
        {0.25, "0.2", "0"},
        {99.94, "99.9", "100"},
        {99.96, "100", "100"},
        {1023, "1023", "1023"},
        {1024, "1024", "1.00K"},
        {1536, "1536", "1.50K"},
        {10239, "10239", "10.0K"},
        {102348, "102348", "99.9K"},
        {1023999, "1023999", "0.98M"},
        {9999999, "9999999", "9.54M"},
        {10000000, "10.0M", "9.54M"},
        {999499999, "999M", "953M"},
        {999500000, "1.00G", "953M"},
        {1e18, "1.00E", "888P"},
        {18446744073709551615.0, "18.4E", "16.0E"},
    };
    char text[NT_CELL];

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        nt__top_count(text, cases[i].value);
        assert_string_equal(text, cases[i].count);
        assert_true(strlen(text) <= 8);
        nt__top_bytes(text, cases[i].value);
        assert_string_equal(text, cases[i].bytes);
        assert_true(strlen(text) <= 8);
    }
}

static void test_fit(void **state)
{
    static const struct {
        const char *text;
        int width;
        const char *fitted;
    } cases[] = {
        {"abc", 5, "abc  "},
        {"abc", 3, "abc"},
        {"abc", 2, "ab"},
        {"abc", 0, ""},
        {"a\033[31m\n\x7f", 8, "a?[31m??"},
        {"\xff\xc3(", 4,
         "?"
         "?( "},
        {"K\xc3\xb6rn", 4, "K\xc3\xb6rn"},
        {"\xe7\xb6\xb2\xe6\xa0\xbc", 4,
         "\xe7\xb6\xb2\xe6\xa0\xbc"}, /* two columns each */
        {"\xe7\xb6\xb2\xe6\xa0\xbc", 3, "\xe7\xb6\xb2 "},
    };
    char text[64], small[4];

    (void)state;
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        skip();
    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        nt__top_fit(text, sizeof text, cases[i].text, cases[i].width);
        assert_string_equal(text, cases[i].fitted);
    }
    nt__top_fit(small, sizeof small, "abcdef", 6);
    assert_string_equal(small, "abc");
    setlocale(LC_CTYPE, "C");
    nt__top_fit(text, sizeof text, "K\xc3\xb6rn", 5);
    assert_string_equal(text, "K?rn ");
}

/* Each figure of each table is a column once. */
static void test_columns(void **state)
{
    (void)state;
    for (int view = 0; view < NT_VIEW_MATRIX; view++) {
        const struct nt_column *columns =
            nt__table_columns(nt__top_table((enum nt_view)view));
        int got[NT_COLUMNS_MAX], seen[NT_COLUMNS_MAX] = {0};
        size_t n = nt__top_columns((enum nt_view)view, got), all = 0;

        while (columns[all].name != NULL)
            all++;
        assert_int_equal(n, all - (view == NT_VIEW_CLASSES));
        for (size_t i = 0; i < n; i++) {
            assert_true(got[i] >= 0 && got[i] < (int)all);
            assert_int_equal(seen[got[i]]++, 0);
            assert_int_equal(nt__top_sort((enum nt_view)view, columns[got[i]].name),
                             got[i]);
        }
        assert_int_equal(nt__top_view(nt__top_view_word((enum nt_view)view)), view);
        assert_true(nt__top_order((enum nt_view)view, true).column < (int)all);
    }
    assert_int_equal(nt__top_sort(NT_VIEW_NODES, "live"),
                     nt__top_column(NT_TABLE_NODE, "live_bytes_now"));
    assert_int_equal(nt__top_sort(NT_VIEW_NODES, "allocations"),
                     nt__top_column(NT_TABLE_NODE, "allocations_total"));
    assert_int_equal(nt__top_sort(NT_VIEW_NODES, "name"), -1);
    assert_int_equal(nt__top_sort(NT_VIEW_NODES, "alloc"), -2);
    assert_int_equal(nt__top_sort(NT_VIEW_MATRIX, "live"), -2);
    assert_int_equal(nt__top_view("node"), -1);
}

static void test_labels(void **state)
{
    struct nt_top_row row = {.table = NT_TABLE_THREAD, .number = 17, .name = "a\033b"};
    char text[64];

    (void)state;
    nt__top_label(text, sizeof text, &row);
    assert_string_equal(text, "17 a?b");
    row.table = NT_TABLE_POOL;
    nt__top_label(text, sizeof text, &row);
    assert_string_equal(text, "a?b");
    row.table = NT_TABLE_NODE;
    nt__top_label(text, sizeof text, &row);
    assert_string_equal(text, "node 17");
    row.table = NT_TABLE_CLASS;
    row.number = 1536;
    nt__top_label(text, sizeof text, &row);
    assert_string_equal(text, "1.50K");
    row.number = 0;
    nt__top_label(text, sizeof text, &row);
    assert_string_equal(text, "large");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_and_bytes),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
