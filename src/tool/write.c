/* SPDX-License-Identifier: MIT */
/*
 * A whole file, or the one that was there: what is short enough to be made in memory first is
 * written beside its place and renamed, so that a full disk costs nothing that was there.
 */
#include "src/base/fmt.h"
#include "src/tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_to(int fd, const char *text, size_t bytes)
{
    int err = nt__write_all(fd, text, bytes);

    return close(fd) != 0 && err == 0 ? -errno : err;
}

/* Where a file by that name lies, links followed, and with which rights it is to be; false: it
 * is no regular file, and is written where it is. */
static bool find_place(const char *path, char place[PATH_MAX], mode_t *mode)
{
    struct stat st;
    mode_t mask = umask(0);

    umask(mask);
    *mode = 0666 & ~mask;
    if (stat(path, &st) != 0) /* a link to nowhere is no place for a new file */
        return lstat(path, &st) != 0 &&
               snprintf(place, PATH_MAX, "%s", path) < PATH_MAX;
    *mode = st.st_mode & 07777;
    return S_ISREG(st.st_mode) && realpath(path, place) != NULL;
}

/* A new file in `place`. False: the folder takes none. */
static bool replace(const char *place, mode_t mode, const char *text, size_t bytes,
                    int *err)
{
    char beside[PATH_MAX + 16];
    int fd;

    snprintf(beside, sizeof beside, "%s.XXXXXX", place);
    fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0)
        return false;
    fchmod(fd, mode);
    *err = write_to(fd, text, bytes);
    if (*err == 0 && rename(beside, place) != 0)
        *err = -errno;
    if (*err != 0)
        unlink(beside);
    return true;
}

int nt__tool_write(const char *path, const char *text, size_t bytes)
{
    char place[PATH_MAX];
    sigset_t all, before;
    bool done = false;
    mode_t mode;
    int fd, err = 0;

    if (find_place(path, place, &mode)) {
        sigfillset(&all); /* none that ends us leaves a file beside it */
        sigprocmask(SIG_SETMASK, &all, &before);
        done = replace(place, mode, text, bytes, &err);
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
    if (done)
        return err;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return fd < 0 ? -errno : write_to(fd, text, bytes);
}
