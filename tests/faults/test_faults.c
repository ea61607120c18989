/* SPDX-License-Identifier: MIT */
/*
 * Each system call fails, one by one and at random, and nothing else does.
 *
 * A scenario is run once with nothing failing, which counts its calls by kind; then, each
 * time in a fresh process, with the k-th call of a kind failing, for every k; with all from
 * the k-th on; and with one in n of all calls, by seeds. In each of them: no crash; NULL
 * with ENOMEM, or the block; what is in use as it was written; the figures exact; nothing on
 * stderr that is not the library's own word on a file it was told to write. Then calls work
 * again: the heap passes invariants.h, all that was freed goes back, and the scenario runs
 * once more, without a NULL if the library could start at all.
 *
 *   test_faults                     all; NT_FAULTS_LONG=1: with each k and more seeds
 *   test_faults SCENARIO CALL K     one of these again; CALL may be "random", K the seed
 */
#define _GNU_SOURCE
#include "tests/faults/invariants.h"
#include "tests/faults/scenarios.h"
#include "tests/faults/seam.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <numatally/numatally.h>
#include <numatally/stats.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    bool thorough;
    unsigned runs, bad;
    char work[64];
    uint64_t *calls; /* shared with children: what the scenario made */
} t;

/* ---- In the child ----------------------------------------------------------------------- */

static unsigned descriptors(void)
{
    unsigned n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        n++;
    if (folder)
        closedir(folder);
    return n;
}

/* Figures as the ledger has them. */
static const char *uncounted(void)
{
    static struct nt_snapshot s;
    if (nt_snapshot(&s) != 0)
        return "no snapshot";
    if (s.total.allocations_total - s.total.frees_total != (uint64_t)ledger.blocks)
        return "blocks in use are not what the figures say";
    if (s.total.live_bytes_now != (uint64_t)ledger.bytes)
        return "bytes in use are not what the figures say";
    if (!ledger.reallocs && s.total.allocations_total != ledger.taken)
        return "allocations are not what the figures say";
    if (s.total.live_bytes_peak < s.total.live_bytes_now)
        return "the peak is below what is in use";
    return NULL;
}

static const char *look(void)
{
    if (ledger.wrong)
        return ledger.wrong;
    const char *broken = uncounted();
    return broken ? broken : invariants_broken();
}

static int child(const struct scenario *s)
{
    unsigned open_before = descriptors();
    pthread_key_t key; /* the first there is: not the library's, whatever it gets */
    if (pthread_key_create(&key, NULL) != 0 || pthread_setspecific(key, s) != 0)
        return 8;
    alarm(120);
    seam_arm();
    s->run();
    seam_disarm();
    for (unsigned i = 0; i < SEAM_COUNT; i++)
        t.calls[i] = seam_calls[i];
    const char *broken = look();
    if (!broken) {
        uint64_t taken = ledger.taken;
        s->run();
        if (ledger.taken == taken)
            broken = "no block is to be had once calls work again";
        else
            broken = look();
    }
    nt_purge();
    if (!broken && invariants_cached() != 0)
        broken = "freed memory that does not go back";
    if (!broken)
        broken = look();
    if (!broken && pthread_getspecific(key) != s)
        broken = "another's thread-specific value was changed";
    /* stderr's copy, where reports go there, and what a timeline has open */
    if (!broken && descriptors() > open_before)
        broken = "a descriptor stays open";
    if (broken)
        fprintf(stderr, "BROKEN %s\n", broken);
    return broken ? 9 : 0;
}

/* ---- Runs ------------------------------------------------------------------------------- */

/* Every line is the library's own, and was asked for. */
static bool may_say(const struct scenario *s, const char *text)
{
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
        if (!s->may_warn || strncmp(line, "numatally: ", 11) != 0 ||
            !strchr(line, '\n'))
            return false;
    return true;
}

static void describe(const struct scenario *s)
{
    printf("FAIL %s: ", s->name);
    if (seam.call == SEAM_COUNT)
        printf("random %llu, one in %llu", (unsigned long long)seam.random,
               (unsigned long long)seam.at);
    else
        printf("%s %llu%s (%s)", seam_name[seam.call], (unsigned long long)seam.at,
               seam.from ? " and on" : "",
               strerrorname_np(seam.error ? seam.error : seam_usual[seam.call]));
    printf("%s: ", seam.torn ? ", torn" : "");
}

static void run(const struct scenario *s)
{
    static char text[8192], conf[512];
    int said = memfd_create("stderr", 0), status = -1;
    fflush(NULL);
    memset(t.calls, 0, SEAM_COUNT * sizeof *t.calls);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(said, STDERR_FILENO);
        close(said);
        snprintf(conf, sizeof conf, s->conf, t.work);
        setenv("NUMATALLY_CONF", conf, 1);
        seam.nodes = s->nodes;
        seam.no_place = s->no_place;
        exit(child(s));
    }
    waitpid(pid, &status, 0);
    ssize_t n = pread(said, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(said);
    t.runs++;
    if (status == 0 && may_say(s, text))
        return;
    describe(s);
    printf("status 0x%x: %s\n", (unsigned)status, text);
    if (++t.bad >= 40) {
        printf("so many are enough\n");
        exit(1);
    }
}

/* The errors beside the usual one that change what the library does. */
static const struct {
    int call, error;
} others[] = {
    {SEAM_mmap, EEXIST},    {SEAM_mmap, EAGAIN},
    {SEAM_madvise, EINVAL}, {SEAM_madvise, EAGAIN},
    {SEAM_mbind, EINVAL},   {SEAM_mbind, ENOSYS},
    {SEAM_mbind, EIO},      {SEAM_mremap, EINVAL},
    {SEAM_mremap, EFAULT},  {SEAM_read, EINTR},
    {SEAM_write, EINTR},    {SEAM_write, EAGAIN},
    {SEAM_open, EINTR},     {SEAM_open, ENOSYS},
    {SEAM_mincore, ENOMEM}, {SEAM_posix_fallocate, EINTR},
};

