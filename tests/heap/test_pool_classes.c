/* SPDX-License-Identifier: MIT */
/*
 * Explicit pools with sizes of their own: what their blocks waste, by arithmetic that is not
 * the library's; tables that are none; no more room; and that nobody else's blocks are others.
 * Each act begins in a fresh child: classes are for ever.
 */
#include "tests/child.h"

#include "src/base/base.h"

#include <errno.h>
#include <numatally/numatally.h>
#include <numatally/profile.h>
#include <numatally/stats.h>
#include <pthread.h>

static struct nt_snapshot before, now, between;

static int create(const char *name, const uint32_t *classes, size_t count,
                  struct nt_pool **out)
{
    struct nt_pool_options o = {
        .size = sizeof o, .name = name, .classes = classes, .class_count = count};
    return nt_pool_create(&o, out);
}

static struct nt_pool_figures figures_of(const char *name)
{
    static struct nt_pool_figures all[100];
    long n = nt_snapshot_pools(all, 100);
    for (long i = 0; i < n && i < 100; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i];
    return (struct nt_pool_figures){.name = ""};
}

/* Rows of blocks of `size`. */
static unsigned rows_of(const struct nt_snapshot *s, uint64_t size)
{
    unsigned n = 0;
    for (unsigned c = 0; c < s->classes; c++)
        n += s->class_[c].block_bytes == size;
    return n;
}

/* Do the classes add up to the total, and is the last row that of large blocks? */
static bool adds_up(const struct nt_snapshot *s)
{
    struct nt_class_figures sum = {0};
    for (unsigned c = 0; c < s->classes; c++) {
        const struct nt_class_figures *row = &s->class_[c];
        sum.allocations_total += row->allocations_total;
        sum.allocated_bytes_total += row->allocated_bytes_total;
        sum.frees_total += row->frees_total;
        sum.live_bytes_now += row->live_bytes_now;
        if ((row->block_bytes == 0) != (c + 1 == s->classes))
            return false;
    }
    return sum.allocations_total == s->total.allocations_total &&
           sum.allocated_bytes_total == s->total.allocated_bytes_total &&
           sum.frees_total == s->total.frees_total &&
           sum.live_bytes_now == s->total.live_bytes_now;
}

/* What 300 blocks of each of these sizes waste: in blocks of the built-in sizes, which are
 * 9/8, 10/8, 11/8, 12.5/8, 14/8 and 2 of a power of two; and in those of a table. */
static int act_waste(void)
{
    static const uint32_t sizes[] = {272, 528, 1040, 5008, 40016};
    static const size_t asked[] = {264, 520, 1040, 5000, 40016};
    static const size_t built_in[] = {288, 576, 1152, 5120, 40960};
    struct nt_pool *own, *plain;
    uint64_t with = 0, without = 0;
    CHECK(nt_snapshot(&before) == 0);
    CHECK(create("own", sizes, 5, &own) == 0 && create("plain", NULL, 0, &plain) == 0);
    for (int i = 0; i < 300; i++)
        for (int k = 0; k < 5; k++) {
            char *p = nt_pool_malloc(own, asked[k]),
                 *q = nt_pool_malloc(plain, asked[k]);
            CHECK(p && nt_usable_size(p) == sizes[k]);
            CHECK(q && nt_usable_size(q) == built_in[k]);
            memset(p, k, sizes[k]);
            with += sizes[k] - asked[k];
            without += built_in[k] - asked[k];
        }
    struct nt_pool_figures f = figures_of("own"), g = figures_of("plain");
    CHECK(f.allocated_bytes_total - f.requested_bytes_total == with);
    CHECK(g.allocated_bytes_total - g.requested_bytes_total == without);
    CHECK(with == 300 * (8 + 8 + 0 + 8 + 0) &&
          without == 300 * (24 + 56 + 112 + 120 + 944));
    /* The process's blocks, and its good sizes, are what they were. */
    for (int k = 0; k < 5; k++) {
        char *p = nt_malloc(asked[k]);
        CHECK(nt_usable_size(p) == built_in[k] &&
              nt_good_size(asked[k]) == built_in[k]);
        nt_free(p);
    }
    CHECK(nt_snapshot(&now) == 0);
    CHECK(now.classes == before.classes + 5 && adds_up(&now));
    for (int k = 0; k < 5; k++)
        CHECK(rows_of(&now, sizes[k]) == 1 && rows_of(&before, sizes[k]) == 0);
    /* The difference knows what came in between; also where it lies over either. */
    CHECK(nt_snapshot_diff(&before, &now, &between) == 0);
    CHECK(between.classes == now.classes && adds_up(&between));
    CHECK(between.total.allocations_total == 300 * 10 + 5);
    CHECK(nt_snapshot_diff(&now, &before, &between) == -EINVAL);
    CHECK(nt_snapshot_diff(&before, &now, &before) == 0);
    CHECK(memcmp(&before.class_, &between.class_, sizeof before.class_) == 0);
    nt_pool_destroy(own);
    nt_pool_destroy(plain);
    CHECK(nt_snapshot(&now) == 0 && adds_up(&now));
    return 0;
}

