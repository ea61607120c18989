/* SPDX-License-Identifier: MIT */
/*
 * The places a report may and may not go to, and stderr when the program has closed
 * it, used its number for a file, or forked.
 */
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/track/report.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct nt_snapshot s;
static struct nt_thread_figures threads[1];
static struct nt_pool_figures pools[1];
static const struct nt_tables tables = {
    .threads = threads, .pools = pools, .nthreads = 1, .npools = 1};
static char text[1 << 16];
static char folder[] = "/tmp/numatally-report-XXXXXX";
static char file[128];

static void fill(void)
{
    memset(&s, 0, sizeof s);
    s.pid = 4711;
    s.rank = 3;
    s.nodes = 1;
    strcpy(s.host, "host");
    strcpy(s.program, "gmx");
    strcpy(s.version_string, "0.1.0");
    strcpy(threads[0].name, "exited");
    strcpy(pools[0].name, "process");
}

static void test_expand(void **state)
{
    char path[64];

    (void)state;
    fill();
    strcpy(s.host, "a/b");
    assert_int_equal(nt__report_expand(path, sizeof path, "/x/%h-%r-%p-%%.json", &s),
                     0);
    assert_string_equal(path, "/x/a_b-3-4711-%.json");
    s.rank = -1;
    assert_int_equal(nt__report_expand(path, sizeof path, "%r%q%", &s), 0);
    assert_string_equal(path, "none%q%");
    assert_int_equal(nt__report_expand(path, 5, "%p", &s), 0);
    assert_int_equal(nt__report_expand(path, 5, "%p1", &s), -ENAMETOOLONG);
    assert_int_equal(nt__report_format("a.json"), NT_FORMAT_JSON);
    assert_int_equal(nt__report_format(".json"), NT_FORMAT_JSON);
    assert_int_equal(nt__report_format("a.txt"), NT_FORMAT_TEXT);
    assert_int_equal(nt__report_format("json"), NT_FORMAT_TEXT);
}

