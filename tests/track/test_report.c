/* SPDX-License-Identifier: MIT */
/*
 * The report of a snapshot whose every figure is another number: each must be found
 * in the text's right row and column and under the JSON record's right key.
 */
#include "src/base/fmt.h"
#include "src/track/report.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 3, POOLS = 2, PHASES = 2, TRACKED = 2 };

static struct nt_snapshot s;
static struct nt_thread_figures threads[THREADS];
static struct nt_pool_figures pools[POOLS];
static struct nt_phase_figures phases[PHASES];
static struct nt_tracked_figures tracked[TRACKED];
static struct nt_history history;
static struct nt_tables tables = {threads, pools,   phases, tracked,  THREADS, POOLS,
                                  PHASES,  TRACKED, NULL,   &history, NULL};
static char text[1 << 20];

/* Give all figures of a struct numbers of their own, from `from` up. */
static void number(enum nt_figure_list list, void *base, uint64_t from)
{
    for (const struct nt_figure *g = nt__figures(list); g->name != NULL; g++, from++) {
        uint64_t v = g->unit == 'b'   ? from * NT_MIB + NT_MIB / 4
                     : g->unit == 't' ? from * 1000000000 + 250999999
                                      : from;

        memcpy((char *)base + g->offset, &v, sizeof v);
    }
}

static uint64_t figure(const struct nt_figure *g, const void *base)
{
    uint64_t v;

    memcpy(&v, (const char *)base + g->offset, sizeof v);
    return v;
}

static void fill(uint32_t nodes)
{
    static const uint64_t points[2][NT_HISTORY_ROW_MAX] = {{1, 2}, {12000000, 3}};

    memset(&s, 0, sizeof s);
    nt__history_start(&history, nodes);
    nt__history_add(&history, points[0]);
    nt__history_end(&history, points[1]);
    s.size = sizeof s;
    s.version = NT_SNAPSHOT_VERSION;
    s.pid = 4711;
    s.rank = 3;
    s.start_unix_ns = 1000000000;
    s.now_unix_ns = 3500000000;
    s.final = 1;
    s.page_bytes = 4096;
    strcpy(s.host, "n\"1\xff");
    strcpy(s.program, "gmx");
    strcpy(s.version_string, "0.1.0");
    number(NT_LIST_PROCESS, &s, 100);
    s.nodes = nodes;
    for (uint32_t n = 0; n < nodes; n++) {
        s.node_id[n] = (int32_t)(n * 2);
        number(NT_LIST_NODE, &s.node[n], 1000 + 100 * n);
        for (uint32_t h = 0; h < nodes; h++)
            s.free_matrix[n][h] = 50000 + n * 100 + h;
    }
    number(NT_LIST_NODE, &s.total, 20000);
    s.classes = 4;
    for (uint32_t c = 0; c < 4; c++)
        if (c != 1)
            number(NT_LIST_CLASS, &s.class_[c], 30000 + 100 * c);
    s.class_[0].block_bytes = 16;
    s.class_[1].block_bytes = 32; /* never used */
    s.class_[2].block_bytes = 48;
    s.class_[3].block_bytes = 0;
    for (size_t i = 0; i < THREADS; i++) {
        memset(&threads[i], 0, sizeof threads[i]);
        threads[i].tid = (int64_t)i * 77;
        threads[i].node = (int64_t)i;
        memcpy(threads[i].name, i == 0 ? "exited" : "worker-and-more0",
               i == 0 ? 7 : 16);
        number(NT_LIST_THREAD, &threads[i], 40000 + 100 * i);
    }
    for (size_t i = 0; i < POOLS; i++) {
        strcpy(pools[i].name, i == 0 ? "process" : "mine");
        number(NT_LIST_POOL, &pools[i], 45000 + 100 * i);
    }
    for (size_t i = 0; i < PHASES; i++) {
        strcpy(phases[i].name, i == 0 ? "set-up" : "solve");
        phases[i].running = i == 1;
        number(NT_LIST_PHASE, &phases[i], 60000 + 100 * i);
    }
    for (size_t i = 0; i < TRACKED; i++) {
        strcpy(tracked[i].name, i == 0 ? "arena" : "cells");
        number(NT_LIST_TRACKED, &tracked[i], 70000 + 100 * i);
        for (size_t k = 0; k < NT_TRACKED_SIZES; k++)
            tracked[i].sizes[k] = 80000 + 100 * i + k;
    }
}

