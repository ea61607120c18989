/* SPDX-License-Identifier: MIT */
#include "src/tool/tune_verify.h"
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/tune_trial.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOWER_MAX 1.02 /* the upper end of the interval of the ratio */
#define LARGER_MAX 1.02
#define Z 1.96

struct verify {
    const struct nt_verify *how;
    const struct nt_verify_calls *calls;
    struct nt_verified *out;
    struct nt_trials trials;
    char dir[4096], conf[4200], record[4200];
    double *values; /* of what is measured: six rows of `runs` */
    unsigned done, all;
    int expected; /* the program's wait status; -1: not known yet */
    double begin_s;
    int width; /* of the progress line */
};

static volatile sig_atomic_t interrupted; /* the signal */

static void interrupt(int sig)
{
    interrupted = sig;
}

/* ---- progress ---------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void clear(struct verify *v)
{
    if (v->width > 0)
        fprintf(stderr, "\r%*s\r", v->width, "");
    v->width = 0;
}

static void progress(struct verify *v, const char *what)
{
    double spent = now() - v->begin_s;

    if (!isatty(STDERR_FILENO))
        return;
    clear(v);
    v->width = fprintf(stderr, "run %u of %u, %s", v->done + 1, v->all, what);
    if (v->done > 0)
        v->width += fprintf(stderr, ", %.0f s left",
                            spent / v->done * (double)(v->all - v->done));
    fflush(stderr);
}

/* ---- one run --------------------------------------------------------------------------------- */

/* 0, or the tool's exit status after a complaint: not comparable. */
static int judge(struct verify *v, const struct nt_trial *t, const char *what)
{
    const char *name = v->how->program[0];

    if (t->err != 0)
        nt__warn("%.512s cannot be started: %s", name, nt__errno_text(t->err));
    else if (t->late)
        nt__warn("%.512s %s had not ended after %u s and was ended; --timeout=SECONDS "
                 "allows more",
                 name, what, v->how->timeout_s);
    else if (WIFSIGNALED(t->status))
        nt__warn("%.512s %s was ended by signal %d (%s): nothing is compared", name,
                 what, WTERMSIG(t->status), strsignal(WTERMSIG(t->status)));
    else if (v->expected >= 0 && t->status != v->expected)
        nt__warn(
            "%.512s %s ended with status %d, but with %d before: nothing is compared",
            name, what, WEXITSTATUS(t->status), WEXITSTATUS(v->expected));
    else
        return 0;
    return NT_EXIT_TOOL;
}

static int run(struct verify *v, enum nt_trial_kind kind, struct nt_trial *out)
{
    static const char *const what[] = {
        [NT_TRIAL_WITHOUT] = "without the proposal",
        [NT_TRIAL_WITH] = "with the proposal",
        [NT_TRIAL_RECORD] = "sampled",
        [NT_TRIAL_RECORD_WITH] = "sampled, with the proposal",
    };
    int status;

    progress(v, what[kind]);
    if (interrupted || nt__trials_run(&v->trials, kind, out) != 0) {
        clear(v);
        return NT_EXIT_TOOL;
    }
    clear(v);
    v->done++;
    status = judge(v, out, what[kind]);
    v->expected = out->status;
    return status;
}

/* ---- all of them ------------------------------------------------------------------------------ */

/* A sampled run, and what it wasted. */
static int record(struct verify *v, enum nt_trial_kind kind, struct nt_waste *waste)
{
    struct nt_trial t;
    int status = run(v, kind, &t);

    if (status == 0)
        status = v->calls->take(v->calls->context, v->record, waste);
    unlink(v->record);
    return status;
}

static int measure(struct verify *v)
{
    size_t n = v->how->runs;
    struct nt_trial t;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 2; k++) {
            size_t with = (i + k) % 2;
            int status = run(v, with ? NT_TRIAL_WITH : NT_TRIAL_WITHOUT, &t);

            if (status != 0)
                return status;
            v->values[(0 + with) * n + i] = t.wall_s;
            v->values[(2 + with) * n + i] = t.cpu_s;
            v->values[(4 + with) * n + i] = t.rss_bytes;
        }
    return 0;
}

/* What decides. */
static void decide(struct nt_verified *o)
{
    double saved = o->without.waste - o->with.waste;
    double error =
        Z * Z * (o->without.error * o->without.error + o->with.error * o->with.error);
    bool less_waste = saved > 0 && saved * saved > error;
    bool more_waste = saved < 0 && saved * saved > error;

    o->kept = false;
    if (o->cpu.high > SLOWER_MAX)
        o->why = "it may take more than 2 % more processor time: that is within the "
                 "interval";
    else if (o->wall.low > SLOWER_MAX)
        o->why = "it takes more than 2 % longer";
    else if (o->rss.high > LARGER_MAX)
        o->why = "its resident peak may be more than 2 % larger";
    else if (more_waste)
        o->why =
            "it wastes more than without: what the program asks for goes by what it "
            "gets, perhaps";
    else if (!less_waste && o->rss.high >= 1 && o->cpu.high >= 1)
        o->why = "neither waste nor peak memory nor time is less, by their intervals";
    else
        o->kept = true;
    if (o->kept)
        o->why = less_waste && o->rss.high < 1 ? "less waste and less peak memory"
                 : less_waste                  ? "less waste"
                 : o->rss.high < 1             ? "less peak memory"
                                               : "less processor time";
}

