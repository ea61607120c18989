/* SPDX-License-Identifier: MIT */
/*
 * Where the live files and the report of one numatally run go.
 *
 * A rank that a launcher started meets the others of its host (meet.c); its part in the job
 * is over when it has reported for all, or has seen that another will, and then there is
 * nothing more for it to report.
 */
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/tool/run.h"
#include "src/track/report.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* Is `letter` behind a % of the report's name? */
static bool name_has(const struct nt_run *r, char letter)
{
    for (const char *p = r->report; p != NULL && *p != '\0'; p++)
        if (*p == '%' && *++p == letter)
            return true;
    return false;
}

int nt__run_open_report(struct nt_run *r, bool again)
{
    static struct nt_snapshot names; /* only what a path may refer to */
    char path[4096];
    const char *why;
    int err;

    r->report_fd = STDERR_FILENO;
    if (r->report == NULL)
        return 0;
    names.pid = r->collector.pid;
    names.rank = nt__conf_rank();
    if (gethostname(names.host, sizeof names.host - 1) != 0)
        names.host[0] = '\0';
    err = nt__report_expand(path, sizeof path, r->report, &names);
    why = nt__errno_text(err);
    if (err == 0 && again)
        err = r->report_fd = nt__report_open_again(path, &why);
    if (err == 0 || (again && err == -ENOENT))
        err = r->report_fd = nt__report_open(path, &why);
    if (err < 0 && !r->no_report)
        nt__warn("--report %.512s %s", r->report, why);
    r->no_report |= err < 0;
    return err < 0 ? -1 : 0;
}

static void close_report(const struct nt_run *r, int err)
{
    if (r->report_fd != STDERR_FILENO && close(r->report_fd) != 0 && err == 0)
        err = -errno;
    if (err != 0)
        nt__warn("the report%s%.512s is incomplete: %s",
                 r->report != NULL ? " in " : "", r->report != NULL ? r->report : "",
                 nt__errno_text(err));
}

static void write_ranks(const struct nt_run *r, struct nt_ranks *ranks, bool others)
{
    if (others)
        flock(r->report_fd, LOCK_EX);
    close_report(r, nt__ranks_write(ranks, r->report_fd, r->collector.format));
}

/* The job's report is with rank 0, on another host. What it does not know is said here. */
static void say_ends(const struct nt_ranks *ranks)
{
    for (size_t i = 0; i < ranks->job.nrows; i++) {
        const struct nt_job_row *row = &ranks->job.rows[i];

        if (!nt__job_ended_well(row))
            nt__warn(
                "rank %lld on %s, pid %lld, %s with %d after the report of its job "
                "was made",
                (long long)row->rank, row->host, (long long)row->pid,
                nt__job_end_name(row->end), row->code);
    }
}

/* The report of the job's ranks on this host, or, from MPI_Finalize, of all. */
static void report_ranks(struct nt_run *r, struct nt_ranks *ranks)
{
    const struct nt_meet *m = &r->meet;
    bool others = m->all != m->local && !name_has(r, 'h');

    if (ranks->elsewhere)
        say_ends(ranks);
    else if (ranks->files == 0 && !ranks->reduced)
        nt__warn(
            "no rank on this host left figures: %.512s did not load %s (static, "
            "setuid or for another machine, or LD_PRELOAD was cleared), or was not "
            "started",
            r->program[0], r->library);
    else if (nt__run_open_report(r, others) == 0)
        write_ranks(r, ranks, others);
}

bool nt__run_in_job(const struct nt_run *r)
{
    return r->meets && r->meet.folder_fd >= 0;
}

void nt__run_part(struct nt_run *r, struct nt_ranks *ranks, bool reports)
{
    if (reports)
        report_ranks(r, ranks);
    nt__ranks_free(ranks);
    nt__meet_close(&r->meet, reports);
}

uint64_t nt__run_unix_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void nt__run_heed(struct nt_run *r, const siginfo_t *info)
{
    struct nt_ranks ranks = {0};
    unsigned ms = nt__meet_hurry_ms();

    if (info->si_signo == SIGURG && info->si_pid == r->collector.pid &&
        nt__meet_aborting(&r->meet, &ranks))
        nt__run_part(r, &ranks, true);
    if (info->si_signo == SIGTERM && info->si_pid != r->collector.pid && ms != 0 &&
        r->hurry_unix_ns == 0)
        r->hurry_unix_ns = nt__run_unix_ns() + ms * UINT64_C(1000000);
}

uint64_t nt__run_hurry_ns(const struct nt_run *r)
{
    uint64_t now = nt__run_unix_ns();

    return r->hurry_unix_ns > now ? r->hurry_unix_ns - now : 0;
}

void nt__run_report(struct nt_run *r, int status)
{
    struct nt_collector *c = &r->collector;
    struct nt_ranks ranks = {0};

    if (nt__run_in_job(r)) {
        unsigned left_ms = 0;

        if (r->hurry_unix_ns != 0)
            left_ms = (unsigned)(nt__run_hurry_ns(r) / 1000000) + 1;
        nt__run_part(r, &ranks,
                     nt__meet_leave(&r->meet, status, c->end_unix_ns, left_ms, &ranks));
    }
    if (r->meets)
        return;
    nt__collect_all(c);
    close_report(r, nt__collect_write(c, r->report_fd));
    if (!c->seen)
        nt__warn(
            "%.512s (pid %lld) left no figures: it did not load %s (static, setuid "
            "or for another machine, or LD_PRELOAD was cleared), or ended before "
            "it allocated; see: numatally doctor -- %.512s",
            r->program[0], (long long)c->pid, r->library, r->program[0]);
}

int nt__run_open_folder(struct nt_run *r)
{
    struct nt_collector *c = &r->collector;

    c->job = !c->children && !name_has(r, 'r');
    r->meets = c->job && !name_has(r, 'p') &&
               nt__meet_open(&r->meet, r->report != NULL ? r->report : "");
    if (!r->meets) {
        c->job &= r->sample == NULL; /* which a job's report cannot show */
        return nt__collect_open(c);
    }
    if (r->sample != NULL && r->meet.end.rank == 0)
        nt__warn("the report of a job does not say who allocates: for --sample put %%r "
                 "into the name of the report, for a record of each rank");
    nt__fmt_into(c->dir, sizeof c->dir, "%s", r->meet.mine);
    c->spool = -1;
    return 0;
}
