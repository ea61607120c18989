/* SPDX-License-Identifier: MIT */
/*
 * Memory over time as it is kept: the levels of a program that goes up and down, beside
 * writers and readers at once, and in a forked child.
 */
#include "src/heap/history.h"

#include "tests/child.h"

#include <pthread.h>

static struct nt_snapshot now;
static struct nt_history h;

/* All points, the last of which is what the snapshot says. */
static int read_history(void)
{
    const uint64_t *p;
    CHECK(nt_snapshot(&now) == 0);
    nt__history_read(&h, &now, true);
    CHECK(h.nodes == now.nodes && h.count > 0 && nt__history_is_whole(&h));
    p = nt__history_point(&h, h.count - 1);
    for (unsigned n = 0; n < now.nodes; n++) {
        CHECK(p[1 + n] == now.node[n].live_bytes_now);
        CHECK(p[1 + now.nodes + n] == now.node[n].committed_bytes_now);
    }
    for (size_t i = 1; i + 1 < h.count; i++)
        CHECK(nt__history_point(&h, i)[0] - nt__history_point(&h, i - 1)[0] >=
              h.interval_ns);
    return 0;
}

static uint64_t sum(const uint64_t *levels)
{
    uint64_t bytes = 0;
    for (unsigned n = 0; n < h.nodes; n++)
        bytes += levels[n];
    return bytes;
}

/* Points that are kept: not the present. */
static size_t kept(void)
{
    nt_snapshot(&now);
    nt__history_read(&h, &now, true);
    return h.count - 1;
}

/* Wait until a point is due, and let it be noted by a call that takes a large block, of some
 * more than 2 MiB: of another size each time, else nothing changes. */
static void let_note(void)
{
    static unsigned turn;
    size_t before = kept();
    do {
        usleep(2000);
        nt_free(nt_malloc(2200000 + (turn++ % 2) * 200000));
    } while (kept() == before); /* ctest guards against for ever */
}

/* Up by 20 steps of a MiB, each of them to be seen, then all of it down. */
static int act_steps(void)
{
    char *p[20];
    bool seen[24] = {false};
    for (int i = 0; i < 20; i++) {
        p[i] = nt_malloc(1 << 20);
        let_note();
    }
    CHECK(read_history() == 0);
    CHECK(h.interval_ns == NT_HISTORY_INTERVAL_NS);
    CHECK(nt__history_point(&h, 0)[0] < 1000000000); /* the start, with nothing yet */
    CHECK(sum(nt__history_point(&h, 0) + 1) == 0);
    for (size_t i = 0; i < h.count; i++) {
        uint64_t live = sum(nt__history_point(&h, i) + 1);
        uint64_t committed = sum(nt__history_point(&h, i) + 1 + h.nodes);
        CHECK(live <= committed && live < ((uint64_t)24 << 20));
        seen[live >> 20] = true;
    }
    for (int i = 1; i <= 20; i++)
        CHECK(seen[i + 2]);
    size_t points = h.count;
    for (int i = 0; i < 20; i++)
        nt_free(p[i]);
    let_note();
    CHECK(read_history() == 0);
    CHECK(h.count > points);
    CHECK(sum(nt__history_point(&h, h.count - 1) + 1) == 0);
    return 0;
}

/* The present is of him who asked: it is not kept. */
static int act_readers(void)
{
    nt_free(nt_malloc(100));
    CHECK(read_history() == 0);
    size_t points = h.count;
    for (int i = 0; i < 1000; i++)
        CHECK(read_history() == 0);
    CHECK(h.count <= points + 1);
    return 0;
}

static bool stop;

static void *work(void *seed)
{
    unsigned draw = (unsigned)(uintptr_t)seed;
    void *p[200] = {NULL};
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        draw = draw * 1664525 + 1013904223;
        unsigned k = (draw >> 8) % 200;
        nt_free(p[k]);
        p[k] = nt_malloc((draw >> 4) % (draw % 16 == 0 ? 3000000 : 3000));
    }
    for (int k = 0; k < 200; k++)
        nt_free(p[k]);
    return NULL;
}

/* Until there are more points than there is room for. */
static int act_threads(void)
{
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    nt_free(
        nt_malloc(1)); /* started by one: tsan cannot know that others wait for it */
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, work, (void *)(i + 1)) == 0);
    do {
        usleep(1000);
        CHECK(nt_snapshot(&now) == 0);
        nt__history_read(&h, &now, true);
        CHECK(nt__history_is_whole(&h));
    } while (h.interval_ns ==
             NT_HISTORY_INTERVAL_NS); /* ctest guards against for ever */
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    CHECK(read_history() == 0);
    CHECK(now.total.live_bytes_now == 0 && h.count >= 128);
    CHECK(sum(nt__history_point(&h, h.count / 2) + 1) > 1000000);
    return 0;
}

static int act_in_child(void)
{
    CHECK(read_history() == 0);
    CHECK(h.count <= 2 && nt__history_point(&h, 0)[0] < 1000000000);
    CHECK(sum(nt__history_point(&h, h.count - 1) + 1) == now.total.live_bytes_now);
    CHECK(now.total.live_bytes_now >= 5000000);
    let_note();
    let_note();
    CHECK(read_history() == 0);
    CHECK(h.count >= 2);
    return 0;
}

/* The child's begins at the fork, at what it inherited; the parent's goes on. */
static int act_fork(void)
{
    char *p = nt_malloc(5000000);
    for (int i = 0; i < 5; i++)
        let_note();
    CHECK(read_history() == 0);
    size_t points = h.count;
    CHECK(points >= 4 && child_failed(act_in_child) == 0);
    let_note();
    CHECK(read_history() == 0);
    CHECK(h.count >= points);
    nt_free(p);
    return 0;
}

int main(void)
{
    unsetenv("NUMATALLY_CONF");
    setenv("NUMATALLY_TOPOLOGY", "2x1", 1); /* each act starts the library by itself */
    struct CMUnitTest tests[] = {
        ACT(steps),
        ACT(readers),
        ACT(threads),
        ACT(fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
