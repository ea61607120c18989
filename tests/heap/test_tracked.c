/* SPDX-License-Identifier: MIT */
/*
 * Tracked allocators through the public calls: every bad argument, pools, names in reports,
 * inner allocators that call the library, children.
 */
#include "tests/child.h"
#include "tests/shim.h"

#include "src/base/base.h"

#include <fcntl.h>
#include <jansson.h>
#include <numatally/stats.h>
#include <pthread.h>
#include <sys/syscall.h>

static struct shim shim, shim2;
static struct arena arena;
static struct nt_tracked_figures f, all[100];
static char text[1 << 18];

static struct nt_allocator track(struct nt_allocator inner, const char *name)
{
    struct nt_allocator out;
    assert_int_equal(nt_tracked(&inner, name, &out), 0);
    return out;
}

static void *get(const struct nt_allocator *a, size_t size)
{
    return a->malloc(a->context, size);
}

static void drop(const struct nt_allocator *a, void *p)
{
    a->free(a->context, p);
}

static const struct nt_tracked_figures *figures(const struct nt_allocator *a)
{
    assert_int_equal(nt_tracked_figures(a, &f), 0);
    return &f;
}

static void report(enum nt_format format)
{
    char path[] = "/tmp/numatally-tracked-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(nt_report(fd, format), 0);
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    close(fd);
}

/* ---- Arguments --------------------------------------------------------------------------- */

static void test_arguments(void **state)
{
    struct nt_allocator inner = nt_system_allocator(), out, before, bad;
    (void)state;
    memset(&out, 7, sizeof out);
    before = out;
    errno = 9;
    assert_int_equal(nt_tracked(NULL, "x", &out), -EINVAL);
    assert_int_equal(nt_tracked(&inner, "x", NULL), -EINVAL);
    assert_int_equal(nt_tracked(&inner, "", &out), -EINVAL);
    static const size_t sizes[] = {0, sizeof inner - 1, sizeof inner + 8, SIZE_MAX};
    for (size_t i = 0; i < NT_ARRAY_LEN(sizes); i++) {
        bad = inner;
        bad.size = sizes[i];
        assert_int_equal(nt_tracked(&bad, "x", &out), -EINVAL);
    }
    bad = inner;
    bad.malloc = NULL;
    assert_int_equal(nt_tracked(&bad, "x", &out), -EINVAL);
    bad = inner;
    bad.free = NULL;
    assert_int_equal(nt_tracked(&bad, "x", &out), -EINVAL);
    assert_memory_equal(&out, &before, sizeof out);
    assert_int_equal(nt_snapshot_tracked(NULL, 0), 0); /* none was made */

    assert_int_equal(nt_tracked(&inner, NULL, &out), 0);
    assert_int_equal(nt_tracked_figures(NULL, &f), -EINVAL);
    assert_int_equal(nt_tracked_figures(&out, NULL), -EINVAL);
    assert_int_equal(nt_tracked_figures(&inner, &f), -EINVAL);
    assert_int_equal(nt_tracked_reset(NULL), -EINVAL);
    assert_int_equal(nt_tracked_reset(&inner), -EINVAL);
    assert_int_equal(nt_tracked_release(NULL), -EINVAL);
    assert_int_equal(nt_tracked_release(&inner), -EINVAL);
    assert_int_equal(nt_tracked_forget(NULL), -EINVAL);
    assert_int_equal(nt_tracked_forget(&inner), -EINVAL);
    bad = out;
    bad.context = &bad;
    assert_int_equal(nt_tracked_figures(&bad, &f), -EINVAL);
    assert_int_equal(nt_tracked_release(&bad), -EINVAL);
    bad = out;
    bad.size--;
    assert_int_equal(nt_tracked_release(&bad), -EINVAL);
    assert_int_equal(nt_snapshot_tracked(NULL, 1), -EINVAL);
    assert_int_equal(nt_snapshot_tracked(all, 100), 1);
    bad = out; /* a copy is the same */
    assert_int_equal(nt_tracked_reset(&bad), 0);
    assert_int_equal(nt_tracked_release(&bad), 0);
    assert_int_equal(nt_tracked_release(&out), -EINVAL);
    assert_int_equal(nt_pool_allocator(NULL, &out), -EINVAL);
    assert_int_equal(errno, 9);
}

