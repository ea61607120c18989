/* SPDX-License-Identifier: MIT */
/*
 * numatally run: start a program with the library and report when it has ended.
 *
 * The program is our child and otherwise left as it would be: our standard files,
 * terminal, process group, signal mask and ignored signals. All the tool does
 * meanwhile is wait for signals, in one loop and without handlers:
 *  - what somebody sent to the tool alone is sent on to the program;
 *  - what the terminal sends goes to the whole group, so the program has it already;
 *  - what the program itself sent (to its group, say) is not sent back.
 * The report is made from live files after the end, so it does not matter how the
 * program ended. Then the tool ends the same way: same status, or same signal.
 *
 * The child waits on a pipe until its report file could be opened, and tells on
 * another why exec failed, if it did.
 */
#include "src/tool/run.h"
#include "src/base/base.h"
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/tool/machine.h"
#include "src/tool/tool.h"
#include "src/track/report.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY_POLICY 256 /* --policy has no letter */
#define COLLECT_MS 250 /* how often ended children are collected, --children only */

const struct nt_run_watcher *nt__run_watcher;

/* ---- the command line ------------------------------------------------------- */

/* numactl's options, and --policy, whose value is a policy as it is. */
static const struct {
    int key;
    const char *option, *mode;
} policies[] = {{'m', "membind", "bind"},
                {'p', "preferred", "preferred"},
                {'P', "preferred-many", "preferred-many"},
                {'i', "interleave", "interleave"},
                {'w', "weighted-interleave", "weighted-interleave"},
                {'l', "localalloc", "local"},
                {KEY_POLICY, "policy", NULL}};

static error_t parse_policy(struct nt_run *r, int key, const char *arg,
                            struct argp_state *state)
{
    static char option[512];
    size_t i = 0;

    while (i < NT_ARRAY_LEN(policies) && policies[i].key != key)
        i++;
    if (i == NT_ARRAY_LEN(policies))
        return ARGP_ERR_UNKNOWN;
    if (r->policy != NULL)
        argp_error(state, "%s and --%s are two policies; a program has one",
                   r->policy_option, policies[i].option);
    snprintf(option, sizeof option, "--%s%s%.256s", policies[i].option,
             arg != NULL ? "=" : "", arg != NULL ? arg : "");
    r->policy_option = option;
    if (asprintf(&r->policy, "%s%s%s", policies[i].mode != NULL ? policies[i].mode : "",
                 policies[i].mode != NULL && arg != NULL ? ":" : "",
                 arg != NULL ? arg : "") < 0)
        return ENOMEM;
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct nt_run *r = state->input;

    switch (key) {
    case 'r':
        r->report = arg;
        return 0;
    case 'f':
        r->format = nt__tool_format(arg);
        if (r->format < 0)
            argp_error(state, "--format is \"%s\"; it may be text or json", arg);
        return 0;
    case 'c':
        r->collector.children = true;
        return 0;
    case 's':
        r->sample = arg;
        if (nt__conf_check("sample", arg) != NULL)
            argp_error(state,
                       "--sample is \"%s\"; it may be off, or a number of bytes from 1 "
                       "to 1T such as 512K",
                       arg);
        return 0;
    case ARGP_KEY_ARG:
        r->program = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no program was given: numatally run [OPTION...] -- PROGRAM");
        return 0;
    default:
        return parse_policy(r, key, arg, state);
    }
}

int nt__tool_format(const char *word)
{
    if (strcmp(word, "text") == 0)
        return NT_FORMAT_TEXT;
    return strcmp(word, "json") == 0 ? NT_FORMAT_JSON : -1;
}

/* ---- the child -------------------------------------------------------------- */

/* Add to the user's settings: of two in one text the later is in force, and
 * NUMATALLY_CONF is before any file. */
static int add_setting(const char *key, const char *setting)
{
    const char *conf = getenv("NUMATALLY_CONF");
    char *value;

    if (asprintf(&value, "%s%s%s:%s", conf != NULL ? conf : "",
                 conf != NULL && *conf != '\0' ? "," : "", key, setting) < 0)
        return -1;
    return setenv("NUMATALLY_CONF", value, 1);
}

static int set_environment(const struct nt_run *r)
{
    const struct nt_collector *c = &r->collector;
    const char *preload = getenv("LD_PRELOAD");
    char *value = r->library;
    /* Under a launcher ourselves, everything below us has a rank. */
    char who = c->children            ? '1'
               : r->meets             ? 'j'
               : nt__conf_rank() >= 0 ? '0'
               : c->job               ? 'm'
                                      : 'r';

    if ((r->meets || (c->job && nt__tool_is_launcher(r->path))) &&
        (value = nt__tool_mpi_libraries(value)) == NULL)
        return ENOMEM;
    if (preload != NULL && preload[0] != '\0' &&
        asprintf(&value, "%s:%s", preload, value) < 0)
        return ENOMEM;
    if (setenv("LD_PRELOAD", value, 1) != 0)
        return errno;
    if ((r->policy != NULL && add_setting("policy", r->policy) != 0) ||
        (r->sample != NULL && add_setting("sample", r->sample) != 0))
        return ENOMEM;
    if (asprintf(&value, "%lld:%s:%c", (long long)getpid(), c->dir, who) < 0)
        return ENOMEM;
    return setenv("NUMATALLY_RUN", value, 1) != 0 ? errno : 0;
}

