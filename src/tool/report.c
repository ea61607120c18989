/* SPDX-License-Identifier: MIT */
/*
 * numatally report: records and live files in another form.
 *
 * With --output the file is there whole or, if nothing could be read or written, as it was:
 * all is written to a file beside it, which takes its place at the end. What is no regular
 * file is written to directly.
 */
#include "src/tool/report.h"
#include "src/base/base.h"
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/tool/findings.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct format {
    const char *name;
    const char *suffix; /* of the files that are written so */
    bool whole;         /* all records at once */
    nt_write *write;
} formats[] = {
    {"text", ".txt", false, nt__out_text},
    {"json", ".json", false, nt__out_json},
    {"pprof", ".pb.gz", true, nt__out_pprof},
};

#define OPTION_FINDINGS 256 /* no letter */

/* What --findings writes in place of the figures. */
static const struct format findings[] = {
    {"text", ".txt", false, nt__out_findings_text},
    {"json", ".json", false, nt__out_findings_json},
};

struct report {
    const struct format *format;
    bool findings;
    const char *output; /* NULL: standard output */
    char **files;
    size_t nfiles;

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

/* All names, as "a, b or c". */
static const char *format_names(void)
{
    static char text[256];
    size_t at = 0, last = NT_ARRAY_LEN(formats) - 1;

    for (size_t i = 0; i <= last && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", formats[i].name,
                               i + 1 < last    ? ", "
                               : i + 1 == last ? " or "
                                               : "");
    return text;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct report *r = state->input;

    switch (key) {
    case 'f':
        r->format = format_by_name(arg);
        if (r->format == NULL)
            argp_error(state, "--format is \"%s\"; it may be %s", arg, format_names());
        return 0;
    case 'o':
        r->output = arg;
        return 0;
    case OPTION_FINDINGS:
        r->findings = true;
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

/* The format of that name for findings. False after a complaint. */
static bool take_findings(struct report *r)
{
    for (size_t i = 0; i < NT_ARRAY_LEN(findings); i++)
        if (strcmp(findings[i].name, r->format->name) == 0) {
            r->format = &findings[i];
            return true;
        }
    nt__warn("--findings has no format \"%s\"; it may be text or json",
             r->format->name);
    return false;
}

/* ---- the output --------------------------------------------------------------------- */

static int output_complain(const struct report *r, int error)
{
    if (error != NT_REFUSED)
        nt__warn("%.512s: %s", r->out_name, nt__errno_text(error));
    return NT_EXIT_BAD_INPUT;
}

/* A new file beside `r->target`, for everybody that a new file is for. */
static FILE *open_beside(struct report *r)
{
    mode_t mask = umask(0);
    int fd, n = snprintf(r->written_to, sizeof r->written_to, "%s.XXXXXX", r->target);

    umask(mask);
    if (n < 0 || (size_t)n >= sizeof r->written_to) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    fd = mkstemp(r->written_to);
    if (fd < 0)
        return NULL;
    fchmod(fd, 0666 & ~mask);
    return fdopen(fd, "w");
}

static int output_open(struct report *r)
{
    struct stat st;

    r->out = stdout;
    r->out_name = "standard output";
    if (r->output == NULL)
        return 0;
    r->out_name = r->output;
    if (stat(r->output, &st) != 0)
        snprintf(r->target, sizeof r->target, "%s", r->output);
    else if (S_ISREG(st.st_mode) && realpath(r->output, r->target) == NULL)
        return output_complain(r, errno);
    r->out = r->target[0] != '\0' ? open_beside(r) : fopen(r->output, "we");
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
    if (r->error == 0)
        r->error = r->format->write(r->out, records, n, r->written);
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

static void visit(struct nt_record *record, void *context)
{
    struct report *r = context;

    if (r->format->whole) {
        keep(r, record);
        return;
    }
    write_records(r, &record, 1);
    nt__record_free(record);
    free(record);
}

static void write_kept(struct report *r)
{
    if (r->nrecords > 0)
        write_records(r, r->records, r->nrecords);
    for (size_t i = 0; i < r->nrecords; i++) {
        nt__record_free(r->records[i]);
        free(r->records[i]);
    }
    free(r->records);
}

int nt__tool_report(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"format", 'f', "FORMAT", 0,
         "text, json, pprof; else by the output's suffix, else text", 0},
        {"findings", OPTION_FINDINGS, NULL, 0,
         "what the figures say about how the program allocates, as text or json", 0},
        {"output", 'o', "FILE", 0, "write there, not to standard output", 0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "FILE...",
        .doc = "Print FILEs again: JSON records and live files (*.live)."};
    static struct report r;
    static char name[] = "numatally report";
    int status = 0;

    argv[0] = name;
    argp_parse(&argp, argc, argv, 0, NULL, &r);
    if (r.format == NULL)
        r.format = format_by_suffix(r.output != NULL ? r.output : "");
    if (r.findings && !take_findings(&r))
        return NT_EXIT_USAGE;
    if (output_open(&r) != 0)
        return NT_EXIT_BAD_INPUT;
    for (size_t i = 0; i < r.nfiles && r.error == 0; i++) {
        int s = nt__records_each(r.files[i], visit, &r);

        status = s > status ? s : status;
    }
    write_kept(&r);
    return output_close(&r) != 0 ? NT_EXIT_BAD_INPUT : status;
}