static void test_names(void **state)
{
    static const struct {
        const char *given, *json, *row;
    } names[] = {
        {"say \"it\"\\", "say \"it\"\\", "say \"it\"\\"},
        {"a\nb\tc\x1b[2J", "a\nb\tc\x1b[2J", "a?b?c?[2J"},
        {"\xff\xc3.", "\xef\xbf\xbd\xef\xbf\xbd.", "??."},
        {"\xf0\x9f\x8c\xb3", "\xf0\x9f\x8c\xb3", "\xf0\x9f\x8c\xb3"},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xe2\x82\xac and more",
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    };
    struct nt_allocator a[NT_ARRAY_LEN(names)];
    char line[64];
    (void)state;
    report(NT_FORMAT_JSON);
    assert_null(strstr(text, "\"tracked\""));
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++)
        a[i] = track(nt_system_allocator(), names[i].given);
    void *p = get(&a[1], 12345);
    report(NT_FORMAT_JSON);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_int_equal(json_integer_value(json_object_get(root, "tracked_now")),
                     NT_ARRAY_LEN(names));
    json_t *rows = json_object_get(root, "tracked");
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++)
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(rows, i), "name")),
            names[i].json);
    const json_t *row = json_array_get(rows, 1);
    assert_int_equal(
        json_integer_value(json_object_get(row, "live_requested_bytes_peak")), 12345);
    assert_int_equal(
        json_integer_value(json_array_get(json_object_get(row, "sizes"), 13)), 1);
    json_decref(root);
    report(NT_FORMAT_TEXT);
    assert_non_null(strstr(text, "\nTracked allocators "));
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++) {
        snprintf(line, sizeof line, "\n%s ", names[i].row);
        assert_non_null(strstr(text, line));
    }
    drop(&a[1], p);
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++)
        assert_int_equal(nt_tracked_release(&a[i]), 0);
    report(NT_FORMAT_TEXT);
    assert_null(strstr(text, "Tracked allocators"));
}

/* More than a report shows: all are counted. */
static void test_many(void **state)
{
    struct nt_allocator a[70];
    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(a); i++) {
        a[i] = track(nt_system_allocator(), NULL);
        drop(&a[i], get(&a[i], i));
    }
    assert_int_equal(nt_snapshot_tracked(all, 100), 70);
    for (size_t i = 0; i < NT_ARRAY_LEN(a); i++)
        assert_int_equal(all[i].requested_bytes_total, i);
    report(NT_FORMAT_TEXT);
    assert_non_null(strstr(text, "(6 more tracked allocators are not shown)\n"));
    report(NT_FORMAT_JSON);
    json_t *root = json_loads(text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(root, "tracked_now")), 70);
    assert_int_equal(json_array_size(json_object_get(root, "tracked")), 64);
    json_decref(root);
    for (size_t i = 0; i < NT_ARRAY_LEN(a); i++)
        assert_int_equal(nt_tracked_release(&a[i]), 0);
}

/* ---- Whose blocks ------------------------------------------------------------------------ */

/* Every call of the table, twice over. */
static void use(const struct nt_allocator *a, size_t n)
{
    void *p[64] = {0};
    for (size_t i = 0; i < n; i++) {
        size_t k = i * 7 % 64, size = 1 + i * 37 % 3000;
        if (!p[k])
            p[k] = i % 3 == 0   ? a->calloc(a->context, 2, size)
                   : i % 3 == 1 ? a->aligned_alloc(a->context, 16, size)
                                : get(a, size);
        else if (i % 2 == 0)
            p[k] = a->realloc(a->context, p[k], size * (i % 5 + 1));
        else
            drop(a, p[k]), p[k] = NULL;
        assert_true(!p[k] || a->usable_size(a->context, p[k]) >= size);
    }
    for (size_t k = 0; k < 64; k++)
        drop(a, p[k]);
}

