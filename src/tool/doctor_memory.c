/* SPDX-License-Identifier: MIT */
/*
 * How much memory there is to be had, and in which pages: huge pages, overcommit, the number
 * of areas, limits of the process and of its control group.
 */
#include "src/base/base.h"
#include "src/tool/doctor.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MEMINFO "/proc/meminfo"
#define LEFT_FEW (256 * NT_MIB) /* of strict overcommit: a few pieces of an arena */
#define MAPS_USUAL 65530u       /* Linux's default */
#define MAPS_FEW 1024u
#define FILES_FEW 64u

static char *size_form(uint64_t bytes)
{
    char text[32];
    return nt__form("%s", nt__size_text(text, sizeof text, bytes));
}

/* ---- huge pages ----------------------------------------------------------------------- */

void nt__check_thp(struct nt_doctor *d)
{
    char *text = nt__doctor_file(d, "/sys/kernel/mm/transparent_hugepage/enabled");
    bool wanted = d->conf.hugepages == NT_HUGEPAGES_THP;
    bool automatic = d->conf.hugepages == NT_HUGEPAGES_AUTO;
    const char *mode = text == NULL                        ? "missing"
                       : strstr(text, "[always]") != NULL  ? "always"
                       : strstr(text, "[madvise]") != NULL ? "madvise"
                                                           : "never";
    if (strcmp(mode, "madvise") == 0)
        nt__doctor_say(
            d, "thp", NT_LEVEL_OK, "madvise",
            wanted      ? "Who asks gets huge pages, and hugepages:thp asks."
            : automatic ? "Who asks gets huge pages. hugepages:auto asks for what "
                          "small blocks fill, from 64 MiB on; hugepages:thp also for "
                          "large blocks, from 32 MiB on."
                        : "Who asks gets huge pages; the settings hugepages:auto and "
                          "hugepages:thp do.",
            "");
    else if (strcmp(mode, "always") == 0)
        nt__doctor_say(
            d, "thp", NT_LEVEL_NOTE, "always",
            automatic ? "Large blocks may be in huge pages: faster, and resident "
                        "memory can be larger than what is in use. What small "
                        "blocks share is not, by hugepages:auto, until they fill it."
                      : "Also memory that nobody asked to be in huge pages may be: "
                        "faster, and resident memory is larger than what is in use.",
            "To compare memory with other machines: echo madvise "
            ">/sys/kernel/mm/transparent_hugepage/enabled (root).");
    else
        nt__doctor_say(d, "thp", wanted ? NT_LEVEL_PROBLEM : NT_LEVEL_NOTE, mode,
                       wanted ? "The settings ask for huge pages (hugepages:thp) and "
                                "get none."
                              : "Transparent huge pages are off: hugepages:auto and "
                                "hugepages:thp change nothing.",
                       text == NULL ? "Needs a kernel that has them, and /sys."
                                    : "echo madvise "
                                      ">/sys/kernel/mm/transparent_hugepage/enabled "
                                      "(root).");
    free(text);
}

void nt__check_hugetlb(struct nt_doctor *d)
{
    static const char folder[] = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
    char path[128];
    uint64_t all = 0, idle = 0;
    snprintf(path, sizeof path, "%snr_hugepages", folder);
    nt__doctor_number(d, path, &all);
    snprintf(path, sizeof path, "%sfree_hugepages", folder);
    nt__doctor_number(d, path, &idle);
    char *value = nt__form("%llu of %llu reserved 2 MiB pages are free",
                           (unsigned long long)idle, (unsigned long long)all);
    bool wanted = d->conf.hugepages == NT_HUGEPAGES_HUGETLB;
    if (wanted && idle == 0)
        nt__doctor_say(
            d, "hugetlb", NT_LEVEL_PROBLEM, value,
            "The settings ask for them (hugepages:hugetlb); ordinary pages "
            "are taken instead, without a word.",
            "Reserve some: sysctl vm.nr_hugepages=N (root), best at boot; or "
            "use hugepages:thp.");
    else if (!wanted && idle > 0)
        nt__doctor_say(
            d, "hugetlb", NT_LEVEL_NOTE, value,
            "That memory is lost to ordinary pages, and only who asks for it "
            "gets it.",
            "Use it by the setting hugepages:hugetlb, or free it: sysctl "
            "vm.nr_hugepages=0 (root).");
    else
        nt__doctor_say(d, "hugetlb", NT_LEVEL_OK, value,
                       wanted ? "The settings ask for them (hugepages:hugetlb)."
                              : "Nobody asks for them.",
                       "");
}

