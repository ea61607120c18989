/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/faults/seam.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define NODE_FOLDER "/sys/devices/system/node"

#define SEAM_NAME(name, error) #name,
const char *const seam_name[] = {SEAM_CALLS(SEAM_NAME)};
#undef SEAM_NAME
#define SEAM_ERROR(name, error) error,
const int seam_usual[] = {SEAM_CALLS(SEAM_ERROR)};
#undef SEAM_ERROR

struct seam seam;
uint64_t seam_calls[SEAM_COUNT];
uint64_t seam_failed;
static bool armed;

void seam_arm(void)
{
    memset(seam_calls, 0, sizeof seam_calls);
    seam_failed = 0;
    __atomic_store_n(&armed, true, __ATOMIC_SEQ_CST);
}

void seam_disarm(void)
{
    __atomic_store_n(&armed, false, __ATOMIC_SEQ_CST);
}

/* splitmix64, by Vigna */
static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Is this call to fail? Its error then, else 0. */
static int fails(enum seam_call call)
{
    static uint64_t all;
    if (!__atomic_load_n(&armed, __ATOMIC_SEQ_CST))
        return 0;
    uint64_t n = __atomic_add_fetch(&seam_calls[call], 1, __ATOMIC_RELAXED);
    bool now = false;
    if (seam.at == 0)
        return 0;
    if (seam.call == (int)call)
        now = seam.from ? n >= seam.at : n == seam.at;
    else if (seam.call == SEAM_COUNT)
        now = mixed(seam.random * 0x9e3779b97f4a7c15u +
                    __atomic_add_fetch(&all, 1, __ATOMIC_RELAXED)) %
                  seam.at ==
              0;
    if (!now)
        return 0;
    __atomic_add_fetch(&seam_failed, 1, __ATOMIC_RELAXED);
    return seam.error != 0 ? seam.error : seam_usual[call];
}

