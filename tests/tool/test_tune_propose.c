/* SPDX-License-Identifier: MIT */
/* Proposals, beside the library's own table made from them. */
#include "pools/sizeclass.h"
#include "src/tool/tune.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct nt_evidence e;
static struct nt_proposal p;
static uint64_t state = 7;

static uint64_t random_below(uint64_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
}

static void add(size_t row, double blocks, double size)
{
    struct nt_tune_blocks *b = &e.peak[row];

    b->samples += blocks;
    b->blocks += blocks;
    b->held += blocks * size;
    b->allocated += blocks * size;
    e.all[row] = *b;
}

static void begin(void)
{
    memset(&e, 0, sizeof e);
    e.records = e.sampled = 1;
    e.interval = 1;
    e.threads = 1;
    e.page_bytes = 4096;
}

/* The library makes of it what the proposal says: as many classes, each row by the same. */
static void check_table(const struct nt_tune_table *t, size_t listed)
{
    double waste = 0;

    assert_int_equal(nt__sizeclass_start(t->size, (unsigned)listed), listed);
    assert_int_equal(nt__sizeclasses.count, t->count);
    for (size_t i = 0; i < t->count; i++)
        assert_int_equal(nt__sizeclasses.size[i], t->size[i]);
    for (size_t row = 0; row + 1 < NT_SIZE_ROWS; row++) {
        uint64_t size = nt__evidence_size(row);
        unsigned c = nt__sizeclass_aligned(size, nt__max(e.align[row], 16));
        uint64_t class = c < nt__sizeclasses.count ? nt__sizeclasses.size[c]
                                                   : nt__align_up(size, 65536);

        assert_true(class >= size);
        waste += e.peak[row].blocks * (double)class - e.peak[row].held;
    }
    assert_true(fabs(waste - t->waste) <= 1e-6 * (waste + 1));
}

static void test_tables(void **unused)
{
    (void)unused;
    for (int round = 0; round < 60; round++) {
        static const size_t most[] = {2287, 2047, 200, 60, 3};
        size_t rows = most[random_below(5)] + 1;

        begin();
        e.threads = (double)(1 + random_below(64));
        for (uint64_t n = 1 + random_below(100); n > 0; n--) {
            size_t row = random_below(rows);

            add(row, (double)(1 + random_below(round % 2 ? 100000 : 50)),
                (double)nt__evidence_size(row) - (double)random_below(16));
            if (random_below(8) == 0)
                e.align[row] = (uint64_t)32 << random_below(12);
        }
        unsigned classes = 1 + (unsigned)random_below(127);
        assert_null(nt__tune_propose(&e, classes, &p));
        assert_in_range(p.listed, 1, classes);
        check_table(&p.best, p.listed);
        check_table(&p.builtin, 0);
        for (size_t row = 0; p.guard < 100 && row + 1 < NT_SIZE_ROWS; row++) {
            uint64_t size = nt__evidence_size(row);
            uint64_t class = nt__sizeclasses.size[nt__sizeclass_of(size)];

            assert_true((class - size) * 100 <= class * p.guard);
        }
        if (classes == 127)
            assert_true(p.best.waste <= p.builtin.waste);
    }
}

/* Many blocks of a size were aligned: it is a class. For a few it need not be. */
static void test_aligned(void **unused)
{
    (void)unused;
    static const struct {
        size_t row, align;
        double blocks;
        bool is_class;
    } cases[] = {{2047 + 48, 65536, 1, true}, /* 128 KiB */
                 {255, 4096, 300, true},      /* 4 KiB */
                 {1279, 4096, 50, true},      /* 20 KiB */
                 {255, 4096, 2, false}};

    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        double size = (double)nt__evidence_size(cases[i].row);
        bool found = false;

        begin();
        add(cases[i].row, cases[i].blocks, size);
        e.align[cases[i].row] = cases[i].align;
        add(16, 100000, 264);                 /* what makes a table worth it, */
        add(cases[i].row + 1, 40, size + 16); /* and would serve both */
        assert_null(nt__tune_propose(&e, 127, &p));
        assert_true(p.classes);
        for (size_t k = 0; k < p.best.count; k++)
            found |= (double)p.best.size[k] >= size && (double)p.best.size[k] <= size;
        assert_int_equal(found, cases[i].is_class);
        check_table(&p.best, p.listed);
    }
}

/* One size that the built-in table serves badly: nothing of it is wasted. */
static void test_one(void **unused)
{
    (void)unused;
    begin();
    add(1040 / 16 - 1, 100000, 1040);
    assert_null(nt__tune_propose(&e, 127, &p));
    assert_true(p.classes && fabs(p.best.waste) < 1e-6);
    assert_true(fabs(p.builtin.waste - 100000.0 * (1152 - 1040)) < 1e-3);
    assert_int_equal(p.best.size[p.listed - 1], 1040);
    assert_int_equal(p.best.used, 1);
    /* One that it serves well. */
    begin();
    add(1024 / 16 - 1, 100000, 1024);
    assert_null(nt__tune_propose(&e, 127, &p));
    assert_false(p.classes);
    /* None that a class serves; none at all. */
    begin();
    add(NT_SIZE_ROWS - 1, 10, 1e6);
    assert_non_null(nt__tune_propose(&e, 127, &p));
    begin();
    e.sampled = 0;
    assert_non_null(nt__tune_propose(&e, 127, &p));
}

/* Sizes that were not in use at the peak, but often at other times, have classes, too. */
static void test_other_times(void **unused)
{
    (void)unused;
    static const size_t sizes[] = {6400, 7008, 7600};

    for (int often = 0; often < 2; often++) {
        size_t found = 0;

        begin();
        add(1040 / 16 - 1, 100000, 1040);
        add(8192 / 16 - 1, 10000, 8192);
        for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++) {
            struct nt_tune_blocks *b = &e.all[sizes[i] / 16 - 1];

            b->samples = b->blocks = often ? 10000 : 1;
            b->held = b->blocks * (double)sizes[i];
        }
        assert_null(nt__tune_propose(&e, 127, &p));
        assert_true(p.classes);
        for (size_t k = 0; k < NT_ARRAY_LEN(sizes); k++)
            for (size_t i = 0; i < p.listed; i++)
                found += p.best.size[i] == sizes[k];
        assert_int_equal(found == NT_ARRAY_LEN(sizes), often);
    }
}

/* A threshold is a matter of choice, but not that it follows what was given back. */
static void test_return(void **unused)
{
    (void)unused;
    begin();
    add(3, 1000, 64);
    e.live_peak = 100e6;
    e.returned = 90e6; /* once, at the end */
    e.cpu_ns = 1e9;
    assert_null(nt__tune_propose(&e, 127, &p));
    assert_int_equal(p.return_ms, 0);
    e.returned = 100e9; /* a thousand times */
    assert_null(nt__tune_propose(&e, 127, &p));
    assert_int_equal(p.return_ms, 10000);
    e.valley_ns = 30000000000;
    assert_null(nt__tune_propose(&e, 127, &p));
    assert_int_equal(p.return_ms, 60000);
    e.valley_ns = UINT64_MAX;
    assert_null(nt__tune_propose(&e, 127, &p));
    assert_int_equal(p.return_ms, 3600000);
    e.cpu_ns = 1e15; /* it does not matter */
    assert_null(nt__tune_propose(&e, 127, &p));
    assert_int_equal(p.return_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),  cmocka_unit_test(test_one),
        cmocka_unit_test(test_aligned), cmocka_unit_test(test_other_times),
        cmocka_unit_test(test_return),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
