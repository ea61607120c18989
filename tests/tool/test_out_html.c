/* SPDX-License-Identifier: MIT */
/*
 * The page as a file: its parts are in it, its data is the record, and no name breaks out
 * of where it stands. What a browser makes of it is page.sh's.
 */
#include "src/tool/report.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOSTILE "</script><!--<b>&\"'\n\xff"

static struct nt_record record;

static void make(void)
{
    static struct nt_thread_figures thread = {.tid = 1};
    static struct nt_site_figures site = {.depth = 1, .stack = {4096}};
    static struct nt_module module = {.path = "/" HOSTILE, .end = 1 << 20, .to = 1};
    struct nt_snapshot *s = &record.snapshot;

    memset(&record, 0, sizeof record);
    memcpy(thread.name, HOSTILE, sizeof HOSTILE);
    memcpy(s->program, HOSTILE, sizeof HOSTILE);
    memcpy(s->host, HOSTILE, sizeof HOSTILE);
    memcpy(s->version_string, "0.1.0", 6);
    s->size = sizeof *s;
    s->version = NT_SNAPSHOT_VERSION;
    s->nodes = 1;
    s->rank = -1;
    s->page_bytes = 4096;
    s->total.live_bytes_peak = 123456789;
    record.threads = &thread;
    record.nthreads = 1;
    record.profile = (struct nt_profile){.interval_bytes = 1,
                                         .sites = &site,
                                         .nsites = 1,
                                         .modules = &module,
                                         .nmodules = 1};
}

static char *page_of(size_t n)
{
    struct nt_record *records[] = {&record, &record, &record};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_int_equal(nt__out_html(out, records, n, 0), 0);
    fclose(out);
    assert_int_equal(strlen(text), size);
    return text;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (; (text = strstr(text, what)) != NULL; text++)
        n++;
    return n;
}

/* What the block of data that begins at *at holds; *at moves behind it. */
static json_t *data_at(const char **at)
{
    const char *begin =
        strstr(*at, "<script type=\"application/json\" class=\"data\">");
    const char *end = strstr(begin, "</script>");
    json_t *o;

    begin = strchr(begin, '\n');
    o = json_loadb(begin, (size_t)(end - begin), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    *at = end;
    return o;
}

static void test_parts(void **state)
{
    char *page = page_of(1);

    (void)state;
    assert_int_equal(strncmp(page, "<!DOCTYPE html>\n", 16), 0);
    assert_int_equal(count(page, "</html>\n"), 1);
    assert_non_null(strstr(page, "class Flame {"));
    assert_non_null(strstr(page, ".flame {"));
    assert_null(strstr(page, "@STYLE@"));
    assert_null(strstr(page, "@DATA@"));
    free(page);
}

static void test_data_is_the_record(void **state)
{
    const char *at;
    char *page = page_of(3);

    (void)state;
    at = page;
    for (int i = 0; i < 3; i++) {
        json_t *o = data_at(&at), *r = json_object_get(o, "record");
        json_t *total = json_object_get(r, "total");

        assert_int_equal(json_integer_value(json_object_get(total, "live_bytes_peak")),
                         123456789);
        assert_null(json_object_get(r, "profile"));
        assert_int_equal(
            json_array_size(json_object_get(json_object_get(o, "profile"), "sites")),
            1);
        assert_string_equal(json_string_value(json_object_get(r, "program")),
                            "</script><!--<b>&\"'\n\xef\xbf\xbd");
        json_decref(o);
    }
    free(page);
}

static void test_names_stay_where_they_are(void **state)
{
    char *page = page_of(3);

    (void)state;
    /* Those of the page itself: three blocks of data, and the scripts. */
    assert_int_equal(count(page, "</script>"), 4);
    assert_int_equal(count(page, "<script"), 4);
    assert_int_equal(count(page, "<!--"), 1);
    assert_int_equal(count(page, "<b>"), 0);
    assert_int_equal(count(page, "\xff"), 0);
    free(page);
}

static void test_without_a_profile(void **state)
{
    const char *at;
    char *page;
    json_t *o;

    (void)state;
    record.profile = (struct nt_profile){0};
    page = page_of(1);
    at = page;
    o = data_at(&at);
    assert_null(json_object_get(o, "profile"));
    assert_non_null(json_object_get(o, "record"));
    json_decref(o);
    free(page);
    make();
}

static int start(void **state)
{
    (void)state;
    make();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_data_is_the_record),
        cmocka_unit_test(test_names_stay_where_they_are),
        cmocka_unit_test(test_without_a_profile),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
