/* SPDX-License-Identifier: MIT */
/*
 * The live file, written by one process and read by any.
 *
 * `seq` counts what was written; slot[seq % 2] is the current one. The writer
 * fills the other slot and then stores seq + 1: a reader that finds seq unchanged
 * after its copy knows that nobody wrote to the slot it copied. What was written
 * stays in the page cache when the process dies, whatever kills it.
 *
 * The file's blocks are allocated before it is mapped, so that a full disk is an
 * error here and not a SIGBUS later. One file for one process image: a program that
 * calls exec finds its old name taken and adds -2, -3, ...
 */
#include "src/track/live.h"
#include "src/base/fmt.h"
#include "src/track/live_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGES_MAX 1000 /* exec calls in one process's life that get a file */
#define READ_TRIES 1000

struct live_file {
    struct nt_live_head head;
    struct nt_live slot[2];
};

static struct {
    struct live_file *file; /* NULL: none */
    pid_t pid;              /* whose it is */
    bool warned;
    char path[NT_LIVE_PATH_MAX];
} L;

/* ---- writing ---------------------------------------------------------------- */

static bool complain(const char *dir, int err)
{
    if (!L.warned && err != ENOENT)
        nt__warn("no live file in %.512s: %s; figures of a program that is killed "
                 "will be missing. Name another folder with live:FOLDER",
                 dir, nt__errno_text(err));
    L.warned |= err != ENOENT;
    return false;
}

