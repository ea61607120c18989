/* SPDX-License-Identifier: MIT */
/*
 * A record read back is the snapshot it was written from; a record with anything
 * missing or of another type is refused with the place's name, never read halfway.
 */
#include "src/base/fmt.h"
#include "src/tool/tool.h"
#include "src/track/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct nt_snapshot s;
static struct nt_thread_figures threads[2];
static struct nt_pool_figures pools[2];
static struct nt_phase_figures phases[2];
static struct nt_tracked_figures tracked[2];
static struct nt_history history;
static const struct nt_tables tables = {threads, pools, phases, tracked,  2,   2,
                                        2,       2,     NULL,   &history, NULL};
static struct nt_record got;

static void number(enum nt_figure_list list, void *base, uint64_t from)
{
    for (const struct nt_figure *g = nt__figures(list); g->name != NULL; g++, from++)
        memcpy((char *)base + g->offset, &from, sizeof from);
}

static void fill(void)
{
    memset(&s, 0, sizeof s);
    s.size = sizeof s;
    s.version = NT_SNAPSHOT_VERSION;
    s.pid = 12;
    s.rank = -1;
    s.start_unix_ns = 1700000000000000001;
    s.now_unix_ns = 1700000000000000002;
    s.page_bytes = 65536;
    s.inherited = 1;
    strcpy(s.host, "host");
    strcpy(s.program, "prog");
    strcpy(s.version_string, "0.1.0");
    s.nodes = 2;
    s.node_id[1] = 7;
    s.classes = 2;
    number(NT_LIST_PROCESS, &s, 1);
    number(NT_LIST_NODE, &s.total, 50);
    for (size_t i = 0; i < 2; i++) {
        number(NT_LIST_NODE, &s.node[i], 100 + 100 * i);
        number(NT_LIST_CLASS, &s.class_[i], 300 + 100 * i);
        number(NT_LIST_THREAD, &threads[i], 500 + 100 * i);
        number(NT_LIST_POOL, &pools[i], 700 + 100 * i);
        threads[i].tid = (int64_t)i;
        strcpy(threads[i].name, "thread");
        strcpy(pools[i].name, "pool");
        number(NT_LIST_PHASE, &phases[i], 900 + 100 * i);
        strcpy(phases[i].name, "phase");
        phases[i].running = i == 1;
        number(NT_LIST_TRACKED, &tracked[i], 1100 + 100 * i);
        strcpy(tracked[i].name, "tracked");
        for (size_t k = 0; k < NT_TRACKED_SIZES; k++)
            tracked[i].sizes[k] = 1300 + 100 * i + k;
        s.free_matrix[i][i] = 9 + i;
    }
    memset(&history, 0, sizeof history);
    nt__history_start(&history, 2);
    history.interval_ns = 40000000;
    nt__history_end(&history, (const uint64_t[5]){1, 2, 3, 4, 5});
    nt__history_end(&history, (const uint64_t[5]){50000000, 20, 30, 40, 50});
}

/* The record of what fill() made. */
static json_t *make(void)
{
    static char text[65536];
    char path[] = "/tmp/numatally-record-XXXXXX";
    int fd = mkstemp(path);
    ssize_t n;
    json_t *root;

    assert_true(fd >= 0);
    unlink(path);
    fill();
    assert_int_equal(nt__report_write(fd, NT_FORMAT_JSON, &s, &tables), 0);
    n = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    text[n] = '\0';
    root = json_loads(text, 0, NULL);
    assert_non_null(root);
    return root;
}

static void test_round_trip(void **state)
{
    json_t *root = make();

    (void)state;
    assert_null(nt__record_read(root, &got));
    assert_memory_equal(&got.snapshot, &s, sizeof s);
    assert_int_equal(got.nthreads, 2);
    assert_memory_equal(got.threads, threads, sizeof threads);
    assert_int_equal(got.npools, 2);
    assert_memory_equal(got.pools, pools, sizeof pools);
    assert_int_equal(got.nphases, 2);
    assert_memory_equal(got.phases, phases, sizeof phases);
    assert_int_equal(got.ntracked, 2);
    assert_memory_equal(got.tracked, tracked, sizeof tracked);
    assert_memory_equal(&got.history, &history, sizeof history);
    nt__record_free(&got);
    json_object_set_new(root, "rank", json_integer(4));
    json_object_del(root, "threads");
    json_object_del(root, "pools");
    json_object_del(root, "phases");
    json_object_del(root, "tracked");
    json_object_del(root, "history");
    assert_null(nt__record_read(root, &got));
    assert_int_equal(got.snapshot.rank, 4);
    assert_int_equal(got.nthreads + got.npools + got.nphases + got.ntracked, 0);
    assert_int_equal(got.history.count, 0);
    nt__record_free(&got);
    json_decref(root);
}

