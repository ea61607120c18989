/* SPDX-License-Identifier: MIT */
/*
 * Sequences of calls, on the real allocator, against a model that knows what must come out.
 *
 * An input is a program: an operation a byte, its arguments behind it, by one of four threads.
 * They take turns, one call after the other, so that a run is the same each time and all
 * figures are exact whenever they are read; threads end and others begin in between. The
 * model has a table of the blocks in use:
 *
 *   contents   a pattern that follows from the block's number, checked before each call that
 *              ends or moves the block; also its last usable byte
 *   place      aligned, and no byte in common with another block
 *   size       what is usable is what was asked for at least, and what nt_good_size said
 *   counters   of the process, its nodes, classes and pools: equal to the model's sums
 *   errors     NULL only where it must be or may be, with the errno that is documented;
 *              errno is left alone otherwise
 *
 * Built once more with -DFUZZ_MALLOC, with malloc and its family in place of nt_malloc's: there
 * the counters have libc's own blocks, too, and are not compared.
 *
 * Nothing is kept from one input to the next but the counters, of which the model keeps the
 * sums, and what the allocator itself keeps: all blocks and pools are given back.
 */
#include "tests/fuzz/model.h"

/* ---- arguments ----------------------------------------------------------------------------- */

/* All classes and their edges, and large blocks; never so many that memory ends. */
static size_t size_of(struct fuzz_bytes *b)
{
    unsigned how = fuzz_byte(b), n = fuzz_word(b);
    size_t size;

    switch (how % 8) {
    case 0:
    case 1:
        size = n % 1025;
        break;
    case 2:
        size = n;
        break;
    case 3:
        size = (size_t)n * 16;
        break;
    case 4:
        size = ((size_t)1 << n % 23) + (n >> 8) % 33 - 16; /* may be below 0 */
        break;
    case 5:
        size = ((size_t)512 << 10) + n % 257 - 128;
        break;
    case 6:
        size = (size_t)n * 64;
        break;
    default:
        size = (size_t)(n % 1024) * 4096 + (n >> 10) - 32;
    }
    if (size > (size_t)1 << 40)
        size = 0;
    return m.sums.live_bytes + size > BYTES_MAX ? size % 1024 : size;
}

/* What nobody can have. */
static size_t too_much(struct fuzz_bytes *b)
{
    static const size_t sizes[] = {SIZE_MAX,
                                   SIZE_MAX - 4095,
                                   (size_t)PTRDIFF_MAX + 1,
                                   PTRDIFF_MAX,
                                   (size_t)PTRDIFF_MAX - 65536,
                                   (size_t)1 << 62};

    return sizes[fuzz_byte(b) % 6];
}

static size_t alignment_of(struct fuzz_bytes *b)
{
    return (size_t)1 << fuzz_byte(b) % 23;
}

static struct block *block_of(struct fuzz_bytes *b)
{
    return &m.block[fuzz_byte(b) % BLOCKS];
}

/* ---- operations ------------------------------------------------------------------------------ */

static void do_malloc(struct fuzz_bytes *b)
{
    struct block *block = block_of(b);
    size_t size = size_of(b), good = nt_good_size(size);

    if (block->bytes != NULL)
        return;
    accept(block, CALL(malloc)(size), size, 16, NO_POOL, false);
    FUZZ_CHECK(good == block->usable);
}

static void do_calloc(struct fuzz_bytes *b)
{
    struct block *block = block_of(b);
    size_t count_of = fuzz_byte(b) % 8 + 1, size = size_of(b) / count_of;
    unsigned char *bytes;

    if (block->bytes != NULL)
        return;
    bytes = CALL(calloc)(count_of, size);
    check_zeroes(bytes, count_of * size);
    accept(block, bytes, count_of * size, 16, NO_POOL, false);
}

static void do_aligned(struct fuzz_bytes *b)
{
    struct block *block = block_of(b);
    size_t alignment = alignment_of(b), size = size_of(b);
    void *bytes = NULL;

    if (block->bytes != NULL)
        return;
    if (fuzz_byte(b) % 2 == 0) {
        bytes = CALL(aligned_alloc)(alignment, size);
    } else if (alignment < sizeof(void *)) {
        FUZZ_CHECK(CALL(posix_memalign)(&bytes, alignment, size) == EINVAL &&
                   bytes == NULL);
        return;
    } else {
        FUZZ_CHECK(CALL(posix_memalign)(&bytes, alignment, size) == 0);
    }
    accept(block, bytes, size, alignment, NO_POOL, false);
}

