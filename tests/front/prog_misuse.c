/* SPDX-License-Identifier: MIT */
/*
 * One misuse: prog_misuse KIND BYTES. Prints the address it misuses, in the form "%p",
 * then does it, then shows that what follows is sound: blocks that come after do not
 * overlap, and contents stay. Exit status 0 means it was survived, 3 that it was not
 * (overlap, damage), a signal that it was stopped. "list" prints all kinds.
 */
#include "check.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t bytes;

static void *say(void *p)
{
    printf("%p\n", p);
    fflush(stdout);
    return hidden(p);
}

/* A block with company: neighbours of its size that stay in use. */
static void *with_company(void)
{
    void *before = malloc(bytes), *p = malloc(bytes), *after = malloc(bytes);

    memset(before, 1, bytes);
    memset(p, 2, bytes);
    memset(after, 3, bytes);
    return p;
}

static void double_free(void)
{
    void *p = with_company();
    free(say(p));
    free(hidden(p));
}

static void double_free_alone(void)
{
    void *p = malloc(bytes);
    free(say(p));
    free(hidden(p));
}

static void double_free_after_others(void)
{
    void *p = with_company(), *others[20];
    for (int i = 0; i < 20; i++)
        others[i] = malloc(bytes);
    free(say(p));
    for (int i = 0; i < 20; i++)
        free(others[i]);
    free(hidden(p));
}

static void double_free_full_slab(void)
{
    void *p[300];
    for (int i = 0; i < 300; i++)
        p[i] = malloc(bytes);
    free(say(p[7]));
    free(p[100]);
    free(p[8]);
    free(hidden(p[7]));
}

static void *free_it(void *p)
{
    free(p);
    return NULL;
}

static void in_thread(void *(*body)(void *), void *p)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, p) == 0)
        pthread_join(thread, NULL);
}

static void double_free_by_other_after_owner(void)
{
    void *p = with_company();
    free(say(p));
    in_thread(free_it, hidden(p));
}

static void double_free_by_owner_after_other(void)
{
    void *p = with_company();
    in_thread(free_it, say(p));
    free(hidden(p));
}

static void *free_twice(void *p)
{
    free(p);
    free(hidden(p));
    return NULL;
}

static void double_free_by_other_twice(void)
{
    in_thread(free_twice, say(with_company()));
}

static void double_free_by_two_others(void)
{
    void *p = with_company();
    in_thread(free_it, say(p));
    in_thread(free_it, hidden(p));
}

static void *get_one(void *unused)
{
    (void)unused;
    return with_company();
}

static void double_free_of_gone_owner(void)
{
    pthread_t thread;
    void *p = NULL;
    if (pthread_create(&thread, NULL, get_one, NULL) == 0)
        pthread_join(thread, &p);
    free(say(p));
    free(hidden(p));
}

static void double_free_calloc(void)
{
    void *p = calloc(1, bytes);
    free(say(p));
    free(hidden(p));
}

static void double_free_aligned(void)
{
    void *p = aligned_alloc(256, (bytes + 255) / 256 * 256);
    free(say(p));
    free(hidden(p));
}

static void double_free_after_realloc_moved(void)
{
    void *p = with_company();
    void *q = realloc(say(p), bytes * 20);
    if (q == p) { /* it grew in place: nothing to misuse but the block itself */
        free(q);
        free(hidden(p));
    }
    free(hidden(p));
}

static void realloc_of_freed(void)
{
    void *p = with_company();
    free(say(p));
    p = realloc(hidden(p), bytes * 2);
}

static void realloc_smaller_of_freed(void)
{
    void *p = with_company();
    free(say(p));
    p = realloc(hidden(p), bytes / 2 + 1);
}

static void usable_size_of_freed(void)
{
    void *p = with_company();
    free(say(p));
    (void)!malloc_usable_size(hidden(p));
    free(hidden(p));
}

static void interior(void)
{
    free(say((char *)with_company() + (bytes > 64 ? 32 : 16)));
}

static void interior_by_8(void)
{
    free(say((char *)with_company() + 8));
}

static void interior_by_page(void)
{
    free(say((char *)with_company() + (bytes > 8192 ? 4096 : 16)));
}

static void interior_half(void)
{
    free(say((char *)with_company() + bytes / 32 * 16));
}

static void interior_end(void)
{
    free(say((char *)with_company() + bytes - 1));
}

static void interior_by_other(void)
{
    in_thread(free_it, say((char *)with_company() + 16));
}

static void interior_realloc(void)
{
    void *p = realloc(say((char *)with_company() + 16), bytes * 2);
    (void)p;
}

static void interior_aligned(void)
{
    free(say((char *)aligned_alloc(4096, (bytes + 4095) / 4096 * 4096) + 64));
}

static void before_block(void)
{
    free(say((char *)with_company() - 16));
}

static void unaligned(void)
{
    free(say((char *)with_company() + 3));
}

static void stack(void)
{
    _Alignas(16) char local[256];
    memset(local, 0, sizeof(local));
    free(say(local + 64));
}

static void stack_numbers(void)
{
    size_t local[64];
    for (size_t i = 0; i < COUNT(local); i++)
        local[i] = i * 16 + 1;
    free(say(local + 32));
}

static void *stack_in_thread(void *unused)
{
    stack();
    return unused;
}

static void stack_of_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, stack_in_thread, NULL) == 0)
        pthread_join(thread, NULL);
}

static _Alignas(16) char zeros[4096];
static _Alignas(16) char letters[4096] = "numatally";

static void static_zero(void)
{
    free(say(zeros + 1024));
}

