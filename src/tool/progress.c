/* SPDX-License-Identifier: MIT */
#include "src/tool/progress.h"
#include "src/base/base.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NS 1000000000 /* after so long it is shown, */
#define NEXT_NS 100000000   /* and then drawn so often */
#define WIDTH_MAX 72
#define AROUND 36 /* columns beside the bar itself */

struct work {
    uint64_t total, done;
};

static struct {
    struct work reading; /* bytes */
    struct work naming;  /* addresses */
    bool names;          /* it is these now */
    bool apart;          /* nobody else writes to the terminal */
    uint64_t next_ns;    /* when it is drawn; 0: never */
    int width;           /* columns that are drawn on now */
} P;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool is_terminal(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && term != NULL && term[0] != '\0' &&
           strcmp(term, "dumb") != 0;
}

void nt__progress_apart(void)
{
    P.apart = true;
}

void nt__progress_begin(char *const *paths, size_t n)
{
    struct stat st;

    for (size_t i = 0; i < n; i++)
        if (stat(paths[i], &st) == 0 && S_ISREG(st.st_mode))
            P.reading.total += (uint64_t)st.st_size;
    if (P.reading.total > 0 && is_terminal())
        P.next_ns = now_ns() + FIRST_NS;
}

static void draw(const struct work *work)
{
    struct winsize size;
    int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0
                      ? size.ws_col - 1
                      : WIDTH_MAX;
    char bar[WIDTH_MAX + 1], of[32];
    double part = (double)nt__min(work->done, work->total) / (double)work->total;
    int cells = (columns < WIDTH_MAX ? columns : WIDTH_MAX) - AROUND;

    if (cells < 1)
        return;
    for (int i = 0; i < cells; i++)
        bar[i] = i < (int)(part * cells) ? '#' : '.';
    bar[cells] = '\0';
    if (P.names)
        snprintf(of, sizeof of, "%llu addresses", (unsigned long long)work->total);
    else
        snprintf(of, sizeof of, "%.1f MiB", (double)work->total / NT_MIB);
    if (P.width > 0)
        fprintf(stderr, "\r%*s", P.width, "");
    P.width = fprintf(stderr, "\r%s [%s] %3.0f %% of %s",
                      P.names ? "naming" : "reading", bar, 100 * part, of);
}

static void add(struct work *work, size_t more)
{
    work->done += more;
    if (P.next_ns == 0 || work->total == 0 || now_ns() < P.next_ns)
        return;
    draw(work);
    P.next_ns = now_ns() + NEXT_NS;
}

void nt__progress_add(size_t bytes)
{
    add(&P.reading, bytes);
}

void nt__progress_naming(size_t addresses)
{
    P.names = true;
    P.naming = (struct work){.total = P.apart ? addresses : 0};
}

void nt__progress_named(void)
{
    if (P.names)
        add(&P.naming, 1);
}

void nt__progress_reading(void)
{
    nt__progress_clear();
    P.names = false;
}

void nt__progress_clear(void)
{
    if (P.width == 0)
        return;
    fprintf(stderr, "\r%*s\r", P.width, "");
    P.width = 0;
    P.next_ns = 1; /* the work goes on: at once */
}
