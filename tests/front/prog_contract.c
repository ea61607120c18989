/* SPDX-License-Identifier: MIT */
/*
 * The contract of the malloc family, call by call: C17, C23, POSIX.1-2024 and GNU. One
 * CHECK is one promise. What a promise says about "all sizes" or "all alignments" is
 * still one: the loops collect. Figures and exhaustion: prog_contract_limits.c.
 */
#include "check.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static const size_t sizes[] = {
    0,      1,      7,       8,       15,      16,     17,    24,     31,
    32,     33,     48,      64,      100,     127,    128,   129,    255,
    256,    500,    1000,    1024,    1025,    2048,   4000,  4096,   4097,
    8192,   10000,  16384,   30000,   32768,   32769,  65536, 100000, 131072,
    262144, 500000, 1048576, 2097152, 3000000, 8388608};
static const size_t too_large[] = {(size_t)PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1,
                                   SIZE_MAX - 4096, SIZE_MAX - 1, SIZE_MAX};

/* Does `call`, which must fail with NULL, set errno to `want`? */
#define FAILS_WITH(want, call) (errno = 0, (call) == NULL && errno == (want))
/* Does `call`, which gets a block, leave errno, and is the block given back? */
#define KEEPS_ERRNO(call)                                                              \
    ({                                                                                 \
        errno = 77;                                                                    \
        void *p_ = (call);                                                             \
        bool kept_ = p_ != NULL && errno == 77;                                        \
        free(p_);                                                                      \
        kept_ &&errno == 77;                                                           \
    })
#define FOR_EACH(i, array) for (size_t i = 0; i < COUNT(array); i++)

static void check_malloc(void)
{
    void *a = malloc(opaque(0)), *b = malloc(opaque(0));
    CHECK("malloc(0) gives a block", a && b);
    CHECK("two blocks of 0 bytes differ", a != b);
    free(a);
    free(b);

    bool aligned = true, usable = true, kept = true, kept_free = true;
    FOR_EACH(i, sizes)
    {
        errno = 77;
        void *p = malloc(opaque(sizes[i]));
        kept &= errno == 77;
        aligned &= is_aligned(p, _Alignof(max_align_t));
        usable &= malloc_usable_size(p) >= sizes[i];
        memset(p, 0xff, malloc_usable_size(p));
        errno = 78;
        free(p);
        kept_free &= errno == 78;
    }
    CHECK("every block is aligned for any type", aligned);
    CHECK("usable size is at least what was asked for", usable);
    CHECK("malloc leaves errno on success, all sizes", kept);
    CHECK("free keeps errno, all sizes", kept_free);

    aligned = true;
    for (size_t n = 1; n <= 5000; n++) {
        void *p = malloc(n);
        aligned &= is_aligned(p, 16);
        free(p);
    }
    CHECK("aligned at each size to 5000", aligned);

    FOR_EACH(i, too_large)
    CHECK("malloc of too much: NULL, ENOMEM",
          FAILS_WITH(ENOMEM, a = malloc(opaque(too_large[i]))));
    errno = 77;
    free(NULL);
    CHECK("free(NULL) does nothing", errno == 77);
    CHECK("usable size of NULL is 0", malloc_usable_size(NULL) == 0);
}

/* Many blocks of mixed sizes: each whole usable size holds its own pattern. */
static void check_usable_is_writable(void)
{
    enum { BLOCKS = 3000 };
    static void *block[BLOCKS];
    static size_t bytes[BLOCKS];
    unsigned random = 1;
    bool good = true;

    for (unsigned i = 0; i < BLOCKS; i++) {
        random = random * 1103515245 + 12345;
        size_t n = (random >> 8) % (i % 10 ? 600 : 20000);
        block[i] = i % 7 == 0 ? memalign((size_t)16 << (i % 5), n) : malloc(n);
        good &= block[i] != NULL;
        bytes[i] = malloc_usable_size(block[i]);
        good &= bytes[i] >= n;
        fill(block[i], bytes[i], i);
    }
    CHECK("3000 mixed blocks are had", good);
    good = true;
    for (unsigned i = 0; i < BLOCKS; i++)
        good &= filled(block[i], bytes[i], i);
    CHECK("usable size is really writable, nothing overlaps", good);
    for (unsigned i = 0; i < BLOCKS; i++)
        free(block[i]);

    good = true;
    FOR_EACH(i, sizes)
    {
        void *p = malloc(sizes[i]);
        size_t usable = malloc_usable_size(p);
        fill(p, usable, 3);
        void *q = malloc(sizes[i]);
        memset(q, 0xee, malloc_usable_size(q));
        good &= filled(p, usable, 3) && malloc_usable_size(p) == usable;
        free(q);
        good &= filled(p, usable, 3);
        free(p);
    }
    CHECK("usable size stays, contents stay, neighbours come and go", good);
}

