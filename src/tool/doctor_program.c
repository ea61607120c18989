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
#include <link.h>
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

/* What "#!/usr/bin/env PROGRAM" looks for; behind -S the first word that is neither an option
 * nor NAME=VALUE. Without -S the kernel makes one word of the rest of the line. NULL: who
 * knows. */
static char *word_of_env(const char *line)
{
    char *copy = nt__form("%.*s", (int)strcspn(line, "\n"), line), *found = NULL;
    char *rest = copy + strcspn(copy, " \t"), *word;
    size_t end = strlen(copy);

    while (end > 0 && strchr(" \t", copy[end - 1]) != NULL)
        copy[--end] = '\0';
    rest += strspn(rest, " \t");
    if (*rest != '-')
        found = *rest != '\0' ? nt__form("%s", rest) : NULL;
    else if (strncmp(rest, "-S", 2) == 0 || strncmp(rest, "--split-string", 14) == 0)
        while (found == NULL && (word = strsep(&rest, " \t")) != NULL)
            if (*word != '\0' && *word != '-' && strchr(word, '=') == NULL)
                found = nt__form("%s", word);
    free(copy);
    return found;
}

/* Who is executed for the script `path`: a path, or what env looks for. NULL: it is none. */
static char *interpreter_of(const char *path)
{
    char head[256] = "", interpreter[256], *word;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd >= 0 ? read(fd, head, sizeof head - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n < 4 || !nt__program_script(head, interpreter, sizeof interpreter))
        return NULL;
    char *line = head + 2 + strspn(head + 2, " \t");
    /* A path that is cut off is none for the kernel. */
    if (line + strlen(interpreter) == head + sizeof head - 1)
        return NULL;
    if (strcmp(basename(interpreter), "env") == 0 && (word = word_of_env(line)) != NULL)
        return word;
    return nt__form("%s%s", strchr(interpreter, '/') == NULL ? "./" : "", interpreter);
}

/* Say that `name`, which is to run the script, cannot. */
static void say_no_interpreter(struct nt_doctor *d, const char *name, int err)
{
    bool carriage = name[strlen(name) - 1] == '\r';
    nt__doctor_say(
        d, "program", NT_LEVEL_PROBLEM,
        nt__form("%s -> \"%s\" %s", d->scripts, name,
                 err == ENOENT ? "was not found" : nt__errno_text(err)),
        "Its first line names an interpreter that cannot be run, so it does "
        "not start, with or without the library.",
        carriage ? "Its lines end in a carriage return, which is taken for a "
                   "part of the name: take them out (dos2unix)."
        : strpbrk(name, " \t") != NULL
            ? "Without -S, env takes the rest of the line for one name: "
              "#!/usr/bin/env -S PROGRAM ARGUMENTS."
            : "Install it, or correct the line; behind env it is looked for in "
              "PATH.");
    free(d->path);
    d->path = NULL;
}

static void say_program(struct nt_doctor *d)
{
    if (d->binary.is_elf)
        nt__doctor_say(d, "program", NT_LEVEL_OK, d->scripts,
                       strcmp(d->scripts, d->path) == 0
                           ? "It is an ELF file."
                           : "A script: what is said below is about its interpreter.",
                       "");
    else if (access(d->path, R_OK) != 0)
        nt__doctor_say(
            d, "program", NT_LEVEL_NOTE, d->scripts,
            "It may be executed but not read, so nothing more can be said of "
            "it.",
            "Run doctor as somebody who may read it.");
    else
        nt__doctor_say(
            d, "program", NT_LEVEL_NOTE, d->scripts,
            "It is no ELF program, so nothing more can be said of it; a shell may "
            "take it for a script.",
            "Begin a script with #! and its interpreter.");
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
        char *next = interpreter_of(d->path), *found;
        if (next == NULL)
            break;
        if ((err = nt__program_seek(next, &found)) != 0) {
            say_no_interpreter(d, next, err);
            return;
        }
        free(next);
        d->scripts = nt__form("%s -> %s", d->scripts, found);
        free(d->path);
        d->path = found;
    }
    nt__binary_read(&d->binary, d->path);
    say_program(d);
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

/* Was this tool loaded by the loader `name`? It is asked in memory, where no /proc is needed;
 * only the program itself has one. */
static int is_interpreter(struct dl_phdr_info *info, size_t size, void *name)
{
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_INTERP)
            return strcmp((const char *)(info->dlpi_addr + p->p_vaddr), name) == 0;
    }
    return 0;
}

void nt__check_loader(struct nt_doctor *d)
{
    const struct nt_binary *b = &d->binary;
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
    if (b->library) {
        nt__doctor_say(d, "loader", NT_LEVEL_NOTE, "none",
                       "It is a library, or a loader, which preloads into the program "
                       "that it is given; what that is was not looked at.",
                       "Name the program itself.");
        return;
    }
    if (b->interpreter == NULL) {
        say_static(d);
        return;
    }
    bool ours = dl_iterate_phdr(is_interpreter, b->interpreter) != 0;
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
