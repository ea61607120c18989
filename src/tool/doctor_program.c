/* SPDX-License-Identifier: MIT */
/*
 * The program: can a library be preloaded into it?
 *
 * It is not run. Its file is read, and if it is loaded by the loader that loads this tool,
 * that one is asked for the list of its libraries, as ldd does: what it would do at the
 * start, RUNPATH, LD_LIBRARY_PATH and all, short of running anything. Another loader might
 * take the question for an order.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/doctor.h"
#include "src/tool/report.h"
#include "src/tool/tool.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPTS_MOST 4 /* as the kernel */

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#define OWN_MACHINE EM_NONE
#endif

/* ---- finding it ------------------------------------------------------------------------- */

/* What "#!/usr/bin/env [-S] [NAME=VALUE] PROGRAM" looks for; NULL: nothing. */
static char *word_of_env(const char *line)
{
    char *copy = nt__form("%.*s", (int)strcspn(line, "\n"), line), *rest = copy, *word;
    char *found = NULL;
    strsep(&rest, " \t");
    while (found == NULL && (word = strsep(&rest, " \t")) != NULL)
        if (*word != '\0' && *word != '-' && strchr(word, '=') == NULL)
            found = nt__form("%s", word);
    free(copy);
    return found;
}

/* The file that is executed for the script `path`: NULL if it is none, or none was found. */
static char *interpreter_of(const char *path)
{
    char head[256] = "", interpreter[256], *found = NULL, *word;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd >= 0 ? read(fd, head, sizeof head - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n < 4 || !nt__program_script(head, interpreter, sizeof interpreter))
        return NULL;
    if (strcmp(basename(interpreter), "env") == 0 &&
        (word = word_of_env(head + 2 + strspn(head + 2, " \t"))) != NULL) {
        int err = nt__program_seek(word, &found);
        free(word);
        if (err == 0)
            return found;
    }
    return nt__form("%s", interpreter);
}

void nt__check_program(struct nt_doctor *d)
{
    const char *name = d->words[0];
    int err = nt__program_seek(name, &d->path);
    if (err != 0) {
        d->path = NULL;
        nt__doctor_say(d, "program", NT_LEVEL_PROBLEM,
                       nt__form("\"%.200s\" %s", name,
                                err == ENOENT ? "was not found" : nt__errno_text(err)),
                       "It cannot be run, with or without the library.",
                       strchr(name, '/') != NULL ? "Check the path, and that it may be "
                                                   "executed."
                                                 : "Check its name and PATH.");
        return;
    }
    d->scripts = nt__form("%s", d->path);
    for (int depth = 0; depth < SCRIPTS_MOST; depth++) {
        char *next = interpreter_of(d->path);
        if (next == NULL)
            break;
        d->scripts = nt__form("%s -> %s", d->scripts, next);
        free(d->path);
        d->path = next;
    }
    nt__binary_read(&d->binary, d->path);
    if (d->binary.is_elf)
        nt__doctor_say(d, "program", NT_LEVEL_OK, d->scripts,
                       strcmp(d->scripts, d->path) == 0
                           ? "It is an ELF file."
                           : "A script: what is said below is about its interpreter.",
                       "");
    else
        nt__doctor_say(
            d, "program", NT_LEVEL_NOTE, d->scripts,
            "It is no ELF file, so nothing more can be said of it; a shell may "
            "take it for a script.",
            "Begin a script with #! and its interpreter.");
}

/* ---- the loader ----------------------------------------------------------------------------- */

static const char static_text[] = "It is linked statically: no loader runs, so nothing "
                                  "is preloaded and nothing of it "
                                  "is counted.";

static void say_static(struct nt_doctor *d)
{
    nt__doctor_say(
        d, "loader", NT_LEVEL_PROBLEM, "none", static_text,
        d->binary.go ? "Go's heap is not malloc's anyway: use Go's own pprof."
        : d->binary.rust
            ? "Build it for a -gnu target and without -C target-feature=+crt-static."
            : "Link it without -static; or call nt_malloc and link libnumatally.a "
              "(docs/recipes.md).");
}

