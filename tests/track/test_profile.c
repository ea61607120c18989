/* SPDX-License-Identifier: MIT */
/* The tables of the profile, beside plain sums. Interval 1: estimates are exact. */
#include "src/track/profile.h"
#include "src/track/profile_out.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SITES = 3000, BLOCKS = 20000 };

static struct nt_stack stack_of(unsigned n)
{
    struct nt_stack stack = {.depth = 1 + n % 5};
    for (unsigned i = 0; i < stack.depth; i++)
        stack.pc[i] = 0x1000 + n * 16 + i;
    return stack;
}

static void add(uintptr_t block, uint64_t size, unsigned site)
{
    struct nt_stack stack = stack_of(site);
    struct nt_sample sample = {.block = (const void *)block,
                               .size = size,
                               .held = size,
                               .interval = 1,
                               .block_bytes = size,
                               .tid = 7,
                               .node = 0};
    assert_true(nt__profile_add(&sample, &stack));
}

static bool drop(uintptr_t block)
{
    struct nt_sample sample;
    return nt__profile_remove((const void *)block, &sample);
}

static struct nt_site_figures find(unsigned n)
{
    static struct nt_site_figures sites[SITES + 100];
    struct nt_stack stack = stack_of(n);
    long count = nt__profile_sites(sites, SITES + 100);
    for (long i = 0; i < count; i++)
        if (sites[i].depth == stack.depth && sites[i].stack[0] == stack.pc[0])
            return sites[i];
    fail_msg("site %u is not there", n);
    return sites[0];
}

static void test_sums(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BLOCKS; i++)
        add(0x100000 + 16 * (uintptr_t)i, 100 + i % 7, i % SITES);
    assert_int_equal(nt__profile_sites(NULL, 0), SITES);
    assert_int_equal(nt__profile_samples(NULL, 0), BLOCKS);
    uint64_t blocks = 0, bytes = 0;
    for (unsigned i = 5; i < BLOCKS; i += SITES) {
        blocks++;
        bytes += 100 + i % 7;
    }
    struct nt_site_figures site = find(5);
    assert_int_equal(site.samples_total, blocks);
    assert_int_equal(site.allocations_total, blocks);
    assert_int_equal(site.live_requested_bytes_now, bytes);
    assert_int_equal(site.live_requested_bytes_now_error, 0);
    /* Every other one goes; each is found once. */
    for (unsigned i = 0; i < BLOCKS; i += 2)
        assert_true(drop(0x100000 + 16 * (uintptr_t)i));
    assert_false(drop(0x100000));
    for (unsigned i = 1; i < BLOCKS; i += 2)
        assert_true(drop(0x100000 + 16 * (uintptr_t)i));
    assert_int_equal(nt__profile_samples(NULL, 0), 0);
    site = find(5);
    assert_int_equal(site.live_samples_now, 0);
    assert_int_equal(site.live_requested_bytes_now, 0);
    assert_int_equal(site.sampled_frees_total, blocks);
    assert_int_equal(site.at_peak_requested_bytes, bytes);
    uint64_t lived = 0;
    for (int i = 0; i < NT_LIFETIMES; i++)
        lived += site.lifetimes[i];
    assert_int_equal(lived, blocks);
}

/* Those of a realloc are told apart; what is not sampled is none. */
static void test_moved(void **state)
{
    (void)state;
    enum { SITE = SITES + 60 };
    for (unsigned i = 0; i < 10; i++)
        add(0x8000000 + 16 * (uintptr_t)i, 24, SITE);
    for (unsigned i = 0; i < 20; i += 2)
        nt__profile_moved((const void *)(0x8000000 + 16 * (uintptr_t)i));
    struct nt_site_figures site = find(SITE);
    assert_int_equal(site.allocations_total, 10);
    assert_int_equal(site.reallocs_total, 5);
    nt__profile_remove_range(0x8000000, 0x8000000 + 160);
    assert_int_equal(find(SITE).reallocs_total, 5);
}

