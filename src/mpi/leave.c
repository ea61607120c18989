/* SPDX-License-Identifier: MIT */
/*
 * MPI_Finalize: the ranks' figures are reduced, and rank 0 has the job's report.
 *
 * The library is preloaded beside libnumatally_malloc.so into whatever is run, so it must
 * be at home in programs without MPI and with another one: it links to no MPI. Which one
 * there is, is asked when MPI_Finalize is called, by dlopen(RTLD_NOLOAD): so an MPI that
 * was loaded later, out of sight of others (mpi4py), is found as well. If it is not the
 * one that this was compiled for, or there is no heap of ours, or nobody asked for a
 * report of the job, all that happens is that the call is passed on.
 *
 * Fortran needs no names of its own: the Fortran libraries of both MPIs call MPI_Finalize
 * or PMPI_Finalize of the C library through the dynamic linker, which finds ours. Tools
 * that sit between the program and its MPI are called after us, and their PMPI_Finalize
 * comes by here again.
 *
 * No rank may be made to wait for one that does not take part, as there is no library of
 * ours in it (only rank 0 was run under numatally, say), or since it is gone. So first all
 * meet in two barriers that do not block, and give up after GATE_S. Who is through the
 * first knows that all have come; who is through the second that all know it. The first
 * may be completed by those who gave up, the second not, as they do not begin it.
 *
 * Errors never show: the communicator's handler is set aside for the while, and what is
 * missing then is the report.
 */
#include "src/track/leave.h"
#include "src/mpi/abi.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define GATE_S 60
#define PAUSE_MS 1
#define NOTED_MS 3000 /* so long MPI_Abort waits for `numatally run` */

#define EXPORT __attribute__((visibility("default")))

/* X(call): what is called of the MPI, by its other name, which no tool wraps. */
#define CALLS(X)                                                                       \
    X(Initialized)                                                                     \
    X(Finalized)                                                                       \
    X(Comm_rank)                                                                       \
    X(Comm_size)                                                                       \
    X(Comm_get_errhandler)                                                             \
    X(Comm_set_errhandler)                                                             \
    X(Errhandler_free)                                                                 \
    X(Type_contiguous)                                                                 \
    X(Type_commit)                                                                     \
    X(Type_free)                                                                       \
    X(Op_create)                                                                       \
    X(Op_free)                                                                         \
    X(Ibarrier)                                                                        \
    X(Test)                                                                            \
    X(Reduce)                                                                          \
    X(Gather)                                                                          \
    X(Bcast)

static struct {
    const struct nt_leave *heap;
    struct nt_mpi_constants constants;
#define CALL(name) __typeof__(PMPI_##name) *name; /* NOLINT(*-parentheses) */
    CALLS(CALL)
#undef CALL
    int rank, ranks;
    bool left; /* MPI_Finalize or MPI_Abort was here */
    pid_t pid; /* that loaded this */
} M;

/* One rank's part; on rank 0 the rows of all follow, and the text's order of them. */
struct part {
    struct nt_snapshot mine, before, sum;
    struct nt_job_row row;
    struct nt_job_row rows[];
};

/* ---- what there is ------------------------------------------------------------------ */

/* The MPI of this library, if the program has it: never closed. */
static void *loaded(void)
{
    for (const char *const *name = nt__mpi_names; *name != NULL; name++) {
        void *library = dlopen(*name, RTLD_LAZY | RTLD_NOLOAD);

        if (library != NULL)
            return library;
    }
    return NULL;
}