/* The list of libraries, by the loader, with or without ours. NULL: not to be had. */
static char *list_libraries(struct nt_doctor *d, bool with_ours)
{
    char *command[] = {d->binary.interpreter, d->path, NULL};
    char *preload =
        nt__form("LD_PRELOAD%s%s", with_ours ? "=" : "", with_ours ? d->library : "");
    const char *const changes[] = {"LD_TRACE_LOADED_OBJECTS=1", preload, NULL};
    int status = 0;
    char *text = nt__doctor_run(command, changes, true, &status);
    free(preload);
    return text;
}

static void ask_loader(struct nt_doctor *d)
{
    d->libraries = list_libraries(d, false);
    if (d->library == NULL)
        return; /* its own check says so */
    char *with = list_libraries(d, true);
    bool refuses = with != NULL && strstr(with, "cannot be preloaded") != NULL;
    if (with != NULL && !refuses && strstr(with, basename(d->library)) != NULL)
        nt__doctor_say(
            d, "loader", NT_LEVEL_OK,
            nt__form("%s takes %s", d->binary.interpreter, basename(d->library)),
            "The loader was asked, without running the program.", "");
    else
        nt__doctor_say(d, "loader", NT_LEVEL_PROBLEM,
                       nt__form("%s does not take the library", d->binary.interpreter),
                       refuses ? "It says that it cannot be preloaded."
                               : "It did not list it among the program's.",
                       nt__form("Try: LD_PRELOAD=%s ldd %s", d->library, d->path));
    free(with);
}

void nt__check_loader(struct nt_doctor *d)
{
    const struct nt_binary *b = &d->binary;
    struct nt_binary self;
    if (!b->is_elf)
        return;
    if (b->elf_class != ELFCLASS64 || b->machine != OWN_MACHINE) {
        nt__doctor_say(
            d, "loader", NT_LEVEL_PROBLEM,
            nt__form("%d-bit %s", b->elf_class == ELFCLASS64 ? 64 : 32,
                     nt__binary_machine(b->machine)),
            nt__form("The library is for 64-bit %s; the loader leaves it out "
                     "and complains.",
                     nt__binary_machine(OWN_MACHINE)),
            "Build numatally for that machine, or the program for this one.");
        return;
    }
    if (b->interpreter == NULL) {
        say_static(d);
        return;
    }
    nt__binary_read(&self, "/proc/self/exe");
    bool ours =
        self.interpreter != NULL && strcmp(self.interpreter, b->interpreter) == 0;
    nt__binary_free(&self);
    if (access(b->interpreter, X_OK) != 0)
        nt__doctor_say(
            d, "loader", NT_LEVEL_PROBLEM, b->interpreter,
            "The program asks for this loader, and it is not here: it does not "
            "start.",
            "It was built for another system: build it here, or install that "
            "system's libc.");
    else if (strstr(b->interpreter, "musl") != NULL)
        nt__doctor_say(d, "loader", NT_LEVEL_PROBLEM, b->interpreter,
                       "The program uses musl, and the library is built for glibc: "
                       "preloaded, it keeps the program from starting.",
                       "Build the program against glibc.");
    else if (ours)
        ask_loader(d);
    else
        nt__doctor_say(
            d, "loader", NT_LEVEL_NOTE, b->interpreter,
            "Not the loader that this tool was built for. It was not asked.",
            "If numatally run reports no figures, build the program with this "
            "system's loader.");
}

void nt__check_rights(struct nt_doctor *d)
{
    struct stat st;
    if (stat(d->path, &st) == 0 && nt__program_gains_rights(d->path, &st))
        nt__doctor_say(
            d, "rights", NT_LEVEL_PROBLEM,
            "it gains rights when it starts (setuid, setgid or capabilities)",
            "Then the loader ignores LD_PRELOAD, and the library its "
            "settings: nothing is counted.",
            "Measure a copy without these rights, or run it as the user whose "
            "rights it gains.");
    else
        nt__doctor_say(d, "rights", NT_LEVEL_OK, "it gains none when it starts",
                       "So it may be preloaded.", "");
}
