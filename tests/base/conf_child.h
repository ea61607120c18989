/* SPDX-License-Identifier: MIT */
/* Settings read in a child with an environment of its own: what it got, what it complained. */
#ifndef NT_TESTS_BASE_CONF_CHILD_H
#define NT_TESTS_BASE_CONF_CHILD_H

#include "src/base/conf.h"
#include "src/base/fmt.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What a child that loaded its settings left behind. */
static struct shared {
    struct nt_conf conf;
    bool wants;
    bool report_is_one;
    bool live_is_null;
    char live_dir[NT_CONF_PATH_MAX];
    int64_t rank;
} * got;
static char complaints[65536];
static char folder[] = "/tmp/numatally-conf-XXXXXX";
static char file[64];

static void in_child(const char *entries)
{
    if (entries != NULL)
        setenv("NUMATALLY_CONF", entries, 1);
    if (strcmp(nt__conf()->report, "") != 0 || !nt__conf()->check)
        _exit(2); /* the defaults, before anything was read */
    nt__conf_load();
    nt__conf_load();
    got->conf = *nt__conf();
    got->wants = nt__conf_run_wants();
    got->report_is_one = nt__conf_report_is_one();
    got->rank = nt__conf_rank();
    got->live_is_null = nt__conf_live_dir() == NULL;
    if (!got->live_is_null)
        nt__fmt_into(got->live_dir, sizeof got->live_dir, "%s", nt__conf_live_dir());
    _exit(0);
}

/* Load with these entries in a child. Returns how many lines it complained. */
static int load(const char *entries)
{
    size_t len = 0;
    int p[2], status, lines = 0;
    pid_t pid;

    memset(got, 0x5a, sizeof *got);
    assert_int_equal(pipe(p), 0);
    pid = fork();
    if (pid == 0) {
        dup2(p[1], STDERR_FILENO);
        in_child(entries);
    }
    close(p[1]);
    for (ssize_t n;
         (n = read(p[0], complaints + len, sizeof complaints - 1 - len)) > 0;)
        len += (size_t)n;
    complaints[len] = '\0';
    close(p[0]);
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    for (size_t i = 0; i < len; i++)
        lines += complaints[i] == '\n';
    return lines;
}

static int set_up(void **state)
{
    static const char *const names[] = {
        "NUMATALLY_CONF", "NUMATALLY_CONF_FILE",  "NUMATALLY_RUN", "PMIX_RANK",
        "PMI_RANK",       "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"};

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    got = mmap(NULL, sizeof *got, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
               -1, 0);
    if (got == MAP_FAILED || mkdtemp(folder) == NULL)
        return -1;
    nt__fmt_into(file, sizeof file, "%s/conf", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(folder);
}

#endif
