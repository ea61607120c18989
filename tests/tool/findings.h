/* SPDX-License-Identifier: MIT */
/*
 * A record made up for the tests of findings: a process that ran for 10 s, used as much of a
 * processor, and had 1 GiB in use at its peak, and nothing to find. Tests change what they are
 * about. Sites are one address each, so each is a place of its own.
 */
#ifndef TESTS_TOOL_FINDINGS_H
#define TESTS_TOOL_FINDINGS_H

#include "src/base/base.h"
#include "src/tool/analysis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define RUN (10 * SECOND)
#define PEAK ((uint64_t)1 << 30)

enum { SITES = 4, SAMPLES = 4096 };

static struct {
    struct nt_record record;
    struct nt_thread_figures threads[8];
    struct nt_site_figures sites[SITES];
    struct nt_sample_figures samples[SAMPLES];
    struct nt_remote_figures remotes[4];
    struct nt_findings found;
} made;

static inline int make_record(void **state)
{
    struct nt_snapshot *s = &made.record.snapshot;

    (void)state;
    memset(&made, 0, sizeof made);
    s->size = sizeof *s;
    s->version = NT_SNAPSHOT_VERSION;
    s->final = 1;
    s->pid = 100;
    s->start_unix_ns = 5 * SECOND;
    s->now_unix_ns = s->start_unix_ns + RUN;
    s->cpu_ns_total = RUN;
    s->threads_now = 1;
    s->page_bytes = 4096;
    s->nodes = 2;
    s->node_id[1] = 4;
    s->classes = 4; /* the last is large blocks */
    s->class_[0].block_bytes = 32;
    s->class_[1].block_bytes = 1024;
    s->class_[2].block_bytes = 524288;
    s->total.live_bytes_peak = PEAK;
    s->total.requested_bytes_total = PEAK;
    made.record.threads = made.threads;
    return 0;
}

/* Sampled, one block for each 4 KiB; sites without samples. */
static inline void make_profile(void)
{
    struct nt_profile *p = &made.record.profile;

    p->interval_bytes = 4096;
    p->sites = made.sites;
    p->samples = made.samples;
    p->remotes = made.remotes;
    p->nsites = SITES;
    p->total.samples_total = 100000;
    for (unsigned i = 0; i < SITES; i++) {
        made.sites[i].depth = 1;
        made.sites[i].stack[0] = 0x1000 * (i + 1);
    }
}

/* The findings of the record; how many there are. */
static inline size_t find(void)
{
    struct nt_symbols *symbols = nt__symbols_open(&made.record.profile);

    nt__findings_free(&made.found);
    nt__findings_make(&made.record, symbols, &made.found);
    nt__symbols_close(symbols);
    return made.found.n;
}

static inline int drop_record(void **state)
{
    (void)state;
    nt__findings_free(&made.found);
    return 0;
}

/* There is one, of that kind, with that cost. */
static inline void finds(const char *kind, double cost)
{
    const struct nt_finding *f = made.found.list;

    if (find() != 1)
        fail_msg("%zu findings in place of one: %s", made.found.n, kind);
    f = made.found.list;
    assert_string_equal(f->kind, kind);
    if (f->cost < 0.999 * cost || f->cost > 1.001 * cost)
        fail_msg("%s costs %f, not %f", kind, f->cost, cost);
    assert_true(f->sentence[0] != '\0' && f->advice[0] != '\0');
}

static inline void finds_nothing(void)
{
    if (find() != 0)
        fail_msg("found: %s: %s", made.found.list[0].kind, made.found.list[0].sentence);
}

/* Its stack begins at that site. */
static inline void is_at(unsigned site)
{
    char name[32];

    snprintf(name, sizeof name, "0x%x", 0x1000 * (site + 1));
    assert_true(made.found.list[0].nwhere == 1);
    assert_string_equal(made.found.list[0].where[0], name);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_record, drop_record)

#endif
