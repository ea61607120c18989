/* SPDX-License-Identifier: MIT */
/* Figures in words; what is worth a finding; the ranking; what is said where nothing was
 * sampled. */
#include "tests/tool/findings.h"

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(nt__bytes(0).s, "0 bytes");
    assert_string_equal(nt__bytes(17).s, "17 bytes");
    assert_string_equal(nt__bytes(1536).s, "1.50 KiB");
    assert_string_equal(nt__bytes(812.44 * 1048576).s, "812 MiB");
    assert_string_equal(nt__bytes(81.24 * 1048576).s, "81.2 MiB");
    assert_string_equal(nt__bytes(0x1p63).s, "8388608 TiB");
    assert_string_equal(nt__bytes_pm(81.24 * 1048576, 1048576).s, "81.2 +- 1.0 MiB");
    assert_string_equal(nt__bytes_pm(81.24 * 1048576, 0).s, "81.2 MiB");
    assert_string_equal(nt__count(0).s, "0");
    assert_string_equal(nt__count(999).s, "999");
    assert_string_equal(nt__count(1301).s, "1,301");
    assert_string_equal(nt__count(999999).s, "999,999");
    assert_string_equal(nt__count(1301000).s, "1.30 million");
    assert_string_equal(nt__time(0).s, "0 ns");
    assert_string_equal(nt__time(1234567).s, "1.23 ms");
    assert_string_equal(nt__time(90e9).s, "90.0 s");
    assert_string_equal(nt__time(7200e9).s, "2.00 h");
}

static struct nt_analysis analysis(void)
{
    made.found.memory_bytes = (double)PEAK;
    made.found.cpu_ns = (double)RUN;
    return (struct nt_analysis){.record = &made.record, .out = &made.found};
}

static void test_counts(void **state)
{
    struct nt_analysis a = analysis();

    (void)state;
    assert_true(nt__finding_counts(&a, NT_COST_BYTES, 0.0101 * PEAK, 0));
    assert_false(nt__finding_counts(&a, NT_COST_BYTES, 0.0099 * PEAK, 0));
    assert_true(nt__finding_counts(&a, NT_COST_NS, 0.0101 * RUN, 0));
    assert_false(nt__finding_counts(&a, NT_COST_NS, 0.0099 * RUN, 0));
    /* What is sampled must be sure to cost that. */
    assert_true(nt__finding_counts(&a, NT_COST_BYTES, 0.02 * PEAK, 0.0038 * PEAK));
    assert_false(nt__finding_counts(&a, NT_COST_BYTES, 0.02 * PEAK, 0.0039 * PEAK));
    /* A small process's whole memory, and time, are not much. */
    made.found.memory_bytes = 1000000;
    made.found.cpu_ns = 9e6;
    assert_false(nt__finding_counts(&a, NT_COST_BYTES, 1000000, 0));
    assert_false(nt__finding_counts(&a, NT_COST_NS, 9e6, 0));
}

static void test_nothing(void **state)
{
    (void)state;
    finds_nothing();
    assert_true(made.found.memory_bytes == (double)PEAK);
    assert_true(made.found.cpu_ns == (double)RUN);
    /* A record of nothing at all. */
    memset(&made.record.snapshot, 0, sizeof made.record.snapshot);
    finds_nothing();
    assert_null(made.found.note);
}

static void test_note(void **state)
{
    (void)state;
    find();
    assert_non_null(strstr(made.found.note, "Nothing was sampled"));
    assert_non_null(strstr(made.found.note, "--sample 256K"));
    made.record.snapshot.total.requested_bytes_total = 50 * (uint64_t)NT_MIB;
    find();
    assert_non_null(strstr(made.found.note, "--sample 16K"));
    make_profile();
    find();
    assert_null(made.found.note);
    made.record.profile.interval_bytes = 512 << 10;
    made.record.profile.total.samples_total = 100;
    find();
    assert_non_null(strstr(made.found.note, "only 100 samples"));
    /* What is not looked for. */
    made.record.snapshot.now_unix_ns = made.record.snapshot.start_unix_ns + SECOND - 1;
    find();
    assert_non_null(strstr(made.found.note, "Leaks and growth are not looked for"));
    assert_non_null(strstr(made.found.note, " There were only 100 samples"));
    made.record.profile.total.samples_total = 1000;
    find();
    assert_non_null(strstr(made.found.note, "took 1000 ms."));
}

/* By share, whatever the unit. */
static void test_ranking(void **state)
{
    struct nt_snapshot *s = &made.record.snapshot;

    (void)state;
    s->total.remote_frees_total = 20000000; /* 200 ms of 10 s */
    s->node[1].elsewhere_full_bytes_now = PEAK / 4;
    s->node[0].elsewhere_moved_bytes_now = PEAK / 64;
    assert_int_equal(find(), 3);
    assert_string_equal(made.found.list[0].kind, "elsewhere");
    assert_true(made.found.list[0].share == 0.25);
    assert_string_equal(made.found.list[1].kind, "remote-free");
    assert_true(made.found.list[1].share == 0.02);
    assert_string_equal(made.found.list[2].kind, "elsewhere");
    /* Nothing costs more than there was. */
    s->node[1].elsewhere_full_bytes_now = 3 * PEAK;
    find();
    assert_true(made.found.list[0].share == 1);
    /* Without the processor's time: of the time from start to end. */
    s->cpu_ns_total = 0;
    s->now_unix_ns = s->start_unix_ns + RUN / 2;
    find();
    assert_true(made.found.list[1].share == 0.04);
}

static void test_json(void **state)
{
    json_t *all, *array, *o;
    const char *key;
    static const char *const texts[] = {"kind", "unit", "sentence", "advice"};

    (void)state;
    strcpy(made.record.snapshot.program, "a\nb\xff");
    made.record.snapshot.rank = 3;
    made.record.snapshot.total.remote_frees_total = 20000000;
    find();
    all = nt__findings_json(&made.record, &made.found);
    assert_string_equal(json_string_value(json_object_get(all, "program")), "a?b?");
    assert_int_equal(json_integer_value(json_object_get(all, "pid")), 100);
    assert_int_equal(json_integer_value(json_object_get(all, "rank")), 3);
    assert_string_equal(json_string_value(json_object_get(all, "note")),
                        made.found.note);
    array = json_object_get(all, "findings");
    assert_int_equal(json_array_size(array), 1);
    o = json_array_get(array, 0);
    for (size_t i = 0; i < NT_ARRAY_LEN(texts); i++) {
        key = texts[i];
        assert_true(json_is_string(json_object_get(o, key)));
    }
    assert_string_equal(json_string_value(json_object_get(o, "unit")), "ns");
    assert_true(json_real_value(json_object_get(o, "cost")) == 2e8);
    assert_true(json_real_value(json_object_get(o, "share")) == 0.02);
    assert_int_equal(json_array_size(json_object_get(o, "where")), 0);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_words), TEST(test_counts),  TEST(test_nothing),
        TEST(test_note),  TEST(test_ranking), TEST(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
