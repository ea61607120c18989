/* SPDX-License-Identifier: MIT */
/*
 * System calls that fail when they are told to.
 *
 * The test is linked to the core with --wrap for each name below, so what the core calls
 * comes by here first (by its number, what libc has no call for): the product knows nothing of it. Calls that libc makes for itself do
 * not. A call that fails has not been made, but for what the kernel itself does by halves:
 * see `torn`.
 */
#ifndef NT_TESTS_SEAM_H
#define NT_TESTS_SEAM_H

#include <stdbool.h>
#include <stdint.h>

/* X(name, error): the error is the one that the call is most likely to fail with.
 * tests/CMakeLists.txt reads the names here for --wrap, tests/faults/calls.sh compares them
 * with docs/reliability.md and with what the library imports. */
#define SEAM_CALLS(X)                                                                  \
    X(mmap, ENOMEM)                                                                    \
    X(munmap, ENOMEM)                                                                  \
    X(mprotect, ENOMEM)                                                                \
    X(mremap, ENOMEM)                                                                  \
    X(madvise, ENOMEM)                                                                 \
    X(mincore, EAGAIN)                                                                 \
    X(msync, EIO)                                                                      \
    X(sbrk, ENOMEM)                                                                    \
    X(mbind, EPERM)                                                                    \
    X(get_mempolicy, EPERM)                                                            \
    X(move_pages, EPERM)                                                               \
    X(sched_getcpu, ENOSYS)                                                            \
    X(pthread_getaffinity_np, EPERM)                                                   \
    X(pthread_setaffinity_np, EINVAL)                                                  \
    X(pthread_create, EAGAIN)                                                          \
    X(pthread_key_create, EAGAIN)                                                      \
    X(pthread_setspecific, ENOMEM)                                                     \
    X(syscall, ENOSYS)                                                                 \
    X(sigaction, EINVAL)                                                               \
    X(sigtimedwait, EINTR)                                                             \
    X(kill, EPERM)                                                                     \
    X(nanosleep, EINTR)                                                                \
    X(open, EMFILE)                                                                    \
    X(openat, ENOENT)                                                                  \
    X(read, EIO)                                                                       \
    X(pread, EIO)                                                                      \
    X(write, ENOSPC)                                                                   \
    X(poll, EINTR)                                                                     \
    X(close, EIO)                                                                      \
    X(fcntl, EMFILE)                                                                   \
    X(flock, EWOULDBLOCK)                                                              \
    X(ioctl, ENOTTY)                                                                   \
    X(stat, EACCES)                                                                    \
    X(lstat, EACCES)                                                                   \
    X(fstat, EIO)                                                                      \
    X(fstatat, EACCES)                                                                 \
    X(ftruncate, EIO)                                                                  \
    X(posix_fallocate, ENOSPC)                                                         \
    X(rename, EACCES)                                                                  \
    X(unlink, EACCES)                                                                  \
    X(unlinkat, EACCES)                                                                \
    X(readlink, EACCES)                                                                \
    X(getdents64, EIO)                                                                 \
    X(getcwd, ENOENT)                                                                  \
    X(getrlimit, EPERM)                                                                \
    X(uname, EFAULT)

enum seam_call {
#define SEAM_NAME(name, error) SEAM_##name,
    SEAM_CALLS(SEAM_NAME)
#undef SEAM_NAME
        SEAM_COUNT
};

extern const char *const seam_name[SEAM_COUNT];
extern const int seam_usual[SEAM_COUNT];

/* What fails. Set before seam_arm, and not while armed. */
extern struct seam {
    int call;        /* enum seam_call; SEAM_COUNT: any, at random */
    uint64_t at;     /* the first call of it to fail, from 1; 0: none */
    bool from;       /* and all that come after it */
    int error;       /* 0: the usual one of the call */
    uint64_t random; /* with `any`: the seed, and one in `at` fails */
    bool
        torn; /* a mapping that was to be replaced is gone when the call fails: as in Linux
                  before 6.12 when memory is charged strictly, and of mremap in all */
    bool no_place; /* where the library would like to be, others are */
    bool
        nodes; /* the memory of a machine with two nodes: binding works and does nothing,
                   and what the kernel says of its nodes lies in `folder` */
    char folder[64];
} seam;

extern uint64_t seam_calls[SEAM_COUNT]; /* made while armed */
extern uint64_t seam_failed;            /* of all of them */

void seam_arm(void);
void seam_disarm(void);

#endif
