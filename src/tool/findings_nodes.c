/* SPDX-License-Identifier: MIT */
/*
 * How memory is spread: over threads, and over nodes. All figures are counters; samples say
 * where in the code most of that memory was allocated.
 */
#include "src/tool/analysis.h"

#include <stdlib.h>
#include <string.h>

/* ---- Threads ---------------------------------------------------------------------------- */

/* Threads that allocate. Left out are the main thread, which sets things up for all, and those
 * that are gone: they are one row, which says nothing about each. */
struct crew {
    const struct nt_thread_figures *first; /* that held most */
    double others;                         /* what the others held, on average */
    bool spread;                           /* they take memory of several nodes */
    size_t n;
};

static bool is_worker(const struct nt_record *r, const struct nt_thread_figures *t)
{
    return t->tid != 0 && t->tid != r->snapshot.pid;
}

static struct crew crew_of(const struct nt_record *r)
{
    struct crew crew = {0};
    double sum = 0;
    uint64_t most = 0;

    for (size_t i = 0; i < r->nthreads; i++)
        if (is_worker(r, &r->threads[i]) && r->threads[i].allocated_bytes_total > most)
            most = r->threads[i].allocated_bytes_total;
    for (size_t i = 0; i < r->nthreads; i++) {
        const struct nt_thread_figures *t = &r->threads[i];

        if (!is_worker(r, t) ||
            (double)t->allocated_bytes_total < NT_IMBALANCE_LEAST * (double)most)
            continue;
        crew.n++;
        crew.spread |= crew.first != NULL && t->node != crew.first->node;
        sum += (double)t->live_bytes_peak;
        if (crew.first == NULL || t->live_bytes_peak > crew.first->live_bytes_peak)
            crew.first = t;
    }
    if (crew.n > 1)
        crew.others =
            (sum - (double)crew.first->live_bytes_peak) / (double)(crew.n - 1);
    return crew;
}

/* What one of n holds above an even share of all, if that is an imbalance; else 0. */
static double excess(double held, double others, size_t n)
{
    return n > 1 && held >= NT_IMBALANCE_RATIO * others
               ? (held - others) * (double)(n - 1) / (double)n
               : 0;
}

static bool of_thread(const struct nt_sample_figures *s, const void *tid)
{
    return s->tid == *(const int64_t *)tid;
}

static bool of_node(const struct nt_sample_figures *s, const void *node)
{
    return s->node == *(const int32_t *)node;
}

/* " Most of ... by PLACE.", or nothing. */
static char *mostly(const char *what, struct nt_spot spot)
{
    return spot.place != NULL
               ? nt__say(" Most of %s was allocated by %s.", what, spot.place->name)
               : nt__say("%s", "");
}

/* On one node nobody's memory is farther away for it: then it costs nothing. */
static void report_threads(struct nt_analysis *a, const struct crew *crew, double cost)
{
    const struct nt_thread_figures *first = crew->first;
    double held = (double)first->live_bytes_peak;
    struct nt_spot most_by = nt__holder(a, of_thread, &first->tid);
    char *most = mostly("what it has in use now", most_by), *times;
    char name[3 * sizeof first->name + 1];
    struct nt_fmt clean;
    struct nt_finding *f;

    nt__fmt_init(&clean, name, sizeof name, -1);
    nt__fmt_name(&clean, 0, first->name);
    times = crew->others > held / 100
                ? nt__say("%s on average: %.1f times as much",
                          nt__bytes(crew->others).s, held / crew->others)
                : nt__say("next to nothing");
    f = nt__finding_add(a, "imbalance", NT_COST_BYTES, cost, 0);
    nt__finding_where(a, f, most_by);
    f->sentence = nt__say(
        "Of %zu threads that allocate, the main thread apart, one, \"%s\" (%lld, on "
        "node %lld), held up to %s, the others %s.%s%s",
        crew->n, name, (long long)first->tid, (long long)first->node, nt__bytes(held).s,
        times, most,
        cost > 0 ? ""
                 : " As all of them take memory of one node, it is as near to each: "
                   "this costs nothing here, and only shows how the work is divided.");
    free(most);
    free(times);
    f->advice = nt__say(
        "Divide the work evenly. If this thread allocates for the others, let each "
        "allocate what it uses: a thread's blocks lie on its own node.%s",
        cost > 0 ? "" : " If it is to hold more, as a cache does, nothing is wrong.");
}

static void find_among_threads(struct nt_analysis *a)
{
    const struct nt_node_figures *total = &a->record->snapshot.total;
    struct crew crew = crew_of(a->record);
    double above;

    if (crew.n < NT_IMBALANCE_THREADS ||
        (double)total->remote_frees_total >
            NT_IMBALANCE_REMOTE * (double)total->frees_total)
        return;
    above = excess((double)crew.first->live_bytes_peak, crew.others, crew.n);
    if (nt__finding_counts(a, NT_COST_BYTES, above, 0))
        report_threads(a, &crew, crew.spread ? above : 0);
}

/* ---- Nodes with threads ------------------------------------------------------------------- */

