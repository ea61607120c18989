/* SPDX-License-Identifier: MIT */
/*
 * The live file: round trips, a reader beside a writer, a writer that is killed in
 * the middle, forks, and folders and files that are not what they should be.
 */
#include "src/base/fmt.h"
#include "src/track/live.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/numatally-live-XXXXXX";
static struct nt_live out, in;

/* All figures of `live` derive from `k`, so that a mix of two is seen. */
static void fill(struct nt_live *live, uint64_t k)
{
    struct nt_snapshot *s = &live->snapshot;

    memset(live, 0, sizeof *live);
    s->size = sizeof *s;
    s->version = NT_SNAPSHOT_VERSION;
    s->pid = getpid();
    s->nodes = 2;
    s->classes = 3;
    s->now_unix_ns = k;
    s->total.frees_total = k;
    s->class_[2].slabs_now = k;
    s->free_matrix[0][0] = k;
    s->free_matrix[1][1] = k;
    strcpy(s->program, "test");
    live->nthreads = 1 + k % NT_LIVE_THREADS;
    live->threads[live->nthreads - 1].live_bytes_peak = k;
    live->npools = 1 + k % NT_LIVE_POOLS;
    live->pools[live->npools - 1].limit_bytes = k;
    live->nphases = 1 + k % NT_PHASES_MAX;
    live->phases[live->nphases - 1].spent_ns_total = k;
    live->ntracked = 1 + k % NT_LIVE_TRACKED;
    live->tracked[live->ntracked - 1].sizes[NT_TRACKED_SIZES - 1] = k;
    nt__history_start(&live->history, 2);
    for (uint64_t i = 0; i <= k % 200; i++)
        nt__history_end(&live->history, (const uint64_t[5]){i, 0, 0, 0, k});
}

static bool whole(const struct nt_live *live)
{
    const struct nt_snapshot *s = &live->snapshot;
    uint64_t k = s->now_unix_ns;
    const struct nt_history *h = &live->history;

    return h->nodes == 2 && h->count == 1 + k % 200 &&
           nt__history_point(h, h->count - 1)[4] == k &&
           nt__history_point(h, 0)[4] == k &&
           live->nthreads == 1 + k % NT_LIVE_THREADS &&
           live->npools == 1 + k % NT_LIVE_POOLS &&
           live->threads[live->nthreads - 1].live_bytes_peak == k &&
           live->pools[live->npools - 1].limit_bytes == k &&
           live->nphases == 1 + k % NT_PHASES_MAX &&
           live->phases[live->nphases - 1].spent_ns_total == k &&
           live->ntracked == 1 + k % NT_LIVE_TRACKED &&
           live->tracked[live->ntracked - 1].sizes[NT_TRACKED_SIZES - 1] == k &&
           s->total.frees_total == k && s->class_[2].slabs_now == k &&
           s->free_matrix[0][0] == k && s->free_matrix[1][1] == k;
}

static const char *path_of(pid_t pid, int image)
{
    static char path[256];

    if (image == 1)
        nt__fmt_into(path, sizeof path, "%s/numatally-%d.live", folder, (int)pid);
    else
        nt__fmt_into(path, sizeof path, "%s/numatally-%d-%d.live", folder, (int)pid,
                     image);
    return path;
}

