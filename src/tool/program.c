/* SPDX-License-Identifier: MIT */
/*
 * Before a program is run: where it is, whether it can load a library that is
 * preloaded, and where that library is.
 *
 * Preloading is done by the dynamic loader, so it is lost on a program that has
 * none (statically linked), on one for another machine, and on one that gains
 * rights when it starts: there the loader ignores LD_PRELOAD. Such a program is run
 * all the same, after a warning.
 */
#include "src/base/base.h"
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/tool/tool.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LIBRARY "libnumatally_malloc.so"

#if defined(__x86_64__)
#define MULTIARCH "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define MULTIARCH "aarch64-linux-gnu"
#else
#define MULTIARCH "."
#endif

/* ---- finding ---------------------------------------------------------------- */

/* 0 when `path` is a file that may be executed, else a positive errno. */
static int executable(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    return access(path, X_OK) == 0 ? 0 : errno;
}

/* Look for `name` in PATH. 0 and *path, or the errno that says most. */
static int search_path(const char *name, char **path)
{
    const char *folders = getenv("PATH");
    int err = ENOENT;

    if (folders == NULL)
        folders = "/usr/bin:/bin";
    for (;;) {
        size_t len = strcspn(folders, ":");
        int e;

        if (asprintf(path, "%.*s%s%s", (int)len, folders, len > 0 ? "/" : "./", name) <
            0)
            return ENOMEM;
        e = executable(*path);
        if (e == 0)
            return 0;
        free(*path);
        *path = NULL;
        if (e == EACCES)
            err = e;
        if (folders[len] == '\0')
            return err;
        folders += len + 1;
    }
}

/* ---- can it be preloaded? --------------------------------------------------- */

