/* SPDX-License-Identifier: MIT */
/*
 * The last word: said once, by whichever end comes first, and never unsaid; nothing is
 * said, nor the library started, in a process that has not used it.
 */
#include "src/base/fmt.h"
#include "src/heap/figures.h"
#include "src/track/live.h"
#include "tests/child.h"

#include <fcntl.h>

static char folder[] = "/tmp/numatally-end-XXXXXX";
static char report[128], file[128];
static struct nt_live live;

static void name_files(void)
{
    char conf[256];

    nt__fmt_into(report, sizeof report, "%s/%d.json", folder, (int)getpid());
    nt__fmt_into(file, sizeof file, "%s/numatally-%d.live", folder, (int)getpid());
    nt__fmt_into(conf, sizeof conf, "report:%s/%%p.json,live:%s", folder, folder);
    setenv("NUMATALLY_CONF", conf, 1);
}

static int act_not_started(void)
{
    name_files();
    nt__figures_exit();
    CHECK(access(report, F_OK) != 0 && access(file, F_OK) != 0);
    return 0;
}

static int act_once(void)
{
    void *p;

    name_files();
    p = nt_malloc(100);
    CHECK(access(report, F_OK) != 0);
    nt__figures_exit();
    CHECK(access(report, F_OK) == 0);
    CHECK(nt__live_read(file, &live) == 0 && live.snapshot.final);
    CHECK(live.snapshot.total.live_blocks_now == 1);
    unlink(report);
    nt_free(p);
    for (int i = 0; i < 20; i++) { /* longer than between two updates */
        nt_free(nt_malloc(3000000));
        usleep(5000);
    }
    nt__figures_exit();
    nt__figures_end();
    CHECK(access(report, F_OK) != 0);
    CHECK(nt__live_read(file, &live) == 0 && live.snapshot.final);
    CHECK(live.snapshot.total.live_blocks_now == 1);
    unlink(file);
    return 0;
}

/* The parent's end is not the child's, nor its parent's. */
static int act_fork(void)
{
    int status;
    pid_t pid;

    name_files();
    nt_free(nt_malloc(100));
    nt__figures_exit();
    unlink(report);
    unlink(file);
    pid = fork();
    if (pid == 0) {
        name_files();
        nt_free(nt_malloc(100));
        nt__figures_exit();
        _exit(nt__live_read(file, &live) == 0 && live.snapshot.final &&
                      live.snapshot.pid == getpid() && unlink(file) == 0 &&
                      unlink(report) == 0
                  ? 0
                  : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

static int act_vfork(void)
{
    int status;
    pid_t pid;

    name_files();
    nt_free(nt_malloc(100));
    pid = vfork();
    if (pid == 0) {
        nt__figures_exit();
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(access(report, F_OK) != 0);
    CHECK(nt__live_read(file, &live) == 0 && !live.snapshot.final);
    nt__figures_exit();
    CHECK(unlink(report) == 0);
    CHECK(nt__live_read(file, &live) == 0 && live.snapshot.final && unlink(file) == 0);
    return 0;
}

/* The report at the end of a program, by setting. */
static int act_exit_report(void)
{
    setenv("NUMATALLY_CONF", "report:exit", 1);
    for (int i = 0; i < 55; i++)
        (void)!nt_malloc(100);
    return 0;
}

static void exit_report(void **state)
{
    static char said[1 << 16];
    (void)state;
    assert_int_equal(child_status(act_exit_report, said, sizeof said), 0);
    assert_non_null(strstr(said, "Allocations"));
    assert_non_null(strstr(said, "55"));
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when something was left, or written after all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACT(not_started),
        ACT(once),
        ACT(fork),
        ACT(vfork),
        cmocka_unit_test(exit_report),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
