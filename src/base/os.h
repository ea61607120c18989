/* SPDX-License-Identifier: MIT */
/*
 * What we ask of the operating system: pages and time.
 *
 * Common to all calls on memory: addresses and lengths are whole pages, lengths are
 * not zero. Memory is private, anonymous, readable and writable, and reads as zero
 * when first touched. Calls that fail return NULL or false and may change errno;
 * whoever calls the public API saves it. Any thread, no locks.
 * Everything is done through libc's symbols, never by raw system calls: UCX and
 * libfabric keep their registration caches right by hooking munmap and mremap there.
 */
#ifndef NT_BASE_OS_H
#define NT_BASE_OS_H

#include "src/base/base.h"

/* Bytes in a page; a power of two. Read once, at the first call. */
extern NT_HIDDEN size_t
    nt__os_page; /* 0: not yet; every writer writes the same value */
NT_HIDDEN NT_SLOW size_t nt__os_read_page_size(void);
NT_FAST size_t nt__os_page_size(void)
{
    size_t size = __atomic_load_n(&nt__os_page, __ATOMIC_RELAXED);
    return NT_LIKELY(size != 0) ? size : nt__os_read_page_size();
}

/* Map `size` bytes wherever the kernel likes. */
NT_HIDDEN void *nt__os_map(size_t size);

/* Map exactly at `at`, failing when anything is mapped there. `hugetlb`: from the
 * reserved 2 MiB pages (fails when there are too few). */
NT_HIDDEN bool nt__os_map_at(void *at, size_t size, bool hugetlb);

/* Linux refuses at once what all memory and swap could not hold (unless it is told not to:
 * vm.overcommit_memory), but not to us, who map without a reservation. So for more than there
 * is memory it is asked as others ask it. Takes no memory. */
NT_HIDDEN bool nt__os_would_give(size_t size);

/* Map at `at`, replacing what is there: gives the memory back, merges mappings. False:
 * nothing may be mapped there any more, see nt__os_is_mapped. */
NT_HIDDEN bool nt__os_remap(void *at, size_t size);

/* Take `size` bytes of address space that nothing can be stored in. */
NT_HIDDEN void *nt__os_reserve(size_t size);

/* Have nobody touch the range, or all, as ever; what it holds stays. So a part of what was
 * reserved is opened: by rights, not by mapping anew, for of a mapping that is refused for want
 * of memory the kernel has unmapped first what was there, and others might come to lie in our
 * stretch. False: it is as before. */
NT_HIDDEN bool nt__os_protect(void *at, size_t size, bool usable);

NT_HIDDEN bool nt__os_unmap(void *at, size_t size);

/* Is all of the range mapped? False, too, if the kernel does not say. */
NT_HIDDEN bool nt__os_is_mapped(void *at, size_t size);

/* Give the pages back; the range stays mapped and reads as zero. False, always, for part
 * of a huge page in a process that has mapped any with `hugetlb`. */
NT_HIDDEN bool nt__os_purge(void *at, size_t size);

/* If the page there, which nobody needs, is part of a huge page, make that small ones: the kernel
 * keeps one of which a part was purged until memory is short. By MADV_COLD, which splits what it
 * is told a part of (Linux 5.4 and later; else nothing happens). */
NT_HIDDEN void nt__os_split(void *at);

/* Have the range read as zero: pages in memory are written to and stay there, others stay out
 * of it. Were there none of these? */
NT_HIDDEN bool nt__os_clear(void *at, size_t size);

/* Ask for transparent huge pages in the range, or for none. */
NT_HIDDEN bool nt__os_advise_huge(void *at, size_t size);
NT_HIDDEN bool nt__os_advise_small(void *at, size_t size);

/* Move the pages of [from, from+size) to `to` by page table, replacing what is
 * mapped there; `from` stays mapped and reads as zero. False: nothing was moved, as before
 * Linux 5.7 (others could take the place of `from` meanwhile) and in every process that has
 * mapped anything with `hugetlb`; `to` may be a new mapping then, without its policy, or,
 * where there was no memory for one, none: nt__os_is_mapped tells. */
NT_HIDDEN bool nt__os_move(void *from, void *to, size_t size);

/* Milliseconds of a clock that never goes back, a few ms coarse, never 0. */
NT_HIDDEN uint64_t nt__os_now_ms(void);

/* Nanoseconds of a clock that never goes back. */
NT_HIDDEN uint64_t nt__os_now_ns(void);

/* Nanoseconds that the calling thread has run. A system call. */
NT_HIDDEN uint64_t nt__os_ran_ns(void);

/* Nanoseconds of the wall clock, since 1970. */
NT_HIDDEN uint64_t nt__os_unix_ns(void);

/* Processor time of this process, in nanoseconds; 0: the kernel does not say. */
NT_HIDDEN uint64_t nt__os_cpu_ns(void);

/* Sixty-four bits that an attacker cannot guess. */
NT_HIDDEN uint64_t nt__os_random(void);

#endif
