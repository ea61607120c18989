/* SPDX-License-Identifier: MIT */
/*
 * What comes of a misuse: prog_harm KIND BYTES. A signal: it was stopped. Status 0: it was
 * contained, nobody else's bytes were changed or seen, and the heap is sound afterwards. 3: harm
 * was done. "list" prints all kinds. It knows nothing of the library, and scores others too.
 */
#include "check.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCKS = 64, SECRET = 0x5e, OTHERS = 0x11, HARM = 3 };

static size_t n;
static unsigned char
    *block[BLOCKS]; /* with company, in use all the time; the last is p */
static unsigned char *volatile p;
static _Alignas(64) char target[8192]; /* no heap has a use for it */

static void harmed_if(bool harm)
{
    if (harm)
        _exit(HARM);
}

static bool whole(const unsigned char *b, size_t size, int byte)
{
    for (size_t i = 0; i < size; i++)
        if (b[i] != byte)
            return false;
    return true;
}

static bool has(const unsigned char *b, size_t size, int byte)
{
    size_t run = 0; /* three in turn are no chance */

    for (size_t i = 0; i < size; i++) {
        run = b[i] == byte ? run + 1 : 0;
        if (run == 3)
            return true;
    }
    return false;
}

static void *get(size_t size)
{
    void *b = hidden(malloc(size));

    if (b == NULL)
        _exit(77);
    return b;
}

/* Blocks on both sides of p, as far as the allocator puts blocks in a row. */
static void company(void *(*how)(size_t))
{
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = how(n);
        memset(block[i], OTHERS, n);
    }
    p = block[BLOCKS / 2];
    block[BLOCKS / 2] = block[BLOCKS - 1];
    block[BLOCKS - 1] = NULL;
}

static void company_is_whole(void)
{
    for (int i = 0; i < BLOCKS - 1; i++)
        harmed_if(!whole(block[i], n, OTHERS));
}

/* New blocks are apart, keep what is written, and lie in the heap. */
static void heap_is_sound(void)
{
    enum { NEW = 300 };
    static unsigned char *new[NEW];

    for (unsigned i = 0; i < NEW; i++) {
        new[i] = get(n);
        harmed_if((char *)new[i] >= target && (char *)new[i] < target + sizeof target);
        fill(new[i], n, i);
    }
    for (unsigned i = 0; i < NEW; i++)
        harmed_if(!filled(new[i], n, i));
    company_is_whole();
    for (unsigned i = 0; i < NEW; i++)
        free(new[i]);
    for (int i = 0; i < BLOCKS - 1; i++)
        free(block[i]);
}

static void *free_it(void *b)
{
    free(b);
    return NULL;
}

static void in_thread(void *(*body)(void *), void *b)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, body, b) == 0)
        pthread_join(thread, NULL);
}

/* ---- beyond a block ---------------------------------------------------------------------- */

static void beyond(long from, size_t length)
{
    memset(p + from, 0, length);
    company_is_whole();
    free(p);
}

static void over_1(void)
{
    beyond((long)n, 1);
}

static void over_8(void)
{
    beyond((long)n, 8);
}

static void over_16(void)
{
    beyond((long)n, 16);
}

static void over_64(void)
{
    beyond((long)n, 64);
}

static void over_page(void)
{
    beyond((long)n, 4096);
}

static void over_far(void)
{
    beyond((long)n + 4096, 8);
}

static void over_realloc(void)
{
    memset(p, OTHERS, n + 8);
    p = realloc(p, 3 * n);
    harmed_if(!whole(p, n, OTHERS));
    free(p);
}

static void over_kept(void)
{
    memset(p + n, 0, 8);
}

static void under_1(void)
{
    beyond(-1, 1);
}

static void under_8(void)
{
    beyond(-8, 8);
}

static void under_16(void)
{
    beyond(-16, 16);
}

static void under_64(void)
{
    beyond(-64, 64);
}