static size_t resident_pages(void *p, size_t bytes)
{
    static unsigned char state[4 * GIB / 4096 + 2];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)p / page * page;
    size_t pages = ((uintptr_t)p + bytes - start + page - 1) / page;
    size_t resident = 0;

    if (pages > sizeof(state) || mincore((void *)start, pages * page, state) != 0)
        return SIZE_MAX;
    for (size_t i = 0; i < pages; i++)
        resident += state[i] & 1;
    return resident;
}

static void check_calloc(void)
{
    static const size_t factors[][2] = {{SIZE_MAX, 2},
                                        {SIZE_MAX / 2, 3},
                                        {(size_t)1 << 32, (size_t)1 << 32},
                                        {((size_t)1 << 63) + 1, 2},
                                        {PTRDIFF_MAX, 1},
                                        {SIZE_MAX, 1},
                                        {((size_t)1 << 62), 2}};
    void *p = NULL;

    FOR_EACH(i, factors)
    CHECK("calloc of too much: NULL, ENOMEM",
          FAILS_WITH(ENOMEM, p = calloc(opaque(factors[i][0]), opaque(factors[i][1]))));
    void *a = calloc(opaque(0), 8), *b = calloc(8, opaque(0));
    CHECK("calloc of nothing gives blocks that differ", a && b && a != b);
    free(a);
    free(b);

    bool zero = true, kept = true, aligned = true;
    FOR_EACH(i, sizes)
    for (size_t round = 0; round < 3; round++) {
        /* Dirty memory of this size first, then ask for it cleared. */
        void *dirty[4];
        for (int k = 0; k < 4; k++) {
            dirty[k] = malloc(sizes[i]);
            memset(dirty[k], 0xa5, malloc_usable_size(dirty[k]));
        }
        for (int k = 0; k < 4; k++)
            free(dirty[k]);
        errno = 77;
        p = calloc(round + 1, opaque(sizes[i]) / (round + 1));
        kept &= errno == 77;
        aligned &= is_aligned(p, 16);
        zero &= all_zero(p, sizes[i] / (round + 1) * (round + 1));
        free(p);
    }
    CHECK("calloc on reused memory is zero, all sizes", zero);
    CHECK("calloc leaves errno on success", kept);
    CHECK("calloc is aligned", aligned);

    malloc_trim(0); /* else it may begin with what was free and is still there */
    p = malloc(opaque(3 * GIB));
    CHECK("malloc(3 GiB) touches nothing", p && resident_pages(p, 3 * GIB) <= 2);
    free(p);
    p = calloc(4, opaque(GIB));
    CHECK("calloc(4 GiB) succeeds", p != NULL);
    CHECK("calloc(4 GiB) touches nothing", p && resident_pages(p, 4 * GIB) <= 2);
    CHECK("its first and last bytes are zero",
          p && !((char *)p)[0] && !((char *)p)[4 * GIB - 1]);
    free(p);
}

static bool realloc_keeps(size_t from, size_t to)
{
    unsigned char *p = malloc(from);
    size_t kept = from < to ? from : to;

    fill(p, from, 9);
    errno = 77;
    unsigned char *q = realloc(p, opaque(to));
    bool good = q && errno == 77 && filled(q, kept, 9) && is_aligned(q, 16) &&
                malloc_usable_size(q) >= to;
    if (q)
        memset(q, 1, to);
    free(q ? q : p);
    return good;
}

