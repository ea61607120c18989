/* SPDX-License-Identifier: MIT */
#include "src/tool/tune_verify.h"
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/tune_trial.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOWER_MAX 1.02 /* the upper end of the interval of the ratio */
#define LARGER_MAX 1.02
#define SEARCH_PAIRS ((size_t)5)
struct verify {
    const struct nt_verify *how;
    const struct nt_verify_calls *calls;
    struct nt_verified *out;
    struct nt_trials trials;
    char dir[4096], conf[4200], record[4200];
    double *values; /* of what is measured: six rows, one value a pair */
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

static int run(struct verify *v, enum nt_trial_kind kind, const char *more,
               struct nt_trial *out)
{
    static const char *const what[] = {
        [NT_TRIAL_WITHOUT] = "without the proposal",
        [NT_TRIAL_WITH] = "with the proposal",
        [NT_TRIAL_RECORD] = "sampled",
        [NT_TRIAL_RECORD_WITH] = "sampled, with the proposal",
    };
    int status;

    progress(v, what[kind]);
    if (interrupted || nt__trials_run(&v->trials, kind, more, out) != 0) {
        clear(v);
        if (!interrupted)
            nt__warn("the process that starts the program's runs is gone");
        return NT_EXIT_TOOL;
    }
    clear(v);
    v->done++;
    status = judge(v, out, what[kind]);
    v->expected = out->status;
    return status;
}

/* A sampled run, and what it wasted. */
static int record(struct verify *v, enum nt_trial_kind kind, struct nt_waste *waste)
{
    struct nt_trial t;
    int status = run(v, kind, v->out->more, &t);

    if (status == 0)
        status = v->calls->take(v->calls->context, v->record, waste);
    unlink(v->record);
    return status;
}

/* ---- pairs ------------------------------------------------------------------------------- */

/* How the program is run. */
struct side {
    enum nt_trial_kind kind;
    const char *more;
};

/* `n` pairs, and none is begun that may end after `until`. How many there were is left in
 * out->pairs. */
static int compare(struct verify *v, const struct side side[2], size_t n, double until,
                   struct nt_compared *out)
{
    double *a = v->values, begin = now();
    struct nt_trial t;