/* Wait for the parent's word, become the program; or say why not. */
static _Noreturn void child(const struct nt_run *r, int go, int failed)
{
    char word;
    int err;

    if (read(go, &word, 1) != 1)
        _exit(NT_EXIT_TOOL);
    err = set_environment(r);
    if (err == 0) {
        if (r->child_ignored)
            signal(SIGCHLD, SIG_IGN);
        sigprocmask(SIG_SETMASK, &r->mask, NULL);
        execvp(r->path, r->program);
        err = errno;
    }
    if (write(failed, &err, sizeof err) < 0)
        _exit(NT_EXIT_TOOL);
    _exit(NT_EXIT_NOT_EXECUTABLE);
}

/* ---- signals ---------------------------------------------------------------- */

/* Block what the loop will wait for: all that can be sent on, but nothing that is
 * ignored (nohup), stops and continues the whole job, or means a fault of our own. */
static void take_signals(struct nt_run *r)
{
    static const int left[] = {SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU,
                               SIGCONT, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,
                               SIGTRAP, SIGSYS,  SIGPIPE, SIGXFSZ, SIGCHLD};
    struct sigaction act;

    sigfillset(&r->waited);
    for (size_t i = 0; i < NT_ARRAY_LEN(left); i++)
        sigdelset(&r->waited, left[i]);
    for (int sig = 1; sig <= SIGRTMAX; sig++)
        if (sigaction(sig, NULL, &act) == 0 && act.sa_handler == SIG_IGN)
            sigdelset(&r->waited, sig);
    sigaction(SIGCHLD, NULL, &act);
    r->child_ignored = act.sa_handler == SIG_IGN;
    signal(SIGCHLD, SIG_DFL);
    sigaddset(&r->waited, SIGCHLD);
    sigprocmask(SIG_BLOCK, &r->waited, &r->mask);
}

static void send_on(pid_t pid, const siginfo_t *info)
{
    if (info->si_pid == pid)
        return; /* the program's own: it sent it to whomever it wanted */
    if (info->si_code == SI_QUEUE)
        sigqueue(pid, info->si_signo, info->si_value);
    else if (info->si_code == SI_USER || info->si_code == SI_TKILL)
        kill(pid, info->si_signo);
}

/* Wait for a signal, or until there is something to do. */
static int wait_signal(const struct nt_run *r, siginfo_t *info)
{
    struct timespec pause = {0, COLLECT_MS * 1000000L};

    if (r->hurry_unix_ns != 0 && nt__run_in_job(r))
        pause.tv_nsec = (long)nt__run_hurry_ns(r);
    else if (!r->collector.children)
        return sigwaitinfo(&r->waited, info);
    return sigtimedwait(&r->waited, info, &pause);
}

/* Wait for the program's end, sending signals on. Its wait status. */
static int wait_for(struct nt_run *r)
{
    struct nt_ranks ranks = {0};
    pid_t pid = r->collector.pid;
    siginfo_t info;
    int status;

    for (;;) {
        int sig;
        pid_t got = waitpid(pid, &status, WNOHANG);

        if (got == pid)
            return status;
        if (got < 0 && errno != EINTR)
            return NT_EXIT_TOOL << 8;
        sig = wait_signal(r, &info);
        if (sig > 0 && sig != SIGCHLD) {
            send_on(pid, &info);
            if (nt__run_in_job(r))
                nt__run_heed(r, &info);
        } else if (sig < 0 && errno == EAGAIN) {
            if (nt__run_in_job(r)) /* it goes on after SIGTERM: so is it reported */
                nt__run_part(r, &ranks, nt__meet_now(&r->meet, &ranks));
            else
                nt__collect_ended(&r->collector);
        }
    }
}

int nt__tool_end_like(int status)
{
    const struct rlimit none = {0, 0};
    sigset_t one;
    int sig;

    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    sig = WTERMSIG(status);
    setrlimit(RLIMIT_CORE, &none); /* the program's core is the one that is wanted */
    if (sig != SIGKILL)
        signal(sig, SIG_DFL);
    raise(sig);
    sigemptyset(&one);
    sigaddset(&one, sig);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    return 128 + sig;
}

/* ---- all of it -------------------------------------------------------------- */

