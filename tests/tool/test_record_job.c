/* SPDX-License-Identifier: MIT */
/*
 * A job's record read back is the job it was written from; one with anything in it missing,
 * of another type or out of its range is refused, with the place's name.
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

enum { ROWS = 4 };

static struct nt_snapshot sum;
static struct nt_job_row rows[ROWS];
static const struct nt_job job = {.ranks = 7, .rows = rows, .nrows = ROWS};
static struct nt_record got;

static void number(enum nt_figure_list list, void *base, uint64_t from)
{
    for (const struct nt_figure *g = nt__figures(list); g->name != NULL; g++, from++)
        memcpy((char *)base + g->offset, &from, sizeof from);
}

static void fill(void)
{
    static const int ends[ROWS] = {NT_JOB_FINALIZED, NT_JOB_SIGNALLED, NT_JOB_ABORTED,
                                   NT_JOB_RUNNING};

    memset(&sum, 0, sizeof sum);
    memset(rows, 0, sizeof rows);
    sum.rank = -1;
    strcpy(sum.version_string, "0.1.0");
    strcpy(sum.program, "(several)");
    for (unsigned i = 0; i < ROWS; i++) {
        struct nt_job_row *row = &rows[i];

        number(NT_LIST_JOB, row, 1000 + 100 * i);
        row->rank = i < ROWS - 1 ? (int64_t)i * 2 : -1;
        row->pid = 50 + i;
        row->processes = 1 + i;
        row->end = ends[i];
        row->code = (int32_t)i * 9 - 1;
        row->start_unix_ns = 10 + i;
        row->now_unix_ns = 20 + i;
        row->stale_ns = 30 + i;
        nt__name_copy(row->host, sizeof row->host, i < 2 ? "n1" : "n\xc3\xa4");
        strcpy(row->program, "a program of thirty-one letters");
        row->nodes = i == 1 ? NT_JOB_NODES + 1 : i;
        for (unsigned n = 0; n < row->nodes; n++) {
            row->node[n].node = (int64_t)n * 3;
            number(NT_LIST_JOB_NODE, &row->node[n], 5000 + 100 * i + 10 * n);
        }
    }
    rows[1].node[NT_JOB_NODES].node = NT_JOB_NODE_REST;
    rows[2].node[1].node = NT_JOB_NODE_REST;
}

static json_t *make(void)
{
    const struct nt_tables tables = {.job = &job};
    static char text[65536];
    char path[] = "/tmp/numatally-job-XXXXXX";
    int fd = mkstemp(path);
    ssize_t n;
    json_t *root;

    assert_true(fd >= 0);
    unlink(path);
    fill();
    assert_int_equal(nt__report_write(fd, NT_FORMAT_JSON, &sum, &tables), 0);
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
    assert_int_equal(got.job.ranks, 7);
    assert_int_equal(got.job.nrows, ROWS);
    assert_memory_equal(got.job.rows, rows, sizeof rows);
    assert_non_null(got.job.order);
    nt__record_free(&got);
    assert_null(got.job.rows);
    json_object_del(root, "job");
    assert_null(nt__record_read(root, &got));
    assert_null(got.job.rows);
    nt__record_free(&got);
    json_decref(root);
}

/* A job of which nothing is known but its size. */
static void test_no_rows(void **state)
{
    json_t *root = make();

    (void)state;
    json_array_clear(json_object_get(json_object_get(root, "job"), "rows"));
    assert_null(nt__record_read(root, &got));
    assert_non_null(got.job.rows);
    assert_int_equal(got.job.nrows, 0);
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

/* Every key, once missing and once of a wrong type; `rank` may be null. */
static void spoil(json_t *root, json_t *object)
{
    json_t *copy = json_copy(object);
    const char *key;
    json_t *value;

    json_object_foreach(copy, key, value)
    {
        json_object_del(object, key);
        if (strcmp(key, "cpu_ns_total") != 0) /* records of before it was counted */
            refused(root, key);
        json_object_set_new(object, key, json_real(1.5));
        refused(root, key);
        if (json_is_integer(value) && strcmp(key, "code") != 0) {
            json_object_set_new(object, key, json_integer(-2));
            refused(root, key);
        }
        json_object_set(object, key, value);
    }
    json_decref(copy);
}

static void test_refusals(void **state)
{
    json_t *root = make();
    json_t *of_job = json_object_get(root, "job");
    json_t *list = json_object_get(of_job, "rows");
    json_t *row = json_array_get(list, 1);
    json_t *nodes = json_object_get(row, "nodes");
    json_t *node = json_array_get(nodes, 1);

    (void)state;
    spoil(root, of_job);
    spoil(root, row);
    spoil(root, node);
    json_object_set_new(row, "end", json_string("well"));
    refused(root, "end");
    json_object_set_new(row, "end", json_string("ended"));
    json_object_set_new(row, "processes", json_integer(1ll << 32));
    refused(root, "processes");
    json_object_set_new(row, "processes", json_integer(1));
    json_object_set_new(row, "code", json_integer(1ll << 31));
    refused(root, "code");
    json_object_set_new(row, "code", json_integer(1));
    /* Nodes: by rising number, the rest last, and no more than there is room for. */
    json_object_set_new(node, "node", json_integer(0));
    refused(root, "\"node\"");
    json_object_set_new(node, "node", json_integer(NT_JOB_NODE_REST));
    refused(root, "\"node\"");
    json_object_set_new(node, "node", json_integer(3));
    json_object_set_new(json_array_get(nodes, NT_JOB_NODES), "node", json_integer(99));
    refused(root, "\"nodes\"");
    json_array_append(nodes, json_array_get(nodes, NT_JOB_NODES));
    refused(root, "\"nodes\"");
    json_array_remove(nodes, NT_JOB_NODES);
    json_array_remove(nodes, NT_JOB_NODES);
    assert_null(nt__record_read(root, &got));
    nt__record_free(&got);
    /* Rows: by rank. */
    json_object_set_new(row, "rank", json_integer(5));
    refused(root, "\"rows\" are not in order");
    json_object_set_new(row, "rank", json_null());
    refused(root, "\"rows\" are not in order");
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
