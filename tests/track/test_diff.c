/* SPDX-License-Identifier: MIT */
/*
 * nt_snapshot_diff: every figure of the result is the one that its name's ending promises,
 * told apart here by the lists of the public header and not by the library's.
 */
#include "src/base/base.h"

#include <errno.h>
#include <numatally/stats.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct nt_snapshot a, b, out;

/* Numbers that differ from place to place. Those of `b` are above a's where they are even,
 * and below it elsewhere. */
static void fill(struct nt_snapshot *s, uint64_t k)
{
    uint64_t *words = (uint64_t *)s;

    for (size_t i = 0; i < sizeof *s / sizeof *words; i++)
        words[i] = 1000000 + i * 7 + (i % 2 == 0 ? k : 0 - k);
    s->size = sizeof *s;
    s->version = NT_SNAPSHOT_VERSION;
    s->nodes = 3;
    s->classes = 5;
    for (size_t n = 0; n < NT_NODES_MAX; n++)
        s->node_id[n] = (int32_t)(2 * n);
    for (size_t c = 0; c < NT_CLASSES_MAX; c++)
        s->class_[c].block_bytes = 16 * c;
}

static void expect(const char *name, uint64_t from, uint64_t to, uint64_t got)
{
    size_t n = strlen(name);
    bool peak = n > 5 && strcmp(name + n - 5, "_peak") == 0;
    bool now = n > 4 && strcmp(name + n - 4, "_now") == 0;
    bool total = n > 6 && strcmp(name + n - 6, "_total") == 0;

    assert_true(peak + now + total == 1 || strcmp(name, "block_bytes") == 0);
    if (got != (now || total ? to - from : to))
        fail_msg("%s: %llu and %llu give %llu", name, (unsigned long long)from,
                 (unsigned long long)to, (unsigned long long)got);
    if (now && to < from)
        assert_true((int64_t)got == -(int64_t)(from - to));
}

