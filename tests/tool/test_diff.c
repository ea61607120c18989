/* SPDX-License-Identifier: MIT */
/*
 * Two records compared: rows are matched by what they are called, sites by what changed most,
 * and what lies within their errors is noise; the three formats say the same.
 */
#include "src/base/base.h"
#include "src/tool/diff.h"
#include "tests/tool/records.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct nt_record *records[2];
static const char *const paths[2] = {"a.json", "b\n.json"};

static int set_up(void **state)
{
    (void)state;
    records[0] = records_make();
    records[1] = records_make();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    records_free(records[0]);
    records_free(records[1]);
    return 0;
}

static char *written(nt_diff_write *write)
{
    static char text[1 << 20];
    FILE *f = tmpfile();
    size_t n;

    assert_non_null(f);
    assert_int_equal(nt__diff_write(f, write, paths, records), 0);
    rewind(f);
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

/* The text form, with one blank for many. */
static const char *squeezed(void)
{
    char *text = written(nt__diff_text), *to = text;

    for (const char *s = text; *s != '\0'; s++)
        if (*s != ' ' || s[1] != ' ')
            *to++ = *s;
    *to = '\0';
    return text;
}

static json_t *root;

static void read_again(void)
{
    json_decref(root);
    root = json_loads(written(nt__diff_json), 0, NULL);
    assert_non_null(root);
}

/* A figure of the JSON form. */
static const json_t *find(const char *table, const char *row, const char *figure)
{
    const json_t *figures = json_object_get(root, "figures");

    for (size_t i = 0; i < json_array_size(figures); i++) {
        const json_t *f = json_array_get(figures, i);

        if (strcmp(json_string_value(json_object_get(f, "table")), table) == 0 &&
            strcmp(json_string_value(json_object_get(f, "row")), row) == 0 &&
            strcmp(json_string_value(json_object_get(f, "figure")), figure) == 0)
            return f;
    }
    return NULL;
}

/* -1: null */
static void assert_change(const char *table, const char *row, const char *figure,
                          long long before, long long after)
{
    const json_t *f = find(table, row, figure);
    const json_t *b = json_object_get(f, "before"), *a = json_object_get(f, "after");

    assert_non_null(f);
    assert_int_equal(json_is_null(b) ? -1 : json_integer_value(b), before);
    assert_int_equal(json_is_null(a) ? -1 : json_integer_value(a), after);
    assert_int_equal(json_integer_value(json_object_get(f, "difference")),
                     (after < 0 ? 0 : after) - (before < 0 ? 0 : before));
}

static void test_same(void **state)
{
    const char *text = written(nt__diff_text);

    (void)state;
    assert_non_null(strstr(text, "\nThe counters are the same\n"));
    assert_non_null(strstr(text, "\nThe sites are the same\n"));
    assert_null(strstr(text, " Difference"));
    assert_non_null(strstr(text,
                           "Before  a.json: a \"b\"\\?\?,;<b>?\?(, pid 12, rank 3, "
                           "host host, at its end, 0.500 s after its start\n"
                           "After   b?.json: "));
}

static void test_matched(void **state)
{
    struct nt_record *b = records[1];
    const struct nt_class_figures large = b->snapshot.class_[2];
    long long frees, live;

    (void)state;
    b->snapshot.node_id[0] = 7; /* the other way round, and another class */
    b->snapshot.node_id[1] = 9;
    b->snapshot.class_[1].block_bytes = 32;
    b->snapshot.class_[1].allocations_total = 5;
    b->snapshot.class_[3] = large;
    b->snapshot.class_[2].block_bytes = 16;
    b->snapshot.classes = 4;
    strcpy(b->phases[0].name, "other");
    b->pools[1].live_bytes_now += 1000;
    read_again();
    assert_change("node", "0", "allocations_total", 100, -1);
    assert_change("node", "7", "allocations_total", 200, 100);
    assert_change("node", "9", "allocations_total", -1, 200);
    assert_change("free_matrix", "7/7", "frees_total", 11, 0);
    assert_change("free_matrix", "0/7", "frees_total", 1, -1);
    assert_change("class", "16", "allocations_total", -1, 401);
    assert_change("class", "32", "allocations_total", -1, 5);
    assert_change("class", "64", "allocations_total", 301, 301);
    assert_change("class", "large", "allocations_total", 401, 401);
    frees = (long long)b->phases[0].frees_total;
    assert_change("phase", "start", "frees_total", frees, -1);
    assert_change("phase", "other", "frees_total", -1, frees);
    live = (long long)(b->pools[1].live_bytes_now + b->pools[2].live_bytes_now);
    assert_change("pool", HOSTILE_UTF8, "live_bytes_now", live - 1000, live);
    frees = (long long)b->threads[0].frees_total;
    assert_change("thread", "exited", "frees_total", frees, frees);
    frees = (long long)b->tracked[0].frees_total;
    assert_change("tracked", "t", "frees_total", frees, frees);
    live = (long long)b->snapshot.total.live_bytes_now;
    assert_change("total", "", "live_bytes_now", live, live);
    assert_null(find("class", "64", "block_bytes"));
    assert_null(find("thread", "exited", "node"));
    assert_null(find("site_total", "", "requested_bytes_total_error"));
}

/* Classes in rising order, also those of the second record alone, large blocks last. */
static void test_order(void **state)
{
    const char *text, *at[3];

    (void)state;
    records[1]->snapshot.class_[1] = records[1]->snapshot.class_[0];
    records[1]->snapshot.class_[1].block_bytes = 4096;
    records[1]->snapshot.class_[0].block_bytes = 16;
    records[1]->snapshot.class_[2].live_blocks_now += 3;
    text = written(nt__diff_text);
    assert_non_null(text = strstr(text, "\nBlock size, bytes "));
    at[0] = strstr(text, "\n16\n");
    at[1] = strstr(text, "\n4096\n");
    at[2] = strstr(text, "\nlarge\n");
    assert_true(at[0] != NULL && at[0] < at[1] && at[1] < at[2]);
    assert_non_null(strstr(text, "\n64\n"));
}

static void set_site(struct nt_record *r, size_t i, uint64_t bytes, uint64_t error)
{
    r->profile.sites[i].at_peak_requested_bytes = bytes;
    r->profile.sites[i].at_peak_requested_bytes_error = error;
}

static void test_sites(void **state)
{
    const char *text, *first, *second;
    const json_t *f;

    (void)state;
    set_site(records[0], 0, 100 << 20, 3 << 20);
    set_site(records[1], 0, 110 << 20, 4 << 20); /* 10 +- 5: not within 1.96 */
    set_site(records[0], 1, 100 << 20, 3 << 20);
    set_site(records[1], 1, 91 << 20, 4 << 20); /* -9 +- 5: noise */
    set_site(records[0], 2, 0, 0);
    set_site(records[1], 2, 1 << 20, 0); /* seen whole */
    text = squeezed();
    first = strstr(text, "\n1\n At peak 100.00 110.00 +10.00 +10.0 5.00\n 0x1001\n");
    second = strstr(text, "\n2\n At peak 100.00 91.00 -9.00 -9.0 5.00 noise\n ");
    assert_true(first != NULL && second != NULL && first < second);
    assert_non_null(
        strstr(second, "\n3\n At peak 0.00 1.00 +1.00 from 0 0.00\n [unknown]\n"));
    read_again();
    f = find("site", "[unknown]", "at_peak_requested_bytes");
    assert_int_equal(json_integer_value(json_object_get(f, "difference")), 1 << 20);
    assert_true(json_is_false(json_object_get(f, "noise")));
    assert_int_equal(json_integer_value(json_object_get(f, "error")), 0);
}

/* Sites whose stacks read the same are one, however their addresses are. */
static void test_stacks(void **state)
{
    json_t *f;

    (void)state;
    for (int i = 0; i < 2; i++)
        records[i]->profile.sites[0].depth = 0;
    read_again();
    f = (json_t *)find("site", "[unknown]", "samples_total");
    assert_int_equal(json_integer_value(json_object_get(f, "before")),
                     records[0]->profile.sites[0].samples_total +
                         records[0]->profile.sites[2].samples_total);
    assert_null(json_object_get(f, "error"));
}

static void test_one_profile(void **state)
{
    struct nt_profile kept = records[1]->profile;
    const char *text;

    (void)state;
    memset(&records[1]->profile, 0, sizeof kept);
    text = written(nt__diff_text);
    assert_non_null(
        strstr(text, "Sites are not compared: nothing was sampled after\n"));
    assert_null(strstr(text, "\nAll sites"));
    read_again();
    assert_null(find("site_total", "", "samples_total"));
    records[1]->profile = kept;
}

/* CSV has what JSON has. */
static void test_csv(void **state)
{
    char *line, *save, *text;
    size_t lines = 0;

    (void)state;
    records[0]->snapshot.total.live_bytes_now = 60;
    records[1]->snapshot.total.live_bytes_now = 10;
    for (int i = 0; i < 2; i++) {
        records[i]->profile.total.requested_bytes_total = 7000;
        records[i]->profile.total.requested_bytes_total_error = i == 0 ? 30 : 40;
    }
    read_again();
    text = written(nt__diff_csv);
    assert_non_null(strstr(text, "\ntotal,,live_bytes_now,bytes,60,10,-50,,\n"));
    assert_non_null(
        strstr(text, "\nsite_total,,requested_bytes_total,bytes,7000,7000,0,50,1\n"));
    line = strtok_r(text, "\n", &save);
    assert_string_equal(line,
                        "table,row,figure,unit,before,after,difference,error,noise");
    while ((line = strtok_r(NULL, "\n", &save)) != NULL)
        lines += strstr(line, ",count,") != NULL || strstr(line, ",bytes,") != NULL ||
                 strstr(line, ",ns,") != NULL;
    assert_int_equal(lines, json_array_size(json_object_get(root, "figures")));
    json_decref(root);
    root = NULL;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_same),   TEST(test_matched),     TEST(test_order), TEST(test_sites),
        TEST(test_stacks), TEST(test_one_profile), TEST(test_csv),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
