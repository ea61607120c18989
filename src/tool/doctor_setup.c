/* SPDX-License-Identifier: MIT */
/*
 * What the library needs of the system, whether it is there and loads, whether its settings
 * are understood, and what else is preloaded.
 *
 * The last word on the library has the library: this tool is run once more, with it
 * preloaded and with the user's settings, and says its version. What the library complains
 * about there it would complain about in any program; that it prints a report proves that
 * malloc was its.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/doctor.h"
#include "src/tool/tool.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LIVE_BYTES (64 * NT_MIB) /* files of some hundred processes */

/* ---- files -------------------------------------------------------------------------- */

void nt__check_files(struct nt_doctor *d)
{
    bool proc = nt__doctor_may(d, "/proc/self/maps", R_OK);
    bool sys = nt__doctor_may(d, "/sys/devices/system/node/online", R_OK);
    if (!proc)
        nt__doctor_say(
            d, "files", NT_LEVEL_PROBLEM, "/proc is missing",
            "numatally run cannot find its library, an MPI in a program goes "
            "unseen, and threads have no names. Preloading by hand works.",
            "Mount it: mount -t proc proc /proc (root), or the container's "
            "option.");
    if (!sys)
        nt__doctor_say(d, "files", NT_LEVEL_NOTE, "/sys/devices/system/node is missing",
                       "The library takes the machine for one node, number 0.",
                       "Mount it: mount -t sysfs sysfs /sys (root), or the container's "
                       "option. A kernel without NUMA has no such folder.");
    if (proc && sys)
        nt__doctor_say(d, "files", NT_LEVEL_OK, "/proc and /sys are there",
                       "Nodes, threads and an MPI in a program are seen.", "");
}

/* Free bytes for a file in `folder`; 0: none can be made. */
static uint64_t room_in(const char *folder)
{
    struct statvfs st;
    if (folder == NULL || folder[0] != '/' || access(folder, W_OK | X_OK) != 0 ||
        statvfs(folder, &st) != 0)
        return 0;
    return (uint64_t)st.f_bavail * st.f_frsize;
}

/* As nt__collect_open looks for one. */
void nt__check_live(struct nt_doctor *d)
{
    char *shm = nt__form("%s/dev/shm", d->root), *tmp = nt__form("%s/tmp", d->root);
    const char *places[] = {getenv("XDG_RUNTIME_DIR"), shm, getenv("TMPDIR"), tmp};
    const char *chosen = NULL, *own = d->conf.live;
    uint64_t room = 0;
    char size[32];
    for (size_t i = 0; i < NT_ARRAY_LEN(places) && chosen == NULL; i++)
        if ((room = room_in(places[i])) > 0)
            chosen = places[i];
    if (chosen == NULL)
        nt__doctor_say(d, "live", NT_LEVEL_PROBLEM, "no folder for live files",
                       "numatally run keeps the figures in a file while the program "
                       "runs, and refuses without.",
                       "Make $XDG_RUNTIME_DIR, /dev/shm, $TMPDIR or /tmp writable.");
    else
        nt__doctor_say(
            d, "live", room < LIVE_BYTES ? NT_LEVEL_NOTE : NT_LEVEL_OK,
            nt__form("%s, %s free", chosen, nt__size_text(size, sizeof size, room)),
            "numatally run keeps live files there, some 355 KiB a process.",
            room < LIVE_BYTES ? "Set XDG_RUNTIME_DIR to a folder with more room." : "");
    if (own[0] != '\0' && room_in(own) == 0)
        nt__doctor_say(d, "live", NT_LEVEL_PROBLEM, nt__form("live:%s", own),
                       "The settings want live files in that folder, where none can be "
                       "made: a program that runs without numatally run has none.",
                       "Make it writable, or name another: live:FOLDER.");
    free(shm);
    free(tmp);
}

/* ---- the library ------------------------------------------------------------------------ */

/* Each line of what was said, as a diagnosis; whether it was a report. */
static bool hear(struct nt_doctor *d, char *said)
{
    bool report = false;
    char *line;
    while ((line = strsep(&said, "\n")) != NULL) {
        if (strncmp(line, "numatally: ", 11) == 0)
            nt__doctor_say(d, "settings", NT_LEVEL_PROBLEM, nt__form("%s", line + 11),
                           "So the library said with these settings, and says in every "
                           "program.",
                           "Correct NUMATALLY_CONF, NUMATALLY_CONF_FILE or "
                           "NUMATALLY_TOPOLOGY; numatally --help lists the settings.");
        else if (strncmp(line, "numatally " NT_VERSION_STRING ":",
                         strlen("numatally " NT_VERSION_STRING ":")) == 0)
            report = true;
        else if (strncmp(line, "ERROR: ld.so: ", 14) == 0)
            nt__doctor_say(d, "library", NT_LEVEL_PROBLEM, nt__form("%s", line + 14),
                           "So the loader said.",
                           "Install what is missing, or numatally anew.");
    }
    return report;
}

