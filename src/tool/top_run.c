/* SPDX-License-Identifier: MIT */
/*
 * numatally top -- PROGRAM: the program runs as under `numatally run`, which is a process
 * between us and it: all that is said of signals and ends in run.c holds here, too.
 *
 * That process tells us on a pipe which program it started and how it ended, and then waits
 * for us to let go of the other pipe before it removes the live file: so the figures of the
 * very end can be read, however short the program was.
 *
 * On a screen there is no place for what the program writes. What would go to the terminal
 * goes into a file without a name, and is shown when the screen is left; what goes elsewhere
 * is left alone. Nor can it read keys that are meant for the screen: a terminal as its input
 * becomes /dev/null.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/tool.h"
#include "src/tool/top.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_MS 50

/* ---- the process between -------------------------------------------------------------- */

struct start {
    pid_t pid;
    char dir[NT_LIVE_PATH_MAX];
};

static struct {
    int tell, hold;
} runner;

static void tell_began(const struct nt_collector *c)
{
    struct start start = {.pid = c->pid};

    nt__fmt_into(start.dir, sizeof start.dir, "%.1000s", c->dir);
    (void)nt__write_all(runner.tell, (const char *)&start, sizeof start);
}

/* Tell, and wait until nobody needs the live file any more. */
static void tell_ended(int status)
{
    char none;

    (void)nt__write_all(runner.tell, (const char *)&status, sizeof status);
    while (read(runner.hold, &none, 1) < 0 && errno == EINTR)
        continue;
}

static int run_it(const struct nt_top_run_options *o, int kept)
{
    static struct nt_run_watcher watcher = {.began = tell_began, .ended = tell_ended};
    static char verb[] = "run", report[] = "--report", end[] = "--";
    size_t words = 0, n = 0;
    char **argv;
    int in;

    while (o->program[words] != NULL)
        words++;
    argv = nt__tool_memory(calloc(words + 6, sizeof *argv));
    argv[n++] = verb;
    if (o->report_to != NULL) {
        argv[n++] = report;
        argv[n++] = strdup(o->report_to);
    }
    argv[n++] = end;
    memcpy(&argv[n], o->program, words * sizeof *argv);
    if (o->screen && isatty(STDIN_FILENO) && (in = open("/dev/null", O_RDONLY)) >= 0)
        dup2(in, STDIN_FILENO);
    for (int fd = STDOUT_FILENO; kept >= 0 && fd <= STDERR_FILENO; fd++)
        if (o->output != NULL || isatty(fd))
            dup2(kept, fd);
    watcher.report = o->report;
    nt__run_watcher = &watcher;
    return nt__tool_run((int)(n + words), argv);
}

/* ---- starting ------------------------------------------------------------------------- */

/* Where the program's output goes. False after a complaint. */
static bool open_kept(struct nt_top_program *p, const struct nt_top_run_options *o)
{
    const char *folder = getenv("TMPDIR");
    char path[1100];

    p->kept = -1;
    if (o->output != NULL) {
        p->kept =
            open(o->output, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
        if (p->kept < 0)
            nt__warn("--program-output %.512s: %s", o->output, nt__errno_text(errno));
        return p->kept >= 0;
    }
    if (!o->screen)
        return true;
    nt__fmt_into(path, sizeof path, "%.1000s/numatally-top-XXXXXX",
                 folder != NULL && folder[0] == '/' ? folder : "/tmp");
    p->kept = mkostemp(path, O_CLOEXEC | O_APPEND);
    if (p->kept < 0) {
        nt__warn(
            "there is no place to keep what the program writes (%.512s: %s); name a "
            "file with --program-output",
            path, nt__errno_text(errno));
        return false;
    }
    unlink(path);
    return true;
}

static bool read_all(int fd, void *out, size_t len)
{
    char *to = out;

    while (len > 0) {
        ssize_t n = read(fd, to, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        to += n;
        len -= (size_t)n;
    }
    return true;
}

int nt__top_start(struct nt_top_program *p, const struct nt_top_run_options *o,
                  struct nt_watched *w)
{
    int tell[2], hold[2];
    struct start start;

    if (!open_kept(p, o))
        return NT_EXIT_TOOL;
    if (pipe2(tell, O_CLOEXEC) != 0 || pipe2(hold, O_CLOEXEC) != 0 ||
        (p->runner = fork()) < 0) {
        nt__warn("cannot start a process: %s", nt__errno_text(errno));
        return NT_EXIT_TOOL;
    }
    if (p->runner == 0) {
        close(tell[0]);
        close(hold[1]);
        runner.tell = tell[1];
        runner.hold = hold[0];
        exit(run_it(o, p->kept));
    }
    close(tell[1]);
    close(hold[0]);
    p->told = tell[0];
    p->held = hold[1];
    if (o->output != NULL) {
        close(p->kept);
        p->kept = -1;
    }
    if (!read_all(p->told, &start, sizeof start))
        return nt__top_finish(p); /* it has said why */
    p->pid = start.pid;
    nt__watched_expect(w, start.pid, start.dir);
    return 0;
}

/* ---- while it runs -------------------------------------------------------------------- */

int nt__top_program_status(struct nt_top_program *p)
{
    struct pollfd ready = {.fd = p->told, .events = POLLIN};
    int status;

    if (poll(&ready, 1, 0) <= 0)
        return -1;
    return read_all(p->told, &status, sizeof status) ? status : NT_EXIT_TOOL << 8;
}

/* Show what was kept since the last time. */
static void show_kept(const struct nt_top_program *p, off_t *shown)
{
    char buf[16384];
    ssize_t n;

    while (p->kept >= 0 && (n = pread(p->kept, buf, sizeof buf, *shown)) > 0) {
        if (nt__write_all(STDOUT_FILENO, buf, (size_t)n) != 0)
            return;
        *shown += n;
    }
}

int nt__top_finish(struct nt_top_program *p)
{
    const struct timespec pause = {0, POLL_MS * 1000000L};
    off_t shown = 0;
    int status;
    pid_t got;

    close(p->held);
    while ((got = waitpid(p->runner, &status, WNOHANG)) == 0 ||
           (got < 0 && errno == EINTR)) {
        int sig = nt__top_signal();

        if (sig != 0)
            kill(p->runner, sig);
        show_kept(p, &shown);
        nanosleep(&pause, NULL);
    }
    show_kept(p, &shown);
    return got == p->runner ? nt__tool_end_like(status) : NT_EXIT_TOOL;
}
