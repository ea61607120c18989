/* SPDX-License-Identifier: MIT */
/* The library's own memory: aligned, zeroed, never handed out twice, counted. */
#include "src/base/meta.h"

#include "src/base/os.h"
#include "tests/child.h"

#include <pthread.h>
#include <sys/resource.h>

static bool all_zero(const unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != 0)
            return false;
    return true;
}

enum { MANY = 3000 };

static void test_aligned_zeroed_apart(void **state)
{
    static unsigned char *block[MANY];
    static size_t size[MANY];
    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        size_t align = (size_t)1 << i % 13;
        size[i] = 1 + i * 37 % 5000;
        block[i] = nt__meta_alloc(size[i], align);
        assert_non_null(block[i]);
        assert_int_equal((uintptr_t)block[i] % align, 0);
        assert_true(all_zero(block[i], size[i]));
        memset(block[i], (int)(i % 255 + 1), size[i]);
    }
    for (unsigned i = 0; i < MANY; i++)
        assert_true(block[i][0] == i % 255 + 1 && block[i][size[i] - 1] == i % 255 + 1);
}

static void test_bytes(void **state)
{
    (void)state;
    size_t before = nt__meta_bytes();
    unsigned char *big = nt__meta_alloc(3 * NT_MIB + 1, 64);
    assert_non_null(big);
    assert_true(all_zero(big, 3 * NT_MIB + 1));
    assert_true(nt__meta_bytes() >= before + 3 * NT_MIB + 1);
    assert_int_equal(nt__meta_bytes() % nt__os_page_size(), 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    size_t before = nt__meta_bytes();
    assert_null(nt__meta_alloc((size_t)1 << 62, 64));
    assert_int_equal(nt__meta_bytes(), before);
    assert_non_null(nt__meta_alloc(100, 64));
}

/* With room for less than a chunk, what is needed is still found. */
static int act_tight(void)
{
    nt__meta_alloc(NT_MIB, 64); /* whatever is left of the last chunk is not enough */
    char line[256];
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fgets(line, sizeof line, f) && sscanf(line, "%ld", &pages) == 1);
    fclose(f);
    rlim_t limit = (rlim_t)pages * nt__os_page_size() + 128 * NT_KIB;
    CHECK(setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit}) == 0);
    size_t got = 0;
    while (nt__meta_alloc(4096, 64))
        CHECK(++got < 100000);
    CHECK(got >= 8);
    return 0;
}

static void test_tight_limit(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    return; /* for the other builds: a shadow fits under no limit */
#endif
    child_ok(act_tight);
}

enum { THREADS = 4, EACH = 500 };

static void *alloc_many(void *mark)
{
    unsigned char **kept = calloc(EACH, sizeof *kept);
    unsigned char c = *(unsigned char *)mark;
    for (int i = 0; i < EACH; i++) {
        kept[i] = nt__meta_alloc(200, 8);
        if (!kept[i] || !all_zero(kept[i], 200))
            return NULL;
        memset(kept[i], c, 200);
    }
    for (int i = 0; i < EACH; i++)
        for (int k = 0; k < 200; k++)
            if (kept[i][k] != c)
                return NULL;
    free(kept);
    return mark;
}

static void test_threads(void **state)
{
    pthread_t thread[THREADS];
    unsigned char mark[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        mark[i] = (unsigned char)(i + 1);
        assert_int_equal(pthread_create(&thread[i], NULL, alloc_many, &mark[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(thread[i], &result);
        assert_ptr_equal(result, &mark[i]);
    }
}

static int act_child(void)
{
    unsigned char *p = nt__meta_alloc(64, 64);
    CHECK(p && all_zero(p, 64));
    return 0;
}

/* As whoever forked does in the child: what this thread holds is noted per rank. */
static void forget_locks(void)
{
#if NT_DEBUG
    nt__lock_held = 0;
#endif
}

static int act_prepared_child(void)
{
    forget_locks();
    nt__meta_fork_unlock(NT_FORK_CHILD);
    return act_child();
}

/* The child of a _Fork while somebody was inside: what was half done is left alone. */
static int act_raw_child(void)
{
    forget_locks();
    size_t before = nt__meta_bytes();
    nt__meta_fork_unlock(NT_FORK_RAW);
    CHECK(act_child() == 0);
    CHECK(nt__meta_bytes() > before);
    return 0;
}

static int act_raw_child_unlocked(void)
{
    size_t before = nt__meta_bytes();
    nt__meta_fork_unlock(NT_FORK_RAW);
    CHECK(act_child() == 0);
    CHECK(nt__meta_bytes() == before);
    return 0;
}

static void test_fork(void **state)
{
    (void)state;
    assert_non_null(nt__meta_alloc(8, 8));
    nt__meta_fork_lock();
    child_ok(act_prepared_child);
    child_ok(act_raw_child);
    nt__meta_fork_unlock(NT_FORK_PARENT);
    child_ok(act_raw_child_unlocked);
    assert_non_null(nt__meta_alloc(8, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aligned_zeroed_apart),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_tight_limit),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