void nt__check_library(struct nt_doctor *d)
{
    char self[PATH_MAX], why[1024], *said;
    const char *conf = getenv("NUMATALLY_CONF");
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    int status = 0;
    d->library = nt__tool_seek_library(why, sizeof why);
    if (d->library == NULL || n < 0) {
        nt__doctor_say(d, "library", NT_LEVEL_PROBLEM,
                       d->library == NULL ? nt__form("%s", why) : "/proc is missing",
                       "There is nothing to preload, and the settings cannot be tried.",
                       "Build or install numatally as a whole.");
        return;
    }
    self[n] = '\0';
    char *preload = nt__form("LD_PRELOAD=%s", d->library);
    /* Nothing is to be written anywhere but here. */
    char *settings =
        nt__form("NUMATALLY_CONF=%s,report:off,report:exit,live:off,sample:off",
                 conf != NULL ? conf : "");
    char *command[] = {self, "--version", NULL};
    const char *const changes[] = {preload, settings, "NUMATALLY_RUN", NULL};
    said = nt__doctor_run(command, changes, false, &status);
    size_t before = d->count;
    bool report = said != NULL && hear(d, said);
    if (report)
        nt__doctor_say(d, "library", NT_LEVEL_OK, d->library,
                       "It was preloaded into a program here, and served it.", "");
    else
        nt__doctor_say(
            d, "library", NT_LEVEL_PROBLEM, nt__form("%s does not work", d->library),
            said == NULL  ? "A program with it did not end within 20 s."
            : status != 0 ? "A program with it failed: it may lack memory (limits, see "
                            "there) or a library."
                          : "It was preloaded and served nothing.",
            "Try LD_PRELOAD with it and /bin/true by hand; see docs/recipes.md for "
            "containers.");
    if (report && before + 1 == d->count)
        nt__doctor_say(d, "settings", NT_LEVEL_OK,
                       conf != NULL && conf[0] != '\0' ? nt__form("%.200s", conf)
                       : getenv("NUMATALLY_CONF_FILE") != NULL
                           ? nt__form("of %.200s", getenv("NUMATALLY_CONF_FILE"))
                           : "none",
                       "All were understood.", "");
    free(said);
    free(preload);
    free(settings);
}

/* ---- what else is preloaded --------------------------------------------------------------- */

/* Look at one library that is preloaded; `ahead`: it comes before ours. */
static void look_at(struct nt_doctor *d, const char *name, const char *from, bool ahead)
{
    const char *base = strrchr(name, '/') != NULL ? strrchr(name, '/') + 1 : name;
    const char *allocator = nt__malloc_of_library(base);
    struct nt_binary b;
    nt__binary_read(&b, name);
    bool ours = strncmp(base, "libnumatally", 12) == 0;
    bool is_malloc = !ours && (allocator != NULL || (b.has & NT_HAS_MALLOC) != 0);
    if (strchr(name, '/') != NULL && access(name, R_OK) != 0)
        nt__doctor_say(d, "preload", NT_LEVEL_NOTE, nt__form("%s: %s", from, name),
                       "It is not there; the loader complains in each program.",
                       nt__form("Take it out of %s.", from));
    else if (is_malloc && ahead)
        nt__doctor_say(
            d, "preload", NT_LEVEL_PROBLEM, nt__form("%s: %s", from, name),
            "It has a malloc of its own and comes before this library, which "
            "numatally run puts behind: next to nothing is counted.",
            nt__form("Take it out of %s for the run.", from));
    else
        nt__doctor_say(
            d, "preload", NT_LEVEL_NOTE, nt__form("%s: %s", from, name),
            ours        ? "This library is preloaded into everything that is started "
                          "from here, also this tool."
            : is_malloc ? "It has a malloc of its own; what numatally run preloads "
                          "comes before it."
                        : "It is in every program that is started from here, and its "
                          "allocations are counted with the program's.",
            ours || is_malloc ? nt__form("Take it out of %s if it is not "
                                         "meant.",
                                         from)
                              : "");
    nt__binary_free(&b);
}

static size_t look_at_list(struct nt_doctor *d, char *list, const char *from,
                           const char *ends, bool ahead)
{
    size_t found = 0;
    char *name;
    while (list != NULL && (name = strsep(&list, ends)) != NULL) {
        if (*name == '\0')
            continue;
        look_at(d, name, from, ahead);
        found++;
    }
    return found;
}

void nt__check_preload(struct nt_doctor *d)
{
    const char *value = getenv("LD_PRELOAD");
    char *list = value != NULL ? nt__form("%s", value) : NULL;
    char *file = nt__doctor_file(d, "/etc/ld.so.preload");
    size_t found = look_at_list(d, list, "LD_PRELOAD", ": ", true);
    found += look_at_list(d, file, "/etc/ld.so.preload", ": \t\n", false);
    if (found == 0)
        nt__doctor_say(d, "preload", NT_LEVEL_OK, "nothing else",
                       "LD_PRELOAD and /etc/ld.so.preload are empty.", "");
    free(list);
    free(file);
}