static void assert_agrees(const struct nt_allocator *a, const struct shim *s)
{
    const char *what = shim_differs(s, figures(a));
    if (what)
        fail_msg("%s: the shim counted otherwise", what);
    assert_int_equal(f.live_blocks_now, 0);
    assert_int_equal(f.live_requested_bytes_peak, s->peak);
    assert_true(f.allocations_total > 10000);
}

static void test_system(void **state)
{
    struct nt_allocator a = track(shim_around(&shim, nt_system_allocator()), "system");
    (void)state;
    use(&a, 100000);
    assert_agrees(&a, &shim);
    assert_int_equal(nt_tracked_release(&a), 0);
}

static void test_pool(void **state)
{
    struct nt_pool_options o = {.size = sizeof o, .name = "inside"};
    struct nt_pool *pool;
    struct nt_allocator inner, a;
    struct nt_pool_figures pools[10];
    (void)state;
    assert_int_equal(nt_pool_create(&o, &pool), 0);
    assert_int_equal(nt_pool_allocator(pool, NULL), -EINVAL);
    assert_int_equal(nt_pool_allocator(pool, &inner), 0);
    assert_int_equal(inner.size, sizeof inner);
    a = track(shim_around(&shim, inner), "around a pool");
    use(&a, 100000);
    assert_agrees(&a, &shim);
    assert_int_equal(nt_tracked_release(&a), 0);

    a = track(inner, "pool"); /* beside the pool's own figures */
    long n = nt_snapshot_pools(pools, 10);
    uint64_t already = pools[n - 1].allocations_total;
    void *p = get(&a, 1000), *q = a.calloc(a.context, 10, 10);
    n = nt_snapshot_pools(pools, 10);
    assert_string_equal(pools[n - 1].name, "inside");
    assert_int_equal(pools[n - 1].live_blocks_now, figures(&a)->live_blocks_now);
    assert_int_equal(pools[n - 1].allocations_total - already, f.allocations_total);
    assert_int_equal(f.live_requested_bytes_now, 1100);
    assert_int_equal(a.usable_size(a.context, p), nt_usable_size(p));
    errno = 0;
    assert_true(!get(&a, (size_t)1 << 62) && errno == ENOMEM);
    assert_true(!a.aligned_alloc(a.context, 7, 1) && errno == EINVAL);
    drop(&a, p);
    drop(&a, q);
    assert_int_equal(nt_tracked_release(&a), 0);
    nt_pool_destroy(pool);
}

/* Blocks that inner takes back at once. */
static void test_forget(void **state)
{
    struct nt_pool *pool;
    struct nt_allocator a;
    (void)state;
    assert_int_equal(nt_pool_create(NULL, &pool), 0);
    assert_int_equal(nt_pool_allocator(pool, &a), 0);
    assert_int_equal(nt_tracked(&a, "reset", &a), 0);
    for (int round = 1; round <= 3; round++) {
        for (size_t i = 0; i < 1000; i++)
            assert_non_null(get(&a, i));
        assert_int_equal(nt_tracked_release(&a), -EBUSY);
        nt_pool_reset(pool);
        assert_int_equal(nt_tracked_forget(&a), 0);
        assert_int_equal(figures(&a)->frees_total, 1000 * round);
        assert_int_equal(f.freed_requested_bytes_total, f.requested_bytes_total);
        assert_int_equal(f.live_blocks_now + f.live_requested_bytes_now, 0);
        assert_int_equal(f.live_requested_bytes_peak, 999 * 500);
    }
    assert_int_equal(nt_tracked_release(&a), 0);
    assert_int_equal(nt_tracked_forget(&a), -EINVAL);
    nt_pool_destroy(pool);
}

