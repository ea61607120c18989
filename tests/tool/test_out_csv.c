/* SPDX-License-Identifier: MIT */
/* CSV: read back by a parser of RFC 4180 written for it, all rows and names are there. */
#include "src/tool/rows.h"
#include "tests/tool/records.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FIELDS 12

/* Cut the next line off *text: its fields, unquoted in place. */
static void next_line(char **text, char *fields[FIELDS])
{
    char *s = *text;

    for (int i = 0; i < FIELDS; i++) {
        char end = i < FIELDS - 1 ? ',' : '\n', *to = s;
        bool quoted = *s == '"';

        fields[i] = to;
        for (s += quoted; quoted || *s != end; s++) {
            assert_true(*s != '\0');
            if (*s == '"' && *++s != '"')
                break;
            *to++ = *s;
        }
        assert_int_equal(*s, end);
        s++;
        *to = '\0';
    }
    *text = s;
}

static void test_lines(void **state)
{
    struct nt_record *records[2] = {records_make(), records_make()};
    char *text, *at, *fields[FIELDS];
    static const char *const head[FIELDS] = {"record", "host",   "program", "pid",
                                             "rank",   "table",  "row",     "column",
                                             "name",   "figure", "unit",    "value"};
    unsigned lines[2] = {0};
    unsigned long long pools = 0;

    (void)state;
    records[1]->snapshot.rank = -1;
    text = at = records_written(nt__out_csv, records, 2);
    next_line(&at, fields);
    for (int i = 0; i < FIELDS; i++)
        assert_string_equal(fields[i], head[i]);
    while (*at != '\0') {
        next_line(&at, fields);
        assert_true(strcmp(fields[0], "1") == 0 || strcmp(fields[0], "2") == 0);
        lines[fields[0][0] - '1']++;
        assert_string_equal(fields[2], HOSTILE_UTF8);
        assert_string_equal(fields[3], "12");
        assert_string_equal(fields[4], fields[0][0] == '1' ? "3" : "");
        if (strcmp(fields[5], "pool") == 0 && strcmp(fields[6], "0") != 0)
            assert_string_equal(fields[8], HOSTILE_UTF8);
        if (strcmp(fields[5], "pool") == 0 &&
            strcmp(fields[9], "allocated_bytes_total") == 0) {
            assert_string_equal(fields[10], "bytes");
            pools += strtoull(fields[11], NULL, 10);
        }
    }
    assert_int_equal(pools, 2 * (701 + 801 + 901));
    assert_int_equal(lines[0], lines[1]);
    assert_true(lines[0] > 200);
    free(text);
    records_free(records[0]);
    records_free(records[1]);
}

/* One head also where records come one after the other. */
static void test_head(void **state)
{
    struct nt_record *r = records_make();
    FILE *f = tmpfile();
    char line[4096];
    unsigned heads = 0, third = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(nt__out_csv(f, &r, 1, i), 0);
    rewind(f);
    while (fgets(line, sizeof line, f) != NULL) {
        heads += strncmp(line, "record,", 7) == 0;
        third += strncmp(line, "3,host,", 7) == 0;
    }
    fclose(f);
    assert_int_equal(heads, 1);
    assert_true(third > 200);
    records_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