/* Run `act` in a child; its exit status, or 128 + the signal. */
static int in_child(int (*act)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(act());
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define CHECK(x)                                                                       \
    do {                                                                               \
        if (!(x)) {                                                                    \
            nt__warn("%s:%d: %s does not hold", __FILE__, __LINE__, #x);               \
            return 1;                                                                  \
        }                                                                              \
    } while (0)

static int act_round_trip(void)
{
    struct stat st;
    const char *path = path_of(getpid(), 1);

    CHECK(!nt__live_is_open());
    fill(&in, 1);
    nt__live_write(&in); /* nothing happens */
    CHECK(nt__live_open(folder));
    CHECK(nt__live_open(folder)); /* still the one file */
    CHECK(nt__live_is_open());
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600 && S_ISREG(st.st_mode));
    CHECK(nt__live_read(path, &out) == -ENODATA);
    for (uint64_t k = 1; k < 600; k++) { /* tables of every length */
        fill(&in, k);
        nt__live_write(&in);
        memset(&out, 0xaa, sizeof out);
        CHECK(nt__live_read(path, &out) == 0);
        CHECK(memcmp(&in.snapshot, &out.snapshot, sizeof in.snapshot) == 0);
        CHECK(in.nthreads == out.nthreads && in.npools == out.npools);
        CHECK(memcmp(in.threads, out.threads, in.nthreads * sizeof in.threads[0]) == 0);
        CHECK(memcmp(in.pools, out.pools, in.npools * sizeof in.pools[0]) == 0);
    }
    /* More rows than fit: the first are kept. */
    in.nthreads = NT_LIVE_THREADS + 5;
    in.npools = UINT32_MAX;
    nt__live_write(&in);
    CHECK(nt__live_read(path, &out) == 0);
    CHECK(out.nthreads == NT_LIVE_THREADS && out.npools == NT_LIVE_POOLS);
    unlink(path);
    return 0;
}

static void test_round_trip(void **state)
{
    (void)state;
    assert_int_equal(in_child(act_round_trip), 0);
}

/* The reader must never see a mix, and must see the file move. */
static void test_reader_beside_writer(void **state)
{
    uint64_t first = 0, last = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        nt__live_open(folder);
        for (uint64_t k = 1;; k++) {
            fill(&in, k);
            nt__live_write(&in);
            if (k % 16 == 0)
                usleep(1000);
        }
    }
    for (int good = 0; good < 500;) {
        int err = nt__live_read(path_of(pid, 1), &out);

        if (err == -ENOENT || err == -ENODATA || err == -EBADMSG || err == -EAGAIN)
            continue; /* not made yet, or always too busy */
        assert_int_equal(err, 0);
        assert_true(whole(&out));
        assert_true(out.snapshot.now_unix_ns >= last);
        last = out.snapshot.now_unix_ns;
        first = first == 0 ? last : first;
        good++;
    }
    while (last == first)
        if (nt__live_read(path_of(pid, 1), &out) == 0)
            last = out.snapshot.now_unix_ns;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    unlink(path_of(pid, 1));
}

static void test_writer_killed_at_any_moment(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        pid_t pid = fork();
        int err;

        if (pid == 0) {
            nt__live_open(folder);
            for (uint64_t k = 1;; k++) {
                fill(&in, k);
                nt__live_write(&in);
            }
        }
        while (nt__live_read(path_of(pid, 1), &out) == -ENOENT)
            usleep(100);
        usleep((useconds_t)(1000 + round * 37));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        err = nt__live_read(path_of(pid, 1), &out);
        unlink(path_of(pid, 1));
        if (err == -ENODATA || err == -EBADMSG)
            continue; /* it had not come to its first write */
        assert_int_equal(err, 0);
        assert_true(whole(&out));
    }
}

static int act_fork(void)
{
    pid_t parent = getpid();
    int status;
    pid_t pid;

    CHECK(nt__live_open(folder));
    fill(&in, 5);
    nt__live_write(&in);
    pid = fork();
    if (pid == 0) {
        fill(&in, 6);
        nt__live_write(&in); /* not ours: must not reach the parent's file */
        CHECK(nt__live_read(path_of(parent, 1), &out) == 0 &&
              out.snapshot.now_unix_ns == 5);
        nt__live_fork_child();
        nt__live_fork_child();
        CHECK(!nt__live_is_open());
        CHECK(nt__live_open(folder));
        nt__live_write(&in);
        CHECK(nt__live_read(path_of(getpid(), 1), &out) == 0 &&
              out.snapshot.now_unix_ns == 6);
        unlink(path_of(getpid(), 1));
        _exit(0);
    }
    waitpid(pid, &status, 0);
    CHECK(status == 0);
    fill(&in, 7);
    nt__live_write(&in);
    CHECK(nt__live_read(path_of(parent, 1), &out) == 0 &&
          out.snapshot.now_unix_ns == 7);
    unlink(path_of(parent, 1));
    return 0;
}

static void test_fork(void **state)
{
    (void)state;
    assert_int_equal(in_child(act_fork), 0);
}