/* At the peak of all sites together, not of each. */
static void test_peak(void **state)
{
    (void)state;
    enum { A = SITES + 1, B, C };
    const uintptr_t at = 0x9000000;
    add(at, 50000000, A);
    add(at + 16, 10, B);
    assert_true(drop(at));     /* A falls */
    add(at + 32, 40000000, B); /* below the peak */
    assert_int_equal(find(B).at_peak_requested_bytes, 10);
    add(at + 48, 60000000, C); /* a new peak: without A */
    assert_int_equal(find(A).at_peak_requested_bytes, 0);
    assert_int_equal(find(B).at_peak_requested_bytes, 40000010);
    assert_true(drop(at + 48));
    assert_true(drop(at + 32));
    add(at + 64, 1, A);
    assert_int_equal(find(A).at_peak_requested_bytes, 0);
    assert_int_equal(find(B).at_peak_requested_bytes, 40000010);
    assert_int_equal(find(C).at_peak_requested_bytes, 60000000);
    nt__profile_remove_range(at, at + 64);
    assert_int_equal(nt__profile_samples(NULL, 0), 1);
    nt__profile_remove_range(at, at + 65);
    assert_int_equal(nt__profile_samples(NULL, 0), 0);
}

static void test_remote(void **state)
{
    (void)state;
    static struct nt_remote_figures pairs[2000];
    struct nt_sample sample;
    for (unsigned i = 0; i < 3000; i++) {
        struct nt_stack stack = stack_of(SITES + 10 + i % 40);
        add(0x20000, 24, i % 30);
        assert_true(nt__profile_remove((const void *)0x20000, &sample));
        nt__profile_add_remote(&sample, &stack);
    }
    long n = nt__profile_remotes(pairs, 2000);
    assert_int_equal(n, 120); /* the least common multiple of 30 and 40 */
    for (long i = 0; i < n; i++) {
        assert_int_equal(pairs[i].samples_total, 25);
        assert_int_equal(pairs[i].frees_total, 25);
        assert_int_equal(pairs[i].requested_bytes_total, 25 * 24);
    }
    assert_int_equal(find(3).remote_frees_total, 100);
}

/* The row of sizes up to this, empty if there is none. */
static struct nt_size_figures size_row(uint64_t up_to)
{
    static struct nt_profile p;
    struct nt_size_figures out = {0}, sum = {0};
    assert_true(nt__profile_read(&p, true));
    for (size_t i = 0; i < p.nsizes; i++) {
        if (p.sizes[i].up_to_bytes == up_to)
            out = p.sizes[i];
        if (i > 0 && p.sizes[i].up_to_bytes != 0)
            assert_true(p.sizes[i].up_to_bytes > p.sizes[i - 1].up_to_bytes);
        sum.samples_total += p.sizes[i].samples_total;
        sum.requested_bytes_total += p.sizes[i].requested_bytes_total;
        sum.at_peak_blocks += p.sizes[i].at_peak_blocks;
        sum.at_peak_requested_bytes += p.sizes[i].at_peak_requested_bytes;
    }
    assert_int_equal(sum.samples_total, p.total.samples_total);
    assert_int_equal(sum.requested_bytes_total, p.total.requested_bytes_total);
    assert_int_equal(sum.at_peak_blocks, p.total.at_peak_blocks);
    assert_int_equal(sum.at_peak_requested_bytes, p.total.at_peak_requested_bytes);
    nt__profile_free(&p);
    return out;
}

