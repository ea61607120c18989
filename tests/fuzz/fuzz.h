/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share: one function that takes bytes and does what they say, a reader
 * of such bytes that never ends, and a check that stops the program.
 *
 * A target is one file here. libFuzzer calls it in the preset fuzz (./dev fuzz); everywhere
 * else replay.c does, with each file of corpus/TARGET: a unit test. So a crash that was
 * found becomes a regression test by putting its file there.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FUZZ_CHECK(x) ((x) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #x))

static inline _Noreturn void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
    abort();
}

/* ---- bytes ------------------------------------------------------------------------- */

struct fuzz_bytes {
    const uint8_t *at, *end;
};

/* The next byte; 0 when there are no more. */
static inline unsigned fuzz_byte(struct fuzz_bytes *b)
{
    return b->at < b->end ? *b->at++ : 0;
}

static inline unsigned fuzz_word(struct fuzz_bytes *b)
{
    unsigned low = fuzz_byte(b);

    return low | fuzz_byte(b) << 8;
}

/* What stands up to the byte `end`, as a text to be freed. */
static inline char *fuzz_text(struct fuzz_bytes *b, uint8_t end)
{
    const uint8_t *stop = b->at;
    char *text;

    while (stop < b->end && *stop != end)
        stop++;
    text = malloc((size_t)(stop - b->at) + 1);
    if (text == NULL)
        abort();
    memcpy(text, b->at, (size_t)(stop - b->at));
    text[stop - b->at] = '\0';
    b->at = stop < b->end ? stop + 1 : stop;
    return text;
}

/* ---- files ------------------------------------------------------------------------- */

/* A file in memory that holds the bytes; its path, for as long as it is open, is in
 * path[32]. */
static inline int fuzz_file(const void *bytes, size_t size, char *path)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

/* A stream of a file in memory: formats are written to descriptors, too. */
static inline FILE *fuzz_stream(void)
{
    FILE *f = fdopen(memfd_create("fuzz", MFD_CLOEXEC), "w+");

    if (f == NULL)
        abort();
    return f;
}

/* What was written to it, to be freed; it is closed. */
static inline char *fuzz_written(FILE *f, size_t *bytes)
{
    off_t size;
    char *text;

    if (fflush(f) != 0 || ferror(f) || (size = lseek(fileno(f), 0, SEEK_END)) < 0 ||
        (text = malloc((size_t)size + 1)) == NULL ||
        pread(fileno(f), text, (size_t)size, 0) != size)
        abort();
    fclose(f);
    text[size] = '\0';
    *bytes = (size_t)size;
    return text;
}

/* Where nobody looks. */
static inline FILE *fuzz_nowhere(void)
{
    static FILE *nowhere;

    if (nowhere == NULL && (nowhere = fopen("/dev/null", "we")) == NULL)
        abort();
    return nowhere;
}

#endif
