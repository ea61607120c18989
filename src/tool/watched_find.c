/* SPDX-License-Identifier: MIT */
/* Finding a process's live file: see watched.h. */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/watched.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- one file ------------------------------------------------------------------------- */

int nt__watched_open_own(const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);

    if (fd < 0)
        return -errno;
    if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode)) {
        close(fd);
        return -EBADMSG;
    }
    if (st->st_uid != geteuid() || (st->st_mode & 022) != 0) {
        close(fd);
        return -EPERM;
    }
    return fd;
}

bool nt__watched_head(int fd, struct nt_live_head *head)
{
    return pread(fd, head, sizeof *head, 0) == (ssize_t)sizeof *head &&
           memcmp(head->magic, NT_LIVE_MAGIC, sizeof head->magic) == 0;
}

/* ---- by the process's mappings -------------------------------------------------------- */

static void look_at_line(char *line, struct nt_found *m)
{
    static const char gone[] = " (deleted)";
    const char *name = strrchr(line, '/');
    char *path = strchr(line, '/');
    unsigned long inode;
    size_t len;

    line[strcspn(line, "\n")] = '\0';
    if (name == NULL || path == NULL)
        return;
    m->library |= strncmp(name, "/libnumatally", 13) == 0;
    len = strlen(name);
    if (len > sizeof gone && strcmp(name + len - sizeof gone + 1, gone) == 0)
        len -= sizeof gone - 1;
    if (strncmp(name, "/numatally-", 11) != 0 || len < 5 ||
        strncmp(name + len - 5, ".live", 5) != 0)
        return;
    if (name[len] != '\0')
        m->removed = true;
    else if (sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 &&
             strlen(path) < sizeof m->path) {
        m->inode = inode;
        nt__fmt_into(m->path, sizeof m->path, "%s", path);
    }
}

static void read_maps(pid_t pid, struct nt_found *m)
{
    char path[64], *line = NULL;
    size_t cap = 0;
    FILE *f;

    nt__fmt_into(path, sizeof path, "/proc/%d/maps", (int)pid);
    f = fopen(path, "re");
    if (f == NULL)
        return;
    while (getline(&line, &cap, f) > 0) {
        m->readable = true;
        look_at_line(line, m);
    }
    free(line);
    fclose(f);
}

/* Open the mapped file: by its name as it is here, else as it is in the process's own
 * file system. */
static void open_mapped(pid_t pid, struct nt_found *m)
{
    char path[NT_LIVE_PATH_MAX];

    nt__fmt_into(path, sizeof path, "%s", m->path);
    m->err = -ENOENT;
    for (int inside = 0; inside < 2 && m->fd < 0 && m->err != -EPERM; inside++) {
        struct stat st = {0};
        int fd;

        if (inside)
            nt__fmt_into(m->path, sizeof m->path, "/proc/%d/root%s", (int)pid, path);
        fd = nt__watched_open_own(m->path, &st);
        if (fd >= 0 && st.st_ino == m->inode)
            m->fd = fd;
        else if (fd >= 0)
            close(fd);
        else if (fd != -ENOENT)
            m->err = fd;
    }
}

/* ---- by its name ---------------------------------------------------------------------- */

/* The newest file of a process among folders. */
struct search {
    pid_t pid;
    unsigned image; /* of the one that was found: the last number in its name */
    struct nt_found *found;
};

/* May this file, by its name one of process `pid`, be that process's? Not if it is of an
 * earlier one with the same number. */
static bool may_be(const struct search *s, int fd)
{
    struct nt_live_origin here;
    struct nt_live_head head;

    if (!nt__watched_head(fd, &head))
        return false;
    nt__live_origin(&here);
    if (head.origin.pid_space != here.pid_space)
        return true;
    return head.origin.boot[0] == here.boot[0] && head.origin.boot[1] == here.boot[1] &&
           (!s->found->there ||
            head.origin.start_ticks == nt__live_start_ticks(s->pid, NULL));
}

/* numatally-PID.live is image 1, numatally-PID-N.live image N; 0: another name. */
static unsigned image_of(const char *name, pid_t pid)
{
    unsigned image = 1;
    long of;
    int end = 0;

    if (sscanf(name, "numatally-%ld%n", &of, &end) != 1 || of != pid)
        return 0;
    name += end;
    if (name[0] == '-' && sscanf(name, "-%u%n", &image, &end) == 1)
        name += end;
    return strcmp(name, ".live") == 0 ? image : 0;
}

static void look_at_file(struct search *s, const char *folder, const char *name)
{
    struct nt_found *found = s->found;
    unsigned image = image_of(name, s->pid);
    char path[NT_LIVE_PATH_MAX];
    struct stat st;
    int fd;

    if (image <= s->image)
        return;
    nt__fmt_into(path, sizeof path, "%s/%s", folder, name);
    fd = nt__watched_open_own(path, &st);
    if (fd >= 0 && may_be(s, fd)) {
        if (found->fd >= 0)
            close(found->fd);
        found->fd = fd;
        s->image = image;
        memcpy(found->path, path, sizeof found->path);
    } else if (fd >= 0) {
        close(fd);
    } else if (fd == -EPERM && found->fd < 0) {
        found->err = fd;
        memcpy(found->path, path, sizeof found->path);
    }
}

/* In a folder and, one level down, in the private ones of `numatally run`. */
static void look_in(struct search *s, const char *folder, bool private)
{
    DIR *d = opendir(folder);
    const struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        char path[NT_LIVE_PATH_MAX];

        if (strncmp(e->d_name, "numatally-", 10) != 0)
            continue;
        if (strstr(e->d_name, ".live") != NULL) {
            look_at_file(s, folder, e->d_name);
        } else if (!private && strlen(e->d_name) == 16) {
            nt__fmt_into(path, sizeof path, "%s/%s", folder, e->d_name);
            look_in(s, path, true);
        }
    }
    if (d != NULL)
        closedir(d);
}

static void look_everywhere(struct search *s)
{
    const char *folders[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm", getenv("TMPDIR"),
                             "/tmp"};

    for (size_t i = 0; i < NT_ARRAY_LEN(folders); i++)
        if (folders[i] != NULL && folders[i][0] == '/')
            look_in(s, folders[i], false);
}

/* ---- the search ----------------------------------------------------------------------- */

static void begin(pid_t pid, struct nt_found *out)
{
    memset(out, 0, sizeof *out);
    out->fd = -1;
    out->there = kill(pid, 0) == 0 || errno != ESRCH;
}

void nt__watched_by_map(pid_t pid, struct nt_found *out)
{
    begin(pid, out);
    if (out->there)
        read_maps(pid, out);
    if (out->inode != 0)
        open_mapped(pid, out);
}

void nt__watched_by_name(pid_t pid, const char *folder, struct nt_found *out)
{
    struct search s = {.pid = pid, .found = out};

    begin(pid, out);
    if (folder != NULL)
        look_in(&s, folder, false);
    else
        look_everywhere(&s);
}
