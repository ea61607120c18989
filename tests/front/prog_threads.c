/* SPDX-License-Identifier: MIT */
/*
 * Threads come and go: prog_threads PART, one part a run.
 *   short        20,000 short threads; memory neither resident nor mapped grows
 *   overlapping  the same with eight alive at a time, each freeing another's blocks
 *   gone         blocks freed, grown and checked after their thread has gone
 *   ending       blocks freed while their thread ends and others begin
 *   destructors  allocation in TLS destructors, through all rounds, many keys
 *   stacks       threads with the smallest stacks, allocating every size
 *   signals      threads interrupted all the time (handlers that do not allocate)
 *   many         2,000 threads at once
 *   after-main   allocation in atexit, in destructors and while libc ends
 *
 * NT_LONG=1: short, overlapping and ending do ten times as much, and many is as many as
 * the machine allows.
 */
#include "threads.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <unistd.h>

/* ---- short, overlapping --------------------------------------------------- */

static void *short_life(void *number)
{
    return (void *)(uintptr_t)use_some((unsigned)(uintptr_t)number, 20);
}

static void part_short(void)
{
    enum { WARM = 500, THREADS = 20000 };
    const uintptr_t threads = (uintptr_t)longer(THREADS, 10);
    unsigned long mapped = 0, resident = 0, mapped_after, resident_after;
    bool good = true;
    void *result;

    for (uintptr_t i = 0; i < threads; i++) {
        pthread_t thread;
        if (i == WARM)
            pages_now(&mapped, &resident);
        start(&thread, short_life, (void *)i);
        pthread_join(thread, &result);
        good &= result != NULL;
    }
    pages_now(&mapped_after, &resident_after);
    CHECK("20,000 short threads allocate well", good);
    CHECK("resident memory does not grow with them", resident_after < resident + 1024);
    CHECK("nor does the address space", mapped_after < mapped + 4096);
}

static _Atomic(void *) passed_on[256];
static pthread_barrier_t all_alive;

static void *overlapping_life(void *number)
{
    unsigned random = (unsigned)(uintptr_t)number;

    free(hidden(malloc(opaque(100))));
    pthread_barrier_wait(&all_alive); /* each has what a thread has by now */
    for (int i = 0; i < 100; i++) {
        random = random * 1103515245 + 12345;
        size_t n = 8 + (random >> 8) % 1000;
        size_t *p = malloc(n);
        *p = n;
        p = atomic_exchange(&passed_on[(random >> 4) % COUNT(passed_on)], p);
        if (p && (*p < 8 || *p > 1008 || malloc_usable_size(p) < *p))
            return NULL;
        free(p);
    }
    return number;
}

static void part_overlapping(void)
{
    enum { ALIVE = 8, WARM = 500, ROUNDS = 2500 };
    const uintptr_t rounds = (uintptr_t)longer(ROUNDS, 10);
    const unsigned long threads = ALIVE * (rounds - WARM);
    unsigned long mapped = 0, resident = 0, mapped_after, resident_after;
    bool good = true;
    void *result;

    pthread_barrier_init(&all_alive, NULL, ALIVE);
    for (uintptr_t round = 1; round <= rounds; round++) {
        pthread_t thread[ALIVE];
        if (round == WARM)
            pages_now(&mapped, &resident);
        for (uintptr_t i = 0; i < ALIVE; i++)
            start(&thread[i], overlapping_life, (void *)(round * ALIVE + i));
        for (int i = 0; i < ALIVE; i++) {
            pthread_join(thread[i], &result);
            good &= result != NULL;
        }
    }
    for (size_t i = 0; i < COUNT(passed_on); i++)
        free(atomic_exchange(&passed_on[i], NULL));
    pages_now(&mapped_after, &resident_after);
    CHECK("blocks passed between threads stay whole", good);
    /* Which thread has which sizes' slabs is chance: some grow for long. What a thread
     * that is gone leaves behind would be a page at least, and a slice of 16 mapped. */
    CHECK("resident memory does not grow with them",
          resident_after < resident + threads / 2);
    CHECK("nor does the address space", mapped_after < mapped + 2 * threads);
}

