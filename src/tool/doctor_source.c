/* SPDX-License-Identifier: MIT */
/*
 * Where doctor's knowledge comes from. Files of the system are read below a root, so that a
 * test, or the copy of somebody else's /proc and /sys, can stand for the machine.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/doctor.h"
#include "src/tool/report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILE_MOST (256 * 1024)
#define RUN_MOST_MS 20000

char *nt__form(const char *format, ...)
{
    char *text;
    va_list ap;

    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = nt__tool_memory(NULL);
    va_end(ap);
    return text;
}

/* ---- files ------------------------------------------------------------------------ */

/* All that `fd` has to say until `end_ms`, at most FILE_MOST bytes of it kept. NULL: it went
 * on for longer. */
static char *read_all(int fd, int64_t end_ms)
{
    char *text = nt__tool_memory(malloc(FILE_MOST + 1)), spill[4096];
    size_t length = 0;
    ssize_t n = 1;

    while (n != 0) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        int64_t left = end_ms - (t.tv_sec * 1000 + t.tv_nsec / 1000000);
        if (end_ms != 0 && (left <= 0 || poll(&wait, 1, (int)left) == 0)) {
            free(text);
            return NULL;
        }
        bool full = length == FILE_MOST;
        n = read(fd, full ? spill : text + length,
                 full ? sizeof spill : FILE_MOST - length);
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0 && !full)
            length += (size_t)n;
    }
    while (length > 0 && strchr(" \t\n", text[length - 1]) != NULL)
        length--;
    text[length] = '\0';
    return text;
}

char *nt__doctor_file(const struct nt_doctor *d, const char *path)
{
    char *full = nt__form("%s%s", d->root, path), *text;
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    free(full);
    if (fd < 0)
        return NULL;
    text = read_all(fd, 0);
    close(fd);
    return text;
}

bool nt__doctor_number(const struct nt_doctor *d, const char *path, uint64_t *n)
{
    char *text = nt__doctor_file(d, path), *end = text;

    if (text != NULL && *text >= '0' && *text <= '9')
        *n = strtoull(text, &end, 10);
    bool found = end != text;
    free(text);
    return found;
}

char *nt__doctor_field(const struct nt_doctor *d, const char *path, const char *key)
{
    char *text = nt__doctor_file(d, path), *found = NULL;
    size_t length = strlen(key);

    for (char *line = text; line != NULL && found == NULL;) {
        if (strncmp(line, key, length) == 0 && line[length] == ':') {
            line += length + 1;
            line += strspn(line, " \t");
            found = nt__tool_memory(strndup(line, strcspn(line, "\n")));
        }
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    free(text);
    return found;
}

uint64_t nt__doctor_bytes(const struct nt_doctor *d, const char *path, const char *key)
{
    char *text = nt__doctor_field(d, path, key);
    uint64_t kib = text != NULL ? strtoull(text, NULL, 10) : 0;

    free(text);
    return kib * 1024;
}

bool nt__doctor_may(const struct nt_doctor *d, const char *path, int rights)
{
    char *full = nt__form("%s%s", d->root, path);
    bool may = access(full, rights) == 0;

    free(full);
    return may;
}

/* ---- other processes ---------------------------------------------------------------- */

static _Noreturn void become(char *const *command, const char *const *changes, int out,
                             bool with_output)
{
    /* These make the loader say what was not asked. */
    static const char *const talk[] = {"LD_DEBUG", "LD_DEBUG_OUTPUT", "LD_SHOW_AUXV",
                                       "LD_VERBOSE", "LD_WARN"};
    int nowhere = open("/dev/null", O_RDWR);

    dup2(nowhere, STDIN_FILENO);
    dup2(with_output ? out : nowhere, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    for (size_t i = 0; i < NT_ARRAY_LEN(talk); i++)
        unsetenv(talk[i]);
    for (; *changes != NULL; changes++)
        if (putenv((char *)*changes) != 0)
            _exit(NT_EXIT_TOOL);
    execv(command[0], command);
    _exit(NT_EXIT_NOT_EXECUTABLE);
}

char *nt__doctor_run(char *const *command, const char *const *changes, bool with_output,
                     int *status)
{
    struct timespec t;
    int ends[2];
    char *text;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0)
        become(command, changes, ends[1], with_output);
    close(ends[1]);
    clock_gettime(CLOCK_MONOTONIC, &t);
    text = pid < 0
               ? NULL
               : read_all(ends[0], t.tv_sec * 1000 + t.tv_nsec / 1000000 + RUN_MOST_MS);
    close(ends[0]);
    if (pid > 0) {
        if (text == NULL)
            kill(pid, SIGKILL);
        while (waitpid(pid, status, 0) < 0 && errno == EINTR)
            ;
    }
    return text;
}

void nt__doctor_settings(struct nt_conf *conf)
{
    size_t length = 0;
    ssize_t n = 1;
    int ends[2];

    *conf = *nt__conf();
    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        nt__conf_load();
        _exit(nt__write_all(ends[1], (const char *)nt__conf(), sizeof *conf) != 0);
    }
    close(ends[1]);
    while (pid > 0 && n > 0 && length < sizeof *conf) {
        n = read(ends[0], (char *)conf + length, sizeof *conf - length);
        length += n > 0 ? (size_t)n : 0;
    }
    close(ends[0]);
    if (length != sizeof *conf)
        *conf = *nt__conf();
    if (pid > 0)
        waitpid(pid, NULL, 0);
}
