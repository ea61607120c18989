/* SPDX-License-Identifier: MIT */
/* Peaks are never above the truth, and short of it by no more than peak.h says. */
#include "pools/peak.h"

#include "pools/large.h"
#include "pools/remote.h"
#include "tests/pools/room.h"

#include <pthread.h>

static struct nt_shard *new_shard(unsigned slot)
{
    return room_shard(slot, NULL);
}

/* Settling makes peaks exact at that moment. */
static int act_exact(void)
{
    struct nt_shard *s = new_shard(0);
    unsigned c = nt__sizeclass_of(1000);
    int64_t size = nt__sizeclasses.size[c];
    nt__peak_settle();
    CHECK(nt__peaks()->total == 0);
    char *p = room_malloc(s, 1000), *q = room_malloc(s, 1000);
    nt__peak_settle();
    CHECK(nt__peaks()->total == 2 * size);
    CHECK(nt__peaks()->class_[c] == 2 * size);
    CHECK(nt__peaks()->node[0] == 2 * size && nt__peaks()->node[1] == 0);
    room_free(s, p);
    nt__peak_settle();
    CHECK(nt__peaks()->total == 2 * size); /* it stays */
    p = room_malloc(s, 1000);
    char *large = nt__large_malloc(s, 3 * NT_MIB, 1, false);
    nt__peak_settle();
    unsigned l = nt__sizeclass_large();
    CHECK(nt__peaks()->total == 2 * size + (int64_t)(3 * NT_MIB));
    CHECK(nt__peaks()->class_[l] == (int64_t)(3 * NT_MIB));
    CHECK(s->live_peak <= nt__peaks()->total);
    room_free(s, p);
    room_free(s, q);
    CHECK(nt__large_free(s, nt__slab_of(large), large));
    nt__peak_settle();
    CHECK(s->live_bytes == 0);
    CHECK(nt__peaks()->total == 2 * size + (int64_t)(3 * NT_MIB));
    return 0;
}

/* Nobody settles by hand: growth alone makes it happen. */
static int act_by_itself(void)
{
    struct nt_shard *s = new_shard(0);
    static char *p[200000];
    int64_t truth = 0, slab_bytes = 0;
    for (unsigned i = 0; i < NT_ARRAY_LEN(p); i++) {
        size_t size = 16 + i * 13 % 1500;
        unsigned c = nt__sizeclass_of(size);
        p[i] = room_malloc(s, size);
        CHECK(p[i]);
        truth += nt__sizeclasses.size[c];
    }
    for (unsigned c = 0; c < nt__sizeclasses.count; c++)
        if (s->allocs[c] != 0)
            slab_bytes += (int64_t)(nt__sizeclasses.most[c] * NT_SLICE);
    for (unsigned i = 0; i < NT_ARRAY_LEN(p); i++)
        room_free(s, p[i]);
    int64_t peak = nt__peaks()->total;
    int64_t step = peak / 128 < 64 * 1024 ? 64 * 1024 : peak / 128;
    CHECK(peak <= truth);
    CHECK(peak >= truth - step - slab_bytes);
    CHECK(s->live_peak <= truth);
    return 0;
}

/* Freed on another node: both nodes' sums are right, and so is the total. */
static int act_nodes(void)
{
    struct nt_shard *home = new_shard(0), *away = new_shard(1);
    int64_t size = nt__sizeclasses.size[nt__sizeclass_of(500)];
    enum { N = 300 };
    char *p[N];
    for (int i = 0; i < N; i++)
        p[i] = room_malloc(home, 500);
    nt__peak_settle();
    CHECK(nt__peaks()->node[0] == N * size && nt__peaks()->node[1] == 0);
    for (int i = 0; i < N; i++)
        nt__remote_gather(away, nt__slab_of(p[i]), p[i]);
    nt__remote_flush(away);
    nt__remote_receive(home);
    nt__peak_settle();
    for (int i = 0; i < N + 50; i++)
        CHECK(room_malloc(away, 500));
    nt__peak_settle();
    CHECK(nt__peaks()->node[0] == N * size);
    CHECK(nt__peaks()->node[1] == (N + 50) * size);
    CHECK(nt__peaks()->total == (N + 50) * size); /* the first were gone by then */
    return 0;
}

/* Large blocks that come as others go, of another node: neither hides the other. */
static int act_exchanged(void)
{
    struct nt_shard *home = new_shard(0), *away = new_shard(1);
    enum { N = 50 };
    int64_t truth = N * (int64_t)NT_MIB, step = truth / 128 + 64 * 1024;
    char *p[N], *q[N];
    for (int i = 0; i < N; i++)
        CHECK((p[i] = nt__large_malloc(home, NT_MIB, 1, false)) != NULL);
    for (int i = 0; i < N; i++) {
        CHECK((q[i] = nt__large_malloc(away, NT_MIB, 1, false)) != NULL);
        CHECK(nt__large_free(away, nt__slab_of(p[i]), p[i]));
    }
    for (int i = 0; i < N; i++)
        CHECK(nt__large_free(away, nt__slab_of(q[i]), q[i]));
    nt__peak_settle();
    CHECK(nt__peak_live()->node[0] == 0 && nt__peak_live()->node[1] == 0);
    for (int i = 0; i < 2; i++)
        CHECK(nt__peaks()->node[i] <= truth && nt__peaks()->node[i] >= truth - step);
    return 0;
}

