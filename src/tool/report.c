/* SPDX-License-Identifier: MIT */
/*
 * numatally report: print records and live files again, as text or as records.
 * A file is a live file if it says so, else it must hold JSON records, one after
 * the other.
 */
#include "src/track/report.h"
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/tool.h"
#include "src/track/live.h"
#include "src/track/profile_out.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct report {
    enum nt_format format;
    char **files;
    size_t nfiles;
};

/* Too large for a stack. */
static struct nt_record record;
static struct nt_live live;

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct report *r = state->input;
    int format;

    switch (key) {
    case 'f':
        format = nt__tool_format(arg);
        if (format < 0)
            argp_error(state, "--format is \"%s\"; it may be text or json", arg);
        r->format = (enum nt_format)format;
        return 0;
    case ARGP_KEY_ARGS:
        r->files = state->argv + state->next;
        r->nfiles = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no file was given: numatally report FILE...");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Print a report. 0 or the exit status after a complaint. */
static int print(const struct report *r, const struct nt_snapshot *s,
                 const struct nt_tables *tables)
{
    int err = nt__report_write(STDOUT_FILENO, r->format, s, tables);

    if (err == 0)
        return 0;
    nt__warn("standard output: %s", nt__errno_text(err));
    return NT_EXIT_BAD_INPUT;
}

static int print_record(const struct report *r)
{
    const struct nt_tables tables = {
        .threads = record.threads,
        .pools = record.pools,
        .phases = record.phases,
        .tracked = record.tracked,
        .nthreads = record.nthreads,
        .npools = record.npools,
        .nphases = record.nphases,
        .ntracked = record.ntracked,
        .profile = record.profile.sites != NULL ? &record.profile : NULL,
        .history = &record.history};

    return print(r, &record.snapshot, &tables);
}

/* Move to the next byte that is no blank; false at the end. */
static bool more(FILE *f)
{
    int c;

    while ((c = getc(f)) != EOF && isspace(c))
        ;
    return c != EOF && ungetc(c, f) != EOF;
}

static int print_records(const struct report *r, const char *path, FILE *f)
{
    unsigned n = 0;

    while (more(f)) {
        json_error_t error;
        json_t *root =
            json_loadf(f, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
        const char *wrong;
        int status;

        n++;
        if (root == NULL) {
            nt__warn("%.512s: record %u is no JSON: %s (its line %d, column %d)", path,
                     n, error.text, error.line, error.column);
            return NT_EXIT_BAD_INPUT;
        }
        wrong = nt__record_read(root, &record);
        if (wrong != NULL)
            nt__warn("%.512s: record %u cannot be read: %s", path, n, wrong);
        status = wrong != NULL ? NT_EXIT_BAD_INPUT : print_record(r);
        nt__record_free(&record);
        json_decref(root);
        if (status != 0)
            return status;
    }
    if (n > 0)
        return 0;
    nt__warn("%.512s is empty: no record is in it", path);
    return NT_EXIT_BAD_INPUT;
}

static int print_live(const struct report *r, const char *path)
{
    struct nt_tables tables = nt__live_tables(&live);
    struct nt_profile profile = {0};
    char beside[NT_LIVE_PATH_MAX];

    if (nt__profile_path(beside, sizeof beside, path) &&
        nt__profile_load(beside, &profile) == 0)
        tables.profile = &profile;

    if (!live.snapshot.final)
        nt__warn(
            "%.512s: these are the figures of process %lld at its last update, not "
            "those of its end",
            path, (long long)live.snapshot.pid);
    int status = print(r, &live.snapshot, &tables);

    nt__profile_free(&profile);
    return status;
}

static int print_file(const struct report *r, const char *path)
{
    struct stat st;
    FILE *f;
    int status;
    int err = nt__live_read(path, &live);

    if (err == 0)
        return print_live(r, path);
    if (err != -EBADMSG) {
        nt__warn("%.512s: %s", path,
                 err == -ENODATA ? "nothing was written to this live file yet"
                                 : nt__errno_text(err));
        return NT_EXIT_BAD_INPUT;
    }
    f = fopen(path, "re");
    if (f == NULL || fstat(fileno(f), &st) != 0 || S_ISDIR(st.st_mode)) {
        nt__warn("%.512s: %s", path, nt__errno_text(f == NULL ? errno : EISDIR));
        if (f != NULL)
            fclose(f);
        return NT_EXIT_BAD_INPUT;
    }
    status = print_records(r, path, f);
    fclose(f);
    return status;
}

int nt__tool_report(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"format", 'f', "text|json", 0, "what to print; text if not given", 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "FILE...",
        .doc = "Print FILEs again: JSON records and live files (*.live)."};
    struct report r = {.format = NT_FORMAT_TEXT};
    static char name[] = "numatally report";
    int status = 0;

    argv[0] = name;
    argp_parse(&argp, argc, argv, 0, NULL, &r);
    for (size_t i = 0; i < r.nfiles; i++) {
        int s = print_file(&r, r.files[i]);

        status = s > status ? s : status;
    }
    return status;
}