/* Write a report into `text`. */
static void report(enum nt_format format)
{
    char path[] = "/tmp/numatally-text-XXXXXX";
    int fd = mkstemp(path);
    ssize_t n;

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(nt__report_write(fd, format, &s, &tables), 0);
    n = pread(fd, text, sizeof text - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    close(fd);
}

/* ---- text ------------------------------------------------------------------- */

/* The line of `from` that begins with `label` and two blanks. */
static const char *line_of(const char *from, const char *label)
{
    size_t len = strlen(label);

    for (const char *p = from; p != NULL; p = strchr(p, '\n')) {
        p += *p == '\n';
        if (strncmp(p, label, len) == 0 && strncmp(p + len, "  ", 2) == 0)
            return p;
    }
    fail_msg("no line \"%s\" in: %s", label, from);
    return NULL;
}

/* The word that ends a number of columns to the right must be this figure. */
static void assert_cell(const char *line, size_t at, size_t width,
                        const struct nt_figure *g, const void *base)
{
    char want[40];
    uint64_t v = figure(g, base);

    if (g->unit == 'b')
        nt__fmt_into(want, sizeof want, " %llu.25", (unsigned long long)(v / NT_MIB));
    else if (g->unit == 't')
        nt__fmt_into(want, sizeof want, " %llu.250",
                     (unsigned long long)(v / 1000000000));
    else
        nt__fmt_into(want, sizeof want, " %llu", (unsigned long long)v);
    if (strncmp(line + at + width - strlen(want), want, strlen(want)) != 0)
        fail_msg("%s: \"%s\" is not at %zu of: %.200s", g->name, want, at + width,
                 line);
}

static void assert_node_table(uint32_t from, uint32_t to, const char *start)
{
    for (const struct nt_figure *g = nt__figures(NT_LIST_NODE); g->name != NULL; g++) {
        const char *line = line_of(start, g->label);

        for (uint32_t n = from; n < to; n++)
            assert_cell(line, 20 + 16 * (n - from), 16, g, &s.node[n]);
        if (to == s.nodes)
            assert_cell(line, 20 + 16 * (to - from), 16, g, &s.total);
    }
}

static void assert_columns(enum nt_figure_list list, size_t skip, const char *line,
                           const void *base)
{
    size_t at = 20;

    for (const struct nt_figure *g = nt__figures(list) + skip; g->name != NULL; g++) {
        assert_cell(line, at, 13, g, base);
        at += 13;
    }
}

static void test_text(void **state)
{
    const char *t;

    (void)state;
    fill(2);
    report(NT_FORMAT_TEXT);
    assert_non_null(strstr(text, "numatally 0.1.0: gmx, pid 4711, rank 3, host n"));
    assert_non_null(strstr(text, "At its end, 2.500 s after its start"));
    assert_null(strstr(text, "NUMATALLY_TOPOLOGY"));
    t = line_of(text, "Nodes");
    assert_true(strncmp(t + 20 + 10, "Node 0", 6) == 0);
    assert_true(strncmp(t + 36 + 10, "Node 2", 6) == 0);
    assert_true(strncmp(t + 52 + 11, "Total", 5) == 0);
    assert_node_table(0, 2, t);
    t = line_of(text, "Process");
    for (const struct nt_figure *g = nt__figures(NT_LIST_PROCESS); g->name != NULL; g++)
        assert_cell(line_of(t, g->label), 20, 16, g, &s);
    t = line_of(text, "Frees, blocks");
    assert_non_null(strstr(line_of(t, "Freed on 2"), "50100        50101\n"));
    t = line_of(text, "Block size, bytes");
    assert_columns(NT_LIST_CLASS, 1, line_of(t, "16"), &s.class_[0]);
    assert_columns(NT_LIST_CLASS, 1, line_of(t, "48"), &s.class_[2]);
    assert_columns(NT_LIST_CLASS, 1, line_of(t, "large"), &s.class_[3]);
    assert_null(strstr(t, "\n32 "));
    t = line_of(text, "Phases");
    assert_columns(NT_LIST_PHASE, 0, line_of(t, "set-up"), &phases[0]);
    assert_columns(NT_LIST_PHASE, 0, line_of(t, "solve (runs)"), &phases[1]);
    t = line_of(text, "Pools");
    assert_columns(NT_LIST_POOL, 0, line_of(t, "process"), &pools[0]);
    assert_columns(NT_LIST_POOL, 0, line_of(t, "mine"), &pools[1]);
    assert_non_null(strstr(t, "(101 more pools are not shown)")); /* of 102 */
    t = line_of(text, "Tracked allocators");
    assert_columns(NT_LIST_TRACKED, 0, line_of(t, "arena"), &tracked[0]);
    assert_columns(NT_LIST_TRACKED, 0, line_of(t, "cells"), &tracked[1]);
    assert_non_null(strstr(t, "(101 more tracked allocators are not shown)"));
    t = line_of(text, "Threads, node");
    assert_columns(NT_LIST_THREAD, 0, line_of(t, "exited"), &threads[0]);
    assert_non_null(strstr(t, "(98 more threads are not shown)")); /* of 100 */
}

static void test_text_of_one_node_and_a_child(void **state)
{
    (void)state;
    fill(1);
    s.final = 0;
    s.inherited = 1;
    s.fake_topology = 1;
    s.rank = -1;
    report(NT_FORMAT_TEXT);
    assert_node_table(0, 1, text);
    assert_null(strstr(text, "Freed on")); /* one node has no matrix */
    assert_null(strstr(text, "rank"));
    assert_non_null(strstr(text, "While it ran, 2.500 s after its fork"));
    assert_non_null(strstr(text, "NUMATALLY_TOPOLOGY"));
}

static void test_text_of_many_nodes(void **state)
{
    const char *t;

    (void)state;
    fill(NT_NODES_MAX);
    report(NT_FORMAT_TEXT);
    t = text;
    for (uint32_t n = 0; n < NT_NODES_MAX; n += 8) {
        t = line_of(t, "Nodes");
        assert_node_table(n, n + 8, t);
        t += 5;
    }
    assert_null(strstr(t, "Nodes "));
    fill(0); /* before the library has seen any */
    report(NT_FORMAT_TEXT);
    assert_node_table(0, 0, text);
}

/* A row stays a row, whatever the program calls its phases, pools and threads. */
static void test_names_in_text(void **state)
{
    const char *t;

    (void)state;
    fill(1);
    strcpy(phases[0].name, "a\"\n\x1b[2J\x7f\xc2\x9b");
    strcpy(phases[1].name, "Z\xc3\xbcrich \xff\xc3");
    memset(pools[1].name, 'p', sizeof pools[1].name); /* no 0 */
    strcpy(threads[1].name, "\t\r");
    strcpy(tracked[0].name, "\"\n\xc3");
    memset(tracked[1].name, 't', sizeof tracked[1].name);
    report(NT_FORMAT_TEXT);
    t = line_of(text, "Phases");
    assert_columns(NT_LIST_PHASE, 0, line_of(t, "a\"??[2J??"), &phases[0]);
    t = line_of(t, "Z\xc3\xbcrich ?? (runs)"); /* a letter of two bytes */
    assert_columns(NT_LIST_PHASE, 0, t + 1, &phases[1]);
    assert_non_null(strstr(t, "\nppppppppppppppppppppppppppppppp  "));
    assert_non_null(line_of(t, "77 ??, 1"));
    assert_columns(NT_LIST_TRACKED, 0, line_of(t, "\"??"), &tracked[0]);
    assert_non_null(strstr(t, "\nttttttttttttttttttttttttttttttt  "));
}

static void test_no_phases(void **state)
{
    (void)state;
    fill(1);
    tables.nphases = tables.ntracked = 0;
    report(NT_FORMAT_TEXT);
    assert_null(strstr(text, "Phases"));
    assert_null(strstr(text, "Tracked allocators"));
    report(NT_FORMAT_JSON);
    assert_null(strstr(text, "phases"));
    assert_null(strstr(text, "\"tracked\""));
    tables.nphases = PHASES;
    tables.ntracked = TRACKED;
}

static void test_mib(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *shown;
    } cases[] = {{0, " 0.00"},
                 {5242, " 0.00"},
                 {5243, " 0.01"},
                 {NT_MIB - 1, " 1.00"},
                 {NT_MIB + NT_MIB / 2, " 1.50"},
                 {UINT64_MAX, "17592186044416.00"}};

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        const char *line;

        fill(0);
        s.total.live_bytes_now = cases[i].bytes;
        report(NT_FORMAT_TEXT);
        line = line_of(text, "Live");
        assert_ptr_equal(strchr(line, '\n') - strlen(cases[i].shown),
                         strstr(line, cases[i].shown));
    }
}