/* What must be refused, and change nothing. */
static void do_refused(struct fuzz_bytes *b)
{
    struct block *block = block_of(b);
    void *out = &out, *got;
    size_t size = too_much(b);

    switch (fuzz_byte(b) % 8) {
    case 0:
        got = CALL(malloc)(size);
        break;
    case 1:
        got = CALL(calloc)(size / 2, 3);
        break;
    case 2:
        got = CALL(calloc)(3, size);
        break;
    case 3:
        got = CALL(reallocarray)(block->bytes, size, 2);
        break;
    case 4:
        got = block->pool != NO_POOL && block->bytes != NULL
                  ? nt_pool_realloc(m.pool[block->pool].pool, block->bytes, size)
                  : CALL(realloc)(block->bytes, size);
        break;
    case 5:
        got = CALL(aligned_alloc)(alignment_of(b), size);
        break;
    case 6:
        FUZZ_CHECK(CALL(posix_memalign)(&out, 64, size) == ENOMEM && out == &out);
        FUZZ_CHECK(errno == UNTOUCHED);
        return;
    default:
        got = CALL(aligned_alloc)(3 * alignment_of(b), 100);
        FUZZ_CHECK(got == NULL && errno == EINVAL);
        return;
    }
    FUZZ_CHECK(got == NULL && errno == ENOMEM);
}

static void do_free(struct fuzz_bytes *b)
{
    struct block *block = block_of(b), old = *block;

    if (old.bytes == NULL) {
        CALL(free)(NULL);
        return;
    }
    drop(block);
    switch (fuzz_byte(b) % 3) {
    case 0:
        CALL(free)(old.bytes);
        break;
    case 1:
        if (old.alignment == 16)
            nt_free_sized(old.bytes, old.size);
        else
            nt_free_aligned_sized(old.bytes, old.alignment, old.size);
        break;
    default:
        FUZZ_CHECK(CALL(realloc)(old.bytes, 0) == NULL);
    }
    FUZZ_CHECK(errno == UNTOUCHED);
}

static void do_realloc(struct fuzz_bytes *b)
{
    struct block *block = block_of(b), old = *block;
    struct pool *pool =
        old.bytes != NULL && old.pool != NO_POOL ? &m.pool[old.pool] : NULL;
    size_t size = size_of(b), divisor = fuzz_byte(b) % 4;
    unsigned char *bytes;

    if (old.bytes != NULL)
        check_whole(&old);
    if (old.bytes == NULL || size == 0)
        return;
    if (pool != NULL && divisor != 0)
        bytes = nt_pool_realloc(pool->pool, old.bytes, size);
    else if (divisor == 1)
        bytes = CALL(reallocarray)(old.bytes, 1, size);
    else
        bytes = CALL(realloc)(old.bytes, size);
    if (bytes == NULL) {
        FUZZ_CHECK(pool != NULL && pool->limit != 0 && errno == ENOMEM);
        return;
    }
    check_bytes(&old, bytes, size < old.size ? size : old.size);
    if (bytes == old.bytes) {
        struct sums *both[2] = {&m.sums, pool != NULL ? &pool->sums : NULL};

        FUZZ_CHECK(errno == UNTOUCHED);
        block->size = size;
        block->usable = usable_of(bytes);
        if (block->alignment > 16) /* is kept where it stays */
            block->alignment = 16;
        for (int i = 0; i < 2; i++)
            if (both[i] != NULL) {
                both[i]->in_place++;
                both[i]->requested += size;
                both[i]->live_bytes += block->usable - old.usable;
            }
        if (m.sums.live_bytes > m.peak)
            m.peak = m.sums.live_bytes;
        check_place(block);
        fill(block);
        return;
    }
    block->bytes = NULL;
    accept(block, bytes, size, 16, old.pool, false);
    count(&old, false);
}

/* ---- nodes ------------------------------------------------------------------------------------ */