static void *calloc_one(size_t size)
{
    return hidden(calloc(1, size));
}

static void *align_one(size_t size)
{
    return hidden(aligned_alloc(64, (size + 63) / 64 * 64));
}

static void over_calloc(void)
{
    company(calloc_one);
    beyond((long)n, 16);
}

static void over_aligned(void)
{
    company(align_one);
    beyond((long)((n + 63) / 64 * 64), 16);
}

static void over_read(void)
{
    memset(p, 0, n);
    harmed_if(has(p + n, n, OTHERS));
    free(p);
}

/* ---- after the free ----------------------------------------------------------------------- */

static void late_write_start(void)
{
    free(p);
    memset(p, 0x41, 8);
}

static void late_write_second(void)
{
    free(p);
    memset(p + 8, 0x41, 8);
}

static void late_write_end(void)
{
    free(p);
    memset(p + n - 8, 0x41, 8);
}

static void late_write_all(void)
{
    free(p);
    memset(p, 0x41, n);
}

/* A free list that runs to where the program says. */
static void late_write_address(void)
{
    void *where = target + 1024;

    free(block[3]);
    free(block[5]);
    free(p);
    memcpy(p, &where, sizeof where);
    memcpy(block[5], &where, sizeof where);
    block[3] = get(n);
    block[5] = get(n);
    harmed_if((char *)block[3] == where || (char *)block[5] == where);
    memset(block[3], OTHERS, n);
    memset(block[5], OTHERS, n);
}

static void late_write_other_thread(void)
{
    in_thread(free_it, p);
    memset(p, 0x41, 16);
}

static void late_write_reused(void)
{
    unsigned char *new[16];

    free(p);
    for (int i = 0; i < 16; i++)
        memset(new[i] = get(n), 0x22, n);
    memset(p, 0x41, 8);
    for (int i = 0; i < 16; i++)
        harmed_if(!whole(new[i], n, 0x22));
}

static void late_read(void)
{
    memset(p, SECRET, n);
    free(p);
    harmed_if(has(p, n, SECRET));
}

static void late_read_reused(void)
{
    free(p);
    for (int i = 0; i < 16; i++)
        memset(get(n), SECRET, n);
    harmed_if(has(p, n, SECRET));
}

static void fresh_secret(void)
{
    memset(p, SECRET, n);
    free(p);
    for (int i = 0; i < 100; i++)
        harmed_if(has(get(n), n, SECRET));
}

static void shrunk_secret(void)
{
    memset(p, SECRET, n);
    p = realloc(p, n / 2);
    p = realloc(p, n);
    harmed_if(has(p + n / 2, n - n / 2, SECRET));
    free(p);
}

/* ---- freed again --------------------------------------------------------------------------- */

static void twice(void)
{
    free(p);
    free(p);
}

static void twice_between(void)
{
    void *other = get(n);

    free(p);
    free(other);
    free(p);
}

static void twice_many(void)
{
    void *others[100];

    for (int i = 0; i < 100; i++)
        others[i] = get(n);
    free(p);
    for (int i = 0; i < 100; i++)
        free(others[i]);
    free(p);
}

/* Its new owner's block is freed; whoever comes next shares it. */
static void twice_reused(void)
{
    unsigned char *new[16];

    free(p);
    for (int i = 0; i < 16; i++)
        memset(new[i] = get(n), 0x22, n);
    free(p);
    for (int i = 0; i < 16; i++)
        memset(get(n), 0x33, n);
    for (int i = 0; i < 16; i++)
        harmed_if(!whole(new[i], n, 0x22));
}

static void twice_wiped(void)
{
    free(p);
    memset(p, 0, n);
    free(p);
}

static void twice_thread_last(void)
{
    free(p);
    in_thread(free_it, p);
}

static void twice_thread_first(void)
{
    in_thread(free_it, p);
    free(p);
}

static void twice_realloc(void)
{
    free(p);
    p = realloc(p, 2 * n);
}