/* Of before these figures were counted. */
static void test_older(void **state)
{
    json_t *root = make();
    json_t *class = json_array_get(json_object_get(root, "classes"), 1);

    (void)state;
    assert_int_equal(json_object_del(class, "slab_bytes_now"), 0);
    assert_int_equal(json_object_del(root, "cpu_ns_total"), 0);
    assert_null(nt__record_read(root, &got));
    assert_int_equal(got.snapshot.class_[0].slab_bytes_now, s.class_[0].slab_bytes_now);
    assert_int_equal(got.snapshot.class_[1].slabs_now, s.class_[1].slabs_now);
    assert_int_equal(got.snapshot.class_[1].slab_bytes_now, 0);
    assert_int_equal(got.snapshot.cpu_ns_total, 0);
    assert_int_equal(got.snapshot.threads_now, s.threads_now);
    nt__record_free(&got);
    json_decref(root);
}

static void refused(json_t *root, const char *place)
{
    const char *why = nt__record_read(root, &got);

    if (why == NULL || strstr(why, place) == NULL)
        fail_msg("\"%s\" does not name %s", why == NULL ? "(accepted)" : why, place);
    nt__record_free(&got);
}

/* Every key of every object, once missing and once of a wrong type. */
static void spoil_all(json_t *root, json_t *object)
{
    json_t *copy = json_copy(object);
    const char *key;
    json_t *value;

    json_object_foreach(copy, key, value)
    {
        if (strcmp(key, "threads") != 0 && strcmp(key, "pools") != 0 &&
            strcmp(key, "phases") != 0 && strcmp(key, "tracked") != 0 &&
            strcmp(key, "slab_bytes_now") != 0 && strcmp(key, "cpu_ns_total") != 0 &&
            strcmp(key, "history") != 0) {
            json_object_del(object, key);
            /* Without "total" its first figure is what is missed. */
            refused(root, strcmp(key, "total") == 0 ? "allocations_total" : key);
        }
        if (strcmp(key, "total") != 0) {
            json_object_set_new(object, key, json_real(1.5));
            /* "history" is refused for what it lacks. */
            refused(root, strcmp(key, "history") == 0 ? "interval_ns" : key);
        }
        if (json_is_integer(value) && strcmp(key, "tid") != 0 &&
            strcmp(key, "pid") != 0 && strcmp(key, "rank") != 0 &&
            !(strcmp(key, "node") == 0 && json_object_get(object, "tid") != NULL)) {
            json_object_set_new(object, key, json_integer(-1));
            refused(root, strcmp(key, "record") == 0 ? "version -1" : key);
        }
        json_object_set(object, key, value);
    }
    json_decref(copy);
}

static void test_refusals(void **state)
{
    json_t *root = make();
    json_t *matrix = json_object_get(root, "free_matrix");

    (void)state;
    spoil_all(root, root);
    spoil_all(root, json_object_get(root, "total"));
    spoil_all(root, json_array_get(json_object_get(root, "nodes"), 1));
    spoil_all(root, json_array_get(json_object_get(root, "classes"), 0));
    spoil_all(root, json_array_get(json_object_get(root, "threads"), 1));
    spoil_all(root, json_array_get(json_object_get(root, "pools"), 1));
    spoil_all(root, json_array_get(json_object_get(root, "phases"), 1));
    json_t *row = json_array_get(json_object_get(root, "tracked"), 1);
    spoil_all(root, row);
    json_t *sizes = json_object_get(row, "sizes");
    json_array_set_new(sizes, 47, json_integer(-1));
    refused(root, "sizes");
    json_array_remove(sizes, 47);
    refused(root, "sizes");
    json_array_append_new(sizes, json_integer(1));
    json_t *of_time = json_object_get(root, "history");
    spoil_all(root, of_time);
    json_t *points = json_object_get(of_time, "points");
    json_t *point = json_array_get(points, 1);
    spoil_all(root, point);
    json_t *live = json_object_get(point, "live_bytes_now");
    json_array_append_new(live, json_integer(1));
    refused(root, "live_bytes_now");
    json_array_remove(live, 2);
    json_array_set_new(live, 0, json_integer(-1));
    refused(root, "live_bytes_now");
    json_array_set_new(live, 0, json_integer(7));
    json_array_remove(live, 1);
    refused(root, "live_bytes_now");
    json_array_append_new(live, json_integer(1));
    json_object_set_new(point, "ns", json_integer(1)); /* as the first's */
    refused(root, "\"ns\"");
    json_object_set_new(point, "ns", json_integer(2));
    while (json_array_size(points) <= NT_HISTORY_POINTS)
        json_array_append(points, point);
    refused(root, "points");
    json_array_clear(points);
    json_array_set_new(json_array_get(matrix, 0), 0, json_integer(-1));
    refused(root, "free_matrix");
    json_array_append_new(json_array_get(matrix, 0), json_integer(1));
    refused(root, "free_matrix");
    json_array_remove(matrix, 0);
    refused(root, "free_matrix");
    json_decref(root);
}

static void test_too_many(void **state)
{
    json_t *root = make();
    json_t *nodes = json_object_get(root, "nodes");

    (void)state;
    while (json_array_size(nodes) <= NT_NODES_MAX)
        json_array_append(nodes, json_array_get(nodes, 0));
    refused(root, "nodes");
    json_decref(root);
    root = json_array();
    refused(root, "no record of numatally");
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_older),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
