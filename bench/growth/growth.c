/* SPDX-License-Identifier: MIT */
/*
 * What does an operation cost when there is already a lot? One point of growth.py.
 *
 *   growth KIND COUNT
 *
 * blocks COUNT   live blocks of 64 bytes, each written when it is made
 *     build      malloc of each, from nothing (page faults included)
 *     touch      no allocator: a random block is written. What caches and TLB cost alone
 *     random     a random block is freed, one is allocated in its place and written
 *     order      the same from the oldest on
 *     drop       free of each, oldest first
 * serial COUNT   threads made and joined one after the other; each allocates and frees
 *     thread     one of the next 200 threads, after COUNT
 * alive COUNT    threads that have eight blocks each and wait
 *     create     one of these: made, has its blocks
 *     thread     one of the next 200 (made and joined), with COUNT alive
 *     pair       malloc+free of the main thread, with COUNT alive
 *     end        one of these: frees its blocks, ends, is joined
 * heap64k COUNT, heap1m COUNT   a heap of COUNT MiB, in blocks of so much; one byte of
 *     each is written: the heap is sparse
 *     build, touch, random, drop
 *
 * Output: a line "PART NANOSECONDS-PER-OPERATION OPERATIONS" each, then "malloc FILE".
 * It is CPU time: others at work on the machine are not in it, but for the caches.
 */
#define _GNU_SOURCE
#include "common.h"

#include <pthread.h>
#include <stdio.h>

#define BLOCK ((size_t)64)
#define STEPS ((size_t)2000000)
#define NEXT ((size_t)200)
#define STACK ((size_t)64 * 1024)
#define OWN ((size_t)8)

/* CPU time of all threads, the kernel's work for them included: waiting costs nothing. */
static uint64_t used_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static void say(const char *part, uint64_t begin, uint64_t operations)
{
    uint64_t took = used_ns() - begin;
    printf("%s %.3f %llu\n", part, (double)took / (double)operations,
           (unsigned long long)operations);
}

/* ---- Blocks ------------------------------------------------------------------------- */

static void build(void **slots, size_t count, size_t size)
{
    uint64_t begin = used_ns();
    for (size_t i = 0; i < count; i++) {
        slots[i] = malloc(size);
        bench_touch(slots[i]);
    }
    say("build", begin, count);
}

static void replace(void **slot, size_t size)
{
    free(*slot);
    *slot = malloc(size);
    bench_touch(*slot);
}

static void replace_random(void **slots, size_t count, size_t size, size_t steps)
{
    uint64_t random = 1;
    for (size_t i = 0; i < steps / 10; i++) /* warm-up */
        replace(&slots[bench_random_below(&random, count)], size);
    uint64_t begin = used_ns();
    for (size_t i = 0; i < steps; i++)
        replace(&slots[bench_random_below(&random, count)], size);
    say("random", begin, steps);
}

static void drop(void **slots, size_t count)
{
    uint64_t begin = used_ns();
    for (size_t i = 0; i < count; i++)
        free(slots[i]);
    say("drop", begin, count);
}

static void touch_random(void **slots, size_t count, size_t steps)
{
    uint64_t random = 1;
    for (size_t i = 0; i < steps / 10; i++)
        bench_touch(slots[bench_random_below(&random, count)]);
    uint64_t begin = used_ns();
    for (size_t i = 0; i < steps; i++)
        bench_touch(slots[bench_random_below(&random, count)]);
    say("touch", begin, steps);
}

static void replace_in_order(void **slots, size_t count)
{
    size_t at = 0;
    uint64_t begin = used_ns();
    for (size_t i = 0; i < STEPS; i++) {
        replace(&slots[at], BLOCK);
        at = at + 1 == count ? 0 : at + 1;
    }
    say("order", begin, STEPS);
}

static void blocks(size_t count)
{
    void **slots = own_memory(count * sizeof *slots);
    memset(slots, 1, count * sizeof *slots); /* its page faults are not malloc's */
    build(slots, count, BLOCK);
    touch_random(slots, count, STEPS);
    replace_in_order(slots, count);
    replace_random(slots, count, BLOCK, STEPS);
    drop(slots, count);
}

