/* SPDX-License-Identifier: MIT */
/*
 * Arenas against a shadow model: two of them side by side take, give, extend, shrink,
 * purge and release at random. After each step the arena's own check must hold, its
 * figures must be the model's, no two runs may overlap, what is in a run must stay there
 * and what is said to be clean must read as zero.
 */
#include "numa/arena.h"

#include "numa/bind.h"
#include "numa/topo.h"
#include "src/base/os.h"
#include "tests/child.h"

#include <pthread.h>
#include <sys/resource.h>

/* As callers do it, who have asked for guests before. */
static bool decay(struct nt_arena *a)
{
    nt__guest_refresh();
    return nt__arena_decay(a);
}

static const struct nt_policy unbound = {.mode = NT_INHERIT, .slots = 1};

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static void start(void)
{
    nt__topo_start();
    nt__bind_start();
    nt__window_start();
}

/* ---- The model ------------------------------------------------------------------- */

enum { ARENAS = 2, RUNS = 48 };

struct run {
    char *at; /* NULL: none */
    size_t slices;
    unsigned char mark; /* first and last byte of each slice; 0: never written */
};

static struct {
    struct nt_arena arena[ARENAS];
    struct run run[ARENAS][RUNS];
    size_t lent[ARENAS];
    unsigned char mark;
} model;

static void fill(const struct run *r, size_t from)
{
    for (size_t i = from; i < r->slices; i++) {
        r->at[i * NT_SLICE] = (char)r->mark;
        r->at[i * NT_SLICE + NT_SLICE - 1] = (char)r->mark;
    }
}

static void expect(const struct run *r, size_t from, unsigned char mark)
{
    for (size_t i = from; i < r->slices; i++) {
        assert_int_equal((unsigned char)r->at[i * NT_SLICE], mark);
        assert_int_equal((unsigned char)r->at[i * NT_SLICE + NT_SLICE - 1], mark);
    }
}

static void expect_apart(const struct run *mine)
{
    for (unsigned a = 0; a < ARENAS; a++)
        for (unsigned i = 0; i < RUNS; i++) {
            const struct run *r = &model.run[a][i];
            if (!r->at || r == mine)
                continue;
            assert_true(r->at + r->slices * NT_SLICE <= mine->at ||
                        mine->at + mine->slices * NT_SLICE <= r->at);
        }
}

static size_t some_slices(void)
{
    switch (draw(4)) {
    case 0:
        return (size_t)1 << draw(6);
    case 1:
        return 1 + draw(NT_UNIT_SLICES);
    case 2:
        return 1 + draw(5 * NT_UNIT_SLICES);
    default:
        return NT_UNIT_SLICES * (1 + draw(4)) + draw(3);
    }
}

static void step_take(unsigned a, struct run *r)
{
    size_t slices = some_slices();
    size_t align = draw(4) ? NT_SLICE : NT_SLICE << draw(9);
    bool clean = false;
    r->at = nt__arena_take(&model.arena[a], slices, align, &clean);
    assert_non_null(r->at);
    assert_int_equal((uintptr_t)r->at % align, 0);
    r->slices = slices;
    r->mark = draw(3) ? ++model.mark | 1 : 0;
    model.lent[a] += slices;
    expect_apart(r);
    if (clean)
        expect(r, 0, 0);
    else if (r->mark == 0)
        r->mark = 255; /* nobody knows what is in it */
    fill(r, 0);
}

static void step_give(unsigned a, struct run *r)
{
    size_t keep = draw(3) ? 0 : draw((uint32_t)r->slices);
    char *at = r->at + keep * NT_SLICE;
    size_t slices = r->slices - keep;
    expect(r, 0, r->mark);
    if (r->mark != 0 && draw(4) == 0)
        nt__arena_give_anew(&model.arena[a], at, slices, false);
    else
        nt__arena_give(&model.arena[a], at, slices, r->mark == 0);
    model.lent[a] -= slices;
    r->slices = keep;
    if (keep == 0)
        r->at = NULL;
}

static void step_extend(unsigned a, struct run *r)
{
    size_t old = r->slices, more = old + 1 + draw(draw(2) ? 8 : 100);
    bool clean = false;
    if (!nt__arena_extend(&model.arena[a], r->at, old, more, &clean))
        return;
    r->slices = more;
    model.lent[a] += more - old;
    expect_apart(r);
    if (clean)
        expect(r, old, 0);
    else if (r->mark == 0)
        r->mark = 255;
    fill(r, r->mark == 255 ? 0 : old);
}

