/* SPDX-License-Identifier: MIT */
/*
 * The records in a file, one after the other. A file is a live file if it says so, else it
 * must hold JSON records, each beginning on a line of its own, as `numatally run` writes
 * them (one that somebody laid out over several lines is read as well).
 *
 * A bad record is complained about, and what follows it is read from the next line on that
 * may begin a record: a file cut short, or with rubbish in it, still gives the good ones.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/progress.h"
#include "src/tool/report.h"
#include "src/tool/watched.h"
#include "src/track/live.h"
#include "src/track/profile_out.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Complaints about one file, after which it is given up. */
#define BAD_RECORDS_MAX 20

void *nt__tool_memory(void *p)
{
    if (p == NULL) {
        nt__warn("there is not enough memory for what the records hold");
        exit(NT_EXIT_BAD_INPUT);
    }
    return p;
}

/* ---- JSON ----------------------------------------------------------------------- */

/* The lines of a file, up to the next that begins as a record does. */
struct lines {
    FILE *f;
    char *text; /* of the record */
    size_t bytes, cap;
    size_t open;    /* braces of it that are not closed yet */
    bool in_string; /* it ends in one */
    bool indented;  /* a line of it begins with a blank */
    char *line;     /* read, not yet part of it */
    size_t line_cap;
    ssize_t line_bytes; /* -1: none, the file is at its end */
};

static bool blank(const char *line, size_t bytes)
{
    while (bytes > 0 && isspace((unsigned char)line[bytes - 1]))
        bytes--;
    return bytes == 0;
}

/* One more line of the record. */
static void count_braces(struct lines *l, const char *line, size_t bytes)
{
    l->indented |= bytes > 0 && isspace((unsigned char)line[0]) && line[0] != '\n';
    for (size_t i = 0; i < bytes; i++) {
        char c = line[i];

        if (c == '"')
            l->in_string = !l->in_string;
        else if (c == '\\' && l->in_string)
            i++;
        else if (c == '{' && !l->in_string)
            l->open++;
        else if (c == '}' && !l->in_string && l->open > 0)
            l->open--;
    }
}

/* A brace begins a record, but not if it is alone in a record without indentation, of which
 * others are open: it is one of those within. */
static bool begins_record(const struct lines *l)
{
    size_t bytes = (size_t)l->line_bytes;
    bool alone = blank(l->line + 1, bytes - 1) || l->line[1] == '}';

    return l->line[0] == '{' && !(alone && l->open > 0 && !l->indented);
}

/* The text of the next record; false at the end of the file. */
static bool next_text(struct lines *l)
{
    l->bytes = 0;
    l->open = 0;
    l->in_string = l->indented = false;
    do {
        size_t bytes = (size_t)l->line_bytes;

        if (l->line_bytes < 0)
            break;
        if (bytes > 0 && (l->bytes > 0 || !blank(l->line, bytes))) {
            if (l->bytes + bytes > l->cap) {
                l->cap = 2 * (l->bytes + bytes);
                l->text = nt__tool_memory(realloc(l->text, l->cap));
            }
            memcpy(l->text + l->bytes, l->line, bytes);
            l->bytes += bytes;
            count_braces(l, l->line, bytes);
        }
        l->line_bytes = getline(&l->line, &l->line_cap, l->f);
        nt__progress_add(l->line_bytes > 0 ? (size_t)l->line_bytes : 0);
    } while (l->bytes == 0 || l->line_bytes < 0 || !begins_record(l));
    return l->bytes > 0;
}

/* Read record number `n` of the file. False after a complaint. */
static bool read_json(const char *path, const struct lines *l, unsigned n,
                      struct nt_record *record)
{
    json_error_t error;
    json_t *root = json_loadb(l->text, l->bytes, JSON_REJECT_DUPLICATES, &error);
    const char *wrong;

    if (root == NULL) {
        nt__progress_clear();
        nt__warn("%.512s: record %u is no JSON: %s (its line %d, column %d)", path, n,
                 error.text, error.line, error.column);
        return false;
    }
    wrong = nt__record_read(root, record);
    json_decref(root);
    if (wrong == NULL)
        return true;
    nt__progress_clear();
    nt__warn("%.512s: record %u cannot be read: %s", path, n, wrong);
    nt__record_free(record);
    return false;
}

/* The byte order mark that some editors put at the beginning. */
static void skip_mark(FILE *f)
{
    static const unsigned char mark[] = {0xef, 0xbb, 0xbf};
    size_t n = 0;
    int c = 0;

    while (n < sizeof mark && (c = getc(f)) == mark[n])
        n++;
    if (n < sizeof mark && fseek(f, 0, SEEK_SET) != 0 && c != EOF)
        ungetc(c, f); /* of a pipe: no JSON begins with a part of it */
}

