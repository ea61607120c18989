/* SPDX-License-Identifier: MIT */
/*
 * The driver of the bench programs: options, clocks, and the line that run.py reads.
 *
 *   PROGRAM [--list] [--case NAME] [--ms N | --steps N]
 *
 * --list    one line per case: its name, then "counted" if the instruction mode fits it
 *           and "slow" if quick runs leave it out. Cases for which this machine has too
 *           little memory are named on stderr instead
 * --case    only this case (without it: all of them, one after the other)
 * --ms      repeat steps for so many milliseconds (default 100), after a tenth of that
 *           as warm-up
 * --steps   N steps of warm-up, then exactly N steps: for counting instructions. Between
 *           the two bench_mark() is called, at which callgrind is told to start from zero.
 *
 * Output, one line per case, fields NAME=VALUE separated by blanks:
 *   case unit threads ops   what was done
 *   wall_ns cpu_ns          nanoseconds per operation by the clock, by CPU time
 *   faults                  minor page faults per operation
 *   peak_kib                the most memory the process ever had resident (VmHWM), 0: unknown
 *   ...                     figures of the program's own, if it has any
 *   malloc                  the file that malloc came from; last, for it may hold blanks
 */
#define _GNU_SOURCE
#include "bench.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct options {
    const char *only; /* case name, NULL: all */
    uint64_t budget_ns;
    uint64_t steps; /* 0: by time */
    int list;
};

enum { FIGURES_MOST = 4, STATUS_SKIPPED = 77 };

/* Figures of the case that runs, besides the common ones. */
static struct {
    unsigned count;
    struct figure {
        const char *name;
        double value;
    } figure[FIGURES_MOST];
} extra;

struct reading {
    uint64_t wall_ns;
    uint64_t cpu_ns;
    uint64_t faults;
};

void bench_mark(void);

/* Only its name matters: callgrind zeroes its counts on entry. */
__attribute__((noinline)) void bench_mark(void)
{
    __asm__ volatile("" ::: "memory");
}

_Noreturn void bench_no_memory(void)
{
    static const char text[] =
        "bench: the allocator returned NULL: not enough memory for "
        "this case on this machine\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    _exit(written < 0 ? 4 : 3);
}

_Noreturn void bench_wrong(const char *what)
{
    fprintf(stderr, "bench: a result is wrong: %s\n", what);
    exit(3);
}

void bench_figure(const char *name, double value)
{
    unsigned at = 0;
    while (at < extra.count && strcmp(extra.figure[at].name, name) != 0)
        at++;
    if (at == FIGURES_MOST)
        bench_wrong("a program has more figures than bench.c keeps");
    extra.figure[at] = (struct figure){name, value};
    extra.count += at == extra.count;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct reading read_clocks(void)
{
    struct rusage used = {0};
    getrusage(RUSAGE_SELF, &used); /* cannot fail, with these arguments */
    return (struct reading){.wall_ns = clock_ns(CLOCK_MONOTONIC),
                            .cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID),
                            .faults = (uint64_t)used.ru_minflt};
}