/* Let the child go. 0, or the tool's exit status after a complaint. */
static int release(struct nt_run *r, int go, int failed)
{
    int err = 0;

    /* In a job the first rank sees whether it can be written; whoever is the last does. */
    bool ok = !r->meets               ? nt__run_open_report(r, false) == 0
              : r->meet.end.rank != 0 ? true
                                      : nt__run_open_report(r, false) == 0;

    if (ok && r->meets && r->report_fd > STDERR_FILENO)
        close(r->report_fd);
    if (!ok) {
        close(go);
        waitpid(r->collector.pid, NULL, 0);
        return NT_EXIT_TOOL;
    }
    if (write(go, "g", 1) != 1)
        err = errno;
    close(go);
    while (err == 0 && read(failed, &err, sizeof err) < 0 && errno == EINTR)
        ;
    if (err == 0)
        return 0;
    waitpid(r->collector.pid, NULL, 0);
    nt__warn("program \"%.512s\" cannot be executed: %s", r->program[0],
             nt__errno_text(err));
    return err == ENOENT ? NT_EXIT_NOT_FOUND : NT_EXIT_NOT_EXECUTABLE;
}

/* Start the program. 0, or the tool's exit status after a complaint. */
static int start(struct nt_run *r)
{
    int go[2], failed[2];
    int status;
    pid_t pid;

    if (pipe2(go, O_CLOEXEC) != 0 || pipe2(failed, O_CLOEXEC) != 0) {
        nt__warn("cannot make a pipe: %s", nt__errno_text(errno));
        return NT_EXIT_TOOL;
    }
    take_signals(r);
    pid = fork();
    if (pid < 0) {
        nt__warn("cannot start a process: %s", nt__errno_text(errno));
        return NT_EXIT_TOOL;
    }
    if (pid == 0) {
        close(go[1]);
        child(r, go[0], failed[1]);
    }
    close(go[0]);
    close(failed[1]);
    r->collector.pid = pid;
    status = release(r, go[1], failed[0]);
    close(failed[0]);
    return status;
}

static int run(struct nt_run *r)
{
    int status = nt__tool_find_program(r->program[0], &r->path);

    if (status != 0)
        return status;
    if (r->policy != NULL) {
        r->policy = nt__policy_setting(r->policy, r->policy_option);
        if (r->policy == NULL)
            return NT_EXIT_TOOL;
    }
    r->library = nt__tool_find_library();
    if (r->library == NULL || nt__run_open_folder(r) != 0)
        return NT_EXIT_TOOL;
    status = start(r);
    if (status == 0) {
        if (r->meets)
            nt__meet_started(&r->meet, r->collector.pid, r->path);
        if (nt__run_watcher != NULL)
            nt__run_watcher->began(&r->collector);
        status = wait_for(r);
        r->collector.end_unix_ns = nt__run_unix_ns();
        if (nt__run_watcher != NULL)
            nt__run_watcher->ended(status);
        if (nt__run_watcher == NULL || nt__run_watcher->report || r->meets)
            nt__run_report(r, status);
        if (!r->meets)
            nt__collect_close(&r->collector);
        return nt__tool_end_like(status);
    }
    r->collector.end_unix_ns = nt__run_unix_ns();
    if (r->meets)
        nt__run_report(r, status << 8);
    else
        nt__collect_close(&r->collector);
    return status;
}

int nt__tool_run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"report", 'r', "FILE", 0,
         "write the report to FILE instead of stderr; %h %r %p are host, rank and pid",
         0},
        {"format", 'f', "text|json", 0, "instead of what FILE's suffix says", 0},
        {"children", 'c', NULL, 0, "a record for every process, not only the first", 0},
        {"sample", 's', "BYTES", 0,
         "sample one block for each so many bytes (512K), and report who allocates", 0},
        {0, 0, 0, 0,
         "Where memory lies, in numactl's words. NODES is a list such as 0-3,5, !2 or "
         "all, "
         "or a tier: dram, hbm, cxl, nvm, gpu, fastest, largest (see numatally topo)",
         1},
        {"membind", 'm', "NODES", 0, "on these nodes only", 0},
        {"preferred", 'p', "NODE", 0, "on this node while it has room", 0},
        {"preferred-many", 'P', "NODES", 0, "on these nodes while they have room", 0},
        {"interleave", 'i', "NODES", 0, "page by page on these nodes in turn", 0},
        {"weighted-interleave", 'w', "NODES", 0, "in turn, by the system's weights", 0},
        {"localalloc", 'l', NULL, 0, "on the node a thread runs on (the default)", 0},
        {"policy", KEY_POLICY, "POLICY", 0,
         "as the library's setting: bind:NODES, inherit, ...", 0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "-- PROGRAM [ARG...]",
        .doc = "Run PROGRAM with numatally's malloc and report what it allocated."
               "\vExamples:\n"
               "  numatally run -- lmp -in in.melt\n"
               "  numatally run --report run.json --sample 64K -- ./solver input\n"
               "  numatally run --membind=hbm -- ./solver input\n\n"
               "The exit status is PROGRAM's; 125 when numatally itself failed, 126 "
               "when PROGRAM cannot be executed, 127 when it was not found."};
    static struct nt_run r = {.format = -1};

    argp_err_exit_status = NT_EXIT_TOOL;
    nt__tool_parse(&argp, "numatally run", argc, argv, ARGP_IN_ORDER, &r);
    r.collector.format = (enum nt_format)r.format;
    if (r.format < 0)
        r.collector.format =
            r.report != NULL ? nt__report_format(r.report) : NT_FORMAT_TEXT;
    return run(&r);
}