static void check_figures(unsigned i)
{
    struct nt_arena *a = &model.arena[i];
    nt__arena_check(a);
    assert_int_equal(a->committed, model.lent[i]);
    assert_true(a->cached * NT_UNIT_SLICES + a->committed <=
                a->reserved * NT_UNIT_SLICES);
    assert_true(a->bound <= a->reserved && a->huge <= a->reserved);
}

static void step(unsigned a)
{
    struct run *r = &model.run[a][draw(RUNS)];
    uint32_t dice = draw(200);
    uint64_t returned = model.arena[a].returned;
    if (dice < 4) {
        size_t bytes = nt__arena_purge(&model.arena[a]);
        assert_int_equal(model.arena[a].returned - returned, bytes);
        assert_int_equal(model.arena[a].cached, 0);
    } else if (dice < 6) {
        size_t bytes = nt__arena_release(&model.arena[a]);
        assert_int_equal(model.arena[a].returned - returned, bytes);
    } else if (dice < 10) {
        decay(&model.arena[a]);
    } else if (!r->at) {
        step_take(a, r);
    } else if (dice < 60) {
        step_extend(a, r);
    } else {
        step_give(a, r);
    }
    check_figures(a);
}

static void give_all(void)
{
    for (unsigned a = 0; a < ARENAS; a++) {
        for (unsigned i = 0; i < RUNS; i++) {
            struct run *r = &model.run[a][i];
            if (!r->at)
                continue;
            expect(r, 0, r->mark);
            nt__arena_give(&model.arena[a], r->at, r->slices, false);
            model.lent[a] -= r->slices;
            *r = (struct run){0};
        }
        check_figures(a);
    }
}

static void play(uint64_t game, unsigned steps)
{
    seed = game;
    for (unsigned i = 0; i < steps; i++) {
        unsigned a = draw(ARENAS);
        step(a);
        if (i % 64 == 0)
            for (unsigned k = 0; k < RUNS; k++)
                if (model.run[a][k].at)
                    expect(&model.run[a][k], 0, model.run[a][k].mark);
    }
    give_all();
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t game = 1; game <= 6; game++) {
        nt__arena_config.return_ms = game % 2 ? 0 : 1000;
        play(game, 2500);
        for (unsigned a = 0; a < ARENAS; a++) {
            nt__arena_purge(&model.arena[a]);
            check_figures(a);
            assert_int_equal(model.arena[a].cached, 0);
            uint64_t reserved = model.arena[a].reserved;
            assert_int_equal(nt__arena_release(&model.arena[a]),
                             reserved << NT_UNIT_SHIFT);
            check_figures(a);
            assert_int_equal(model.arena[a].reserved, 0);
            assert_int_equal(model.arena[a].mappings, 0);
        }
    }
    nt__arena_config.return_ms = 1000;
}

/* ---- Single promises -------------------------------------------------------------- */

static struct nt_arena one;

static void fresh_arena(void)
{
    nt__arena_init(&one, 9, 0, &unbound, NT_BY_TOUCH);
}

static void end_arena(void)
{
    nt__arena_check(&one);
    assert_int_equal(one.committed, 0);
    nt__arena_release(&one);
    assert_int_equal(one.reserved, 0);
}

static void test_init(void **state)
{
    (void)state;
    nt__arena_init(&one, 5, 3, &unbound, NT_BY_TOUCH);
    assert_true(one.index == 5 && one.slot == 3 && one.home == NT_BY_TOUCH);
    nt__arena_check(&one);
    assert_int_equal(one.reserved, 0);
}

/* The fullest unit that has room is filled first. */
static void test_fullest_first(void **state)
{
    bool clean;
    (void)state;
    fresh_arena();
    char *a = nt__arena_take(&one, 20, NT_SLICE, &clean);
    char *b = nt__arena_take(&one, 25, NT_SLICE, &clean);
    char *c = nt__arena_take(&one, 5, NT_SLICE, &clean);
    assert_true(nt__window_unit_number(c) == nt__window_unit_number(b));
    char *d = nt__arena_take(&one, 4, NT_SLICE, &clean);
    assert_true(nt__window_unit_number(d) == nt__window_unit_number(a));
    nt__arena_give(&one, a, 20, false);
    nt__arena_give(&one, b, 25, false);
    nt__arena_give(&one, c, 5, false);
    nt__arena_give(&one, d, 4, false);
    end_arena();
}

/* A unit that became free as one of three and lies inside a larger extent must be as
 * free as any: nothing of its former use may show when it is lent within a long run. */
