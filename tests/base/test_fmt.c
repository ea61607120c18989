/* SPDX-License-Identifier: MIT */
/*
 * The printf of src/base/fmt.c against libc's, sinks at their edges, JSON strings
 * from bytes of every kind, and writes that fail or must be tried again.
 */
#include "src/base/fmt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Both printers on the same arguments. */
#define SAME(...)                                                                      \
    do {                                                                               \
        char ours[256], libcs[256];                                                    \
        size_t n = nt__fmt_into(ours, sizeof ours, __VA_ARGS__);                       \
        assert_int_equal(snprintf(libcs, sizeof libcs, __VA_ARGS__), n);               \
        assert_string_equal(ours, libcs);                                              \
    } while (0)

static void test_print_as_libc(void **state)
{
    const char unended[3] = {'a', 'b', 'c'};

    (void)state;
    SAME("plain");
    SAME("%s|%8s|%-8s|%2s", "abc", "abc", "abc", "abc");
    SAME("%.2s|%6.2s|%-6.2s|%.*s", "abc", "abc", "abc", 3, unended);
    SAME("%c%c|%3c|%-3c|", 'x', '%', 'y', 'z');
    SAME("%d %d %d %i", 0, INT_MAX, INT_MIN, -1);
    SAME("%u %x %u", 0u, UINT_MAX, UINT_MAX);
    SAME("%ld %lu %lx %lld %llu %zu", LONG_MIN, ULONG_MAX, 255ul, LLONG_MIN, ULLONG_MAX,
         SIZE_MAX);
    SAME("%5d|%-5d|%05d|%05d|%04x|%2d", 42, 42, 42, -42, 0xab, 12345);
    SAME("%*d|%-*d|%*s", 6, 7, 6, 7, 4, "ab");
    SAME("%p", (void *)&state);
    SAME("100%%");
}

static void test_print_is_cut(void **state)
{
    char buf[8];
    struct nt_fmt f;

    (void)state;
    nt__fmt_init(&f, buf, sizeof buf, -1);
    assert_string_equal(buf, "");
    nt__fmt_str(&f, "12345");
    assert_int_equal(f.cut, 0);
    nt__fmt_print(&f, "%d", 6789);
    assert_string_equal(buf, "1234567");
    assert_int_equal(f.cut, 2);
    nt__fmt_char(&f, 'x');
    assert_string_equal(buf, "1234567");
    assert_int_equal(f.cut, 3);
    assert_int_equal(nt__fmt_flush(&f), 0);
    assert_int_equal(nt__fmt_into(buf, 2, "abc"), 1);
    assert_string_equal(buf, "a");
}

static void test_print_null_string(void **state)
{
    const char *volatile none = NULL;
    char buf[32];

    (void)state;
    nt__fmt_into(buf, sizeof buf, "<%s>", none);
    assert_string_equal(buf, "<(null)>");
}

static void test_sink_flushes(void **state)
{
    char small[4], got[64] = "";
    struct nt_fmt f;
    int p[2];

    (void)state;
    assert_int_equal(pipe(p), 0);
    nt__fmt_init(&f, small, sizeof small, p[1]);
    nt__fmt_str(&f, "longer than four bytes");
    nt__fmt_char(&f, '!');
    assert_int_equal(nt__fmt_flush(&f), 0);
    assert_int_equal(read(p[0], got, sizeof got), 23);
    assert_string_equal(got, "longer than four bytes!");
    close(p[0]);
    close(p[1]);
}

static void test_write_errors(void **state)
{
    char small[4];
    struct nt_fmt f;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int p[2];

    (void)state;
    assert_true(fd >= 0);
    errno = 77;
    nt__fmt_init(&f, small, sizeof small, fd);
    nt__fmt_str(&f, "does not fit anywhere");
    assert_int_equal(nt__fmt_flush(&f), -ENOSPC);
    assert_int_equal(f.error, -ENOSPC);
    assert_int_equal(errno, 77);
    close(fd);
    assert_int_equal(nt__write_all(-1, "x", 1), -EBADF);
    /* A reader that is gone is an error, not a SIGPIPE, now or later. */
    assert_int_equal(pipe(p), 0);
    close(p[0]);
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(nt__write_all(p[1], "x", 1), -EPIPE);
    assert_int_equal(nt__write_all(p[1], "x", 1), -EPIPE);
    close(p[1]);
}