/* Two deep, and in place of what it tracks. */
static void test_nested(void **state)
{
    struct nt_allocator a = shim_around(&shim, nt_system_allocator());
    (void)state;
    assert_int_equal(nt_tracked(&a, "inner", &a), 0);
    struct nt_allocator b = shim_around(&shim2, a), c = track(a, "second");
    assert_int_equal(nt_tracked(&b, "outer", &b), 0);
    use(&b, 50000);
    assert_agrees(&b, &shim2);
    use(&c, 50000);
    assert_agrees(&a, &shim);
    assert_int_equal(nt_snapshot_tracked(all, 100), 3);
    assert_string_equal(all[2].name, "outer");
    assert_int_equal(all[1].allocations_total + all[2].allocations_total,
                     all[0].allocations_total);
    assert_int_equal(nt_tracked_release(&a), 0); /* before those around it */
    errno = 0;
    assert_true(!get(&c, 1) && errno == EINVAL);
    assert_int_equal(figures(&c)->failed_total, 1);
    assert_int_equal(nt_tracked_release(&b), 0);
    assert_int_equal(nt_tracked_release(&c), 0);
}

/* ---- Inner allocators that call the library -------------------------------------------------- */

static struct nt_allocator curious, tracked_curious;
static int depth, null_fd;

static void call_everything(void)
{
    static struct nt_snapshot now;
    struct nt_allocator other = nt_system_allocator();
    struct nt_pool *pool;
    if (depth++ == 0) {
        assert_int_equal(nt_snapshot(&now), 0);
        assert_true(nt_snapshot_tracked(all, 100) >= 1);
        assert_int_equal(nt_tracked_figures(&tracked_curious, &f), 0);
        assert_int_equal(nt_report(null_fd, NT_FORMAT_JSON), 0);
        assert_int_equal(nt_mark("inside"), 0);
        assert_int_equal(nt_pool_create(NULL, &pool), 0);
        nt_free(nt_malloc(100));
        nt_pool_destroy(pool);
        assert_int_equal(nt_tracked(&other, "inside", &other), 0);
        drop(&other, get(&other, 10));
        assert_int_equal(nt_tracked_release(&other), 0);
        drop(&tracked_curious, get(&tracked_curious, 5)); /* itself */
    }
    depth--;
}

static void *curious_malloc(void *context, size_t size)
{
    (void)context;
    call_everything();
    return malloc(size);
}

static void *curious_realloc(void *context, void *p, size_t size)
{
    (void)context;
    call_everything();
    return realloc(p, size);
}

static void curious_free(void *context, void *p)
{
    (void)context;
    call_everything();
    free(p);
}

static void test_curious(void **state)
{
    (void)state;
    null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    curious = (struct nt_allocator){.size = sizeof curious,
                                    .malloc = curious_malloc,
                                    .realloc = curious_realloc,
                                    .free = curious_free};
    tracked_curious = track(curious, "curious");
    void *p = get(&tracked_curious, 100);
    p = tracked_curious.realloc(tracked_curious.context, p, 100000);
    drop(&tracked_curious, p);
    figures(&tracked_curious);
    assert_int_equal(f.allocations_total + f.reallocs_in_place_total, 2 + 3);
    assert_int_equal(f.requested_bytes_total, 100 + 100000 + 3 * 5);
    assert_int_equal(f.live_blocks_now, 0);
    assert_int_equal(f.live_requested_bytes_now, 0);
    assert_int_equal(nt_tracked_release(&tracked_curious), 0);
    close(null_fd);
    nt_mark(NULL);
}

/* ---- Children ---------------------------------------------------------------------------- */

static int child_of(pid_t (*make)(void), int (*act)(void))
{
    int status = -1;
    fflush(NULL);
    pid_t pid = make();
    if (pid == 0)
        _exit(act());
    alarm(60);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    alarm(0);
    return status;
}

static struct nt_allocator shared;
static void *of_parent[3];

