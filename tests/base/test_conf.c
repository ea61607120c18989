/* SPDX-License-Identifier: MIT */
/*
 * Settings, read in children with an environment of their own: what is understood,
 * what is complained about (and how often), and that nothing else changes.
 */
#include "tests/base/conf_child.h"

static void write_file(const char *text, size_t len)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
}

static void assert_defaults(void)
{
    assert_string_equal(got->conf.report, "");
    assert_int_equal(got->conf.timeline_ms, 0);
    assert_string_equal(got->conf.live, "");
    assert_int_equal(got->conf.hugepages, NT_HUGEPAGES_AUTO);
    assert_true(got->conf.check);
    assert_int_equal(got->conf.class_count, 0);
    assert_int_equal(got->conf.return_ms, 1000);
    assert_int_equal(got->conf.slab_bytes, 2 * NT_MIB);
    assert_int_equal(got->conf.mark_signal, 0);
    assert_int_equal(got->conf.report_signal, 0);
    assert_int_equal(got->conf.run_pid, 0);
    assert_false(got->wants);
    assert_true(got->live_is_null);
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(load(NULL), 0);
    assert_defaults();
    assert_int_equal(load(""), 0);
    assert_defaults();
    assert_int_equal(load(" , ,, "), 0);
    assert_defaults();
}

static void test_signals(void **state)
{
    static const char *const bad[] = {
        "",     "USR3",    "SIG",      "SIGKILL",   "KILL",     "SEGV", "10",
        "usr1", "RTMIN",   "RTMIN+",   "RTMIN+999", "RTMIN+-1", "TERM", "USR1 USR2",
        "USR",  "RTMIN+x", "SIGRTMIN", "off!",      "RTMAX-1",
    };

    (void)state;
    assert_int_equal(load("mark_signal:USR1,report_signal:SIGUSR2"), 0);
    assert_int_equal(got->conf.mark_signal, SIGUSR1);
    assert_int_equal(got->conf.report_signal, SIGUSR2);
    assert_int_equal(load("mark_signal:HUP,report_signal:SIGQUIT"), 0);
    assert_int_equal(got->conf.mark_signal, SIGHUP);
    assert_int_equal(got->conf.report_signal, SIGQUIT);
    assert_int_equal(load("mark_signal:RTMIN+0,report_signal:SIGRTMIN+5"), 0);
    assert_int_equal(got->conf.mark_signal, SIGRTMIN);
    assert_int_equal(got->conf.report_signal, SIGRTMIN + 5);
    assert_int_equal(load("mark_signal:USR1,mark_signal:off"), 0);
    assert_defaults();
    for (size_t i = 0; i < NT_ARRAY_LEN(bad); i++) {
        char entry[64];

        nt__fmt_into(entry, sizeof entry, "mark_signal:%s", bad[i]);
        assert_int_equal(load(entry), 1);
        assert_non_null(strstr(complaints, "mark_signal"));
        assert_non_null(strstr(complaints, "USR1, USR2 or RTMIN+N"));
        assert_defaults();
    }
}

static void test_every_key(void **state)
{
    (void)state;
    assert_int_equal(load("report:exit,hugepages:thp,check:off,classes:16;32;1K;512K,"
                          "live:/tmp,return:0"),
                     0);
    assert_string_equal(got->conf.report, "exit");
    assert_int_equal(got->conf.hugepages, NT_HUGEPAGES_THP);
    assert_false(got->conf.check);
    assert_int_equal(got->conf.class_count, 4);
    assert_int_equal(got->conf.class_bytes[0], 16);
    assert_int_equal(got->conf.class_bytes[2], 1024);
    assert_int_equal(got->conf.class_bytes[3], 512 * 1024);
    assert_string_equal(got->conf.live, "/tmp");
    assert_string_equal(got->live_dir, "/tmp");
    assert_int_equal(got->conf.return_ms, 0);
    assert_int_equal(load(" report : /x/%h.%r.%p.%%.json , hugepages:hugetlb,live:on"),
                     0);
    assert_string_equal(got->conf.report, "/x/%h.%r.%p.%%.json");
    assert_int_equal(got->conf.hugepages, NT_HUGEPAGES_HUGETLB);
    assert_string_equal(got->conf.live, "/dev/shm");
    assert_int_equal(load("report:exit,report:off,live:on,live:off,check:off,check:on,"
                          "classes:32,classes:default,return:3600000"),
                     0);
    assert_string_equal(got->conf.report, "");
    assert_int_equal(got->conf.class_count, 0);
    assert_int_equal(got->conf.return_ms, 3600000);
    assert_true(got->conf.check && got->live_is_null);
}

