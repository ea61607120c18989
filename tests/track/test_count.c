/* SPDX-License-Identifier: MIT */
/* A counter adds what it is told, mod 2^64, and readers never see a torn value. */
#include "src/track/count.h"

#include "tests/child.h"

#include <pthread.h>

static void test_adds(void **state)
{
    uint64_t counter = 0, expected = 0;
    (void)state;
    static const uint64_t steps[] = {0,
                                     1,
                                     127,
                                     128,
                                     UINT32_MAX,
                                     INT32_MAX,
                                     (uint64_t)1 << 31,
                                     (uint64_t)1 << 40,
                                     UINT64_MAX};
    for (size_t i = 0; i < NT_ARRAY_LEN(steps); i++) {
        nt__count_add(&counter, steps[i]);
        expected += steps[i];
        assert_true(nt__count_read(&counter) == expected);
    }
    nt__count_add(&counter, (uint64_t)-1); /* minus one, by a constant */
    assert_true(nt__count_read(&counter) == expected - 1);
}

/* Both halves of the word are always equal: a torn read would show. */
#define STEP (((uint64_t)1 << 32) + 1)
enum { ROUNDS = 200000 };
static uint64_t shared;

static void *writer(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++)
        nt__count_add(&shared, STEP);
    return NULL;
}

static void test_one_writer_many_readers(void **state)
{
    pthread_t thread;
    uint64_t last = 0, seen;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, writer, NULL), 0);
    do {
        seen = nt__count_read(&shared);
        assert_true(seen >> 32 == (seen & UINT32_MAX));
        assert_true(seen >= last);
        last = seen;
    } while (seen != ROUNDS * STEP);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adds),
        cmocka_unit_test(test_one_writer_many_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