/* ---- gone ----------------------------------------------------------------- */

enum { LEFT = 500 };

static void *leave_blocks(void *place)
{
    void **block = place;

    for (unsigned i = 0; i < LEFT; i++)
        fill(block[i] = malloc(i * 40 + 1), i * 40 + 1, i);
    fill(block[LEFT] = malloc(3000000), 3000000, 9);
    return NULL;
}

static void *take_over(void *place)
{
    void **block = place;
    bool good = true;

    for (unsigned i = 0; i < LEFT; i++) {
        good &= filled(block[i], i * 40 + 1, i);
        if (i % 3 == 0)
            block[i] = realloc(block[i], i * 80 + 1);
        good &= filled(block[i], i * 40 + 1, i);
        free(block[i]);
    }
    block[LEFT] = realloc(block[LEFT], 9000000);
    good &= filled(block[LEFT], 3000000, 9);
    free(block[LEFT]);
    return (void *)(uintptr_t)good;
}

static void part_gone(void)
{
    static void *left[10][LEFT + 1];
    pthread_t thread;
    void *result;
    bool good = true;

    for (int i = 0; i < 10; i++) {
        start(&thread, leave_blocks, left[i]);
        pthread_join(thread, NULL);
    }
    for (int i = 0; i < 5; i++)
        good &= take_over(left[i]) != NULL;
    for (int i = 5; i < 10; i++) {
        start(&thread, take_over, left[i]);
        pthread_join(thread, &result);
        good &= result != NULL;
    }
    CHECK("blocks outlive their threads, by main and by others", good);
}

/* ---- ending --------------------------------------------------------------- */

enum { GIVEN = 100, GIVERS = 2, TAKERS = 2 };
static _Atomic(unsigned char *) given[GIVERS][GIVEN];
static atomic_int taken; /* of this round's */

static size_t given_size(unsigned i)
{
    return i == GIVEN - 1 ? 600000 : 16 + i * 37 % 3000;
}

/* Ends as soon as it has given all away. */
static void *give(void *number)
{
    unsigned giver = (unsigned)(uintptr_t)number;

    for (unsigned i = 0; i < GIVEN; i++) {
        unsigned char *p = malloc(given_size(i));
        fill(p, given_size(i), i);
        atomic_store(&given[giver][i], p);
    }
    return NULL;
}

/* Frees what is given, as it comes; `allocates`: it takes slabs of who has ended, too. */
static void *take(void *allocates)
{
    bool good = true;

    for (; atomic_load(&taken) < GIVERS * GIVEN; sched_yield())
        for (unsigned i = 0; i < GIVERS * GIVEN; i++) {
            unsigned number = i % GIVEN;
            unsigned char *p = atomic_exchange(&given[i / GIVEN][number], NULL);
            if (!p)
                continue;
            good &= filled(p, given_size(number), number);
            free(p);
            if (allocates)
                good &= use_some(number, 3);
            atomic_fetch_add(&taken, 1);
        }
    return (void *)(uintptr_t)good;
}

static void part_ending(void)
{
    enum { ROUNDS = 300, WARM = 100 };
    const int rounds = longer(ROUNDS, 10);
    unsigned long mapped = 0, resident = 0, mapped_after, resident_after;
    bool good = true;
    void *result;

    for (int round = 0; round < rounds; round++) {
        pthread_t giver[GIVERS], taker[TAKERS];
        if (round == WARM)
            pages_now(&mapped, &resident);
        atomic_store(&taken, 0);
        for (int i = 0; i < TAKERS; i++)
            start(&taker[i], take, round % 2 ? &taken : NULL);
        for (uintptr_t i = 0; i < GIVERS; i++)
            start(&giver[i], give, (void *)i);
        for (int i = 0; i < GIVERS; i++)
            pthread_join(giver[i], NULL);
        for (int i = 0; i < TAKERS; i++) {
            pthread_join(taker[i], &result);
            good &= result != NULL;
        }
    }
    pages_now(&mapped_after, &resident_after);
    CHECK("blocks are freed while their threads end", good);
    /* What a round leaves behind would be a megabyte. */
    CHECK("and come back", resident_after < resident + 64 * MIB / 4096);
}