static void check_realloc(void)
{
    bool grow = true, shrink = true;
    FOR_EACH(i, sizes)
    FOR_EACH(j, sizes)
    if (i % 2 == 0 && sizes[i] && sizes[j]) {
        if (sizes[j] >= sizes[i])
            grow &= realloc_keeps(sizes[i], sizes[j]);
        else
            shrink &= realloc_keeps(sizes[i], sizes[j]);
    }
    CHECK("growing keeps contents and errno, all pairs of sizes", grow);
    CHECK("shrinking keeps contents and errno, all pairs", shrink);

    void *p = realloc(NULL, opaque(100));
    CHECK("realloc(NULL, n) is malloc(n)", malloc_usable_size(p) >= 100);
    errno = 77;
    p = realloc(p, opaque(0));
    CHECK("realloc(p, 0) frees and gives NULL", p == NULL);
    CHECK("realloc(p, 0) leaves errno", errno == 77);
    p = realloc(NULL, opaque(0));
    CHECK("realloc(NULL, 0) gives a block", p != NULL);
    free(p);

    static const size_t starts[] = {100, 100000, 3000000};
    FOR_EACH(s, starts)
    {
        bool good = true;
        p = malloc(starts[s]);
        fill(p, starts[s], 5);
        FOR_EACH(i, too_large)
        good &= FAILS_WITH(ENOMEM, realloc(hidden(p), opaque(too_large[i])));
        CHECK("realloc to too much: NULL, ENOMEM", good);
        CHECK("and the block is still there", filled(p, starts[s], 5));
        free(p);
    }
    p = memalign(4096, 10000);
    fill(p, 10000, 6);
    p = realloc(p, opaque(50000));
    CHECK("realloc of an aligned block keeps contents", filled(p, 10000, 6));
    p = realloc(p, opaque(9000000));
    CHECK("then of a large one", filled(p, 10000, 6));
    p = realloc(p, opaque(20));
    CHECK("then back to a small one", filled(p, 20, 6));
    free(p);
}

/* Page faults tell copying from moving: a copy touches each page anew, each step. With
 * CONTRACT_COPIES it is known that they are copied, and not gone into. */
static void check_growth(void)
{
    if (getenv("CONTRACT_COPIES") != NULL)
        return;
    struct rusage before, after;
    unsigned char *p = malloc(MIB);
    bool good = p != NULL;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    memset(p, 1, MIB);
    getrusage(RUSAGE_SELF, &before);
    for (size_t n = 2; n <= 512 && good; n++) {
        unsigned char *q = realloc(p, n * MIB);
        good = q != NULL;
        p = q ? q : p;
        memset(p + (n - 1) * MIB, (int)n, MIB);
    }
    getrusage(RUSAGE_SELF, &after);
    CHECK("growing in 1 MiB steps to 512 MiB succeeds", good);
    CHECK("and is not quadratic",
          (size_t)(after.ru_minflt - before.ru_minflt) < 3 * (512 * MIB / page));
    for (size_t n = 1; n <= 512 && good; n++)
        good = p[(n - 1) * MIB] == n % 256 && p[n * MIB - 1] == n % 256;
    CHECK("and keeps everything", good);
    free(p);
}

static void check_reallocarray(void)
{
    void *p = reallocarray(NULL, 10, opaque(10));
    CHECK("reallocarray(NULL, 10, 10)", malloc_usable_size(p) >= 100);
    fill(p, 100, 4);
    errno = 77;
    p = reallocarray(p, 1000, opaque(10));
    CHECK("reallocarray keeps contents", filled(p, 100, 4));
    CHECK("reallocarray leaves errno", errno == 77);
    CHECK("overflow: NULL, ENOMEM",
          FAILS_WITH(ENOMEM, reallocarray(hidden(p), opaque(SIZE_MAX / 2), 3)));
    CHECK("overflow to 0 too",
          FAILS_WITH(ENOMEM, reallocarray(hidden(p), opaque((size_t)1 << 32),
                                          (size_t)1 << 32)));
    CHECK("past PTRDIFF_MAX too",
          FAILS_WITH(ENOMEM, reallocarray(hidden(p), opaque((size_t)1 << 62), 2)));
    CHECK("and the block is still there", filled(p, 100, 4));
    free(p);
    p = reallocarray(NULL, 0, opaque(8));
    CHECK("reallocarray(NULL, 0, n) gives a block", p != NULL);
    free(p);
}

