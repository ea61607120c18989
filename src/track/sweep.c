/* SPDX-License-Identifier: MIT */
/*
 * Removing the live files of processes that are gone.
 *
 * The folder may be anybody's and may be seen from other machines and containers, so a
 * file goes only when all of this is certain: it is a regular file of this user's, with
 * our name and magic; it was made since this boot in this pid namespace; and its process
 * does not exist, or one that started at another time has its number. Zombies exist.
 *
 * Of two sweepers only the one that has the file locked removes it, and only if the name
 * still means that file: so a new process's file is never taken for the old one's.
 * The work is bounded: LOOKS_MAX files, READS_MAX pieces of the folder.
 */
#include "src/base/fmt.h"
#include "src/track/live.h"
#include "src/track/live_file.h"
#include "src/track/profile_out.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOKS_MAX 64
#define READS_MAX 16

/* ---- who is who ------------------------------------------------------------- */

/* A small file's text, ended by a 0; "" when it cannot be read. */
static void read_text(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);

    out[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

static uint64_t number(const char **at)
{
    uint64_t n = 0;

    for (; **at >= '0' && **at <= '9'; ++*at)
        n = n * 10 + (uint64_t)(**at - '0');
    return n;
}

/* The 22nd word of /proc/PID/stat, of which the second may hold anything but ends
 * with the last ')'. The state is the third. */
uint64_t nt__live_start_ticks(pid_t pid, char *state)
{
    char path[40], text[512];
    const char *at;

    nt__fmt_into(path, sizeof path, "/proc/%d/stat", (int)pid);
    read_text(path, text, sizeof text);
    at = strrchr(text, ')');
    if (state != NULL)
        *state = at != NULL && at[1] == ' ' ? at[2] : '\0';
    for (int word = 2; at != NULL && word < 22; word++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return 0;
    at++;
    return number(&at);
}

void nt__live_origin(struct nt_live_origin *out)
{
    char text[64];
    struct stat st;
    unsigned digits = 0;

    memset(out, 0, sizeof *out);
    read_text("/proc/sys/kernel/random/boot_id", text, sizeof text);
    for (const char *c = text; *c != '\0' && digits < 32; c++) {
        uint64_t digit = *c >= '0' && *c <= '9'   ? (uint64_t)(*c - '0')
                         : *c >= 'a' && *c <= 'f' ? (uint64_t)(*c - 'a' + 10)
                                                  : 16;
        uint64_t *half = &out->boot[digits / 16];

        if (digit < 16)
            *half = *half << 4 | digit;
        digits += digit < 16;
    }
    if (stat("/proc/self/ns/pid", &st) == 0)
        out->pid_space = st.st_ino;
    out->start_ticks = nt__live_start_ticks(getpid(), NULL);
}

/* Is the process that `origin` and `pid` mean certainly gone? */
static bool is_gone(const struct nt_live_origin *origin, pid_t pid,
                    const struct nt_live_origin *here)
{
    uint64_t ticks;

    if (here->pid_space == 0 || here->boot[0] == 0 ||
        origin->pid_space != here->pid_space || origin->boot[0] != here->boot[0] ||
        origin->boot[1] != here->boot[1])
        return false;
    if (kill(pid, 0) != 0 && errno == ESRCH)
        return true;
    ticks = nt__live_start_ticks(pid, NULL);
    return ticks != 0 && origin->start_ticks != 0 && ticks != origin->start_ticks;
}

/* ---- files ------------------------------------------------------------------ */

/* The process in numatally-PID.live or numatally-PID-N.live; 0: another name. */
static pid_t pid_of(const char *name)
{
    static const char prefix[] = "numatally-";
    const char *at = name + sizeof prefix - 1;
    uint64_t pid;

    if (strncmp(name, prefix, sizeof prefix - 1) != 0 || strlen(name) > 40)
        return 0;
    pid = number(&at);
    if (*at == '-' && at[1] >= '0' && at[1] <= '9') {
        at++;
        (void)number(&at);
    }
    return strcmp(at, ".live") == 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* Does the name in the folder still mean the open file? */
static bool is_named(int folder, const char *name, const struct stat *file)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

static void sweep_file(int folder, const char *name, pid_t pid,
                       const struct nt_live_origin *here)
{
    struct nt_live_head head;
    struct stat st;
    int fd =
        openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
        memcmp(head.magic, NT_LIVE_MAGIC, sizeof head.magic) == 0 &&
        is_gone(&head.origin, pid, here) && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
        is_named(folder, name, &st)) {
        char profile[64];

        unlinkat(folder, name, 0);
        if (nt__profile_path(profile, sizeof profile, name))
            unlinkat(folder, profile, 0);
    }
    close(fd);
}

void nt__live_sweep(const char *dir)
{
    char names[2048] __attribute__((aligned(16)));
    struct nt_live_origin here;
    int saved = errno;
    int looks = 0;
    int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    nt__live_origin(&here);
    for (int reads = 0; folder >= 0 && reads < READS_MAX; reads++) {
        ssize_t n = getdents64(folder, names, sizeof names);

        if (n <= 0)
            break;
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *e = (const void *)(names + at);
            pid_t pid = pid_of(e->d_name);

            if (pid > 0 && looks++ < LOOKS_MAX)
                sweep_file(folder, e->d_name, pid, &here);
            at += e->d_reclen;
        }
    }
    if (folder >= 0)
        close(folder);
    errno = saved;
}
