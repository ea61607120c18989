/* SPDX-License-Identifier: MIT */
/* A machine as a picture: well-formed, said in words, both colour schemes, no overflow. */
#include "tests/tool/machines.h"

static struct nt_machine m;

/* Tags close in the order they opened; nothing that must be escaped is left. */
static void check_xml(const char *text)
{
    char open[64][16];
    size_t depth = 0;
    for (const char *at = text; (at = strchr(at, '<')) != NULL;) {
        const char *end = strchr(at, '>');
        bool closes = at[1] == '/';
        size_t length = strcspn(at + 1 + closes, " />");
        assert_non_null(end);
        assert_true(length > 0 && length < 16);
        if (closes) {
            assert_true(depth > 0);
            depth--;
            assert_int_equal(strncmp(open[depth], at + 2, length), 0);
        } else if (end[-1] != '/') {
            assert_true(depth < 64);
            snprintf(open[depth++], 16, "%.*s", (int)length, at + 1);
        }
        at = end;
    }
    assert_int_equal(depth, 0);
    for (const char *at = text; (at = strchr(at, '&')) != NULL; at++)
        assert_int_equal(at[1], '#');
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
}

/* No box or text begins or ends outside of the picture. */
static void check_inside(const char *text)
{
    double width, height, x, y, w, h;
    const char *size = strstr(text, "viewBox=\"0 0 ");
    assert_non_null(size);
    assert_int_equal(sscanf(size, "viewBox=\"0 0 %lf %lf\"", &width, &height), 2);
    for (const char *at = text; (at = strstr(at, " x=\"")) != NULL; at++) {
        int n = sscanf(at, " x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\"", &x, &y,
                       &w, &h);
        assert_true(n >= 2);
        if (n == 2)
            w = h = 0;
        assert_true(x >= 0 && y >= 0 && x + w <= width && y + h <= height);
    }
}

static void test_picture(void **state)
{
    (void)state;
    machine_make(&m);
    const char *text = printed(nt__machine_svg, &m);
    check_xml(text);
    check_inside(text);
    assert_has(text, "role=\"img\" aria-labelledby=\"title desc\"");
    assert_has(text, "<title id=\"title\">Memory nodes of a&#38;b.xml</title>");
    assert_has(text,
               "<desc id=\"desc\">Node 0: 8.00 GiB of dram, 2.00 GiB free, cpus 0-3. ");
    assert_has(text,
               "Node 70: no memory, cpus 9. Distances, by rows: 10 12 20 20 20; 12 ");
    assert_has(text, "not allowed to this process");
    assert_has(text, "prefers-color-scheme:dark");
    assert_has(text, ">hbm?</text>");
    assert_has(text, "2.0 GiB/s, 130 ns");
    assert_has(text, "<title>Node 0 to node 1: 12</title>");
    assert_null(strstr(text, "process:"));
    nt__machine_free(&m);
}

static void test_process(void **state)
{
    (void)state;
    machine_make(&m);
    m.source = NT_MACHINE_THIS;
    m.pid = 12;
    strcpy(m.command, "<a>\n\xff&");
    m.node[0].process_bytes = (uint64_t)3 << 30;
    m.node[2].process_bytes = (uint64_t)1 << 30;
    const char *text = printed(nt__machine_svg, &m);
    check_xml(text);
    check_inside(text);
    assert_has(text, "Memory of process 12 (&#60;a&#62;??&#38;): 4.00 GiB");
    assert_has(text, "process: 3.00 GiB (75.0 %)");
    assert_has(text, "<title>Node 3: 25.0 %</title>");
    m.node[0].process_bytes = m.node[2].process_bytes = 0; /* nothing in memory */
    check_xml(printed(nt__machine_svg, &m));
    nt__machine_free(&m);
}

static void test_sizes(void **state)
{
    (void)state;
    for (size_t nodes = 1; nodes <= 64; nodes = nodes < 30 ? nodes + 1 : nodes * 2) {
        memset(&m, 0, sizeof m);
        assert_int_equal(nt__machine_init(&m, nodes), 0);
        for (size_t i = 0; i < nodes; i++) {
            m.node[i].id = (int)i * 16;
            hwloc_bitmap_set_range(m.node[i].cpus, 0, 8000);
            for (unsigned cpu = 1; cpu < 200; cpu += 2)
                hwloc_bitmap_clr(m.node[i].cpus, cpu); /* a list that is cut */
        }
        check_inside(printed(nt__machine_svg, &m));
        nt__machine_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
