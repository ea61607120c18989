/* SPDX-License-Identifier: MIT */
/*
 * Between the tests and qemu's user mode (7.2 in Debian 12), in a cross build: the programs of
 * the tests find these calls before libc's and cmocka's.
 *
 * Some system calls are not what they are on Linux. Where Linux would refuse, so does this;
 * what would harm memory fails as on a Linux that does not know it yet. The cases that test
 * what cannot be had here stand in emulated.list, with the reason, and are not run.
 */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST_PAGE ((size_t)4096)
#define MADV_POPULATE 22 /* MADV_POPULATE_READ and what came after it: Linux 5.14 */

/* ---- Memory ---------------------------------------------------------------------------- */

/* With `qemu -p` pages are larger than the host's, and qemu goes on to take the host's for
 * granules. As on Linux what does not begin with a page is refused, and its last page goes
 * with the rest. */
static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t whole(size_t size)
{
    size_t up = (size + page_size() - 1) & ~(page_size() - 1);
    return up < size ? size : up; /* more than there is */
}

static bool begins_page(const void *at)
{
    if ((uintptr_t)at % page_size() == 0)
        return true;
    errno = EINVAL;
    return false;
}

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    bool there = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
    if ((there && !begins_page(at)) || (size_t)offset % page_size() != 0) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, fd < 0 ? whole(size) : size, prot, flags, fd,
                           offset);
}

int munmap(void *at, size_t size)
{
    return begins_page(at) ? (int)syscall(SYS_munmap, at, whole(size)) : -1;
}

int mprotect(void *at, size_t size, int prot)
{
    return begins_page(at) ? (int)syscall(SYS_mprotect, at, whole(size), prot) : -1;
}

/* With MREMAP_DONTUNMAP qemu counts the old place as unmapped: the program faults there, and
 * MADV_DONTNEED of either place is ignored. */
void *mremap(void *from, size_t size, size_t to_size, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(more, void *) : NULL;
    va_end(more);
    if ((flags & MREMAP_DONTUNMAP) || !begins_page(from) || !begins_page(to)) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mremap, from, whole(size), whole(to_size), flags, to);
}

/* qemu says yes to all advice, also to what it ignores, and to what is about no memory. */
int madvise(void *at, size_t size, int advice)
{
    if (!begins_page(at) || msync(at, whole(size), MS_ASYNC) != 0)
        return -1; /* a gap: ENOMEM, as of madvise */
    if (advice == MADV_WIPEONFORK || advice >= MADV_POPULATE) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_madvise, at, whole(size), advice);
}

/* The answer is about the host's pages. */
int mincore(void *at, size_t size, unsigned char *in)
{
    size_t page = page_size();
    unsigned char of_host[64 * 1024 / HOST_PAGE];
    if (!begins_page(at))
        return -1;
    for (size_t i = 0; i < (size + page - 1) / page; i++) {
        if (syscall(SYS_mincore, (char *)at + i * page, page, of_host) != 0)
            return -1;
        in[i] = 0;
        for (size_t k = 0; k < page / HOST_PAGE; k++)
            in[i] |= of_host[k];
    }
    return 0;
}

/* ---- Cases that are left out --------------------------------------------------------------- */

static struct {
    pid_t pid;
    unsigned count;
    struct {
        char name[64];
        bool seen;
    } test[16];
} left_out;

/* A name that no test has would hide nothing, and nobody would know. */
static void check_names(void)
{
    if (getpid() != left_out.pid)
        return;
    for (unsigned i = 0; i < left_out.count; i++)
        if (!left_out.test[i].seen) {
            fprintf(stderr, "emulated.list: %s has no test %s\n",
                    program_invocation_name, left_out.test[i].name);
            fflush(NULL);
            _exit(1);
        }
}

/* Lines of emulated.list: the program, the case, why. */
static void read_list(void)
{
    char line[256], program[64], test[64];
    size_t length = strlen(program_invocation_name);
    FILE *list = fopen(NT_EMULATED_LIST, "re");
    if (!list) {
        perror(NT_EMULATED_LIST);
        exit(1);
    }
    left_out.pid = getpid();
    while (fgets(line, sizeof line, list)) {
        if (line[0] == '#' || sscanf(line, "%63s %63s", program, test) != 2 ||
            strlen(program) > length ||
            strcmp(program_invocation_name + length - strlen(program), program) != 0)
            continue;
        if (left_out.count == sizeof left_out.test / sizeof left_out.test[0])
            abort();
        strcpy(left_out.test[left_out.count++].name, test);
    }
    fclose(list);
    atexit(check_names);
}

static bool is_left_out(const char *name)
{
    for (unsigned i = 0; i < left_out.count; i++)
        if (strcmp(left_out.test[i].name, name) == 0)
            return left_out.test[i].seen = true;
    return false;
}

int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *const tests,
                            const size_t count, CMFixtureFunction before,
                            CMFixtureFunction after)
{
    static struct CMUnitTest kept[256];
    size_t n = 0;
    if (!left_out.pid)
        read_list();
    for (size_t i = 0; i < count; i++)
        if (!is_left_out(tests[i].name)) {
            if (n == sizeof kept / sizeof kept[0])
                abort();
            kept[n++] = tests[i];
        }
    __typeof__(_cmocka_run_group_tests) *real;
    *(void **)&real = dlsym(RTLD_NEXT, "_cmocka_run_group_tests");
    return real(group, kept, n, before, after);
}
