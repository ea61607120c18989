/* SPDX-License-Identifier: MIT */
/* The best table of classes, beside all tables there are, and beside plain dynamic programming
 * on problems too large for that. */
#include "src/tool/tune_classes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t state = 88172645463325252u;

static uint64_t random_below(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

/* May a class at `i` serve sizes from index `from` on? */
static bool allowed(const struct nt_classes_problem *p, size_t from, size_t i)
{
    return (p->size[i] - p->size[from]) * 100 <= p->size[i] * p->guard;
}

/* What a table costs, by serving block after block; UINT64_MAX: it breaks the guard. */
static uint64_t price(const struct nt_classes_problem *p, const bool *in)
{
    uint64_t cost = 0;
    size_t from = 0;

    for (size_t i = 0; i < p->n; i++) {
        if (!in[i] && p->must != NULL && p->must[i])
            return UINT64_MAX;
        if (!in[i])
            continue;
        if (!allowed(p, from, i))
            return UINT64_MAX;
        for (; from <= i; from++)
            cost += p->blocks[from] * (p->size[i] - p->size[from]);
        cost += p->class_cost;
    }
    return cost;
}

static uint64_t least_of_all(const struct nt_classes_problem *p)
{
    uint64_t least = UINT64_MAX;

    for (unsigned set = 0; set < 1u << (p->n - 1) % 16; set++) {
        bool in[16] = {false};
        unsigned count = 1;

        in[p->n - 1] = true;
        for (size_t i = 0; i + 1 < p->n; i++) {
            in[i] = set >> i & 1;
            count += in[i];
        }
        if (count <= p->most && price(p, in) < least)
            least = price(p, in);
    }
    return least;
}

/* As good as `least`, a table, and of no more classes than it may have. */
static void check(const struct nt_classes_problem *p, uint64_t least)
{
    uint32_t *chosen = calloc(p->n, sizeof *chosen);
    bool *in = calloc(p->n, sizeof *in);
    size_t count = nt__classes_best(p, chosen);

    if (least == UINT64_MAX) {
        assert_int_equal(count, 0);
        assert_int_equal(errno, 0);
    } else {
        assert_in_range(count, 1, p->most);
        assert_int_equal(chosen[count - 1], p->n - 1);
        for (size_t k = 0; k < count; k++) {
            assert_true(k == 0 || chosen[k] > chosen[k - 1]);
            in[chosen[k]] = true;
        }
        assert_int_equal(price(p, in), least);
        assert_int_equal(nt__classes_waste(p, chosen, count) + count * p->class_cost,
                         least);
    }
    free(chosen);
    free(in);
}

static void make(struct nt_classes_problem *p, uint64_t *size, uint64_t *blocks,
                 bool *must)
{
    static const unsigned guards[] = {100, 100, 75, 50, 25, 12, 0};
    uint64_t at = 0, step = random_below(2) ? 1 : 40,
             most = random_below(3) ? 5 : 100000;

    for (size_t i = 0; i < p->n; i++) {
        at += 16 * (1 + random_below(step));
        size[i] = at;
        blocks[i] = random_below(3) ? random_below(most) : 0;
        must[i] = random_below(5) == 0;
    }
    p->must = random_below(2) != 0 ? must : NULL;
    p->size = size;
    p->blocks = blocks;
    p->most = 1 + (unsigned)random_below(p->n + 2);
    p->class_cost = random_below(2) ? 0 : random_below(most * at);
    p->guard = guards[random_below(sizeof guards / sizeof guards[0])];
}

static void test_brute_force(void **unused)
{
    (void)unused;
    for (int round = 0; round < 20000; round++) {
        uint64_t size[12], blocks[12];
        bool must[12];
        struct nt_classes_problem p = {.n = 1 + random_below(12)};

        make(&p, size, blocks, must);
        check(&p, least_of_all(&p));
    }
}

/* O(most n^2), as it stands in books. */
static uint64_t least_by_rows(const struct nt_classes_problem *p)
{
    uint64_t *best = malloc((p->n + 1) * sizeof *best), *next, least = UINT64_MAX;

    memset(best, 0xff, (p->n + 1) * sizeof *best);
    best[0] = 0;
    for (unsigned m = 1; m <= p->most; m++) {
        next = malloc((p->n + 1) * sizeof *next);
        memset(next, 0xff, (p->n + 1) * sizeof *next);
        for (size_t j = 0; j < p->n; j++) {
            uint64_t blocks = 0, sizes = 0;

            for (size_t i = j; best[j] != UINT64_MAX && i < p->n; i++) {
                uint64_t cost;

                blocks += p->blocks[i];
                sizes += p->blocks[i] * p->size[i];
                cost = best[j] + blocks * p->size[i] - sizes + p->class_cost;
                if (allowed(p, j, i) && cost < next[i + 1])
                    next[i + 1] = cost;
                if (p->must != NULL && p->must[i])
                    break;
            }
        }
        free(best);
        best = next;
        if (best[p->n] < least)
            least = best[p->n];
    }
    free(best);
    return least;
}

static void test_rows(void **unused)
{
    (void)unused;
    enum { MOST = 300 };
    uint64_t size[MOST], blocks[MOST];
    bool must[MOST];

    for (int round = 0; round < 200; round++) {
        struct nt_classes_problem p = {.n = 1 + random_below(MOST)};

        make(&p, size, blocks, must);
        p.most = 1 + (unsigned)random_below(40);
        check(&p, least_by_rows(&p));
    }
}

/* More classes never waste more; as many as there are sizes waste nothing. */
static void test_monotone(void **unused)
{
    (void)unused;
    enum { N = 500 };
    static uint64_t size[N], blocks[N];
    static uint32_t chosen[N];
    uint64_t last = UINT64_MAX;

    for (size_t i = 0; i < N; i++) {
        size[i] = 16 * (i + 1);
        blocks[i] = 1 + random_below(1000);
    }
    for (unsigned most = 1; most <= 256; most++) {
        struct nt_classes_problem p = {size, blocks, N, 0, NULL, most, 100};
        size_t count = nt__classes_best(&p, chosen);
        uint64_t waste = nt__classes_waste(&p, chosen, count);

        assert_int_equal(count, most); /* each class saves something here */
        assert_true(waste < last);
        last = waste;
    }
    struct nt_classes_problem all = {size, blocks, 256, 0, NULL, 256, 100};
    assert_int_equal(nt__classes_best(&all, chosen), 256);
    assert_int_equal(nt__classes_waste(&all, chosen, 256), 0);
}

/* A million sizes; how long it takes is printed by who runs the test by hand. */
static void test_million(void **unused)
{
    (void)unused;
    enum { N = 1000000 };
    uint64_t *size = malloc(N * sizeof *size), *blocks = malloc(N * sizeof *blocks);
    uint32_t *chosen = malloc(N * sizeof *chosen);
    uint64_t last = UINT64_MAX;

    for (size_t i = 0; i < N; i++) {
        size[i] = 16 * (i + 1);
        blocks[i] = random_below(200);
    }
    for (unsigned most = 32; most <= 127; most += 95) {
        struct nt_classes_problem p = {size, blocks, N, 0, NULL, most, 100};
        size_t count = nt__classes_best(&p, chosen);
        uint64_t waste = nt__classes_waste(&p, chosen, count);

        assert_int_equal(count, most);
        assert_true(waste < last);
        last = waste;
        /* No class moved by one size makes it better. */
        for (size_t k = 0; k + 1 < count; k++) {
            chosen[k]++;
            assert_true(nt__classes_waste(&p, chosen, count) >= waste);
            chosen[k] -= 2;
            assert_true(nt__classes_waste(&p, chosen, count) >= waste);
            chosen[k]++;
            if (most > 32)
                k += 20;
        }
    }
    free(size);
    free(blocks);
    free(chosen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_brute_force),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_million),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
