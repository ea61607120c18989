/* SPDX-License-Identifier: MIT */
/* A machine as JSON: the documented keys, null where something is not known. */
#include "tests/tool/machines.h"

#include <jansson.h>

static struct nt_machine m;

static void write_json(const struct nt_machine *of, FILE *out)
{
    assert_int_equal(nt__machine_json(of, out), 0);
}

static json_t *read_json(void)
{
    const char *text = printed(write_json, &m);
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
    return o;
}

static json_t *node(json_t *o, size_t i)
{
    return json_array_get(json_object_get(o, "nodes"), i);
}

static long long number(json_t *o, const char *key)
{
    assert_true(json_is_integer(json_object_get(o, key)));
    return json_integer_value(json_object_get(o, key));
}

static const char *string(json_t *o, const char *key)
{
    assert_true(json_is_string(json_object_get(o, key)));
    return json_string_value(json_object_get(o, key));
}

static void test_keys(void **state)
{
    (void)state;
    machine_make(&m);
    json_t *o = read_json();
    assert_string_equal(string(o, "format"), "numatally-topo");
    assert_int_equal(number(o, "format_version"), 1);
    assert_string_equal(string(o, "source"), "hwloc file");
    assert_string_equal(string(o, "file"), m.file);
    assert_int_equal(json_array_size(json_object_get(o, "nodes")), 5);
    assert_int_equal(number(node(o, 0), "node"), 0);
    assert_string_equal(string(node(o, 0), "cpus"), "0-3");
    assert_int_equal(number(node(o, 0), "cpu_count"), 4);
    assert_int_equal(number(node(o, 0), "memory_bytes"), 8ll << 30);
    assert_int_equal(number(node(o, 0), "free_bytes"), 2ll << 30);
    assert_true(json_is_true(json_object_get(node(o, 0), "allowed")));
    assert_true(json_is_false(json_object_get(node(o, 3), "allowed")));
    assert_true(json_is_null(json_object_get(node(o, 1), "free_bytes")));
    assert_true(json_is_null(json_object_get(node(o, 1), "bandwidth_mib_s")));
    assert_string_equal(string(node(o, 2), "tier"), "hbm");
    assert_true(json_is_true(json_object_get(node(o, 2), "tier_guessed")));
    assert_int_equal(number(node(o, 2), "bandwidth_mib_s"), 2048);
    assert_int_equal(number(node(o, 2), "latency_ns"), 130);
    assert_string_equal(string(node(o, 2), "cpus"), "");
    assert_int_equal(number(node(o, 4), "memory_bytes"), 0);
    assert_string_equal(string(json_object_get(o, "tiers"), "fastest"), "3");
    assert_null(json_object_get(json_object_get(o, "tiers"), "cxl"));
    json_t *row = json_array_get(json_object_get(o, "distances"), 1);
    assert_int_equal(json_integer_value(json_array_get(row, 0)), 12);
    assert_true(json_is_true(json_object_get(o, "distances_known")));
    assert_null(json_object_get(o, "pid"));
    assert_null(json_object_get(node(o, 0), "process_bytes"));
    json_decref(o);
    nt__machine_free(&m);
}

static void test_process(void **state)
{
    (void)state;
    machine_make(&m);
    m.source = NT_MACHINE_THIS;
    m.pid = 12;
    strcpy(m.command, "not \xff UTF-8");
    m.node[1].process_bytes = 4096;
    m.node[1].memory_bytes = 0;
    json_t *o = read_json();
    assert_string_equal(string(o, "source"), "this machine");
    assert_int_equal(number(o, "pid"), 12);
    assert_true(json_is_null(json_object_get(o, "command")));
    assert_int_equal(number(node(o, 1), "process_bytes"), 4096);
    assert_true(json_is_null(json_object_get(node(o, 1), "memory_bytes")));
    json_decref(o);
    nt__machine_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