static void refused(const char *path, const char *reason)
{
    const char *why = NULL;
    int fd = nt__report_open(path, &why);

    assert_true(fd < 0);
    assert_non_null(why);
    if (strstr(why, reason) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", path, why, reason);
}

static void test_open(void **state)
{
    char other[160];
    const char *why;
    struct stat st;
    int fd;

    (void)state;
    fd = nt__report_open(file, &why);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(write(fd, "old", 3), 3);
    close(fd);
    fd = nt__report_open(file, &why); /* emptied */
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(write(fd, "old", 3), 3);
    close(fd);
    nt__fmt_into(other, sizeof other, "%s/other", folder);
    assert_int_equal(link(file, other), 0);
    refused(other, "hard links");
    unlink(other);
    assert_int_equal(symlink(file, other), 0);
    refused(other, "symbolic link");
    unlink(other);
    assert_int_equal(mkfifo(other, 0600), 0);
    refused(other, "FIFO");
    unlink(other);
    assert_int_equal(stat(file, &st), 0); /* none of that emptied it */
    assert_int_equal(st.st_size, 3);
    refused(folder, "folder");
    refused("/dev/full", "device");
    refused("/dev/null", "device");
    refused("/nonexistent/report.txt", "folder does not exist");
    refused("/proc/version/x", "Not a directory");
    refused("", "folder does not exist");
}

static void test_open_of_others(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: becoming another user needs root\n");
        skip();
    }
    assert_int_equal(chmod(folder, 0777), 0);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(chmod(file, 0666), 0);
    pid = fork();
    if (pid == 0) {
        if (setuid(65534) != 0)
            _exit(77);
        refused(file, "another user");
        assert_int_equal(chdir("/"), 0);
        refused("report.txt", "Permission denied");
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    unlink(file);
}

/* Report in a child with this setting, after `before`, by `write_report`. What the child
 * wrote to the pipe that was its stderr at the start comes into `text`. */
static void report(const char *setting, void (*before)(void),
                   void (*write_report)(const struct nt_snapshot *,
                                        const struct nt_tables *))
{
    char conf[256];
    size_t len = 0;
    int p[2], status;
    pid_t pid;

    nt__fmt_into(conf, sizeof conf, "report:%s", setting);
    assert_int_equal(pipe(p), 0);
    pid = fork();
    if (pid == 0) {
        dup2(p[1], STDERR_FILENO);
        close(p[0]);
        close(p[1]);
        setenv("NUMATALLY_CONF", conf, 1);
        nt__conf_load();
        nt__report_start();
        if (before != NULL)
            before();
        fill();
        errno = 42;
        write_report(&s, &tables);
        _exit(errno == 42 ? 0 : 1);
    }
    close(p[1]);
    for (ssize_t n; (n = read(p[0], text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    close(p[0]);
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void at_exit(const char *setting, void (*before)(void))
{
    report(setting, before, nt__report_at_exit);
}

static void close_stderr(void)
{
    close(STDERR_FILENO);
}

/* The program's own file has the number 2 now, and no copy is left. */
static void reuse_stderr(void)
{
    closefrom(2);
    if (open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600) != 2)
        _exit(3);
}

static void reuse_stderr_only(void)
{
    close(2);
    if (open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600) != 2)
        _exit(3);
}

static off_t file_size(void)
{
    struct stat st;

    return stat(file, &st) == 0 ? st.st_size : -1;
}

static void test_at_exit_stderr(void **state)
{
    (void)state;
    at_exit("off", NULL);
    assert_string_equal(text, "");
    at_exit("exit", NULL);
    assert_non_null(strstr(text, "gmx, pid 4711"));
    assert_non_null(strstr(text, "Pools"));
    at_exit("exit", close_stderr); /* as many programs do in their exit handlers */
    assert_non_null(strstr(text, "gmx, pid 4711"));
    at_exit("exit", reuse_stderr_only);
    assert_non_null(strstr(text, "gmx, pid 4711"));
    assert_int_equal(file_size(), 0);
    at_exit("exit", reuse_stderr);
    assert_string_equal(text, "");
    assert_int_equal(file_size(), 0);
    at_exit("exit", nt__report_fork_child);
    assert_non_null(strstr(text, "gmx, pid 4711"));
    unlink(file);
}

static void test_at_exit_file(void **state)
{
    char pattern[160], path[160];

    (void)state;
    nt__fmt_into(pattern, sizeof pattern, "%s/r-%%r-%%p.json", folder);
    nt__fmt_into(path, sizeof path, "%s/r-3-4711.json", folder);
    at_exit(pattern, NULL);
    assert_string_equal(text, "");
    assert_int_equal(access(path, R_OK), 0);
    unlink(path);
    at_exit(folder, NULL);
    assert_non_null(strstr(text, "folder"));
    at_exit("/dev/full", NULL);
    assert_non_null(strstr(text, "device"));
    at_exit("/dev/full", reuse_stderr_only); /* no complaint into somebody's file */
    assert_int_equal(file_size(), 0);
    unlink(file);
    at_exit("/nonexistent/%p", NULL);
    assert_non_null(strstr(text, "/nonexistent/4711"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static int set_up(void **state)
{
    (void)state;
    unsetenv("NUMATALLY_CONF");
    unsetenv("NUMATALLY_CONF_FILE");
    if (mkdtemp(folder) == NULL)
        return -1;
    nt__fmt_into(file, sizeof file, "%s/report.txt", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(folder);
}

static void test_on_signal(void **state)
{
    (void)state;
    report("off,report_signal:USR1", NULL, nt__report_on_signal);
    assert_non_null(strstr(text, "numatally 0.1.0: gmx, pid 4711"));
    report("exit,report_signal:USR1", NULL, nt__report_on_signal);
    assert_non_null(strstr(text, "numatally 0.1.0: gmx, pid 4711"));
    report("off,report_signal:USR1", reuse_stderr, nt__report_on_signal);
    assert_string_equal(text, "");
    assert_int_equal(file_size(), 0); /* the program's, not stderr any more */
    unlink(file);
    at_exit("off,report_signal:USR1", NULL);
    assert_string_equal(text, "");
    nt__fmt_into(text, sizeof text, "%s,report_signal:USR1", file);
    report(text, NULL, nt__report_on_signal);
    assert_string_equal(text, "");
    assert_true(file_size() > 100);
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expand),         cmocka_unit_test(test_open),
        cmocka_unit_test(test_open_of_others), cmocka_unit_test(test_at_exit_stderr),
        cmocka_unit_test(test_at_exit_file),   cmocka_unit_test(test_on_signal),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