/* The number behind a word in a file of /proc, such as KiB; 0: unknown. */
static uint64_t number_in(const char *path, const char *word)
{
    char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    const char *at = strstr(text, word);
    return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

/*
 * The resident peak of this process image alone. getrusage would carry over what the
 * parent had resident before exec.
 */
static uint64_t peak_kib(void)
{
    return number_in("/proc/self/status", "VmHWM:");
}

/* Whether the machine has the memory for a case; says so if not. */
static int has_memory(const struct bench_case *c)
{
    uint64_t need = c->memory / 1024;
    uint64_t have = need ? number_in("/proc/meminfo", "MemAvailable:") : 0;
    if (have >= need)
        return 1;
    fprintf(stderr,
            "bench: %s left out: it needs %" PRIu64 " MiB, and %" PRIu64
            " MiB are available\n",
            c->name, need / 1024, have / 1024);
    return 0;
}

static const char *malloc_file(void)
{
    void *(*function)(size_t) = malloc;
    void *address = NULL;
    Dl_info info;
    memcpy(&address, &function, sizeof address);
    return dladdr(address, &info) && info.dli_fname ? info.dli_fname : "?";
}

static uint64_t run_steps(const struct bench_case *c, uint64_t steps)
{
    uint64_t ops = 0;
    for (uint64_t i = 0; i < steps; i++)
        ops += c->step(c);
    return ops;
}

/* Repeats steps until the time is over; at least one. */
static uint64_t run_time(const struct bench_case *c, uint64_t budget_ns)
{
    uint64_t end = clock_ns(CLOCK_MONOTONIC) + budget_ns;
    uint64_t ops = 0;
    do
        ops += c->step(c);
    while (clock_ns(CLOCK_MONOTONIC) < end);
    return ops;
}

static void run_case(const struct bench_case *c, const struct options *options)
{
    uint64_t ops;

    extra.count = 0;
    if (c->begin)
        c->begin(c);
    if (options->steps)
        run_steps(c, options->steps);
    else
        run_time(c, options->budget_ns / 10);
    struct reading start = read_clocks();
    bench_mark();
    if (options->steps)
        ops = run_steps(c, options->steps);
    else
        ops = run_time(c, options->budget_ns);
    struct reading end = read_clocks();
    printf("case=%s unit=%s threads=%u ops=%" PRIu64
           " wall_ns=%.3f cpu_ns=%.3f faults=%.6f peak_kib=%" PRIu64,
           c->name, c->unit, c->threads, ops,
           (double)(end.wall_ns - start.wall_ns) / (double)ops,
           (double)(end.cpu_ns - start.cpu_ns) / (double)ops,
           (double)(end.faults - start.faults) / (double)ops, peak_kib());
    for (unsigned i = 0; i < extra.count; i++)
        printf(" %s=%.3f", extra.figure[i].name, extra.figure[i].value);
    printf(" malloc=%s\n", malloc_file());
}

/* A whole number from 1 to a billion; 0 if it is none. */
static uint64_t parse_count(const char *text)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return 0;
    uint64_t value = strtoull(text, &end, 10);
    return *end == '\0' && value <= 1000000000u ? value : 0;
}

static int usage(const char *program, const char *argument, const char *wrong)
{
    fprintf(
        stderr,
        "%s: %s: %s\nusage: %s [--list] [--case NAME] [--ms N | --steps N], N from 1 "
        "to 1000000000\n",
        program, argument, wrong, program);
    return 2;
}

/* Reads the command line; 0, or the exit status of a usage error. */
static int parse_options(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--list")) {
            options->list = 1;
            continue;
        }
        if (!strcmp(argv[i], "--case") && value) {
            options->only = value;
        } else if (!strcmp(argv[i], "--ms") && parse_count(value)) {
            options->budget_ns = parse_count(value) * 1000000u;
        } else if (!strcmp(argv[i], "--steps") && parse_count(value)) {
            options->steps = parse_count(value);
        } else {
            return usage(argv[0], argv[i], "unknown, or its value is missing or wrong");
        }
        i++;
    }
    return 0;
}

int bench_main(int argc, char **argv, const struct bench_case *cases, size_t count)
{
    struct options options = {.budget_ns = 100000000u};
    size_t matched = 0, skipped = 0;
    int status = parse_options(argc, argv, &options);

    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (options.only && strcmp(options.only, cases[i].name) != 0)
            continue;
        matched++;
        if (!has_memory(&cases[i]))
            skipped++;
        else if (options.list)
            printf("%s%s%s\n", cases[i].name, cases[i].counted ? " counted" : "",
                   cases[i].slow ? " slow" : "");
        else
            run_case(&cases[i], &options);
    }
    if (!matched)
        return usage(argv[0], options.only, "no such case (--list names them)");
    if (fflush(stdout))
        return 1;
    return options.only && skipped ? STATUS_SKIPPED : 0;
}