/* Every call, in a table with wide gaps: 16, then 4096, then the built-in ones. */
static int act_calls(void)
{
    static const uint32_t sizes[] = {16, 4096, 40016};
    struct nt_pool *pool;
    CHECK(create("gaps", sizes, 3, &pool) == 0);
    for (size_t size = 0; size <= 600000; size += 1 + size / 30) {
        size_t least = size <= 16      ? 16
                       : size <= 4096  ? 4096
                       : size <= 40016 ? 40016
                                       : 0;
        unsigned char *p = nt_pool_calloc(pool, 1, size);
        CHECK(p && (least == 0 || nt_usable_size(p) == least));
        for (size_t i = 0; i < size; i++)
            CHECK(p[i] == 0);
        memset(p, 7, nt_usable_size(p));
        nt_free_sized(p, size); /* also less than half of the block */
        p = nt_pool_malloc(pool, size);
        memset(p, 7, size);
        p = nt_pool_realloc(pool, p, size * 3 + 1);
        CHECK(p && (size == 0 || p[size - 1] == 7));
        nt_free(p);
    }
    for (size_t align = 1; align <= 4 * NT_MIB; align *= 2)
        for (size_t size = 1; size < 100000; size = size * 5 + 3) {
            char *p = nt_pool_aligned_alloc(pool, align, size);
            CHECK(p && (uintptr_t)p % align == 0 && nt_usable_size(p) >= size);
            nt_free_aligned_sized(p, align, size);
        }
    CHECK(figures_of("gaps").live_blocks_now == 0);
    nt_pool_destroy(pool);
    /* Whoever takes its place has the process's sizes again. */
    CHECK(create("after", NULL, 0, &pool) == 0);
    CHECK(nt_usable_size(nt_pool_malloc(pool, 100)) == 112);
    nt_pool_destroy(pool);
    CHECK(create("again", (uint32_t[]){208}, 1, &pool) == 0);
    CHECK(nt_usable_size(nt_pool_malloc(pool, 1)) == 208);
    CHECK(nt_usable_size(nt_pool_malloc(pool, 209)) == 224);
    nt_pool_destroy(pool);
    return 0;
}

static int act_bad(void)
{
    static uint32_t many[10000];
    for (uint32_t i = 0; i < 10000; i++)
        many[i] = 16 * (i + 1);
    static const struct {
        uint32_t size[3];
        size_t count;
    } bad[] = {
        {{32, 16, 48}, 3},    {{16, 16, 32}, 3},         {{0, 16, 32}, 3},
        {{17, 32, 48}, 3},    {{16, 32, 40}, 3},         {{16, 524304, 0}, 2},
        {{16, 32, 0}, 3},     {{UINT32_MAX, 0, 0}, 1},   {{0, 0, 0}, 0},
        {{524288, 16, 0}, 2}, {{UINT32_MAX - 15, 0}, 1},
    };
    struct nt_pool *pool = NULL;
    errno = 7;
    for (size_t i = 0; i < NT_ARRAY_LEN(bad); i++)
        CHECK(create(NULL, bad[i].size, bad[i].count, &pool) == -EINVAL);
    CHECK(create(NULL, many, 10000, &pool) == -EINVAL);
    CHECK(create(NULL, many, 128, &pool) == -EINVAL);
    CHECK(create(NULL, many, SIZE_MAX, &pool) == -EINVAL);
    CHECK(create(NULL, NULL, 3, &pool) == -EINVAL);
    CHECK(!pool && errno == 7);
    CHECK(nt_snapshot(&now) == 0 && now.pools_now == 0);
    /* A program that was built before there were tables: what is behind is not its own. */
    struct nt_pool_options old = {.size = offsetof(struct nt_pool_options, classes),
                                  .classes = many + 1,
                                  .class_count = 99999};
    CHECK(nt_pool_create(&old, &pool) == 0);
    CHECK(nt_usable_size(nt_pool_malloc(pool, 1)) == 16);
    old.size = sizeof old + 8;
    CHECK(nt_pool_create(&old, &pool) == -EINVAL);
    return 0;
}

