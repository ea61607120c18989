/* SPDX-License-Identifier: MIT */
/*
 * A tracked allocator (wrap.h) around one of the target's own, whose blocks end where they
 * were asked to, so that a sanitizer sees each byte too many; that fails now and then, and
 * lacks some calls. What was counted is compared with a model after each call.
 */
#include "tests/fuzz/warn.h"

#include <numatally/wrap.h>

#include <errno.h>

enum { BLOCKS = 64 };

static struct {
    struct nt_allocator tracked;
    struct {
        unsigned char *bytes;
        size_t size;
        bool foreign;
    } block[BLOCKS];
    struct nt_tracked_figures sums;
    bool has_realloc;
    bool fails; /* the next call of inner */
} m;

/* ---- inner ---------------------------------------------------------------------------- */

static bool failing(void)
{
    bool fails = m.fails;

    m.fails = false;
    if (fails)
        errno = ENOMEM;
    return fails;
}

static void *inner_malloc(void *context, size_t size)
{
    FUZZ_CHECK(context == &m);
    return failing() ? NULL : malloc(size);
}

static void *inner_calloc(void *context, size_t count, size_t size)
{
    FUZZ_CHECK(context == &m);
    return failing() ? NULL : calloc(count, size);
}

static void *inner_realloc(void *context, void *ptr, size_t size)
{
    FUZZ_CHECK(context == &m);
    return failing() ? NULL : realloc(ptr, size);
}

static void *inner_aligned(void *context, size_t alignment, size_t size)
{
    void *p = NULL;

    FUZZ_CHECK(context == &m);
    if (failing() || posix_memalign(&p, alignment < 16 ? 16 : alignment, size) != 0)
        return NULL;
    return p;
}

static void inner_free(void *context, void *ptr)
{
    FUZZ_CHECK(context == &m);
    free(ptr);
}

/* ---- the model -------------------------------------------------------------------------- */

static unsigned bin(size_t size)
{
    unsigned i = 0;

    while (size > 1 && i < NT_TRACKED_SIZES - 1) {
        size >>= 1;
        i++;
    }
    return i;
}

static void live(uint64_t more, uint64_t less)
{
    m.sums.live_requested_bytes_now += more - less;
    if (m.sums.live_requested_bytes_now > m.sums.live_requested_bytes_peak)
        m.sums.live_requested_bytes_peak = m.sums.live_requested_bytes_now;
}

static void count_new(size_t size)
{
    m.sums.allocations_total++;
    m.sums.requested_bytes_total += size;
    m.sums.live_blocks_now++;
    m.sums.sizes[bin(size)]++;
}

static void count_gone(size_t size)
{
    m.sums.frees_total++;
    m.sums.freed_requested_bytes_total += size;
    m.sums.live_blocks_now--;
}

static void check(void)
{
    struct nt_tracked_figures f;

    FUZZ_CHECK(nt_tracked_figures(&m.tracked, &f) == 0);
#define NT_FIELD(name, unit, label, text) FUZZ_CHECK(f.name == m.sums.name);
    NT_TRACKED_FIGURES(NT_FIELD)
#undef NT_FIELD
    FUZZ_CHECK(memcmp(f.sizes, m.sums.sizes, sizeof f.sizes) == 0);
}

/* All are as the first, and that is `value`. */
static void check_bytes(unsigned value, const unsigned char *bytes, size_t size)
{
    FUZZ_CHECK(size == 0 ||
               (bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0));
}

/* ---- calls ------------------------------------------------------------------------------ */

static void do_get(struct fuzz_bytes *b)
{
    unsigned i = fuzz_byte(b) % BLOCKS, how = fuzz_byte(b) % 4;
    size_t size = fuzz_word(b) >> (4 + fuzz_byte(b) % 12), alignment = (size_t)1 << how;
    bool fails = m.fails;
    unsigned char *p;

    if (m.block[i].bytes != NULL)
        return;
    switch (how) {
    case 0:
        p = m.tracked.malloc(m.tracked.context, size);
        break;
    case 1:
        p = m.tracked.calloc(m.tracked.context, 1, size);
        if (p != NULL)
            check_bytes(0, p, size);
        break;
    case 2:
        p = m.tracked.realloc(m.tracked.context, NULL, size);
        break;
    default:
        alignment = (size_t)1 << fuzz_byte(b) % 13;
        p = m.tracked.aligned_alloc(m.tracked.context, alignment, size);
        if (p == NULL && errno == ENOTSUP && alignment > 16) {
            m.sums.failed_total++;
            return;
        }
    }
    if (p == NULL) {
        FUZZ_CHECK(fails && errno == ENOMEM);
        m.sums.failed_total++;
        return;
    }
    FUZZ_CHECK((uintptr_t)p % alignment == 0);
    memset(p, (int)i, size);
    m.block[i].bytes = p;
    m.block[i].size = size;
    m.block[i].foreign = false;
    count_new(size);
    live(size, 0);
}