/* ---- the system's bounds ----------------------------------------------------------------- */

void nt__check_overcommit(struct nt_doctor *d)
{
    uint64_t mode = 0, most, used;
    if (!nt__doctor_number(d, "/proc/sys/vm/overcommit_memory", &mode) || mode != 2) {
        nt__doctor_say(
            d, "overcommit", NT_LEVEL_OK,
            nt__form("vm.overcommit_memory is %llu", (unsigned long long)mode),
            "Memory counts when it is touched, not when it is mapped.", "");
        return;
    }
    most = nt__doctor_bytes(d, MEMINFO, "CommitLimit");
    used = nt__doctor_bytes(d, MEMINFO, "Committed_AS");
    uint64_t left = most > used ? most - used : 0;
    char *text = size_form(left);
    nt__doctor_say(
        d, "overcommit", left < LEFT_FEW ? NT_LEVEL_PROBLEM : NT_LEVEL_NOTE,
        nt__form("vm.overcommit_memory is 2, %s left", text),
        "What is mapped counts, touched or not, and the library maps pieces of 32 MiB "
        "and more ahead. When nothing is left malloc answers NULL.",
        "Raise vm.overcommit_ratio or add swap (root); or ask for fewer ranks.");
    free(text);
}

void nt__check_maps(struct nt_doctor *d)
{
    uint64_t most = 0, used = 0;
    char *maps = nt__doctor_file(d, "/proc/self/maps");
    for (const char *c = maps; c != NULL && *c != '\0'; c++)
        used += *c == '\n';
    used += maps != NULL;
    free(maps);
    if (!nt__doctor_number(d, "/proc/sys/vm/max_map_count", &most)) {
        nt__doctor_say(d, "maps", NT_LEVEL_OK, "vm.max_map_count is not known",
                       "Linux's default, 65530, is enough.", "");
        return;
    }
    char *value = nt__form("vm.max_map_count is %llu; this process uses %llu",
                           (unsigned long long)most, (unsigned long long)used);
    if (most >= MAPS_USUAL)
        nt__doctor_say(d, "maps", NT_LEVEL_OK, value,
                       "An area is 32 MiB of blocks or more, or one large block.", "");
    else
        nt__doctor_say(
            d, "maps", most < MAPS_FEW + used ? NT_LEVEL_PROBLEM : NT_LEVEL_NOTE, value,
            "A process may have no more areas of memory. Threads, libraries, "
            "each large block and each change of policy take some; then "
            "malloc answers NULL.",
            "sysctl vm.max_map_count=65530 (root), Linux's default.");
}

/* ---- limits of the process ---------------------------------------------------------------- */

static void say_limit(struct nt_doctor *d, const char *check, const char *option,
                      rlim_t most, const char *text)
{
    char *size = most != RLIM_INFINITY ? size_form(most) : NULL;
    if (size == NULL)
        nt__doctor_say(d, check, NT_LEVEL_OK, "unlimited", "Nothing bounds it.", "");
    else
        nt__doctor_say(d, check, NT_LEVEL_NOTE,
                       nt__form("%s (ulimit -%s)", size, option), text,
                       nt__form("ulimit -%s unlimited, if the hard limit allows it; or "
                                "the batch system's memory option.",
                                option));
    free(size);
}

