/* SPDX-License-Identifier: MIT */
/*
 * A program that uses nt_* by name, to be linked to the libraries in every way there
 * is: one heap means that blocks of nt_malloc and malloc may change sides, and that no
 * public call is answered by another heap. dl.sh builds it. Argument "alone": malloc is
 * glibc's; the two families are used each by itself. "misuse": some of that, too.
 */
#include "check.h"

#include <fcntl.h>
#include <malloc.h>
#include <numatally/numatally.h>
#include <numatally/stats.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* C23's; weak, as glibc 2.36 has none for a program that runs alone. */
void free_sized(void *ptr, size_t size) __attribute__((weak));
void free_aligned_sized(void *ptr, size_t alignment, size_t size) __attribute__((weak));

static struct nt_snapshot snapshot;

static uint64_t live_bytes(void)
{
    return nt_snapshot(&snapshot) == 0 ? snapshot.total.live_bytes_now : 0;
}

static void change_sides(size_t n)
{
    free(nt_malloc(n));
    nt_free(malloc(n));
    free(nt_calloc(1, n));
    nt_free(calloc(1, n));
    nt_free(realloc(nt_malloc(n), n + 100));
    free(nt_realloc(malloc(n), n + 100));
    free(nt_aligned_alloc(64, n));
    nt_free(aligned_alloc(64, n));
}

static void free_with_sizes(size_t n)
{
    free_sized(nt_malloc(n), n);
    nt_free_sized(malloc(n), n);
    nt_free_aligned_sized(aligned_alloc(256, n), 256, n);
    free_aligned_sized(nt_aligned_alloc(256, n), 256, n);
}

/* Is a wrong size told apart, by whichever copy has the heap? */
static void free_with_a_wrong_size(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        nt_free_sized(malloc(100), 5000);
        _exit(0);
    }
    waitpid(child, &status, 0);
    CHECK("a wrong size is seen", WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* Blocks of explicit pools are freed, grown and measured by malloc's family. */
static void change_pools(void)
{
    struct nt_pool_options options = {.size = sizeof(options), .name = "crossing"};
    struct nt_pool_figures figures[8];
    struct nt_pool *pool = NULL;

    CHECK("a pool is made", nt_pool_create(&options, &pool) == 0);
    if (!pool)
        return;
    for (size_t n = 1; n < 10000000; n = n * 7 + 1) {
        free(nt_pool_malloc(pool, n));
        free(nt_pool_calloc(pool, 1, n));
        free(nt_pool_aligned_alloc(pool, 4096, n));
        char *p = nt_pool_malloc(pool, n);
        fill(p, n, 3);
        CHECK("a pool's block is measured", malloc_usable_size(p) >= n);
        p = realloc(p, n * 2);
        p = nt_pool_realloc(pool, p, n * 3);
        CHECK("and grown by both", filled(p, n, 3));
        nt_free(p);
    }
    CHECK("pools are listed", nt_snapshot_pools(figures, COUNT(figures)) == 2 &&
                                  !strcmp(figures[1].name, "crossing"));
    CHECK("with what was freed",
          figures[1].live_blocks_now == 0 && figures[1].allocations_total > 0);
    free(nt_pool_malloc(pool, 10));
    nt_pool_reset(pool);
    nt_pool_destroy(pool);
    CHECK("a pool is gone", nt_snapshot_pools(figures, COUNT(figures)) == 1);
}

/* Every figure tells of the heap that malloc serves. */
static void look_at_figures(void)
{
    struct nt_thread_figures threads[8];
    struct nt_pool_figures process;
    uint64_t before = live_bytes();
    void *p = malloc(5000000);

    CHECK("nt_snapshot counts malloc's blocks", live_bytes() >= before + 5000000);
    CHECK("nt_snapshot_threads too",
          nt_snapshot_threads(threads, COUNT(threads)) == 2 &&
              threads[1].live_bytes_peak >= 5000000);
    CHECK("nt_snapshot_pools too",
          nt_snapshot_pools(&process, 1) == 1 && process.live_bytes_now >= 5000000);
    free(p);
    CHECK("and their end", live_bytes() < before + 5000000);
    CHECK("nt_good_size is what malloc gives",
          nt_good_size(100) == malloc_usable_size(p = malloc(100)));
    free(p);
    free(nt_malloc_onnode(100, snapshot.node_id[0]));
    free(nt_reallocarray(NULL, 10, 10));
    CHECK("nt_posix_memalign serves both", nt_posix_memalign(&p, 64, 100) == 0);
    free(p);
    nt_purge();
    int null = open("/dev/null", O_WRONLY);
    CHECK("nt_report writes", nt_report(null, NT_FORMAT_JSON) == 0);
    close(null);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {1, 100, 5000, 100000, 8000000};
    bool alone = argc > 1 && strcmp(argv[1], "alone") == 0;
    bool good = true;

    for (size_t i = 0; i < COUNT(sizes); i++) {
        size_t n = sizes[i];
        void *p = nt_malloc(n), *q = malloc(n), *r = strdup("text");
        fill(p, n, 1);
        fill(q, n, 2);
        p = nt_realloc(p, n * 2);
        q = realloc(q, n * 2);
        good &= filled(p, n, 1) && filled(q, n, 2) && nt_usable_size(p) >= n * 2 &&
                malloc_usable_size(q) >= n * 2;
        nt_free(p);
        free(q);
        free(r);
        if (!alone) {
            change_sides(n);
            free_with_sizes(n);
        }
    }
    CHECK("both families keep their contents", good);
    if (!alone) {
        change_pools();
        if (argc > 1 && !strcmp(argv[1], "misuse"))
            free_with_a_wrong_size();
        look_at_figures();
    }
    return done();
}
