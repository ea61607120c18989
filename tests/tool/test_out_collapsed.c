/* SPDX-License-Identifier: MIT */
/* Collapsed stacks: a line for each site with anything of the figure that --value says. */
#include "src/base/base.h"
#include "src/tool/rows.h"
#include "tests/tool/records.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const figures[] = {"at_peak_requested_bytes",
                                      "live_requested_bytes_now",
                                      "requested_bytes_total", "allocations_total"};

/* The number at the end of each line, summed; what is before it is checked. */
static unsigned long long sum_of(char *text, unsigned *lines)
{
    static const char program[] = "a_\"b\"\\__,:<b>\xef\xbf\xbd\xef\xbf\xbd(;";
    unsigned long long sum = 0;
    char *save, *line = strtok_r(text, "\n", &save);

    for (*lines = 0; line != NULL; line = strtok_r(NULL, "\n", &save), ++*lines) {
        char *blank = strrchr(line, ' '), *end;

        assert_memory_equal(line, program, sizeof program - 1);
        assert_non_null(blank);
        assert_ptr_equal(strchr(line, ' '), blank);
        assert_ptr_not_equal(strchr(line + sizeof program - 1, ';'),
                             line + sizeof program - 1);
        sum += strtoull(blank + 1, &end, 10);
        assert_true(end > blank + 1 && *end == '\0');
    }
    return sum;
}

static void test_values(void **state)
{
    struct nt_record *records[2] = {records_make(), records_make()};

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(figures); i++) {
        unsigned long long want = 0;
        unsigned lines;
        char *text;

        nt__report_value = figures[i];
        for (const struct nt_figure *g = nt__figures(NT_LIST_SITE); g->name; g++)
            for (size_t k = 0; strcmp(g->name, figures[i]) == 0 && k < 3; k++)
                want += *(const uint64_t *)(const void *)((const char *)&records[0]
                                                              ->profile.sites[k] +
                                                          g->offset);
        text = records_written(nt__out_collapsed, records, 2);
        assert_true(want > 0);
        assert_int_equal(sum_of(text, &lines), 2 * want);
        assert_int_equal(lines, 6);
        free(text);
    }
    nt__report_value = figures[0];
    records[0]->profile.sites[0].at_peak_requested_bytes = 0;
    {
        unsigned lines;
        char *text = records_written(nt__out_collapsed, records, 1);

        sum_of(text, &lines);
        assert_int_equal(lines, 2);
        free(text);
    }
    records_free(records[0]);
    records_free(records[1]);
}

static void test_order(void **state)
{
    struct nt_record *r = records_make();
    char *text = records_written(nt__out_collapsed, &r, 1), *inner, *outer;

    (void)state;
    inner = strstr(text, "1001");
    outer = strstr(text, "2001");
    assert_true(inner != NULL && outer != NULL && outer < inner);
    assert_non_null(strstr(text, ";[unknown] "));
    free(text);
    records_free(r);
}

static void test_put(void **state)
{
    char *text;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);

    (void)state;
    nt__stack_put(f, "operator new(unsigned long);\tx\n\x7f\xc3\xb6");
    fclose(f);
    assert_string_equal(text, "operator_new(unsigned_long):_x__\xc3\xb6");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_put),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