/* The name is taken: by an image of this process before exec, or by a trap. */
static int act_name_taken(void)
{
    const char *victim = "/tmp/numatally-live-victim";
    struct stat st;

    CHECK(symlink(victim, path_of(getpid(), 1)) == 0);
    CHECK(mkdir(path_of(getpid(), 2), 0700) == 0);
    CHECK(nt__live_open(folder));
    fill(&in, 1);
    nt__live_write(&in);
    CHECK(nt__live_read(path_of(getpid(), 3), &out) == 0);
    CHECK(stat(victim, &st) != 0);
    unlink(path_of(getpid(), 1));
    rmdir(path_of(getpid(), 2));
    unlink(path_of(getpid(), 3));
    return 0;
}

static void test_name_taken(void **state)
{
    (void)state;
    assert_int_equal(in_child(act_name_taken), 0);
}

/* How many lines `act` complained; its result must be 0. */
static size_t complaints(int (*act)(void))
{
    char text[4096];
    size_t len = 0, lines = 0;
    int p[2], status;
    pid_t pid;

    assert_int_equal(pipe(p), 0);
    pid = fork();
    if (pid == 0) {
        dup2(p[1], STDERR_FILENO);
        _exit(act());
    }
    close(p[1]);
    for (ssize_t n; (n = read(p[0], text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    close(p[0]);
    waitpid(pid, &status, 0);
    text[len] = '\0';
    if (status != 0)
        fail_msg("status %d: %s", status, text);
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    return lines;
}

static int act_unwritable(void)
{
    errno = 99;
    CHECK(!nt__live_open("/dev/null")); /* a file as a folder */
    CHECK(!nt__live_open("/dev/null"));
    CHECK(!nt__live_is_open());
    CHECK(errno == 99);
    fill(&in, 1);
    nt__live_write(&in);
    return 0;
}

static int act_gone(void)
{
    CHECK(!nt__live_open("/nonexistent/folder"));
    return 0;
}

static int act_size_limit(void)
{
    const struct rlimit limit = {1000, 1000};

    setrlimit(RLIMIT_FSIZE, &limit);
    CHECK(!nt__live_open(folder));
    CHECK(access(path_of(getpid(), 1), F_OK) != 0);
    return 0;
}

static int act_no_address_space(void)
{
    const struct rlimit limit = {1, 1};

    setrlimit(RLIMIT_AS, &limit);
    CHECK(!nt__live_open(folder));
    CHECK(access(path_of(getpid(), 1), F_OK) != 0);
    return 0;
}

static void test_failures_are_quiet(void **state)
{
    (void)state;
    assert_int_equal(complaints(act_unwritable), 1);
    assert_int_equal(complaints(act_gone), 0);
    assert_int_equal(complaints(act_size_limit), 1);
    assert_int_equal(complaints(act_no_address_space), 1);
}

static char full[64];

static int act_disk_full(void)
{
    CHECK(!nt__live_open(full));
    CHECK(!nt__live_open(full));
    CHECK(!nt__live_is_open());
    return 0;
}

static void test_disk_full(void **state)
{
    (void)state;
    nt__fmt_into(full, sizeof full, "%s/full", folder);
    assert_int_equal(mkdir(full, 0700), 0);
    if (mount("none", full, "tmpfs", 0, "size=64k") != 0) {
        rmdir(full);
        print_message("skipped: mounting a small file system needs root\n");
        skip();
    }
    assert_int_equal(complaints(act_disk_full), 1);
    assert_int_equal(umount(full), 0);
    assert_int_equal(rmdir(full), 0);
}

static void write_bytes(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static int act_make(void)
{
    char from[256];

    CHECK(nt__live_open(folder));
    fill(&in, 1);
    nt__live_write(&in);
    nt__fmt_into(from, sizeof from, "%s", path_of(getpid(), 1));
    CHECK(rename(from, path_of(1, 1)) == 0);
    return 0;
}

/* Set the 4 bytes at `at` of a good file's copy to `value` and read that. */
static int read_changed(const char *bytes, size_t len, size_t at, uint32_t value)
{
    static char copy[sizeof(struct nt_live) * 2 + 4096];
    const char *path = path_of(2, 1);

    memcpy(copy, bytes, len);
    memcpy(copy + at, &value, sizeof value);
    write_bytes(path, copy, len);
    return nt__live_read(path, &out);
}

static void test_bad_files(void **state)
{
    static char bytes[sizeof(struct nt_live) * 2 + 4096];
    const size_t head = 64, slot = head + sizeof(struct nt_live);
    ssize_t len;
    int fd;

    (void)state;
    assert_int_equal(in_child(act_make), 0);
    fd = open(path_of(1, 1), O_RDONLY);
    len = read(fd, bytes, sizeof bytes);
    close(fd);
    assert_int_equal(len, head + 2 * sizeof(struct nt_live));
    assert_int_equal(read_changed(bytes, (size_t)len, 0, *(uint32_t *)bytes), 0);
    assert_int_equal(read_changed(bytes, (size_t)len, 0, 0), -EBADMSG);    /* magic */
    assert_int_equal(read_changed(bytes, (size_t)len, 8, 999), -EBADMSG);  /* version */
    assert_int_equal(read_changed(bytes, (size_t)len, 12, 999), -EBADMSG); /* size */
    assert_int_equal(read_changed(bytes, (size_t)len, slot, 999),
                     -EBADMSG); /* its own */
    assert_int_equal(read_changed(bytes, (size_t)len,
                                  slot + offsetof(struct nt_snapshot, nodes), 65),
                     -EBADMSG);
    assert_int_equal(read_changed(bytes, (size_t)len,
                                  slot + offsetof(struct nt_snapshot, classes), 129),
                     -EBADMSG);
    assert_int_equal(read_changed(bytes, (size_t)len,
                                  slot + offsetof(struct nt_live, nthreads),
                                  NT_LIVE_THREADS + 1),
                     -EBADMSG);
    assert_int_equal(read_changed(bytes, (size_t)len,
                                  slot + offsetof(struct nt_live, npools),
                                  NT_LIVE_POOLS + 1),
                     -EBADMSG);
    assert_int_equal(read_changed(bytes, (size_t)len,
                                  slot + offsetof(struct nt_live, nphases),
                                  NT_PHASES_MAX + 1),
                     -EBADMSG);
    assert_int_equal(read_changed(bytes, (size_t)len,
                                  slot + offsetof(struct nt_live, ntracked),
                                  NT_LIVE_TRACKED + 1),
                     -EBADMSG);
    memset(bytes + slot + offsetof(struct nt_snapshot, program), 'x',
           sizeof in.snapshot.program);
    assert_int_equal(read_changed(bytes, (size_t)len, 0, *(uint32_t *)bytes), 0);
    assert_int_equal(strlen(out.snapshot.program), sizeof out.snapshot.program - 1);
    memset(bytes + slot + offsetof(struct nt_live, threads[0].name), 'x',
           sizeof in.threads[0].name);
    memset(bytes + slot + offsetof(struct nt_live, pools[0].name), 'x',
           sizeof in.pools[0].name);
    memset(bytes + slot + offsetof(struct nt_live, phases[0].name), 'x',
           sizeof in.phases[0].name);
    memset(bytes + slot + offsetof(struct nt_live, tracked[0].name), 'x',
           sizeof in.tracked[0].name);
    assert_int_equal(read_changed(bytes, (size_t)len, 0, *(uint32_t *)bytes), 0);
    assert_int_equal(strlen(out.threads[0].name), sizeof in.threads[0].name - 1);
    assert_int_equal(strlen(out.pools[0].name), sizeof in.pools[0].name - 1);
    assert_int_equal(strlen(out.phases[0].name), sizeof in.phases[0].name - 1);
    assert_int_equal(strlen(out.tracked[0].name), sizeof in.tracked[0].name - 1);
    for (size_t cut = 0; cut < (size_t)len; cut += 977) {
        write_bytes(path_of(2, 1), bytes, cut);
        assert_int_equal(nt__live_read(path_of(2, 1), &out), -EBADMSG);
    }
    unlink(path_of(1, 1));
    unlink(path_of(2, 1));
    assert_int_equal(nt__live_read(path_of(2, 1), &out), -ENOENT);
    assert_int_equal(nt__live_read("/tmp", &out), -EBADMSG);
    assert_int_equal(nt__live_read("/dev/zero", &out), -EBADMSG);
    assert_int_equal(mkfifo(path_of(2, 1), 0600), 0);
    assert_int_equal(nt__live_read(path_of(2, 1), &out), -EBADMSG);
    unlink(path_of(2, 1));
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a test left something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_reader_beside_writer),
        cmocka_unit_test(test_writer_killed_at_any_moment),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_name_taken),
        cmocka_unit_test(test_failures_are_quiet),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_bad_files),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
