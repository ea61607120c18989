/* SPDX-License-Identifier: MIT */
/*
 * Profiles in pprof's format, of records that are made up: several processes that have the
 * same files at other addresses, figures at their limits. Real ones: pprof.sh.
 */
#include "src/tool/report.h"

#include <pprof.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

/* Neither is a file, so nothing is looked up in it. */
static struct nt_module modules[2][2] = {{{.start = 0x10000,
                                           .end = 0x20000,
                                           .bias = 0x10000,
                                           .to = UINT32_MAX,
                                           .path = "prog"},
                                          {.start = 0x30000,
                                           .end = 0x40000,
                                           .bias = 0x30000,
                                           .to = UINT32_MAX,
                                           .path = "lib"}},
                                         {{.start = 0x50000,
                                           .end = 0x60000,
                                           .bias = 0x50000,
                                           .to = UINT32_MAX,
                                           .path = "prog"},
                                          {.start = 0x10000,
                                           .end = 0x20000,
                                           .bias = 0x10000,
                                           .to = UINT32_MAX,
                                           .path = "lib"}}};

static struct nt_site_figures sites[2][2] = {
    {{.depth = 3,
      .stack = {0x30101, 0x10201, 0x99},
      .samples_total = 1,
      .allocations_total = 1,
      .requested_bytes_total = 2,
      .live_blocks_now = 3,
      .live_requested_bytes_now = 4,
      .at_peak_blocks = 5,
      .at_peak_requested_bytes = 6},
     {.depth = 1, .stack = {0x30101}}}, /* it only frees */
    {{.depth = 2,
      .stack = {0x10101, 0x50201},
      .samples_total = 1,
      .requested_bytes_total = UINT64_MAX},
     {.samples_total = 1}}};

static struct nt_record record[2], *const records[2] = {&record[0], &record[1]};

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct nt_record *r = &record[i];
        r->profile = (struct nt_profile){.sites = sites[i],
                                         .nsites = 2,
                                         .modules = modules[i],
                                         .nmodules = 2,
                                         .interval_bytes = (uint64_t)(i + 1) * 1000};
        r->snapshot.rank = i - 1; /* the first has none */
        r->snapshot.pid = 100 + i;
        r->snapshot.start_unix_ns = 5000;
        r->snapshot.now_unix_ns = 7000 + (uint64_t)i;
        strcpy(r->snapshot.host, "a\nhost");
    }
    return 0;
}

static Pprof__Profile *make(size_t n)
{
    static unsigned char bytes[1 << 16];
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(nt__out_pprof(f, records, n, 0), 0);
    assert_int_equal(fflush(f), 0);
    rewind(f);
    gzFile gz = gzdopen(dup(fileno(f)), "r");
    int got = gzread(gz, bytes, sizeof bytes);
    assert_true(got > 0 && (size_t)got < sizeof bytes);
    assert_int_equal(gzclose(gz), Z_OK);
    fclose(f);
    Pprof__Profile *p = pprof__profile__unpack(NULL, (size_t)got, bytes);
    assert_non_null(p);
    return p;
}

static const char *name_at(const Pprof__Profile *p, const Pprof__Sample *s, size_t i)
{
    const Pprof__Location *l = p->location[s->location_id[i] - 1];
    assert_int_equal(l->n_line, 1);
    return p->string_table[p->function[l->line[0]->function_id - 1]->name];
}

static void test_one(void **state)
{
    (void)state;
    Pprof__Profile *p = make(1);
    assert_int_equal(p->n_sample_type, 6);
    assert_int_equal(p->n_sample, 1);
    const Pprof__Sample *s = p->sample[0];
    assert_int_equal(s->n_value, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(s->value[i], i + 1);
    assert_int_equal(s->n_label, 0);
    assert_int_equal(s->n_location_id, 3);
    assert_string_equal(name_at(p, s, 0), "lib+0x101");
    assert_string_equal(name_at(p, s, 1), "prog+0x201");
    assert_string_equal(name_at(p, s, 2), "0x99");
    assert_int_equal(p->location[s->location_id[0] - 1]->address, 0x30100);
    assert_int_equal(p->location[s->location_id[2] - 1]->mapping_id, 0);
    assert_int_equal(p->n_mapping, 2);
    assert_string_equal(p->string_table[p->mapping[0]->filename], "prog");
    assert_int_equal(p->time_nanos, 5000);
    assert_int_equal(p->duration_nanos, 2000);
    assert_int_equal(p->period, 1000);
    pprof__profile__free_unpacked(p, NULL);
}

/* What is at the same place of a file is one location; the other process's samples stay its
 * own. */
static void test_several(void **state)
{
    (void)state;
    Pprof__Profile *p = make(2);
    assert_int_equal(p->n_sample, 3);
    const Pprof__Sample *first = p->sample[0], *second = p->sample[1];
    assert_int_equal(p->n_mapping, 2);
    assert_int_equal(p->n_location, 3);
    assert_int_equal(second->n_location_id, 2);
    assert_int_equal(second->location_id[0], first->location_id[0]);
    assert_int_equal(second->location_id[1], first->location_id[1]);
    assert_int_equal(second->value[1], INT64_MAX);
    assert_int_equal(p->sample[2]->n_location_id, 0);
    assert_int_equal(first->n_label, 1);
    assert_int_equal(second->n_label, 2);
    assert_string_equal(p->string_table[first->label[0]->key], "process");
    assert_string_equal(p->string_table[first->label[0]->str], "a?host:100");
    assert_string_equal(p->string_table[second->label[1]->key], "rank");
    assert_string_equal(p->string_table[second->label[1]->str], "0");
    assert_int_equal(p->period, 2000);
    assert_int_equal(p->duration_nanos, 2001);
    assert_int_equal(p->n_comment, 2);
    pprof__profile__free_unpacked(p, NULL);
}

static void test_full(void **state)
{
    (void)state;
    FILE *f = fopen("/dev/full", "w");
    assert_non_null(f);
    int err = nt__out_pprof(f, records, 2, 0);
    assert_true(err != 0 || fflush(f) != 0 || ferror(f));
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one),
                                       cmocka_unit_test(test_several),
                                       cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
