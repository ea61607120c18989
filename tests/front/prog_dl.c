/* SPDX-License-Identifier: MIT */
/*
 * Libraries that come and go: prog_dl WAY LIBRARY. What is promised for each way stands
 * at its function; dl.sh builds the libraries and says which way is for which.
 */
#include "check.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

static void *(*lib_get)(size_t);
static void *(*lib_grow)(void *, size_t);
static void (*lib_give_back)(void *);
static char *(*lib_copy)(const char *);
static int (*lib_round_trip)(void);
static void (*lib_keep)(void);
static void *(*lib_open)(const char *);

static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);

    memcpy(function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

static void *attach(void *library)
{
    if (!library) {
        printf("FAIL: %s\n", dlerror());
        exit(1);
    }
    CHECK("the library's functions are found",
          find(library, "lib_get", &lib_get) && find(library, "lib_grow", &lib_grow) &&
              find(library, "lib_give_back", &lib_give_back) &&
              find(library, "lib_copy", &lib_copy) &&
              find(library, "lib_round_trip", &lib_round_trip) &&
              find(library, "lib_keep", &lib_keep) &&
              find(library, "lib_open", &lib_open));
    return library;
}

static void *keep_in_thread(void *unused)
{
    lib_keep();
    lib_round_trip();
    return unused;
}

/* Loading and unloading, with blocks that outlive the library, and threads that used it. */
static void reload(const char *path)
{
    static void *left[100];
    bool good = true;

    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        void *library = attach(dlopen(path, RTLD_NOW | (i % 2 ? RTLD_GLOBAL : 0)));
        good &= lib_round_trip() == 0;
        left[i] = lib_get(1000);
        if (pthread_create(&thread, NULL, keep_in_thread, NULL) == 0)
            pthread_join(thread, NULL);
        good &= dlclose(library) == 0;
    }
    for (int i = 0; i < 100; i++) {
        good &= ((char *)left[i])[999] == 0x41;
        free(left[i]);
    }
    CHECK("loaded and unloaded 100 times", good);
}

/* Blocks of either side, and libc's, are freed and grown by the other. */
static void shared(const char *path, int mode)
{
    void *library = attach(dlopen(path, RTLD_NOW | RTLD_LOCAL | mode));
    bool good = true;

    lib_give_back(lib_copy("text"));
    free(lib_copy("text"));

    for (size_t n = 1; n < 10000000; n = n * 3 + 1) {
        free(lib_get(n));
        lib_give_back(malloc(n));
        char *p = lib_grow(malloc(n), n * 2);
        char *q = realloc(lib_get(n), n * 2);
        good &= q[0] == 0x41 && q[n - 1] == 0x41;
        free(p);
        lib_give_back(q);
    }
    CHECK("one heap on both sides", good);
    dlclose(library);
}

/* The library has glibc's heap, in a namespace of its own. It works by itself, and what it
 * hands out we take back: freed, grown and measured here. What we hand out it must not free:
 * glibc's free knows nothing of us, as of any allocator. */
static void takes_back(void *library)
{
    bool good = true;

    attach(library);
    CHECK("the library works by itself", lib_round_trip() == 0);
    for (int round = 0; round < 50; round++)
        for (size_t n = 1; n < 10000000; n = n * 3 + 1) {
            free(lib_get(n));
            char *p = lib_get(n);
            good &= malloc_usable_size(p) >= n;
            p = realloc(p, n * 2);
            good &= p && p[0] == 0x41 && p[n - 1] == 0x41;
            free(p);
            lib_give_back(lib_get(n));
        }
    CHECK("its blocks are freed, grown and measured here", good);
    CHECK("and it still works", lib_round_trip() == 0);
}

/* What a library loads by name is looked for where its own RUNPATH says. */
static void runpath(const char *path)
{
    attach(dlopen(path, RTLD_NOW));
    CHECK("a library is found beside the one that loads it", lib_open("libbeside.so"));
    CHECK("what is nowhere is not found", !lib_open("libnowhere.so"));
    const char *error = dlerror();
    CHECK("and the error names it", error && strstr(error, "libnowhere.so"));
}

static void namespace(const char *path)
{
    takes_back(dlmopen(LM_ID_NEWLM, path, RTLD_NOW));
    char *text = lib_copy("text");
    CHECK("its libc is its own", strcmp(text, "text") == 0);
    lib_give_back(text);
}