static void test_unit_inside_long_run(void **state)
{
    bool clean;
    char *unit[3];
    (void)state;
    fresh_arena();
    for (int i = 0; i < 3; i++)
        unit[i] = nt__arena_take(&one, 31, NT_UNIT, &clean);
    char *low = unit[0] < unit[2] ? unit[0] : unit[2];
    nt__arena_give(&one, unit[0], 31, false);
    nt__arena_give(&one, unit[2], 31, false);
    nt__arena_give(&one, unit[1], 31, false); /* merges with both */
    size_t slices = 3 * NT_UNIT_SLICES;
    char *run = nt__arena_take(&one, slices, NT_UNIT, &clean);
    assert_ptr_equal(run, low);
    memset(run, 7, slices * NT_SLICE);
    nt__arena_purge(&one);
    nt__arena_check(&one);
    for (size_t i = 0; i < slices * NT_SLICE; i += 4096)
        assert_int_equal(run[i], 7);
    nt__arena_give(&one, run + 40 * NT_SLICE, slices - 40,
                   false); /* cut in the middle */
    nt__arena_check(&one);
    nt__arena_give(&one, run, 40, false);
    end_arena();
}

static void test_decay(void **state)
{
    bool clean;
    (void)state;
    fresh_arena();
    nt__arena_config.return_ms = 3600000;
    decay(&one); /* nothing there */
    char *run = nt__arena_take(&one, 64, NT_SLICE, &clean);
    memset(run, 1, 64 * NT_SLICE);
    nt__arena_give(&one, run, 64, false);
    assert_true(one.cached >= 2);
    decay(&one); /* too young */
    assert_true(one.cached >= 2);
    assert_int_equal(one.returned, 0);
    nt__arena_config.return_ms = 40;
    while (one.cached != 0) { /* ctest guards against for ever */
        usleep(5000);
        decay(&one);
    }
    assert_true(one.returned >= 64 * NT_SLICE);
    run = nt__arena_take(&one, 64, NT_SLICE, &clean);
    assert_true(clean);
    assert_int_equal(run[0], 0);
    nt__arena_give(&one, run, 64, true);
    assert_int_equal(one.cached, 0);
    nt__arena_config.return_ms = 1000;
    end_arena();
}

/* The clock counts from the system's start, and wraps: whenever an arena begins, and
 * however long nobody came by, it is looked at. */
static void test_decay_any_time(void **state)
{
    bool clean;
    (void)state;
    fresh_arena();
    nt__arena_config.return_ms = 0;
    for (int i = 0; i < 64; i++) {
        char *run = nt__arena_take(&one, 64, NT_SLICE, &clean);
        memset(run, 1, 64 * NT_SLICE);
        nt__arena_give(&one, run, 64, false);
        one.next_look_ms =
            (uint32_t)nt__os_now_ms() + 2 + (uint32_t)i * (UINT32_MAX / 64);
        while (!decay(&one)) /* ctest guards against for ever */
            usleep(1000);
        assert_int_equal(one.cached, 0);
    }
    nt__arena_config.return_ms = 1000;
    end_arena();
}

/* What waits to be given back is taken first; where it does not fit, as much of it goes as
 * is taken of what is clean. */
static void test_waiting_first(void **state)
{
    bool clean;
    char *run[3];
    (void)state;
    fresh_arena();
    for (int i = 0; i < 3; i++)
        run[i] = nt__arena_take(&one, 3 * NT_UNIT_SLICES, NT_UNIT, &clean);
    nt__arena_give(&one, run[0], 3 * NT_UNIT_SLICES, false);
    nt__arena_give(&one, run[2], 3 * NT_UNIT_SLICES, false);
    char *run2 = nt__arena_take(&one, 2 * NT_UNIT_SLICES, NT_UNIT, &clean);
    assert_true(run2 == run[0] || run2 == run[2]);
    assert_false(clean);
    assert_int_equal(one.cached, 4);
    assert_int_equal(one.returned, 0);
    char *long_one = nt__arena_take(&one, 4 * NT_UNIT_SLICES, NT_UNIT, &clean);
    assert_true(clean);
    assert_int_equal(one.cached, 0);
    assert_int_equal(one.returned, 4 * NT_UNIT);
    nt__arena_give(&one, long_one, 4 * NT_UNIT_SLICES, true);
    nt__arena_give(&one, run[1], 3 * NT_UNIT_SLICES, true);
    nt__arena_give(&one, run2, 2 * NT_UNIT_SLICES, true);
    end_arena();
}