/* A call that says by errno why it failed, and one that returns it. */
#define WRAP(type, bad, name, params, args)                                            \
    type __real_##name params;                                                         \
    type __wrap_##name params;                                                         \
    type __wrap_##name params                                                          \
    {                                                                                  \
        int error = fails(SEAM_##name);                                                \
        if (error == 0)                                                                \
            return __real_##name args;                                                 \
        errno = error;                                                                 \
        return bad;                                                                    \
    }
#define WRAP_RETURNED(name, params, args)                                              \
    int __real_##name params;                                                          \
    int __wrap_##name params;                                                          \
    int __wrap_##name params                                                           \
    {                                                                                  \
        int error = fails(SEAM_##name);                                                \
        return error != 0 ? error : __real_##name args;                                \
    }

WRAP(int, -1, munmap, (void *at, size_t size), (at, size))
WRAP(int, -1, mprotect, (void *at, size_t size, int rights), (at, size, rights))
WRAP(int, -1, madvise, (void *at, size_t size, int advice), (at, size, advice))
WRAP(int, -1, mincore, (void *at, size_t size, unsigned char *out), (at, size, out))
WRAP(int, -1, msync, (void *at, size_t size, int flags), (at, size, flags))
WRAP(void *, (void *)-1, sbrk, (intptr_t more), (more))
WRAP(int, -1, sched_getcpu, (void), ())
WRAP(int, -1, sigaction,
     (int number, const struct sigaction *now, struct sigaction *old),
     (number, now, old))
WRAP(int, -1, sigtimedwait,
     (const sigset_t *set, siginfo_t *info, const struct timespec *t), (set, info, t))
WRAP(int, -1, kill, (pid_t pid, int number), (pid, number))
WRAP(int, -1, nanosleep, (const struct timespec *t, struct timespec *left), (t, left))
WRAP(int, -1, openat, (int dir, const char *path, int flags, mode_t mode),
     (dir, path, flags, mode))
WRAP(ssize_t, -1, read, (int fd, void *to, size_t size), (fd, to, size))
WRAP(ssize_t, -1, pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
WRAP(ssize_t, -1, write, (int fd, const void *from, size_t size), (fd, from, size))
WRAP(int, -1, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms))
WRAP(int, -1, fcntl, (int fd, int what, long argument), (fd, what, argument))
WRAP(int, -1, flock, (int fd, int how), (fd, how))
WRAP(int, -1, ioctl, (int fd, unsigned long what, void *argument), (fd, what, argument))
WRAP(int, -1, stat, (const char *path, struct stat *out), (path, out))
WRAP(int, -1, lstat, (const char *path, struct stat *out), (path, out))
WRAP(int, -1, fstat, (int fd, struct stat *out), (fd, out))
WRAP(int, -1, fstatat, (int dir, const char *path, struct stat *out, int flags),
     (dir, path, out, flags))
WRAP(int, -1, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, -1, rename, (const char *from, const char *to), (from, to))
WRAP(int, -1, unlink, (const char *path), (path))
WRAP(int, -1, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
WRAP(ssize_t, -1, readlink, (const char *path, char *to, size_t size), (path, to, size))
WRAP(ssize_t, -1, getdents64, (int fd, void *to, size_t size), (fd, to, size))
WRAP(char *, NULL, getcwd, (char *to, size_t size), (to, size))
WRAP(int, -1, getrlimit, (int what, struct rlimit *out), (what, out))
WRAP(int, -1, uname, (struct utsname * out), (out))
WRAP_RETURNED(posix_fallocate, (int fd, off_t at, off_t size), (fd, at, size))
WRAP_RETURNED(pthread_getaffinity_np, (pthread_t t, size_t size, cpu_set_t *set),
              (t, size, set))
WRAP_RETURNED(pthread_setaffinity_np, (pthread_t t, size_t size, const cpu_set_t *set),
              (t, size, set))
WRAP_RETURNED(pthread_create,
              (pthread_t * t, const pthread_attr_t *how, void *(*run)(void *),
               void *arg),
              (t, how, run, arg))
WRAP_RETURNED(pthread_key_create, (pthread_key_t * key, void (*end)(void *)),
              (key, end))
WRAP_RETURNED(pthread_setspecific, (pthread_key_t key, const void *value), (key, value))

/* ---- What fails by halves -------------------------------------------------------------- */

void *__real_mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset)
{
    int error = fails(SEAM_mmap);
    if (error == 0 && seam.no_place && (flags & MAP_FIXED_NOREPLACE) != 0)
        error = EEXIST;
    if (error == 0)
        return __real_mmap(at, size, rights, flags, fd, offset);
    if (seam.torn && (flags & MAP_FIXED) != 0)
        __real_munmap(at, size);
    errno = error;
    return MAP_FAILED;
}

void *__real_mremap(void *from, size_t size, size_t wanted, int flags, void *to);
void *__wrap_mremap(void *from, size_t size, size_t wanted, int flags, void *to);
void *__wrap_mremap(void *from, size_t size, size_t wanted, int flags, void *to)
{
    int error = fails(SEAM_mremap);
    if (error == 0)
        return __real_mremap(from, size, wanted, flags, to);
    if (seam.torn)
        __real_munmap(to, wanted);
    errno = error;
    return MAP_FAILED;
}

/* Linux closes in any case. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    int error = fails(SEAM_close), result = __real_close(fd);
    if (error == 0)
        return result;
    errno = error;
    return -1;
}

/* ---- The two nodes --------------------------------------------------------------------- */

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode)
{
    int error = fails(SEAM_open);
    if (error == 0)
        return __real_open(seam.nodes && strcmp(path, NODE_FOLDER) == 0 ? seam.folder
                                                                        : path,
                           flags, mode);
    errno = error;
    return -1;
}

/* What is called by its number is known by its name here. */

static int bind_memory(void *at, size_t size)
{
    unsigned char in;
    int error = fails(SEAM_mbind);
    if (error == 0 && !seam.nodes)
        error = ENOSYS;
    if (error == 0 && __real_mincore(at, size < 4096 ? size : 4096, &in) != 0)
        error = EFAULT;
    return error;
}

static int tell_policy(int *mode, unsigned long *mask)
{
    int error = fails(SEAM_get_mempolicy);
    if (error == 0 && !seam.nodes)
        error = ENOSYS;
    if (error == 0 && mode)
        *mode = MPOL_DEFAULT;
    if (error == 0 && mask)
        mask[0] = 3;
    return error;
}

static int tell_nodes(size_t count, int *status)
{
    int error = fails(SEAM_move_pages);
    if (error == 0 && !seam.nodes)
        error = ENOSYS;
    for (size_t i = 0; error == 0 && i < count; i++)
        status[i] = 0;
    return error;
}

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    int error;
    if (number == SYS_mbind)
        error = bind_memory((void *)a, (size_t)b);
    else if (number == SYS_get_mempolicy)
        error = tell_policy((int *)a, (unsigned long *)b);
    else if (number == SYS_move_pages)
        error = tell_nodes((size_t)b, (int *)e);
    else if ((error = fails(SEAM_syscall)) == 0)
        return __real_syscall(number, a, b, c, d, e, f);
    errno = error != 0 ? error : errno;
    return error != 0 ? -1 : 0;
}