static int in_child(void)
{
    CHECK(nt_tracked_figures(&shared, &f) == 0);
    CHECK(f.allocations_total == 0 && f.requested_bytes_total == 0 &&
          f.frees_total == 0);
    CHECK(f.failed_total == 0 && f.foreign_frees_total == 0 && f.sizes[6] == 0);
    CHECK(f.live_blocks_now == 3 && f.live_requested_bytes_now == 300);
    CHECK(f.live_requested_bytes_peak == 300);
    drop(&shared, of_parent[0]);
    void *p = get(&shared, 50);
    CHECK(p && nt_tracked_figures(&shared, &f) == 0);
    CHECK(f.allocations_total == 1 && f.frees_total == 1 && f.live_blocks_now == 3);
    CHECK(f.live_requested_bytes_now == 250 && f.freed_requested_bytes_total == 100);
    CHECK(nt_tracked_release(&shared) == -EBUSY);
    drop(&shared, p);
    drop(&shared, of_parent[1]);
    drop(&shared, of_parent[2]);
    CHECK(nt_tracked_release(&shared) == 0);
    return 0;
}

static pid_t plain_fork(void)
{
    return fork();
}

static pid_t raw_fork(void)
{
    return _Fork();
}

static void test_fork(void **state)
{
    static pid_t (*const how[])(void) = {plain_fork, raw_fork};
    (void)state;
    shared = track(arena_allocator(&arena), "shared");
    for (int i = 0; i < 3; i++)
        of_parent[i] = get(&shared, 100);
    drop(&shared, get(&shared, 1000));
    assert_null(shared.aligned_alloc(shared.context, 3, 1));
    drop(&shared, &shim); /* foreign */
    for (size_t i = 0; i < NT_ARRAY_LEN(how); i++)
        assert_int_equal(child_of(how[i], in_child), 0);
    assert_int_equal(figures(&shared)->allocations_total, 4); /* the parent's own */
    assert_int_equal(f.live_requested_bytes_peak, 1300);
    for (int i = 0; i < 3; i++)
        drop(&shared, of_parent[i]);
    assert_int_equal(nt_tracked_release(&shared), 0);
}

static atomic_bool stop;

static void *churn(void *arg)
{
    (void)arg;
    while (!stop) {
        void *p = get(&shared, 64);
        drop(&shared, p);
    }
    return NULL;
}

/* A thread that stayed in the parent may have been in the middle of anything. */
static int in_child_of_threads(void)
{
    for (int i = 0; i < 2000; i++)
        of_parent[i % 3] = get(&shared, 10), drop(&shared, of_parent[i % 3]);
    CHECK(nt_tracked_figures(&shared, &f) == 0);
    CHECK(f.allocations_total == 2000 && f.frees_total == 2000);
    return 0;
}

static void fork_beside_threads(pid_t (*how)(void))
{
    pthread_t thread[2];
    stop = false;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, churn, NULL), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(child_of(how, in_child_of_threads), 0);
    stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(figures(&shared)->live_blocks_now, 0);
    assert_int_equal(nt_tracked_release(&shared), 0);
}

static void test_fork_beside_threads(void **state)
{
    (void)state;
    shared = track(nt_system_allocator(), "shared");
    fork_beside_threads(plain_fork);
}

/* Nobody takes the locks for such a child. Below is a pool, which can do with that, too. */
static void test_raw_fork_beside_threads(void **state)
{
    struct nt_pool *pool;
    struct nt_allocator inner;
    (void)state;
    assert_int_equal(nt_pool_create(NULL, &pool), 0);
    assert_int_equal(nt_pool_allocator(pool, &inner), 0);
    shared = track(inner, "shared");
    fork_beside_threads(raw_fork);
    nt_pool_destroy(pool);
}

int main(void)
{
    unsetenv("NUMATALLY_CONF");
    unsetenv("NUMATALLY_TOPOLOGY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments), /* first: there is none yet */
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_system),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_curious),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_fork_beside_threads),
        cmocka_unit_test(test_raw_fork_beside_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
