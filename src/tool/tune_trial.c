/* SPDX-License-Identifier: MIT */
#include "src/tool/tune_trial.h"
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_S 2 /* between two steps of ending a run */

/* What the process that starts them is told. */
struct order {
    enum nt_trial_kind kind;
    char more[NT_TRIAL_MORE_MAX];
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the program's process ------------------------------------------------------------- */

static void set_files(enum nt_trial_kind kind)
{
    struct stat st;
    int in = -1, out = open("/dev/null", O_WRONLY);

    if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
        in = open("/proc/self/fd/0", O_RDONLY); /* anew: from its beginning */
    if (in < 0)
        in = open("/dev/null", O_RDONLY);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    if (kind != NT_TRIAL_RECORD)
        dup2(out, STDERR_FILENO);
    close(in);
    close(out);
}

/* NAME=VALUE of what was before, a mark and more. */
static int put(const char *name, const char *mark, const char *more)
{
    const char *before = getenv(name);
    char *value;
    int err;

    if (asprintf(&value, "%s%s%s", before != NULL ? before : "",
                 before != NULL && *before != '\0' ? mark : "", more) < 0)
        return -1;
    err = setenv(name, value, 1);
    free(value);
    return err;
}

static _Noreturn void become(const struct nt_trials *t, const struct order *order)
{
    enum nt_trial_kind kind = order->kind;
    bool with = kind == NT_TRIAL_WITH || kind == NT_TRIAL_RECORD_WITH;
    const char *tail[] = {"run",      "--children", "--report", t->record,
                          "--sample", t->sample,    "--"};
    char **argv = t->program;
    const char *path = t->path;
    size_t n = 0;

    set_files(kind);
    if (with &&
        (setenv("NUMATALLY_CONF_FILE", t->conf, 1) != 0 ||
         (order->more[0] != '\0' && put("NUMATALLY_CONF", ",", order->more) != 0)))
        _exit(NT_EXIT_TOOL);
    if (kind == NT_TRIAL_WITH || kind == NT_TRIAL_WITHOUT) {
        if (put("LD_PRELOAD", ":", t->library) != 0)
            _exit(NT_EXIT_TOOL);
    } else {
        while (t->program[n] != NULL)
            n++;
        argv = calloc(n + NT_ARRAY_LEN(tail) + 2, sizeof *argv);
        if (argv == NULL)
            _exit(NT_EXIT_TOOL);
        argv[0] = "numatally";
        memcpy(argv + 1, tail, sizeof tail);
        memcpy(argv + 1 + NT_ARRAY_LEN(tail), t->program, n * sizeof *argv);
        path = "/proc/self/exe";
    }
    execv(path, argv);
    _exit(errno == ENOENT ? NT_EXIT_NOT_FOUND : NT_EXIT_NOT_EXECUTABLE);
}

/* ---- the process that starts them -------------------------------------------------------- */

/* Kill the children of a process. False: they cannot be known. */
static bool kill_children(pid_t parent)
{
    char path[64];
    FILE *f;
    int pid;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    while (fscanf(f, "%d", &pid) == 1)
        kill(pid, SIGKILL);
    fclose(f);
    return true;
}

/* End what the program left behind and is ours by now (PR_SET_CHILD_SUBREAPER): it would disturb
 * the next run, or outlive the last. What these leave comes to us in turn. */
static void end_rest(void)
{
    while (kill_children(getpid()) && waitpid(-1, NULL, 0) > 0)
        ;
}

/* Three steps to the end of a run. In the first it is asked, so that it leaves nothing behind. Of
 * one that is sampled `numatally run` is the parent, and has to clear up: it goes last. */
static void press(pid_t pid, unsigned step)
{
    if (step == 0)
        kill(-pid, SIGTERM);
    else if (step == 1)
        kill_children(pid);
    else
        kill(-pid, SIGKILL);
}

/* Wait for the end of `pid`; it is ended when the time is up, or a signal or the tool's end asks
 * for it: then we end, too. */
static void wait_for(const struct nt_trials *t, pid_t pid, const sigset_t *waited,
                     struct nt_trial *out)
{
    double until = now() + (double)t->timeout_s;
    unsigned step = 0;
    bool stop = false;
    struct rusage use;

    for (;;) {
        double left = until - now();
        struct timespec pause = {left > 0 ? (time_t)left : 0, 50000000};
        pid_t got = wait4(pid, &out->status, WNOHANG, &use);
        int sig;

        if (got == pid)
            break;
        sig = sigtimedwait(waited, NULL, &pause);
        stop |= sig > 0 && sig != SIGCHLD;
        if (now() < until && (!stop || step > 0))
            continue; /* Ctrl-C comes to us, and again from the tool */
        out->late = !stop;
        press(pid, step++);
        until = now() + GRACE_S;
    }
    kill(-pid, SIGKILL);
    end_rest();
    if (stop)
        _exit(1);
    out->cpu_s = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    out->rss_bytes = (double)use.ru_maxrss * 1024;
}

static void trial(const struct nt_trials *t, const struct order *order,
                  const sigset_t *waited, const sigset_t *mask, struct nt_trial *out)
{
    double begin = now();
    pid_t pid = fork();

    *out = (struct nt_trial){0};
    if (pid < 0) {
        out->err = errno;
        return;
    }
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigprocmask(SIG_SETMASK, mask, NULL);
        become(t, order);
    }
    setpgid(pid, pid);
    wait_for(t, pid, waited, out);
    out->wall_s = now() - begin;
}

static _Noreturn void serve(const struct nt_trials *t, int channel)
{
    sigset_t waited, mask;
    struct order order;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigemptyset(&waited);
    sigaddset(&waited, SIGCHLD);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGINT);
    sigaddset(&waited, SIGHUP);
    sigaddset(&waited, SIGQUIT);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &waited, &mask);
    while (recv(channel, &order, sizeof order, MSG_WAITALL) == (ssize_t)sizeof order) {
        struct nt_trial result;

        trial(t, &order, &waited, &mask, &result);
        if (write(channel, &result, sizeof result) != (ssize_t)sizeof result)
            break;
    }
    _exit(0);
}

/* ---- the tool's side ------------------------------------------------------------------------ */

int nt__trials_start(struct nt_trials *t)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        nt__warn("cannot make a pair of sockets: %s", nt__errno_text(errno));
        return -1;
    }
    t->pid = fork();
    if (t->pid < 0) {
        nt__warn("cannot start a process: %s", nt__errno_text(errno));
        return -1;
    }
    if (t->pid == 0) {
        close(ends[0]);
        serve(t, ends[1]);
    }
    close(ends[1]);
    t->channel = ends[0];
    return 0;
}

int nt__trials_run(struct nt_trials *t, enum nt_trial_kind kind, const char *more,
                   struct nt_trial *out)
{
    struct order order = {.kind = kind};

    nt__fmt_into(order.more, sizeof order.more, "%s", more);
    if (send(t->channel, &order, sizeof order, MSG_NOSIGNAL) != (ssize_t)sizeof order ||
        recv(t->channel, out, sizeof *out, MSG_WAITALL) != (ssize_t)sizeof *out)
        return -1;
    return 0;
}

void nt__trials_end(struct nt_trials *t)
{
    kill(t->pid, SIGTERM);
    close(t->channel);
    while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