/* Create the file under the first name that is free. */
static int create(const char *dir, char *path, size_t cap)
{
    long long pid = getpid();

    for (int image = 1; image <= IMAGES_MAX; image++) {
        int fd;

        if (image == 1)
            nt__fmt_into(path, cap, "%s/numatally-%lld.live", dir, pid);
        else
            nt__fmt_into(path, cap, "%s/numatally-%lld-%d.live", dir, pid, image);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0)
            return fd;
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

/* Give the file its blocks and map it. 0 or a positive errno. */
static int fill(int fd, struct live_file **out)
{
    struct rlimit limit;
    void *p;
    int err;

    /* Beyond this limit the kernel would send SIGXFSZ. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < sizeof **out)
        return EFBIG;
    do
        err = posix_fallocate(fd, 0, (off_t)sizeof **out);
    while (err == EINTR);
    if (err != 0)
        return err;
    p = mmap(NULL, sizeof **out, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return errno;
    *out = p;
    return 0;
}

bool nt__live_open(const char *dir)
{
    char path[NT_LIVE_PATH_MAX];
    int saved = errno;
    int err, fd;

    if (L.file != NULL)
        return true;
    fd = create(dir, path, sizeof path);
    if (fd < 0) {
        complain(dir, -fd);
        errno = saved;
        return false;
    }
    err = fill(fd, &L.file);
    close(fd);
    if (err == 0) {
        L.pid = getpid();
        memcpy(L.path, path, sizeof L.path);
        nt__live_origin(&L.file->head.origin);
        L.file->head.version = NT_SNAPSHOT_VERSION;
        L.file->head.slot_bytes = sizeof L.file->slot[0];
        memcpy(L.file->head.magic, NT_LIVE_MAGIC, sizeof L.file->head.magic);
    } else {
        unlink(path);
        complain(dir, err);
    }
    errno = saved;
    return err == 0;
}

bool nt__live_is_open(void)
{
    return L.file != NULL;
}

const char *nt__live_path(void)
{
    return L.file != NULL ? L.path : "";
}

static void copy_snapshot(struct nt_snapshot *to, const struct nt_snapshot *s)
{
    size_t row = nt__min(s->nodes, NT_NODES_MAX) * sizeof s->free_matrix[0][0];

    memcpy(to, s, offsetof(struct nt_snapshot, free_matrix));
    for (size_t i = 0; i < s->nodes && i < NT_NODES_MAX; i++)
        memcpy(to->free_matrix[i], s->free_matrix[i], row);
}

void nt__live_write(const struct nt_live *live)
{
    struct nt_live *slot;
    uint64_t seq;

    if (L.file == NULL || L.pid != getpid())
        return;
    seq = atomic_load_explicit(&L.file->head.seq, memory_order_relaxed) + 1;
    slot = &L.file->slot[seq % 2];
    /* Release: the store of seq that made the other slot current comes first, so a
     * reader never finds this slot current while it changes. */
    atomic_thread_fence(memory_order_release);
    copy_snapshot(&slot->snapshot, &live->snapshot);
    slot->nthreads = (uint32_t)nt__min(live->nthreads, NT_LIVE_THREADS);
    slot->npools = (uint32_t)nt__min(live->npools, NT_LIVE_POOLS);
    slot->nphases = (uint32_t)nt__min(live->nphases, NT_PHASES_MAX);
    slot->ntracked = (uint32_t)nt__min(live->ntracked, NT_LIVE_TRACKED);
    memcpy(slot->threads, live->threads, slot->nthreads * sizeof live->threads[0]);
    memcpy(slot->pools, live->pools, slot->npools * sizeof live->pools[0]);
    memcpy(slot->phases, live->phases, slot->nphases * sizeof live->phases[0]);
    memcpy(slot->tracked, live->tracked, slot->ntracked * sizeof live->tracked[0]);
    memcpy(&slot->history, &live->history, nt__history_bytes(&live->history));
    /* Release: pairs with the reader in another process; see nt__live_read. */
    atomic_store_explicit(&L.file->head.seq, seq, memory_order_release);
}

void nt__live_fork_child(void)
{
    if (L.file != NULL)
        munmap(L.file, sizeof *L.file);
    L.file = NULL;
}

/* ---- reading ---------------------------------------------------------------- */

static int read_at(int fd, void *out, size_t len, size_t at)
{
    char *to = out;

    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)at);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -EBADMSG;
        if (n > 0) {
            to += n;
            at += (size_t)n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Nothing in a file is believed: it may have been made by anybody. */
static int checked(struct nt_live *live)
{
    struct nt_snapshot *s = &live->snapshot;

    if (s->size != sizeof *s || s->version != NT_SNAPSHOT_VERSION ||
        s->nodes > NT_NODES_MAX || s->classes > NT_CLASSES_MAX ||
        live->nthreads > NT_LIVE_THREADS || live->npools > NT_LIVE_POOLS ||
        live->nphases > NT_PHASES_MAX || live->ntracked > NT_LIVE_TRACKED ||
        !nt__history_is_whole(&live->history) ||
        (live->history.count > 0 && live->history.nodes != s->nodes))
        return -EBADMSG;
    s->host[sizeof s->host - 1] = '\0';
    s->program[sizeof s->program - 1] = '\0';
    s->version_string[sizeof s->version_string - 1] = '\0';
    for (size_t i = 0; i < live->nthreads; i++)
        live->threads[i].name[sizeof live->threads[i].name - 1] = '\0';
    for (size_t i = 0; i < live->npools; i++)
        live->pools[i].name[sizeof live->pools[i].name - 1] = '\0';
    for (size_t i = 0; i < live->nphases; i++)
        live->phases[i].name[sizeof live->phases[i].name - 1] = '\0';
    for (size_t i = 0; i < live->ntracked; i++)
        live->tracked[i].name[sizeof live->tracked[i].name - 1] = '\0';
    return 0;
}

static int read_slot(int fd, struct nt_live *out)
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint64_t before, after;
        int err;

        err = read_at(fd, &before, sizeof before, offsetof(struct nt_live_head, seq));
        if (err == 0 && before == 0)
            return -ENODATA;
        /* Acquire: pairs with the writer's release, so what is copied is no older. */
        atomic_thread_fence(memory_order_acquire);
        if (err == 0)
            err = read_at(fd, out, sizeof *out,
                          offsetof(struct live_file, slot) + before % 2 * sizeof *out);
        /* Acquire: pairs with the writer's fence, so if any of it is newer, so is this. After
         * Boehm, Can seqlocks get along with programming language memory models? */
        atomic_thread_fence(memory_order_acquire);
        if (err == 0)
            err = read_at(fd, &after, sizeof after, offsetof(struct nt_live_head, seq));
        if (err != 0)
            return err;
        if (before == after)
            return checked(out);
    }
    return -EAGAIN;
}

int nt__live_read_fd(int fd, struct nt_live *out)
{
    struct nt_live_head head;
    struct stat st;
    int err = fstat(fd, &st) != 0 ? -errno : 0;

    if (err == 0 && !S_ISREG(st.st_mode))
        err = -EBADMSG;
    if (err == 0)
        err = read_at(fd, &head, sizeof head, 0);
    if (err == 0 &&
        (memcmp(head.magic, NT_LIVE_MAGIC, sizeof head.magic) != 0 ||
         head.version != NT_SNAPSHOT_VERSION || head.slot_bytes != sizeof *out))
        err = -EBADMSG;
    return err == 0 ? read_slot(fd, out) : err;
}

int nt__live_read(const char *path, struct nt_live *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int err;

    if (fd < 0)
        return -errno;
    err = nt__live_read_fd(fd, out);
    close(fd);
    return err;
}
