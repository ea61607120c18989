/* SPDX-License-Identifier: MIT */
/*
 * The folder of live files of one `numatally run`.
 *
 * Every process that is wanted keeps a live file there. Files whose process is gone
 * become records: they are formatted at once into the spool, a file without a name,
 * and removed, so a build with ten thousand compilers needs no more room than runs
 * at a time. What is left when the started program has ended is taken in the order
 * in which the processes started.
 *
 * A process that calls exec leaves a file for each program it was. Without
 * --children only the last one counts for the started process.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/ranks.h"
#include "src/tool/tool.h"
#include "src/track/live.h"
#include "src/track/profile_out.h"
#include "src/track/report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* One live file, by name. */
struct found {
    char name[64];
    long pid;
    uint64_t start_unix_ns;
    bool alive;
};

static struct nt_live live; /* too large for a stack */

/* ---- the folder ------------------------------------------------------------- */

const char *nt__collect_place(unsigned i)
{
    const char *places[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm", getenv("TMPDIR"),
                            "/tmp"};

    if (i >= NT_ARRAY_LEN(places))
        return NULL;
    return places[i] != NULL ? places[i] : "";
}

int nt__collect_open(struct nt_collector *c)
{
    const char *place;

    c->spool = -1;
    for (unsigned i = 0; (place = nt__collect_place(i)) != NULL; i++) {
        if (place[0] != '/' || strlen(place) > 900)
            continue;
        nt__fmt_into(c->dir, sizeof c->dir, "%s/numatally-XXXXXX", place);
        if (mkdtemp(c->dir) != NULL)
            return 0;
    }
    c->dir[0] = '\0';
    nt__warn(
        "cannot make a folder for live files in $XDG_RUNTIME_DIR, /dev/shm, $TMPDIR "
        "or /tmp: %s",
        nt__errno_text(errno));
    return -1;
}

static void remove_files(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d != NULL)
        closedir(d);
}

void nt__collect_close(struct nt_collector *c)
{
    /* Again, when a process that goes on has made a file meanwhile. */
    for (int tries = 0; c->dir[0] != '\0' && tries < 100; tries++) {
        remove_files(c->dir);
        if (rmdir(c->dir) == 0 || errno != ENOTEMPTY)
            break;
    }
    if (c->spool >= 0)
        close(c->spool);
    c->dir[0] = '\0';
    c->spool = -1;
}

/* ---- records ---------------------------------------------------------------- */

/* Somewhere to gather records: memory, or a file without a name. */
static int spool(struct nt_collector *c)
{
    char name[sizeof c->dir + 8];

    if (c->spool < 0)
        c->spool = memfd_create("numatally-spool", MFD_CLOEXEC);
    if (c->spool < 0) {
        nt__fmt_into(name, sizeof name, "%s/spool", c->dir);
        c->spool = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        unlink(name);
    }
    return c->spool;
}

static void say_age(struct nt_fmt *f, const struct nt_collector *c)
{
    uint64_t ns;

    if (live.snapshot.pid == c->pid && c->end_unix_ns > live.snapshot.now_unix_ns) {
        ns = c->end_unix_ns - live.snapshot.now_unix_ns;
        nt__fmt_print(f, "%llu.%03llu ms before its end",
                      (unsigned long long)(ns / 1000000),
                      (unsigned long long)(ns / 1000 % 1000));
    } else {
        time_t at = (time_t)(live.snapshot.now_unix_ns / 1000000000);
        char text[32] = "";
        struct tm tm;

        if (localtime_r(&at, &tm) != NULL)
            strftime(text, sizeof text, "%H:%M:%S", &tm);
        nt__fmt_print(f, "%s.%03llu, its last update", text,
                      (unsigned long long)(live.snapshot.now_unix_ns / 1000000 % 1000));
    }
}

/* Say why figures may be behind, where a reader of the report will see it. Records
 * say it themselves ("final"): beside them only the started program gets a line. */
static void note(struct nt_collector *c, bool alive)
{
    char line[256];
    struct nt_fmt f;

    if (c->format == NT_FORMAT_JSON && live.snapshot.pid != c->pid) {
        c->stale++;
        return;
    }
    nt__fmt_init(&f, line, sizeof line, -1);
    nt__fmt_print(&f, "%.64s (pid %lld) %s: figures as of ", live.snapshot.program,
                  (long long)live.snapshot.pid,
                  alive ? "still runs"
                        : "ended without its last word (a signal or exec)");
    say_age(&f, c);
    nt__fmt_str(&f, "; what it did after that is missing");
    if (c->format == NT_FORMAT_TEXT) {
        nt__fmt_char(&f, '\n');
        (void)nt__write_all(c->spool, line, f.len);
    } else {
        nt__warn("%s", line);
    }
}

static void take(struct nt_collector *c, const struct found *file)
{
    char path[sizeof c->dir + 64], beside[sizeof path + 4];
    struct nt_profile profile = {0};
    int err;

    nt__fmt_into(path, sizeof path, "%s/%s", c->dir, file->name);
    err = nt__live_read(path, &live);
    if (nt__profile_path(beside, sizeof beside, path))
        (void)nt__profile_load(beside, &profile); /* most processes have none */
    if (err == 0 && spool(c) < 0)
        err = -errno;
    if (err == 0) {
        struct nt_tables tables = nt__live_tables(&live);

        tables.profile = profile.memory != NULL ? &profile : NULL;
        if (!live.snapshot.final)
            note(c, file->alive);
        err = nt__report_write(c->spool, c->format, &live.snapshot, &tables);
    }
    if (err == 0)
        c->seen |= file->pid == c->pid;
    else if (err != -ENODATA)
        nt__warn("no record of process %ld: %s", file->pid,
                 err == -EBADMSG ? "its live file is not one of this version"
                                 : nt__errno_text(err));
    nt__profile_free(&profile);
    if (!file->alive) {
        unlink(path);
        unlink(beside);
    }
}

