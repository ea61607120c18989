/* SPDX-License-Identifier: MIT */
/*
 * numatally top: what a process allocates, while it does.
 *
 * With a program to run, the exit status is the program's and so is what the terminal's keys
 * send (Ctrl-C): we leave the screen when the user says so, and wait for it.
 */
#include "src/tool/top.h"
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/tool.h"

#include <argp.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPTION_REPORT = 256, OPTION_PROGRAM_OUTPUT }; /* no letters */

struct top {
    struct nt_top_options o;
    struct nt_top_run_options run;
    const char *what;   /* a number or a file; NULL: run a program */
    const char *folder; /* of live files; NULL: wherever */
    const char *sort, *output;
    bool batch, reverse;
};

/* ---- signals -------------------------------------------------------------------------- */

static volatile sig_atomic_t ended, sent;

static void note_signal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    ended = sig;
    /* A terminal that goes away says so to the first of its processes only. */
    if (sig == SIGHUP || info->si_code == SI_USER || info->si_code == SI_QUEUE)
        sent = sig;
}

bool nt__top_must_end(void)
{
    return ended != 0;
}

int nt__top_signal(void)
{
    int sig = sent;

    sent = 0;
    return sig;
}

static void take_signals(bool program)
{
    static const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
    struct sigaction act;

    for (size_t i = 0; i < NT_ARRAY_LEN(signals); i++) {
        sigaction(signals[i], NULL, &act);
        if (act.sa_handler == SIG_IGN)
            continue;
        memset(&act, 0, sizeof act);
        act.sa_sigaction = note_signal;
        act.sa_flags = SA_SIGINFO;
        if (program && i >= 2) { /* keys: the program has them */
            act.sa_handler = SIG_IGN;
            act.sa_flags = 0;
        }
        sigaction(signals[i], &act, NULL);
    }
}

bool nt__top_is_over(struct nt_top *t)
{
    if (t->program != NULL) {
        if (t->status < 0)
            t->status = nt__top_program_status(t->program);
        return t->status >= 0;
    }
    return (t->some && t->live->snapshot.final) ||
           nt__watched_life(&t->watched) == NT_LIFE_ENDED;
}

/* ---- the command line ----------------------------------------------------------------- */

static void parse_number(const char *arg, const char *option, double min, double max,
                         double *out, const struct argp_state *state)
{
    char *end;

    errno = 0;
    *out = strtod(arg, &end);
    if (errno != 0 || end == arg || *end != '\0' || !(*out >= min && *out <= max))
        argp_error(state, "--%s is \"%s\"; it may be a number from %g to %g", option,
                   arg, min, max);
}

static void parse_argument(struct top *t, char *arg, struct argp_state *state)
{
    bool number = arg[strspn(arg, "0123456789")] == '\0' && arg[0] != '\0';

    if (state->quoted > 0 && state->next > state->quoted) {
        t->run.program = state->argv + state->next - 1;
        state->next = state->argc;
    } else if (!number && strchr(arg, '/') == NULL && access(arg, F_OK) != 0) {
        argp_error(
            state,
            "\"%s\" is neither the number of a process nor a live file; to run a "
            "program: numatally top -- %s",
            arg, arg);
    } else if (t->what != NULL) {
        argp_error(state, "one process is watched, and \"%s\" is another", arg);
    } else {
        t->what = arg;
    }
}