static void test_write_keeps_pending_signal(void **state)
{
    sigset_t set, old, pending;
    int p[2], sig;

    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGPIPE);
    assert_int_equal(pipe(p), 0);
    close(p[0]);
    assert_int_equal(nt__write_all(p[1], "x", 1), -EPIPE);
    close(p[1]);
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGPIPE));
    sigwait(&set, &sig);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void test_write_file_size_limit(void **state)
{
    char path[] = "/tmp/numatally-test-XXXXXX";
    struct rlimit old, limit;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    unlink(path);
    signal(SIGXFSZ, SIG_DFL);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 4;
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(nt__write_all(fd, "12345678", 8), -EFBIG);
    setrlimit(RLIMIT_FSIZE, &old);
    close(fd);
}

static void test_write_waits_for_a_slow_reader(void **state)
{
    enum { BYTES = 1 << 20 };
    char *text = malloc(BYTES);
    size_t sum = 0;
    int p[2], status;
    pid_t pid;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', BYTES);
    assert_int_equal(pipe2(p, O_NONBLOCK), 0);
    pid = fork();
    if (pid == 0) {
        close(p[0]);
        _exit(nt__write_all(p[1], text, BYTES) == 0 ? 0 : 1);
    }
    close(p[1]);
    fcntl(p[0], F_SETFL, 0);
    for (ssize_t n; (n = read(p[0], text, 30000)) > 0;)
        sum += (size_t)n;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(sum, BYTES);
    close(p[0]);
    free(text);
}

static void json_of(const char *s, char *buf, size_t cap)
{
    struct nt_fmt f;

    nt__fmt_init(&f, buf, cap, -1);
    nt__json_str(&f, s);
}

static void test_json_commas(void **state)
{
    char buf[200];
    struct nt_fmt f;

    (void)state;
    nt__fmt_init(&f, buf, sizeof buf, -1);
    nt__json_open(&f, '{');
    nt__json_key(&f, "a");
    nt__json_u64(&f, UINT64_MAX);
    nt__json_key(&f, "b");
    nt__json_open(&f, '[');
    nt__json_i64(&f, INT64_MIN);
    nt__json_null(&f);
    nt__json_open(&f, '[');
    nt__json_close(&f, ']');
    nt__json_open(&f, '{');
    nt__json_close(&f, '}');
    nt__json_bool(&f, true);
    nt__json_close(&f, ']');
    nt__json_key(&f, "c");
    nt__json_bool(&f, false);
    nt__json_close(&f, '}');
    assert_string_equal(buf, "{\"a\":18446744073709551615,\"b\":[-9223372036854775808,"
                             "null,[],{},true],\"c\":false}");
}

static void test_json_strings(void **state)
{
    static const char *const pairs[][2] = {
        {"", "\"\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\n\t\x01\x7f", "\"\\u000a\\u0009\\u0001\\u007f\""},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
         "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"\xff", "\"\\ufffd\""},                                  /* no UTF-8 at all */
        {"\xc3", "\"\\ufffd\""},                                  /* cut short */
        {"\xc0\xaf", "\"\\ufffd\\ufffd\""},                       /* overlong */
        {"\xe0\x80\x80", "\"\\ufffd\\ufffd\\ufffd\""},            /* overlong */
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},            /* a surrogate */
        {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* beyond Unicode */
        {"\xf0\x80\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* overlong */
        {"\xf8z", "\"\\ufffdz\""},
    };
    char buf[64];

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(pairs); i++) {
        json_of(pairs[i][0], buf, sizeof buf);
        assert_string_equal(buf, pairs[i][1]);
    }
}

static void test_name_copy(void **state)
{
    /* copied into 8 bytes, of which the last is 0 */
    static const char *const pairs[][2] = {
        {"", ""},
        {"abc", "abc"},
        {"abcdefg", "abcdefg"},
        {"abcdefgh", "abcdefg"},
        {"abcde\xc3\xa9", "abcde\xc3\xa9"},
        {"abcdef\xc3\xa9", "abcdef"}, /* no half letter */
        {"abcd\xe2\x82\xac", "abcd\xe2\x82\xac"},
        {"abcde\xe2\x82\xac", "abcde"},
        {"abcdef\xe2\x82\xac", "abcdef"},
        {"abc\xf0\x9f\x98\x80", "abc\xf0\x9f\x98\x80"},
        {"abcd\xf0\x9f\x98\x80", "abcd"},
        {"abcdef\xf0\x9f\x98\x80", "abcdef"},
        {"abcdef\xffg", "abcdef\xff"}, /* what is no letter is kept as it is */
        {"abcd\x80\x80\x80\x80\x80", "abcd\x80\x80\x80"},
        {"\x80\x80\x80\x80\x80\x80\x80\x80", "\x80\x80\x80\x80\x80\x80\x80"},
        {"abcdef\xc3", "abcdef\xc3"},
        {"abcdef\xc3g", "abcdef\xc3"},
    };

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(pairs); i++) {
        char out[10], want[8] = {0};

        memset(out, 0x55, sizeof out);
        memcpy(want, pairs[i][1], strlen(pairs[i][1]));
        nt__name_copy(out, 8, pairs[i][0]);
        assert_memory_equal(out, want, 8); /* filled up with 0 */
        assert_int_equal(out[8], 0x55);
    }
}

