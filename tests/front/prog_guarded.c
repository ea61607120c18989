/* SPDX-License-Identifier: MIT */
/*
 * prog_guarded KIND SIZE: one misuse of a block of SIZE bytes. guarded.sh says what comes of
 * each with check:full. Status 0: the program went on; 3: it saw what it should not have.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t n;
static char *volatile p;
static void *volatile other;

static void over_1(void)
{
    p[n] = 0;
    free(p);
}

static void over_8(void)
{
    memset(p + n, 'x', 8);
    free(p);
}

static void over_page(void)
{
    memset(p + n, 'x', 6000);
    free(p);
}

static void over_realloc(void)
{
    p[n] = 'x';
    other = realloc(p, 2 * n);
}

static void over_kept(void) /* never freed: seen at the end */
{
    p[n] = 'x';
}

static void late_write(void)
{
    free(p);
    p[n / 2] = 'x';
    for (int i = 0; i < 100000; i++)
        free(malloc(n));
}

static void late_write_end(void)
{
    free(p);
    p[n - 1] = 'x';
}

static void late_read(void)
{
    memset(p, 'S', n);
    free(p);
    if (p[n / 2] == 'S')
        exit(3);
}

static void old_contents(void)
{
    memset(p, 'S', n);
    free(p);
    for (int i = 0; i < 5000; i++) {
        char *volatile q = malloc(n);

        if (q[n / 2] == 'S')
            exit(3);
    }
}

static void twice(void)
{
    free(p);
    free(p);
}

static void twice_later(void)
{
    free(p);
    for (int i = 0; i < 100; i++)
        free(malloc(n));
    free(p);
}

static void *free_it(void *block)
{
    free(block);
    return NULL;
}

static void twice_threads(void)
{
    pthread_t t;

    pthread_create(&t, NULL, free_it, p);
    pthread_join(t, NULL);
    free(p);
}

static void at_once_again(void) /* no block is handed out again at once */
{
    free(p);
    other = malloc(n);
    if (other == p)
        exit(3);
}

static void in_order(void) /* nobody knows which block is next */
{
    char *last = malloc(n);
    long first = last - p;

    for (int i = 0; i < 200; i++) {
        char *next = malloc(n);

        if (next - last != first)
            return;
        last = next;
    }
    exit(3);
}

static void inside(void)
{
    free(p + 16);
}

static void late_realloc(void)
{
    free(p);
    other = realloc(p, n);
}

static void wrong_size(void)
{
    void (*free_sized)(void *, size_t) =
        (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");

    free_sized(p, n - 1);
}

static void right(void)
{
    if (malloc_usable_size(p) != n)
        exit(3);
    memset(p, 'x', n);
    p = realloc(p, 3 * n);
    for (size_t i = 0; i < n; i++)
        if (p[i] != 'x')
            exit(3);
    free(p);
    p = calloc(n, 1);
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            exit(3);
    free(p);
    free(malloc(0));
    free(aligned_alloc(4096, 3 * n));
}

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    {"over-1", over_1},
    {"over-8", over_8},
    {"over-page", over_page},
    {"over-realloc", over_realloc},
    {"over-kept", over_kept},
    {"late-write", late_write},
    {"late-write-end", late_write_end},
    {"late-read", late_read},
    {"old-contents", old_contents},
    {"twice", twice},
    {"twice-later", twice_later},
    {"twice-threads", twice_threads},
    {"at-once-again", at_once_again},
    {"in-order", in_order},
    {"inside", inside},
    {"late-realloc", late_realloc},
    {"wrong-size", wrong_size},
    {"right", right},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(argv[1], kinds[i].name) == 0) {
            n = strtoul(argv[2], NULL, 0);
            p = malloc(n);
            kinds[i].run();
            return 0;
        }
    fprintf(stderr, "usage: prog_guarded KIND SIZE\n");
    return 2;
}
