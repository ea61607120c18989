/* SPDX-License-Identifier: MIT */
/* Peaks are never above the truth, and short of it by no more than peak.h says. */
#include "pools/peak.h"

#include "pools/large.h"
#include "pools/remote.h"
#include "tests/pools/room.h"

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
    CHECK(nt__large_free(s, nt__slab_of(large)));
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
            slab_bytes += (int64_t)(nt__sizeclasses.slices[c] * NT_SLICE);
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
        nt__remote_free(away, nt__slab_of(p[i]), p[i]);
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
    nt__peak_fork_child();
    CHECK(nt__peaks()->total == 3 * size);
    return 0;
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

static void test_fork_child(void **state)
{
    (void)state;
    child_ok(act_child);
}

int main(void)
{
    room_start("2x1");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_by_itself),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_fork_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
