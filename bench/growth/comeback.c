/* SPDX-License-Identifier: MIT */
/*
 * Does memory come back? One line of memory.py.
 *
 *   comeback SHAPE MIB [SECONDS | trim]
 *
 * Builds a heap of about MIB MiB in the shape named, frees all of it, and then, for so many
 * seconds (12), calls malloc and free of one block of 64 bytes every 10 ms: that is all the
 * program does. With "trim", malloc_trim(0) is called at once instead. Resident memory is
 * read from the system, and goes into no allocator's block.
 *
 *   order     blocks of 64 bytes, freed oldest first
 *   random    16 to 2047 bytes, freed at random
 *   medium    2 to 128 KiB, freed at random
 *   large     1 to 32 MiB, freed at random
 *   idle      16 threads have random's blocks each, free them, and live on without a call
 *   cross     the same, but each frees those of its neighbour
 *   main      the same, but the main thread frees them all
 *   wake      the same as idle, but each allocates and frees now and then, too
 *   ended     the same as idle, but the threads end
 *   late      the same as main, but the threads have ended when it frees
 *   churn     main thread, 16 to 2047 bytes and now and then 64 KiB to 1 MiB: for SECONDS
 *             (60) random blocks are freed and others allocated; live bytes stay the same
 *
 * Output, a line each:
 *   start KIB         resident with one block allocated and freed in each thread
 *   built KIB         with the heap
 *   threads COUNT     that live, main included
 *   at SECONDS KIB    since all was freed (churn: since the heap was built)
 *   trimmed KIB RESULT FILE   after malloc_trim(0), which that file has
 *   malloc FILE       that malloc comes from
 */
#define _GNU_SOURCE
#include "common.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 16, EACH_MS = 10 };

struct shape {
    const char *name;
    size_t least, most;
    int threads, in_order;
    enum { LIVES_ON, WAKES, ENDS } then;
    enum { ITSELF, NEIGHBOUR, MAIN } freed_by;
};

static const struct shape shapes[] = {
    {"order", 64, 64, 0, 1, ENDS, ITSELF},
    {"random", 16, 2047, 0, 0, ENDS, ITSELF},
    {"medium", (size_t)2 << 10, (size_t)128 << 10, 0, 0, ENDS, ITSELF},
    {"large", (size_t)1 << 20, (size_t)32 << 20, 0, 0, ENDS, ITSELF},
    {"idle", 16, 2047, THREADS, 0, LIVES_ON, ITSELF},
    {"cross", 16, 2047, THREADS, 0, LIVES_ON, NEIGHBOUR},
    {"main", 16, 2047, THREADS, 0, LIVES_ON, MAIN},
    {"wake", 16, 2047, THREADS, 0, WAKES, ITSELF},
    {"ended", 16, 2047, THREADS, 0, ENDS, ITSELF},
    {"late", 16, 2047, THREADS, 0, ENDS, MAIN},
    {"churn", 16, 2047, 0, 0, ENDS, ITSELF},
};

struct heap {
    const struct shape *shape;
    void **blocks;
    size_t room, count;
    uint64_t random;
};

static struct heap heaps[THREADS];
static pthread_barrier_t barrier;
static _Thread_local volatile char sink;
static const struct timespec between = {.tv_nsec = EACH_MS * 1000000L};

/* The sum over all mappings, exact: statm's may lack what is still counted per cpu. */
static size_t resident_kib(void)
{
    static char text[4096];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    const char *line = length > 0 ? strstr(text, "\nRss:") : NULL;
    if (!line) {
        fprintf(stderr, "comeback: cannot read /proc/self/smaps_rollup\n");
        exit(5);
    }
    return strtoull(line + strlen("\nRss:"), NULL, 10);
}

/* ---- A heap ------------------------------------------------------------------------- */

static size_t draw_size(struct heap *h)
{
    size_t range = h->shape->most - h->shape->least + 1;
    return h->shape->least + bench_random_below(&h->random, range);
}

static void prepare(struct heap *h, const struct shape *shape, size_t bytes,
                    unsigned seed)
{
    h->shape = shape;
    h->room = bytes / ((shape->least + shape->most) / 2) + 1;
    h->blocks = own_memory(h->room * sizeof *h->blocks);
    h->random = seed * 2 + 1;
}

static void *written(size_t size)
{
    char *p = malloc(size);
    bench_touch_pages(p, 0, size);
    return p;
}

static void build(struct heap *h)
{
    for (h->count = 0; h->count < h->room; h->count++)
        h->blocks[h->count] = written(draw_size(h));
}

static void shuffle(struct heap *h)
{
    for (size_t i = h->count; i > 1; i--) {
        size_t other = bench_random_below(&h->random, i);
        void *block = h->blocks[i - 1];
        h->blocks[i - 1] = h->blocks[other];
        h->blocks[other] = block;
    }
}