static void test_name_in_text(void **state)
{
    static const char *const pairs[][2] = {
        {"", "      |"},
        {"abc", "abc   |"},
        {"abcdefgh", "abcdefgh|"},
        {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9   |"}, /* three letters */
        {"a\nb", "a?b   |"},
        {"\x1b[0m\"'", "?[0m\"'|"},
        {"\xff\xc3.", "??.   |"},
        {"\xc2\x9b\xc2\xa0", "?\xc2\xa0    |"}, /* a control character; a blank */
        {"\x7f\t\r", "???   |"},
    };

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(pairs); i++) {
        char buf[64];
        struct nt_fmt f;

        nt__fmt_init(&f, buf, sizeof buf, -1);
        nt__fmt_name(&f, 6, pairs[i][0]);
        nt__fmt_char(&f, '|');
        assert_string_equal(buf, pairs[i][1]);
    }
}

static void test_edit_distance(void **state)
{
    (void)state;
    assert_int_equal(nt__edit_distance("report", 6, "report"), 0);
    assert_int_equal(nt__edit_distance("reprot", 6, "report"), 2);
    assert_int_equal(nt__edit_distance("", 0, "live"), 4);
    assert_int_equal(nt__edit_distance("kitten", 6, "sitting"), 3);
    assert_int_equal(nt__edit_distance("classs", 6, "class"), 1);
}

/* What a child prints to stderr while it does `act`; *status is how it ended. */
static void child_stderr(void (*act)(void), char *out, size_t cap, int *status)
{
    size_t len = 0;
    int p[2];
    pid_t pid;

    assert_int_equal(pipe(p), 0);
    pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        dup2(p[1], STDERR_FILENO);
        act();
        _exit(0);
    }
    close(p[1]);
    for (ssize_t n; (n = read(p[0], out + len, cap - 1 - len)) > 0;)
        len += (size_t)n;
    out[len] = '\0';
    close(p[0]);
    waitpid(pid, status, 0);
}

static void act_warn(void)
{
    errno = 5;
    nt__warn("bad \"%s\" in %d", "a\nb\x1b", 3);
    if (errno != 5)
        _exit(1);
}

static void act_warn_long(void)
{
    static char text[5000];

    memset(text, 'y', sizeof text - 1);
    nt__warn("%s", text);
}

static void act_panic(void)
{
    nt__panic("a == b", "file.c", 12);
}

static void test_warn_and_panic(void **state)
{
    char out[8192];
    int status;

    (void)state;
    child_stderr(act_warn, out, sizeof out, &status);
    assert_int_equal(status, 0);
    assert_string_equal(out, "numatally: bad \"a?b?\" in 3\n");
    child_stderr(act_warn_long, out, sizeof out, &status);
    assert_int_equal(strlen(out), 1024);
    assert_ptr_equal(strchr(out, '\n'), out + 1023);
    child_stderr(act_panic, out, sizeof out, &status);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(out, "a == b"));
    assert_non_null(strstr(out, "file.c:12"));
}

static void test_errno_text(void **state)
{
    (void)state;
    assert_string_equal(nt__errno_text(-ENOSPC), "No space left on device");
    assert_string_equal(nt__errno_text(ENOENT), "No such file or directory");
    assert_string_equal(nt__errno_text(123456), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print_as_libc),
        cmocka_unit_test(test_print_is_cut),
        cmocka_unit_test(test_print_null_string),
        cmocka_unit_test(test_sink_flushes),
        cmocka_unit_test(test_write_errors),
        cmocka_unit_test(test_write_keeps_pending_signal),
        cmocka_unit_test(test_write_file_size_limit),
        cmocka_unit_test(test_write_waits_for_a_slow_reader),
        cmocka_unit_test(test_json_commas),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_name_copy),
        cmocka_unit_test(test_name_in_text),
        cmocka_unit_test(test_edit_distance),
        cmocka_unit_test(test_warn_and_panic),
        cmocka_unit_test(test_errno_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
