/* SPDX-License-Identifier: MIT */
/* Where doctor's knowledge comes from: files below a root, other processes, ELF files. */
#include "src/tool/doctor.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/numatally-test-doctor-XXXXXX";
static struct nt_doctor doctor = {.root = folder};

static void make(const char *name, const char *text, size_t length)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, length, f), length);
    assert_int_equal(fclose(f), 0);
}

static void test_files(void **state)
{
    (void)state;
    make("file", "one\ntwo\n\n \t\n", 12);
    char *text = nt__doctor_file(&doctor, "/file");
    assert_string_equal(text, "one\ntwo");
    free(text);
    assert_null(nt__doctor_file(&doctor, "/none"));
    make("file", "", 0);
    text = nt__doctor_file(&doctor, "/file");
    assert_string_equal(text, "");
    free(text);
    /* More than is kept: read to its end, and cut. */
    char *large = malloc(1 << 20);
    memset(large, 'x', 1 << 20);
    make("file", large, 1 << 20);
    free(large);
    text = nt__doctor_file(&doctor, "/file");
    assert_int_equal(strlen(text), 256 * 1024);
    free(text);
    assert_true(nt__doctor_may(&doctor, "/file", R_OK));
    assert_false(nt__doctor_may(&doctor, "/none", R_OK));
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        uint64_t n;
    } cases[] = {{"42\n", true, 42},
                 {"0\n", true, 0},
                 {"18446744073709551615", true, UINT64_MAX},
                 {"max\n", false, 0},
                 {"-1\n", false, 0},
                 {"", false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t n = 7;
        make("file", cases[i].text, strlen(cases[i].text));
        assert_int_equal(nt__doctor_number(&doctor, "/file", &n), cases[i].good);
        assert_int_equal(n, cases[i].good ? cases[i].n : 7);
    }
    uint64_t n;
    assert_false(nt__doctor_number(&doctor, "/none", &n));
}

static void test_fields(void **state)
{
    (void)state;
    static const char text[] =
        "Mem: 1\nMemTotal:  2048 kB\nCpus:\t0-3\nEmpty:\nLast: x";
    make("file", text, sizeof text - 1);
    char *field = nt__doctor_field(&doctor, "/file", "Cpus");
    assert_string_equal(field, "0-3");
    free(field);
    field = nt__doctor_field(&doctor, "/file", "Empty");
    assert_string_equal(field, "");
    free(field);
    field = nt__doctor_field(&doctor, "/file", "Last");
    assert_string_equal(field, "x");
    free(field);
    assert_null(nt__doctor_field(&doctor, "/file", "Total"));
    assert_int_equal(nt__doctor_bytes(&doctor, "/file", "MemTotal"), 2048 * 1024);
    assert_int_equal(nt__doctor_bytes(&doctor, "/file", "Nothing"), 0);
}

static void test_processes(void **state)
{
    (void)state;
    char *shell[] = {"/bin/sh", "-c", "echo \"$A$HOME.\"; echo error >&2; exit 3",
                     NULL};
    static const char *const changes[] = {"A=b", "HOME", NULL};
    int status = 0;
    char *text = nt__doctor_run(shell, changes, true, &status);
    assert_string_equal(text, "b.\nerror");
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
    free(text);
    text = nt__doctor_run(shell, changes, false, &status);
    assert_string_equal(text, "error");
    free(text);
    char *none[] = {"/nonexistent", NULL};
    text = nt__doctor_run(none, changes, true, &status);
    assert_string_equal(text, "");
    assert_int_equal(WEXITSTATUS(status), 126);
    free(text);
}

static void test_settings(void **state)
{
    (void)state;
    struct nt_conf conf;
    setenv("NUMATALLY_CONF", "hugepages:thp,return:5,nonsense,live:/x", 1);
    nt__doctor_settings(&conf);
    assert_int_equal(conf.hugepages, NT_HUGEPAGES_THP);
    assert_int_equal(conf.return_ms, 5);
    assert_string_equal(conf.live, "/x");
    unsetenv("NUMATALLY_CONF");
    nt__doctor_settings(&conf); /* nothing was kept in this process */
    assert_int_equal(conf.hugepages, NT_HUGEPAGES_AUTO);
    assert_int_equal(conf.return_ms, 1000);
}

static void test_binaries(void **state)
{
    (void)state;
    struct nt_binary b;
    nt__binary_read(&b, "/proc/self/exe");
    assert_true(b.is_elf);
    assert_int_equal(b.elf_class, ELFCLASS64);
    assert_non_null(b.interpreter);
    assert_int_equal(b.has & NT_HAS_MALLOC, 0);
    assert_false(b.go);
    nt__binary_free(&b);
    make("file", "#!/bin/sh\n", 10);
    char path[128];
    snprintf(path, sizeof path, "%s/file", folder);
    nt__binary_read(&b, path);
    assert_false(b.is_elf);
    nt__binary_read(&b, folder);
    assert_false(b.is_elf);
    nt__binary_read(&b, "/nonexistent");
    assert_false(b.is_elf);
    assert_string_equal(nt__binary_machine(EM_X86_64), "x86-64");
    assert_string_equal(nt__binary_machine(4711), "machine 4711");
    assert_string_equal(nt__malloc_of_library("libtcmalloc_minimal.so.4"), "tcmalloc");
    assert_null(nt__malloc_of_library("libc.so.6"));
    assert_null(nt__malloc_of_library("jemalloc"));
}

static int finish(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/file", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),    cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_fields),   cmocka_unit_test(test_processes),
        cmocka_unit_test(test_settings), cmocka_unit_test(test_binaries)};
    if (!mkdtemp(folder))
        return 1;
    return cmocka_run_group_tests(tests, NULL, finish);
}
