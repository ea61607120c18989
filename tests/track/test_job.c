/* SPDX-License-Identifier: MIT */
/*
 * Sums over processes against sums made otherwise: tables by number and by size, filled
 * figure by figure from the public lists. Any order and any grouping must give the same.
 */
#include "src/base/fmt.h"
#include "src/track/job.h"
#include "src/track/report.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PROCESSES = 6, IDS = 100, SIZES = 200 };

static struct nt_snapshot p[PROCESSES];
static uint64_t seed = 1;

static uint64_t below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

#define NT_FIELD(name, unit, label, text) base->name = below(1u << 30);
static void fill_node(struct nt_node_figures *base)
{
    NT_NODE_FIGURES(NT_FIELD)
}

static void fill_class(struct nt_class_figures *base)
{
    NT_CLASS_FIGURES(NT_FIELD)
}

static void fill_process(struct nt_snapshot *base)
{
    NT_PROCESS_FIGURES(NT_FIELD)
}
#undef NT_FIELD

/* A process with some of `ids` nodes and some of `sizes` classes, nodes in any order. */
static void fill(struct nt_snapshot *s, uint32_t ids, uint32_t sizes)
{
    memset(s, 0, sizeof *s);
    s->size = sizeof *s;
    s->version = NT_SNAPSHOT_VERSION;
    s->pid = (int64_t)below(3) + 10;
    s->rank = (int64_t)below(3);
    s->start_unix_ns = 1000 + below(100);
    s->now_unix_ns = 2000 + below(100);
    s->page_bytes = 4096;
    s->final = below(4) != 0;
    s->inherited = below(4) != 0;
    nt__name_copy(s->host, sizeof s->host, below(2) ? "n1" : "n2");
    nt__name_copy(s->program, sizeof s->program, below(3) ? "lmp" : "sh");
    nt__name_copy(s->version_string, sizeof s->version_string,
                  below(2) ? "0.1.0" : "0.2.0");
    fill_process(s);
    fill_node(&s->total);
    for (uint32_t id = 0; id < ids && s->nodes < NT_NODES_MAX; id++) {
        if (below(3) == 0)
            continue;
        uint32_t at = (uint32_t)below(s->nodes + 1);

        s->node_id[s->nodes] = s->node_id[at];
        s->node_id[at] = (int32_t)id;
        fill_node(&s->node[s->nodes++]);
    }
    for (uint32_t f = 0; f < s->nodes; f++)
        for (uint32_t h = 0; h < s->nodes; h++)
            s->free_matrix[f][h] = below(1000);
    for (uint32_t c = 1; c <= sizes && s->classes < NT_CLASSES_MAX - 1; c++)
        if (below(3) != 0) {
            fill_class(&s->class_[s->classes]);
            s->class_[s->classes++].block_bytes = 16 * c;
        }
    if (below(2)) {
        fill_class(&s->class_[s->classes]);
        s->class_[s->classes++].block_bytes = 0;
    }
}

/* ---- the sums, made otherwise -------------------------------------------------------- */

static struct {
    struct nt_snapshot process;
    struct nt_node_figures total, node[IDS];
    struct nt_class_figures class_[SIZES]; /* by block_bytes / 16 */
    uint64_t frees[IDS][IDS];
    bool has_node[IDS], has_class[SIZES];
} want;

#define NT_FIELD(name, unit, label, text) to->name += from->name;
static void add_node(struct nt_node_figures *to, const struct nt_node_figures *from)
{
    NT_NODE_FIGURES(NT_FIELD)
}

static void add_class(struct nt_class_figures *to, const struct nt_class_figures *from)
{
    NT_CLASS_FIGURES(NT_FIELD)
}

static void add_process(struct nt_snapshot *to, const struct nt_snapshot *from)
{
    NT_PROCESS_FIGURES(NT_FIELD)
}
#undef NT_FIELD

static void want_sum(size_t n)
{
    memset(&want, 0, sizeof want);
    for (size_t i = 0; i < n; i++) {
        const struct nt_snapshot *s = &p[i];

        add_process(&want.process, s);
        add_node(&want.total, &s->total);
        for (size_t f = 0; f < s->nodes; f++) {
            want.has_node[s->node_id[f]] = true;
            add_node(&want.node[s->node_id[f]], &s->node[f]);
            for (size_t h = 0; h < s->nodes; h++)
                want.frees[s->node_id[f]][s->node_id[h]] += s->free_matrix[f][h];
        }
        for (size_t c = 0; c < s->classes; c++) {
            want.has_class[s->class_[c].block_bytes / 16] = true;
            add_class(&want.class_[s->class_[c].block_bytes / 16], &s->class_[c]);
        }
    }
}

