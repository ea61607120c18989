/* SPDX-License-Identifier: MIT */
/* A record with something in every table, and names of any bytes, for the tests of formats. */
#ifndef TESTS_TOOL_RECORDS_H
#define TESTS_TOOL_RECORDS_H

#include "src/tool/report.h"
#include "src/track/report.h"

#include <stdlib.h>
#include <string.h>

#define HOSTILE "a \"b\"\\\n\r,;<b>\xff\xc3(" /* 15 bytes, two of which are not UTF-8 */
#define HOSTILE_UTF8 "a \"b\"\\\n\r,;<b>\xef\xbf\xbd\xef\xbf\xbd("

/* Fill the figures of the list with from, from + 1... */
static inline void records_number(enum nt_figure_list list, void *base, uint64_t from)
{
    for (const struct nt_figure *g = nt__figures(list); g->name != NULL; g++, from++)
        memcpy((char *)base + g->offset, &from, sizeof from);
}

static inline void records_profile(struct nt_profile *p)
{
    static const uint64_t stacks[3][2] = {{0x1001, 0x2001}, {0x3001, 0x2001}, {0}};

    p->interval_bytes = 4096;
    p->sampling = 1;
    p->lost_total = 3;
    records_number(NT_LIST_SITE, &p->total, 5000);
    p->nsites = 3;
    p->sites = calloc(p->nsites, sizeof *p->sites);
    for (size_t i = 0; i < p->nsites; i++) {
        records_number(NT_LIST_SITE, &p->sites[i], 6000 + 100 * i);
        p->sites[i].depth = i < 2 ? 2 : 0;
        memcpy(p->sites[i].stack, stacks[i], sizeof stacks[i]);
        p->sites[i].lifetimes[i] = 10 + i;
        p->total.lifetimes[i] = 10 + i;
    }
    p->nsamples = p->nremotes = 1;
    p->samples = calloc(1, sizeof *p->samples);
    p->samples[0] = (struct nt_sample_figures){0x7000, 100, 112, 1, 77, 12, 7};
    p->remotes = calloc(1, sizeof *p->remotes);
    p->remotes[0] = (struct nt_remote_figures){1, 2, 8, 9, 10};
    p->modules = calloc(1, sizeof *p->modules);
}

/* nt__record_free, free. */
static inline struct nt_record *records_make(void)
{
    struct nt_record *r = calloc(1, sizeof *r);
    struct nt_snapshot *s = &r->snapshot;

    s->size = sizeof *s;
    s->version = NT_SNAPSHOT_VERSION;
    s->pid = 12;
    s->rank = 3;
    s->start_unix_ns = 1700000000000000001;
    s->now_unix_ns = 1700000000500000002;
    s->page_bytes = 4096;
    s->final = 1;
    strcpy(s->host, "host");
    strcpy(s->program, HOSTILE);
    strcpy(s->version_string, "0.1.0");
    records_number(NT_LIST_PROCESS, s, 1);
    records_number(NT_LIST_NODE, &s->total, 50);
    s->nodes = 2;
    s->node_id[1] = 7;
    s->classes = 3;
    r->nthreads = r->nphases = r->ntracked = 2;
    r->npools = 3;
    r->threads = calloc(r->nthreads, sizeof *r->threads);
    r->pools = calloc(r->npools, sizeof *r->pools);
    r->phases = calloc(r->nphases, sizeof *r->phases);
    r->tracked = calloc(r->ntracked, sizeof *r->tracked);
    for (size_t i = 0; i < 2; i++) {
        records_number(NT_LIST_NODE, &s->node[i], 100 + 100 * i);
        records_number(NT_LIST_THREAD, &r->threads[i], 500 + 100 * i);
        r->threads[i].tid = (int64_t)(20 + i);
        r->threads[i].node = 7;
        strcpy(r->threads[i].name, i == 0 ? "exited" : HOSTILE);
        records_number(NT_LIST_PHASE, &r->phases[i], 900 + 100 * i);
        strcpy(r->phases[i].name, i == 0 ? "start" : HOSTILE);
        r->phases[i].running = i == 1;
        records_number(NT_LIST_TRACKED, &r->tracked[i], 1100 + 100 * i);
        strcpy(r->tracked[i].name, i == 0 ? "t" : HOSTILE);
        r->tracked[i].sizes[0] = 4;
        r->tracked[i].sizes[i + 1] = 5 + i;
        for (size_t h = 0; h < 2; h++)
            s->free_matrix[i][h] = 10 * i + h;
    }
    records_number(NT_LIST_CLASS, &s->class_[0], 300);
    s->class_[0].block_bytes = 64;
    s->class_[1].block_bytes = 128; /* never used */
    records_number(NT_LIST_CLASS, &s->class_[2], 400);
    s->class_[2].block_bytes = 0;
    for (size_t i = 0; i < 3; i++) {
        records_number(NT_LIST_POOL, &r->pools[i], 700 + 100 * i);
        strcpy(r->pools[i].name, i == 0 ? "process" : HOSTILE);
    }
    nt__history_start(&r->history, s->nodes);
    for (uint64_t i = 1; i <= 2; i++) {
        const uint64_t point[] = {1000 * i, 10 * i, 20 * i, 30 * i, 40 * i};

        nt__history_end(&r->history, point);
    }
    records_profile(&r->profile);
    return r;
}

static inline void records_free(struct nt_record *r)
{
    nt__record_free(r);
    free(r);
}

/* What `write` has to say about the records; the caller frees it. */
static inline char *records_written(nt_write *write, struct nt_record *const *records,
                                    size_t n)
{
    FILE *f = tmpfile();
    long bytes;
    char *text;

    if (f == NULL || write(f, records, n, 0) != 0 || fseek(f, 0, SEEK_END) != 0 ||
        (bytes = ftell(f)) < 0)
        abort();
    rewind(f);
    text = calloc((size_t)bytes + 1, 1);
    if (text == NULL || fread(text, 1, (size_t)bytes, f) != (size_t)bytes)
        abort();
    fclose(f);
    return text;
}

#endif
