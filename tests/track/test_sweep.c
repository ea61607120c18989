/* SPDX-License-Identifier: MIT */
/*
 * Sweeping: the files of processes that are gone go, and nothing else does.
 */
#include "src/base/fmt.h"
#include "src/track/live.h"
#include "src/track/live_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LOOKED_AT = 64 };

static char folder[] = "/tmp/numatally-sweep-XXXXXX";
static struct nt_live_origin here;
static pid_t dead; /* nobody has this number */

static const char *path_of(const char *name)
{
    static char path[256];

    nt__fmt_into(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *name_of(pid_t pid, int image)
{
    static char name[64];

    if (image == 1)
        nt__fmt_into(name, sizeof name, "numatally-%d.live", (int)pid);
    else
        nt__fmt_into(name, sizeof name, "numatally-%d-%d.live", (int)pid, image);
    return name;
}

/* Make a file of a process that comes from `origin`. */
static void make(const char *name, const char *magic,
                 const struct nt_live_origin *origin)
{
    struct nt_live_head head = {.version = NT_SNAPSHOT_VERSION};
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL, 0600);

    assert_true(fd >= 0);
    memcpy(head.magic, magic, sizeof head.magic);
    head.origin = *origin;
    assert_int_equal(write(fd, &head, sizeof head), sizeof head);
    close(fd);
}

/* Is it there after a sweep? It is removed if so. */
static bool stays(const char *name)
{
    struct stat st;
    bool there;

    nt__live_sweep(folder);
    there = lstat(path_of(name), &st) == 0;
    if (there)
        assert_int_equal(
            S_ISDIR(st.st_mode) ? rmdir(path_of(name)) : unlink(path_of(name)), 0);
    return there;
}

static bool made_stays(const char *name, const char *magic,
                       const struct nt_live_origin *origin)
{
    make(name, magic, origin);
    return stays(name);
}

/* A process with a live file, waiting to be killed. */
static pid_t start(void)
{
    int ready[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        if (nt__live_open(folder) && write(ready[1], "r", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_real_processes(void **state)
{
    pid_t alive = start(), gone = start();
    char name[64];

    (void)state;
    errno = 99;
    nt__live_sweep(folder);
    assert_int_equal(errno, 99);
    nt__fmt_into(name, sizeof name, "%s", name_of(gone, 1));
    assert_int_equal(access(path_of(name), F_OK), 0);
    kill(gone, SIGKILL);
    waitid(P_PID, (id_t)gone, &(siginfo_t){0}, WEXITED | WNOWAIT);
    nt__live_sweep(folder); /* a zombie may still be asked for its record */
    assert_int_equal(access(path_of(name), F_OK), 0);
    waitpid(gone, NULL, 0);
    assert_false(stays(name));
    nt__fmt_into(name, sizeof name, "%s", name_of(alive, 1));
    assert_int_equal(access(path_of(name), F_OK), 0);
    end(alive);
    assert_false(stays(name));
}

static void test_who_is_gone(void **state)
{
    struct nt_live_origin other;

    (void)state;
    assert_true(here.boot[0] != 0 && here.boot[1] != 0 && here.pid_space != 0 &&
                here.start_ticks != 0);
    assert_false(made_stays(name_of(dead, 1), NT_LIVE_MAGIC, &here));
    assert_false(made_stays(name_of(dead, 12), NT_LIVE_MAGIC, &here));
    other = here; /* our number, but another process had it */
    other.start_ticks--;
    assert_false(made_stays(name_of(getpid(), 1), NT_LIVE_MAGIC, &other));
    assert_true(made_stays(name_of(getpid(), 1), NT_LIVE_MAGIC, &here));
    assert_true(made_stays(name_of(getpid(), 2), NT_LIVE_MAGIC, &here));
    other = here; /* unknown is not another */
    other.start_ticks = 0;
    assert_true(made_stays(name_of(getpid(), 1), NT_LIVE_MAGIC, &other));
    other = here; /* another machine's, another container's, nobody knows whose */
    other.boot[1]++;
    assert_true(made_stays(name_of(dead, 1), NT_LIVE_MAGIC, &other));
    other = here;
    other.pid_space++;
    assert_true(made_stays(name_of(dead, 1), NT_LIVE_MAGIC, &other));
    memset(&other, 0, sizeof other);
    assert_true(made_stays(name_of(dead, 1), NT_LIVE_MAGIC, &other));
}

static void test_what_is_not_ours(void **state)
{
    static const char *const names[] = {
        "numatally-.live",           "numatally-1x.live",    "numatally-1-.live",
        "numatally-1-2-3.live",      "numatally-1.live.old", "other-1.live",
        "numatally-99999999999.live"};

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++)
        assert_true(made_stays(names[i], NT_LIVE_MAGIC, &here));
    assert_true(made_stays(name_of(dead, 1), "ntlive0", &here));
    make("target", NT_LIVE_MAGIC, &here);
    assert_int_equal(symlink("target", path_of(name_of(dead, 1))), 0);
    assert_true(stays(name_of(dead, 1)));
    assert_true(stays("target"));
    assert_int_equal(mkdir(path_of(name_of(dead, 1)), 0700), 0);
    assert_true(stays(name_of(dead, 1)));
    assert_int_equal(mkfifo(path_of(name_of(dead, 1)), 0600), 0);
    assert_true(stays(name_of(dead, 1)));
    assert_int_equal(close(creat(path_of(name_of(dead, 1)), 0600)), 0); /* empty */
    assert_true(stays(name_of(dead, 1)));
    errno = 99;
    nt__live_sweep("/nonexistent/folder");
    nt__live_sweep("/dev/null");
    assert_int_equal(errno, 99);
}

static void test_other_user(void **state)
{
    (void)state;
    make(name_of(dead, 1), NT_LIVE_MAGIC, &here);
    if (chown(path_of(name_of(dead, 1)), 65534, 65534) != 0) {
        unlink(path_of(name_of(dead, 1)));
        print_message("skipped: giving files away needs root\n");
        skip();
    }
    assert_true(stays(name_of(dead, 1)));
}

static void test_bounded(void **state)
{
    enum { FILES = 100 };
    int left = 0;

    (void)state;
    for (int i = 2; i < 2 + FILES; i++)
        make(name_of(dead, i), NT_LIVE_MAGIC, &here);
    nt__live_sweep(folder);
    for (int i = 2; i < 2 + FILES; i++)
        left += access(path_of(name_of(dead, i)), F_OK) == 0;
    assert_int_equal(left, FILES - LOOKED_AT);
    nt__live_sweep(folder);
    for (int i = 2; i < 2 + FILES; i++)
        assert_int_not_equal(access(path_of(name_of(dead, i)), F_OK), 0);
}

static int set_up(void **state)
{
    (void)state;
    nt__live_origin(&here);
    if (mkdtemp(folder) == NULL)
        return -1;
    dead = fork();
    if (dead == 0)
        _exit(0);
    return waitpid(dead, NULL, 0) == dead ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a test left something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_processes),   cmocka_unit_test(test_who_is_gone),
        cmocka_unit_test(test_what_is_not_ours), cmocka_unit_test(test_other_user),
        cmocka_unit_test(test_bounded),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