/* ---- destructors ---------------------------------------------------------- */

enum { KEYS = 100 }; /* from the 33rd on, setting one allocates */
static pthread_key_t key[KEYS];
static atomic_int destructor_calls, destructor_failures;

/* Frees what was kept, allocates, and keeps a new block: so it is called again, until
 * libc has done its rounds. */
static void destroy(void *p)
{
    size_t number = *(size_t *)p;

    atomic_fetch_add(&destructor_calls, 1);
    free(p);
    if (!use_some((unsigned)number, 2))
        atomic_fetch_add(&destructor_failures, 1);
    size_t *again = malloc(sizeof(size_t) + number);
    *again = number;
    pthread_setspecific(key[number], again);
}

static void *with_keys(void *unused)
{
    for (size_t i = 0; i < KEYS; i++) {
        size_t *p = malloc(sizeof(size_t));
        *p = i;
        pthread_setspecific(key[i], p);
    }
    return unused;
}

static void part_destructors(void)
{
    unsigned long mapped, resident, mapped_after, resident_after;
    pthread_t thread;

    for (int i = 0; i < KEYS; i++)
        pthread_key_create(&key[i], destroy);
    for (int i = 0; i < 20; i++) {
        start(&thread, with_keys, NULL);
        pthread_join(thread, NULL);
    }
    pages_now(&mapped, &resident);
    for (int i = 0; i < 300; i++) {
        start(&thread, with_keys, NULL);
        pthread_join(thread, NULL);
    }
    pages_now(&mapped_after, &resident_after);
    CHECK("destructors ran all rounds",
          destructor_calls == 320 * KEYS * PTHREAD_DESTRUCTOR_ITERATIONS);
    CHECK("allocation in them works", destructor_failures == 0);
    /* The last round's blocks are lost by construction: 300 x 100 of some 66 bytes. */
    CHECK("threads that allocate while they end leave nothing else",
          resident_after < resident + 3 * MIB / 4096 + 1024);
}

/* ---- stacks, signals, many ------------------------------------------------ */

static void *every_size(void *unused)
{
    bool good = true;

    (void)unused;
    for (size_t n = 1; n < 20000000; n += n / 2 + 1) {
        void *p = malloc(n), *q = calloc(1, n), *r = aligned_alloc(64, n);
        p = realloc(p, n * 2);
        good &= p && q && r;
        ((char *)p)[n - 1] = ((char *)q)[n - 1] = ((char *)r)[n - 1] = 1;
        free(p);
        free(q);
        free(r);
    }
    struct mallinfo2 info = mallinfo2();
    good &= info.arena >= info.uordblks;
    malloc_trim(0);
    return (void *)(uintptr_t)good;
}

static void part_stacks(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    void *good = NULL;

    pthread_attr_init(&attributes);
    CHECK("the smallest stack",
          pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN) == 0);
    CHECK("a thread on it starts",
          pthread_create(&thread, &attributes, every_size, NULL) == 0);
    pthread_join(thread, &good);
    CHECK("and allocates every size, asks for figures, trims", good != NULL);
}

static atomic_int interruptions;

static void interrupt(int signal)
{
    (void)signal;
    atomic_fetch_add(&interruptions, 1);
}

