/* SPDX-License-Identifier: MIT */
/*
 * Where reports go: stderr as it was at the start, or a file that is really ours.
 *
 * Two dangers shape this file. A program may close descriptor 2 before it ends (its
 * own exit handlers run before ours) and may even get the number again for a file of
 * its data: so stderr's identity is noted at the start and a report goes only to a
 * descriptor that still has it. And a report's path may lie in a folder that others
 * write to: so nothing is followed, waited for or emptied before it is known to be a
 * regular file with one name that belongs to us.
 *
 * Start, fork and exit are serialised by their callers.
 */
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/track/report.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_FD_MIN 240 /* out of the way of programs that count on low numbers */

static struct {
    bool started;
    dev_t dev; /* what stderr was at the start */
    ino_t ino;
    int copy; /* of stderr; -1: none */
} O = {.copy = -1};

/* ---- stderr ----------------------------------------------------------------- */

void nt__report_start(void)
{
    struct stat st;
    int saved = errno;

    const struct nt_conf *conf = nt__conf();

    if (!O.started &&
        (conf->report[0] != '\0' || conf->report_signal != 0 ||
         conf->timeline_ms != 0) &&
        fstat(STDERR_FILENO, &st) == 0) {
        O.dev = st.st_dev;
        O.ino = st.st_ino;
        if (strcmp(conf->report, "exit") == 0)
            O.copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, COPY_FD_MIN);
        O.started = true;
    }
    errno = saved;
}

static bool is_stderr(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_dev == O.dev && st.st_ino == O.ino;
}

void nt__report_fork_child(void)
{
    if (O.copy >= 0 && is_stderr(O.copy))
        close(O.copy);
    O.copy = -1;
}

/* The descriptor that is what stderr was; -1 when the program kept none. */
static int find_stderr(void)
{
    if (!O.started || is_stderr(STDERR_FILENO))
        return STDERR_FILENO;
    return O.copy >= 0 && is_stderr(O.copy) ? O.copy : -1;
}

bool nt__report_may_warn(void)
{
    return find_stderr() == STDERR_FILENO;
}

/* ---- files ------------------------------------------------------------------ */

int nt__report_expand(char *out, size_t cap, const char *pattern,
                      const struct nt_snapshot *s)
{
    struct nt_fmt f;

    nt__fmt_init(&f, out, cap, -1);
    for (const char *p = pattern; *p != '\0'; p++) {
        if (*p != '%' || p[1] == '\0') {
            nt__fmt_char(&f, *p);
            continue;
        }
        p++;
        if (*p == 'h')
            for (const char *h = s->host; *h != '\0'; h++)
                nt__fmt_char(&f, *h == '/' ? '_' : *h);
        else if (*p == 'p')
            nt__fmt_print(&f, "%lld", (long long)s->pid);
        else if (*p == 'r' && s->rank < 0)
            nt__fmt_str(&f, "none");
        else if (*p == 'r')
            nt__fmt_print(&f, "%lld", (long long)s->rank);
        else if (*p == '%')
            nt__fmt_char(&f, '%');
        else
            nt__fmt_print(&f, "%%%c", *p);
    }
    return f.cut > 0 ? -ENAMETOOLONG : 0;
}

/* NULL when a report may overwrite the file that `st` describes. */
static const char *refusal(const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        return "is a folder; name a file in it";
    if (S_ISLNK(st->st_mode))
        return "is a symbolic link; name the file itself";
    if (S_ISFIFO(st->st_mode))
        return "is a FIFO; name a regular file";
    if (!S_ISREG(st->st_mode))
        return "is a device or socket; name a regular file";
    if (st->st_nlink != 1)
        return "has other names (hard links); remove it or name another file";
    if (st->st_uid != geteuid())
        return "belongs to another user; name another file";
    return NULL;
}

/* Open a file that is really ours, with these flags besides. As nt__report_open. */
static int open_ours(const char *path, int flags, const char **why)
{
    struct stat st;
    int fd, err;

    *why = NULL;
    if (lstat(path, &st) == 0)
        *why = refusal(&st);
    if (*why != NULL)
        return -EINVAL;
    flags |= O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    fd = open(path, flags, 0600);
    if (fd < 0) {
        err = -errno;
        *why = err == -ENOENT && (flags & O_CREAT) != 0
                   ? "cannot be created: its folder does not exist"
                   : nt__errno_text(err);
        return err;
    }
    /* Asked again, as the name may mean another file by now. */
    err = fstat(fd, &st) != 0 ? -errno : 0;
    *why = err != 0 ? nt__errno_text(err) : refusal(&st);
    if (*why == NULL)
        return fd;
    close(fd);
    return err != 0 ? err : -EINVAL;
}

int nt__report_open(const char *path, const char **why)
{
    int err, fd = open_ours(path, O_CREAT, why);

    if (fd < 0 || ftruncate(fd, 0) == 0) /* emptied only now */
        return fd;
    err = -errno;
    *why = nt__errno_text(err);
    close(fd);
    return err;
}

int nt__report_open_again(const char *path, const char **why)
{
    return open_ours(path, O_APPEND, why);
}

enum nt_format nt__report_format(const char *path)
{
    size_t len = strlen(path);

    return len >= 5 && strcmp(path + len - 5, ".json") == 0 ? NT_FORMAT_JSON
                                                            : NT_FORMAT_TEXT;
}

/* ---- at exit, and on a signal ----------------------------------------------- */

static void to_file(const char *pattern, const struct nt_snapshot *s,
                    const struct nt_tables *tables)
{
    char path[NT_CONF_PATH_MAX];
    const char *why;
    int fd, err;

    bool may_warn = nt__report_may_warn();

    if (nt__report_expand(path, sizeof path, pattern, s) != 0) {
        if (may_warn)
            nt__warn("no report: its path, %.256s with its %% filled in, is longer "
                     "than %d bytes",
                     pattern, NT_CONF_PATH_MAX - 1);
        return;
    }
    fd = nt__report_open(path, &why);
    if (fd < 0) {
        if (may_warn)
            nt__warn("no report: %.512s: %s", path, why);
        return;
    }
    err = nt__report_write(fd, nt__report_format(path), s, tables);
    if (close(fd) != 0 && err == 0)
        err = -errno;
    if (err != 0 && may_warn)
        nt__warn("the report in %.512s is incomplete: %s", path, nt__errno_text(err));
}

static void report_to(const char *to, const struct nt_snapshot *s,
                      const struct nt_tables *tables)
{
    int saved = errno;

    if (strcmp(to, "exit") == 0) {
        int fd = find_stderr();

        if (fd >= 0)
            (void)nt__report_write(fd, NT_FORMAT_TEXT, s, tables);
    } else if (to[0] != '\0') {
        to_file(to, s, tables);
    }
    errno = saved;
}

void nt__report_at_exit(const struct nt_snapshot *s, const struct nt_tables *tables)
{
    report_to(nt__conf()->report, s, tables);
}

void nt__report_on_signal(const struct nt_snapshot *s, const struct nt_tables *tables)
{
    const char *to = nt__conf()->report;

    report_to(to[0] != '\0' ? to : "exit", s, tables);
}
