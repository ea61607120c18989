/* SPDX-License-Identifier: MIT */
/*
 * The rows of a record have all its figures, by the names and units of the library's lists;
 * names are UTF-8.
 */
#include "src/tool/rows.h"
#include "tests/tool/records.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ROWS_MAX 100

static struct nt_row rows[ROWS_MAX];
static char names[ROWS_MAX][256];
static size_t nrows;

static void take(const struct nt_row *row, void *context)
{
    assert_ptr_equal(context, &nrows);
    assert_true(nrows < ROWS_MAX);
    rows[nrows] = *row;
    assert_true(strlen(row->name) < sizeof names[0]);
    strcpy(names[nrows], row->name);
    rows[nrows].name = names[nrows];
    nrows++;
}

static void walk(const struct nt_record *r)
{
    nrows = 0;
    nt__rows_few(r, take, &nrows);
    nt__rows_many(r, take, &nrows);
}

/* The i-th row of a table. */
static const struct nt_row *row_of(enum nt_table table, size_t i)
{
    for (size_t k = 0; k < nrows; k++)
        if (rows[k].table == table && i-- == 0)
            return &rows[k];
    fail_msg("table %s has not so many rows", nt__table_name(table));
    return NULL;
}

static size_t rows_of(enum nt_table table)
{
    size_t n = 0;

    for (size_t k = 0; k < nrows; k++)
        n += rows[k].table == table;
    return n;
}

static uint64_t value(const struct nt_row *row, const char *figure)
{
    for (size_t i = 0; i < row->n; i++)
        if (strcmp(nt__table_columns(row->table)[i].name, figure) == 0)
            return row->values[i];
    fail_msg("%s has no %s", nt__table_name(row->table), figure);
    return 0;
}

static void test_columns(void **state)
{
    static const struct {
        enum nt_table table;
        enum nt_figure_list list;
    } lists[] = {
        {NT_TABLE_PROCESS, NT_LIST_PROCESS}, {NT_TABLE_TOTAL, NT_LIST_NODE},
        {NT_TABLE_NODE, NT_LIST_NODE},       {NT_TABLE_CLASS, NT_LIST_CLASS},
        {NT_TABLE_PHASE, NT_LIST_PHASE},     {NT_TABLE_POOL, NT_LIST_POOL},
        {NT_TABLE_TRACKED, NT_LIST_TRACKED}, {NT_TABLE_THREAD, NT_LIST_THREAD},
        {NT_TABLE_SITE, NT_LIST_SITE},       {NT_TABLE_SITE_TOTAL, NT_LIST_SITE},
    };

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(lists); i++) {
        const struct nt_column *c = nt__table_columns(lists[i].table);

        for (const struct nt_figure *g = nt__figures(lists[i].list); g->name != NULL;
             g++, c++) {
            assert_string_equal(c->name, g->name);
            assert_string_equal(c->label, g->label);
            assert_int_equal(c->unit, g->unit);
        }
    }
    for (enum nt_table t = 0; t < NT_TABLES; t++) {
        size_t n = 0;

        for (const struct nt_column *c = nt__table_columns(t); c->name != NULL; c++) {
            assert_true(strlen(c->text) > 0 && strlen(c->label) > 0);
            assert_non_null(strchr("nbt#", c->unit));
            n++;
        }
        assert_in_range(n, 1, NT_COLUMNS_MAX);
    }
}

/* Rows of a list have its figures in their order: from, from + 1... */
static void assert_numbered(const struct nt_row *row, enum nt_figure_list list,
                            uint64_t from)
{
    size_t n = 0;

    for (const struct nt_figure *g = nt__figures(list); g->name != NULL; g++, n++)
        if (strcmp(g->name, "block_bytes") != 0)
            assert_int_equal(row->values[n], from + n);
    assert_true(row->n >= n);
}

