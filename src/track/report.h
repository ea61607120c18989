/* SPDX-License-Identifier: MIT */
/*
 * Figures to text and to the JSON record, and both to where the settings want them.
 *
 * There is one writer of formats: the library uses it at exit and on demand, the
 * tool on what it read from a live file or a record. Lists that public stats.h does
 * not name by macro (process, thread, pool) are named here, once, for the writer,
 * for the tool's reader and for the check of docs/counters.md.
 *
 * Every call may be made by several threads at once; none allocates or uses stdio.
 */
#ifndef NT_TRACK_REPORT_H
#define NT_TRACK_REPORT_H

#include "src/base/base.h"
#include "src/track/history.h"
#include "src/track/job.h"
#include <numatally/stats.h>
#include <numatally/wrap.h>

/* X(name, unit, label, text), as in stats.h. */
#define NT_PROCESS_FIGURES(X)                                                          \
    X(threads_now, 'n', "Threads", "threads that hold a shard")                        \
    X(threads_total, 'n', "Threads, ever", "threads that ever took one")               \
    X(pools_now, 'n', "Explicit pools", "explicit pools that exist")                   \
    X(tracked_now, 'n', "Tracked", "tracked allocators that exist")                    \
    X(cpu_ns_total, 't', "Processor time, s", "processor time the process has used")   \
    X(foreign_frees_total, 'n', "Foreign frees",                                       \
      "blocks of glibc's heap passed to it")                                           \
    X(metadata_bytes_now, 'b', "Own structures", "the library's own memory")           \
    X(residency_pages_now, 'n', "Pages asked about",                                   \
      "pages whose node the kernel was asked")

#define NT_THREAD_FIGURES(X)                                                           \
    X(allocations_total, 'n', "Allocations", "blocks it allocated")                    \
    X(allocated_bytes_total, 'b', "Allocated", "block bytes of these")                 \
    X(requested_bytes_total, 'b', "Requested", "bytes it asked for")                   \
    X(frees_total, 'n', "Frees", "blocks it freed, whoever had allocated them")        \
    X(freed_bytes_total, 'b', "Freed", "block bytes of these")                         \
    X(remote_frees_total, 'n', "Remote frees", "of these, of another thread's slabs")  \
    X(live_bytes_peak, 'b', "Live, peak",                                              \
      "most it had allocated and not freed itself")                                    \
    X(migrations_total, 'n', "Migrations", "times it was found to run on another node")

#define NT_POOL_FIGURES(X)                                                             \
    X(allocations_total, 'n', "Allocations", "blocks handed out")                      \
    X(allocated_bytes_total, 'b', "Allocated", "block bytes handed out")               \
    X(requested_bytes_total, 'b', "Requested", "bytes that callers asked for")         \
    X(frees_total, 'n', "Frees", "blocks that came back")                              \
    X(freed_bytes_total, 'b', "Freed", "block bytes that came back")                   \
    X(live_blocks_now, 'n', "Live blocks", "blocks in use")                            \
    X(live_bytes_now, 'b', "Live", "block bytes in use")                               \
    X(live_bytes_peak, 'b', "Live, peak", "most block bytes ever in use")              \
    X(committed_bytes_now, 'b', "Committed", "handed to the pool's slabs and blocks")  \
    X(limit_bytes, 'b', "Limit", "what it may take from the system; 0: no limit")

#define NT_PHASE_FIGURES(X)                                                            \
    X(entries_total, 'n', "Entries", "times it was entered")                           \
    X(spent_ns_total, 't', "Seconds", "time from entering to leaving it, summed")      \
    X(allocations_total, 'n', "Allocations", "blocks handed out in it")                \
    X(allocated_bytes_total, 'b', "Allocated", "block bytes handed out in it")         \
    X(requested_bytes_total, 'b', "Requested", "bytes asked for in it")                \
    X(frees_total, 'n', "Frees", "blocks that came back in it")                        \
    X(freed_bytes_total, 'b', "Freed", "block bytes that came back in it")             \
    X(remote_frees_total, 'n', "Remote frees",                                         \
      "of these, by another thread than the owner")                                    \
    X(far_frees_total, 'n', "Far frees",                                               \
      "of these, by a thread running on another node")                                 \
    X(first_live_bytes, 'b', "Live, first", "block bytes in use when first entered")   \
    X(last_live_bytes, 'b', "Live, last",                                              \
      "block bytes in use when last left, or now if it runs")                          \
    X(live_bytes_peak, 'b', "Live, peak", "most block bytes in use while it ran")

