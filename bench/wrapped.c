/* SPDX-License-Identifier: MIT */
/*
 * What does counting an allocator from outside cost?
 *
 * One malloc+free pair of 64 bytes through a table of calls: of the system's malloc, bare and
 * tracked and tracked twice. The four take turns; the figures are medians of the rounds, and
 * what the two bare columns differ by is noise. Linked to libnumatally, unlike the others
 * here, and run by itself: build/release/bench/wrapped
 */
#include <numatally/wrap.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS = 1000000, ROUNDS = 15, BATCH = 1000, SHELF = 1 << 17, SIZE = 64 };

static void *shelf[SHELF];

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The compiler may not leave the block out. */
static void use(void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

static void pairs(const struct nt_allocator *a)
{
    for (int i = 0; i < PAIRS; i++) {
        void *p = a->malloc(a->context, SIZE);
        use(p);
        a->free(a->context, p);
    }
}

static void last_first(const struct nt_allocator *a)
{
    for (int i = 0; i < PAIRS / BATCH; i++) {
        for (int k = 0; k < BATCH; k++)
            use(shelf[k] = a->malloc(a->context, SIZE));
        for (int k = BATCH; k-- > 0;)
            a->free(a->context, shelf[k]);
    }
}

static void fill(const struct nt_allocator *a)
{
    for (int i = 0; i < SHELF; i++)
        shelf[i] = a->malloc(a->context, SIZE);
}

/* 131,072 blocks in use, and one replaced at a time. */
static void replace(const struct nt_allocator *a)
{
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < PAIRS; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        void **p = &shelf[x >> 30 & (SHELF - 1)];
        a->free(a->context, *p);
        *p = a->malloc(a->context, SIZE);
    }
}

static void empty(const struct nt_allocator *a)
{
    for (int i = 0; i < SHELF; i++)
        a->free(a->context, shelf[i]);
}

static void *pairs_of(void *a)
{
    pairs(a);
    return NULL;
}

static void two_threads(const struct nt_allocator *a)
{
    struct nt_allocator copy = *a;
    pthread_t thread[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, pairs_of, &copy);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
}

static const struct {
    const char *name;
    void (*before)(const struct nt_allocator *), (*run)(const struct nt_allocator *),
        (*after)(const struct nt_allocator *);
} cases[] = {{"one at a time", NULL, pairs, NULL},
             {"1000, freed last first", NULL, last_first, NULL},
             {"131072, one replaced", fill, replace, empty},
             {"two threads, one at a time", NULL, two_threads, NULL}};

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int main(void)
{
    struct nt_allocator bare = nt_system_allocator(), once, twice;
    if (nt_tracked(&bare, "once", &once) != 0 ||
        nt_tracked(&once, "twice", &twice) != 0)
        return 1;
    const struct nt_allocator *columns[] = {&bare, &once, &twice, &bare};
    printf("ns a pair of %d bytes, median of %d rounds of %d pairs, %ld cpus\n", SIZE,
           ROUNDS, PAIRS, sysconf(_SC_NPROCESSORS_ONLN));
    printf("%-28s%10s%10s%10s%12s\n", "", "bare", "tracked", "twice", "bare again");
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        double ns[4][ROUNDS];
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < 4; i++) {
                if (cases[c].before)
                    cases[c].before(columns[i]);
                double begin = now_ns();
                cases[c].run(columns[i]);
                ns[i][round] = (now_ns() - begin) / PAIRS;
                if (cases[c].after)
                    cases[c].after(columns[i]);
            }
        printf("%-28s", cases[c].name);
        for (int i = 0; i < 4; i++) {
            qsort(ns[i], ROUNDS, sizeof ns[i][0], by_size);
            printf("%*.1f", i < 3 ? 10 : 12, ns[i][ROUNDS / 2]);
        }
        printf("\n");
    }
    return 0;
}
