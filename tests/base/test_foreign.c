/* SPDX-License-Identifier: MIT */
/*
 * Every kind of block that glibc hands out is recognised, sized and freed; whatever
 * else a pointer may be is refused without being touched. glibc is asked by
 * handle, so this holds under a sanitizer's malloc too.
 */
#include "src/base/foreign.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void *(*glibc_malloc)(size_t);
static void *(*glibc_memalign)(size_t, size_t);
static void (*glibc_free)(void *);

static void find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);

    assert_non_null(symbol);
    memcpy(function, &symbol, sizeof(symbol));
}

static int find_glibc(void **state)
{
    (void)state;
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);

    find(libc, "malloc", &glibc_malloc);
    find(libc, "memalign", &glibc_memalign);
    find(libc, "free", &glibc_free);
    return 0;
}

static const size_t sizes[] = {0,     1,      24,     25,      1000,     5000,
                               70000, 100000, 200000, 3000000, 100000000};

static void check_block(unsigned char *p, size_t size)
{
    assert_true(nt__foreign_is_glibc(p));
    assert_true(nt__foreign_usable_size(p) >= size);
    memset(p, 0x5a, nt__foreign_usable_size(p));
    assert_true(nt__foreign_is_glibc(p));
    for (size_t off = 1; off < nt__min(size, 4096); off++)
        assert_false(nt__foreign_is_glibc(p + off));
    memset(p, 0, nt__foreign_usable_size(p));
    for (size_t off = 1; off < nt__min(size, 4096); off++)
        assert_false(nt__foreign_is_glibc(p + off));
}

static void all_sizes(void)
{
    void *kept[NT_ARRAY_LEN(sizes)];

    for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++) {
        kept[i] = glibc_malloc(sizes[i]);
        check_block(kept[i], sizes[i]);
    }
    for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++)
        nt__foreign_free(kept[i]);
}

static void *in_thread(void *unused)
{
    (void)unused;
    all_sizes();
    return glibc_malloc(100);
}

static void test_main_arena(void **state)
{
    (void)state;
    all_sizes();
}

static void test_other_arena(void **state)
{
    (void)state;
    pthread_t thread;
    void *p;

    assert_int_equal(pthread_create(&thread, NULL, in_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, &p), 0);
    check_block(p, 100);
    nt__foreign_free(p);
}

static void test_aligned(void **state)
{
    (void)state;
    for (size_t alignment = 32; alignment <= 4 * NT_MIB; alignment *= 2)
        for (size_t i = 0; i + 1 < NT_ARRAY_LEN(sizes); i++) {
            void *p = glibc_memalign(alignment, sizes[i]);
            assert_true(nt__foreign_is_glibc(p));
            assert_true(nt__foreign_usable_size(p) >= sizes[i]);
            nt__foreign_free(p);
        }
}

/* What is freed is really free: glibc hands the same block out again. */
static void test_free_frees(void **state)
{
    (void)state;
    void *p = glibc_malloc(300);
    uintptr_t first = (uintptr_t)p;

    errno = 77;
    nt__foreign_free(p);
    assert_int_equal(errno, 77);
    void *again = glibc_malloc(300);
    assert_int_equal((uintptr_t)again, first);
    glibc_free(again);
}