/* Each size is in the row that a table of classes would have it in. */
static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        uint64_t size, row;
    } rows[] = {{1, 16},        {16, 16},       {17, 32},         {32768, 32768},
                {32769, 34816}, {34816, 34816}, {34817, 36864},   {524288, 524288},
                {524289, 0},    {1 << 30, 0},   {522240, 522240}, {522241, 524288}};
    enum { N = sizeof rows / sizeof rows[0], SITE = SITES + 70 };
    const uintptr_t at = 0xa000000;
    for (unsigned i = 0; i < N; i++) {
        struct nt_size_figures before = size_row(rows[i].row), after;
        add(at + 16 * (uintptr_t)i, rows[i].size, SITE);
        after = size_row(rows[i].row);
        assert_int_equal(after.samples_total, before.samples_total + 1);
        assert_int_equal(after.allocations_total, before.allocations_total + 1);
        assert_int_equal(after.requested_bytes_total - before.requested_bytes_total,
                         rows[i].size);
    }
    /* An aligned block is in the row of what it was rounded up to, and the row knows. */
    struct nt_sample aligned = {.block = (void *)0xb000000,
                                .size = 1000,
                                .held = 1024,
                                .align = 256,
                                .interval = 1,
                                .block_bytes = 1280};
    const struct nt_stack stack = stack_of(SITE);
    assert_true(nt__profile_add(&aligned, &stack));
    struct nt_size_figures row = size_row(1024);
    assert_int_equal(row.align_bytes, 256);
    assert_int_equal(row.requested_bytes_total, 1000);
    assert_int_equal(row.held_bytes_total, 1024);
    assert_int_equal(row.at_peak_held_bytes, 1024);
    assert_int_equal(row.at_peak_allocated_bytes, 1280);
    assert_int_equal(size_row(0).held_bytes_total, size_row(0).requested_bytes_total);
    assert_true(drop(0xb000000));
    /* At the peak are those in use then, whatever comes and goes afterwards. */
    add(at + 4096, 1ull << 40, SITE);
    assert_int_equal(size_row(16).at_peak_requested_bytes, 17);
    assert_int_equal(size_row(34816).at_peak_blocks, 2);
    assert_int_equal(size_row(34816).at_peak_samples, 2);
    assert_true(drop(at + 16));
    add(at + 8192, 8, SITE);
    assert_int_equal(size_row(16).at_peak_requested_bytes, 17);
    add(at + 12288, 100, SITE); /* more than was freed: a peak */
    assert_int_equal(size_row(16).at_peak_requested_bytes, 9);
    assert_int_equal(size_row(16).at_peak_allocated_bytes, 9);
    nt__profile_remove_range(at, at + 16384);
    assert_int_equal(size_row(16).at_peak_requested_bytes, 9);
    assert_int_equal(nt__profile_samples(NULL, 0), 0);
}

static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/numatally-profile-XXXXXX";
    struct nt_profile p, q;
    close(mkstemp(path));
    add(0x30000, 24, 1);
    assert_true(nt__profile_read(&p, true));
    assert_int_equal(p.nsites, nt__profile_sites(NULL, 0));
    assert_int_equal(p.nsamples, 1);
    assert_int_equal(nt__profile_save(path, &p), 0);
    assert_int_equal(nt__profile_load(path, &q), 0);
    assert_int_equal(q.nsites, p.nsites);
    assert_memory_equal(q.sites, p.sites, p.nsites * sizeof *p.sites);
    assert_memory_equal(q.samples, p.samples, sizeof *p.samples);
    assert_memory_equal(q.remotes, p.remotes, p.nremotes * sizeof *p.remotes);
    assert_memory_equal(q.modules, p.modules, p.nmodules * sizeof *p.modules);
    assert_true(p.nsizes > 5);
    assert_int_equal(q.nsizes, p.nsizes);
    assert_memory_equal(q.sizes, p.sizes, p.nsizes * sizeof *p.sizes);
    assert_memory_equal(&q.total, &p.total, sizeof p.total);
    nt__profile_free(&q);
    nt__profile_free(&p);
    /* What is cut off is not believed. */
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(nt__profile_load(path, &q), -EBADMSG);
    assert_int_equal(truncate(path, 3), 0);
    assert_int_equal(nt__profile_load(path, &q), -EBADMSG);
    unlink(path);
    assert_int_equal(nt__profile_load(path, &q), -ENOENT);
    char name[32];
    assert_true(nt__profile_path(name, sizeof name, "numatally-5.live"));
    assert_string_equal(name, "numatally-5.profile");
    assert_false(nt__profile_path(name, sizeof name, "numatally-5.json"));
    assert_false(nt__profile_path(name, 19, "numatally-5.live"));
    assert_true(drop(0x30000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),  cmocka_unit_test(test_moved),
        cmocka_unit_test(test_peak),  cmocka_unit_test(test_remote),
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_file),
    };
    nt__profile_start(NT_UNWIND_FRAMES, 1);
    nt__profile_set(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
