/* SPDX-License-Identifier: MIT */
/*
 * Run an act in a forked child: for what ends a process, or must begin in a fresh one.
 * The act returns 0 when all was well. Inside it, CHECK instead of cmocka's asserts.
 */
#ifndef NT_TESTS_CHILD_H
#define NT_TESTS_CHILD_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CHECK(x)                                                                       \
    do {                                                                               \
        if (!(x)) {                                                                    \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x);            \
            return 1;                                                                  \
        }                                                                              \
    } while (0)

/* The status that waitpid gives; what the child wrote on stderr is put in `text`. */
static inline int child_status(int (*act)(void), char *text, size_t size)
{
    int ends[2], status = -1;
    fflush(NULL);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static const int caught[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS};
        for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++)
            signal(caught[i], SIG_DFL); /* cmocka's own handlers would go on here */
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        exit(act());
    }
    close(ends[1]);
    size_t length = 0;
    char byte;
    while (read(ends[0], &byte, 1) == 1)
        if (length < size - 1)
            text[length++] = byte;
    text[length] = '\0';
    char *emulator = strstr(text, "qemu: uncaught target signal");
    if (emulator)
        *emulator = '\0'; /* its own words on stderr, in a cross build */
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* 0 when the act returned 0; else what became of it is on stderr. For acts within acts. */
static inline int child_failed(int (*act)(void))
{
    char text[4096];
    int status = child_status(act, text, sizeof text);
    if (status != 0)
        fprintf(stderr, "child ended with status 0x%x and said: %s", (unsigned)status,
                text);
    return status;
}

/* The act must return 0. */
static inline void child_ok(int (*act)(void))
{
    if (child_failed(act) != 0)
        fail();
}

/* For ACT: a test that is an act. */
static inline void child_test(void **state)
{
    child_ok(*(int (**)(void)) * state);
}

/* act_NAME as a test of that name, in a list of cmocka's. */
#define ACT(name) ACT_NAMED(#name, act_##name)
#define ACT_NAMED(name, act)                                                           \
    {                                                                                  \
        name, child_test, NULL, NULL, &(int (*[])(void))                               \
        {                                                                              \
            act                                                                        \
        }                                                                              \
    }

/* The act must abort with one line that contains `words`. */
static inline void child_aborts(int (*act)(void), const char *words)
{
    char text[4096];
    int status = child_status(act, text, sizeof text);
    const char *line = strchr(text, '\n');
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(text, words))
        fail_msg("child ended with status 0x%x, not by abort with '%s', and said: %s",
                 (unsigned)status, words, text);
    if (!line || line[1] != '\0')
        fail_msg("not one line: %s", text);
}

/* The call returns NULL, and why in errno. */
#define ASSERT_FAILS(call, error)                                                      \
    do {                                                                               \
        errno = 0;                                                                     \
        void *volatile result = call;                                                  \
        assert_null(result);                                                           \
        assert_int_equal(errno, error);                                                \
    } while (0)

#endif