static void asked_when_free(void)
{
    free(p);
    harmed_if(malloc_usable_size(p) > 0);
}

/* ---- no block's start --------------------------------------------------------------------- */

static void inside(void)
{
    free(p + 16);
}

/* Where a header would be stands one, as of a block that is in use. */
static void inside_forged(void)
{
    size_t *words = (size_t *)(void *)p;

    words[0] = 0;
    words[1] = 0x21;
    free(p + 16);
}

static void inside_realloc(void)
{
    p = realloc(p + 16, 2 * n);
}

static void target_forged(void)
{
    size_t *words = (size_t *)(void *)target, size = (n + 8 + 15) / 16 * 16;

    for (size_t i = 0; i < sizeof target / sizeof *words; i++)
        words[i] = i % 2 ? size | 1 : 0;
    free(target + 1024);
}

static void stack_block(void)
{
    _Alignas(64) char local[512] = {0};

    free(hidden(local + 64));
}

static void mapped_block(void)
{
    char *m = mmap(NULL, n + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);

    memset(m, OTHERS, n);
    free(hidden(m + 16));
    harmed_if(!whole((unsigned char *)m, n, OTHERS));
}

static void wild_block(void)
{
    free((void *)(uintptr_t)0x123456789ab0);
}

static void wrong_size(size_t given)
{
    void (*sized)(void *, size_t);
    void *symbol = dlsym(RTLD_DEFAULT, "free_sized");

    if (symbol == NULL)
        symbol = dlsym(RTLD_DEFAULT, "_ZdlPvm");
    harmed_if(symbol == NULL);
    memcpy(&sized, &symbol, sizeof symbol);
    sized(p, given);
}

static void size_larger(void)
{
    wrong_size(8 * n);
}

static void size_smaller(void)
{
    wrong_size(n / 8 + 1);
}

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    {"over_1", over_1},
    {"over_8", over_8},
    {"over_16", over_16},
    {"over_64", over_64},
    {"over_page", over_page},
    {"over_far", over_far},
    {"over_realloc", over_realloc},
    {"over_kept", over_kept},
    {"over_calloc", over_calloc},
    {"over_aligned", over_aligned},
    {"over_read", over_read},
    {"under_1", under_1},
    {"under_8", under_8},
    {"under_16", under_16},
    {"under_64", under_64},
    {"late_write_start", late_write_start},
    {"late_write_second", late_write_second},
    {"late_write_end", late_write_end},
    {"late_write_all", late_write_all},
    {"late_write_address", late_write_address},
    {"late_write_other_thread", late_write_other_thread},
    {"late_write_reused", late_write_reused},
    {"late_read", late_read},
    {"late_read_reused", late_read_reused},
    {"fresh_secret", fresh_secret},
    {"shrunk_secret", shrunk_secret},
    {"twice", twice},
    {"twice_between", twice_between},
    {"twice_many", twice_many},
    {"twice_reused", twice_reused},
    {"twice_wiped", twice_wiped},
    {"twice_thread_last", twice_thread_last},
    {"twice_thread_first", twice_thread_first},
    {"twice_realloc", twice_realloc},
    {"asked_when_free", asked_when_free},
    {"inside", inside},
    {"inside_forged", inside_forged},
    {"inside_realloc", inside_realloc},
    {"target_forged", target_forged},
    {"stack_block", stack_block},
    {"mapped_block", mapped_block},
    {"wild_block", wild_block},
    {"size_larger", size_larger},
    {"size_smaller", size_smaller},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < COUNT(kinds); i++)
        puts(kinds[i].name);
    for (size_t i = 0; argc == 3 && i < COUNT(kinds); i++)
        if (strcmp(argv[1], kinds[i].name) == 0) {
            n = strtoul(argv[2], NULL, 0);
            company(get);
            kinds[i].run();
            heap_is_sound();
            return 0;
        }
    return argc == 2 ? 0 : 2;
}