/* The lists as data, for everything that walks them. */
struct nt_figure {
    const char *name;
    const char *label;
    char unit;
    uint16_t offset; /* of the uint64_t in its struct */
};

enum nt_figure_list {
    NT_LIST_PROCESS, /* in struct nt_snapshot */
    NT_LIST_NODE,    /* in struct nt_node_figures */
    NT_LIST_CLASS,
    NT_LIST_THREAD,
    NT_LIST_POOL,
    NT_LIST_PHASE,
    NT_LIST_SITE,
    NT_LIST_SIZE, /* in struct nt_size_figures */
    NT_LIST_TRACKED,
    NT_LIST_JOB, /* in struct nt_job_row */
    NT_LIST_JOB_NODE,
};

/* A list, ended by an entry without a name. */
NT_HIDDEN const struct nt_figure *nt__figures(enum nt_figure_list list);

/* What a report shows beside the snapshot. Arrays may be NULL with a count of 0: then that
 * table is left out. */
struct nt_tables {
    const struct nt_thread_figures *threads;
    const struct nt_pool_figures *pools;
    const struct nt_phase_figures *phases;
    const struct nt_tracked_figures *tracked;
    size_t nthreads, npools, nphases, ntracked;
    const struct nt_profile *profile; /* NULL: nothing was sampled */
    const struct nt_history *history; /* for the record; NULL or empty: left out */
    const struct nt_job *job; /* the snapshot is a job's sum, and these its ranks; NULL:
                                 it is a process's */
};

/* ---- parts of reports, for those who write some of them ---------------------------- */

/* A cell of a text report, `width` columns, the first blank: words, or a figure. */
NT_HIDDEN void nt__text_cell(struct nt_fmt *f, int width, const char *text);
NT_HIDDEN void nt__text_value(struct nt_fmt *f, int width, char unit, uint64_t v);

/* A figure in a sentence: "126.00 MiB", "1.250 s", "17". */
NT_HIDDEN void nt__text_amount(struct nt_fmt *f, char unit, uint64_t v);

/* The line under the head of a table. */
NT_HIDDEN void nt__text_rule(struct nt_fmt *f, int label, int width, size_t columns);

/* All figures of a list, as members of a JSON object. */
NT_HIDDEN void nt__json_figures(struct nt_fmt *f, enum nt_figure_list list,
                                const void *base);

/* ---- reports ------------------------------------------------------------------------ */

/* Write a report to `fd`. 0, -EINVAL for an unknown format, or the negative errno of
 * write(2). */
NT_HIDDEN int nt__report_write(int fd, enum nt_format f, const struct nt_snapshot *s,
                               const struct nt_tables *tables);

/* Call once after nt__conf_load. With report:exit it keeps a copy of stderr, since
 * many programs close theirs in exit handlers that run before ours. */
NT_HIDDEN void nt__report_start(void);

/* In a forked child: give that copy up, so that a daemon does not hold it. */
NT_HIDDEN void nt__report_fork_child(void);

/* Write the report that the setting report: asks for, if it does. What goes wrong
 * is one line on stderr; the program's exit status is left alone. */
NT_HIDDEN void nt__report_at_exit(const struct nt_snapshot *s,
                                  const struct nt_tables *tables);

/* The same while the program runs; with report:off it is text on stderr. May be called
 * in a signal handler. */
NT_HIDDEN void nt__report_on_signal(const struct nt_snapshot *s,
                                    const struct nt_tables *tables);

/* Write `pattern` into `out` with %h %r %p %% replaced by `s`'s host, rank ("none"
 * without one), pid and '%'. 0, or -ENAMETOOLONG. */
NT_HIDDEN int nt__report_expand(char *out, size_t cap, const char *pattern,
                                const struct nt_snapshot *s);

/* Open a file for a report: created 0600 or emptied, but never through a symbolic
 * link, nor anything but a regular file of ours with one name. Returns the
 * descriptor or a negative errno; *why is then what is wrong, in words. */
NT_HIDDEN int nt__report_open(const char *path, const char **why);

/* Open a file that nt__report_open made, to append to it. As that. */
NT_HIDDEN int nt__report_open_again(const char *path, const char **why);

/* Warnings go to descriptor 2: is that still stderr? */
NT_HIDDEN bool nt__report_may_warn(void);

/* The format that a path's suffix stands for: .json JSON, everything else text. */
NT_HIDDEN enum nt_format nt__report_format(const char *path);

#endif
