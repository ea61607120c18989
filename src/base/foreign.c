/* SPDX-License-Identifier: MIT */
/*
 * How to tell a block of glibc's heap from a wild pointer, without asking glibc.
 *
 * A glibc block is preceded by two words, a chunk header:
 *
 *      p - 16: size of the chunk before, if that one is free (or, in a chunk with a
 *              mapping of its own, the bytes between the mapping and the header)
 *      p -  8: bytes of this chunk, a multiple of 16, and three flags in the low bits:
 *              1 the chunk before is in use, 2 own mapping, 4 not the main arena
 *
 * The flags name four kinds, and each has a witness outside the block that a stray
 * pointer does not have by accident:
 *
 *      own mapping     header and end lie so that a mapping starts and ends on pages
 *      other arena     a heap record stands at the multiple of 64 MiB below, spans the
 *                      block, and its arena lies in a heap of the same shape
 *      main arena      between the end of the program and the program break, and the
 *                      next header says that this chunk is in use
 *      another glibc   (dlmopen: it has no program break and maps 1 MiB and more at a
 *                      time) every header up to the end of that region is sound
 *
 * The last kind's witness is the weakest: numbers of a program's own may look like sound
 * headers up to the end of a page. So no such block is seen where no region can be, in
 * the program's file and on the first thread's stack.
 *
 * Memory is probed before it is read: rt_sigprocmask copies its set in before it
 * rejects an unknown `how`, so EFAULT means unreadable and EINVAL readable. That
 * needs no /proc and no permission, and works in every sandbox.
 *
 * glibc's own free is looked up once, in a constructor, behind us in the search
 * order: libnumatally_malloc.so itself defines __libc_free.
 *
 * Cost: one to three system calls; this is nobody's fast path.
 */
#include "src/base/foreign.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    WORD = sizeof(size_t),
    HEADER_BYTES = 2 * WORD,
    CHUNK_ALIGN = 2 * WORD,
    CHUNK_MIN_BYTES = 4 * WORD,
    IN_USE_BEFORE = 1,
    OWN_MAPPING = 2,
    OTHER_ARENA = 4,
    FLAGS = 7,
    WALK_MAX = 1 << 20, /* headers in one region of another glibc */
};
static const uintptr_t heap_span = 64 * NT_MIB;    /* glibc's HEAP_MAX_SIZE */
static const size_t region_max_bytes = 4 * NT_GIB; /* no chunk of a region is larger */

/* The head of a heap of a glibc arena other than the main one. */
struct heap_record {
    uintptr_t arena;
    uintptr_t previous;
    size_t bytes;
};

enum kind { NOT_GLIBC, MAIN_ARENA, OTHER, OWN, ANOTHER_GLIBC };

static struct {
    _Atomic(void (*)(void *)) glibc_free; /* NULL: not looked up, or no glibc */
} foreign;

__attribute__((constructor)) static void look_up(void)
{
    void (*found)(void *);
    void *symbol = dlsym(RTLD_NEXT, "__libc_free");
    memcpy(&found, &symbol, sizeof(found));
    /* Relaxed: one address, the same whoever stores it. */
    atomic_store_explicit(&foreign.glibc_free, found, memory_order_relaxed);
}

static void (*glibc_free(void))(void *)
{
    if (!atomic_load_explicit(&foreign.glibc_free, memory_order_relaxed))
        look_up();
    return atomic_load_explicit(&foreign.glibc_free, memory_order_relaxed);
}

/* Can the word at `at`, word-aligned, be read? May change errno. */
static bool readable(uintptr_t at)
{
    return at >= 4096 && syscall(SYS_rt_sigprocmask, -1, at, NULL, WORD) != 0 &&
           errno == EINVAL;
}

/* Reads what lies before a block, which AddressSanitizer poisons. */
__attribute__((no_sanitize("address"))) static size_t word_at(uintptr_t at)
{
    return *(const size_t *)at;
}

static bool is_chunk_size(size_t bytes)
{
    return bytes >= CHUNK_MIN_BYTES && bytes % CHUNK_ALIGN == 0 && bytes <= PTRDIFF_MAX;
}

static bool has_own_mapping(uintptr_t chunk, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = word_at(chunk);
    uintptr_t start = chunk - before;
    uintptr_t end = chunk + bytes;

    size_t offset = (chunk + HEADER_BYTES) % page; /* 0 and more: from memalign */

    return before <= chunk && before % CHUNK_ALIGN == 0 && start % page == 0 &&
           end % page == 0 && end > chunk && (offset == 0 || nt__is_pow2(offset)) &&
           readable(start) && readable(end - WORD);
}

/* Read the heap record that would stand at `at`. */
static bool heap_record(uintptr_t at, struct heap_record *record)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (!readable(at) || !readable(at + 2 * WORD))
        return false;
    record->arena = word_at(at);
    record->previous = word_at(at + WORD);
    record->bytes = word_at(at + 2 * WORD);
    return record->bytes >= page && record->bytes <= heap_span &&
           record->bytes % page == 0 && record->arena % CHUNK_ALIGN == 0 &&
           record->previous % heap_span == 0;
}

/* The arena of a heap lies in the first heap of the arena, right behind its record. */
static bool in_other_arena(uintptr_t chunk, size_t bytes)
{
    uintptr_t heap = chunk & ~(heap_span - 1);
    struct heap_record record, first;

    if (!heap_record(heap, &record) || chunk - heap < sizeof(record) ||
        chunk - heap + bytes > record.bytes)
        return false;
    uintptr_t home = record.arena & ~(heap_span - 1);
    return heap_record(home, &first) && first.arena == record.arena &&
           first.previous == 0 && record.arena - home < first.bytes;
}

