/* SPDX-License-Identifier: MIT */
/* What a process knows of itself beside the settings: `numatally run` above it, its rank. */
#include "tests/base/conf_child.h"

static void test_run(void **state)
{
    static const char *const bad[] = {
        "",    "x:/tmp:1", "12",     "12:",       "12:/tmp",
        ":::", "12::1",    "12:t:1", "-1:/tmp:0", "99999999999999:/tmp:1"};

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(bad); i++) {
        setenv("NUMATALLY_RUN", bad[i], 1);
        assert_int_equal(load(NULL), 0);
        assert_false(got->wants);
    }
    setenv("NUMATALLY_RUN", "1:/run/a:b:0", 1); /* another process is the one */
    assert_int_equal(load("live:/tmp"), 0);
    assert_int_equal(got->conf.run_pid, 1);
    assert_string_equal(got->conf.run_dir, "/run/a:b");
    assert_false(got->wants);
    assert_string_equal(got->live_dir, "/tmp");
    setenv("NUMATALLY_RUN", "1:/run/a:1", 1);
    assert_int_equal(load("live:/tmp"), 0);
    assert_true(got->wants && got->conf.run_children);
    assert_string_equal(got->live_dir, "/run/a");
    setenv("NUMATALLY_RUN", "1:/run/a:r", 1);
    assert_int_equal(load(NULL), 0);
    assert_false(got->wants);
    setenv("PMIX_RANK", "3", 1);
    assert_int_equal(load(NULL), 0);
    assert_true(got->wants);
    assert_int_equal(got->rank, 3);
    setenv("NUMATALLY_RUN", "1:/run/a:0", 1);
    assert_int_equal(load(NULL), 0);
    assert_false(got->wants);
    assert_false(got->conf.run_job);
    /* As 0 and r, with one report of the job. */
    setenv("NUMATALLY_RUN", "1:/run/a:j", 1);
    assert_int_equal(load(NULL), 0);
    assert_true(got->conf.run_job && !got->wants);
    setenv("NUMATALLY_RUN", "1:/run/a:m", 1);
    assert_int_equal(load(NULL), 0);
    assert_true(got->conf.run_job && got->wants && !got->conf.run_children);
    unsetenv("PMIX_RANK");
    unsetenv("NUMATALLY_RUN");
}

static void test_one_report(void **state)
{
    static const struct {
        const char *entries;
        bool one;
    } cases[] = {{NULL, false},
                 {"report:exit", true},
                 {"report:/tmp/a.json", true},
                 {"report:/tmp/%h.json", true},
                 {"report:/tmp/%%r.json", true},
                 {"report:/tmp/%r.json", false},
                 {"report:/tmp/%h-%p.json", false},
                 {"report:/tmp/%%%r.json", false}};

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        assert_int_equal(load(cases[i].entries), 0);
        assert_int_equal(got->report_is_one, cases[i].one);
    }
}

static void test_run_of_this_process(void **state)
{
    char text[64];
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        pid_t inner;

        nt__fmt_into(text, sizeof text, "%d:/run/a:0", (int)getpid());
        setenv("NUMATALLY_RUN", text, 1);
        nt__conf_load();
        if (!nt__conf_run_wants())
            _exit(1);
        inner = fork();
        if (inner == 0)
            _exit(nt__conf_run_wants() ? 2 : 0);
        waitpid(inner, &status, 0);
        _exit(WEXITSTATUS(status));
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void test_rank(void **state)
{
    static const char *const names[] = {"SLURM_PROCID", "OMPI_COMM_WORLD_RANK",
                                        "PMI_RANK", "PMIX_RANK"};

    (void)state;
    assert_int_equal(load(NULL), 0);
    assert_int_equal(got->rank, -1);
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++) {
        char value[8];

        nt__fmt_into(value, sizeof value, "%zu", i + 10);
        setenv(names[i], value, 1);
        load(NULL);
        assert_int_equal(got->rank, i + 10);
    }
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++)
        setenv(names[i], "-7x", 1);
    load(NULL);
    assert_int_equal(got->rank, -1);
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++)
        unsetenv(names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_one_report),
        cmocka_unit_test(test_run_of_this_process),
        cmocka_unit_test(test_rank),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