static void test_slab(void **state)
{
    static const char *const bad[] = {"",   "0",  "32K", "63K",  "96K", "2M+1",
                                      "4M", "-1", "1G",  "64 K", "off", "1.5M"};

    (void)state;
    for (uint32_t size = 64; size <= 2048; size *= 2) {
        char entry[64];

        nt__fmt_into(entry, sizeof entry, "slab:%uK", size);
        assert_int_equal(load(entry), 0);
        assert_int_equal(got->conf.slab_bytes, size * 1024);
    }
    assert_int_equal(load("slab:131072"), 0);
    assert_int_equal(got->conf.slab_bytes, 131072);
    for (size_t i = 0; i < NT_ARRAY_LEN(bad); i++) {
        char entry[64];

        nt__fmt_into(entry, sizeof entry, "slab:%s", bad[i]);
        assert_int_equal(load(entry), 1);
        assert_non_null(strstr(complaints, "a power of two from 64K to 2M"));
        assert_defaults();
    }
}

static void test_reserve(void **state)
{
    static const char *const bad[] = {
        "",        "1G;2G",   "0=",       "=1G",  "0=1G;0=2G",  "-1=1G",
        "1024=1G", "0=2T",    "2T",       "0 1G", "0=1G;;1=1G", ";0=1G",
        "x",       "0=1G=2G", "node0=1G", "0=-1", "on",         "1.5G",
    };
    static char many[1024];

    (void)state;
    assert_int_equal(load("reserve:512M,prefault:on"), 0);
    assert_true(got->conf.reserve.each == 512 * NT_MIB && got->conf.reserve.count == 0);
    assert_true(got->conf.prefault);
    assert_int_equal(load("reserve: 0 = 1G ; 3=512K; ,prefault:off"), 0);
    assert_true(got->conf.reserve.each == 0 && got->conf.reserve.count == 2);
    assert_true(got->conf.reserve.node[0] == 0 && got->conf.reserve.node[1] == 3);
    assert_true(got->conf.reserve.bytes[0] == NT_GIB &&
                got->conf.reserve.bytes[1] == 512 * NT_KIB);
    assert_false(got->conf.prefault);
    assert_int_equal(load("reserve:0=1G,reserve:off"), 0);
    assert_true(got->conf.reserve.each == 0 && got->conf.reserve.count == 0);
    assert_int_equal(load("reserve:0=1G,reserve:1T"), 0);
    assert_true(got->conf.reserve.each == NT_CONF_RESERVE_MAX &&
                got->conf.reserve.count == 0);
    for (size_t i = 0; i < NT_ARRAY_LEN(bad); i++) {
        char entry[64];

        nt__fmt_into(entry, sizeof entry, "reserve:%s", bad[i]);
        assert_int_equal(load(entry), 1);
        assert_non_null(strstr(complaints, "such as 0=1G;1=512M"));
        assert_true(got->conf.reserve.each == 0 && got->conf.reserve.count == 0);
    }
    for (unsigned n = 0; n < 65; n++)
        nt__fmt_into(many + strlen(many), sizeof many - strlen(many), "%s%u=1M",
                     n == 0 ? "reserve:" : ";", n);
    assert_int_equal(load(many), 1);
    assert_non_null(strstr(complaints, "more than 64 nodes"));
    *strrchr(many, ';') = '\0';
    assert_int_equal(load(many), 0);
    assert_int_equal(got->conf.reserve.count, 64);
    assert_int_equal(load("prefault:yes"), 1);
    assert_non_null(strstr(complaints, "on or off"));
}

static void test_relative_path_is_made_absolute(void **state)
{
    char here[NT_CONF_PATH_MAX], want[NT_CONF_PATH_MAX + 16], odd[64];

    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(load("report:a/b.txt"), 0);
    nt__fmt_into(want, sizeof want, "%s/a/b.txt", here);
    assert_string_equal(got->conf.report, want);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(load("report:b.txt"), 0);
    assert_string_equal(got->conf.report, "/b.txt");
    /* A folder whose name would be taken for a pattern, and one without a name. */
    nt__fmt_into(odd, sizeof odd, "%s/50%%p", folder);
    assert_int_equal(mkdir(odd, 0700), 0);
    assert_int_equal(chdir(odd), 0);
    assert_int_equal(load("report:b.txt"), 1);
    assert_defaults();
    assert_int_equal(rmdir(odd), 0);
    assert_int_equal(load("report:b.txt"), 1);
    assert_defaults();
    assert_int_equal(chdir(here), 0);
}

