/* SPDX-License-Identifier: MIT */
/* Rows of one table and name are one group; standard errors are no sums. */
#include "src/base/base.h"
#include "src/tool/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static size_t column(enum nt_table table, const char *name)
{
    size_t i = 0;

    while (strcmp(nt__table_columns(table)[i].name, name) != 0)
        i++;
    return i;
}

static void test_groups(void **state)
{
    struct nt_groups groups = {0};
    struct nt_row row = {
        .table = NT_TABLE_POOL, .row = 4, .name = "", .n = 2, .values = {1, 10}};

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        row.row = 4 + i;
        nt__groups_add(&groups, 0, &row, "x");
    }
    nt__groups_add(&groups, 1, &row, "x");
    nt__groups_add(&groups, 1, &row, "y");
    row.table = NT_TABLE_PHASE;
    nt__groups_add(&groups, 0, &row, "x");
    assert_int_equal(groups.n, 3);
    assert_string_equal(groups.rows[0]->key, "x");
    assert_int_equal(groups.rows[0]->row, 4);
    assert_int_equal(groups.rows[0]->n[0], 2);
    assert_int_equal(groups.rows[0]->values[0][0], 100);
    assert_int_equal(groups.rows[0]->values[0][1], 1000);
    assert_int_equal(groups.rows[0]->values[1][1], 10);
    assert_string_equal(groups.rows[1]->key, "y");
    assert_int_equal(groups.rows[1]->n[0], 0);
    assert_int_equal(groups.rows[2]->table, NT_TABLE_PHASE);
    nt__groups_free(&groups);
    nt__groups_free(&groups);
}

static void test_many(void **state)
{
    struct nt_groups groups = {0};
    struct nt_row row = {.table = NT_TABLE_THREAD, .name = "", .n = 1};
    char key[16];

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "%u", i % 5000);
        row.values[0] = i;
        nt__groups_add(&groups, 0, &row, key);
    }
    assert_int_equal(groups.n, 5000);
    for (unsigned i = 0; i < 5000; i++) {
        assert_int_equal(groups.rows[i]->place, i);
        assert_int_equal(groups.rows[i]->values[0][0], 4 * i + 30000);
    }
    nt__groups_free(&groups);
}

static void test_errors(void **state)
{
    struct nt_groups groups = {0};
    struct nt_row row = {.table = NT_TABLE_SITE, .name = ""};
    size_t bytes = column(NT_TABLE_SITE, "requested_bytes_total");

    (void)state;
    assert_string_equal(nt__table_columns(NT_TABLE_SITE)[bytes + 1].name,
                        "requested_bytes_total_error");
    row.n = bytes + 2;
    row.values[bytes] = 1000;
    row.values[bytes + 1] = 30;
    nt__groups_add(&groups, 0, &row, "x");
    row.values[bytes + 1] = 40;
    nt__groups_add(&groups, 0, &row, "x");
    assert_int_equal(groups.rows[0]->values[0][bytes], 2000);
    assert_int_equal(groups.rows[0]->values[0][bytes + 1], 50);
    nt__groups_free(&groups);
    assert_int_equal(nt__errors_add(0, 0), 0);
    assert_true(nt__errors_add(UINT64_MAX, UINT64_MAX) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
