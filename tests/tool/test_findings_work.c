/* SPDX-License-Identifier: MIT */
/* Small blocks, chains of realloc, remote frees: what counts, and who is named. */
#include "tests/tool/findings.h"

/* A site's blocks, all of that size; the estimate's error is a hundredth. */
static struct nt_site_figures *ask(unsigned site, uint64_t blocks, uint64_t bytes)
{
    struct nt_site_figures *s = &made.sites[site];

    s->samples_total = 10000;
    s->allocations_total = blocks;
    s->requested_bytes_total = blocks * bytes;
    s->requested_bytes_total_error = blocks * bytes / 100;
    return s;
}

static void counted(uint64_t blocks)
{
    struct nt_class_figures *c = &made.record.snapshot.class_[0];

    c->allocations_total = blocks;
    c->requested_bytes_total = c->allocated_bytes_total = 32 * blocks;
}

static void test_small(void **state)
{
    struct nt_site_figures *s;

    (void)state;
    counted(30000000);
    finds("frequent-small", 150e6);
    assert_int_equal(made.found.list[0].nwhere, 0);
    counted(19000000);
    finds_nothing();

    counted(30000000);
    make_profile();
    s = ask(1, 25000000, 32);
    finds("frequent-small", 125e6);
    is_at(1);
    assert_true(made.found.list[0].error > 0);
    assert_non_null(strstr(made.found.list[0].advice, "Allocate many at a time"));
    s->sampled_frees_total = 100;
    s->lifetime_ns_total = 100 * 5000;
    finds("frequent-small", 125e6);
    assert_non_null(strstr(made.found.list[0].sentence, "5.00 us"));
    assert_non_null(strstr(made.found.list[0].advice, "gone at once"));
    s->samples_total = 19; /* of so few nothing is said alone, but they are most */
    finds("frequent-small", 150e6);
    is_at(1);
    ask(1, 10000000, 32); /* no place matters by itself */
    ask(2, 12000000, 32);
    finds("frequent-small", 150e6);
    is_at(2);
    ask(1, 10000000, 2000); /* small ones are a minority's */
    ask(2, 12000000, 2000);
    finds_nothing();
}

static void test_chains(void **state)
{
    struct nt_site_figures *s;

    (void)state;
    make_profile();
    s = ask(3, 10000000, 1000);
    s->reallocs_total = 9000000;
    finds("realloc-chain", 9e6 * (17 + 1000 * 0.01));
    is_at(3);
    s->reallocs_total = 1900000; /* less than a fifth */
    finds_nothing();
    s->reallocs_total = 9000000;
    s->samples_total = 19;
    finds_nothing();
    s = ask(3, 1000000, 1000);
    s->reallocs_total = 900000;
    finds_nothing();
    /* Large blocks move by page table: no more is copied than the largest class has. */
    s = ask(3, 1000000, 4 * NT_MIB);
    s->reallocs_total = 100000;
    finds_nothing();
    s->reallocs_total = 300000;
    finds("realloc-chain", 300000 * (17 + 524288 * 0.01));
}

/* The caller that is shown is the one with most of what is said. */
static void test_callers(void **state)
{
    (void)state;
    make_profile();
    for (unsigned i = 0; i < 2; i++) {
        made.sites[i].depth = 2;
        made.sites[i].stack[0] = 0x9000;
        made.sites[i].stack[1] = 0xa000 + i;
    }
    ask(0, 10000, 100 * NT_KIB); /* most bytes */
    ask(1, 25000000, 32);        /* most blocks */
    finds("frequent-small", 5 * 25010000.0);
    assert_string_equal(made.found.list[0].where[1], "0xa001");
    ask(0, 25000000, 32)->reallocs_total = 9000000;
    ask(1, 28000000, 32)->reallocs_total = 10000000;
    made.sites[0].reallocs_total = 12000000;
    assert_int_equal(find(), 2);
    for (unsigned i = 0; i < 2; i++)
        assert_string_equal(made.found.list[i].where[1],
                            strcmp(made.found.list[i].kind, "realloc-chain") == 0
                                ? "0xa000"
                                : "0xa001");
}

static void pair(unsigned i, unsigned site, unsigned free_site, uint64_t frees)
{
    made.remotes[i] = (struct nt_remote_figures){.site = site,
                                                 .free_site = free_site,
                                                 .samples_total = frees / 1000,
                                                 .frees_total = frees,
                                                 .requested_bytes_total = frees * 100};
    made.record.profile.nremotes = i + 1;
}

static void test_remote(void **state)
{
    struct nt_node_figures *total = &made.record.snapshot.total;

    (void)state;
    total->remote_frees_total = 9000000;
    finds_nothing();
    total->remote_frees_total = 30000000;
    finds("remote-free", 300e6);
    assert_null(strstr(made.found.list[0].advice, "another node"));
    total->far_frees_total = 20000000;
    finds("remote-free", 300e6);
    assert_non_null(strstr(made.found.list[0].advice, "another node"));

    make_profile();
    pair(0, 1, 2, 4000000);
    pair(1, 3, 0, 20000000);
    pair(2, 1, 2, 3000000);
    pair(3, 1, 99, 90000000); /* of no site */
    finds("remote-free", 200e6);
    is_at(3);
    assert_int_equal(made.found.list[0].nfreed, 1);
    assert_string_equal(made.found.list[0].freed[0], "0x1000");
    pair(1, 1, 2, 5000000);      /* the same pair of places as two others: their sum */
    finds("remote-free", 300e6); /* but of all: no pair is sure */
    pair(2, 1, 2, 30000000);
    made.record.profile.nremotes = 3;
    finds("remote-free", 390e6);
    is_at(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_small),
        TEST(test_chains),
        TEST(test_callers),
        TEST(test_remote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
