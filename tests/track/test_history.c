/* SPDX-License-Identifier: MIT */
/* Points that come and are thinned out: bounded, in order, from the start to the last. */
#include "src/track/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct nt_history h;

/* A point at `ns` whose levels are made of it. */
static const uint64_t *at(uint64_t ns)
{
    static uint64_t point[NT_HISTORY_ROW_MAX];

    point[0] = ns;
    for (unsigned n = 0; n < h.nodes; n++) {
        point[1 + n] = ns + 3 * n;
        point[1 + h.nodes + n] = 2 * ns + n;
    }
    return point;
}

static void add(uint64_t ns)
{
    nt__history_add(&h, at(ns));
}

static void assert_whole(void)
{
    assert_true(nt__history_is_whole(&h));
    for (size_t i = 0; i < h.count; i++) {
        const uint64_t *p = nt__history_point(&h, i);

        for (unsigned n = 0; n < h.nodes; n++) {
            assert_int_equal(p[1 + n], p[0] + 3 * n);
            assert_int_equal(p[1 + h.nodes + n], 2 * p[0] + n);
        }
    }
}

static void test_order(void **state)
{
    (void)state;
    nt__history_start(&h, 2);
    add(5);
    add(4);
    add(5 + NT_HISTORY_INTERVAL_NS - 1);
    assert_int_equal(h.count, 1);
    add(5 + NT_HISTORY_INTERVAL_NS);
    assert_int_equal(h.count, 2);
    assert_false(nt__history_end(&h, at(5 + NT_HISTORY_INTERVAL_NS)));
    assert_false(nt__history_end(&h, at(0)));
    assert_true(nt__history_end(&h, at(6 + NT_HISTORY_INTERVAL_NS)));
    assert_int_equal(h.count, 3);
    assert_int_equal(nt__history_point(&h, 2)[0], 6 + NT_HISTORY_INTERVAL_NS);
    assert_whole();
}

/* However many come, an interval apart: the first stays, the last is there, and between two
 * of them is the interval. */
static void many(unsigned nodes, size_t room)
{
    uint64_t ns = 0;

    nt__history_start(&h, nodes);
    assert_int_equal(nt__history_room(&h), room);
    for (unsigned i = 0; h.interval_ns >> 20 < NT_HISTORY_INTERVAL_NS; i++) {
        add(ns);
        assert_true(h.count <= room && (i < room || h.count > room / 2));
        assert_int_equal(nt__history_point(&h, 0)[0], 0);
        assert_int_equal(nt__history_point(&h, h.count - 1)[0], ns);
        ns += h.interval_ns;
    }
    assert_whole();
    for (size_t i = 1; i < h.count; i++)
        assert_true(nt__history_point(&h, i)[0] - nt__history_point(&h, i - 1)[0] >=
                    h.interval_ns);
}

static void test_bounded(void **state)
{
    (void)state;
    many(1, 256);
    many(8, 256);
    many(9, 228);
    many(NT_NODES_MAX, 32);
}

/* Nothing that a file says is read beyond the end. */
static void test_damaged(void **state)
{
    (void)state;
    nt__history_start(&h, 3);
    add(1);
    nt__history_end(&h, at(2));
    assert_true(nt__history_is_whole(&h));
    h.count = 257;
    assert_false(nt__history_is_whole(&h));
    h.count = UINT32_MAX;
    assert_false(nt__history_is_whole(&h));
    h.count = 2;
    h.nodes = NT_NODES_MAX + 1;
    assert_false(nt__history_is_whole(&h));
    h.nodes = 3;
    h.word[nt__history_row(&h)] = 1; /* as the point before */
    assert_false(nt__history_is_whole(&h));
    memset(&h, 0, sizeof h);
    assert_true(nt__history_is_whole(&h));
}

static void test_json(void **state)
{
    static char text[4096];
    struct nt_fmt f;

    (void)state;
    nt__history_start(&h, 2);
    add(7);
    nt__history_end(&h, at(20));
    nt__fmt_init(&f, text, sizeof text, -1);
    nt__json_open(&f, '{');
    nt__history_json(&f, &h);
    nt__json_close(&f, '}');
    assert_string_equal(
        text, "{\"history\":{\"interval_ns\":10000000,\"points\":["
              "{\"ns\":7,\"live_bytes_now\":[7,10],\"committed_bytes_now\":[14,15]},"
              "{\"ns\":20,\"live_bytes_now\":[20,23],\"committed_bytes_now\":[40,41]}"
              "]}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
