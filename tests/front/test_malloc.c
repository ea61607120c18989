/* SPDX-License-Identifier: MIT */
/* The C symbols, in a program whose malloc they are: corners that need no process of
 * their own (prog_contract.c has the rest), and that every name leads to one heap. */
#include <errno.h>
#include <malloc.h>
#include <numatally/numatally.h>
#include <numatally/stats.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

void free_sized(void *ptr, size_t size);
void *__libc_malloc(size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *ptr);

static struct nt_snapshot before, after;
static volatile size_t odd = 48; /* no power of two, as compilers would tell us */

static void test_one_heap(void **state)
{
    (void)state;
    assert_int_equal(nt_snapshot(&before), 0);
    void *p[] = {malloc(100),
                 calloc(1, 100),
                 aligned_alloc(64, 64),
                 memalign(odd, 100),
                 valloc(1),
                 pvalloc(1),
                 __libc_malloc(100),
                 __libc_memalign(32, 100),
                 nt_malloc(100),
                 reallocarray(NULL, 10, 10)};
    enum { COUNT = sizeof p / sizeof p[0] };
    for (size_t i = 0; i < COUNT; i++) {
        assert_non_null(p[i]);
        assert_true(malloc_usable_size(p[i]) >= (i == 2 ? 64 : 1));
        assert_int_equal(malloc_usable_size(p[i]), nt_usable_size(p[i]));
    }
    assert_int_equal(nt_snapshot(&after), 0);
    assert_int_equal(after.total.allocations_total - before.total.allocations_total,
                     COUNT);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal((uintptr_t)p[3] % 64, 0); /* memalign rounds 48 up */
    assert_int_equal((uintptr_t)p[4] % page, 0);
    assert_true(malloc_usable_size(p[5]) >= page);
    for (size_t i = 0; i < COUNT; i++) /* each by another's free */
        i % 3 == 0 ? __libc_free(p[i]) : i % 3 == 1 ? nt_free(p[i]) : free(p[i]);
    assert_int_equal(nt_snapshot(&after), 0);
    assert_int_equal(after.total.live_blocks_now, before.total.live_blocks_now);
}

static void test_errors(void **state)
{
    (void)state;
    volatile size_t most = SIZE_MAX;
    errno = 0;
    assert_null(aligned_alloc(odd, 96));
    assert_int_equal(errno, EINVAL);
    assert_null(pvalloc(most));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memalign(most, 1));
    assert_int_equal(errno, EINVAL);
    errno = 77;
    void *out = &errno;
    assert_int_equal(posix_memalign(&out, 3, 8), EINVAL);
    assert_int_equal(posix_memalign(&out, 4, 8), EINVAL);
    assert_int_equal(posix_memalign(&out, 64, most), ENOMEM);
    assert_ptr_equal(out, &errno);
    free(NULL);
    free_sized(NULL, 5);
    assert_int_equal(malloc_usable_size(NULL), 0);
    assert_int_equal(errno, 77);
}

static void test_figures(void **state)
{
    (void)state;
    struct mallinfo2 was = mallinfo2();
    void *p = malloc(100000), *q = malloc(8000000);
    struct mallinfo2 is = mallinfo2();
    assert_int_equal(is.uordblks + is.hblkhd - was.uordblks - was.hblkhd,
                     malloc_usable_size(p) + malloc_usable_size(q));
    assert_int_equal(mallopt(-12345, 1), 0);
    free(p);
    free(q);
}

/* A program that asks for more than there is gets NULL where Linux refuses others. */
static void test_more_than_there_is(void **state)
{
    size_t size = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) * 16;
    void *others =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool given = others != MAP_FAILED;
    (void)state;
    if (given)
        munmap(others, size);
    void *small = malloc(5 * 1024 * 1024);
    assert_non_null(small);
    void *p[] = {malloc(size), calloc(4, size / 4), aligned_alloc(4096, size),
                 realloc(small, size)};
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++)
        assert_int_equal(p[i] != NULL, given);
    if (!p[3])
        free(small);
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++)
        free(p[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_heap), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_more_than_there_is), cmocka_unit_test(test_figures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
