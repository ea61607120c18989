/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "src/base/os.h"
#include "src/base/sanitizer.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define HUGE_SHIFT 21
#define HUGE_PAGE ((size_t)1 << HUGE_SHIFT)

enum {
    RW = PROT_READ | PROT_WRITE,
    ANON = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
};

/* A mapping from the reserved pool may be anywhere in what we are asked about. There the
 * kernel rounds: madvise down to whole huge pages, saying that it did all, and mremap up,
 * taking the neighbours along. */
static bool reserved_pages; /* set once, before the first such mapping is used */

size_t nt__os_page;

size_t nt__os_read_page_size(void)
{
    size_t size = (size_t)getauxval(AT_PAGESZ);
    if (size == 0)
        size = (size_t)sysconf(_SC_PAGESIZE);
    __atomic_store_n(&nt__os_page, size, __ATOMIC_RELAXED);
    return size;
}

void *nt__os_map(size_t size)
{
    void *p = mmap(NULL, size, RW, ANON, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

bool nt__os_map_at(void *at, size_t size, bool hugetlb)
{
    /* Kernels before 4.17, and valgrind, read the flag as a hint: so look. */
    int flags = ANON;
    if (!__tsan_init) /* which takes hints outside its own ranges away, but leaves the flag */
        flags |= MAP_FIXED_NOREPLACE;
    if (hugetlb) /* with its pages reserved: else touching one too many is SIGBUS */
        flags = (flags & ~MAP_NORESERVE) | MAP_HUGETLB | HUGE_SHIFT << MAP_HUGE_SHIFT;
    void *p = mmap(at, size, RW, flags, -1, 0);
    if (p == at) {
        if (hugetlb)
            __atomic_store_n(&reserved_pages, true, __ATOMIC_RELAXED);
        return true;
    }
    if (p != MAP_FAILED)
        munmap(p, size);
    return false;
}

bool nt__os_would_give(size_t size)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    if (pages <= 0 || size / nt__os_page_size() <= (size_t)pages)
        return true;
    void *p = mmap(NULL, size, RW, ANON & ~MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED)
        munmap(p, size);
    return p != MAP_FAILED;
}

bool nt__os_remap(void *at, size_t size)
{
    return mmap(at, size, RW, ANON | MAP_FIXED, -1, 0) == at;
}

void *nt__os_reserve(size_t size)
{
    void *p = mmap(NULL, size, PROT_NONE, ANON, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

bool nt__os_protect(void *at, size_t size, bool usable)
{
    return mprotect(at, size, usable ? RW : PROT_NONE) == 0;
}

bool nt__os_unmap(void *at, size_t size)
{
    return munmap(at, size) == 0;
}

bool nt__os_is_mapped(void *at, size_t size)
{
    return madvise(at, size, MADV_NORMAL) == 0; /* ENOMEM where there is a gap */
}

bool nt__os_purge(void *at, size_t size)
{
    if (__atomic_load_n(&reserved_pages, __ATOMIC_RELAXED) &&
        (((uintptr_t)at | size) & (HUGE_PAGE - 1)) != 0)
        return false;
    return madvise(at, size, MADV_DONTNEED) == 0;
}

bool nt__os_clear(void *at, size_t size)
{
    unsigned char in[4096];
    size_t page = nt__os_page_size(), n;
    bool all = true;
    for (char *p = at; size != 0; p += n * page, size -= n * page) {
        n = nt__min(size / page, sizeof in);
        if (mincore(p, n * page, in) != 0)
            memset(in, 1, n);
        for (size_t i = 0, end; i < n; i = end) {
            for (end = i + 1; end < n && ((in[end] ^ in[i]) & 1) == 0;)
                end++;
            /* What is not in memory may have been swapped out. */
            if ((in[i] & 1) != 0 || !nt__os_purge(p + i * page, (end - i) * page))
                memset(p + i * page, 0, (end - i) * page);
            else
                all = false;
        }
    }
    return all;
}

bool nt__os_advise_huge(void *at, size_t size)
{
    /* Not by libc's symbol, which networks hook (guest.h): no page is taken away. */
    return syscall(SYS_madvise, at, size, MADV_HUGEPAGE) == 0;
}

bool nt__os_advise_small(void *at, size_t size)
{
    return syscall(SYS_madvise, at, size, MADV_NOHUGEPAGE) == 0;
}

void nt__os_split(void *at)
{
    syscall(SYS_madvise, at, nt__os_page_size(), MADV_COLD);
}

bool nt__os_move(void *from, void *to, size_t size)
{
    if (__atomic_load_n(&reserved_pages, __ATOMIC_RELAXED))
        return false;
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    if (mremap(from, size, size, flags, to) == to)
        return true;
    /* It failed, but the target may have been unmapped already. */
    if (!nt__os_remap(to, size))
        nt__os_remap(to, size);
    return false;
}

uint64_t nt__os_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + 1;
}

static uint64_t ns_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t nt__os_now_ns(void)
{
    return ns_of(CLOCK_MONOTONIC);
}

uint64_t nt__os_ran_ns(void)
{
    return ns_of(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t nt__os_cpu_ns(void)
{
    return ns_of(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t nt__os_unix_ns(void)
{
    return ns_of(CLOCK_REALTIME);
}

uint64_t nt__os_random(void)
{
    /* The kernel puts sixteen random bytes on every program's stack. */
    uint64_t r = 0x9e3779b97f4a7c15u;
    const void *bytes = (const void *)getauxval(AT_RANDOM);
    if (bytes)
        memcpy(&r, (const char *)bytes + 8, sizeof r);
    return r ^ nt__os_unix_ns();
}
