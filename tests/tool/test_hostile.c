/* SPDX-License-Identifier: MIT */
/*
 * Records that were spoilt in some bytes, and could still be read, in every format: nothing
 * may be read or written where it must not be, which the asan preset sees.
 */
#include "src/base/base.h"
#include "src/tool/findings.h"
#include "tests/tool/records.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TRIES 1500

static uint64_t seed = 42;

static size_t draw(size_t n)
{
    seed = seed * 6364136223846793005 + 1442695040888963407;
    return (size_t)(seed >> 33) % n;
}

/* Mostly so that it stays JSON: other digits, and a value that stands elsewhere. */
static void spoil(char *text, size_t bytes)
{
    size_t at = draw(bytes), from = draw(bytes), n;

    switch (draw(8)) {
    case 0:
        text[at] = (char)draw(256);
        break;
    case 1:
        n = nt__min(1 + draw(40), bytes - nt__max(at, from));
        memmove(text + at, text + from, n);
        break;
    default:
        while (at < bytes && !isdigit((unsigned char)text[at]))
            at++;
        for (n = draw(20); at < bytes && isdigit((unsigned char)text[at]); at++)
            text[at] = (char)('0' + (n > 10 ? 9 : draw(10)));
    }
}

static void write_all(struct nt_record *good, struct nt_record *spoilt)
{
    static nt_write *const writes[] = {
        nt__out_text,       nt__out_json,          nt__out_csv,
        nt__out_prometheus, nt__out_collapsed,     nt__out_pprof,
        nt__out_html,       nt__out_findings_text, nt__out_findings_json};
    static nt_diff_write *const diffs[] = {nt__diff_text, nt__diff_json, nt__diff_csv};
    static const char *const paths[2] = {"good", "spoilt"};
    struct nt_record *const both[2] = {good, spoilt};
    FILE *null = fopen("/dev/null", "w");

    assert_non_null(null);
    for (size_t i = 0; i < NT_ARRAY_LEN(writes); i++)
        assert_int_equal(writes[i](null, both, 2, 0), 0);
    for (size_t i = 0; i < NT_ARRAY_LEN(diffs); i++)
        assert_int_equal(nt__diff_write(null, diffs[i], paths, both), 0);
    fclose(null);
}

static void test_spoilt(void **state)
{
    struct nt_record *good = records_make();
    char *text = records_written(nt__out_json, &good, 1), *copy = strdup(text);
    size_t bytes = strlen(text), read = 0;

    (void)state;
    assert_non_null(copy);
    for (unsigned i = 0; i < TRIES; i++) {
        struct nt_record *r = calloc(1, sizeof *r);
        json_t *root;

        memcpy(copy, text, bytes);
        for (size_t n = 1 + draw(4); n > 0; n--)
            spoil(copy, bytes);
        root = json_loadb(copy, bytes, 0, NULL);
        if (root != NULL && nt__record_read(root, r) == NULL) {
            write_all(good, r);
            read++;
        }
        json_decref(root);
        records_free(r);
    }
    assert_in_range(read, TRIES / 10, TRIES);
    free(text);
    free(copy);
    records_free(good);
}

/* Counts and addresses below zero are refused, and named. */
static void test_negative(void **state)
{
    static const char *const keys[] = {"lifetimes", "stack"};
    struct nt_record *good = records_make();
    char *text = records_written(nt__out_json, &good, 1);
    json_t *root = json_loads(text, 0, NULL);
    json_t *sites = json_object_get(json_object_get(root, "profile"), "sites");

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(keys); i++) {
        json_t *array = json_object_get(json_array_get(sites, 1), keys[i]);
        json_t *old = json_incref(json_array_get(array, 1));
        struct nt_record *r = calloc(1, sizeof *r);
        const char *why;

        json_array_set_new(array, 1, json_integer(-1));
        why = nt__record_read(root, r);
        assert_non_null(why);
        assert_non_null(strstr(why, keys[i]));
        records_free(r);
        json_array_set_new(array, 1, old);
    }
    json_decref(root);
    free(text);
    records_free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spoilt),
        cmocka_unit_test(test_negative),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
