/* SPDX-License-Identifier: MIT */
/* _exit and _Exit: the status arrives, the report is written by a forked child that asked
 * for one, and a vfork child says nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char report[] = "/tmp/numatally-test-exit-XXXXXX";

static int status_of(pid_t child)
{
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static long report_bytes(void)
{
    struct stat st;
    return stat(report, &st) == 0 ? (long)st.st_size : -1;
}

static void test_status(void **state)
{
    (void)state;
    void (*const exits[])(int) = {_exit, _Exit};
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0)
            exits[i](41 + i);
        assert_int_equal(status_of(child), 41 + i);
        assert_true(report_bytes() > 100); /* setting report: in force since main */
        assert_int_equal(truncate(report, 0), 0);
    }
}

static void test_vfork(void **state)
{
    (void)state;
    pid_t child = vfork();
    if (child == 0)
        _exit(5);
    assert_int_equal(status_of(child), 5);
    assert_int_equal(report_bytes(), 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    char conf[128];
    if (!getenv("NUMATALLY_CONF")) { /* settings are read at the first allocation */
        int fd = mkstemp(report);
        if (fd < 0)
            return 1;
        close(fd);
        snprintf(conf, sizeof conf, "report:%s", report);
        setenv("NUMATALLY_CONF", conf, 1);
        execv("/proc/self/exe", argv);
        return 1;
    }
    strcpy(report, getenv("NUMATALLY_CONF") + strlen("report:"));
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_status),
                                       cmocka_unit_test(test_vfork)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(report);
    unsetenv("NUMATALLY_CONF");
    _Exit(failed);
}
