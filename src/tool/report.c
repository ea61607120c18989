/* SPDX-License-Identifier: MIT */
/*
 * numatally report: records and live files in another form.
 *
 * With --output the file is there whole or, if nothing could be read or written, as it was:
 * all is written to a file beside it, which takes its place, and mode, at the end, and is
 * removed if a signal ends the tool. What is no regular file is written to directly, and so is
 * one in a folder that takes no other.
 */
#include "src/tool/report.h"
#include "src/base/base.h"
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/base/text.h"
#include "src/tool/findings.h"
#include "src/tool/merge.h"
#include "src/tool/progress.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct format {
    const char *name;
    const char *suffix; /* of the files that are written so */
    bool whole;         /* all records at once */
    nt_write *write;
    nt_diff_write *diff; /* NULL: not of --diff */
    nt_write *merge;     /* the same for --merge */
} formats[] = {
    {"text", ".txt", false, nt__out_text, nt__diff_text, nt__out_text},
    {"json", ".json", false, nt__out_json, nt__diff_json, nt__out_json},
    {"csv", ".csv", false, nt__out_csv, nt__diff_csv, nt__out_ranks_csv},
    {"prometheus", ".prom", true, nt__out_prometheus, NULL, nt__out_prometheus},
    {"collapsed", ".folded", true, nt__out_collapsed, NULL, NULL},
    {"pprof", ".pb.gz", true, nt__out_pprof, NULL, NULL},
    {"html", ".html", true, nt__out_html, NULL, nt__out_html},
};

static const struct {
    const char *name, *figure;
} values[] = {
    {"peak", "at_peak_requested_bytes"},
    {"live", "live_requested_bytes_now"},
    {"requested", "requested_bytes_total"},
    {"allocations", "allocations_total"},
};

const char *nt__report_value = "at_peak_requested_bytes";

enum { OPTION_FINDINGS = 256, OPTION_RANKS, OPTION_PID }; /* no letters */

/* What --findings writes in place of the figures. */
static const struct format findings[] = {
    {"text", ".txt", false, nt__out_findings_text, NULL, nt__out_findings_text},
    {"json", ".json", false, nt__out_findings_json, NULL, nt__out_findings_json},
};

struct report {
    const struct format *format;
    bool findings;
    const char *output; /* NULL: standard output */
    char **files;
    size_t nfiles;
    pid_t pid;      /* a process to report on besides; 0: none */
    bool diff;      /* compare the two */
    bool unequal;   /* with it: a file has not one record */
    bool is_merge;  /* of a job's processes */
    uint64_t ranks; /* with it: those that the job is known to have */
    int status;     /* of the tool, as far as files are concerned */

    const char *file;       /* that is read */
    struct nt_merge *merge; /* NULL: none */
    FILE *out;
    const char *out_name;       /* in complaints */
    char target[PATH_MAX];      /* what takes its place at the end; "": nothing */
    char written_to[PATH_MAX];  /* meanwhile */
    int error;                  /* negative errno of writing; 0: none so far */
    size_t written;             /* records */
    struct nt_record **records; /* those of a format that wants all at once */
    size_t nrecords, records_cap;
};

/* ---- the command line --------------------------------------------------------------- */

static const struct format *format_by_name(const char *name)
{
    for (size_t i = 0; i < NT_ARRAY_LEN(formats); i++)
        if (strcmp(name, formats[i].name) == 0)
            return &formats[i];
    return NULL;
}

static const struct format *format_by_suffix(const char *path)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < NT_ARRAY_LEN(formats); i++) {
        size_t n = strlen(formats[i].suffix);

        if (len > n && strcmp(path + len - n, formats[i].suffix) == 0)
            return &formats[i];
    }
    return &formats[0];
}

/* All names, as "a, b or c"; with --diff and --merge those that it knows. */
static const char *format_names(bool diff, bool merge)
{
    static char text[256];
    const char *names[NT_ARRAY_LEN(formats)];
    size_t n = 0, at = 0;

    for (size_t i = 0; i < NT_ARRAY_LEN(formats); i++)
        if ((!diff || formats[i].diff != NULL) && (!merge || formats[i].merge != NULL))
            names[n++] = formats[i].name;
    for (size_t i = 0; i < n && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", names[i],
                               i + 2 < n    ? ", "
                               : i + 2 == n ? " or "
                                            : "");
    return text;
}

