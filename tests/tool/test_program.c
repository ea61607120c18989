/* SPDX-License-Identifier: MIT */
/* Finding the program that is to run: as execvp would, with its exit statuses. */
#include "src/tool/tool.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/numatally-test-program-XXXXXX";

static char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void make(const char *name, const char *text, mode_t mode)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void test_paths(void **state)
{
    (void)state;
    char *path = NULL;
    make("script", "#!/bin/sh\nexit 0\n", 0755);
    make("data", "no program", 0644);
    assert_int_equal(nt__tool_find_program(in_folder("script"), &path), 0);
    assert_string_equal(path, in_folder("script"));
    free(path);
    assert_int_equal(nt__tool_find_program(in_folder("none"), &path), 127);
    assert_int_equal(nt__tool_find_program(in_folder("data"), &path), 126);
    assert_int_equal(nt__tool_find_program(folder, &path), 126);
}

static void test_search(void **state)
{
    (void)state;
    char *path = NULL;
    make("nt-test-script", "#!/bin/sh\nexit 0\n", 0755);
    assert_int_equal(nt__tool_find_program("nt-test-script", &path), 127);
    assert_int_equal(setenv("PATH", folder, 1), 0);
    assert_int_equal(nt__tool_find_program("nt-test-script", &path), 0);
    assert_string_equal(path, in_folder("nt-test-script"));
    free(path);
}

static void test_formats(void **state)
{
    (void)state;
    assert_int_equal(nt__tool_format("text"), NT_FORMAT_TEXT);
    assert_int_equal(nt__tool_format("json"), NT_FORMAT_JSON);
    assert_int_equal(nt__tool_format("xml"), -1);
}

static int finish(void **state)
{
    (void)state;
    const char *names[] = {"script", "data", "nt-test-script"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_paths),
                                       cmocka_unit_test(test_search),
                                       cmocka_unit_test(test_formats)};
    if (!mkdtemp(folder))
        return 1;
    return cmocka_run_group_tests(tests, NULL, finish);
}