static size_t threads_on(const struct nt_record *r, int32_t node)
{
    size_t n = 0;

    for (size_t i = 0; i < r->nthreads; i++)
        n += r->threads[i].tid != 0 && r->threads[i].node == node;
    return n;
}

/* Most memory lies on one of the nodes that threads run on. */
static void find_among_nodes(struct nt_analysis *a)
{
    const struct nt_snapshot *s = &a->record->snapshot;
    double sum = 0, most = 0, cost;
    struct nt_spot most_by;
    size_t n = 0, threads = 0;
    uint32_t first = 0;
    struct nt_finding *f;
    char *by;

    for (uint32_t i = 0; i < s->nodes; i++) {
        double lying = (double)s->node[i].lying_bytes_now;
        size_t here = threads_on(a->record, s->node_id[i]);

        if (here == 0)
            continue;
        n++;
        threads += here;
        sum += lying;
        if (lying > most) {
            most = lying;
            first = i;
        }
    }
    cost = excess(most, n > 1 ? (sum - most) / (double)(n - 1) : 0, n);
    if (threads < NT_IMBALANCE_THREADS + threads_on(a->record, s->node_id[first]) ||
        !nt__finding_counts(a, NT_COST_BYTES, cost, 0))
        return;
    most_by = nt__holder(a, of_node, &s->node_id[first]);
    by = mostly("it", most_by);
    f = nt__finding_add(a, "imbalance", NT_COST_BYTES, cost, 0);
    nt__finding_where(a, f, most_by);
    f->sentence = nt__say(
        "%zu threads run on %zu nodes, but of the %s that lie on these %s are on "
        "node %d: threads of the others use them from afar, and one node's memory "
        "serves all.%s",
        threads, n, nt__bytes(sum).s, nt__bytes(most).s, s->node_id[first], by);
    free(by);
    f->advice = nt__say(
        "Let the threads that use an array be the first to write it, divided as "
        "later: then its pages lie with them. Else spread it: "
        "nt_malloc_distributed, or the policy interleave (numatally run "
        "--interleave=all).");
}

void nt__find_imbalance(struct nt_analysis *a)
{
    find_among_threads(a);
    find_among_nodes(a);
}

/* ---- Pages elsewhere ------------------------------------------------------------------------ */

struct reason {
    size_t offset; /* of the figure in a node's */
    const char *why, *advice;
};

static const struct reason reasons[] = {
    {offsetof(struct nt_node_figures, elsewhere_full_bytes_now), "that node is full",
     "Use less there, or spread it: threads of the node over more nodes, or the "
     "policy interleave or preferred-many (numatally run --interleave=all). With "
     "--membind=LIST an allocation fails in place of going elsewhere."},
    {offsetof(struct nt_node_figures, elsewhere_refused_bytes_now),
     "binding is refused, or the node is not allowed",
     "Allow the node (cpuset.mems, numactl --membind, the batch system's binding), and "
     "mbind in the container's seccomp profile (CAP_SYS_NICE with Docker)."},
    {offsetof(struct nt_node_figures, elsewhere_moved_bytes_now),
     "they were moved since, or the node was full then",
     "If the kernel's balancing moves them, switch it off (kernel.numa_balancing=0) "
     "or pin the threads. If the program or its batch system does (migratepages), let "
     "it "
     "begin where it will run. nt_migrate and nt_pool_migrate bring blocks back."},
};

static uint64_t figure(const struct nt_node_figures *node, size_t offset)
{
    uint64_t v;

    memcpy(&v, (const char *)node + offset, sizeof v);
    return v;
}

/* Node n's memory that is elsewhere for one reason. */
static void find_elsewhere(struct nt_analysis *a, uint32_t n, const struct reason *why)
{
    const struct nt_snapshot *s = &a->record->snapshot;
    const struct nt_node_figures *node = &s->node[n];
    double bytes = (double)figure(node, why->offset);
    double reserved = (double)s->total.reserved_bytes_now;
    double asked = (double)s->residency_pages_now * (double)s->page_bytes;
    double error = asked < reserved ? NT_RESIDENCY_ERROR * reserved : 0;
    struct nt_spot most_by;
    struct nt_finding *f;
    char *most;

    if (!nt__finding_counts(a, NT_COST_BYTES, bytes, error))
        return;
    most_by = nt__holder(a, of_node, &s->node_id[n]);
    most = mostly("what that node serves", most_by);
    f = nt__finding_add(a, "elsewhere", NT_COST_BYTES, bytes, error);
    nt__finding_where(a, f, most_by);
    f->sentence = nt__say(
        "%s of the %s that are in memory and wanted on node %d lie on another node: "
        "%s.%s",
        nt__bytes_pm(bytes, error).s, nt__bytes((double)node->resident_bytes_now).s,
        s->node_id[n], why->why, most);
    f->advice = nt__say("%s", why->advice);
    free(most);
}

void nt__find_elsewhere(struct nt_analysis *a)
{
    for (uint32_t n = 0; n < a->record->snapshot.nodes; n++)
        for (size_t i = 0; i < NT_ARRAY_LEN(reasons); i++)
            find_elsewhere(a, n, &reasons[i]);
}
