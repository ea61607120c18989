/* SPDX-License-Identifier: MIT */
/*
 * A job in text, above the report of its sum: what is wrong with it comes first, then which
 * ranks are unlike the others, then tables.
 *
 * An outlier is a rank whose figure is further from the median than 5.2 times the median
 * of all distances from it (3.5 standard deviations, were they spread as errors are), by a
 * quarter of the median, and by more than anybody minds. Medians, as one rank that is far
 * off moves a mean, and its standard deviation, towards itself.
 */
#include "src/track/job_view.h"

#include <string.h>

#define RANGES_SHOWN 20 /* of missing ranks */
#define BAD_SHOWN 20    /* of ranks that did not end well */
#define FAR_SHOWN 3     /* outliers of a figure */
#define RANKS_MIN 4     /* fewer have no outliers */

/* ---- words -------------------------------------------------------------------------- */

static void put_count(struct nt_fmt *f, uint64_t n, const char *one, const char *many)
{
    nt__fmt_print(f, "%llu %s", (unsigned long long)n, n == 1 ? one : many);
}

/* "rank 7 on n03". */
static void put_row(struct nt_fmt *f, const struct nt_job_row *row)
{
    if (row->rank >= 0)
        nt__fmt_print(f, "rank %lld", (long long)row->rank);
    else
        nt__fmt_print(f, "process %lld", (long long)row->pid);
    nt__fmt_str(f, " on ");
    nt__fmt_name(f, 0, row->host);
}

/* ---- what the job is, and what is wrong with it ------------------------------------- */

/* "lmp", or "lmp and others". */
static void put_programs(struct nt_fmt *f, const struct nt_job_view *v)
{
    bool others = false;

    for (size_t i = 1; i < v->n; i++)
        others |= strcmp(v->rows[i].program, v->rows[0].program) != 0;
    nt__fmt_str(f, ": ");
    nt__fmt_name(f, 0, v->n > 0 ? v->rows[0].program : "nobody");
    nt__fmt_str(f, others ? " and others" : "");
}

static void head(struct nt_fmt *f, const struct nt_job *job,
                 const struct nt_job_view *v, const struct nt_snapshot *sum)
{
    uint64_t ns = sum->now_unix_ns - nt__min(sum->start_unix_ns, sum->now_unix_ns);

    nt__fmt_print(f, "numatally %s: a job of ", sum->version_string);
    if (v->ranked)
        put_count(f, job->ranks, "rank", "ranks");
    else
        put_count(f, v->n, "process", "processes");
    nt__fmt_str(f, " on ");
    put_count(f, nt__job_sort_hosts(v), "host", "hosts");
    put_programs(f, v);
    nt__fmt_str(f, "\nFrom the first start to the last figure: ");
    nt__text_amount(f, 't', ns);
    nt__fmt_char(f, '\n');
    if (sum->fake_topology)
        nt__fmt_str(f, "The nodes are made up (NUMATALLY_TOPOLOGY): "
                       "binding was only recorded\n");
}

/* Ranks `from` .. `to`-1, of which nothing is known. */
static void range(struct nt_fmt *f, uint64_t from, uint64_t to, size_t *ranges)
{
    if (from >= to || ++*ranges > RANGES_SHOWN)
        return;
    nt__fmt_print(f, "%s%llu", *ranges > 1 ? ", " : "", (unsigned long long)from);
    if (to - from > 1)
        nt__fmt_print(f, "-%llu", (unsigned long long)(to - 1));
}

static void missing(struct nt_fmt *f, const struct nt_job *job,
                    const struct nt_job_view *v)
{
    uint64_t known = 0, next = 0;
    size_t ranges = 0;

    for (size_t i = 0; i < v->n; i++)
        known += i == 0 || v->rows[i].rank != v->rows[i - 1].rank;
    if (!v->ranked || known >= job->ranks)
        return;
    nt__fmt_str(f, "No figures of ");
    put_count(f, job->ranks - known, "rank", "ranks");
    nt__fmt_str(f, ": ");
    for (size_t i = 0; i < v->n; i++) {
        range(f, next, (uint64_t)v->rows[i].rank, &ranges);
        next = (uint64_t)v->rows[i].rank + 1;
    }
    range(f, next, job->ranks, &ranges);
    nt__fmt_print(f, "%s\n", ranges > RANGES_SHOWN ? " and so on" : "");
}

static void put_end(struct nt_fmt *f, const struct nt_job_row *row)
{
    if (row->end == NT_JOB_SIGNALLED)
        nt__fmt_print(f, "ended by signal %d", row->code);
    else if (row->end == NT_JOB_EXITED)
        nt__fmt_print(f, "exited with status %d", row->code);
    else if (row->end == NT_JOB_ABORTED)
        nt__fmt_print(f, "aborted the job with %d", row->code);
    else if (row->end == NT_JOB_UNFINALIZED)
        nt__fmt_str(f, "exited without MPI_Finalize");
    else
        nt__fmt_str(f, "ran on, or ended without its last word (a signal, exec)");
    if (row->stale_ns != 0) {
        nt__fmt_str(f, "; figures of ");
        nt__text_amount(f, 't', row->stale_ns);
        nt__fmt_str(f, " before that");
    }
}