/* A C++ library in a C program, out of the global scope. */
static void cxx(const char *path)
{
    int (*work)(void);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!library || !find(library, "cxx_work", &work)) {
        printf("FAIL: %s\n", dlerror());
        exit(1);
    }
    int result = work();
    printf("cxx_work: %d\n", result);
    CHECK("operator new throws what its library can catch", result == 0);
    dlclose(library);
}

static struct {
    void (*keep)(void);
    pthread_barrier_t kept, closed;
} ending;

static void *keeps_past_dlclose(void *unused)
{
    ending.keep();
    pthread_barrier_wait(&ending.kept);
    pthread_barrier_wait(&ending.closed);
    return unused;
}

/* The library is closed while threads have blocks that its destructors free as they end. */
static void cxx_ends(const char *path)
{
    enum { ROUNDS = 100, THREADS = 3 };
    pthread_t thread[THREADS];
    void (*keep_for_all)(void);
    bool good = true;

    pthread_barrier_init(&ending.kept, NULL, THREADS + 1);
    pthread_barrier_init(&ending.closed, NULL, THREADS + 1);
    for (int round = 0; round < ROUNDS && good; round++) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        good &= library && find(library, "cxx_keep", &ending.keep) &&
                find(library, "cxx_keep_for_all", &keep_for_all);
        if (!good)
            break;
        keep_for_all();
        for (int i = 0; i < THREADS; i++)
            good &= pthread_create(&thread[i], NULL, keeps_past_dlclose, NULL) == 0;
        pthread_barrier_wait(&ending.kept);
        good &= dlclose(library) == 0;
        pthread_barrier_wait(&ending.closed);
        for (int i = 0; i < THREADS; i++)
            good &= pthread_join(thread[i], NULL) == 0;
    }
    CHECK("destructors of threads free after dlclose", good);
}

/* numatally itself, loaded late: its nt_ family works, its blocks go back to it, and
 * it stays when it is closed. */
enum late {
    LATE_APART, /* in a namespace of its own: so is its heap */
    LATE_ALONE, /* malloc is glibc's, whose blocks it takes */
    LATE_ONE,   /* its heap is malloc's: each takes the other's blocks */
};

static void late(const char *path, enum late how)
{
    void *(*get)(size_t), *(*grow)(void *, size_t);
    void (*give_back)(void *);
    bool good = true;

    for (int round = 0; round < 3; round++) {
        void *library = how == LATE_APART ? dlmopen(LM_ID_NEWLM, path, RTLD_NOW)
                                          : dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library || !find(library, "nt_malloc", &get) ||
            !find(library, "nt_free", &give_back) ||
            !find(library, "nt_realloc", &grow)) {
            printf("FAIL: %s\n", dlerror());
            exit(1);
        }
        for (size_t n = 1; n < 10000000; n = n * 3 + 1) {
            char *p = get(n);
            memset(p, 7, n);
            p = grow(p, n * 2);
            good &= p && p[0] == 7 && p[n - 1] == 7;
            give_back(p);
            if (how != LATE_APART)
                give_back(malloc(n));
            if (how == LATE_ONE)
                free(realloc(get(n), n + 1));
        }
        good &= dlclose(library) == 0;
    }
    CHECK("numatally loaded late works", good);
    give_back(get(100));
    CHECK("and after it was closed", true);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "reload"))
        reload(argv[2]);
    else if (argc == 3 && !strcmp(argv[1], "shared"))
        shared(argv[2], 0);
    else if (argc == 3 && !strcmp(argv[1], "deepbind"))
        shared(argv[2], RTLD_DEEPBIND);
    else if (argc == 3 && !strcmp(argv[1], "runpath"))
        runpath(argv[2]);
    else if (argc == 3 && !strcmp(argv[1], "namespace"))
    namespace(argv[2]);
    else if (argc == 3 && !strcmp(argv[1], "cxx")) cxx(argv[2]);
    else if (argc == 3 && !strcmp(argv[1], "cxx-ends")) cxx_ends(argv[2]);
    else if (argc == 3 && !strcmp(argv[1], "late")) late(argv[2], LATE_ONE);
    else if (argc == 3 && !strcmp(argv[1], "late-alone")) late(argv[2], LATE_ALONE);
    else if (argc == 3 && !strcmp(argv[1], "late-apart")) late(argv[2], LATE_APART);
    else return fprintf(stderr, "usage: %s WAY LIBRARY; see main\n", argv[0]), 2;
    return done();
}
