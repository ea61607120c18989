/* SPDX-License-Identifier: MIT */
/*
 * A counter that is not ours: preloaded instead of libnumatally_malloc.so, it passes
 * every call on to glibc's own allocator and counts blocks and requested bytes.
 *
 * The idea: as little as possible. It knows nothing of the library, not even its
 * headers; three atomic sums, no table, no thread state. It counts as valgrind does:
 * a realloc that keeps a block is one allocation of the new size plus one free, a
 * memalign is one allocation of the size asked for, a free of NULL is nothing.
 *
 * The result goes to the file that NUMATALLY_CONF's `report:` names, as one line of
 * JSON, so that the program's environment is the same, byte for byte, whether this
 * or the library is preloaded: programs copy their environment into blocks.
 *
 * It writes from an exit handler registered without an owner in its constructor:
 * such a handler runs after the destructors of every library and of the program.
 * The library takes its own final report at the same point.
 *
 * Where the library's presence itself shows in the program's requests, the shim does
 * the same, so that what is left to differ is the counting:
 *  - it has a thread-local variable: a thread's vector of them grows by 16 bytes with
 *    each library that has any, and pthread_create gets that vector from calloc;
 *  - it keeps glibc's heap away from the break, which lies below 1 GiB in programs at
 *    fixed addresses: Python keeps addresses as integers, and one that needs more than
 *    30 bits takes 4 bytes more.
 * With -DSHIM_ALONE it has only the last: to stand beside
 * valgrind, which does not bring the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);
extern int __cxa_atexit(void (*)(void *), void *, void *);

static struct {
    _Atomic uint64_t allocations, frees, requested;
} count;

#ifndef SHIM_ALONE
__attribute__((used)) static _Thread_local int as_the_library_has;
#endif

/* A page in the way of the break, before glibc's heap begins. The first call comes
 * while there is one thread. */
static void keep_from_break(void)
{
    static bool done;
    if (done)
        return;
    done = true;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t end = ((uintptr_t)sbrk(0) + page - 1) & ~(page - 1);
    mmap((void *)end, page, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static void *counted(void *block, size_t size)
{
    if (block != NULL) {
        atomic_fetch_add_explicit(&count.allocations, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&count.requested, size, memory_order_relaxed);
    }
    return block;
}

static void counted_free(void)
{
    atomic_fetch_add_explicit(&count.frees, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    keep_from_break();
    return counted(__libc_malloc(size), size);
}

void *calloc(size_t n, size_t size)
{
    keep_from_break();
    return counted(__libc_calloc(n, size), n * size);
}

void *realloc(void *block, size_t size)
{
    keep_from_break();
    void *fresh = __libc_realloc(block, size);
    if (block != NULL && (fresh != NULL || size == 0))
        counted_free();
    return counted(fresh, size);
}

void *reallocarray(void *block, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, bytes);
}

void *memalign(size_t alignment, size_t size)
{
    keep_from_break();
    return counted(__libc_memalign(alignment, size), size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) != 0 || alignment == 0 ||
        (alignment & (alignment - 1)) != 0)
        return EINVAL;
    void *block = memalign(alignment, size);
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

void *valloc(size_t size)
{
    return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return counted(__libc_memalign(page, (size + page - 1) / page * page), size);
}

void free(void *block)
{
    if (block != NULL)
        counted_free();
    __libc_free(block);
}

/* NUMATALLY_CONF's "report:" value, up to the next comma. */
static int report_path(char *path, size_t size)
{
    const char *conf = getenv("NUMATALLY_CONF");
    const char *at = conf == NULL ? NULL : strstr(conf, "report:");
    if (at == NULL)
        return -1;
    at += strlen("report:");
    size_t length = strcspn(at, ",");
    if (length == 0 || length >= size)
        return -1;
    memcpy(path, at, length);
    path[length] = '\0';
    return 0;
}

static void report(void *unused)
{
    (void)unused;
    char path[4096], line[256];
    if (report_path(path, sizeof path) != 0)
        return;
    int length = snprintf(line, sizeof line,
                          "{\"allocations\": %llu, \"frees\": %llu, \"bytes\": %llu}\n",
                          (unsigned long long)atomic_load(&count.allocations),
                          (unsigned long long)atomic_load(&count.frees),
                          (unsigned long long)atomic_load(&count.requested));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || length < 0 || write(fd, line, (size_t)length) != length)
        _exit(125); /* no file would be taken for a program that did not end */
    close(fd);
}

__attribute__((constructor)) static void start(void)
{
    if (__cxa_atexit(report, NULL, NULL) != 0)
        _exit(125);
}