static void ended_badly(struct nt_fmt *f, const struct nt_job_view *v)
{
    size_t bad = 0, shown = 0;

    for (size_t i = 0; i < v->n; i++)
        bad += !nt__job_ended_well(&v->rows[i]);
    if (bad == 0)
        return;
    put_count(f, bad, v->ranked ? "rank" : "process",
              v->ranked ? "ranks" : "processes");
    nt__fmt_str(f, " did not end well, or not yet:\n");
    for (size_t i = 0; i < v->n && shown < BAD_SHOWN; i++) {
        const struct nt_job_row *row = &v->rows[i];

        if (nt__job_ended_well(row))
            continue;
        nt__fmt_str(f, "    ");
        put_row(f, row);
        nt__fmt_print(f, ", pid %lld, ", (long long)row->pid);
        nt__fmt_name(f, 0, row->program);
        nt__fmt_str(f, ": ");
        put_end(f, row);
        nt__fmt_char(f, '\n');
        shown++;
    }
    if (bad > shown)
        nt__fmt_print(f, "    and %zu more\n", bad - shown);
}

/* Those behind the ranks. */
static void without_rank(struct nt_fmt *f, const struct nt_job *job,
                         const struct nt_job_view *v)
{
    const struct nt_job_row *row = &job->rows[v->n];

    if (v->n == job->nrows)
        return;
    put_count(f, job->nrows - v->n, "process", "processes");
    nt__fmt_str(f, " without a rank, as ");
    nt__fmt_name(f, 0, row->program);
    nt__fmt_print(f, " (pid %lld) on ", (long long)row->pid);
    nt__fmt_name(f, 0, row->host);
    nt__fmt_str(f, ", in the sums by node and size below, and not in the tables of "
                   "ranks and hosts\n");
}

/* ---- figures over the ranks --------------------------------------------------------- */

static bool is_far(const struct nt_job_spread *s, char unit, uint64_t distance)
{
    const uint64_t most = INT64_MAX / 64; /* so that nothing overflows */
    uint64_t d = nt__min(distance, most), usual = nt__min(s->distance, most);
    uint64_t least = unit == 'b' ? NT_MIB : unit == 't' ? 100000000 : 1000;

    return d * 10 > usual * 52 && d * 4 > nt__min(s->median, most) && d >= least;
}

/* The outliers of a figure, those furthest off first; how many there are. */
static size_t outliers_of(struct nt_fmt *f, const struct nt_job_view *v,
                          const struct nt_figure *g)
{
    struct nt_job_spread s = nt__job_spread(v, g);
    size_t low = 0, high = v->n, far = 0;

    while (low < high) {
        uint64_t below = nt__job_apart(nt__job_value(nt__job_at(v, low), g), s.median);
        uint64_t above =
            nt__job_apart(nt__job_value(nt__job_at(v, high - 1), g), s.median);
        const struct nt_job_row *row = nt__job_at(v, above >= below ? high - 1 : low);

        if (!is_far(&s, g->unit, nt__max(above, below)))
            break;
        high -= above >= below;
        low += above < below;
        if (++far > FAR_SHOWN)
            continue;
        nt__fmt_print(f, "    %s: ", g->label);
        put_row(f, row);
        nt__fmt_str(f, " has ");
        nt__text_amount(f, g->unit, nt__job_value(row, g));
        nt__fmt_str(f, nt__job_value(row, g) > s.median ? ", above" : ", below");
        nt__fmt_str(f, " the median of ");
        nt__text_amount(f, g->unit, s.median);
        nt__fmt_str(f, " by ");
        nt__text_amount(f, g->unit, nt__job_apart(nt__job_value(row, g), s.median));
        nt__fmt_char(f, '\n');
    }
    if (far > FAR_SHOWN)
        nt__fmt_print(f, "    %s: and %zu more\n", g->label, far - FAR_SHOWN);
    return far;
}

static void outliers(struct nt_fmt *f, const struct nt_job_view *v)
{
    size_t far = 0;

    if (v->n < RANKS_MIN)
        return;
    nt__fmt_str(f, "\nFar from the others:\n");
    for (const struct nt_figure *g = nt__figures(NT_LIST_JOB); g->name != NULL; g++)
        far += outliers_of(f, v, g);
    if (far == 0)
        nt__fmt_print(f, "    no %s, in none of its figures\n",
                      v->ranked ? "rank" : "process");
}

void nt__job_text(struct nt_fmt *f, const struct nt_job *given,
                  const struct nt_snapshot *sum)
{
    struct nt_job_view v = {.rows = given->rows, .order = given->order};
    struct nt_job job = *given;

    while (v.n < job.nrows && job.rows[v.n].rank >= 0)
        v.n++;
    v.ranked = v.n > 0;
    if (v.ranked)
        job.ranks = nt__max(job.ranks, (uint64_t)job.rows[v.n - 1].rank + 1);
    else
        v.n = job.nrows;
    head(f, &job, &v, sum);
    missing(f, &job, &v);
    ended_badly(f, &v);
    without_rank(f, &job, &v);
    if (v.n == 0)
        return;
    outliers(f, &v);
    nt__job_tables(f, &v, sum);
    nt__fmt_str(f, "\nThe sum of all:\n");
}