#define NT_FIELD(name, unit, label, text) assert_int_equal(got->name, expected->name);
static void expect_node(const struct nt_node_figures *got,
                        const struct nt_node_figures *expected)
{
    NT_NODE_FIGURES(NT_FIELD)
}

static void expect_process(const struct nt_snapshot *got,
                           const struct nt_snapshot *expected)
{
    NT_PROCESS_FIGURES(NT_FIELD)
}
#undef NT_FIELD

static void expect_class(const struct nt_class_figures *got,
                         struct nt_class_figures *expected)
{
    expected->block_bytes = got->block_bytes;
    assert_memory_equal(got, expected, sizeof *got);
}

/* The lowest of what was added, in order, as far as there is room. */
static void expect_sum(const struct nt_snapshot *sum)
{
    size_t ids[NT_NODES_MAX], n = 0, c = 0;

    expect_process(sum, &want.process);
    expect_node(&sum->total, &want.total);
    for (size_t id = 0; id < IDS && n < NT_NODES_MAX; id++)
        if (want.has_node[id]) {
            assert_int_equal(sum->node_id[n], id);
            expect_node(&sum->node[n], &want.node[id]);
            ids[n++] = id;
        }
    assert_int_equal(sum->nodes, n);
    for (size_t f = 0; f < n; f++)
        for (size_t h = 0; h < n; h++)
            assert_int_equal(sum->free_matrix[f][h], want.frees[ids[f]][ids[h]]);
    for (size_t k = 1; k < SIZES && c < NT_CLASSES_MAX; k++)
        if (want.has_class[k]) {
            assert_int_equal(sum->class_[c].block_bytes, 16 * k);
            expect_class(&sum->class_[c++], &want.class_[k]);
        }
    if (want.has_class[0] && c < NT_CLASSES_MAX) {
        assert_int_equal(sum->class_[c].block_bytes, 0);
        expect_class(&sum->class_[c++], &want.class_[0]);
    }
    assert_int_equal(sum->classes, c);
}

static void test_sums(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        struct nt_snapshot sum = {0};
        bool many = round % 3 == 0, fits = true;

        for (size_t i = 0; i < PROCESSES; i++) {
            fill(&p[i], many ? IDS : 5, many ? SIZES - 1 : 30);
            fits &= nt__job_add(&sum, &p[i]);
        }
        want_sum(PROCESSES);
        expect_sum(&sum);
        assert_int_equal(fits, !many);
        assert_int_equal(sum.size, sizeof sum);
        assert_int_equal(sum.version, NT_SNAPSHOT_VERSION);
    }
}

/* In another order, and in groups: ((5 4) (3 (2 1)) 0) byte by byte what 0 1 2 .. give. */
static void test_order_and_grouping(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        static struct nt_snapshot plain, a, b, c, all;
        bool many = round % 3 == 0;

        memset(&plain, 0, sizeof plain);
        memset(&a, 0, sizeof a);
        memset(&b, 0, sizeof b);
        memset(&c, 0, sizeof c);
        memset(&all, 0, sizeof all);
        for (size_t i = 0; i < PROCESSES; i++) {
            fill(&p[i], many ? IDS : 5, many ? SIZES - 1 : 30);
            nt__job_add(&plain, &p[i]);
        }
        nt__job_add(&a, &p[5]);
        nt__job_add(&a, &p[4]);
        nt__job_add(&b, &p[2]);
        nt__job_add(&b, &p[1]);
        nt__job_add(&c, &p[3]);
        nt__job_add(&c, &b);
        nt__job_add(&all, &a);
        nt__job_add(&all, &c);
        nt__job_add(&all, &p[0]);
        assert_memory_equal(&plain, &all, sizeof all);
    }
}