/* Every k at first, then fewer and fewer. */
static uint64_t after(uint64_t k)
{
    return t.thorough || k < 4 ? k + 1 : k + k / 2;
}

static void one_by_one(const struct scenario *s, int call, uint64_t most, int error)
{
    seam.call = call;
    seam.error = error;
    for (uint64_t k = 1; k <= most; k = after(k)) {
        seam.at = k;
        seam.from = false;
        run(s);
        bool tears = call == SEAM_mremap || (call == SEAM_mmap && !error);
        if (tears) {
            seam.torn = true;
            run(s);
            seam.torn = false;
        }
        seam.from = true;
        /* A call that is tried again until it works would be so for ever. */
        if (error != EINTR && error != EAGAIN && (k < 4 || t.thorough))
            run(s);
        seam.from = false;
    }
    seam.error = 0;
}

static void at_random(const struct scenario *s)
{
    static const uint64_t one_in[] = {2, 5, 20, 100};
    seam.call = SEAM_COUNT;
    for (seam.random = 1; seam.random <= (t.thorough ? 400 : 8); seam.random++) {
        seam.at = one_in[seam.random % 4];
        seam.torn = seam.random % 8 >= 4;
        run(s);
    }
    seam.torn = false;
}

static void scenario(const struct scenario *s)
{
    uint64_t made[SEAM_COUNT];
    unsigned runs = t.runs;
    seam.at = 0;
    seam.call = SEAM_mmap;
    run(s);
    memcpy(made, t.calls, sizeof made);
    for (int c = 0; c < SEAM_COUNT; c++)
        one_by_one(s, c, made[c], 0);
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
        if (t.thorough || made[others[i].call] < 3)
            one_by_one(s, others[i].call, made[others[i].call], others[i].error);
        else
            one_by_one(s, others[i].call, 6, others[i].error);
    at_random(s);
    printf("%-16s %5u runs:", s->name, t.runs - runs);
    for (int c = 0; c < SEAM_COUNT; c++)
        if (made[c] != 0)
            printf(" %s %llu", seam_name[c], (unsigned long long)made[c]);
    printf("\n");
}

/* ---- The folder ------------------------------------------------------------------------- */

static void put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", seam.folder, name);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
        perror(path);
        exit(2);
    }
}

/* A machine of two nodes with a cpu each, the test's work beside it. */
static void make_folder(void)
{
    char path[128];
    snprintf(t.work, sizeof t.work, "/tmp/nt-faults-XXXXXX");
    if (!mkdtemp(t.work)) {
        perror(t.work);
        exit(2);
    }
    snprintf(seam.folder, sizeof seam.folder, "%.40s/node", t.work);
    mkdir(seam.folder, 0700);
    put("online", "0-1\n");
    put("has_memory", "0-1\n");
    for (int i = 0; i < 2; i++) {
        char name[32], text[128];
        snprintf(path, sizeof path, "%s/node%d", seam.folder, i);
        mkdir(path, 0700);
        snprintf(name, sizeof name, "node%d/cpulist", i);
        snprintf(text, sizeof text, "%d\n", i);
        put(name, text);
        snprintf(name, sizeof name, "node%d/distance", i);
        put(name, i == 0 ? "10 20\n" : "20 10\n");
        snprintf(name, sizeof name, "node%d/meminfo", i);
        snprintf(text, sizeof text,
                 "Node %d MemTotal:   8388608 kB\nNode %d MemFree:    8000000 kB\n", i,
                 i);
        put(name, text);
    }
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", t.work);
    if (system(command) != 0)
        printf("%s is left behind\n", t.work);
}

static int again(char **argv)
{
    for (unsigned i = 0; i < scenarios_count; i++)
        for (int c = 0; c <= SEAM_COUNT; c++)
            if (strcmp(argv[1], scenarios[i].name) == 0 &&
                strcmp(argv[2], c == SEAM_COUNT ? "random" : seam_name[c]) == 0) {
                seam.call = c;
                seam.at = strtoull(argv[3], NULL, 10);
                seam.torn = getenv("NT_FAULTS_TORN") != NULL;
                seam.from = getenv("NT_FAULTS_FROM") != NULL;
                if (getenv("NT_FAULTS_ERROR"))
                    seam.error = atoi(getenv("NT_FAULTS_ERROR"));
                if (c == SEAM_COUNT) {
                    seam.random = seam.at;
                    seam.at = (const uint64_t[]){2, 5, 20, 100}[seam.random % 4];
                    seam.torn = seam.random % 8 >= 4;
                }
                run(&scenarios[i]);
            }
    return t.bad != 0;
}

int main(int argc, char **argv)
{
    const char *only = argc == 2 ? argv[1] : NULL;
    t.thorough = getenv("NT_FAULTS_LONG") != NULL;
    t.calls = mmap(NULL, SEAM_COUNT * sizeof *t.calls, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_folder();
    if (argc == 4)
        again(argv);
    for (unsigned i = 0; argc < 4 && i < scenarios_count; i++)
        if (!only || strcmp(only, scenarios[i].name) == 0)
            scenario(&scenarios[i]);
    remove_folder();
    printf("%u runs, %u bad\n", t.runs, t.bad);
    return t.bad != 0 || t.runs == 0;
}
