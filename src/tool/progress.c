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
#define AROUND 34 /* columns beside the bar itself */

static struct {
    uint64_t total, done; /* bytes */
    uint64_t next_ns;     /* when it is drawn; 0: never */
    int width;            /* columns that are drawn on now */
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

void nt__progress_begin(char *const *paths, size_t n)
{
    struct stat st;

    for (size_t i = 0; i < n; i++)
        if (stat(paths[i], &st) == 0 && S_ISREG(st.st_mode))
            P.total += (uint64_t)st.st_size;
    if (P.total > 0 && is_terminal())
        P.next_ns = now_ns() + FIRST_NS;
}

static void draw(void)
{
    struct winsize size;
    int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0
                      ? size.ws_col - 1
                      : WIDTH_MAX;
    char bar[WIDTH_MAX + 1];
    double part = (double)nt__min(P.done, P.total) / (double)P.total;
    int cells = (columns < WIDTH_MAX ? columns : WIDTH_MAX) - AROUND;

    if (cells < 1)
        return;
    for (int i = 0; i < cells; i++)
        bar[i] = i < (int)(part * cells) ? '#' : '.';
    bar[cells] = '\0';
    P.width = fprintf(stderr, "\rreading [%s] %3.0f %% of %.1f MiB", bar, 100 * part,
                      (double)P.total / NT_MIB);
}

void nt__progress_add(size_t bytes)
{
    P.done += bytes;
    if (P.next_ns == 0 || now_ns() < P.next_ns)
        return;
    draw();
    P.next_ns = now_ns() + NEXT_NS;
}

void nt__progress_clear(void)
{
    if (P.width == 0)
        return;
    fprintf(stderr, "\r%*s\r", P.width, "");
    P.width = 0;
    P.next_ns = 1; /* the work goes on: at once */
}