static void test_what_is_no_figure(void **state)
{
    static struct nt_snapshot sum;

    (void)state;
    memset(&sum, 0, sizeof sum);
    fill(&p[0], 2, 2);
    fill(&p[1], 2, 2);
    p[0].pid = 7, p[0].rank = 3, p[0].start_unix_ns = 50, p[0].now_unix_ns = 60;
    p[0].final = p[0].inherited = 1, p[0].fake_topology = 0;
    strcpy(p[0].host, "n1");
    strcpy(p[0].program, "lmp");
    strcpy(p[0].version_string, "0.2.0");
    p[1] = p[0];
    p[1].start_unix_ns = 40, p[1].now_unix_ns = 55;
    nt__job_add(&sum, &p[0]);
    nt__job_add(&sum, &p[1]);
    assert_int_equal(sum.pid, 7);
    assert_int_equal(sum.rank, 3);
    assert_int_equal(sum.start_unix_ns, 40);
    assert_int_equal(sum.now_unix_ns, 60);
    assert_true(sum.final && sum.inherited && !sum.fake_topology);
    assert_string_equal(sum.host, "n1");
    assert_string_equal(sum.program, "lmp");
    p[1].pid = 8, p[1].rank = 4, p[1].final = p[1].inherited = 0;
    p[1].fake_topology = 1;
    strcpy(p[1].host, "n2");
    strcpy(p[1].program, "sh");
    strcpy(p[1].version_string, "0.1.0");
    nt__job_add(&sum, &p[1]);
    nt__job_add(&sum, &p[0]);
    assert_int_equal(sum.pid, 0);
    assert_int_equal(sum.rank, -1);
    assert_true(!sum.final && !sum.inherited && sum.fake_topology);
    assert_string_equal(sum.host, "(several)");
    assert_string_equal(sum.program, "(several)");
    assert_string_equal(sum.version_string, "0.2.0");
}

static void test_no_overflow(void **state)
{
    static struct nt_snapshot sum;

    (void)state;
    memset(&sum, 0, sizeof sum);
    fill(&p[0], 1, 1);
    p[0].total.allocations_total = INT64_MAX - 5;
    for (int i = 0; i < 3; i++)
        nt__job_add(&sum, &p[0]);
    assert_int_equal(sum.total.allocations_total, INT64_MAX);
    p[0].total.allocations_total = UINT64_MAX; /* no record has it */
    nt__job_add(&sum, &p[0]);
    assert_int_equal(sum.total.allocations_total, INT64_MAX);
}

/* ---- rows ---------------------------------------------------------------------------- */

static uint64_t on_nodes(const struct nt_job_row *row)
{
    uint64_t sum = 0;

    for (size_t n = 0; n < row->nodes; n++)
        sum += row->node[n].live_bytes_now;
    return sum;
}

static void test_rows(void **state)
{
    static struct nt_job_row row;
    const struct nt_node_figures *t = &p[0].total;
    uint64_t sum = 0;

    (void)state;
    fill(&p[0], 4, 3);
    p[0].rank = 5, p[0].pid = 99, p[0].final = 0;
    nt__job_row(&row, &p[0]);
    assert_int_equal(row.rank, 5);
    assert_int_equal(row.pid, 99);
    assert_int_equal(row.processes, 1);
    assert_int_equal(row.end, NT_JOB_RUNNING);
    assert_string_equal(row.host, p[0].host);
    assert_string_equal(row.program, p[0].program);
    assert_int_equal(row.now_unix_ns, p[0].now_unix_ns);
#define SAME(name) assert_int_equal(row.name, t->name)
    SAME(allocations_total);
    SAME(allocated_bytes_total);
    SAME(requested_bytes_total);
    SAME(frees_total);
    SAME(remote_frees_total);
    SAME(far_frees_total);
    SAME(live_bytes_now);
    SAME(live_bytes_peak);
    SAME(committed_bytes_now);
    SAME(resident_bytes_now);
    assert_int_equal(row.cpu_ns_total, p[0].cpu_ns_total);
    assert_int_equal(row.elsewhere_bytes_now, t->elsewhere_full_bytes_now +
                                                  t->elsewhere_refused_bytes_now +
                                                  t->elsewhere_moved_bytes_now);
    assert_int_equal(row.nodes, p[0].nodes);
    for (size_t n = 0; n < row.nodes; n++) {
        size_t slot = 0;

        assert_true(n == 0 || row.node[n].node > row.node[n - 1].node);
        while (p[0].node_id[slot] != row.node[n].node)
            slot++;
        assert_int_equal(row.node[n].live_bytes_now, p[0].node[slot].live_bytes_now);
        assert_int_equal(row.node[n].live_bytes_peak, p[0].node[slot].live_bytes_peak);
    }
    p[0].final = 1;
    nt__job_row(&row, &p[0]);
    assert_int_equal(row.end, NT_JOB_ENDED);

    p[0].rank = -7, p[0].pid = -7; /* of a file that somebody spoilt */
    nt__job_row(&row, &p[0]);
    assert_int_equal(row.rank, -1);
    assert_int_equal(row.pid, 0);
    p[0].rank = INT64_MAX;
    nt__job_row(&row, &p[0]);
    assert_int_equal(row.rank, -1);

    /* Of many nodes the fullest are named, and nothing is lost. */
    fill(&p[0], 60, 3);
    assert_true(p[0].nodes > NT_JOB_NODES);
    nt__job_row(&row, &p[0]);
    assert_int_equal(row.nodes, NT_JOB_NODES + 1);
    assert_int_equal(row.node[NT_JOB_NODES].node, NT_JOB_NODE_REST);
    for (size_t n = 0; n < p[0].nodes; n++) {
        size_t fuller = 0, at = 0;

        sum += p[0].node[n].live_bytes_now;
        for (size_t m = 0; m < p[0].nodes; m++)
            fuller += p[0].node[m].live_bytes_peak > p[0].node[n].live_bytes_peak;
        while (at < NT_JOB_NODES && row.node[at].node != p[0].node_id[n])
            at++;
        assert_int_equal(at < NT_JOB_NODES, fuller < NT_JOB_NODES);
    }
    assert_int_equal(on_nodes(&row), sum);
}