/* ---- JSON ------------------------------------------------------------------- */

static void assert_figures(const json_t *object, enum nt_figure_list list,
                           const void *base)
{
    for (const struct nt_figure *g = nt__figures(list); g->name != NULL; g++) {
        const json_t *v = json_object_get(object, g->name);

        if (!json_is_integer(v) || (uint64_t)json_integer_value(v) != figure(g, base))
            fail_msg("\"%s\" is not %llu", g->name,
                     (unsigned long long)figure(g, base));
    }
}

static json_int_t integer(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static void test_json(void **state)
{
    json_error_t error;
    json_t *root;
    const json_t *list;

    (void)state;
    fill(3);
    report(NT_FORMAT_JSON);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
    root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        fail_msg("%s: %s", error.text, text);
    assert_int_equal(integer(root, "record"), NT_SNAPSHOT_VERSION);
    assert_int_equal(integer(root, "pid"), 4711);
    assert_int_equal(integer(root, "rank"), 3);
    assert_int_equal(integer(root, "now_unix_ns"), 3500000000);
    assert_string_equal(json_string_value(json_object_get(root, "host")),
                        "n\"1\xef\xbf\xbd");
    assert_true(json_is_true(json_object_get(root, "final")));
    assert_true(json_is_false(json_object_get(root, "inherited")));
    assert_figures(root, NT_LIST_PROCESS, &s);
    list = json_object_get(root, "nodes");
    assert_int_equal(json_array_size(list), 3);
    for (size_t n = 0; n < 3; n++) {
        assert_int_equal(integer(json_array_get(list, n), "node"), n * 2);
        assert_figures(json_array_get(list, n), NT_LIST_NODE, &s.node[n]);
        for (size_t h = 0; h < 3; h++)
            assert_int_equal(
                json_integer_value(json_array_get(
                    json_array_get(json_object_get(root, "free_matrix"), n), h)),
                s.free_matrix[n][h]);
    }
    assert_figures(json_object_get(root, "total"), NT_LIST_NODE, &s.total);
    list = json_object_get(root, "classes");
    assert_int_equal(json_array_size(list), 3); /* those used */
    assert_figures(json_array_get(list, 1), NT_LIST_CLASS, &s.class_[2]);
    assert_figures(json_array_get(list, 2), NT_LIST_CLASS, &s.class_[3]);
    list = json_object_get(root, "threads");
    assert_int_equal(json_array_size(list), THREADS);
    assert_figures(json_array_get(list, 2), NT_LIST_THREAD, &threads[2]);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(list, 2), "name")),
        "worker-and-more0");
    list = json_object_get(root, "pools");
    assert_figures(json_array_get(list, 1), NT_LIST_POOL, &pools[1]);
    list = json_object_get(root, "phases");
    assert_int_equal(json_array_size(list), PHASES);
    assert_figures(json_array_get(list, 1), NT_LIST_PHASE, &phases[1]);
    assert_true(json_is_false(json_object_get(json_array_get(list, 0), "running")));
    const json_t *rows = json_object_get(root, "tracked");
    assert_int_equal(json_array_size(rows), TRACKED);
    assert_figures(json_array_get(rows, 1), NT_LIST_TRACKED, &tracked[1]);
    const json_t *sizes = json_object_get(json_array_get(rows, 1), "sizes");
    assert_int_equal(json_array_size(sizes), NT_TRACKED_SIZES);
    for (size_t k = 0; k < NT_TRACKED_SIZES; k++)
        assert_int_equal(json_integer_value(json_array_get(sizes, k)), 80100 + k);
    assert_true(json_is_true(json_object_get(json_array_get(list, 1), "running")));
    const json_t *points = json_object_get(json_object_get(root, "history"), "points");
    assert_int_equal(json_array_size(points), 2);
    assert_int_equal(integer(json_array_get(points, 1), "ns"), 12000000);
    json_decref(root);
}

static void test_write_errors(void **state)
{
    const struct nt_tables none = {0};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    fill(2);
    assert_int_equal(nt__report_write(fd, NT_FORMAT_TEXT, &s, &none), -ENOSPC);
    assert_int_equal(nt__report_write(fd, NT_FORMAT_JSON, &s, &none), -ENOSPC);
    assert_int_equal(nt__report_write(fd, (enum nt_format)7, &s, &none), -EINVAL);
    assert_int_equal(nt__report_write(-1, NT_FORMAT_TEXT, &s, &none), -EBADF);
    s.nodes = NT_NODES_MAX + 1;
    assert_int_equal(nt__report_write(fd, NT_FORMAT_TEXT, &s, &none), -EINVAL);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_of_one_node_and_a_child),
        cmocka_unit_test(test_text_of_many_nodes),
        cmocka_unit_test(test_names_in_text),
        cmocka_unit_test(test_no_phases),
        cmocka_unit_test(test_mib),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_write_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