static void do_on_node(struct fuzz_bytes *b)
{
    static const char *const policies[] = {"local",          "bind:0",
                                           "bind:1",         "preferred:1",
                                           "interleave:0-1", "preferred-many:0,1"};
    struct block *block = block_of(b);
    size_t size = size_of(b);
    unsigned how = fuzz_byte(b);
    void *bytes;

    if (block->bytes != NULL)
        return;
    switch (how % 4) {
    case 0:
        bytes = nt_malloc_onnode(size, how / 4 % 2);
        break;
    case 1:
        bytes = nt_malloc_policy(size, policies[how / 4 % 6]);
        break;
    case 2:
        bytes = nt_malloc_distributed(size, how & 4 ? "0-1" : NULL);
        break;
    default:
        FUZZ_CHECK(nt_malloc_onnode(size, how & 4 ? -1 : 2) == NULL && errno == EINVAL);
        errno = UNTOUCHED;
        FUZZ_CHECK(nt_malloc_policy(size, how & 4 ? "bind:9" : "nowhere") == NULL &&
                   errno == EINVAL);
        return;
    }
    accept(block, bytes, size, 16, NO_POOL, false);
    if (how % 4 == 0)
        FUZZ_CHECK(nt_node_of(bytes) == (int)(how / 4 % 2));
}

static void do_place(struct fuzz_bytes *b)
{
    static const char *const policies[] = {NULL, "local", "bind:1", "interleave:all"};
    struct block *block = block_of(b);
    unsigned how = fuzz_byte(b);
    int err;

    switch (how % 4) {
    case 0:
        FUZZ_CHECK(nt_thread_policy(policies[how / 4 % 4]) == 0);
        break;
    case 1:
        err = block->bytes != NULL ? nt_migrate(block->bytes, how / 4 % 2) : 0;
        FUZZ_CHECK(err == 0 || err == -EOPNOTSUPP || err == -EINVAL);
        break;
    case 2:
        if (block->bytes != NULL)
            FUZZ_CHECK(nt_prefault(block->bytes, block->usable, NULL, NULL) == 0);
        break;
    default:
        if (block->bytes != NULL && block->pool != NO_POOL)
            FUZZ_CHECK(nt_pool_migrate(m.pool[block->pool].pool, how / 4 % 2) == 0);
    }
    if (block->bytes != NULL)
        check_whole(block);
}

/* ---- pools -------------------------------------------------------------------------------------- */

static void forget_blocks(int pool)
{
    for (struct block *block = m.block; block < m.block + BLOCKS; block++)
        if (block->bytes != NULL && block->pool == pool)
            drop(block);
}

static void do_pool(struct fuzz_bytes *b)
{
    int i = (int)(fuzz_byte(b) % POOLS);
    unsigned how = fuzz_byte(b);
    struct pool *p = &m.pool[i];
    struct nt_pool_options o = {.size = sizeof o, .name = "fuzz"};

    if (p->pool == NULL) {
        o.limit = how & 1 ? (size_t)(how >> 4) << 20 : 0;
        o.nodes = how & 2 ? "0-1" : how & 4 ? "1" : NULL;
        o.policy = how & 8 && o.nodes != NULL ? "interleave" : NULL;
        *p = (struct pool){.limit = o.limit};
        FUZZ_CHECK(nt_pool_create(how == 0 ? NULL : &o, &p->pool) == 0);
        if (how == 0)
            p->limit = 0;
        return;
    }
    forget_blocks(i);
    if (how % 2 == 0) {
        nt_pool_reset(p->pool);
        return;
    }
    nt_pool_destroy(p->pool);
    p->pool = NULL;
}

static void do_pool_malloc(struct fuzz_bytes *b)
{
    struct block *block = block_of(b);
    int i = (int)(fuzz_byte(b) % POOLS);
    struct pool *p = &m.pool[i];
    unsigned how = fuzz_byte(b);
    size_t size = size_of(b), alignment = how % 4 == 2 ? alignment_of(b) : 16;
    unsigned char *bytes;

    if (block->bytes != NULL || p->pool == NULL)
        return;
    if (how % 4 == 1)
        bytes = nt_pool_calloc(p->pool, 1, size);
    else if (how % 4 == 2)
        bytes = nt_pool_aligned_alloc(p->pool, alignment, size);
    else if (how % 4 == 3)
        bytes = nt_pool_realloc(p->pool, NULL, size);
    else
        bytes = nt_pool_malloc(p->pool, size);
    if (how % 4 == 1)
        check_zeroes(bytes, size);
    accept(block, bytes, size, alignment, i, p->limit != 0);
}

/* ---- the rest ---------------------------------------------------------------------------------- */

static unsigned reported;
static uint64_t limit;

static void crossed(uint64_t live_bytes, void *context)
{
    FUZZ_CHECK(context == &limit && live_bytes > limit);
    if (EXACT && limit % 3 == 0) { /* it may allocate, free, and look */
        void *p = nt_malloc(1000);

        FUZZ_CHECK(p != NULL);
        add(&m.sums, 1000, nt_usable_size(p));
        take(&m.sums, nt_usable_size(p));
        if (live_bytes + nt_usable_size(p) > m.peak)
            m.peak = live_bytes + nt_usable_size(p);
        nt_free(p);
        nt_mark("crossed");
    }
}