static bool set_value(const char *name)
{
    for (size_t i = 0; i < NT_ARRAY_LEN(values); i++)
        if (strcmp(name, values[i].name) == 0) {
            nt__report_value = values[i].figure;
            return true;
        }
    return false;
}

/* The format of that name for findings. */
static void take_findings(struct report *r, const struct argp_state *state)
{
    const char *name = r->format->name;

    if (r->diff)
        argp_error(state, "--diff and --findings are two reports: ask for one of them");
    for (size_t i = 0; i < NT_ARRAY_LEN(findings); i++)
        if (strcmp(findings[i].name, name) == 0) {
            r->format = &findings[i];
            return;
        }
    argp_error(state, "--findings has no format \"%s\"; it may be text or json", name);
}

static pid_t parse_pid(const char *arg, const struct argp_state *state)
{
    char *end;
    long pid;

    errno = 0;
    pid = strtol(arg, &end, 10);
    if (errno != 0 || end == arg || *end != '\0' || pid < 1 || pid > INT_MAX)
        argp_error(state, "--pid is \"%s\"; it may be the number of a process", arg);
    return (pid_t)pid;
}

/* What is asked for together, when all options are known. */
static void check_together(struct report *r, const struct argp_state *state)
{
    if (r->format == NULL)
        r->format = format_by_suffix(r->output != NULL ? r->output : "");
    if (r->diff && r->nfiles != 2)
        argp_error(state,
                   "--diff compares two files, and %zu were given: numatally "
                   "report --diff BEFORE AFTER",
                   r->nfiles);
    if (r->diff && r->format->diff == NULL)
        argp_error(state, "--diff cannot be shown as %s, but as %s", r->format->name,
                   format_names(true, false));
    if (r->diff && r->pid != 0)
        argp_error(state,
                   "--diff compares two files: write the process's record to one "
                   "first, with --pid, --format json and --output");
    if (r->diff && r->is_merge)
        argp_error(state, "--diff and --merge are two reports: ask for one of them");
    if (r->is_merge && r->format->merge == NULL)
        argp_error(state,
                   "--merge cannot be shown as %s, but as %s; without --merge %s sums "
                   "up the profiles of many files",
                   r->format->name, format_names(false, true), r->format->name);
    if (r->ranks > 0 && !r->is_merge)
        argp_error(state, "--ranks belongs to --merge, which is missing");
    if (r->findings)
        take_findings(r, state);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct report *r = state->input;

    switch (key) {
    case 'f':
        r->format = format_by_name(arg);
        if (r->format == NULL)
            argp_error(state, "--format is \"%s\"; it may be %s", arg,
                       format_names(false, false));
        return 0;
    case 'v':
        if (!set_value(arg))
            argp_error(state,
                       "--value is \"%s\"; it may be peak, live, requested or "
                       "allocations",
                       arg);
        return 0;
    case 'd':
        r->diff = true;
        return 0;
    case 'm':
        r->is_merge = true;
        return 0;
    case OPTION_RANKS:
        if (!nt__text_number((struct nt_text){arg, strlen(arg)}, NT_JOB_RANK_MAX, false,
                             &r->ranks) ||
            r->ranks == 0)
            argp_error(state, "--ranks is \"%s\"; it must be a number from 1 to %d",
                       arg, INT32_MAX);
        return 0;
    case 'o':
        r->output = arg;
        return 0;
    case OPTION_FINDINGS:
        r->findings = true;
        return 0;
    case OPTION_PID:
        r->pid = parse_pid(arg, state);
        return 0;
    case ARGP_KEY_ARGS:
        r->files = state->argv + state->next;
        r->nfiles = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        if (r->pid == 0)
            argp_error(state, "no file was given: numatally report FILE...");
        return 0;
    case ARGP_KEY_END:
        check_together(r, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- the output --------------------------------------------------------------------- */

static int output_complain(const struct report *r, int error)
{
    if (error != NT_REFUSED)
        nt__warn("%.512s: %s", r->out_name, nt__errno_text(error));
    return NT_EXIT_BAD_INPUT;
}

static const char
    *unfinished; /* the file beside the output, as it may be left behind */

static void on_signal(int signal_number)
{
    unlink(unfinished);
    raise(signal_number); /* by default now */
}

/* What ends the tool removes that file before. */
static void remove_if_ended(const char *path)
{
    static const int signals[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT,
                                  SIGPIPE, SIGXCPU, SIGXFSZ};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND},
                     old;

    unfinished = path;
    for (size_t i = 0; i < NT_ARRAY_LEN(signals); i++)
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            sigaction(signals[i], &action, NULL);
}

/* A new file beside `r->target`. NULL: there cannot be one. */
static FILE *open_beside(struct report *r, mode_t mode)
{
    const char *slash = strrchr(r->target, '/');
    int folder = slash != NULL ? (int)(slash + 1 - r->target) : 0;
    int fd, n = snprintf(r->written_to, sizeof r->written_to, "%.*s.numatally-XXXXXX",
                         folder, r->target);
    sigset_t all, before;

    if (n < 0 || (size_t)n >= sizeof r->written_to)
        return NULL;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before); /* none comes between the two */
    fd = mkstemp(r->written_to);
    if (fd >= 0)
        remove_if_ended(r->written_to);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (fd < 0)
        return NULL;
    fchmod(fd, mode);
    return fdopen(fd, "w");
}

/* For everybody that a new file is for. */
static mode_t new_mode(void)
{
    mode_t mask = umask(0);

    umask(mask);
    return 0666 & ~mask;
}

static int output_open(struct report *r)
{
    struct stat st, link;
    bool there, fresh;

    if (r->output != NULL || !isatty(STDOUT_FILENO))
        nt__progress_apart();
    r->out = stdout;
    r->out_name = "standard output";
    if (r->output == NULL)
        return 0;
    r->out_name = r->output;
    r->out = NULL;
    there = stat(r->output, &st) == 0;
    fresh = !there && lstat(r->output, &link) != 0; /* and no link to nowhere */
    if (fresh)
        snprintf(r->target, sizeof r->target, "%s", r->output);
    else if (there && S_ISREG(st.st_mode) && realpath(r->output, r->target) == NULL)
        return output_complain(r, errno);
    if (r->target[0] != '\0')
        r->out = open_beside(r, there ? st.st_mode & 07777 : new_mode());
    if (r->out == NULL) { /* the folder takes no new file, but the file may be there */
        r->target[0] = '\0';
        r->out = fopen(r->output, "we");
    }
    return r->out != NULL ? 0 : output_complain(r, errno);
}

static int output_close(struct report *r)
{
    if (r->error == 0 && (fflush(r->out) != 0 || ferror(r->out)))
        r->error = errno != 0 ? -errno : -EIO;
    if (r->output != NULL && fclose(r->out) != 0 && r->error == 0)
        r->error = -errno;
    if (r->target[0] != '\0' && r->error == 0 && r->written > 0 &&
        rename(r->written_to, r->target) != 0)
        r->error = -errno;
    if (r->target[0] != '\0' && (r->error != 0 || r->written == 0))
        unlink(r->written_to);
    return r->error != 0 ? output_complain(r, r->error) : 0;
}

/* ---- records ------------------------------------------------------------------------ */

static void write_records(struct report *r, struct nt_record *const *records, size_t n)
{
    nt__progress_clear();
    if (r->error == 0 && r->diff)
        r->error = nt__diff_write(r->out, r->format->diff,
                                  (const char *const *)r->files, records);
    else if (r->error == 0)
        r->error = (r->is_merge ? r->format->merge : r->format->write)(r->out, records,
                                                                       n, r->written);
    if (r->error == 0 && ferror(r->out))
        r->error = errno != 0 ? -errno : -EIO;
    r->written += n;
}

static void keep(struct report *r, struct nt_record *record)
{
    if (r->nrecords == r->records_cap) {
        r->records_cap = 2 * r->records_cap + 16;
        r->records = nt__tool_memory(
            reallocarray(r->records, r->records_cap, sizeof(struct nt_record *)));
    }
    r->records[r->nrecords++] = record;
}

static void forget(struct nt_record *record)
{
    nt__record_free(record);
    free(record);
}

static void visit(struct nt_record *record, void *context)
{
    struct report *r = context;

    /* A job's report says so itself; of --pid it has been said how old they are. */
    if (record->is_live && !record->snapshot.final && !r->is_merge && r->file != NULL)
        nt__warn(
            "%.512s: these are the figures of process %lld at its last update, not "
            "those of its end",
            r->file, (long long)record->snapshot.pid);
    if (r->is_merge) {
        nt__merge_add(r->merge, record, r->file);
        forget(record);
    } else if (r->format->whole || r->diff) {
        keep(r, record);
    } else {
        write_records(r, &record, 1);
        forget(record);
    }
}

/* What is to be written is the one record of the job. */
static void end_merge(struct report *r)
{
    size_t skipped;
    struct nt_record *job = nt__merge_end(r->merge, &skipped);

    if (job != NULL)
        keep(r, job);
    if (skipped > 0)
        r->status = NT_EXIT_BAD_INPUT;
}

static void write_kept(struct report *r)
{
    if (r->is_merge)
        end_merge(r);
    if (r->nrecords > 0 && !r->unequal)
        write_records(r, r->records, r->nrecords);
    for (size_t i = 0; i < r->nrecords; i++)
        forget(r->records[i]);
    free(r->records);
}

/* One record is compared with one: of which of several in a file, nobody can guess. */
static void check_one(struct report *r, const char *path, size_t records)
{
    if (records == 1)
        return;
    if (records > 1)
        nt__warn("%.512s holds %zu records, and --diff compares one with one: put it "
                 "into a file of its own, as by sed -n 1p",
                 path, records);
    r->unequal = true;
    r->status = NT_EXIT_BAD_INPUT;
}

static void read_files(struct report *r)
{
    if (r->is_merge)
        r->merge = nt__merge_begin(r->ranks);
    if (r->pid != 0)
        r->status = nt__records_process(r->pid, visit, r);
    nt__progress_begin(r->files, r->nfiles);
    for (size_t i = 0; i < r->nfiles && r->error == 0; i++) {
        size_t before = r->nrecords;
        int status;

        r->file = r->files[i];
        status = nt__records_each(r->file, visit, r);
        r->status = status > r->status ? status : r->status;
        if (r->diff)
            check_one(r, r->files[i], r->nrecords - before);
    }
}

int nt__tool_report(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"format", 'f', "FORMAT", 0,
         "text, json, csv, prometheus, collapsed, pprof or html; else by the output's "
         "suffix, else "
         "text",
         0},
        {"findings", OPTION_FINDINGS, NULL, 0,
         "what the figures say about how the program allocates, as text or json", 0},
        {"pid", OPTION_PID, "PID", 0,
         "report on a process that runs, from its live file", 0},
        {"output", 'o', "FILE", 0, "write there, not to standard output", 0},
        {"value", 'v', "FIGURE", 0,
         "peak (the default), live, requested or allocations: what collapsed stacks "
         "count, and --diff orders sites by",
         0},
        {"diff", 'd', NULL, 0,
         "compare two files with a record each, as text, json or csv", 0},
        {"merge", 'm', NULL, 0,
         "one report of a job, of whose processes the FILEs are: as text, json, csv (a "
         "line for each rank), prometheus or html",
         0},
        {"ranks", OPTION_RANKS, "N", 0,
         "with --merge: the job has N ranks; else as many as the highest of them says",
         0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "FILE...\n--pid=PID\n--merge FILE...\n--diff BEFORE AFTER",
        .doc =
            "Print FILEs again: JSON records and live files (*.live)."
            "\vExamples:\n"
            "  numatally report run.json\n"
            "  numatally report --pid 4711\n"
            "  numatally report --findings run.json\n"
            "  numatally report -o page.html run.json\n"
            "  numatally report --diff before.json after.json\n"
            "  numatally report --merge -o job.json ranks/*.json\n\n"
            "The exit status is 0; 1 when a file cannot be read or the output not be "
            "written; 2 for a bad command line."};
    static struct report r;

    nt__tool_parse(&argp, "numatally report", argc, argv, 0, &r);
    if (output_open(&r) != 0)
        return NT_EXIT_BAD_INPUT;
    read_files(&r);
    write_kept(&r);
    return output_close(&r) != 0 ? NT_EXIT_BAD_INPUT : r.status;
}