static void drop(struct heap *h)
{
    if (!h->shape->in_order)
        shuffle(h);
    for (size_t i = 0; i < h->count; i++)
        free(h->blocks[i]);
    munmap(h->blocks, h->room * sizeof *h->blocks);
}

/* What goes on when all is freed. */
static void call(void)
{
    char *p = written(64);
    sink = *p;
    free(p);
}

/* ---- Threads ------------------------------------------------------------------------ */

/* Main takes part in each wait: there, to be built, built, to be freed, freed. */
static void *work(void *argument)
{
    struct heap *h = argument;
    free(written(64));
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    build(h);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    if (h->shape->freed_by == ITSELF)
        drop(h);
    else if (h->shape->freed_by == NEIGHBOUR)
        drop(&heaps[(size_t)(h - heaps + 1) % THREADS]);
    if (h->shape->then == ENDS)
        return NULL;
    pthread_barrier_wait(&barrier);
    while (h->shape->then == WAKES) {
        call();
        nanosleep(&between, NULL);
    }
    for (;;)
        pause();
}

static void run_threads(const struct shape *shape, size_t bytes, size_t *built)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (unsigned i = 0; i < THREADS; i++) {
        prepare(&heaps[i], shape, bytes / THREADS, i);
        if (pthread_create(&threads[i], NULL, work, &heaps[i]) != 0)
            bench_no_memory();
    }
    pthread_barrier_wait(&barrier);
    printf("start %zu\n", resident_kib());
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    *built = resident_kib();
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < THREADS && shape->then == ENDS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < THREADS && shape->freed_by == MAIN; i++)
        drop(&heaps[i]);
    if (shape->then != ENDS)
        pthread_barrier_wait(&barrier);
}

/* ---- What follows ------------------------------------------------------------------- */

static void call_now_and_then(double seconds)
{
    uint64_t begin = now_ns();
    unsigned calls = 0;
    for (;;) {
        double at = (double)(now_ns() - begin) / 1e9;
        if (calls % 50 == 0 || at >= seconds)
            printf("at %.2f %zu\n", at, resident_kib());
        if (at >= seconds)
            return;
        call();
        calls++;
        nanosleep(&between, NULL);
    }
}

static void trim(void)
{
    void *address = NULL;
    int (*function)(size_t) = malloc_trim;
    Dl_info info;
    memcpy(&address, &function, sizeof address);
    int result = malloc_trim(0);
    printf("trimmed %zu %d %s\n", resident_kib(), result,
           dladdr(address, &info) && info.dli_fname ? info.dli_fname : "?");
}

/* One block in 1000 is large. What a replaced one had, its successor may have: the sum of
 * sizes is bounded, and on average stays. */
static void replace(struct heap *h)
{
    size_t i = bench_random_below(&h->random, h->count);
    free(h->blocks[i]);
    h->blocks[i] = written(
        i % 1000 == 0 ? (size_t)64 * 1024 + bench_random_below(&h->random, 960 * 1024)
                      : draw_size(h));
}

static void churn(struct heap *h, double seconds)
{
    uint64_t begin = now_ns(), next = 0;
    for (;;) {
        uint64_t at = now_ns() - begin;
        if (at >= next) {
            printf("at %.2f %zu\n", (double)at / 1e9, resident_kib());
            next += 1000000000u;
        }
        if ((double)at >= seconds * 1e9)
            return;
        for (unsigned i = 0; i < 1000; i++)
            replace(h);
    }
}

static void run(const struct shape *shape, size_t bytes, const char *how)
{
    int is_churn = !strcmp(shape->name, "churn"), trims = how && !strcmp(how, "trim");
    double seconds = how && !trims ? strtod(how, NULL) : is_churn ? 60 : 12;
    size_t built;
    free(written(64));
    if (shape->threads) {
        run_threads(shape, bytes, &built);
    } else {
        prepare(&heaps[0], shape, bytes, 1);
        printf("start %zu\n", resident_kib());
        build(&heaps[0]);
        built = resident_kib();
        if (!is_churn)
            drop(&heaps[0]);
    }
    printf("built %zu\nthreads %d\n", built,
           shape->then == ENDS ? 1 : shape->threads + 1);
    if (trims)
        trim();
    else if (is_churn)
        churn(&heaps[0], seconds);
    else
        call_now_and_then(seconds);
}

int main(int argc, char **argv)
{
    static char buffer[16384]; /* stdio is to allocate nothing meanwhile */
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    size_t mib = argc >= 3 ? strtoull(argv[2], NULL, 10) : 0;
    for (size_t i = 0; mib != 0 && i < sizeof shapes / sizeof *shapes; i++) {
        if (strcmp(argv[1], shapes[i].name) != 0)
            continue;
        run(&shapes[i], mib << 20, argc > 3 ? argv[3] : NULL);
        printf("malloc %s\n", malloc_file());
        return fflush(stdout) ? 1 : 0;
    }
    fprintf(stderr, "usage: comeback SHAPE MIB [SECONDS | trim]\n");
    return 2;
}