static void heap(size_t mib, size_t size)
{
    size_t count = mib * 1024 * 1024 / size;
    void **slots = own_memory(count * sizeof *slots);
    memset(slots, 1, count * sizeof *slots);
    build(slots, count, size);
    touch_random(slots, count, STEPS / 10);
    replace_random(slots, count, size, STEPS / 10);
    drop(slots, count);
}

/* ---- Threads ------------------------------------------------------------------------ */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t came, open;
    size_t waiting;
    int end;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .came = PTHREAD_COND_INITIALIZER,
          .open = PTHREAD_COND_INITIALIZER};

static void allocate(void **own)
{
    for (size_t i = 0; i < OWN; i++) {
        own[i] = malloc((size_t)32 << i); /* 32 to 4096 */
        bench_touch(own[i]);
    }
}

static void release(void **own)
{
    for (size_t i = 0; i < OWN; i++)
        free(own[i]);
}

static void *short_thread(void *unused)
{
    void *own[OWN];
    allocate(own);
    release(own);
    return unused;
}

static void *waiting_thread(void *unused)
{
    void *own[OWN];
    allocate(own);
    pthread_mutex_lock(&gate.lock);
    gate.waiting++;
    pthread_cond_signal(&gate.came);
    while (!gate.end)
        pthread_cond_wait(&gate.open, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    release(own);
    return unused;
}

static int make(pthread_t *thread, void *(*function)(void *))
{
    static pthread_attr_t small;
    static int ready;
    if (!ready) {
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, STACK);
        ready = 1;
    }
    return pthread_create(thread, &small, function, NULL);
}

static void must_make(pthread_t *thread, void *(*function)(void *))
{
    int error = make(thread, function);
    if (error) {
        fprintf(stderr, "growth: no thread: %s\n", strerror(error));
        exit(4);
    }
}

static void next_threads(size_t count)
{
    pthread_t thread;
    for (size_t i = 0; i < count; i++) {
        must_make(&thread, short_thread);
        pthread_join(thread, NULL);
    }
}

static void time_next_threads(void)
{
    next_threads(20);
    uint64_t begin = used_ns();
    next_threads(NEXT);
    say("thread", begin, NEXT);
}

/* Each waits before the next is made: else the makers' queue would be measured. */
static void make_waiting(pthread_t *threads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        must_make(&threads[i], waiting_thread);
        pthread_mutex_lock(&gate.lock);
        while (gate.waiting <= i)
            pthread_cond_wait(&gate.came, &gate.lock);
        pthread_mutex_unlock(&gate.lock);
    }
}

static void alive(size_t count)
{
    pthread_t *threads = own_memory(count * sizeof *threads);
    uint64_t begin = used_ns();
    make_waiting(threads, count);
    say("create", begin, count);
    time_next_threads();
    begin = used_ns();
    for (size_t i = 0; i < STEPS; i++) {
        void *p = malloc(BLOCK);
        bench_touch(p);
        free(p);
    }
    say("pair", begin, STEPS);
    begin = used_ns();
    pthread_mutex_lock(&gate.lock);
    gate.end = 1;
    pthread_cond_broadcast(&gate.open);
    pthread_mutex_unlock(&gate.lock);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    say("end", begin, count);
}

int main(int argc, char **argv)
{
    size_t count = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    if (count == 0) {
        fprintf(stderr, "usage: growth blocks|serial|alive|heap64k|heap1m COUNT\n");
        return 2;
    }
    if (!strcmp(argv[1], "blocks"))
        blocks(count);
    else if (!strcmp(argv[1], "heap64k"))
        heap(count, (size_t)64 * 1024);
    else if (!strcmp(argv[1], "heap1m"))
        heap(count, (size_t)1024 * 1024);
    else if (!strcmp(argv[1], "alive"))
        alive(count);
    else {
        next_threads(count);
        time_next_threads();
    }
    printf("malloc %s\n", malloc_file());
    return fflush(stdout) ? 1 : 0;
}