/* A key of its own it is not, so both a report and a timeline may be asked for. */
static void test_timeline(void **state)
{
    char want[1100], cwd[1000];

    (void)state;
    assert_non_null(getcwd(cwd, sizeof cwd));
    nt__fmt_into(want, sizeof want, "%s/numatally-%%h-%%p.csv", cwd);
    assert_int_equal(load("report:every=1s"), 0);
    assert_int_equal(got->conf.timeline_ms, 1000);
    assert_string_equal(got->conf.timeline, want);
    assert_string_equal(got->conf.report, "");
    assert_int_equal(load("report:exit,report:every=250ms;/t/%h.%r.%p.jsonl"), 0);
    assert_int_equal(got->conf.timeline_ms, 250);
    assert_string_equal(got->conf.timeline, "/t/%h.%r.%p.jsonl");
    assert_string_equal(got->conf.report, "exit");
    assert_int_equal(load("report:every=10ms ; /a%%%p.csv ,report:/b"), 0);
    assert_int_equal(got->conf.timeline_ms, 10);
    assert_string_equal(got->conf.timeline, "/a%%%p.csv");
    assert_string_equal(got->conf.report, "/b");
    assert_int_equal(load("report:every=1440m"), 0);
    assert_int_equal(got->conf.timeline_ms, 24 * 3600 * 1000);
    assert_int_equal(load("report:exit,report:every=2m,report:off"), 0);
    assert_int_equal(got->conf.timeline_ms, 0);
    assert_string_equal(got->conf.report, "");
}

static void test_bad_values(void **state)
{
    static const char *const bad[] = {"report:",
                                      "report:every=",
                                      "report:every=1",
                                      "report:every=s",
                                      "report:every=-1s",
                                      "report:every=9ms",
                                      "report:every=0s",
                                      "report:every=1441m",
                                      "report:every=99999999999999999999s",
                                      "report:every=1h",
                                      "report:every=1.5s",
                                      "report:every=1s;",
                                      "report:every=1s;/x/%p.txt",
                                      "report:every=1s;.csv",
                                      "report:every=1s;/x.csv",
                                      "report:every=1s;/x%%p.csv",
                                      "report:every=1s;/x%p%q.csv",
                                      "report:/a/%q",
                                      "report:/a%",
                                      "hugepages:yes",
                                      "hugepages:",
                                      "check:1",
                                      "check:ON",
                                      "classes:",
                                      "classes:;",
                                      "classes:8",
                                      "classes:24",
                                      "classes:0",
                                      "classes:32;16",
                                      "classes:16;16",
                                      "classes:16;;32",
                                      "classes:513K",
                                      "classes:-16",
                                      "classes:16x",
                                      "classes:99999999999999999999",
                                      "classes:K",
                                      "live:",
                                      "return:",
                                      "return:-1",
                                      "return:3600001",
                                      "return:1s",
                                      "return:18446744073709551617",
                                      "return:1 0"};

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(bad); i++) {
        if (load(bad[i]) != 1)
            fail_msg("%s: not one line: %s", bad[i], complaints);
        assert_defaults();
        assert_non_null(strstr(complaints, "NUMATALLY_CONF"));
        assert_non_null(strstr(complaints, "it may be"));
    }
}

static void test_too_long(void **state)
{
    static char text[200000];
    size_t n = 0;

    (void)state;
    strcpy(text, "report:/");
    memset(text + 8, 'a', 5000);
    assert_int_equal(load(text), 1);
    assert_defaults();
    assert_true(strlen(complaints) < 400);
    memset(text, 'k', 100000);
    text[100000] = '\0';
    assert_int_equal(load(text), 1);
    assert_defaults();
    strcpy(text, "classes:");
    n = strlen(text);
    for (unsigned i = 1; i <= 128; i++)
        n += nt__fmt_into(text + n, sizeof text - n, "%u;", i * 16);
    assert_int_equal(load(text), 1);
    assert_non_null(strstr(complaints, "more than 127"));
    assert_defaults();
    *strstr(text, "2048;") = '\0';
    assert_int_equal(load(text), 0);
    assert_int_equal(got->conf.class_count, 127);
}