static void check_aligned_alloc(void)
{
    static const size_t lengths[] = {0, 1, 40, 4096, 5000, 70000, 300000};
    bool aligned = true, kept = true, writable = true;
    void *p = NULL;

    for (size_t al = 1; al <= GIB; al *= 2)
        FOR_EACH(i, lengths)
        {
            errno = 77;
            p = aligned_alloc(opaque(al), opaque(lengths[i]));
            kept &= errno == 77;
            aligned &= is_aligned(p, al);
            if (!p)
                continue;
            size_t usable = malloc_usable_size(p);
            writable &= usable >= lengths[i];
            fill(p, lengths[i], 8);
            writable &= filled(p, lengths[i], 8);
            errno = 78;
            free(p);
            kept &= errno == 78;
        }
    CHECK("aligned_alloc serves alignments from 1 to 1 GiB", aligned);
    CHECK("its blocks have their size", writable);
    CHECK("aligned_alloc and free leave errno", kept);

    static const size_t bad[] = {0, 3, 24, 48, 4097, SIZE_MAX, ((size_t)1 << 40) + 16};
    FOR_EACH(i, bad)
    CHECK("aligned_alloc, no power of two: NULL, EINVAL",
          FAILS_WITH(EINVAL, p = aligned_alloc(opaque(bad[i]), 64)));
    FOR_EACH(i, too_large)
    CHECK("aligned_alloc of too much: NULL, ENOMEM",
          FAILS_WITH(ENOMEM, p = aligned_alloc(64, opaque(too_large[i]))));
    CHECK("an alignment above 64 GiB cannot be had: NULL, ENOMEM",
          FAILS_WITH(ENOMEM, p = aligned_alloc(opaque((size_t)1 << 37), 64)));
    CHECK("nor one of 2^62",
          FAILS_WITH(ENOMEM, p = aligned_alloc(opaque((size_t)1 << 62), 64)));
    CHECK("nor one of 2^63",
          FAILS_WITH(ENOMEM, p = aligned_alloc(opaque((size_t)1 << 63), 64)));
}

static void check_posix_memalign(void)
{
    static const size_t bad[] = {0, 1, 2, 4, 3, 12, 24, 1000, SIZE_MAX};
    char mark;
    void *p = &mark;

    FOR_EACH(i, bad)
    {
        errno = 77;
        CHECK("posix_memalign, bad alignment: EINVAL",
              posix_memalign(&p, opaque(bad[i]), 64) == EINVAL);
        CHECK("pointer and errno untouched", p == &mark && errno == 77);
    }
    FOR_EACH(i, too_large)
    {
        errno = 77;
        CHECK("posix_memalign of too much: ENOMEM",
              posix_memalign(&p, 64, opaque(too_large[i])) == ENOMEM);
        CHECK("pointer and errno untouched", p == &mark && errno == 77);
    }
    CHECK("posix_memalign, alignment above 64 GiB: ENOMEM",
          posix_memalign(&p, opaque((size_t)1 << 37), 64) == ENOMEM);
    CHECK("pointer and errno untouched", p == &mark && errno == 77);
    bool aligned = true, kept = true;
    for (size_t al = sizeof(void *); al <= 16 * MIB; al *= 2)
        FOR_EACH(i, sizes)
        {
            errno = 77;
            aligned &=
                posix_memalign(&p, al, opaque(sizes[i])) == 0 && is_aligned(p, al);
            kept &= errno == 77;
            memset(p, 1, sizes[i]);
            free(p);
        }
    CHECK("posix_memalign never misaligns", aligned);
    CHECK("and leaves errno", kept);
    p = NULL;
    CHECK("posix_memalign of 0 bytes",
          posix_memalign(&p, 64, 0) == 0 && is_aligned(p, 64));
    free(p);
}

static void check_old_aligned_calls(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *p = NULL;

    bool rounded = true;
    for (size_t al = 0; al < 5000; al += 7) {
        p = memalign(opaque(al), 100);
        size_t power = 16;
        while (power < al)
            power *= 2;
        rounded &= is_aligned(p, power);
        free(p);
    }
    CHECK("memalign rounds alignments up to powers of two", rounded);
    CHECK("memalign leaves errno", KEEPS_ERRNO(memalign(64, opaque(100))));
    CHECK("memalign, alignment rounded up to more than 64 GiB: ENOMEM",
          FAILS_WITH(ENOMEM, p = memalign(opaque(((size_t)1 << 36) + 1), 64)));
    CHECK("memalign of too much: ENOMEM",
          FAILS_WITH(ENOMEM, p = memalign(64, opaque(SIZE_MAX))));
    CHECK("memalign, alignment past 2^63: EINVAL",
          FAILS_WITH(EINVAL, p = memalign(opaque(((size_t)1 << 63) + 1), 1)));
    p = valloc(opaque(100));
    CHECK("valloc aligns to pages", is_aligned(p, page));
    free(p);
    CHECK("valloc leaves errno", KEEPS_ERRNO(valloc(opaque(5000))));
    CHECK("valloc(SIZE_MAX): ENOMEM", FAILS_WITH(ENOMEM, p = valloc(opaque(SIZE_MAX))));
    p = pvalloc(opaque(1));
    CHECK("pvalloc aligns to pages", is_aligned(p, page));
    CHECK("pvalloc rounds up to pages", malloc_usable_size(p) >= page);
    memset(p, 1, page);
    free(p);
    CHECK("pvalloc leaves errno", KEEPS_ERRNO(pvalloc(opaque(5000))));
    FOR_EACH(i, too_large)
    CHECK("pvalloc of too much: ENOMEM",
          FAILS_WITH(ENOMEM, p = pvalloc(opaque(too_large[i]))));
}