/* ---- which files ------------------------------------------------------------ */

/* Is the process there, and more than a zombie? */
static bool is_alive(long pid)
{
    char path[64], text[512] = "";
    const char *state;
    FILE *f;

    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        return false;
    nt__fmt_into(path, sizeof path, "/proc/%ld/stat", pid);
    f = fopen(path, "re");
    if (f == NULL)
        return errno != ENOENT;
    errno = 0;
    bool gone = fgets(text, sizeof text, f) == NULL && errno == ESRCH;
    fclose(f);
    if (gone) /* since it was opened */
        return false;
    state = strrchr(text, ')');
    return state == NULL || (state[1] == ' ' && state[2] != 'Z' && state[2] != 'X');
}

static bool look_at(const struct nt_collector *c, const char *name, struct found *out)
{
    char path[sizeof c->dir + 64];

    if (sscanf(name, "numatally-%ld", &out->pid) != 1 ||
        strlen(name) >= sizeof out->name || strstr(name, ".live") == NULL)
        return false;
    nt__fmt_into(out->name, sizeof out->name, "%s", name);
    nt__fmt_into(path, sizeof path, "%s/%s", c->dir, name);
    out->start_unix_ns =
        nt__live_read(path, &live) == 0 ? live.snapshot.start_unix_ns : UINT64_MAX;
    out->alive = out->pid != c->pid || c->end_unix_ns == 0 ? is_alive(out->pid) : false;
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return (x->start_unix_ns > y->start_unix_ns) -
           (x->start_unix_ns < y->start_unix_ns);
}

/* All live files by age into *out, which the caller frees. */
static size_t list(const struct nt_collector *c, struct found **out)
{
    DIR *d = opendir(c->dir);
    const struct dirent *e;
    size_t n = 0;

    *out = NULL;
    while (d != NULL && (e = readdir(d)) != NULL) {
        struct found *more = reallocarray(*out, n + 1, sizeof **out);

        if (more == NULL)
            break;
        *out = more;
        n += look_at(c, e->d_name, &more[n]);
    }
    if (d != NULL)
        closedir(d);
    if (n > 0)
        qsort(*out, n, sizeof **out, by_start);
    return n;
}

/* Is there a later file with data of the process that file i is of? */
static bool superseded(const struct found *files, size_t n, size_t i)
{
    for (size_t j = i + 1; j < n; j++)
        if (files[j].pid == files[i].pid && files[j].start_unix_ns != UINT64_MAX)
            return true;
    return false;
}

bool nt__collect_newest(const char *dir, struct nt_live *out)
{
    struct nt_collector c = {.spool = -1};
    char path[sizeof c.dir + 64] = "";
    struct found *files;
    size_t n;

    nt__fmt_into(c.dir, sizeof c.dir, "%s", dir);
    n = list(&c, &files);
    while (n > 0 && files[n - 1].start_unix_ns == UINT64_MAX)
        n--; /* without figures */
    if (n > 0)
        nt__fmt_into(path, sizeof path, "%s/%s", dir, files[n - 1].name);
    free(files);
    return n > 0 && nt__live_read(path, out) == 0;
}

void nt__collect_ended(struct nt_collector *c)
{
    struct found *files;
    size_t n = list(c, &files);

    for (size_t i = 0; i < n; i++)
        if (!files[i].alive && files[i].pid != c->pid)
            take(c, &files[i]);
    free(files);
}

/* The ranks of a job below a launcher, which is the started program (a program that is its
 * only rank is none). The launcher itself and what has no rank are left out, if there is a
 * rank at all. */
static bool take_ranks(struct nt_collector *c, const struct found *files, size_t n)
{
    struct nt_ranks ranks = {0};
    char path[sizeof c->dir + 64];
    int64_t last = -1;

    nt__ranks_reduced(&ranks, c->dir);
    for (size_t i = 0; i < n; i++) {
        nt__fmt_into(path, sizeof path, "%s/%s", c->dir, files[i].name);
        if (superseded(files, n, i) || nt__live_read(path, &live) != 0 ||
            live.snapshot.rank < 0 || live.snapshot.pid == c->pid)
            continue;
        nt__ranks_add(&ranks, &live, NULL, c->dir);
        last = live.snapshot.rank > last ? live.snapshot.rank : last;
    }
    ranks.job.ranks = (uint64_t)(last + 1);
    if (ranks.job.nrows > 0 && spool(c) >= 0)
        c->seen = nt__ranks_write(&ranks, c->spool, c->format) == 0;
    nt__ranks_free(&ranks);
    return c->seen;
}

void nt__collect_all(struct nt_collector *c)
{
    struct found *files;
    size_t n = list(c, &files);

    if (c->job && take_ranks(c, files, n))
        n = 0;
    for (size_t i = 0; i < n; i++)
        if (c->children || files[i].pid != c->pid || !superseded(files, n, i))
            take(c, &files[i]);
    free(files);
    if (c->stale > 0)
        nt__warn("%u records of other processes are not \"final\": these ended by a "
                 "signal or exec, or still run; \"now_unix_ns\" is when their "
                 "figures were taken",
                 c->stale);
}

int nt__collect_write(struct nt_collector *c, int fd)
{
    char buf[16384];
    off_t at = 0;
    ssize_t n;

    if (c->spool < 0)
        return 0;
    while ((n = pread(c->spool, buf, sizeof buf, at)) > 0) {
        int err = nt__write_all(fd, buf, (size_t)n);

        if (err != 0)
            return err;
        at += n;
    }
    return n < 0 ? -errno : 0;
}