static void sum_up(struct verify *v)
{
    size_t n = v->how->runs;
    struct nt_verified *o = v->out;
    const double *a = v->values;

    o->wall = nt__stats_ratio(a, a + n, n);
    o->cpu = nt__stats_ratio(a + 2 * n, a + 3 * n, n);
    o->rss = nt__stats_ratio(a + 4 * n, a + 5 * n, n);
    for (size_t k = 0; k < 2; k++) {
        o->wall_s[k] = nt__stats_median(a + k * n, n);
        o->cpu_s[k] = nt__stats_median(a + (2 + k) * n, n);
        o->rss_bytes[k] = nt__stats_median(a + (4 + k) * n, n);
    }
    o->exit_status = WEXITSTATUS(v->expected);
    decide(o);
}

static int runs(struct verify *v)
{
    struct nt_waste predicted = {0};
    bool is_one = false;
    int status = record(v, NT_TRIAL_RECORD, &v->out->without);

    if (status == 0)
        status = v->calls->propose(v->calls->context, v->conf, &is_one, &predicted);
    if (status != 0)
        return status;
    if (!is_one && v->how->with == NULL) {
        nt__warn(
            "there is nothing to verify: the defaults are as good as what could be "
            "proposed");
        return NT_EXIT_NOT_KEPT;
    }
    v->out->predicted = predicted.waste;
    v->out->predicted_error = predicted.error;
    status = record(v, NT_TRIAL_RECORD_WITH, &v->out->with);
    if (status == 0)
        status = measure(v);
    if (status == 0)
        sum_up(v);
    return status;
}

/* ---- before and after ---------------------------------------------------------------------------- */

static int make_dir(struct verify *v)
{
    const char *tmp = getenv("TMPDIR");

    nt__fmt_into(v->dir, sizeof v->dir, "%s/numatally-tune-XXXXXX",
                 tmp != NULL && *tmp != '\0' && strlen(tmp) < 3000 ? tmp : "/tmp");
    if (mkdtemp(v->dir) == NULL) {
        nt__warn("%.512s: no folder can be made there: %s", v->dir,
                 nt__errno_text(errno));
        return NT_EXIT_TOOL;
    }
    nt__fmt_into(v->conf, sizeof v->conf, "%s/numatally.conf", v->dir);
    nt__fmt_into(v->record, sizeof v->record, "%s/record.json", v->dir);
    return 0;
}

static void take_signals(void (*handler)(int))
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction act = {.sa_handler = handler};

    for (size_t i = 0; i < NT_ARRAY_LEN(signals); i++)
        sigaction(signals[i], &act, NULL);
}

static int start(struct verify *v)
{
    int status = nt__tool_find_program(v->how->program[0], &v->trials.path);

    if (status != 0)
        return status;
    v->trials.library = nt__tool_find_library();
    if (v->trials.library == NULL)
        return NT_EXIT_TOOL;
    status = make_dir(v);
    if (status != 0)
        return status;
    v->trials.program = v->how->program;
    v->trials.conf = v->conf;
    v->trials.record = v->record;
    v->trials.with = v->how->with;
    v->trials.sample = v->how->sample;
    v->trials.timeout_s = v->how->timeout_s;
    if (nt__trials_start(&v->trials) != 0) {
        rmdir(v->dir);
        return NT_EXIT_TOOL;
    }
    return 0;
}

int nt__verify(const struct nt_verify *how, const struct nt_verify_calls *calls,
               struct nt_verified *out)
{
    static struct verify v;
    int status;

    *out = (struct nt_verified){.how = *how};
    v = (struct verify){.how = how, .calls = calls, .out = out, .expected = -1};
    v.all = 2 + 2 * how->runs;
    v.values = nt__tool_memory(calloc(6 * (size_t)how->runs, sizeof *v.values));
    v.begin_s = now();
    status = start(&v);
    if (status == 0) {
        take_signals(interrupt);
        status = runs(&v);
        nt__trials_end(&v.trials);
        take_signals(SIG_DFL);
        unlink(v.conf);
        unlink(v.record);
        rmdir(v.dir);
    }
    if (interrupted)
        raise(interrupted);
    free(v.values);
    return status;
}
