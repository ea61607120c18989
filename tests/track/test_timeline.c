/* SPDX-License-Identifier: MIT */
/*
 * The timeline's file: its rows, its bound, and files that somebody else has changed. Each
 * act reads the settings anew, so in a child.
 */
#include "src/track/timeline.h"

#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/track/report.h"
#include "tests/child.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct nt_snapshot s;
static char folder[] = "/tmp/numatally-timeline-XXXXXX";
static char file[128], text[1 << 20];

static void start(const char *suffix, unsigned nodes)
{
    char conf[256];

    nt__fmt_into(conf, sizeof conf, "report:every=10ms;%s/%%h-%%p.%s", folder, suffix);
    setenv("NUMATALLY_CONF", conf, 1);
    nt__conf_load();
    nt__report_start();
    s.pid = getpid();
    s.rank = -1;
    s.nodes = nodes;
    s.start_unix_ns = 1000000000000000000;
    strcpy(s.host, "host");
    for (unsigned n = 0; n < nodes; n++)
        s.node_id[n] = (int32_t)(2 * n);
    nt__fmt_into(file, sizeof file, "%s/host-%d.%s", folder, (int)getpid(), suffix);
}

/* A row whose figures are made of `k`. */
static void row(uint64_t k)
{
    s.now_unix_ns = s.start_unix_ns + k * 1000000;
    for (unsigned n = 0; n < s.nodes; n++) {
        s.node[n].live_bytes_now = k;
        s.node[n].committed_bytes_now = k + 1;
        s.node[n].allocations_total = k + 2;
        s.node[n].frees_total = k + 3;
        s.node[n].remote_frees_total = k + 4 + n;
    }
    nt__timeline_write(&s);
}

static const char *content(void)
{
    int fd = open(file, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static int act_csv(void)
{
    struct stat st;

    start("csv", 2);
    CHECK(nt__timeline_goes_on() && nt__timeline_pause_ms() == 10);
    row(7);
    row(12345);
    CHECK(strcmp(content(), "unix_ns,seconds,live_bytes_now.0,committed_bytes_now.0,"
                            "allocations_total.0,frees_total.0,remote_frees_total.0,"
                            "live_bytes_now.2,committed_bytes_now.2,"
                            "allocations_total.2,frees_total.2,remote_frees_total.2\n"
                            "1000000000007000000,0.007,7,8,9,10,11,7,8,9,10,12\n"
                            "1000000012345000000,12.345,12345,12346,12347,12348,12349,"
                            "12345,12346,12347,12348,12350\n") == 0);
    CHECK(stat(file, &st) == 0 && (st.st_mode & 07777) == 0600);
    /* A child's is another file, from the beginning. */
    nt__timeline_fork_child();
    s.pid = 1;
    row(7);
    CHECK(strlen(content()) > 300);
    nt__fmt_into(file, sizeof file, "%s/host-1.csv", folder);
    CHECK(strncmp(content(), "unix_ns,", 8) == 0);
    unlink(file);
    return 0;
}

static int act_jsonl(void)
{
    start("jsonl", 1);
    row(1000);
    row(2001);
    CHECK(strcmp(content(),
                 "{\"unix_ns\":1000000001000000000,\"seconds\":1.000,\"nodes\":["
                 "{\"node\":0,\"live_bytes_now\":1000,\"committed_bytes_now\":1001,"
                 "\"allocations_total\":1002,\"frees_total\":1003,"
                 "\"remote_frees_total\":1004}]}\n"
                 "{\"unix_ns\":1000000002001000000,\"seconds\":2.001,\"nodes\":["
                 "{\"node\":0,\"live_bytes_now\":2001,\"committed_bytes_now\":2002,"
                 "\"allocations_total\":2003,\"frees_total\":2004,"
                 "\"remote_frees_total\":2005}]}\n") == 0);
    return 0;
}

/* However many rows: below the bound, and rarer towards it. */
static int bounded(const char *suffix)
{
    struct stat st;
    uint64_t pause = 0, whole = (uint64_t)1 << 60;

    start(suffix, NT_NODES_MAX);
    for (int i = 0; i < 8000; i++) {
        row(whole + (unsigned)i);
        CHECK(stat(file, &st) == 0 && (uint64_t)st.st_size <= NT_TIMELINE_BYTES);
        CHECK(nt__timeline_pause_ms() >= pause);
        pause = nt__timeline_pause_ms();
        CHECK(pause == 10 || (uint64_t)st.st_size >= NT_TIMELINE_BYTES / 2);
        CHECK(pause != 10 || (uint64_t)st.st_size < NT_TIMELINE_BYTES / 2);
    }
    CHECK(pause > 10 * 64 && (uint64_t)st.st_size > NT_TIMELINE_BYTES - 100000);
    return 0;
}

static int act_bounded_csv(void)
{
    return bounded("csv");
}

static int act_bounded_jsonl(void)
{
    return bounded("jsonl");
}

/* One line, and nothing more is written, whatever comes. */
static int ends(void)
{
    CHECK(!nt__timeline_goes_on());
    content();
    static char before[4096];
    strcpy(before, text);
    row(3);
    CHECK(strcmp(content(), before) == 0);
    return 7; /* the line is looked at by the parent */
}

static int act_foreign(void)
{
    start("csv", 1);
    row(1);
    int fd = open(file, O_WRONLY | O_APPEND);
    CHECK(write(fd, "x\n", 2) == 2);
    close(fd);
    row(2);
    CHECK(strstr(content(), "x\n") == text + strlen(text) - 2);
    return ends();
}

static int act_replaced(void)
{
    start("csv", 1);
    row(1);
    unlink(file);
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    close(fd);
    row(2);
    CHECK(content()[0] == '\0');
    return ends();
}

static int act_gone(void)
{
    start("csv", 1);
    row(1);
    unlink(file);
    row(2);
    CHECK(access(file, F_OK) != 0);
    return ends();
}

static int act_link(void)
{
    char target[128];

    start("csv", 1);
    nt__fmt_into(target, sizeof target, "%s/target", folder);
    CHECK(symlink(target, file) == 0);
    row(1);
    CHECK(access(target, F_OK) != 0);
    return ends();
}

/* What the limit leaves of a row is taken away again. */
static int act_full(void)
{
    start("csv", 2);
    row(1);
    size_t length = strlen(content());
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){length + 10, length + 10});
    row(2);
    CHECK(strlen(content()) == length);
    return ends();
}

static void ends_with(int (*act)(void), const char *words)
{
    char said[4096];
    int status = child_status(act, said, sizeof said);
    const char *line = strchr(said, '\n');

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 7 || !strstr(said, words) ||
        !strstr(said, "timeline in") || !line || line[1] != '\0')
        fail_msg("status 0x%x, said: %s", (unsigned)status, said);
}

static void test_ends(void **state)
{
    (void)state;
    ends_with(act_foreign, "no more timeline in");
    ends_with(act_foreign, "somebody else has changed it");
    ends_with(act_replaced, "somebody else has changed it");
    ends_with(act_gone, "No such file");
    ends_with(act_link, "is a symbolic link");
    ends_with(act_full, "File too large");
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    char command[256];

    (void)state;
    nt__fmt_into(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        ACT(csv),
        ACT(jsonl),
        ACT(bounded_csv),
        ACT(bounded_jsonl),
        cmocka_unit_test(test_ends),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