static void test_refused(void **state)
{
    (void)state;
    static size_t zeros[512];
    static size_t numbers[512];
    size_t on_stack[512];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    for (size_t i = 0; i < 512; i++)
        numbers[i] = on_stack[i] = i;
    for (size_t i = 0; i < 512; i++) {
        assert_false(nt__foreign_is_glibc(zeros + i));
        assert_false(nt__foreign_is_glibc(numbers + i));
        assert_false(nt__foreign_is_glibc(on_stack + i));
    }
    unsigned char *map = mmap(NULL, 64 * page, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    for (size_t off = 0; off < 2 * page; off += 8)
        assert_false(nt__foreign_is_glibc(map + off));
    assert_int_equal(mprotect(map, page, PROT_NONE), 0);
    assert_false(nt__foreign_is_glibc(map));
    assert_false(nt__foreign_is_glibc(map + 16));
    assert_false(nt__foreign_is_glibc(map + page));
    assert_int_equal(munmap(map, 64 * page), 0);
    assert_false(nt__foreign_is_glibc(map + 16));
    assert_false(nt__foreign_is_glibc(map + page));

    static const uintptr_t wild[] = {0,          8,           16,        32,
                                     4096,       0x10000,     0xdead0,   0x123456789a0,
                                     ~(size_t)0, ~(size_t)15, 1UL << 47, 1UL << 63};
    errno = 77;
    for (size_t i = 0; i < NT_ARRAY_LEN(wild); i++)
        assert_false(nt__foreign_is_glibc((void *)wild[i]));
    assert_false(nt__foreign_is_glibc((void *)(uintptr_t)(void (*)(void))all_sizes));
    assert_false(nt__foreign_is_glibc((void *)((uintptr_t)sbrk(0) & ~15UL)));
    assert_int_equal(errno, 77);
}

/* Sound headers up to the end of a page, in numbers of a program's own: in its file
 * and on the first stack, are no blocks of another glibc. */
static void refuse_sound_headers(size_t *end_of_page)
{
    size_t *block = end_of_page - 64;

    block[1] = 0x40 | 1;                        /* of the block at +2 */
    block[9] = 0x80 | 1;                        /* the next */
    block[25] = (64 - 24) * sizeof(size_t) | 1; /* the last, up to the page's end */
    assert_false(nt__foreign_is_glibc(block + 2));
    block[25] = 16 | 1; /* two stoppers instead */
    block[27] = 16 | 1;
    assert_false(nt__foreign_is_glibc(block + 2));
}

static void test_sound_headers(void **state)
{
    (void)state;
    enum { PAGE = 4096, WORDS = PAGE / sizeof(size_t) };
    static _Alignas(PAGE) size_t fixed[2 * WORDS];
    size_t on_stack[3 * WORDS];
    refuse_sound_headers(fixed + WORDS);
    uintptr_t page = ((uintptr_t)on_stack + 2 * PAGE) & ~(uintptr_t)(PAGE - 1);
    refuse_sound_headers((size_t *)page);
}

/* Plausible numbers in static memory, but no witness. */
static void test_forged(void **state)
{
    (void)state;
    static _Alignas(16) size_t block[64];

    for (size_t flags = 0; flags < 8; flags++) {
        block[1] = 0x40 | flags;
        block[9] = 0x40 | 1;
        assert_false(nt__foreign_is_glibc(block + 2));
        block[9] = 0x21;
        assert_false(nt__foreign_is_glibc(block + 2));
    }
}

/* A second glibc's blocks are known as such, sized, and left where they are. */
static void test_another_namespace(void **state)
{
    (void)state;
    void *libc = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
    void *(*get)(size_t);

    if (!libc)
        skip();
    find(libc, "malloc", &get);
    for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++) {
        unsigned char *p = get(sizes[i]);
        assert_true(nt__foreign_is_glibc(p));
        assert_true(nt__foreign_usable_size(p) >= sizes[i]);
        memset(p, 1, sizes[i]);
        nt__foreign_free(p);
    }
    /* Enough for several regions, whose unused rests are freed. */
    for (int i = 0; i < 3000; i++) {
        unsigned char *p = get((size_t)i);
        assert_true(nt__foreign_is_glibc(p));
        assert_false(nt__foreign_is_glibc(p + 16));
    }
    for (int i = 0; i < 100; i++)
        assert_true(nt__foreign_is_glibc(get(100000)));
    dlclose(libc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_main_arena),    cmocka_unit_test(test_other_arena),
        cmocka_unit_test(test_aligned),       cmocka_unit_test(test_free_frees),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_forged),
        cmocka_unit_test(test_sound_headers), cmocka_unit_test(test_another_namespace),
    };
    return cmocka_run_group_tests(tests, find_glibc, NULL);
}