static bool find_calls(void *library)
{
    bool all = nt__mpi_constants(library, &M.constants);

#define CALL(name)                                                                     \
    all = (M.name = dlsym(library, "PMPI_" #name)) != NULL && all; /* NOLINT */
    CALLS(CALL)
#undef CALL
    return all;
}

static bool find_heap(void)
{
    const struct nt_leave *heap = dlsym(RTLD_DEFAULT, "nt__leave_0");

    if (heap == NULL || heap->size != sizeof *heap ||
        heap->snapshot_bytes != sizeof(struct nt_snapshot) ||
        heap->row_bytes != sizeof(struct nt_job_row))
        return false;
    M.heap = heap;
    return true;
}

static bool is_up(void)
{
    int up = 0, down = 0;

    return M.Initialized(&up) == MPI_SUCCESS && M.Finalized(&down) == MPI_SUCCESS &&
           up != 0 && down == 0 &&
           M.Comm_rank(M.constants.world, &M.rank) == MPI_SUCCESS &&
           M.Comm_size(M.constants.world, &M.ranks) == MPI_SUCCESS;
}

static bool is_there(const char *folder, const char *name)
{
    char path[4096];

    nt__fmt_into(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* ---- meeting ------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A barrier, given up at `until_ms`. Asks often at first, then leaves others the cpu. */
static bool barrier(int64_t until_ms)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    MPI_Request request;
    int done = 0;

    if (M.Ibarrier(M.constants.world, &request) != MPI_SUCCESS)
        return false;
    for (unsigned asked = 0;; asked++) {
        if (M.Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return false;
        if (done != 0)
            return true;
        if (now_ms() > until_ms)
            return false;
        nanosleep(asked < 100 ? &(struct timespec){0, 0} : &pause, NULL);
    }
}

/* Is it known that not all take part? If each rank has a `numatally run` above it, and all
 * are on this host, each has a folder beside ours. If one `numatally run` is above the
 * launcher, Open MPI's gives the ranks on other hosts nothing of its environment. */
static bool some_are_missing(void)
{
    const char *folder = M.heap->folder();
    const char *openmpi = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    const char *size = openmpi != NULL ? openmpi : getenv("MPI_LOCALNRANKS");
    char path[4096];

    if (folder == NULL || size == NULL)
        return false;
    if (strtol(size, NULL, 10) != M.ranks)
        return openmpi != NULL && !is_there(folder, NT_LEAVE_END);
    if (!is_there(folder, NT_LEAVE_END))
        return false;
    for (int rank = 0; rank < M.ranks; rank++) {
        nt__fmt_into(path, sizeof path, "../" NT_LEAVE_RANK, (long long)rank, 1);
        if (!is_there(folder, path))
            return true;
    }
    return false;
}

static bool all_meet(void)
{
    if (some_are_missing())
        return false;
    int64_t until_ms = now_ms() + GATE_S * 1000L;

    return barrier(until_ms) && barrier(until_ms + GATE_S * 1000L);
}

/* ---- files for `numatally run` ------------------------------------------------------ */

/* Create a file in its folder, with these bytes. */
static bool leave_file(const char *folder, const char *name, const void *bytes,
                       size_t size, const void *more, size_t more_size)
{
    char path[4096], hidden[4096];
    int fd;
    bool ok;

    if (nt__fmt_into(path, sizeof path, "%s/%s", folder, name) + 8 >= sizeof path)
        return false;
    nt__fmt_into(hidden, sizeof hidden, "%s.new", path);
    fd = open(hidden, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    ok = nt__write_all(fd, bytes, size) == 0 &&
         (more_size == 0 || nt__write_all(fd, more, more_size) == 0);
    ok = close(fd) == 0 && ok && rename(hidden, path) == 0;
    if (!ok)
        unlink(hidden);
    return ok;
}

static bool leave_sum(const char *folder, const struct part *p)
{
    struct {
        struct nt_leave_head head;
        struct nt_snapshot sum;
    } * out;
    size_t rows = (size_t)M.ranks * sizeof p->rows[0];
    bool ok;

    out = mmap(NULL, sizeof *out, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
               -1, 0);
    if (out == MAP_FAILED)
        return false;
    memcpy(out->head.magic, NT_LEAVE_MAGIC, sizeof out->head.magic);
    out->head.snapshot_bytes = sizeof p->sum;
    out->head.row_bytes = sizeof p->rows[0];
    out->head.rows = (uint64_t)M.ranks;
    out->sum = p->sum;
    ok = leave_file(folder, NT_LEAVE_SUM, out, sizeof *out, p->rows, rows);
    munmap(out, sizeof *out);
    return ok;
}

/* ---- reducing ----------------------------------------------------------------------- */

static void add_up(void *in, void *sum, int *count, MPI_Datatype *type)
{
    struct nt_snapshot *sums = sum;
    const struct nt_snapshot *more = in;

    (void)type;
    for (int i = 0; i < *count; i++)
        nt__job_add(&sums[i], &more[i]);
}

/* The sum and the rows of all, on rank 0. */
static bool reduce(struct part *p)
{
    MPI_Datatype type = M.constants.none;
    MPI_Op op;
    bool ok;

    if (M.Op_create(add_up, 1, &op) != MPI_SUCCESS)
        return false;
    ok =
        M.Type_contiguous((int)sizeof p->sum, M.constants.byte, &type) == MPI_SUCCESS &&
        M.Type_commit(&type) == MPI_SUCCESS &&
        M.Reduce(&p->before, &p->sum, 1, type, op, 0, M.constants.world) ==
            MPI_SUCCESS &&
        M.Gather(&p->row, (int)sizeof p->row, M.constants.byte, p->rows,
                 (int)sizeof p->row, M.constants.byte, 0,
                 M.constants.world) == MPI_SUCCESS;
    if (type != M.constants.none)
        M.Type_free(&type);
    M.Op_free(&op);
    return ok;
}

static void report(struct part *p, uint32_t *order)
{
    const char *folder = M.heap->folder();
    const struct nt_job job = {.ranks = (uint64_t)M.ranks,
                               .rows = p->rows,
                               .nrows = (size_t)M.ranks,
                               .order = order};
    const struct nt_tables tables = {.job = &job};
    int written = 0;

    if (M.rank == 0) {
        written = folder != NULL && leave_sum(folder, p);
        M.heap->done(&p->sum, &tables);
    } else {
        M.heap->done(NULL, NULL);
    }
    if (M.Bcast(&written, (int)sizeof written, M.constants.byte, 0,
                M.constants.world) == MPI_SUCCESS &&
        written != 0 && folder != NULL)
        leave_file(folder, NT_LEAVE_FINALIZED, "", 0, NULL, 0);
}

static void take_part(void)
{
    const char *folder = M.heap->folder();
    size_t rows = M.rank == 0 ? (size_t)M.ranks : 0;
    size_t bytes =
        sizeof(struct part) + rows * (sizeof(struct nt_job_row) + sizeof(uint32_t));
    struct part *p =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return;
    if (folder != NULL)
        leave_file(folder, NT_LEAVE_FINALIZES, "", 0, NULL, 0);
    if (M.heap->take(&p->mine) && all_meet()) {
        nt__job_add(&p->before, &p->mine);
        nt__job_row(&p->row, &p->mine);
        p->row.rank = M.rank;
        p->row.end = NT_JOB_FINALIZED;
        if (reduce(p))
            report(p, (uint32_t *)(void *)&p->rows[rows]);
    }
    munmap(p, bytes);
}

static void leave(void)
{
    MPI_Errhandler handler;
    void *library;
    int saved = errno;

    if (!M.left && (library = loaded()) != NULL) {
        M.left = true;
        if (find_heap() && find_calls(library) && is_up() &&
            M.Comm_get_errhandler(M.constants.world, &handler) == MPI_SUCCESS) {
            M.Comm_set_errhandler(M.constants.world, M.constants.errors_return);
            take_part();
            M.Comm_set_errhandler(M.constants.world, handler);
            M.Errhandler_free(&handler);
        }
    }
    errno = saved;
}

static void leave_by_abort(int code)
{
    const int64_t until_ms = now_ms() + NOTED_MS;
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    const int32_t what = code;
    const char *folder;
    char name[64], job[4096];

    if (M.left || loaded() == NULL || !find_heap())
        return;
    M.left = true;
    folder = M.heap->folder();
    nt__fmt_into(name, sizeof name, NT_LEAVE_ABORTED, (long long)getpid());
    if (folder == NULL || !leave_file(folder, name, &what, sizeof what, NULL, 0) ||
        !is_there(folder, NT_LEAVE_END))
        return;
    /* Whoever reports at once removes the job's folder last: before that Hydra, which kills
     * it, must not hear of us. */
    nt__fmt_into(job, sizeof job, "%s", folder);
    *strrchr(job, '/') = '\0';
    kill(getppid(), SIGURG);
    while (is_there(job, ".") && !is_there(folder, NT_LEAVE_NOTED) &&
           now_ms() < until_ms)
        nanosleep(&pause, NULL);
}

/* The end of exit. A forked child has no MPI, whatever its memory says. */
__attribute__((destructor)) static void leave_at_exit(void)
{
    void *library;
    const char *folder;
    char name[64];
    int saved = errno;

    if (!M.left && M.pid == getpid() && (library = loaded()) != NULL && find_heap() &&
        (folder = M.heap->folder()) != NULL && find_calls(library) && is_up()) {
        nt__fmt_into(name, sizeof name, NT_LEAVE_UNFINALIZED, (long long)M.pid);
        leave_file(folder, name, "", 0, NULL, 0);
    }
    errno = saved;
}

__attribute__((constructor)) static void begin(void)
{
    M.pid = getpid();
}

/* ---- the calls ---------------------------------------------------------------------- */

/* Who is called after us: what comes next in the program, or, if that has loaded its MPI
 * out of everybody's sight, the MPI itself, whichever it is. */
static void *next(const char *name)
{
    static const char *const others[] = {"libmpi.so.40", "libmpich.so.12",
                                         "libmpi.so.12", NULL};
    void *library, *call = dlsym(RTLD_NEXT, name);

    if (call == NULL && (library = loaded()) != NULL)
        call = dlsym(library, name);
    for (const char *const *other = others; call == NULL && *other != NULL; other++)
        if ((library = dlopen(*other, RTLD_LAZY | RTLD_NOLOAD)) != NULL)
            call = dlsym(library, name);
    return call;
}

static int finalize(const char *name)
{
    int (*call)(void);

    leave();
    call = next(name); /* NOLINT(*-casts) */
    return call != NULL ? call() : MPI_ERR_OTHER;
}

/* A communicator of another MPI may come by, a number or an address: its type is wide enough
 * for both, so mpi.h must not see it. */
static int abort_all(const char *name, uintptr_t comm, int code)
{
    int (*call)(uintptr_t, int);

    leave_by_abort(code);
    call = next(name); /* NOLINT(*-casts) */
    return call != NULL ? call(comm, code) : MPI_ERR_OTHER;
}

EXPORT int MPI_Finalize(void)
{
    return finalize("MPI_Finalize");
}

EXPORT int PMPI_Finalize(void)
{
    return finalize("PMPI_Finalize");
}

int nt__mpi_abort(uintptr_t comm, int code) __asm__("MPI_Abort") EXPORT;
int nt__mpi_abort(uintptr_t comm, int code)
{
    return abort_all("MPI_Abort", comm, code);
}

int nt__mpi_pabort(uintptr_t comm, int code) __asm__("PMPI_Abort") EXPORT;
int nt__mpi_pabort(uintptr_t comm, int code)
{
    return abort_all("PMPI_Abort", comm, code);
}
