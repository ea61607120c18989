/* SPDX-License-Identifier: MIT */
#include "src/tool/watched.h"
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIRST_WRITE_MS 1000 /* a file that was just made is written to at once */
#define AGE_SAID_NS 1000000000
#define COMMAND_MAX 300
#define IDLE_NS 2000000 /* processor time, or such a part of the time, that is none */
#define IDLE_PART 200

/* ---- what to say ---------------------------------------------------------------------- */

/* A word as a shell takes it. */
static size_t quote(char *out, size_t cap, const char *word)
{
    size_t at = 0;

    if (*word != '\0' &&
        word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-+=./:,@%")] == '\0')
        return nt__fmt_into(out, cap, "%s", word);
    at += nt__fmt_into(out + at, cap - at, "'");
    for (; *word != '\0'; word++)
        at += nt__fmt_into(out + at, cap - at, *word == '\'' ? "'\\''" : "%c", *word);
    return at + nt__fmt_into(out + at, cap - at, "'");
}

/* The command line of a process, for a shell; "PROGRAM" if it cannot be read. */
static void command_of(pid_t pid, char *out, size_t cap)
{
    char path[64], text[COMMAND_MAX];
    size_t n = 0, at = 0;
    FILE *f;

    nt__fmt_into(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    f = fopen(path, "re");
    if (f != NULL) {
        n = fread(text, 1, sizeof text - 1, f);
        fclose(f);
    }
    text[n] = '\0';
    for (const char *word = text; word < text + n; word += strlen(word) + 1) {
        if (at > 0)
            at += nt__fmt_into(out + at, cap - at, " ");
        at += quote(out + at, cap - at, word);
    }
    if (n == sizeof text - 1)
        nt__fmt_into(out + at, cap - at, " ...");
    if (n == 0)
        nt__fmt_into(out, cap, "PROGRAM");
}

/* How a process that keeps no live file gets one. */
static void tell_how(pid_t pid, const struct nt_found *m)
{
    char command[2 * COMMAND_MAX];
    char *library = m->library ? NULL : nt__tool_find_library();

    command_of(pid, command, sizeof command);
    if (m->removed)
        nt__warn("the live file of process %d was removed from its folder; it cannot "
                 "be made anew while the process runs",
                 (int)pid);
    else if (m->library)
        nt__warn("process %d runs with numatally but keeps no live file (the setting "
                 "live is off). Start it so: NUMATALLY_CONF=live:on %s",
                 (int)pid, command);
    else
        nt__warn("process %d does not run with numatally%s. Start it so: numatally top "
                 "-- %s; or, to watch it at any time later: NUMATALLY_CONF=live:on "
                 "LD_PRELOAD=%s %s",
                 (int)pid, m->readable ? "" : ", as far as can be seen", command,
                 library != NULL ? library : "libnumatally_malloc.so", command);
    free(library);
}

static int complain(pid_t pid, const struct nt_found *found, const char *folder)
{
    struct stat st;
    char path[64];

    nt__fmt_into(path, sizeof path, "/proc/%d", (int)pid);
    if (found->err == -EPERM)
        nt__warn(
            "%.512s is not yours alone (see its owner and mode): only the user whose "
            "process it is may watch it, as by sudo -u USER numatally ...",
            found->path);
    else if (!found->there)
        nt__warn("there is no process %d%s%.512s%s", (int)pid,
                 folder != NULL ? ", and no live file of it in " : "",
                 folder != NULL ? folder : "",
                 folder != NULL ? "" : ", and one that has ended left no live file");
    else if (folder != NULL)
        nt__warn("%.512s has no live file of process %d; without --live it is found "
                 "wherever it is",
                 folder, (int)pid);
    else if (stat(path, &st) == 0 && st.st_uid != geteuid())
        nt__warn("process %d belongs to user %u: only that user may watch it (sudo -u "
                 "'#%u' numatally ...)",
                 (int)pid, (unsigned)st.st_uid, (unsigned)st.st_uid);
    else
        tell_how(pid, found);
    return NT_EXIT_BAD_INPUT;
}

/* ---- the calls ------------------------------------------------------------------------ */

/* Take the file that was found, of process `pid`; or what has that number in its name, where
 * it may be another process's. */
static void take(struct nt_watched *w, const struct nt_found *found, pid_t pid)
{
    struct nt_live_origin here;
    struct nt_live_head head;

    w->fd = found->fd;
    memcpy(w->path, found->path, sizeof w->path);
    nt__live_origin(&here);
    if (found->inode != 0) { /* it has it mapped */
        w->pid = pid;
        w->start_ticks = nt__live_start_ticks(pid, NULL);
    } else if (nt__watched_head(w->fd, &head) && here.pid_space != 0 &&
               head.origin.pid_space == here.pid_space &&
               head.origin.boot[0] == here.boot[0] &&
               head.origin.boot[1] == here.boot[1]) {
        w->pid = pid;
        w->start_ticks = head.origin.start_ticks;
    }
}

/* Is this the error of a file that was just made? What it begins with is written last. */
static bool is_new(int fd, int err)
{
    struct nt_live_head head;

    return err == -ENODATA ||
           (err == -EBADMSG &&
            pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
            head.magic[0] == '\0');
}

/* Wait until the file holds something. 0, or after a complaint. */
static int first_figures(struct nt_watched *w)
{
    static struct nt_live live;
    const struct timespec pause = {0, 10000000};
    int err = nt__live_read_fd(w->fd, &live);

    for (int ms = 0; is_new(w->fd, err) && ms < FIRST_WRITE_MS; ms += 10) {
        nanosleep(&pause, NULL);
        err = nt__live_read_fd(w->fd, &live);
    }
    if (err == 0)
        return 0;
    nt__warn("%.512s: %s", w->path,
             err == -ENODATA   ? "nothing was written to this live file yet"
             : err == -EBADMSG ? "this is no live file of this version of numatally"
                               : nt__errno_text(err));
    nt__watched_close(w);
    return NT_EXIT_BAD_INPUT;
}

int nt__watched_open(struct nt_watched *w, pid_t pid, const char *folder)
{
    struct nt_found found, named = {.fd = -1};

    memset(w, 0, sizeof *w);
    w->fd = -1;
    if (folder == NULL)
        nt__watched_by_map(pid, &found);
    if (folder != NULL || (found.fd < 0 && found.inode == 0))
        nt__watched_by_name(pid, folder, &named);
    if (folder != NULL || named.fd >= 0 || named.err == -EPERM)
        found = named;
    if (found.fd < 0)
        return complain(pid, &found, folder);
    take(w, &found, pid);
    return first_figures(w);
}

int nt__watched_open_file(struct nt_watched *w, const char *path)
{
    struct nt_found found = {0};
    struct nt_live_head head;
    struct stat st;
    const char *name = strrchr(path, '/');
    int pid = 0;

    memset(w, 0, sizeof *w);
    w->fd = -1;
    nt__fmt_into(found.path, sizeof found.path, "%s", path);
    found.fd = nt__watched_open_own(path, &st);
    found.err = found.fd;
    if (found.fd == -EPERM)
        return complain(0, &found, NULL);
    if (found.fd < 0 || !nt__watched_head(found.fd, &head)) {
        nt__warn("%.512s: %s", path,
                 found.fd < 0 && found.fd != -EBADMSG ? nt__errno_text(found.fd)
                                                      : "this is no live file");
        if (found.fd >= 0)
            close(found.fd);
        return NT_EXIT_BAD_INPUT;
    }
    (void)sscanf(name != NULL ? name + 1 : path, "numatally-%d", &pid);
    take(w, &found, pid);
    return first_figures(w);
}

void nt__watched_expect(struct nt_watched *w, pid_t pid, const char *folder)
{
    memset(w, 0, sizeof *w);
    w->fd = -1;
    w->pid = pid;
    w->start_ticks = nt__live_start_ticks(pid, NULL);
    nt__fmt_into(w->folder, sizeof w->folder, "%s", folder);
}

bool nt__watched_follow(struct nt_watched *w)
{
    struct nt_found found;
    struct stat now, then;

    if (w->pid == 0 || (w->folder[0] == '\0' && nt__watched_life(w) != NT_LIFE_RUNS))
        return false;
    nt__watched_by_map(w->pid, &found);
    if (found.fd < 0 && w->folder[0] != '\0')
        nt__watched_by_name(w->pid, w->folder, &found);
    if (found.fd < 0)
        return false;
    if (w->fd >= 0 && fstat(w->fd, &now) == 0 && fstat(found.fd, &then) == 0 &&
        now.st_ino == then.st_ino && now.st_dev == then.st_dev) {
        close(found.fd);
        return false;
    }
    if (w->fd >= 0)
        close(w->fd);
    w->fd = found.fd;
    memcpy(w->path, found.path, sizeof w->path);
    return true;
}

void nt__watched_close(struct nt_watched *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

enum nt_life nt__watched_life(const struct nt_watched *w)
{
    uint64_t ticks;
    char state;

    if (w->pid == 0)
        return NT_LIFE_UNKNOWN;
    if (kill(w->pid, 0) != 0 && errno == ESRCH)
        return NT_LIFE_ENDED;
    ticks = nt__live_start_ticks(w->pid, &state);
    if (ticks == 0) /* no /proc, or it ended just now */
        return kill(w->pid, 0) != 0 && errno == ESRCH ? NT_LIFE_ENDED : NT_LIFE_UNKNOWN;
    if (state == 'Z' || state == 'X' ||
        (w->start_ticks != 0 && ticks != w->start_ticks))
        return NT_LIFE_ENDED;
    return NT_LIFE_RUNS;
}

uint64_t nt__watched_cpu_ns(const struct nt_watched *w)
{
    struct timespec t;
    clockid_t clock;

    if (w->pid == 0 || clock_getcpuclockid(w->pid, &clock) != 0 ||
        clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t nt__watched_age_ns(const struct nt_snapshot *s)
{
    struct timespec t;
    uint64_t now;

    clock_gettime(CLOCK_REALTIME, &t);
    now = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
    return now > s->now_unix_ns ? now - s->now_unix_ns : 0;
}

bool nt__watched_is_idle(const struct nt_watched *w, const struct nt_snapshot *s)
{
    uint64_t cpu = nt__watched_cpu_ns(w);

    return cpu != 0 && (cpu < s->cpu_ns_total + IDLE_NS ||
                        cpu - s->cpu_ns_total < nt__watched_age_ns(s) / IDLE_PART);
}

/* 3.2 s, 45 s, 12 min 5 s, 3 h 12 min */
static void say_time(char *out, size_t cap, uint64_t ns)
{
    unsigned long long s = ns / 1000000000;

    if (s < 10)
        nt__fmt_into(out, cap, "%llu.%llu s", s,
                     (unsigned long long)(ns / 100000000 % 10));
    else if (s < 120)
        nt__fmt_into(out, cap, "%llu s", s);
    else if (s < 7200)
        nt__fmt_into(out, cap, "%llu min %llu s", s / 60, s % 60);
    else
        nt__fmt_into(out, cap, "%llu h %llu min", s / 3600, s / 60 % 60);
}

void nt__watched_say_age(const struct nt_watched *w, const struct nt_snapshot *s,
                         char *out, size_t cap)
{
    enum nt_life life = nt__watched_life(w);
    uint64_t age = nt__watched_age_ns(s), cpu = nt__watched_cpu_ns(w);
    char when[48], used[48];

    say_time(when, sizeof when, age);
    say_time(used, sizeof used, cpu > s->cpu_ns_total ? cpu - s->cpu_ns_total : 0);
    if (s->final)
        nt__fmt_into(out, cap, "ended; these are the figures of its end, %s ago", when);
    else if (life == NT_LIFE_ENDED)
        nt__fmt_into(out, cap,
                     "ended without its last word (killed, or by exec); figures from "
                     "%s ago",
                     when);
    else if (life == NT_LIFE_UNKNOWN)
        nt__fmt_into(out, cap,
                     "figures from %s ago; whether it still runs cannot be seen from "
                     "here",
                     when);
    else if (age < AGE_SAID_NS)
        nt__fmt_into(out, cap, "figures from %s ago", when);
    else if (nt__watched_is_idle(w, s))
        nt__fmt_into(out, cap,
                     "figures from %s ago; program idle since then as far as known",
                     when);
    else if (cpu != 0)
        nt__fmt_into(out, cap,
                     "figures from %s ago; it has run for %s since then without taking "
                     "a slab or a large block",
                     when, used);
    else
        nt__fmt_into(out, cap, "figures from %s ago; none are newer", when);
}