static void test_values(void **state)
{
    struct nt_record *r = records_make();

    (void)state;
    walk(r);
    assert_int_equal(value(row_of(NT_TABLE_RECORD, 0), "start_unix_ns"),
                     r->snapshot.start_unix_ns);
    assert_int_equal(value(row_of(NT_TABLE_RECORD, 0), "final"), 1);
    assert_int_equal(value(row_of(NT_TABLE_RECORD, 0), "inherited"), 0);
    assert_numbered(row_of(NT_TABLE_PROCESS, 0), NT_LIST_PROCESS, 1);
    assert_numbered(row_of(NT_TABLE_TOTAL, 0), NT_LIST_NODE, 50);
    assert_int_equal(rows_of(NT_TABLE_CLASS), 2); /* one was not used */
    assert_string_equal(row_of(NT_TABLE_CLASS, 1)->name, "large");
    assert_int_equal(rows_of(NT_TABLE_FREE_MATRIX), 4);
    for (size_t i = 0; i < 2; i++) {
        assert_numbered(row_of(NT_TABLE_NODE, i), NT_LIST_NODE, 100 + 100 * i);
        assert_int_equal(row_of(NT_TABLE_NODE, i)->row, 7 * i);
        assert_numbered(row_of(NT_TABLE_CLASS, i), NT_LIST_CLASS, 300 + 100 * i);
        assert_numbered(row_of(NT_TABLE_PHASE, i), NT_LIST_PHASE, 900 + 100 * i);
        assert_int_equal(value(row_of(NT_TABLE_PHASE, i), "running"), i);
        assert_numbered(row_of(NT_TABLE_TRACKED, i), NT_LIST_TRACKED, 1100 + 100 * i);
        assert_numbered(row_of(NT_TABLE_THREAD, i), NT_LIST_THREAD, 500 + 100 * i);
        assert_int_equal(value(row_of(NT_TABLE_THREAD, i), "node"), 7);
        assert_int_equal(row_of(NT_TABLE_THREAD, i)->row, 20 + i);
        for (size_t h = 0; h < 2; h++) {
            const struct nt_row *row = row_of(NT_TABLE_FREE_MATRIX, 2 * i + h);

            assert_int_equal(row->row, 7 * i);
            assert_int_equal(row->column, 7 * h);
            assert_int_equal(value(row, "frees_total"), 10 * i + h);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        assert_numbered(row_of(NT_TABLE_POOL, i), NT_LIST_POOL, 700 + 100 * i);
        assert_string_equal(row_of(NT_TABLE_POOL, i)->name,
                            i == 0 ? "process" : HOSTILE_UTF8);
    }
    records_free(r);
}

static void test_histograms(void **state)
{
    struct nt_record *r = records_make();

    (void)state;
    walk(r);
    assert_int_equal(rows_of(NT_TABLE_TRACKED_SIZE), 4); /* 0 is left out */
    assert_int_equal(row_of(NT_TABLE_TRACKED_SIZE, 0)->column, 0);
    assert_int_equal(row_of(NT_TABLE_TRACKED_SIZE, 1)->column, 2);
    assert_int_equal(row_of(NT_TABLE_TRACKED_SIZE, 3)->column, 4);
    assert_int_equal(row_of(NT_TABLE_TRACKED_SIZE, 3)->row, 1);
    assert_int_equal(row_of(NT_TABLE_TRACKED_SIZE, 3)->values[0], 6);
    assert_int_equal(rows_of(NT_TABLE_LIFETIME), 3);
    assert_int_equal(rows_of(NT_TABLE_LIFETIME_TOTAL), 3);
    assert_int_equal(row_of(NT_TABLE_LIFETIME, 0)->column, 0);
    assert_int_equal(row_of(NT_TABLE_LIFETIME, 1)->column, 1000);
    assert_int_equal(row_of(NT_TABLE_LIFETIME, 2)->column, 4000);
    assert_int_equal(row_of(NT_TABLE_LIFETIME, 2)->row, 2);
    records_free(r);
}

static void test_sampled(void **state)
{
    struct nt_record *r = records_make();

    (void)state;
    walk(r);
    assert_int_equal(value(row_of(NT_TABLE_PROFILE, 0), "lost_total"), 3);
    assert_numbered(row_of(NT_TABLE_SITE_TOTAL, 0), NT_LIST_SITE, 5000);
    for (size_t i = 0; i < 3; i++)
        assert_numbered(row_of(NT_TABLE_SITE, i), NT_LIST_SITE, 6000 + 100 * i);
    assert_non_null(strchr(row_of(NT_TABLE_SITE, 0)->name, ';'));
    assert_string_equal(row_of(NT_TABLE_SITE, 2)->name, "[unknown]");
    assert_int_equal(value(row_of(NT_TABLE_SAMPLE, 0), "address"), 0x7000);
    assert_int_equal(value(row_of(NT_TABLE_SAMPLE, 0), "block_bytes"), 112);
    assert_int_equal(value(row_of(NT_TABLE_SAMPLE, 0), "tid"), 12);
    assert_int_equal(value(row_of(NT_TABLE_SAMPLE, 0), "node"), 7);
    assert_int_equal(row_of(NT_TABLE_REMOTE_FREE, 0)->row, 1);
    assert_int_equal(row_of(NT_TABLE_REMOTE_FREE, 0)->column, 2);
    assert_int_equal(value(row_of(NT_TABLE_REMOTE_FREE, 0), "frees_total"), 9);
    records_free(r);
}

static void test_history(void **state)
{
    struct nt_record *r = records_make();

    (void)state;
    walk(r);
    assert_int_equal(rows_of(NT_TABLE_HISTORY), 4);
    assert_int_equal(row_of(NT_TABLE_HISTORY, 3)->row, 2000);
    assert_int_equal(row_of(NT_TABLE_HISTORY, 3)->column, 7);
    assert_int_equal(value(row_of(NT_TABLE_HISTORY, 3), "live_bytes_now"), 40);
    assert_int_equal(value(row_of(NT_TABLE_HISTORY, 3), "committed_bytes_now"), 80);
    records_free(r);
}

/* What a record has not got has no rows, or fewer values. */
static void test_absent(void **state)
{
    struct nt_record *r = records_make();
    struct nt_record bare = {.snapshot = r->snapshot};

    (void)state;
    walk(r);
    assert_int_equal(value(row_of(NT_TABLE_NODE, 0), "lying_huge_bytes_now"),
                     r->snapshot.node[0].lying_huge_bytes_now);
    bare.snapshot.residency_pages_now = 0; /* the kernel was not asked */
    bare.snapshot.nodes = 0;
    walk(&bare);
    assert_int_equal(rows_of(NT_TABLE_NODE), 0);
    assert_int_equal(rows_of(NT_TABLE_POOL) + rows_of(NT_TABLE_SITE_TOTAL), 0);
    assert_string_equal(
        nt__table_columns(NT_TABLE_TOTAL)[row_of(NT_TABLE_TOTAL, 0)->n].name,
        "resident_bytes_now");
    records_free(r);
}

static void test_utf8(void **state)
{
    static const struct {
        const char *from;
        size_t size;
        const char *to;
    } cases[] = {
        {HOSTILE, 64, HOSTILE_UTF8},
        {"abc", 2, "ab"},
        {"", 5, ""},
        {"l\xc3\xb6se", 8, "l\xc3\xb6se"},
        {"\xc3\xb6", 1, "\xef\xbf\xbd"},
        {"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        char *text = nt__tool_utf8(cases[i].from, cases[i].size);

        assert_string_equal(text, cases[i].to);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),    cmocka_unit_test(test_values),
        cmocka_unit_test(test_histograms), cmocka_unit_test(test_sampled),
        cmocka_unit_test(test_history),    cmocka_unit_test(test_absent),
        cmocka_unit_test(test_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