bool nt__program_gains_rights(const char *path, const struct stat *st)
{
    struct statvfs at;

    if (statvfs(path, &at) == 0 && (at.f_flag & ST_NOSUID) != 0)
        return false;
    /* Capabilities make it secure even where they are not gained. */
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
    if ((st->st_mode & S_ISUID) != 0 && st->st_uid != geteuid())
        return true;
    if ((st->st_mode & S_ISGID) != 0 && st->st_gid != getegid())
        return true;
    return geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

static bool has_interpreter(int fd, const Elf64_Ehdr *e)
{
    for (unsigned i = 0; i < e->e_phnum; i++) {
        Elf64_Phdr p;
        off_t at = (off_t)(e->e_phoff + (uint64_t)i * e->e_phentsize);

        if (pread(fd, &p, sizeof p, at) == sizeof p && p.p_type == PT_INTERP)
            return true;
    }
    return false;
}

bool nt__program_script(const char *head, char *out, size_t cap)
{
    size_t len;

    if (strncmp(head, "#!", 2) != 0)
        return false;
    head += 2 + strspn(head + 2, " \t");
    len = strcspn(head, " \t\n");
    if (len == 0 || len >= cap)
        return false;
    memcpy(out, head, len);
    out[len] = '\0';
    return true;
}

/* Why the loader will not preload into `path`; NULL when it will, or who knows.
 * `*next` becomes the interpreter when it is a script. */
static const char *obstacle(const char *path, char *next, size_t cap)
{
    union {
        Elf64_Ehdr elf;
        char text[256];
    } head = {.text = {0}};
    const char *why = NULL;
    struct stat st;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    next[0] = '\0';
    if (fd < 0)
        return NULL;
    n = pread(fd, &head, sizeof head - 1, 0);
    if (fstat(fd, &st) != 0 || n < 4)
        why = NULL;
    else if (nt__program_script(head.text, next, cap))
        why = NULL;
    else if (memcmp(head.text, ELFMAG, SELFMAG) != 0)
        why = NULL;
    else if (nt__program_gains_rights(path, &st))
        why = "gains rights when it starts (setuid, setgid or capabilities)";
    else if (head.elf.e_ident[EI_CLASS] != ELFCLASS64)
        why = "is not a 64-bit program";
    else if (!has_interpreter(fd, &head.elf))
        why = "is statically linked";
    close(fd);
    return why;
}

static void warn_obstacle(const char *path)
{
    char at[PATH_MAX], next[PATH_MAX];
    const char *why;

    nt__fmt_into(at, sizeof at, "%s", path);
    for (int depth = 0; depth < 4; depth++) {
        why = obstacle(at, next, sizeof next);
        if (why != NULL)
            nt__warn("%.512s %s: a library cannot be preloaded into it; it runs, but "
                     "nothing of it will be counted",
                     at, why);
        if (why != NULL || next[0] == '\0')
            return;
        memcpy(at, next, sizeof at);
    }
}

int nt__program_seek(const char *name, char **path)
{
    int err;

    *path = NULL;
    if (strchr(name, '/') == NULL)
        return name[0] == '\0' ? ENOENT : search_path(name, path);
    err = executable(name);
    if (err == 0 && (*path = strdup(name)) == NULL)
        err = ENOMEM;
    return err;
}

int nt__tool_find_program(const char *name, char **path)
{
    int err = nt__program_seek(name, path);

    if (err == 0) {
        if (nt__conf_rank() <= 0) /* once is enough in a job */
            warn_obstacle(*path);
        return 0;
    }
    if (err == ENOENT || err == ENOTDIR) {
        nt__warn("program \"%.512s\" was not found%s", name,
                 strchr(name, '/') != NULL ? "; check the path" : " in PATH");
        return NT_EXIT_NOT_FOUND;
    }
    nt__warn("program \"%.512s\" cannot be executed: %s", name, nt__errno_text(err));
    return NT_EXIT_NOT_EXECUTABLE;
}

/* ---- the library ------------------------------------------------------------ */

/* The library's path in folder `place` of `self`, without dots; NULL: not there. */
static char *library_in(const char *self, const char *place)
{
    char *folder, *real, *path;

    if (asprintf(&folder, "%s%s", self, place) < 0)
        return NULL;
    real = realpath(folder, NULL);
    free(folder);
    if (real == NULL || asprintf(&path, "%s/%s", real, LIBRARY) < 0)
        path = NULL;
    free(real);
    if (path != NULL && access(path, R_OK) == 0)
        return path;
    free(path);
    return NULL;
}

char *nt__tool_seek_library(char *why, size_t size)
{
    static const char *const places[] = {"", "../lib/" MULTIARCH "/", "../lib/",
                                         "../lib64/"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    if (n <= 0) {
        nt__fmt_into(why, size, "cannot find %s: /proc/self/exe cannot be read (%s)",
                     LIBRARY, nt__errno_text(errno));
        return NULL;
    }
    self[n] = '\0';
    slash = strrchr(self, '/');
    slash[1] = '\0';
    for (size_t i = 0; i < NT_ARRAY_LEN(places); i++) {
        char *path = library_in(self, places[i]);

        if (path == NULL)
            continue;
        if (strpbrk(path, " :$") == NULL)
            return path;
        nt__fmt_into(
            why, size,
            "%.512s cannot be preloaded: the loader allows no blank, ':' or '$' in "
            "its path; install it elsewhere",
            path);
        free(path);
        return NULL;
    }
    nt__fmt_into(
        why, size,
        "cannot find %s in %.256s, ../lib or ../lib/%s of it; build or install "
        "numatally as a whole",
        LIBRARY, self, MULTIARCH);
    return NULL;
}

char *nt__tool_find_library(void)
{
    char why[1024];
    char *path = nt__tool_seek_library(why, sizeof why);

    if (path == NULL)
        nt__warn("%s", why);
    return path;
}

char *nt__tool_mpi_libraries(const char *library)
{
    static const char *const names[] = {"libnumatally_openmpi.so",
                                        "libnumatally_mpich.so"};
    int folder = (int)(strrchr(library, '/') - library);
    char *all = strdup(library);

    for (size_t i = 0; i < NT_ARRAY_LEN(names) && all != NULL; i++) {
        char *more;
        const char *path;

        if (asprintf(&more, "%s:%.*s/%s", all, folder, library, names[i]) < 0) {
            free(all);
            return NULL;
        }
        path = more + strlen(all) + 1;
        if (access(path, R_OK) == 0) {
            free(all);
            all = more;
        } else {
            free(more);
        }
    }
    return all;
}

bool nt__tool_is_launcher(const char *path)
{
    static const char *const names[] = {"mpirun", "mpiexec", "orterun", "prterun",
                                        "srun"};
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t len = strcspn(name, "."); /* mpiexec.hydra, mpirun.openmpi */

    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++)
        if (strlen(names[i]) == len && strncmp(name, names[i], len) == 0)
            return true;
    return false;
}