/* What is asked for together, when all options are known. */
static void check(struct top *t, const struct argp_state *state)
{
    if (t->what == NULL && t->run.program == NULL)
        argp_error(state, "name a process, or a program: numatally top PID, numatally "
                          "top -- PROGRAM");
    if (t->what != NULL && t->run.program != NULL)
        argp_error(state, "a process and a program are two: watch one of them");
    if (t->run.program == NULL && (t->run.report || t->run.output != NULL))
        argp_error(state,
                   "--report and --program-output are for a program that is run: "
                   "numatally top -- PROGRAM");
    if (t->output != NULL && !t->batch)
        argp_error(state,
                   "--output is for --batch and --json; a screen is on a terminal");
    if (t->run.program != NULL && t->folder != NULL)
        argp_error(state,
                   "--live is for a process that runs; that of a program that is "
                   "run here is known");
    bool rates = t->o.order.rates;
    t->o.order = nt__top_order(t->o.view, rates);
    if (t->sort != NULL)
        t->o.order.column = nt__top_sort(t->o.view, t->sort);
    if (t->o.order.column == -2)
        argp_error(state,
                   "--sort is \"%s\", which is no figure of %s; docs/counters.md has "
                   "them, such as live_bytes_now",
                   t->sort, nt__top_view_word(t->o.view));
    t->o.order.reverse = t->reverse;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct top *t = state->input;
    double number;
    int view;

    switch (key) {
    case 'd':
        parse_number(arg, "delay", NT_DELAY_MIN, NT_DELAY_MAX, &t->o.delay, state);
        return 0;
    case 'n':
        parse_number(arg, "iterations", 1, 1e9, &number, state);
        t->o.iterations = (long)number;
        return 0;
    case 'j':
        t->o.json = true;
        t->batch = true;
        return 0;
    case 'b':
        t->batch = true;
        return 0;
    case 's':
        t->sort = arg;
        return 0;
    case 'r':
        t->reverse = true;
        return 0;
    case 'a':
        t->o.order.rates = false;
        return 0;
    case 'v':
        view = nt__top_view(arg);
        if (view < 0)
            argp_error(state,
                       "--view is \"%s\"; it may be nodes, classes, pools, threads, "
                       "phases, tracked or matrix",
                       arg);
        t->o.view = (enum nt_view)view;
        return 0;
    case 'l':
        t->folder = arg;
        return 0;
    case 'o':
        t->output = arg;
        return 0;
    case OPTION_REPORT:
        t->run.report = true;
        t->run.report_to = arg;
        return 0;
    case OPTION_PROGRAM_OUTPUT:
        t->run.output = arg;
        return 0;
    case ARGP_KEY_ARG:
        parse_argument(t, arg, state);
        return 0;
    case ARGP_KEY_END:
        check(t, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- where it is shown ---------------------------------------------------------------- */

static int open_output(struct top *t)
{
    t->o.out = t->output != NULL ? fopen(t->output, "we") : stdout;
    if (t->o.out != NULL)
        return 0;
    nt__warn("--output %.512s: %s", t->output, nt__errno_text(errno));
    return -1;
}

/* The terminal: standard input and output; of a program that is run these are its own. */
static int open_terminal(struct top *t)
{
    const char *term = getenv("TERM");

    t->o.in = stdin;
    t->o.screen = stdout;
    if (t->run.program != NULL) {
        t->o.in = fopen("/dev/tty", "r+e");
        t->o.screen = fopen("/dev/tty", "r+e");
    }
    if (t->o.in != NULL && t->o.screen != NULL && isatty(fileno(t->o.in)) &&
        isatty(fileno(t->o.screen)) && term != NULL && *term != '\0' &&
        strcmp(term, "dumb") != 0)
        return 0;
    nt__warn(
        "there is no terminal to draw on (TERM is \"%.64s\"): use --batch for text, "
        "or --json",
        term != NULL ? term : "");
    return -1;
}

/* ---- all of it ------------------------------------------------------------------------ */

static int open_place(struct top *t)
{
    return t->batch ? open_output(t) : open_terminal(t);
}

static int show(struct top *t, struct nt_top *top)
{
    int status;

    take_signals(top->program != NULL);
    nt__top_begin(top);
    status = t->batch ? nt__top_batch(top, &t->o) : nt__top_screen(top, &t->o);
    nt__top_end(top);
    return status;
}

static int run(struct top *t)
{
    static struct nt_top top;
    struct nt_top_program program;
    int status;

    if (open_place(t) != 0)
        return NT_EXIT_TOOL;
    t->run.screen = !t->batch;
    status = nt__top_start(&program, &t->run, &top.watched);
    if (status != 0)
        return status;
    top.program = &program;
    if (show(t, &top) == 0 && isatty(STDERR_FILENO) &&
        nt__top_program_status(&program) < 0)
        nt__warn(
            "%.512s (pid %lld) runs on; this ends with it, and Ctrl-C interrupts it",
            t->run.program[0], (long long)program.pid);
    return nt__top_finish(&program);
}

static int open_watched(const struct top *t, struct nt_watched *w)
{
    unsigned long pid;

    if (t->what[strspn(t->what, "0123456789")] != '\0')
        return nt__watched_open_file(w, t->what);
    errno = 0;
    pid = strtoul(t->what, NULL, 10);
    if (errno == 0 && pid > 0 && pid <= INT32_MAX)
        return nt__watched_open(w, (pid_t)pid, t->folder);
    nt__warn("there is no process %.64s: numbers go from 1 to %d", t->what, INT32_MAX);
    return NT_EXIT_BAD_INPUT;
}

static int watch(struct top *t)
{
    static struct nt_top top;
    int status = open_watched(t, &top.watched);

    if (status != 0)
        return status;
    if (open_place(t) != 0)
        return NT_EXIT_BAD_INPUT;
    status = show(t, &top);
    if (ended != 0 && (t->batch || ended != SIGINT))
        return nt__tool_end_like(ended);
    return status;
}

int nt__tool_top(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"delay", 'd', "SECONDS", 0, "look so often (1)", 0},
        {"iterations", 'n', "N", 0, "end after so many", 0},
        {"batch", 'b', NULL, 0, "print text, a block each time, in place of a screen",
         0},
        {"json", 'j', NULL, 0, "print a line of JSON each time", 0},
        {"view", 'v', "VIEW", 0,
         "nodes (the default), classes, pools, threads, phases, tracked or matrix", 0},
        {"sort", 's', "FIGURE", 0, "by this figure, most first; name: by name", 0},
        {"reverse", 'r', NULL, 0, "the other way round", 0},
        {"absolute", 'a', NULL, 0, "totals as they are, not per second", 0},
        {"live", 'l', "FOLDER", 0, "look for the live file in this folder only", 0},
        {"output", 'o', "FILE", 0, "write text and JSON there, not to standard output",
         0},
        {0, 0, 0, 0, "For a program that is run:", 1},
        {"report", OPTION_REPORT, "FILE", OPTION_ARG_OPTIONAL,
         "report at its end as numatally run does, to stderr or to FILE", 0},
        {"program-output", OPTION_PROGRAM_OUTPUT, "FILE", 0,
         "what it writes goes to FILE; else what it writes to the terminal is shown "
         "when "
         "the screen is left",
         0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "PID\nLIVE-FILE\n-- PROGRAM [ARG...]",
        .doc =
            "Watch what a process allocates while it runs, from its live file."
            "\vThe process must keep a live file: NUMATALLY_CONF=live:on, or run it "
            "with numatally run or top. Keys are listed by '?'.\n\n"
            "Examples:\n"
            "  numatally top 4711\n"
            "  numatally top -- ./solver input\n"
            "  numatally top --batch --delay 10 4711 >solver.log\n\n"
            "The exit status is 0; 1 when there is nothing to watch or no terminal; 2 "
            "for a bad command line. With PROGRAM it is PROGRAM's."};
    static struct top t = {.o = {.delay = 1, .order = {.rates = true}}};

    nt__tool_parse(&argp, "numatally top", argc, argv, ARGP_IN_ORDER, &t);
    setlocale(LC_CTYPE, "");
    return t.run.program != NULL ? run(&t) : watch(&t);
}