/* Where the program's file lies in memory. The break, and so the main arena, is above
 * its end. Nowhere (0, 0) when the program was started by naming the loader, which then
 * is what we see. */
struct span {
    uintptr_t start, end;
};

static struct span program_span(uintptr_t program_break)
{
    const ElfW(Phdr) *header = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    size_t count = getauxval(AT_PHNUM);
    uintptr_t bias = 0;
    struct span span = {UINTPTR_MAX, 0};

    for (size_t i = 0; header && i < count; i++)
        if (header[i].p_type == PT_PHDR)
            bias = (uintptr_t)header - header[i].p_vaddr;
    for (size_t i = 0; header && i < count; i++)
        if (header[i].p_type == PT_LOAD) {
            uintptr_t start = bias + header[i].p_vaddr;

            span.start = nt__min(span.start, start);
            span.end = nt__max(span.end, start + header[i].p_memsz);
        }
    return span.end <= program_break ? span : (struct span){0, 0};
}

/* The header behind a chunk that is in use is sound and says so. */
static bool next_header_agrees(uintptr_t chunk, size_t bytes)
{
    uintptr_t next = chunk + bytes;

    return readable(next + WORD) && (word_at(next + WORD) & IN_USE_BEFORE) &&
           (word_at(next + WORD) & (OWN_MAPPING | OTHER_ARENA)) == 0 &&
           word_at(next + WORD) >= HEADER_BYTES;
}

static bool in_main_arena(uintptr_t chunk, size_t bytes)
{
    uintptr_t end = (uintptr_t)sbrk(0);

    return chunk >= program_span(end).end && chunk < end && bytes < end - chunk &&
           next_header_agrees(chunk, bytes);
}

/* Is this on the first thread's stack? The kernel puts random bytes above its frames,
 * and maps nothing else in the 128 MiB below. */
static bool on_first_stack(uintptr_t at)
{
    uintptr_t top = getauxval(AT_RANDOM);

    return at < top && top - at < 128 * NT_MIB;
}

/* Walk the headers from `chunk` to the end of its region: the unused rest, which
 * ends with a page, or, in a region that was left for another, two stoppers. */
static bool in_another_glibc(uintptr_t chunk, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct span program = program_span((uintptr_t)sbrk(0));
    uintptr_t at = chunk;
    uintptr_t known = 0; /* the page last found readable */

    if (bytes > region_max_bytes || (chunk >= program.start && chunk < program.end) ||
        on_first_stack(chunk) || !next_header_agrees(chunk, bytes))
        return false;
    for (int i = 0; i < WALK_MAX; i++) {
        at += bytes;
        if (at / page != known && !readable(at + WORD))
            return false;
        known = at / page;
        size_t head = word_at(at + WORD);
        bytes = head & ~(size_t)FLAGS;
        if (bytes ==
            HEADER_BYTES) /* its rest was freed, or not: only the second tells */
            return readable(at + HEADER_BYTES + WORD) &&
                   word_at(at + HEADER_BYTES + WORD) ==
                       (HEADER_BYTES | IN_USE_BEFORE) &&
                   (at + 2 * HEADER_BYTES) % page == 0;
        if (!is_chunk_size(bytes) || (head & (OWN_MAPPING | OTHER_ARENA)) ||
            bytes > region_max_bytes)
            return false;
        if ((at + bytes) % page == 0 && (head & IN_USE_BEFORE) &&
            readable(at + bytes - WORD))
            return true;
    }
    return false;
}

static enum kind kind_of(const void *p)
{
    uintptr_t chunk = (uintptr_t)p - HEADER_BYTES;

    if ((uintptr_t)p < HEADER_BYTES || (uintptr_t)p % CHUNK_ALIGN != 0 ||
        !glibc_free() || !readable(chunk))
        return NOT_GLIBC;
    size_t head = word_at(chunk + WORD);
    size_t bytes = head & ~(size_t)FLAGS;
    if (!is_chunk_size(bytes))
        return NOT_GLIBC;
    switch (head & FLAGS) {
    case OWN_MAPPING:
        return has_own_mapping(chunk, bytes) ? OWN : NOT_GLIBC;
    case OTHER_ARENA:
    case OTHER_ARENA | IN_USE_BEFORE:
        return in_other_arena(chunk, bytes) ? OTHER : NOT_GLIBC;
    case 0:
    case IN_USE_BEFORE:
        if (in_main_arena(chunk, bytes))
            return MAIN_ARENA;
        return in_another_glibc(chunk, bytes) ? ANOTHER_GLIBC : NOT_GLIBC;
    default:
        return NOT_GLIBC;
    }
}

bool nt__foreign_is_glibc(const void *p)
{
    int saved = errno;
    enum kind kind = kind_of(p);

    errno = saved;
    return kind != NOT_GLIBC;
}

size_t nt__foreign_usable_size(const void *p)
{
    size_t head = word_at((uintptr_t)p - WORD);
    size_t bytes = head & ~(size_t)FLAGS;

    /* A chunk in use extends over the first word of the next header. */
    return head & OWN_MAPPING ? bytes - HEADER_BYTES : bytes - WORD;
}

void nt__foreign_free(void *p)
{
    int saved = errno;

    if (kind_of(p) != ANOTHER_GLIBC)
        glibc_free()(p);
    errno = saved;
}