static void test_unknown_key_names_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(load("reprot:exit,check:off"), 1);
    assert_non_null(strstr(complaints, "\"reprot\""));
    assert_non_null(strstr(complaints, "\"report\""));
    assert_false(got->conf.check);
    assert_int_equal(load("hugpages:thp,lives:on,foo:bar"), 1); /* once */
    assert_non_null(strstr(complaints, "\"hugepages\""));
    assert_int_equal(load("return"), 1);
    assert_non_null(strstr(complaints, "no value"));
    assert_int_equal(load("check:x,check:y,check:z"), 1); /* once a key */
    assert_defaults();
}

static void test_garbage(void **state)
{
    char text[512];
    unsigned seed = 1;

    (void)state;
    assert_int_equal(load("\x01\x02\xff\xfe:\x03,:::,::,:"), 1);
    assert_defaults();
    for (size_t i = 0; complaints[i] != '\0'; i++)
        assert_true(complaints[i] == '\n' || (unsigned char)complaints[i] >= 0x20);
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof text - 1; i++) {
            seed = seed * 1103515245 + 12345;
            text[i] = (char)(1 + (seed >> 16) % 255);
        }
        text[sizeof text - 1] = '\0';
        assert_true(load(text) <= 7);
    }
}

static void test_file(void **state)
{
    static const char text[] = "# a comment\n\n  check : off # why not\r\nreturn:5\n"
                               "report:/a,b.json\nlive:/tmp";

    (void)state;
    write_file(text, sizeof text - 1);
    setenv("NUMATALLY_CONF_FILE", file, 1);
    assert_int_equal(load("return:6"), 0);
    assert_false(got->conf.check);
    assert_int_equal(got->conf.return_ms, 6); /* the variable wins */
    assert_string_equal(got->conf.report, "/a,b.json");
    assert_string_equal(got->conf.live, "/tmp");
    write_file("", 0);
    assert_int_equal(load(NULL), 0);
    assert_defaults();
    write_file("check:maybe\n\0\xff\n", 15);
    assert_int_equal(load(NULL), 2);
    assert_non_null(strstr(complaints, "NUMATALLY_CONF_FILE"));
    assert_defaults();
    unsetenv("NUMATALLY_CONF_FILE");
}

static void test_bad_file(void **state)
{
    static char large[20000];

    (void)state;
    setenv("NUMATALLY_CONF_FILE", "/nonexistent/file", 1);
    assert_int_equal(load("check:off"), 1);
    assert_non_null(strstr(complaints, "/nonexistent/file"));
    assert_false(got->conf.check);
    setenv("NUMATALLY_CONF_FILE", "/tmp", 1);
    assert_int_equal(load(NULL), 1);
    assert_non_null(strstr(complaints, ": not a regular file; none"));
    setenv("NUMATALLY_CONF_FILE", "/dev/zero", 1);
    assert_int_equal(load(NULL), 1);
    unlink(file);
    assert_int_equal(mkfifo(file, 0600), 0); /* must not hang */
    setenv("NUMATALLY_CONF_FILE", file, 1);
    assert_int_equal(load(NULL), 1);
    unlink(file);
    memset(large, '\n', sizeof large);
    write_file(large, sizeof large);
    assert_int_equal(load(NULL), 1);
    assert_non_null(strstr(complaints, "16384"));
    assert_defaults();
    write_file(large, 16384);
    assert_int_equal(load(NULL), 0);
    setenv("NUMATALLY_CONF_FILE", "", 1);
    assert_int_equal(load(NULL), 0);
    unsetenv("NUMATALLY_CONF_FILE");
}

static void test_describe(void **state)
{
    char text[2048];
    struct nt_fmt f;

    (void)state;
    nt__fmt_init(&f, text, sizeof text, -1);
    nt__conf_describe(&f);
    assert_int_equal(f.cut, 0);
    assert_non_null(strstr(text, "report:off"));
    assert_non_null(strstr(text, "return:1000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_slab),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_relative_path_is_made_absolute),
        cmocka_unit_test(test_timeline),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_unknown_key_names_the_nearest),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_bad_file),
        cmocka_unit_test(test_describe),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