static void static_data(void)
{
    free(say(letters));
}

static void constant(void)
{
    free(say((void *)(uintptr_t) "a string constant of the program"));
}

static void code(void)
{
    free(say((void *)(uintptr_t)(void (*)(void))code));
}

static void *map(size_t n)
{
    return mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void foreign(void)
{
    free(say((char *)map(bytes + 65536) + 64));
}

static void foreign_page(void)
{
    free(say(map(bytes + 65536)));
}

static void foreign_2mib(void)
{
    uintptr_t p = (uintptr_t)map(bytes + 8 * MIB);
    free(say((void *)((p + 4 * MIB) / (2 * MIB) * (2 * MIB))));
}

static void foreign_no_access(void)
{
    free(say((char *)mmap(NULL, bytes + 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                          -1, 0) +
             4096));
}

static void unmapped(void)
{
    char *p = map(bytes + 65536);
    munmap(p, bytes + 65536);
    free(say(p + 64));
}

static void wild_low(void)
{
    free(say((void *)(uintptr_t)0x1230));
}

static void wild_high(void)
{
    free(say((void *)(uintptr_t)0xdeadbeefdeadbee0));
}

static void wild_middle(void)
{
    free(say((void *)(uintptr_t)0x123456789ab0));
}

static void never_allocated(void)
{
    /* Beyond every block so far, inside what the allocator may have reserved. */
    free(say((char *)with_company() + 40 * bytes));
}

static void never_allocated_far(void)
{
    free(say((void *)(((uintptr_t)with_company() & ~(uintptr_t)15) + 512 * MIB)));
}

static void wrong_size(size_t given)
{
    void (*sized)(void *, size_t);
    void *symbol = dlsym(RTLD_DEFAULT, "free_sized");
    memcpy(&sized, &symbol, sizeof(symbol));
    void *p = say(with_company());
    if (sized)
        sized(p, given);
}

static void size_too_large(void)
{
    wrong_size(bytes * 4);
}

static void size_too_small(void)
{
    wrong_size(bytes / 4);
}

static void wrong_alignment(void)
{
    void (*sized)(void *, size_t, size_t);
    void *symbol = dlsym(RTLD_DEFAULT, "free_aligned_sized");
    memcpy(&sized, &symbol, sizeof(symbol));
    void *p = say(aligned_alloc(64, (bytes + 63) / 64 * 64));
    if (sized)
        sized(p, 64, bytes * 8);
}

/* Freed before the fork, freed again in the child: the child is to be stopped. */
static void double_free_in_child(void)
{
    int status = 0;
    void *p = with_company();
    free(say(p));
    pid_t child = fork();
    if (child == 0) {
        free(hidden(p));
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        raise(WTERMSIG(status));
}

static void double_free_libc_entry(void)
{
    extern void __libc_free(void *);
    void *p = with_company();
    free(say(p));
    __libc_free(hidden(p));
}

static const struct {
    const char *name;
    void (*body)(void);
} kinds[] = {
#define KIND(name)                                                                     \
    {                                                                                  \
#name, name                                                                    \
    }
    KIND(double_free),
    KIND(double_free_alone),
    KIND(double_free_after_others),
    KIND(double_free_full_slab),
    KIND(double_free_by_other_after_owner),
    KIND(double_free_by_owner_after_other),
    KIND(double_free_by_other_twice),
    KIND(double_free_by_two_others),
    KIND(double_free_of_gone_owner),
    KIND(double_free_calloc),
    KIND(double_free_aligned),
    KIND(double_free_after_realloc_moved),
    KIND(double_free_libc_entry),
    KIND(double_free_in_child),
    KIND(realloc_of_freed),
    KIND(realloc_smaller_of_freed),
    KIND(usable_size_of_freed),
    KIND(interior),
    KIND(interior_by_8),
    KIND(interior_by_page),
    KIND(interior_half),
    KIND(interior_end),
    KIND(interior_by_other),
    KIND(interior_realloc),
    KIND(interior_aligned),
    KIND(before_block),
    KIND(unaligned),
    KIND(stack),
    KIND(stack_numbers),
    KIND(stack_of_thread),
    KIND(static_zero),
    KIND(static_data),
    KIND(constant),
    KIND(code),
    KIND(foreign),
    KIND(foreign_page),
    KIND(foreign_2mib),
    KIND(foreign_no_access),
    KIND(unmapped),
    KIND(wild_low),
    KIND(wild_high),
    KIND(wild_middle),
    KIND(never_allocated),
    KIND(never_allocated_far),
    KIND(size_too_large),
    KIND(size_too_small),
    KIND(wrong_alignment),
};

/* After a misuse that was ignored: are new blocks whole and apart? */
static int aftermath(void)
{
    enum { BLOCKS = 200 };
    static unsigned char *block[BLOCKS];
    size_t n = bytes < 200000 ? bytes : 200000;

    for (unsigned i = 0; i < BLOCKS; i++) {
        block[i] = malloc(i % 2 ? n : bytes);
        if (!block[i])
            return 3;
        fill(block[i], n, i);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (!filled(block[i], n, i))
            return 3;
    for (unsigned i = 0; i < BLOCKS; i++)
        free(block[i]);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < COUNT(kinds); i++)
            puts(kinds[i].name);
        return 0;
    }
    bytes = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    for (size_t i = 0; bytes && i < COUNT(kinds); i++)
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].body();
            return aftermath();
        }
    fprintf(stderr, "usage: %s KIND BYTES; KIND is one of `%s list`\n", argv[0],
            argv[0]);
    return 2;
}