static void check_sized_free(void)
{
    void (*sized)(void *, size_t), (*aligned_sized)(void *, size_t, size_t);
    void *a = dlsym(RTLD_DEFAULT, "free_sized");
    void *b = dlsym(RTLD_DEFAULT, "free_aligned_sized");

    memcpy(&sized, &a, sizeof(a));
    memcpy(&aligned_sized, &b, sizeof(b));
    CHECK("free_sized exists (C23)", a != NULL);
    CHECK("free_aligned_sized exists (C23)", b != NULL);
    if (!a || !b)
        return;
    errno = 77;
    FOR_EACH(i, sizes)
    {
        sized(malloc(sizes[i]), sizes[i]);
        sized(calloc(1, sizes[i]), sizes[i]);
        sized(realloc(malloc(50), sizes[i] + 1), sizes[i] + 1);
        for (size_t al = 16; al <= 65536; al *= 4)
            aligned_sized(aligned_alloc(al, sizes[i]), al, sizes[i]);
    }
    sized(NULL, 10);
    aligned_sized(NULL, 16, 10);
    CHECK("sized frees accept every true size and keep errno", errno == 77);
}

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);
void *__libc_memalign(size_t, size_t);
void *__libc_valloc(size_t);
void *__libc_pvalloc(size_t);

static void check_glibc_entries(void)
{
    bool same = true;

    FOR_EACH(i, sizes)
    {
        size_t n = sizes[i];
        free(__libc_malloc(n));
        __libc_free(malloc(n));
        free(__libc_memalign(64, n));
        free(__libc_valloc(n));
        free(__libc_pvalloc(n));
        __libc_free(memalign(64, n));
        void *p = __libc_calloc(1, n);
        same &= all_zero(p, n) && malloc_usable_size(p) >= n;
        fill(p, n, 2);
        p = realloc(p, n + 5000);
        same &= filled(p, n, 2);
        p = __libc_realloc(p, n + 9000000);
        same &= filled(p, n, 2);
        free(p);
    }
    CHECK("glibc's own entry points share the heap", same);
    void *p = __libc_malloc(777);
    size_t usable = malloc_usable_size(p);
    free(p);
    p = malloc(777);
    CHECK("and its sizes", malloc_usable_size(p) == usable);
    free(p);
    errno = 0;
    p = __libc_malloc(opaque(SIZE_MAX));
    CHECK("__libc_malloc(SIZE_MAX): NULL, ENOMEM", !p && errno == ENOMEM);
}

/* Blocks that libc hands out are the family's. */
static void check_libc_blocks(void)
{
    char *text = strdup("text");
    CHECK("strdup, realloc", (text = realloc(text, 1000)) && !strcmp(text, "text"));
    free(text);
    CHECK("asprintf", asprintf(&text, "%01000d", 1) == 1000);
    CHECK("its usable size", malloc_usable_size(text) > 1000);
    free(text);
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    for (int i = 0; i < 100000; i++)
        fputs("0123456789", stream);
    fclose(stream);
    CHECK("open_memstream", bytes == 1000000 && malloc_usable_size(text) >= bytes);
    stream = fmemopen(text, bytes, "r");
    char *line = malloc(2);
    size_t room = 2;
    CHECK("getline grows our block", getline(&line, &room, stream) == 1000000);
    fclose(stream);
    free(line);
    free(text);
    text = getcwd(NULL, 0);
    CHECK("getcwd(NULL)", text && malloc_usable_size(text) > 0);
    free(text);
    text = realpath("/", NULL);
    CHECK("realpath(NULL)", text && !strcmp(text, "/"));
    free(text);
}

int main(void)
{
    count_when_killed();
    check_malloc();
    check_usable_is_writable();
    check_calloc();
    check_realloc();
    check_growth();
    check_reallocarray();
    check_aligned_alloc();
    check_posix_memalign();
    check_old_aligned_calls();
    check_sized_free();
    check_glibc_entries();
    check_libc_blocks();
    return done();
}
