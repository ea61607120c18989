/* SPDX-License-Identifier: MIT */
/*
 * What is in the program and what it is linked to: another malloc, a sanitizer, an MPI, and
 * where its libraries come from.
 *
 * The order in which the loader looks for a name is: the program, what is preloaded, what
 * the program is linked to. So a malloc inside the program is before ours, one that is
 * linked is behind it.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/doctor.h"
#include "src/tool/tool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* ---- whose malloc ----------------------------------------------------------------------------- */

static const struct {
    unsigned has;
    const char *name;
} allocators[] = {{NT_HAS_JEMALLOC, "jemalloc"},
                  {NT_HAS_TCMALLOC, "tcmalloc"},
                  {NT_HAS_MIMALLOC, "mimalloc"},
                  {NT_HAS_TBBMALLOC, "tbbmalloc"}};

/* The next library of the loader's list into `name`; `*at` goes on. */
static bool next_library(const char **at, char *name, size_t size, bool *missing)
{
    while (*at != NULL && **at != '\0') {
        const char *line = *at;
        size_t length = strcspn(line + 1, " \n");
        *at = strchr(line, '\n');
        if (*at != NULL)
            ++*at;
        if (*line != '\t' || length == 0)
            continue; /* the loader's complaints */
        nt__fmt_into(name, size, "%.*s", (int)length, line + 1);
        *missing = strncmp(line + 1 + length, " => not found", 13) == 0;
        return true;
    }
    return false;
}

static void say_linked(struct nt_doctor *d, const char *library)
{
    bool own_names = false;
    for (size_t i = 0; i < NT_ARRAY_LEN(allocators); i++)
        own_names |= (d->binary.has & allocators[i].has) != 0;
    nt__doctor_say(
        d, "malloc", NT_LEVEL_NOTE, nt__form("%s is linked", library),
        own_names
            ? "What is preloaded comes before it, so malloc and free are counted; "
              "what the program asks for by the allocator's own names is not."
            : "What is preloaded comes before it: the program gets this library's "
              "malloc, and what it tells the other by its own names or environment "
              "has no effect.",
        "To measure the program as it is, build it without that allocator.");
}

void nt__check_malloc(struct nt_doctor *d)
{
    const struct nt_binary *b = &d->binary;
    const char *inside = NULL, *at = d->libraries;
    char name[256];
    bool missing, said = false;
    if (!b->is_elf)
        return;
    for (size_t i = 0; i < NT_ARRAY_LEN(allocators) && inside == NULL; i++)
        if ((b->has & allocators[i].has) != 0)
            inside = allocators[i].name;
    while (next_library(&at, name, sizeof name, &missing)) {
        if (nt__malloc_of_library(basename(name)) == NULL)
            continue;
        said = true;
        say_linked(d, basename(name));
    }
    /* A static program has libc's own, which is no choice of anybody's. */
    if ((b->has & NT_HAS_MALLOC) != 0 && b->interpreter != NULL &&
        (b->has & (NT_HAS_ASAN | NT_HAS_TSAN | NT_HAS_MSAN)) == 0)
        nt__doctor_say(
            d, "malloc", NT_LEVEL_PROBLEM,
            nt__form("the program has its own%s%s%s", inside != NULL ? " (" : "",
                     inside != NULL ? inside : "", inside != NULL ? ")" : ""),
            "What a program defines comes before what is preloaded: its allocations go "
            "to its own malloc and are not counted.",
            "Build it without that allocator (as its build options have it), or link "
            "libnumatally_malloc in its place.");
    else if (inside != NULL && !said)
        nt__doctor_say(d, "malloc", NT_LEVEL_NOTE,
                       nt__form("%s, by its own names", inside),
                       "malloc is this library's; what the program asks of the other "
                       "by the other's "
                       "own names is not counted.",
                       "Build it without that allocator to have all counted.");
    else if (!said)
        nt__doctor_say(
            d, "malloc", NT_LEVEL_OK, "no other than libc's",
            "No other allocator is linked; one that it loads while it runs is "
            "not seen.",
            "");
}

void nt__check_sanitizer(struct nt_doctor *d)
{
    static const struct {
        unsigned has;
        const char *library, *name;
    } known[] = {{NT_HAS_ASAN, "libasan", "AddressSanitizer"},
                 {NT_HAS_TSAN, "libtsan", "ThreadSanitizer"},
                 {NT_HAS_MSAN, "libmsan", "MemorySanitizer"},
                 {0, "libhwasan", "HWAddressSanitizer"},
                 {0, "liblsan", "LeakSanitizer"}};
    const char *found = NULL, *at = d->libraries;
    char name[256];
    bool missing;
    if (!d->binary.is_elf)
        return;
    for (size_t i = 0; i < NT_ARRAY_LEN(known); i++)
        if ((d->binary.has & known[i].has) != 0)
            found = known[i].name;
    while (next_library(&at, name, sizeof name, &missing))
        for (size_t i = 0; i < NT_ARRAY_LEN(known); i++)
            if (strncmp(basename(name), known[i].library, strlen(known[i].library)) ==
                0)
                found = known[i].name;
    if (found != NULL)
        nt__doctor_say(
            d, "sanitizer", NT_LEVEL_PROBLEM, found,
            "It is a malloc itself and wants to come first: with another one "
            "preloaded the program stops at its start or finds no leaks, or nothing "
            "is counted.",
            "Build without -fsanitize for measuring.");
    else
        nt__doctor_say(d, "sanitizer", NT_LEVEL_OK, "none",
                       "No sanitizer wants to be malloc.", "");
}

