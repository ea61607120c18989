/* SPDX-License-Identifier: MIT */
/*
 * A program that uses nt_* by name, to be linked to the libraries in every way there
 * is: one heap means that blocks of nt_malloc and malloc may change sides. dl.sh builds
 * it. Argument "apart": the two are known to be two heaps; use each by itself.
 */
#include "check.h"

#include <malloc.h>
#include <numatally/numatally.h>
#include <numatally/stats.h>

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

int main(int argc, char **argv)
{
    static const size_t sizes[] = {1, 100, 5000, 100000, 8000000};
    bool apart = argc > 1 && strcmp(argv[1], "apart") == 0;
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
        if (!apart)
            change_sides(n);
    }
    CHECK("both families keep their contents", good);
    if (!apart) {
        uint64_t before = live_bytes();
        void *p = malloc(5000000);
        CHECK("nt_snapshot counts malloc's blocks", live_bytes() >= before + 5000000);
        free(p);
        CHECK("and their end", live_bytes() < before + 5000000);
    }
    return done();
}