static void do_free(struct fuzz_bytes *b)
{
    unsigned i = fuzz_byte(b) % BLOCKS;
    unsigned char *p = m.block[i].bytes;

    if (p == NULL) {
        m.tracked.free(m.tracked.context, NULL);
        return;
    }
    check_bytes(i, p, m.block[i].size);
    m.block[i].bytes = NULL;
    if (fuzz_byte(b) % 2 != 0 && !m.block[i].foreign)
        FUZZ_CHECK(m.tracked.realloc(m.tracked.context, p, 0) == NULL);
    else
        m.tracked.free(m.tracked.context, p);
    if (m.block[i].foreign) {
        m.sums.foreign_frees_total++;
        return;
    }
    count_gone(m.block[i].size);
    live(0, m.block[i].size);
}

static void do_realloc(struct fuzz_bytes *b)
{
    unsigned i = fuzz_byte(b) % BLOCKS;
    unsigned char *old = m.block[i].bytes, *p;
    size_t was = m.block[i].size;
    size_t size = (fuzz_word(b) >> (4 + fuzz_byte(b) % 12)) + 1;
    uintptr_t from = (uintptr_t)old;
    bool fails = m.fails;

    if (old == NULL || m.block[i].foreign)
        return;
    p = m.tracked.realloc(m.tracked.context, old, size);
    if (p == NULL) {
        FUZZ_CHECK(fails);
        m.sums.failed_total++;
        return;
    }
    check_bytes(i, p, size < was ? size : was);
    memset(p, (int)i, size);
    m.block[i].bytes = p;
    m.block[i].size = size;
    if ((uintptr_t)p == from) {
        m.sums.reallocs_in_place_total++;
        m.sums.requested_bytes_total += size;
        m.sums.freed_requested_bytes_total += was;
    } else {
        count_new(size);
        count_gone(was);
    }
    if (m.has_realloc) {
        live(size, was);
    } else { /* there are two for a moment */
        live(size, 0);
        live(0, was);
    }
}

/* A block that comes from inner itself. */
static void do_foreign(struct fuzz_bytes *b)
{
    unsigned i = fuzz_byte(b) % BLOCKS;

    if (m.block[i].bytes != NULL)
        return;
    m.block[i].size = fuzz_byte(b);
    m.block[i].bytes = malloc(m.block[i].size);
    m.block[i].foreign = true;
    FUZZ_CHECK(m.block[i].bytes != NULL);
    memset(m.block[i].bytes, (int)i, m.block[i].size);
}

static void do_reset(struct fuzz_bytes *b)
{
    struct nt_tracked_figures old = m.sums;

    if (fuzz_byte(b) % 4 != 0) {
        m.fails = true;
        return;
    }
    FUZZ_CHECK(nt_tracked_reset(&m.tracked) == 0);
    memset(&m.sums, 0, sizeof m.sums);
    m.sums.live_blocks_now = old.live_blocks_now;
    m.sums.live_requested_bytes_now = old.live_requested_bytes_now;
    m.sums.live_requested_bytes_peak = old.live_requested_bytes_now;
}

/* Inner took all back, and so does the model. */
static void do_forget(struct fuzz_bytes *b)
{
    if (fuzz_byte(b) % 4 != 0)
        return;
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (m.block[i].bytes == NULL || m.block[i].foreign)
            continue;
        free(m.block[i].bytes);
        m.block[i].bytes = NULL;
        count_gone(m.block[i].size);
        live(0, m.block[i].size);
    }
    FUZZ_CHECK(nt_tracked_forget(&m.tracked) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const operations[])(struct fuzz_bytes *) = {
        do_get,     do_get,     do_get,   do_free,  do_free,
        do_realloc, do_foreign, do_reset, do_forget};
    struct fuzz_bytes b = {data, data + size};
    unsigned lacks = fuzz_byte(&b);
    struct nt_allocator inner = {.size = sizeof inner,
                                 .context = &m,
                                 .malloc = inner_malloc,
                                 .calloc = lacks & 1 ? NULL : inner_calloc,
                                 .realloc = lacks & 2 ? NULL : inner_realloc,
                                 .aligned_alloc = lacks & 4 ? NULL : inner_aligned,
                                 .free = inner_free};

    memset(&m, 0, sizeof m);
    m.has_realloc = inner.realloc != NULL;
    FUZZ_CHECK(nt_tracked(&inner, "fuzz", &m.tracked) == 0);
    while (b.at < b.end) {
        unsigned which = fuzz_byte(&b) % (sizeof operations / sizeof *operations);

        operations[which](&b);
        check();
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (m.block[i].bytes != NULL)
            m.tracked.free(m.tracked.context, m.block[i].bytes);
    FUZZ_CHECK(nt_tracked_release(&m.tracked) == 0);
    return 0;
}
