/* SPDX-License-Identifier: MIT */
/*
 * The ranks of a job meet: one `numatally run` for each, on each host.
 *
 * They meet in a folder that is named after the user, the report and the job, as the
 * launcher's environment has it. In it each has a folder of its own, with its program's live file,
 * and holds a lock on it while it lives. So who goes sees whether it is the last: no other
 * folder is locked, and there are as many as the launcher started on the host. That one
 * reports for all. One that was killed has no lock any more, and its folder is still there.
 *
 * The folder is looked at and changed under a lock of its own, which is held while the
 * last one reports and removes it. It belongs to us and is closed to others, or it is not
 * used. If the last rank never comes (a whole job was killed at once), the folder stays:
 * the next job on the host removes those in which nobody was for an hour.
 */
#include "src/base/base.h"
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/base/text.h"
#include "src/tool/ranks.h"
#include "src/track/leave.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "numatally-job-"
#define MINE "rank-"     /* how NT_LEAVE_RANK begins */
#define DOOMED "doomed"  /* in the job's folder: one has ended badly */
#define END NT_LEAVE_END /* the file with a struct nt_rank_end */
#define OPENMPI_MS 700   /* of the second that Open MPI leaves after SIGTERM */
#define COMING_MS 2000   /* so long ranks are waited for that have not come yet */
#define PAUSE_MS 5
#define IMAGES_MAX 1000 /* runs one after the other in one rank's script */
#define ABANDONED_S 3600

static struct nt_live live; /* too large for a stack */

/* ---- what the launcher says --------------------------------------------------------- */

static int64_t number(const char *const *names)
{
    for (; *names != NULL; names++) {
        const char *s = getenv(*names);
        uint64_t n;

        if (s != NULL &&
            nt__text_number((struct nt_text){s, strlen(s)}, INT32_MAX, false, &n))
            return (int64_t)n;
    }
    return 0;
}

/* "2(x3),1" of Slurm: how many tasks node number `node` has; 0: not known. */
static int64_t slurm_local(void)
{
    const char *s = getenv("SLURM_STEP_TASKS_PER_NODE");
    const char *id = getenv("SLURM_NODEID");
    long node = id != NULL ? strtol(id, NULL, 10) : -1;

    while (s != NULL && node >= 0 && *s != '\0') {
        long tasks, times = 1;
        char *end;

        tasks = strtol(s, &end, 10);
        if (end == s)
            return 0;
        if (strncmp(end, "(x", 2) == 0) {
            times = strtol(end + 2, &end, 10);
            end += *end == ')';
        }
        if (node < times)
            return tasks;
        node -= times;
        s = end + (*end == ',');
    }
    return 0;
}

/* The process of Hydra's that started all ranks of this host: our parent, or, if we were
 * started by a script, one further up. */
static pid_t hydra_proxy(void)
{
    pid_t pid = getppid();

    for (int up = 0; up < 16 && pid > 1; up++) {
        char path[64], comm[32] = "";
        int parent = 0;
        FILE *f;

        nt__fmt_into(path, sizeof path, "/proc/%d/stat", (int)pid);
        f = fopen(path, "re");
        if (f == NULL || fscanf(f, "%*d (%31[^)]) %*c %d", comm, &parent) != 2)
            parent = 0;
        if (f != NULL)
            fclose(f);
        if (strncmp(comm, "hydra", 5) == 0)
            return pid;
        pid = parent;
    }
    return getppid();
}

/* A word for the job, the same for all ranks of it on this host. */
static bool job_name(char *out, size_t cap)
{
    const char *space = getenv("PMIX_NAMESPACE");
    const char *job = getenv("SLURM_JOB_ID"), *step = getenv("SLURM_STEP_ID");

    if (space != NULL && space[0] != '\0')
        nt__fmt_into(out, cap, "%u-%.100s", geteuid(), space);
    else if (job != NULL && step != NULL && getenv("PMI_FD") == NULL)
        nt__fmt_into(out, cap, "%u-%.40s.%.40s", geteuid(), job, step);
    else if (getenv("PMI_RANK") != NULL)
        /* Hydra names no job, but starts all ranks of a host by one proxy. */
        nt__fmt_into(out, cap, "%u-pid%d", geteuid(), (int)hydra_proxy());
    else
        return false;
    for (char *p = out; *p != '\0'; p++)
        if (*p == '/')
            *p = '_';
    return true;
}