/* With the 81 built-in ones there is room for 46 more sizes; what are classes already need none. */
static int act_no_room(void)
{
    static uint32_t odd[60];
    struct nt_pool *pool = NULL, *last = NULL;
    for (uint32_t i = 0; i < 60; i++)
        odd[i] = 100016 + 96 * i; /* no built-in ones */
    CHECK(create("too many", odd, 47, &pool) == -ENOSPC && !pool);
    CHECK(nt_snapshot(&now) == 0 && now.pools_now == 0 && now.classes == 82);
    CHECK(create("all", odd, 46, &pool) == 0);
    CHECK(create("one more", odd + 46, 1, &last) == -ENOSPC && !last);
    CHECK(create("one more", (uint32_t[]){64, 4096, 100016, 100112, 104336}, 5,
                 &last) == 0);
    CHECK(nt_usable_size(nt_pool_malloc(last, 65)) == 4096);
    CHECK(nt_usable_size(nt_pool_malloc(pool, odd[45])) == odd[45]);
    CHECK(nt_usable_size(nt_pool_malloc(pool, odd[45] + 1)) == 114688);
    CHECK(nt_snapshot(&now) == 0 && now.classes == 128 && now.pools_now == 2);
    CHECK(adds_up(&now));
    for (int i = 0; i < 1000; i++) { /* again and again: nothing is used up by it */
        CHECK(create("one more", odd, 60, &last) == -ENOSPC);
        CHECK(create("same", odd + 10, 20, &last) == 0);
        CHECK(nt_pool_malloc(last, 1000));
        nt_pool_destroy(last);
    }
    /* The child of a fork has the same. */
    pid_t pid = fork();
    if (pid == 0) {
        struct nt_pool *own;
        bool well = create("child", odd, 46, &own) == 0 &&
                    nt_usable_size(nt_pool_malloc(own, 1)) == odd[0] &&
                    nt_snapshot(&now) == 0 && now.classes == 128 && adds_up(&now);
        _exit(!well);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

/* The setting's table is the process's; 127 of its own leave no room for others. */
static int act_full_table(void)
{
    static char conf[4096] = "classes:16";
    for (int i = 2; i <= 127; i++)
        snprintf(conf + strlen(conf), sizeof conf - strlen(conf), ";%d",
                 i < 127 ? i * 16 : 524288);
    setenv("NUMATALLY_CONF", conf, 1);
    struct nt_pool *pool = NULL;
    CHECK(create(NULL, (uint32_t[]){4096}, 1, &pool) == -ENOSPC);
    CHECK(create(NULL, (uint32_t[]){160, 2016}, 2, &pool) == 0);
    CHECK(nt_usable_size(nt_pool_malloc(pool, 16)) == 160);
    CHECK(nt_usable_size(nt_pool_malloc(pool, 2017)) == 524288);
    void *large = nt_pool_malloc(pool, 524289), *plain = nt_malloc(600000);
    CHECK(large && plain && nt_snapshot(&now) == 0 && now.classes == 128);
    CHECK(now.class_[127].live_blocks_now == 2 && adds_up(&now));
    return 0;
}

/* A child that adds classes after the fork: what it inherited stays in its row. */
static int act_child(void)
{
    void *volatile large = nt_malloc(NT_MIB);
    struct nt_pool *pool;
    pid_t pid = fork();
    if (pid == 0) {
        bool well = create(NULL, (uint32_t[]){272}, 1, &pool) == 0 &&
                    nt_pool_malloc(pool, 265) && nt_snapshot(&now) == 0;
        const struct nt_class_figures *last = &now.class_[now.classes - 1];
        well = well && last->allocations_total == 0 && last->live_blocks_now == 1 &&
               rows_of(&now, 272) == 1 && now.total.allocations_total == 1;
        _exit(!well);
    }
    int status;
    CHECK(large && waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

/* Every block is sampled, also those of a class that came later than the pool's shard. */
static int act_sampled(void)
{
    static struct nt_site_figures sites[64];
    struct nt_pool *pool;
    CHECK(nt_sample(1) == 0);
    CHECK(create(NULL, NULL, 0, &pool) == 0 && nt_pool_malloc(pool, 100));
    nt_pool_destroy(pool);
    CHECK(create(NULL, (uint32_t[]){272}, 1, &pool) == 0);
    for (int i = 0; i < 10; i++)
        CHECK(nt_pool_malloc(pool, 265));
    long n = nt_snapshot_sites(sites, 64);
    uint64_t blocks = 0, bytes = 0;
    for (long i = 0; i < n && i < 64; i++) {
        blocks += sites[i].allocations_total;
        bytes += sites[i].live_requested_bytes_now;
    }
    CHECK(n >= 2 && blocks == 11 && bytes == 2650);
    return 0;
}

static struct nt_pool *volatile shared;

static void *use(void *arg)
{
    char *kept[64] = {0};
    for (unsigned i = 0; i < 20000; i++) {
        unsigned k = i * 11 % 64;
        nt_free(kept[k]);
        kept[k] = nt_pool_malloc(shared, i % 1200);
        if (!kept[k])
            return arg;
        memset(kept[k], 1, i % 1200);
    }
    for (unsigned k = 0; k < 64; k++)
        nt_free(kept[k]);
    return NULL;
}

static void *make(void *arg)
{
    uint32_t first = *(uint32_t *)arg;
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t sizes[2] = {first + i % 8 * 16, 8208};
        struct nt_pool *pool;
        if (create(NULL, sizes, 2, &pool) != 0 ||
            nt_usable_size(nt_pool_malloc(pool, 1)) != sizes[0])
            return arg;
        nt_pool_destroy(pool);
        if (nt_snapshot(i % 2 ? &now : &before) != 0)
            return arg;
    }
    return NULL;
}

/* On several nodes, while others allocate from pools and make some. */
static int act_threads(void)
{
    setenv("NUMATALLY_TOPOLOGY", "2x1", 1);
    pthread_t thread[3];
    uint32_t first = 2064;
    CHECK(create("shared", (uint32_t[]){304, 1200}, 2, (void *)&shared) == 0);
    CHECK(pthread_create(&thread[0], NULL, use, &first) == 0);
    CHECK(pthread_create(&thread[1], NULL, use, &first) == 0);
    CHECK(pthread_create(&thread[2], NULL, make, &first) == 0);
    for (int i = 0; i < 3; i++) {
        void *bad;
        pthread_join(thread[i], &bad);
        CHECK(!bad);
    }
    struct nt_pool_figures f = figures_of("shared");
    CHECK(f.allocations_total == 40000 && f.live_blocks_now == 0);
    /* 305 of each 1200 sizes find the one class. */
    CHECK(f.allocated_bytes_total ==
          2 * (16 * (305 * 304 + 895 * 1200) + 305 * 304 + 495 * 1200));
    CHECK(nt_snapshot(&now) == 0 && adds_up(&now));
    return 0;
}

static void test_waste(void **state)
{
    (void)state;
    child_ok(act_waste);
    child_ok(act_calls);
}

static void test_bad_tables(void **state)
{
    (void)state;
    child_ok(act_bad);
}

static void test_no_room(void **state)
{
    (void)state;
    child_ok(act_no_room);
    child_ok(act_full_table);
}

static void test_others(void **state)
{
    (void)state;
    child_ok(act_child);
    child_ok(act_sampled);
    child_ok(act_threads);
}

int main(void)
{
    unsetenv("NUMATALLY_CONF");
    unsetenv("NUMATALLY_TOPOLOGY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waste),
        cmocka_unit_test(test_bad_tables),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