/* ---- its libraries ---------------------------------------------------------------------------- */

void nt__check_runpath(struct nt_doctor *d)
{
    const char *tag = d->binary.rpath ? "RPATH" : "RUNPATH";
    char *list, *folder;
    bool relative = false;
    if (!d->binary.is_elf || d->binary.interpreter == NULL)
        return;
    if (d->binary.runpath == NULL) {
        nt__doctor_say(d, "runpath", NT_LEVEL_OK, "none",
                       "Libraries are where the system has them, or LD_LIBRARY_PATH.",
                       "");
        return;
    }
    char *copy = list = nt__form("%s", d->binary.runpath);
    while ((folder = strsep(&list, ":")) != NULL)
        relative |= folder[0] != '/' && folder[0] != '$';
    free(copy);
    char *value = nt__form("%s %s", tag, d->binary.runpath);
    if (relative)
        nt__doctor_say(
            d, "runpath", NT_LEVEL_NOTE, value,
            "Part of it is relative to the folder that the program is started "
            "in: started elsewhere it may load other libraries, or none.",
            "Link with -Wl,-rpath,'$ORIGIN/...' or a path from the root.");
    else
        nt__doctor_say(d, "runpath", NT_LEVEL_OK, value,
                       "It says where the program's libraries are; what is preloaded "
                       "comes before them all the same.",
                       "");
}

void nt__check_libraries(struct nt_doctor *d)
{
    const char *at = d->libraries;
    char name[256];
    bool missing;
    unsigned found = 0, lost = 0;
    if (d->libraries == NULL)
        return;
    while (next_library(&at, name, sizeof name, &missing)) {
        found++;
        lost += missing;
        if (missing)
            nt__doctor_say(d, "libraries", NT_LEVEL_PROBLEM,
                           nt__form("%s was not found", name),
                           "Without it the program does not start.",
                           "Install it, load its module, or set LD_LIBRARY_PATH.");
        else if (strncmp(basename(name), "libnumatally", 12) == 0)
            nt__doctor_say(d, "libraries", NT_LEVEL_NOTE,
                           nt__form("%s is linked", name),
                           "The program has this library already; preloaded as well, "
                           "both are one heap if they are of one version.",
                           "Link and preload the same build.");
    }
    if (lost == 0)
        nt__doctor_say(d, "libraries", NT_LEVEL_OK, nt__form("%u, all found", found),
                       "The loader finds what the program is linked to.", "");
}

/* ---- what changes how memory is given back ------------------------------------------------------ */

static void say_launcher(struct nt_doctor *d, const char *name)
{
    nt__doctor_say(d, "mpi", NT_LEVEL_NOTE, nt__form("%s is a launcher", name),
                   "Ranks on this machine inherit the preload, and each is reported. "
                   "Those on other machines get what the launcher passes on.",
                   "Across machines: give the ranks LD_PRELOAD and NUMATALLY_CONF by "
                   "the launcher's option (mpirun -x), see docs/recipes.md.");
}

void nt__check_mpi(struct nt_doctor *d)
{
    /* As in src/base/guest.c, by which the library knows them. */
    static const char *const names[] = {"libmpi", "libucm.so", "libfabric.so"};
    const char *at = d->libraries, *found = NULL;
    char name[256];
    struct rlimit lock;
    bool missing;
    if (!d->binary.is_elf)
        return;
    if (nt__tool_is_launcher(d->words[0])) {
        say_launcher(d, basename(d->words[0]));
        return;
    }
    while (found == NULL && next_library(&at, name, sizeof name, &missing))
        for (size_t i = 0; i < NT_ARRAY_LEN(names); i++)
            if (strncmp(basename(name), names[i], strlen(names[i])) == 0)
                found = basename(name);
    if (found == NULL && nt__conf_rank() >= 0) {
        nt__doctor_say(
            d, "mpi", NT_LEVEL_NOTE,
            nt__form("rank %lld is in the environment", (long long)nt__conf_rank()),
            "The library takes such a process for one with an MPI: malloc and "
            "free give no memory back to the system.",
            "If there is no MPI in it: unset PMIX_RANK, PMI_RANK, "
            "OMPI_COMM_WORLD_RANK and SLURM_PROCID for the run.");
        return;
    }
    if (found == NULL) {
        nt__doctor_say(
            d, "mpi", NT_LEVEL_OK, "none is linked",
            "Free memory is given back to the system after a delay (return).", "");
        return;
    }
    nt__doctor_say(d, "mpi", NT_LEVEL_NOTE, nt__form("%s is linked", found),
                   "Networks register memory, and must not be told inside malloc and "
                   "free that it is gone: so these give none back to the system.",
                   "If the program holds much that is free: let it call malloc_trim(0) "
                   "or nt_purge() where nothing is being sent.");
    getrlimit(RLIMIT_MEMLOCK, &lock);
    if (lock.rlim_cur != RLIM_INFINITY)
        nt__doctor_say(d, "mpi", NT_LEVEL_NOTE,
                       nt__form("%llu KiB may be locked (ulimit -l)",
                                (unsigned long long)lock.rlim_cur / 1024),
                       "A network that registers memory locks it, and fails or falls "
                       "back to a slower way at this limit.",
                       "ulimit -l unlimited, where there is such a network.");
}

void nt__check_language(struct nt_doctor *d)
{
    if (d->binary.go && d->binary.interpreter != NULL)
        nt__doctor_say(
            d, "language", NT_LEVEL_NOTE, "Go",
            "Go's own heap does not come from malloc: only what C code in it "
            "allocates is counted.",
            "Use Go's pprof for the rest.");
}