static void expect_all(const struct nt_snapshot *from, const struct nt_snapshot *to,
                       const struct nt_snapshot *d)
{
#define NT_FIELD(name, unit, label, text)                                              \
    expect(#name, from->node[n].name, to->node[n].name, d->node[n].name);
    for (size_t n = 0; n < NT_NODES_MAX; n++) {
        NT_NODE_FIGURES(NT_FIELD)
    }
#undef NT_FIELD
#define NT_FIELD(name, unit, label, text)                                              \
    expect(#name, from->total.name, to->total.name, d->total.name);
    NT_NODE_FIGURES(NT_FIELD)
#undef NT_FIELD
#define NT_FIELD(name, unit, label, text)                                              \
    expect(#name, from->class_[c].name, to->class_[c].name, d->class_[c].name);
    for (size_t c = 0; c < NT_CLASSES_MAX; c++) {
        NT_CLASS_FIGURES(NT_FIELD)
    }
#undef NT_FIELD
    for (size_t f = 0; f < NT_NODES_MAX; f++)
        for (size_t h = 0; h < NT_NODES_MAX; h++)
            assert_true(d->free_matrix[f][h] ==
                        to->free_matrix[f][h] - from->free_matrix[f][h]);
#define PROCESS(name) expect(#name, from->name, to->name, d->name)
    PROCESS(threads_now);
    PROCESS(threads_total);
    PROCESS(pools_now);
    PROCESS(foreign_frees_total);
    PROCESS(metadata_bytes_now);
    PROCESS(residency_pages_now);
#undef PROCESS
    assert_true(d->start_unix_ns == from->now_unix_ns);
    assert_true(d->now_unix_ns == to->now_unix_ns && d->pid == to->pid);
    assert_true(d->rank == to->rank && d->page_bytes == to->page_bytes);
    assert_true(d->size == sizeof *d && d->version == NT_SNAPSHOT_VERSION);
    assert_true(d->nodes == 3 && d->classes == 5);
    assert_memory_equal(d->host, to->host, sizeof d->host);
    assert_memory_equal(d->program, to->program, sizeof d->program);
    assert_memory_equal(d->version_string, to->version_string, 16);
    assert_memory_equal(d->node_id, to->node_id, sizeof d->node_id);
    assert_true(d->final == to->final && d->inherited == to->inherited &&
                d->fake_topology == to->fake_topology);
}

static void test_kinds(void **state)
{
    (void)state;
    fill(&a, 1000);
    fill(&b, 5000);
    memset(&out, 0xff, sizeof out);
    assert_int_equal(nt_snapshot_diff(&a, &b, &out), 0);
    expect_all(&a, &b, &out);
}

static void test_in_place(void **state)
{
    static struct nt_snapshot over;

    (void)state;
    fill(&a, 1000);
    fill(&b, 5000);
    over = a;
    assert_int_equal(nt_snapshot_diff(&over, &b, &over), 0);
    expect_all(&a, &b, &over);
    over = b;
    assert_int_equal(nt_snapshot_diff(&a, &over, &over), 0);
    expect_all(&a, &b, &over);
    over = a;
    assert_int_equal(nt_snapshot_diff(&over, &over, &over), 0);
    expect_all(&a, &a, &over);
}

static void refused(void)
{
    memset(&out, 0xff, sizeof out);
    assert_int_equal(nt_snapshot_diff(&a, &b, &out), -EINVAL);
    assert_true(out.pid == -1 && out.total.frees_total == UINT64_MAX);
    assert_int_equal(nt_snapshot_diff(&b, &a, &out), -EINVAL);
    fill(&b, 5000);
    assert_int_equal(nt_snapshot_diff(&a, &b, &out), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    fill(&a, 1000);
    fill(&b, 5000);
    assert_int_equal(nt_snapshot_diff(NULL, &b, &out), -EINVAL);
    assert_int_equal(nt_snapshot_diff(&a, NULL, &out), -EINVAL);
    assert_int_equal(nt_snapshot_diff(&a, &b, NULL), -EINVAL);
    b.size--;
    refused();
    b.version++;
    refused();
    b.nodes--;
    refused();
    b.nodes = NT_NODES_MAX + 1;
    refused();
    b.classes++;
    refused();
    b.classes = NT_CLASSES_MAX + 1;
    refused();
    b.node_id[2] = 99;
    refused();
    b.class_[4].block_bytes++;
    refused();
    memset(&b, 0, sizeof b); /* never filled */
    refused();
}

/* What pools added lies in front of the last row; large blocks keep theirs. */
static void test_more_classes(void **state)
{
    (void)state;
    for (int over = 0; over < 3; over++) {
        struct nt_snapshot *to = over == 2 ? &out : &b, *d = over == 1 ? &a : &out;
        fill(&a, 1000);
        fill(to, 5000);
        a.class_[4].block_bytes = 0;
        to->classes = 7;
        to->class_[6].block_bytes = 0;
        uint64_t large = to->class_[6].frees_total - a.class_[4].frees_total;
        uint64_t known = to->class_[3].frees_total - a.class_[3].frees_total;
        uint64_t more = to->class_[4].frees_total, most = to->class_[5].frees_total;
        assert_int_equal(nt_snapshot_diff(&a, to, d), 0);
        assert_true(d->classes == 7 && d->class_[6].block_bytes == 0);
        assert_true(d->class_[6].frees_total == large &&
                    d->class_[3].frees_total == known);
        assert_true(d->class_[4].frees_total == more &&
                    d->class_[5].frees_total == most);
    }
    fill(&a, 1000);
    fill(&b, 5000);
    b.classes = 7; /* its last row is another's */
    assert_int_equal(nt_snapshot_diff(&a, &b, &out), -EINVAL);
    a.classes = 0;
    assert_int_equal(nt_snapshot_diff(&a, &b, &out), -EINVAL);
}

/* Of the library's own snapshots: what a stretch of program did, no more and no less. */
static void test_of_a_stretch(void **state)
{
    char *kept[50];

    (void)state;
    for (int i = 0; i < 50; i++)
        kept[i] = nt_malloc(100);
    assert_int_equal(nt_snapshot(&a), 0);
    for (int i = 0; i < 30; i++)
        nt_free(kept[i]);
    char *large = nt_malloc(3000000);
    nt_free(nt_malloc(777));
    assert_int_equal(nt_snapshot(&b), 0);
    assert_int_equal(nt_snapshot_diff(&a, &b, &b), 0);
    assert_int_equal(b.total.allocations_total, 2);
    assert_int_equal(b.total.requested_bytes_total, 3000777);
    assert_int_equal(b.total.frees_total, 31);
    assert_int_equal((int64_t)b.total.live_blocks_now, -29);
    assert_int_equal((int64_t)b.total.live_bytes_now,
                     (int64_t)nt_usable_size(large) -
                         30 * (int64_t)nt_usable_size(kept[49]));
    assert_true(b.now_unix_ns >= b.start_unix_ns);
    for (int i = 30; i < 50; i++)
        nt_free(kept[i]);
    nt_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_more_classes), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_of_a_stretch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