/* ---- folders ------------------------------------------------------------------------ */

static void remove_rank(int job_fd, const char *name)
{
    int fd = openat(job_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d != NULL)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    unlinkat(job_fd, name, AT_REMOVEDIR);
}

/* For each rank's folder of a job: `each` gets its name, false ends it. */
static void for_ranks(int job_fd, bool (*each)(int job_fd, const char *name, void *),
                      void *data)
{
    int fd = openat(job_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL)
        if (strncmp(e->d_name, MINE, strlen(MINE)) == 0 &&
            !each(job_fd, e->d_name, data))
            break;
    if (d != NULL)
        closedir(d);
    else if (fd >= 0)
        close(fd);
}

static bool remove_one(int job_fd, const char *name, void *unused)
{
    (void)unused;
    remove_rank(job_fd, name);
    return true;
}

/* Does somebody hold the rank's lock? */
static bool is_held(int job_fd, const char *name)
{
    int fd = openat(job_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (fd >= 0)
        close(fd);
    return held;
}

static bool stop_if_held(int job_fd, const char *name, void *held)
{
    *(bool *)held = is_held(job_fd, name);
    return !*(bool *)held;
}

/* Open a folder that belongs to us alone; -1: it is not like that. */
static int open_ours(const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 &&
        (fstat(fd, st) != 0 || st->st_uid != geteuid() || (st->st_mode & 077) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The job's folder, locked. A last rank may remove it just then: once more. */
static int open_job(const char *path)
{
    struct stat st;

    for (int tries = 0; tries < 100; tries++) {
        int fd;

        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return -1;
        fd = open_ours(path, &st);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0)
            return fd;
        close(fd);
    }
    return -1;
}

static bool open_mine(struct nt_meet *m, int64_t rank)
{
    char name[64];

    for (int image = 1; image <= IMAGES_MAX; image++) {
        nt__fmt_into(name, sizeof name, NT_LEAVE_RANK, (long long)rank, image);
        if (mkdirat(m->folder_fd, name, 0700) == 0) {
            nt__fmt_into(m->mine, sizeof m->mine, "%s/%s", m->folder, name);
            m->mine_fd = open(m->mine, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            return m->mine_fd >= 0 && flock(m->mine_fd, LOCK_EX | LOCK_NB) == 0;
        }
        if (errno != EEXIST)
            return false;
    }
    return false;
}

/* Remove a job's folder in which nobody has been for long. */
static void sweep_one(const char *place, const char *name)
{
    char path[1024];
    struct stat st;
    bool held = false;
    int fd;

    nt__fmt_into(path, sizeof path, "%s/%s", place, name);
    fd = open_ours(path, &st);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && time(NULL) - st.st_mtime > ABANDONED_S) {
        for_ranks(fd, stop_if_held, &held);
        if (!held) {
            for_ranks(fd, remove_one, NULL);
            unlinkat(fd, DOOMED, 0);
            rmdir(path);
        }
    }
    close(fd);
}

static void sweep(const char *place)
{
    char prefix[64];
    DIR *d = opendir(place);
    const struct dirent *e;

    nt__fmt_into(prefix, sizeof prefix, PREFIX "%u-", geteuid());
    while (d != NULL && (e = readdir(d)) != NULL)
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0)
            sweep_one(place, e->d_name);
    if (d != NULL)
        closedir(d);
}

/* A number for the report's name, so that runs for different ones do not meet. */
static uint32_t name_number(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

bool nt__meet_open(struct nt_meet *m, const char *report)
{
    static const char *const locals[] = {"OMPI_COMM_WORLD_LOCAL_SIZE",
                                         "MPI_LOCALNRANKS", NULL};
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE",
                                        "SLURM_STEP_NUM_TASKS", NULL};
    char job[256];
    const char *place;

    m->folder_fd = m->mine_fd = -1;
    m->end.rank = nt__conf_rank();
    if (m->end.rank < 0 || !job_name(job, sizeof job))
        return false;
    m->local = number(locals);
    if (m->local == 0)
        m->local = slurm_local();
    m->all = number(sizes);
    if (m->all == 0)
        return false; /* no launcher's, or none that is known */
    for (unsigned i = 0; (place = nt__collect_place(i)) != NULL; i++) {
        if (place[0] != '/' || strlen(place) > sizeof m->folder - 300)
            continue;
        nt__fmt_into(m->folder, sizeof m->folder, "%s/" PREFIX "%s-%08x", place, job,
                     name_number(report));
        m->folder_fd = open_job(m->folder);
        if (m->folder_fd < 0)
            continue;
        if (open_mine(m, m->end.rank)) {
            flock(m->folder_fd, LOCK_UN);
            sweep(place);
            return true;
        }
        close(m->folder_fd);
    }
    return false;
}

/* ---- coming and going --------------------------------------------------------------- */

static void write_end(const struct nt_meet *m)
{
    int fd = openat(m->mine_fd, END ".new",
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return;
    if (nt__write_all(fd, (const char *)&m->end, sizeof m->end) == 0)
        renameat(m->mine_fd, END ".new", m->mine_fd, END);
    close(fd);
}

void nt__meet_started(struct nt_meet *m, pid_t pid, const char *program)
{
    const char *slash = strrchr(program, '/');

    m->end.pid = pid;
    nt__name_copy(m->end.program, sizeof m->end.program,
                  slash != NULL ? slash + 1 : program);
    if (gethostname(m->end.host, sizeof m->end.host - 1) != 0)
        m->end.host[0] = '\0';
    write_end(m);
}

/* Look into a rank's folder, whose ending is read. */
static bool read_end(int job_fd, const char *name, struct nt_rank_end *end)
{
    char path[300];
    int fd;
    bool ok;

    nt__fmt_into(path, sizeof path, "%s/" END, name);
    fd = openat(job_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ok = fd >= 0 && read(fd, end, sizeof *end) == sizeof *end;
    if (fd >= 0)
        close(fd);
    end->program[sizeof end->program - 1] = '\0';
    end->host[sizeof end->host - 1] = '\0';
    return ok;
}

struct count {
    int64_t ranks;         /* different ones */
    bool here;             /* there is one that has not ended, and whose lock is held */
    uint8_t seen[1 << 16]; /* by rank, a hash where there are more */
};

static bool count_one(int job_fd, const char *name, void *data)
{
    struct nt_rank_end end = {0};
    struct count *c = data;
    unsigned long rank = strtoul(name + strlen(MINE), NULL, 10);

    c->here |= (!read_end(job_fd, name, &end) || end.end_unix_ns == 0) &&
               is_held(job_fd, name);
    c->ranks += c->seen[rank % sizeof c->seen] == 0;
    c->seen[rank % sizeof c->seen] = 1;
    return true;
}

/* Has the program left the file of this name, in which its number is? */
static bool is_left(const struct nt_meet *m, const char *format)
{
    char name[64];

    /* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral): one of leave.h */
    nt__fmt_into(name, sizeof name, format, (long long)m->end.pid);
    return faccessat(m->mine_fd, name, F_OK, 0) == 0;
}

enum others { ARE_HERE, MAY_COME, ARE_GONE };

/* A program that has come to its end with MPI had all others beside it: whoever is not
 * there by then will not come. */
static enum others look_around(const struct nt_meet *m)
{
    static struct count count;

    memset(&count, 0, sizeof count);
    for_ranks(m->folder_fd, count_one, &count);
    if (count.here)
        return ARE_HERE;
    return count.ranks >= m->local || is_left(m, NT_LEAVE_FINALIZES) ||
                   is_left(m, NT_LEAVE_UNFINALIZED) || is_left(m, NT_LEAVE_ABORTED)
               ? ARE_GONE
               : MAY_COME;
}

struct gathering {
    const struct nt_meet *m;
    struct nt_ranks *ranks;
};

static bool look_one(int job_fd, const char *name, void *data)
{
    const struct gathering *g = data;
    char path[1400];

    (void)job_fd;
    nt__fmt_into(path, sizeof path, "%s/%s", g->m->folder, name);
    if (!g->ranks->reduced)
        nt__ranks_reduced(g->ranks, path);
    nt__ranks_look(g->ranks, path);
    return true;
}

static bool add_one(int job_fd, const char *name, void *data)
{
    const struct gathering *g = data;
    struct nt_rank_end end = {0};
    char path[1400];

    nt__fmt_into(path, sizeof path, "%s/%s", g->m->folder, name);
    if (read_end(job_fd, name, &end))
        nt__ranks_add(g->ranks, nt__collect_newest(path, &live) ? &live : NULL, &end,
                      path);
    return true;
}

static void gather(const struct nt_meet *m, struct nt_ranks *out)
{
    struct gathering g = {m, out};

    for_ranks(m->folder_fd, look_one, &g);
    out->job.ranks = (uint64_t)m->all;
    for_ranks(m->folder_fd, add_one, &g);
}

/* Take the lock. False: the folder is gone, somebody has reported. */
static bool lock_job(const struct nt_meet *m)
{
    struct stat st;

    while (flock(m->folder_fd, LOCK_EX) != 0 && errno == EINTR)
        ;
    return fstat(m->folder_fd, &st) == 0 && st.st_nlink > 0;
}

/* Hydra kills all ranks as soon as one has ended badly, without MPI_Finalize, or called
 * MPI_Abort. */
static bool is_hydra(void)
{
    return getenv("PMI_FD") != NULL && getenv("PMIX_RANK") == NULL &&
           getenv("SLURM_STEP_ID") == NULL;
}

unsigned nt__meet_hurry_ms(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") != NULL ? OPENMPI_MS : 0;
}

bool nt__meet_now(struct nt_meet *m, struct nt_ranks *out)
{
    if (!lock_job(m))
        return false;
    gather(m, out);
    return true;
}

bool nt__meet_aborting(struct nt_meet *m, struct nt_ranks *out)
{
    int fd;

    if (!is_left(m, NT_LEAVE_ABORTED))
        return false;
    if (is_hydra())
        return nt__meet_now(m, out);
    fd = openat(m->mine_fd, NT_LEAVE_NOTED, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return false;
}

/* Open MPI asks all ranks to go, and kills them a second later, or when the first has gone:
 * so once one has ended badly nobody goes before the report is written. */
static bool is_doomed(const struct nt_meet *m, bool badly)
{
    int fd = -1;

    if (getenv("OMPI_COMM_WORLD_SIZE") == NULL)
        return false;
    if (badly)
        fd = openat(m->folder_fd, DOOMED, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return !badly && faccessat(m->folder_fd, DOOMED, F_OK, 0) == 0;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* By a SIGTERM that nobody has taken yet. */
static bool is_asked_to_go(void)
{
    sigset_t sent;

    return nt__meet_hurry_ms() != 0 && sigpending(&sent) == 0 &&
           sigismember(&sent, SIGTERM) == 1;
}

bool nt__meet_leave(struct nt_meet *m, int status, uint64_t end_unix_ns,
                    unsigned left_ms, struct nt_ranks *out)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    int64_t until_ms = now_ms() + COMING_MS;
    bool badly = status != 0 || is_left(m, NT_LEAVE_UNFINALIZED);
    bool hurries = false;

    m->end.status = status;
    m->end.end_unix_ns = end_unix_ns;
    for (bool first = true;; first = false) {
        enum others others;

        if (!lock_job(m))
            return false;
        if (first)
            write_end(m);
        if (!hurries && (left_ms > 0 || is_asked_to_go())) {
            hurries = true;
            until_ms = now_ms() + (left_ms > 0 ? left_ms : OPENMPI_MS);
        }
        others = look_around(m);
        if (others == ARE_GONE || (badly && is_hydra()) ||
            (!first && now_ms() >= until_ms)) {
            gather(m, out);
            return true;
        }
        /* Who has ended badly goes, or nobody would ever be asked to. */
        if (others == ARE_HERE && !hurries && !is_doomed(m, badly))
            return false;
        flock(m->folder_fd, LOCK_UN);
        nanosleep(&pause, NULL);
    }
}

void nt__meet_close(struct nt_meet *m, bool reported)
{
    /* Again, when a program that goes on has made a file meanwhile. */
    for (int tries = 0; reported && tries < 100; tries++) {
        for_ranks(m->folder_fd, remove_one, NULL);
        unlinkat(m->folder_fd, DOOMED, 0);
        if (rmdir(m->folder) == 0 || (errno != ENOTEMPTY && errno != EEXIST))
            break;
    }
    if (m->mine_fd >= 0)
        close(m->mine_fd);
    close(m->folder_fd); /* and with it, the lock */
    m->folder_fd = m->mine_fd = -1;
}