static int each_json(const char *path, FILE *f, nt_visit *visit, void *context)
{
    struct lines l = {.f = f};
    unsigned n = 0, bad = 0;
    int status = 0;
    int first;

    skip_mark(f);
    /* A device that has nothing else (/dev/zero) would be one line without an end. */
    first = getc(f);
    if (first == '\0') {
        nt__warn("%.512s begins with a zero byte: it is no record", path);
        return NT_EXIT_BAD_INPUT;
    }
    ungetc(first, f);

    while (bad < BAD_RECORDS_MAX && next_text(&l)) {
        struct nt_record *record = nt__tool_memory(malloc(sizeof *record));

        if (read_json(path, &l, ++n, record)) {
            visit(record, context);
        } else {
            bad++;
            free(record);
        }
    }
    free(l.text);
    free(l.line);
    nt__progress_clear();
    if (ferror(f))
        nt__warn("%.512s: %s", path, nt__errno_text(errno));
    else if (n == 0)
        nt__warn("%.512s is empty: no record is in it", path);
    else if (bad == BAD_RECORDS_MAX)
        nt__warn("%.512s: so many are bad that the rest is left unread", path);
    if (ferror(f) || n == 0 || bad > 0)
        status = NT_EXIT_BAD_INPUT;
    return status;
}

/* ---- live files ------------------------------------------------------------------- */

static void *copy(const void *from, size_t n, size_t size)
{
    void *to = nt__tool_memory(calloc(n + 1, size));

    return memcpy(to, from, n * size);
}

static struct nt_record *record_of(const struct nt_live *live)
{
    struct nt_record *r = nt__tool_memory(calloc(1, sizeof *r));

    r->is_live = true;
    r->snapshot = live->snapshot;
    r->history = live->history;
    r->nthreads = live->nthreads;
    r->npools = live->npools;
    r->nphases = live->nphases;
    r->ntracked = live->ntracked;
    r->threads = copy(live->threads, r->nthreads, sizeof *r->threads);
    r->pools = copy(live->pools, r->npools, sizeof *r->pools);
    r->phases = copy(live->phases, r->nphases, sizeof *r->phases);
    r->tracked = copy(live->tracked, r->ntracked, sizeof *r->tracked);
    return r;
}

/* The arrays of a profile that was loaded are in one piece; a record's are its own. */
static void take_profile(struct nt_record *r, struct nt_profile *p)
{
    r->profile = *p;
    r->profile.memory = NULL;
    r->profile.sites = copy(p->sites, p->nsites, sizeof *p->sites);
    r->profile.samples = copy(p->samples, p->nsamples, sizeof *p->samples);
    r->profile.remotes = copy(p->remotes, p->nremotes, sizeof *p->remotes);
    r->profile.modules = copy(p->modules, p->nmodules, sizeof *p->modules);
    r->profile.sizes = copy(p->sizes, p->nsizes, sizeof *p->sizes);
    nt__profile_free(p);
}

/* The record of a live file and of the profile beside it. */
static struct nt_record *whole_record(const char *path, const struct nt_live *live)
{
    struct nt_record *r = record_of(live);
    struct nt_profile profile = {0};
    char beside[NT_LIVE_PATH_MAX];

    if (nt__profile_path(beside, sizeof beside, path) &&
        nt__profile_load(beside, &profile) == 0)
        take_profile(r, &profile);
    return r;
}

int nt__records_process(pid_t pid, nt_visit *visit, void *context)
{
    static struct nt_live live;
    struct nt_watched w;
    char age[256];
    int err, status = nt__watched_open(&w, pid, NULL);

    if (status != 0)
        return status;
    err = nt__live_read_fd(w.fd, &live);
    if (err != 0) {
        nt__warn("%.512s: %s", w.path, nt__errno_text(err));
    } else {
        nt__watched_say_age(&w, &live.snapshot, age, sizeof age);
        nt__warn("process %d: %s", (int)pid, age);
        visit(whole_record(w.path, &live), context);
    }
    nt__watched_close(&w);
    return err != 0 ? NT_EXIT_BAD_INPUT : 0;
}

/* ---- files -------------------------------------------------------------------------- */

int nt__records_each(const char *path, nt_visit *visit, void *context)
{
    static struct nt_live live; /* too large for a stack */
    struct stat st;
    FILE *f;
    int status;
    int err = nt__live_read(path, &live);

    if (err == 0) {
        visit(whole_record(path, &live), context);
        return 0;
    }
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
    status = each_json(path, f, visit, context);
    fclose(f);
    return status;
}