/* A rank of several processes: in any order the same figures, and the largest's name. */
static void test_row_of_processes(void **state)
{
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}};
    struct nt_job_row rows[3], sum[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fill(&p[i], 4, 3);
        p[i].pid = 10 + (int64_t)i;
        p[i].final = i == 1;
        p[i].total.live_bytes_peak = i == 1 ? 500 : 100;
        nt__job_row(&rows[i], &p[i]);
    }
    for (size_t o = 0; o < 3; o++) {
        sum[o] = rows[orders[o][0]];
        nt__job_row_add(&sum[o], &rows[orders[o][1]]);
        nt__job_row_add(&sum[o], &rows[orders[o][2]]);
        assert_int_equal(sum[o].pid, 11);
        assert_int_equal(sum[o].end, NT_JOB_ENDED);
        assert_int_equal(sum[o].processes, 3);
        assert_int_equal(sum[o].live_bytes_peak, 700);
        assert_int_equal(sum[o].frees_total, rows[0].frees_total + rows[1].frees_total +
                                                 rows[2].frees_total);
        assert_int_equal(on_nodes(&sum[o]),
                         on_nodes(&rows[0]) + on_nodes(&rows[1]) + on_nodes(&rows[2]));
        assert_memory_equal(&sum[o], &sum[0], sizeof sum[0]);
    }
    nt__job_row_add(&sum[0], &sum[1]);
    assert_int_equal(sum[0].processes, 6);
    assert_int_equal(sum[0].live_bytes_peak, 1400);
}

static void test_order_of_rows(void **state)
{
    struct nt_job_row a = {.rank = 2, .pid = 5, .host = "n1"}, b = a;

    (void)state;
    assert_int_equal(nt__job_row_order(&a, &b), 0);
    b.pid = 6;
    assert_true(nt__job_row_order(&a, &b) < 0 && nt__job_row_order(&b, &a) > 0);
    strcpy(b.host, "n0");
    assert_true(nt__job_row_order(&a, &b) > 0);
    b.rank = 10;
    assert_true(nt__job_row_order(&a, &b) < 0);
    b.rank = -1; /* without one: last */
    assert_true(nt__job_row_order(&a, &b) < 0);
}

static void test_ends(void **state)
{
    struct nt_job_row row = {0};
    const struct {
        int end, code;
        bool well;
        const char *name;
    } ends[] = {{NT_JOB_RUNNING, 0, false, "running"},
                {NT_JOB_ENDED, 0, true, "ended"},
                {NT_JOB_FINALIZED, 0, true, "finalized"},
                {NT_JOB_EXITED, 0, true, "exited"},
                {NT_JOB_EXITED, 3, false, "exited"},
                {NT_JOB_SIGNALLED, 9, false, "signalled"},
                {NT_JOB_ABORTED, 0, false, "aborted"},
                {NT_JOB_UNFINALIZED, 0, false, "unfinalized"}};

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(ends); i++) {
        row.end = ends[i].end;
        row.code = ends[i].code;
        assert_int_equal(nt__job_ended_well(&row), ends[i].well);
        assert_string_equal(nt__job_end_name(row.end), ends[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_order_and_grouping),
        cmocka_unit_test(test_what_is_no_figure),
        cmocka_unit_test(test_no_overflow),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_row_of_processes),
        cmocka_unit_test(test_order_of_rows),
        cmocka_unit_test(test_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