    out->pairs = 0;
    for (size_t i = 0; i < n; i++) {
        double spent = now() - begin;

        if (i > 0 && begin + spent + spent / (double)i > until)
            break;
        for (size_t k = 0; k < 2; k++) {
            size_t which = (i + k) % 2;
            int status = run(v, side[which].kind, side[which].more, &t);

            if (status != 0)
                return status;
            a[(0 + which) * n + i] = t.wall_s;
            a[(2 + which) * n + i] = t.cpu_s;
            a[(4 + which) * n + i] = t.rss_bytes;
        }
        out->pairs++;
    }
    v->all -= (unsigned)(2 * (n - out->pairs));
    if (out->pairs < 3)
        return 0;
    out->wall = nt__stats_ratio(a, a + n, out->pairs);
    out->cpu = nt__stats_ratio(a + 2 * n, a + 3 * n, out->pairs);
    out->rss = nt__stats_ratio(a + 4 * n, a + 5 * n, out->pairs);
    for (size_t k = 0; k < 2; k++) {
        out->wall_s[k] = nt__stats_median(a + k * n, out->pairs);
        out->cpu_s[k] = nt__stats_median(a + (2 + k) * n, out->pairs);
        out->rss_bytes[k] = nt__stats_median(a + (4 + k) * n, out->pairs);
    }
    return 0;
}

/* Why it is no better than before, whatever is gained; NULL: it is not worse. */
static const char *worse(const struct nt_compared *is)
{
    if (is->cpu.high > SLOWER_MAX)
        return "it may take more than 2 % more processor time: that is within the "
               "interval";
    if (is->wall.low > SLOWER_MAX)
        return "it takes more than 2 % longer";
    if (is->rss.high > LARGER_MAX)
        return "its resident peak may be more than 2 % larger";
    return NULL;
}

/* What decides. */
static void decide(struct nt_verified *o)
{
    double saved = o->without.waste - o->with.waste;
    double error =
        NT_TUNE_Z * NT_TUNE_Z *
        (o->without.error * o->without.error + o->with.error * o->with.error);
    bool less_waste = saved > 0 && saved * saved > error;
    bool more_waste = saved < 0 && saved * saved > error;

    o->why = worse(&o->is);
    if (o->why == NULL && more_waste)
        o->why =
            "it wastes more than without: aligned blocks, or sizes that go by what "
            "the program got, perhaps";
    if (o->why == NULL && !less_waste && o->is.rss.high >= 1 && o->is.cpu.high >= 1)
        o->why = "neither waste nor peak memory nor time is less, by their intervals";
    o->kept = o->why == NULL;
    if (o->kept)
        o->why = less_waste && o->is.rss.high < 1 ? "less waste and less peak memory"
                 : less_waste                     ? "less waste"
                 : o->is.rss.high < 1             ? "less peak memory"
                                                  : "less processor time";
}

/* ---- the search ------------------------------------------------------------------------------ */

/* Settings that no record can judge. Each is tried beside the best so far, as long as there is
 * time for all of its runs; it stays if it is better, by the intervals of few pairs. In the end
 * all that stayed is verified together. */
static int search(struct verify *v, bool reserves)
{
    static const struct {
        const char *setting;
        unsigned of; /* one value of each key is taken, the first that is better */
    } settings[] = {{"prefault:on", 0}, {"hugepages:thp", 1}, {"return:0", 2},
                    {"return:100", 2},  {"return:10000", 2},  {"slab:64K", 3},
                    {"slab:256K", 3},   {"slab:1M", 3}};
    struct nt_verified *o = v->out;
    double begin = now(), until = begin + v->how->search_s;
    double one = (begin - v->begin_s) / v->done; /* a run */
    bool taken[4] = {!reserves};                 /* a reserve is what is brought in */

    for (size_t i = 0; i < NT_ARRAY_LEN(settings); i++) {
        struct nt_tried *t = &o->tried[o->ntried];
        char more[sizeof o->more];
        struct side side[2] = {{NT_TRIAL_WITH, o->more}, {NT_TRIAL_WITH, more}};
        int status;

        if (taken[settings[i].of])
            continue;
        if (now() + 2 * SEARCH_PAIRS * one > until)
            return 0;
        nt__fmt_into(more, sizeof more, "%s%s%s", o->more,
                     o->more[0] != '\0' ? "," : "", settings[i].setting);
        t->setting = settings[i].setting;
        v->all += 2 * SEARCH_PAIRS;
        status = compare(v, side, SEARCH_PAIRS, until, &t->is);
        if (status != 0 || t->is.pairs < 3)
            return status;
        o->ntried++;
        t->kept = worse(&t->is) == NULL && (t->is.cpu.high < 1 || t->is.rss.high < 1);
        taken[settings[i].of] = t->kept;
        if (t->kept)
            memcpy(o->more, more, sizeof more);
    }
    return 0;
}

static int runs(struct verify *v)
{
    struct nt_verified *o = v->out;
    const struct side side[2] = {{NT_TRIAL_WITHOUT, ""}, {NT_TRIAL_WITH, o->more}};
    struct nt_proposed is = {0};
    int status = record(v, NT_TRIAL_RECORD, &o->without);

    if (status == 0)
        status = v->calls->propose(v->calls->context, v->conf, &is);
    if (status == 0 && v->how->search_s > 0)
        status = search(v, is.reserves || strstr(o->more, "reserve:") != NULL);
    if (status != 0)
        return status;
    o->predicted = is.predicted.waste;
    o->predicted_error = is.predicted.error;
    if (!is.is_one && o->more[0] == '\0') {
        o->why =
            "there is nothing to verify: the defaults are as good as what could be "
            "proposed";
        nt__warn("%s", o->why);
        return NT_EXIT_NOT_KEPT;
    }
    status = record(v, NT_TRIAL_RECORD_WITH, &o->with);
    if (status == 0)
        status = compare(v, side, v->how->runs, INFINITY, &o->is);
    if (status == 0) {
        o->exit_status = WEXITSTATUS(v->expected);
        decide(o);
    }
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
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
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
    v.values =
        nt__tool_memory(calloc(6 * nt__max(how->runs, SEARCH_PAIRS), sizeof *v.values));
    nt__fmt_into(out->more, sizeof out->more, "%s", how->with != NULL ? how->with : "");
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