/* A run grows over what is free behind it, some of it clean and some not. */
static void test_extend_over_both(void **state)
{
    bool clean;
    (void)state;
    fresh_arena();
    char *run = nt__arena_take(&one, 40, NT_UNIT, &clean);
    char *next = nt__arena_take(&one, 2 * NT_UNIT_SLICES, NT_UNIT, &clean);
    assert_ptr_equal(next, run + 2 * NT_UNIT);
    nt__arena_give(&one, next, 2 * NT_UNIT_SLICES, false);
    assert_int_equal(one.cached, 2);
    assert_false(nt__arena_extend(&one, run, 40, 1000000, &clean));
    assert_true(nt__arena_extend(&one, run, 40, 150, &clean));
    assert_false(clean);
    assert_int_equal(one.cached, 0);
    assert_int_equal(one.committed, 150);
    nt__arena_check(&one);
    assert_true(nt__arena_extend(&one, run, 150, 200, &clean));
    assert_true(clean);
    nt__arena_give(&one, run, 200, false);
    end_arena();
}

static void test_too_much(void **state)
{
    bool clean;
    (void)state;
    fresh_arena();
    assert_null(nt__arena_take(&one, (size_t)1 << 40, NT_SLICE, &clean));
    assert_null(nt__arena_take(&one, SIZE_MAX >> NT_SLICE_SHIFT, NT_SLICE, &clean));
    assert_null(nt__arena_take(&one, 1, (size_t)1 << 62, &clean));
    nt__arena_check(&one);
    assert_int_equal(one.committed, 0);
    char *run = nt__arena_take(&one, 1, NT_GIB, &clean);
    assert_non_null(run);
    assert_int_equal((uintptr_t)run % NT_GIB, 0);
    nt__arena_give(&one, run, 1, true);
    end_arena();
}

static int act_limit(void)
{
    bool clean;
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%ld", &pages) == 1);
    fclose(f);
    fresh_arena();
    rlim_t limit = (rlim_t)pages * nt__os_page_size() + 12 * NT_MIB;
    CHECK(setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit}) == 0);
    size_t got = 0;
    while (nt__arena_take(&one, NT_UNIT_SLICES, NT_SLICE, &clean))
        CHECK(++got < 100);
    CHECK(got >= 4); /* less than a piece is left: it asks for less */
    nt__arena_check(&one);
    return 0;
}

static void test_tight_limit(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    return; /* for the other builds: a shadow fits under no limit */
#endif
    child_ok(act_limit);
}

/* ---- Threads ------------------------------------------------------------------------ */

static void *churn(void *which)
{
    uint64_t mine = *(unsigned char *)which;
    struct run run[8] = {{0}};
    for (int i = 0; i < 3000; i++) {
        mine = mine * 6364136223846793005u + 1442695040888963407u;
        struct run *r = &run[mine >> 40 & 7];
        uint32_t dice = (uint32_t)(mine >> 50);
        bool clean;
        if (r->at) {
            for (size_t k = 0; k < r->slices; k++)
                if ((unsigned char)r->at[k * NT_SLICE] != r->mark)
                    return NULL;
            nt__arena_give(&one, r->at, r->slices, false);
            r->at = NULL;
        } else {
            r->slices = 1 + dice % 70;
            r->mark = *(unsigned char *)which;
            r->at = nt__arena_take(&one, r->slices, NT_SLICE, &clean);
            if (!r->at || (clean && r->at[0] != 0))
                return NULL;
            for (size_t k = 0; k < r->slices; k++)
                r->at[k * NT_SLICE] = (char)r->mark;
        }
        if (dice % 100 == 0)
            nt__arena_purge(&one);
        if (dice % 300 == 1)
            nt__arena_release(&one);
        decay(&one);
    }
    for (int i = 0; i < 8; i++)
        if (run[i].at)
            nt__arena_give(&one, run[i].at, run[i].slices, false);
    return which;
}

static void test_threads(void **state)
{
    pthread_t thread[3];
    unsigned char which[3] = {11, 22, 33};
    (void)state;
    fresh_arena();
    nt__arena_config.return_ms = 1;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, churn, &which[i]), 0);
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(thread[i], &result);
        assert_ptr_equal(result, &which[i]);
    }
    nt__arena_config.return_ms = 1000;
    end_arena();
}

int main(void)
{
    start();
    for (unsigned a = 0; a < ARENAS; a++)
        nt__arena_init(&model.arena[a], a, 0, &unbound, NT_BY_TOUCH);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_unit_inside_long_run),
        cmocka_unit_test(test_fullest_first),
        cmocka_unit_test(test_decay),
        cmocka_unit_test(test_decay_any_time),
        cmocka_unit_test(test_waiting_first),
        cmocka_unit_test(test_extend_over_both),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_tight_limit),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