static void do_look(struct fuzz_bytes *b)
{
    unsigned how = fuzz_byte(b);
    char name[2] = {'a', '\0'};

    switch (how % 9) {
    case 8:
        limit = (uint64_t)how << 10;
        FUZZ_CHECK(nt_on_limit(limit, how & 1 ? crossed : NULL, &limit) == 0);
        break;
    case 0:
    case 1:
        for (unsigned k = 0; k < POOLS; k++) {
            name[0] = (char)('0' + k);
            FUZZ_CHECK(m.pool[k].pool == NULL ||
                       nt_pool_name(m.pool[k].pool, name) == 0);
        }
        check_sums();
        check_pools();
        check_threads();
        check_samples();
        break;
    case 2:
        nt_purge();
        break;
    case 3:
        name[0] = (char)('a' + how / 8 % 26);
        FUZZ_CHECK(nt_mark(how / 8 == 0 ? NULL : name) == 0);
        break;
    case 4:
        FUZZ_CHECK(nt_sample((size_t)1 << how / 8) == 0);
        break;
    case 5:
        FUZZ_CHECK(nt_sample(0) == 0);
        break;
    case 6:
        if (reported++ == 0) /* it takes longer than all else */
            FUZZ_CHECK(nt_report(fileno(fuzz_nowhere()),
                                 how & 8 ? NT_FORMAT_JSON : NT_FORMAT_TEXT) == 0);
        break;
    default:
        for (struct block *block = m.block; block < m.block + BLOCKS; block++)
            if (block->bytes != NULL)
                check_whole(block);
    }
    FUZZ_CHECK(errno == UNTOUCHED);
}

/* ---- an input -------------------------------------------------------------------------------------- */

static bool each; /* look at the figures after each call, and name it */

static void call(struct fuzz_bytes *b)
{
    static void (*const operations[])(struct fuzz_bytes *) = {
        do_malloc, do_malloc,  do_malloc,      do_malloc,  do_calloc,      do_aligned,
        do_free,   do_free,    do_free,        do_realloc, do_realloc,     do_refused,
        do_pool,   do_on_node, do_pool_malloc, do_place,   do_pool_malloc, do_look};
    unsigned which = fuzz_byte(b) % (sizeof operations / sizeof *operations);

    errno = UNTOUCHED;
    operations[which](b);
    if (each) /* NT_EACH=1: which call was it? */
        fprintf(stderr, "operation %u\n", which), check_sums();
}

static void leave_policy(struct fuzz_bytes *b)
{
    (void)b;
    FUZZ_CHECK(nt_thread_policy(NULL) == 0);
}

/* Give all back, each block by the thread `i`. */
static void give_back(struct fuzz_bytes *b)
{
    (void)b;
    for (struct block *block = m.block; block < m.block + BLOCKS; block++) {
        void *bytes = block->bytes;

        if (bytes == NULL || block->pool != NO_POOL)
            continue;
        drop(block);
        CALL(free)(bytes);
    }
    for (int i = 0; i < POOLS; i++) {
        if (m.pool[i].pool == NULL)
            continue;
        forget_blocks(i);
        nt_pool_destroy(m.pool[i].pool);
        m.pool[i].pool = NULL;
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    each = getenv("NT_EACH") != NULL;
    pin(0);
    setenv("NUMATALLY_TOPOLOGY", "2x1", 1);
    unsetenv("NUMATALLY_CONF");
    unsetenv("NUMATALLY_CONF_FILE");
    FUZZ_CHECK(nt_node_count() == 2);
    check_sums();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes b = {data, data + size};
    unsigned calls = 0, last = 0;

    reported = 0;

    while (b.at < b.end && calls++ < CALLS_MAX) {
        unsigned who = fuzz_byte(&b);

        /* The same thread goes on mostly: a hand-over costs more than what is tried. */
        if (who >= 250)
            end(who % THREADS);
        if (who >= 200)
            last = who % THREADS;
        let(last, call, &b);
    }
    FUZZ_CHECK(nt_sample(0) == 0 && nt_on_limit(0, NULL, NULL) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        if (i == 0 || workers[i].runs)
            let(i, leave_policy, NULL);
    let(last, give_back, NULL);
    check_sums();
    FUZZ_CHECK(m.sums.live_blocks == 0);
    return 0;
}
