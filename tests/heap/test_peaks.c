/* SPDX-License-Identifier: MIT */
/* Peaks as they are read beside threads at work: never above what was in use. */
#include "tests/child.h"

#include <numatally/numatally.h>
#include <numatally/stats.h>
#include <pthread.h>
#include <stdbool.h>

static struct nt_snapshot now;

/* A large block that is reallocated in place is not in use twice, for a reader beside it. */
static volatile bool peak_done;

static void *snap_on(void *unused)
{
    static struct nt_snapshot s;
    while (!peak_done)
        nt_snapshot(&s);
    return unused;
}

static int act_peak_in_place(void)
{
    enum { LARGE = 64 << 20 };
    pthread_t thread;
    char *p = nt_malloc(LARGE);
    CHECK(p && pthread_create(&thread, NULL, snap_on, NULL) == 0);
    for (int i = 0; i < 20000000; i++)
        p = nt_realloc(p, LARGE - (i % 100 == 0 ? 65536u : 0));
    peak_done = true;
    pthread_join(thread, NULL);
    CHECK(nt_snapshot(&now) == 0 && now.total.live_bytes_peak < LARGE + (1 << 20));
    nt_free(p);
    return 0;
}

int main(void)
{
    struct CMUnitTest tests[] = {ACT(peak_in_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
