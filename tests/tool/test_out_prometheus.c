/* SPDX-License-Identifier: MIT */
/*
 * Prometheus: each family once and in one piece, names that are told apart in OpenMetrics, too,
 * labels escaped, and no series twice. That promtool takes it: tests/tool/formats.sh.
 */
#include "tests/tool/records.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FAMILIES_MAX 300

static struct {
    char name[128];
    bool counter;
} families[FAMILIES_MAX];
static size_t nfamilies;

/* Note the families of `text`, whose samples follow their heads. */
static void read_families(char *text)
{
    char *save, *line = strtok_r(text, "\n", &save);

    nfamilies = 0;
    for (; line != NULL; line = strtok_r(NULL, "\n", &save)) {
        size_t n = strcspn(line, "{");
        char name[128], type[16];

        if (sscanf(line, "# TYPE %127s %15s", name, type) == 2) {
            assert_true(nfamilies < FAMILIES_MAX);
            strcpy(families[nfamilies].name, name);
            families[nfamilies++].counter = strcmp(type, "counter") == 0;
            continue;
        }
        if (sscanf(line, "# HELP %127s %15s", name, type) == 2)
            continue;
        assert_true(nfamilies > 0 && n == strlen(families[nfamilies - 1].name));
        assert_memory_equal(line, families[nfamilies - 1].name, n);
    }
}

static void test_families(void **state)
{
    struct nt_record *records[2] = {records_make(), records_make()};
    char *text;

    (void)state;
    records[1]->snapshot.pid = 13;
    text = records_written(nt__out_prometheus, records, 2);
    read_families(text);
    assert_true(nfamilies > 80);
    for (size_t i = 0; i < nfamilies; i++) {
        const char *name = families[i].name;
        size_t n = strlen(name);
        bool total = n > 6 && strcmp(name + n - 6, "_total") == 0;

        assert_memory_equal(name, "numatally_", 10);
        assert_int_equal(total, families[i].counter);
        for (const char *s = name; *s != '\0'; s++)
            assert_true(islower(*s) || *s == '_');
        for (size_t k = 0; k < nfamilies; k++) {
            assert_true(i == k || strcmp(name, families[k].name) != 0);
            /* a gauge x beside a counter x_total */
            assert_false(total && !families[k].counter &&
                         strlen(families[k].name) == n - 6 &&
                         memcmp(name, families[k].name, n - 6) == 0);
        }
    }
    free(text);
    records_free(records[0]);
    records_free(records[1]);
}

#define PROCESS                                                                        \
    "host=\"host\",program=\"a "                                                       \
    "\\\"b\\\"\\\\\\n\r,;<b>\xef\xbf\xbd\xef\xbf\xbd(\",pid="
#define NAME "\"a \\\"b\\\"\\\\\\n\r,;<b>\xef\xbf\xbd\xef\xbf\xbd(\""

__attribute__((format(printf, 2, 3))) static void assert_has(const char *text,
                                                             const char *format, ...)
{
    char line[2048];
    va_list ap;

    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    if (strstr(text, line) == NULL)
        fail_msg("there is no %s", line);
}

static unsigned long long of(uint64_t v)
{
    return v;
}

static void test_samples(void **state)
{
    struct nt_record *r = records_make();
    const struct nt_snapshot *s = &r->snapshot;
    char *text = records_written(nt__out_prometheus, &r, 1);

    (void)state;
    assert_has(
        text,
        "\n# HELP numatally_node_live_bytes block bytes in use\n"
        "# TYPE numatally_node_live_bytes gauge\n"
        "numatally_node_live_bytes{" PROCESS "\"12\",rank=\"3\",node=\"0\"} %llu\n"
        "numatally_node_live_bytes{" PROCESS "\"12\",rank=\"3\",node=\"7\"} %llu\n"
        "# ",
        of(s->node[0].live_bytes_now), of(s->node[1].live_bytes_now));
    assert_has(text, "\nnumatally_live_peak_bytes{" PROCESS "\"12\",rank=\"3\"} %llu\n",
               of(s->total.live_bytes_peak));
    assert_has(text, "\nnumatally_start_unix_seconds{" PROCESS
                     "\"12\",rank=\"3\"} 1700000000.000000001\n");
    assert_has(text, ",class=\"64\"} %llu\n", of(s->class_[0].allocations_total));
    assert_has(text, ",class=\"large\"} %llu\n", of(s->class_[2].allocations_total));
    assert_has(text, ",node=\"7\",home=\"0\"} 10\n");
    assert_has(text,
               "numatally_phase_spent_seconds_total{" PROCESS
               "\"12\",rank=\"3\",phase=" NAME "} 0.%09llu\n",
               of(r->phases[1].spent_ns_total));
    /* Two pools of one name are one series. */
    assert_has(text,
               "numatally_pool_allocations_total{" PROCESS
               "\"12\",rank=\"3\",pool=" NAME "} %llu\n",
               of(r->pools[1].allocations_total + r->pools[2].allocations_total));
    assert_has(text,
               "numatally_profile_live_requested_bytes_now_error{" PROCESS
               "\"12\",rank=\"3\"} %llu\n",
               of(r->profile.total.live_requested_bytes_now_error));
    assert_null(strstr(text, "thread=")); /* there may be ten thousand */
    assert_null(strstr(text, "numatally_class_block_bytes"));
    free(text);
    records_free(r);
}

/* Of records with the same labels the newest; of two that are as new, the last. */
static void test_newest(void **state)
{
    struct nt_record *records[4];
    char *text;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        records[i] = records_make();
        records[i]->snapshot.threads_now = 1000 + i;
    }
    records[1]->snapshot.now_unix_ns++;
    records[2]->snapshot.now_unix_ns++;
    records[3]->snapshot.rank = 4;
    text = records_written(nt__out_prometheus, records, 4);
    assert_has(text, "gauge\nnumatally_threads{" PROCESS "\"12\",rank=\"3\"} 1002\n"
                     "numatally_threads{" PROCESS "\"12\",rank=\"4\"} 1003\n# ");
    free(text);
    for (size_t i = 0; i < 4; i++)
        records_free(records[i]);
}

/* What the kernel was not asked is not 0 but not there. */
static void test_residency(void **state)
{
    struct nt_record *r = records_make();
    char *text = records_written(nt__out_prometheus, &r, 1);

    (void)state;
    assert_has(text, "\nnumatally_node_resident_bytes{");
    free(text);
    r->snapshot.residency_pages_now = 0;
    text = records_written(nt__out_prometheus, &r, 1);
    assert_null(strstr(text, "numatally_node_resident_bytes"));
    free(text);
    records_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_newest),
        cmocka_unit_test(test_residency),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