static int act_child(void)
{
    struct nt_shard *s = new_shard(0);
    int64_t size = nt__sizeclasses.size[nt__sizeclass_of(800)];
    char *p[10];
    for (int i = 0; i < 10; i++)
        p[i] = room_malloc(s, 800);
    nt__peak_settle();
    for (int i = 0; i < 7; i++)
        room_free(s, p[i]);
    nt__peak_fork_unlock(NT_FORK_CHILD);
    CHECK(nt__peaks()->total == 3 * size);
    return 0;
}

static void *wait_for(void *barrier)
{
    pthread_barrier_wait(barrier);
    return barrier;
}

/* A thread that stays in the parent had published what it never came to add. */
static int act_torn(void)
{
    struct nt_shard *s = new_shard(0), *away = new_shard(1);
    unsigned c = nt__sizeclass_of(800), l = nt__sizeclass_large();
    int64_t size = nt__sizeclasses.size[c], mib = (int64_t)NT_MIB;
    pthread_barrier_t barrier;
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    CHECK(pthread_create(&thread, NULL, wait_for, &barrier) == 0);
    CHECK(room_malloc(s, 800) && nt__large_malloc(away, NT_MIB, 1, false));
    char *p = nt__large_malloc(s, 2 * NT_MIB, 1, false);
    CHECK(nt__large_free(away, nt__slab_of(p), p)); /* of the other node */
    nt__peak_settle();
    CHECK(nt__peak_live()->total == size + mib);
    static const enum nt_fork how[] = {NT_FORK_RAW, NT_FORK_CHILD};
    for (int i = 0; i < 2; i++) {
        s->published[c] += 5 * size;
        away->published[l] -= 3 * mib;
        away->published_sent[0] -= mib;
        if (how[i] == NT_FORK_CHILD)
            nt__peak_fork_lock();
        nt__peak_fork_unlock(how[i]);
        const struct nt_peaks *live = nt__peak_live();
        CHECK(live->total == size + mib && live->process == size + mib);
        CHECK(live->class_[c] == size && live->class_[l] == mib);
        CHECK(live->node[0] == size && live->node[1] == mib);
        CHECK(nt__peaks()->total == size + mib);
        CHECK(s->live_bytes == size + 2 * mib && away->live_bytes == -mib);
    }
    pthread_barrier_wait(&barrier);
    return pthread_join(thread, NULL);
}

static int act_phase(void)
{
    struct nt_shard *s = new_shard(0);
    uint64_t size = nt__sizeclasses.size[nt__sizeclass_of(1000)];
    char *p = room_malloc(s, 1000), *q = room_malloc(s, 1000);
    nt__peak_settle();
    CHECK(nt__peak_phase() == 0); /* none began */
    room_free(s, q);
    nt__peak_phase_begin();
    CHECK(nt__peak_phase() == size); /* what is live */
    q = nt__large_malloc(s, 3 * NT_MIB, 1, false);
    CHECK(nt__large_free(s, nt__slab_of(q), q));
    CHECK(nt__peak_phase() == size + 3 * NT_MIB); /* without being asked */
    nt__peak_phase_begin();
    CHECK(nt__peak_phase() == size);
    CHECK(nt__peaks()->total == (int64_t)(size + 3 * NT_MIB)); /* the process's stays */
    for (size_t n = 1; n <= 2; n++) { /* below the process's peak, all the same */
        q = nt__large_malloc(s, n * NT_MIB, 1, false);
        CHECK(nt__large_free(s, nt__slab_of(q), q));
        CHECK(nt__peak_phase() == size + n * NT_MIB);
    }
    nt__peak_phase_end();
    q = nt__large_malloc(s, 2 * NT_MIB + NT_MIB / 2, 1, false);
    CHECK(nt__large_free(s, nt__slab_of(q), q));
    nt__peak_settle();
    CHECK(nt__peak_phase() == size + 2 * NT_MIB); /* not taken any more */
    room_free(s, p);
    return 0;
}

static void *take_from_another(void *bytes)
{
    bool here = nt__peak_crossed_here();
    return here || nt__peak_take_crossing(bytes) ? bytes : NULL;
}