void nt__check_limits(struct nt_doctor *d)
{
    struct rlimit as, data, lock, files;
    getrlimit(RLIMIT_AS, &as);
    getrlimit(RLIMIT_DATA, &data);
    getrlimit(RLIMIT_MEMLOCK, &lock);
    getrlimit(RLIMIT_NOFILE, &files);
    say_limit(d, "limit-as", "v", as.rlim_cur,
              "Addresses count, touched or not: smaller pieces are mapped, free memory "
              "is unmapped sooner, and malloc answers NULL at the limit.");
    say_limit(d, "limit-data", "d", data.rlim_cur,
              "Since Linux 4.7 it counts all private memory that can be written, so "
              "what the library maps, too; malloc answers NULL at the limit.");
    char *size = lock.rlim_cur != RLIM_INFINITY ? size_form(lock.rlim_cur) : NULL;
    nt__doctor_say(d, "limit-memlock", NT_LEVEL_OK,
                   size != NULL ? nt__form("%s (ulimit -l)", size) : "unlimited",
                   "The library locks nothing. Networks that register memory do.", "");
    free(size);
    bool few = files.rlim_cur < FILES_FEW;
    nt__doctor_say(
        d, "limit-nofile", few ? NT_LEVEL_NOTE : NT_LEVEL_OK,
        nt__form("%llu open files (ulimit -n)", (unsigned long long)files.rlim_cur),
        few ? "The live file, the timeline and the report need one each for a moment; "
              "where none is left they are missing."
            : "The library holds none open.",
        few ? "ulimit -n 1024" : "");
}

/* ---- control groups ------------------------------------------------------------------------ */

struct group {
    uint64_t limit, used; /* of the tightest group above us; limit 0: none */
    char path[PATH_MAX];
};

static void look_at(const struct nt_doctor *d, struct group *g, const char *folder,
                    const char *limit_file, const char *used_file)
{
    char path[PATH_MAX];
    uint64_t limit, used = 0;
    snprintf(path, sizeof path, "%.3000s/%s", folder, limit_file);
    /* "max", or in version 1 a number near to 2^63, is no limit. */
    if (!nt__doctor_number(d, path, &limit) || limit >> 62 != 0)
        return;
    if (g->limit != 0 && limit >= g->limit)
        return;
    snprintf(path, sizeof path, "%.3000s/%s", folder, used_file);
    nt__doctor_number(d, path, &used);
    g->limit = limit;
    g->used = used;
    snprintf(g->path, sizeof g->path, "%.3000s", folder);
}

/* The groups from `own` upwards. In a container its path may be the host's: then the root,
 * which is the container's own group, is what can be seen. */
static void look_upwards(const struct nt_doctor *d, struct group *g, const char *root,
                         const char *own, bool second)
{
    char folder[PATH_MAX];
    int n = snprintf(folder, sizeof folder, "%s%.3000s", root, own);
    size_t end = nt__min((size_t)n, sizeof folder - 1), stop = strlen(root);
    for (;;) {
        while (end > stop && folder[end - 1] == '/')
            end--;
        folder[end] = '\0';
        if (second)
            look_at(d, g, folder, "memory.max", "memory.current");
        else
            look_at(d, g, folder, "memory.limit_in_bytes", "memory.usage_in_bytes");
        if (end <= stop)
            return;
        while (end > stop && folder[end - 1] != '/')
            end--;
    }
}

static void find_group(const struct nt_doctor *d, struct group *g)
{
    char *text = nt__doctor_file(d, "/proc/self/cgroup"), *line, *rest = text;
    while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
        char *names = strchr(line, ':'), *own;
        if (names == NULL || (own = strchr(names + 1, ':')) == NULL)
            continue;
        *own++ = '\0';
        if (strcmp(names, ":") == 0)
            look_upwards(d, g, "/sys/fs/cgroup", own, true);
        else if (strstr(names, "memory") != NULL)
            look_upwards(d, g, "/sys/fs/cgroup/memory", own, false);
    }
    free(text);
}

void nt__check_cgroup(struct nt_doctor *d)
{
    uint64_t all = nt__doctor_bytes(d, MEMINFO, "MemTotal");
    struct group g = {0};
    find_group(d, &g);
    if (g.limit == 0 || (all != 0 && g.limit >= all)) {
        nt__doctor_say(d, "cgroup", NT_LEVEL_OK, "no memory limit",
                       "No control group bounds memory below what the machine has.",
                       "");
        return;
    }
    char *limit = size_form(g.limit), *used = size_form(g.used);
    nt__doctor_say(d, "cgroup", NT_LEVEL_NOTE,
                   nt__form("%s at most, %s in use", limit, used),
                   nt__form("The kernel kills who touches more, whatever malloc said. "
                            "Free memory that is kept counts. The group is %s.",
                            g.path),
                   "Ask the batch system or container for more; or give free memory "
                   "back sooner with the setting return:100.");
    free(limit);
    free(used);
}