static void part_signals(void)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    pthread_t thread[4];
    void *result;
    bool good = true;

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int round = 0; round < 20 || interruptions <= 10; round++) {
        for (uintptr_t i = 0; i < 4; i++)
            start(&thread[i], every_size, NULL);
        for (int i = 0; i < 4; i++) {
            pthread_join(thread[i], &result);
            good &= result != NULL;
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK("system calls cut short by signals harm nothing", good);
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t change;
    int there;
    bool go;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

static void *wait_for_all(void *number)
{
    void *p = malloc(100);

    fill(p, 100, (unsigned)(uintptr_t)number);
    pthread_mutex_lock(&all.lock);
    all.there++;
    pthread_cond_broadcast(&all.change);
    while (!all.go)
        pthread_cond_wait(&all.change, &all.lock);
    pthread_mutex_unlock(&all.lock);
    bool good = filled(p, 100, (unsigned)(uintptr_t)number);
    free(p);
    return (void *)(uintptr_t)(good && use_some((unsigned)(uintptr_t)number, 5));
}

static void part_many(void)
{
    enum { MANY = 2000, MOST = 100 * MANY };
    static pthread_t thread[MOST];
    const int wanted = longer(MANY, MOST / MANY);
    pthread_attr_t attributes;
    void *result;
    bool good = true;
    int n = 0;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * KIB);
    while (n < wanted && pthread_create(&thread[n], &attributes, wait_for_all,
                                        (void *)(uintptr_t)n) == 0)
        n++;
    pthread_mutex_lock(&all.lock);
    while (all.there < n)
        pthread_cond_wait(&all.change, &all.lock);
    all.go = true;
    pthread_cond_broadcast(&all.change);
    pthread_mutex_unlock(&all.lock);
    for (int i = 0; i < n; i++) {
        pthread_join(thread[i], &result);
        good &= result != NULL;
    }
    if (n < MANY) {
        printf("skipped: only %d threads are allowed here\n", n);
        exit(77);
    }
    printf("%d threads at once\n", n);
    CHECK("2,000 threads at once, or more", good);
}

/* ---- after-main ----------------------------------------------------------- */

static void *kept_for_exit;
static pthread_key_t exit_key;

static void at_exit(void)
{
    if (!use_some(3, 20) || !filled(kept_for_exit, 5000, 1))
        _exit(21);
    kept_for_exit = realloc(kept_for_exit, 50000);
}

__attribute__((destructor)) static void after_main(void)
{
    if (!kept_for_exit)
        return;
    if (!use_some(4, 20) || !filled(kept_for_exit, 5000, 1))
        _exit(22);
    free(kept_for_exit);
    kept_for_exit = malloc(100);
    free(kept_for_exit);
    if (write(STDOUT_FILENO, "after main\n", 11) != 11)
        _exit(23);
}

/* Allocates on while main has returned and libc ends the process. */
static void *never_ending(void *unused)
{
    for (unsigned i = 0;; i++)
        use_some(i, 10);
    return unused;
}

static void part_after_main(void)
{
    pthread_t thread;

    fill(kept_for_exit = malloc(5000), 5000, 1);
    pthread_key_create(&exit_key, free);
    pthread_setspecific(exit_key, malloc(10));
    for (int i = 0; i < 40; i++) /* libc's list of handlers allocates past 32 */
        CHECK("atexit", atexit(at_exit) == 0);
    for (int i = 0; i < 3; i++)
        start(&thread, never_ending, NULL);
}

static const struct {
    const char *name;
    void (*body)(void);
} parts[] = {
    {"short", part_short},
    {"overlapping", part_overlapping},
    {"gone", part_gone},
    {"ending", part_ending},
    {"destructors", part_destructors},
    {"stacks", part_stacks},
    {"signals", part_signals},
    {"many", part_many},
    {"after-main", part_after_main},
};

int main(int argc, char **argv)
{
    bool known = false;

    for (size_t i = 0; i < COUNT(parts); i++)
        if (argc > 1 && strcmp(argv[1], parts[i].name) == 0) {
            known = true;
            parts[i].body();
        }
    if (!known) {
        fprintf(stderr, "usage: %s PART; see the table `parts`\n", argv[0]);
        return 2;
    }
    return done();
}