static int act_watch(void)
{
    struct nt_shard *s = new_shard(0);
    uint64_t bytes = 7;
    pthread_t thread;
    void *taken;
    nt__peak_watch(2 * NT_MIB);
    char *p = nt__large_malloc(s, 2 * NT_MIB, 1, false);
    CHECK(!nt__peak_crossed && !nt__peak_is_above()); /* just as many */
    char *q = nt__large_malloc(s, NT_MIB, 1, false);
    CHECK(nt__peak_crossed && nt__peak_crossed_here());
    CHECK(pthread_create(&thread, NULL, take_from_another, &bytes) == 0);
    CHECK(pthread_join(thread, &taken) == 0 && !taken && bytes == 7);
    CHECK(nt__peak_take_crossing(&bytes) && bytes == 3 * NT_MIB);
    CHECK(!nt__peak_crossed && !nt__peak_take_crossing(&bytes)); /* once */
    CHECK(nt__large_free(s, nt__slab_of(q), q));
    q = nt__large_malloc(s, NT_MIB, 1, false); /* it is not watched */
    CHECK(!nt__peak_crossed && !nt__peak_is_above());
    nt__peak_watch(2 * NT_MIB);
    CHECK(nt__peak_is_above());
    char *r = nt__large_malloc(s, NT_MIB, 1, false); /* it was above */
    CHECK(!nt__peak_crossed);
    CHECK(nt__large_free(s, nt__slab_of(q), q) && nt__large_free(s, nt__slab_of(r), r));
    nt__peak_publish(s, nt__sizeclass_large());
    CHECK(!nt__peak_is_above());
    q = nt__large_malloc(s, NT_MIB, 1, false);
    CHECK(nt__peak_crossed);
    nt__peak_watch(0);
    CHECK(!nt__peak_crossed && !nt__peak_take_crossing(&bytes));
    CHECK(nt__large_free(s, nt__slab_of(p), p) && nt__large_free(s, nt__slab_of(q), q));
    nt__peak_watch(NT_MIB);
    p = nt__large_malloc(s, 2 * NT_MIB, 1, false);
    CHECK(nt__peak_crossed);
    nt__peak_settle(); /* by a reader: it stays */
    nt__peak_fork_unlock(NT_FORK_CHILD);
    CHECK(!nt__peak_crossed); /* the parent's; but it is still watched */
    q = nt__large_malloc(s, 2 * NT_MIB, 1, false);
    CHECK(nt__peak_crossed && nt__peak_take_crossing(&bytes) && bytes == 4 * NT_MIB);
    return 0;
}

/* One large block in the place of another is nothing new, nor is one a little smaller; what is
 * new is not left out. */
static int act_again(void)
{
    struct nt_shard *s = new_shard(0);
    bool due;
    char *p = nt__large_malloc(s, NT_MIB, 1, false);
    CHECK(nt__peak_large_is_known(s) && s->live_peak == (int64_t)NT_MIB);
    CHECK(nt__large_free(s, nt__slab_of(p), p) && !nt__peak_large_is_known(s));
    while (!(p = nt__large_again(s, NT_MIB, &due))) {
        CHECK((p = nt__large_malloc(s, NT_MIB, 1, false)) != NULL);
        CHECK(nt__large_free(s, nt__slab_of(p), p));
    }
    CHECK(nt__peak_large_is_known(s));
    char *q = nt__large_malloc(s, 3 * NT_MIB, 1, false);
    CHECK(nt__peak_large_is_known(s) && s->live_peak == 4 * (int64_t)NT_MIB);
    CHECK(nt__large_free(s, nt__slab_of(p), p));
    CHECK((p = nt__large_again(s, NT_MIB - nt__os_page_size(), &due)) != NULL);
    CHECK(nt__peak_large_is_known(s));
    s->published[nt__sizeclass_large()] += (int64_t)NT_SLICE;
    CHECK(!nt__peak_large_is_known(s));
    s->published[nt__sizeclass_large()] -= (int64_t)NT_SLICE;
    nt__peak_watch(NT_GIB);
    CHECK(!nt__peak_large_is_known(s)); /* settlers are waited for */
    nt__peak_watch(0);
    CHECK(nt__peak_large_is_known(s));
    s->live_peak = 0; /* somebody else settled, and published this shard's */
    CHECK(!nt__peak_large_is_known(s));
    CHECK(nt__large_seen_to(s, nt__slab_of(p), 1, false) == p);
    CHECK(s->live_peak == s->live_bytes && s->live_bytes > 3 * (int64_t)NT_MIB);
    CHECK(nt__large_free(s, nt__slab_of(q), q) && nt__large_free(s, nt__slab_of(p), p));
    return 0;
}

static void test_again(void **state)
{
    (void)state;
    child_ok(act_again);
}

static void test_phase(void **state)
{
    (void)state;
    child_ok(act_phase);
}

static void test_watch(void **state)
{
    (void)state;
    child_ok(act_watch);
}

static void test_exact(void **state)
{
    (void)state;
    child_ok(act_exact);
}

static void test_by_itself(void **state)
{
    (void)state;
    child_ok(act_by_itself);
}

static void test_nodes(void **state)
{
    (void)state;
    child_ok(act_nodes);
}

static void test_exchanged(void **state)
{
    (void)state;
    child_ok(act_exchanged);
}

static void test_torn(void **state)
{
    (void)state;
    child_ok(act_torn);
}

static void test_fork_child(void **state)
{
    (void)state;
    child_ok(act_child);
}

int main(void)
{
    room_start("2x1");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),     cmocka_unit_test(test_by_itself),
        cmocka_unit_test(test_nodes),     cmocka_unit_test(test_fork_child),
        cmocka_unit_test(test_phase),     cmocka_unit_test(test_watch),
        cmocka_unit_test(test_again),     cmocka_unit_test(test_torn),
        cmocka_unit_test(test_exchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
