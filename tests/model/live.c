/* SPDX-License-Identifier: MIT */
/*
 * The live file on a machine that reorders.
 *
 * What nt__live_write stores and nt__live_read_fd loads, and their fences, are recorded from the
 * code itself: live.c is compiled for the thread sanitizer, whose calls come here. Then the
 * records of a writer that writes three times and of a reader beside it are done over in every
 * order that C's memory model leaves to a machine where all see one order of stores: two
 * operations of one thread may change places unless they are of one place, an address depends
 * on the first, or a fence, a release or an acquire stands against it. A reader that finds the
 * number unchanged must have a snapshot that was written under it, whole. Where the writer was
 * killed is one of these orders, too.
 *
 * A slot is two words here: its snapshot, and all else. mutants.sh shows what is found.
 */
#include "src/track/live.h"
#include "src/track/live_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WRITES = 3, OPS = 40 };
enum { SEQ = 0, PARTS = 2, PLACES = 1 + 2 * PARTS };
enum kind { LOAD, STORE, FENCE };

struct op {
    enum kind kind;
    int order; /* __ATOMIC_RELAXED for what is not atomic */
    int place; /* SEQ, or 1 + slot * PARTS + part */
    int value; /* stored */
};

struct record {
    struct op op[OPS];
    int n;
    uint64_t before[OPS]; /* of each: those that must come before it */
};

static struct {
    char *file; /* as live.c has it mapped */
    struct record writer, reader, *now;
    int seq; /* while the writer is recorded: what it is writing */
    struct nt_live live, read;
} R;

static uint64_t orders;

struct live_slots { /* as in live.c */
    struct nt_live_head head;
    struct nt_live slot[2];
};

/* ---- Recording --------------------------------------------------------------------- */

static void note(enum kind kind, int place, int order)
{
    struct record *r = R.now;
    const struct op op = {kind, order, place, R.seq};
    /* A run of plain stores to one place is one. */
    for (int i = r->n;
         i-- > 0 && r->op[i].kind == kind && kind == STORE && place != SEQ;)
        if (r->op[i].place == place)
            return;
    if (r->n == OPS)
        abort();
    r->op[r->n++] = op;
}

static void note_at(enum kind kind, size_t offset, int order)
{
    if (offset == offsetof(struct nt_live_head, seq)) {
        note(kind, SEQ, order);
    } else if (offset >= offsetof(struct live_slots, slot)) {
        offset -= offsetof(struct live_slots, slot);
        int slot = (int)(offset / sizeof(struct nt_live));
        int part = offset % sizeof(struct nt_live) >= sizeof(struct nt_snapshot);
        note(kind, 1 + slot * PARTS + part, order);
    }
}

/* The reader's accesses are preads. */
static void accessed(const volatile void *at, enum kind kind, int order)
{
    size_t offset = (size_t)((const volatile char *)at - R.file);
    if (R.now == &R.writer && offset < sizeof(struct live_slots))
        note_at(kind, offset, order);
}

void *__real_memcpy(void *to, const void *from, size_t n);
void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__real_mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset);
ssize_t __real_pread(int fd, void *to, size_t n, off_t offset);
ssize_t __wrap_pread(int fd, void *to, size_t n, off_t offset);

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
    if (n != 0)
        accessed(to, STORE, __ATOMIC_RELAXED);
    return __real_memcpy(to, from, n);
}

void *__wrap_mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset)
{
    void *p = __real_mmap(at, size, rights, flags, fd, offset);
    if (fd >= 0)
        R.file = p;
    return p;
}

ssize_t __wrap_pread(int fd, void *to, size_t n, off_t offset)
{
    if (R.now == &R.reader && offset != 0) {
        note_at(LOAD, (size_t)offset, __ATOMIC_RELAXED);
        if (n == sizeof(struct nt_live))
            note_at(LOAD, (size_t)offset + sizeof(struct nt_snapshot),
                    __ATOMIC_RELAXED);
    }
    return __real_pread(fd, to, n, offset);
}

void __tsan_init(void);
void __tsan_func_entry(void *from);
void __tsan_func_exit(void);
void __tsan_atomic_thread_fence(int order);
uint64_t __tsan_atomic64_load(const volatile uint64_t *at, int order);
void __tsan_atomic64_store(volatile uint64_t *at, uint64_t value, int order);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *from)
{
    (void)from;
}

void __tsan_func_exit(void)
{
}

void __tsan_atomic_thread_fence(int order)
{
    if (R.now)
        note(FENCE, SEQ, order);
}

uint64_t __tsan_atomic64_load(const volatile uint64_t *at, int order)
{
    accessed(at, LOAD, order);
    return *at;
}

void __tsan_atomic64_store(volatile uint64_t *at, uint64_t value, int order)
{
    accessed(at, STORE, order);
    *at = value;
}

#define PLAIN(bytes)                                                                   \
    void __tsan_read##bytes(void *at);                                                 \
    void __tsan_write##bytes(void *at);                                                \
    void __tsan_read##bytes(void *at)                                                  \
    {                                                                                  \
        (void)at; /* the writer reads nothing of its own but the number */             \
    }                                                                                  \
    void __tsan_write##bytes(void *at)                                                 \
    {                                                                                  \
        accessed(at, STORE, __ATOMIC_RELAXED);                                         \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

/* ---- What must come before what ----------------------------------------------------- */

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL ||
           order == __ATOMIC_SEQ_CST;
}

static bool acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME ||
           order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool is_ordered(const struct record *r, int i, int j)
{
    const struct op *a = &r->op[i], *b = &r->op[j];
    bool addressed =
        a->kind == LOAD && a->place == SEQ && b->kind == LOAD && b->place != SEQ;
    if (a->place == b->place || addressed || (a->kind == LOAD && acquires(a->order)) ||
        (b->kind == STORE && releases(b->order)))
        return true;
    for (int f = i + 1; f < j; f++)
        if (r->op[f].kind == FENCE && ((releases(r->op[f].order) && b->kind == STORE) ||
                                       (acquires(r->op[f].order) && a->kind == LOAD)))
            return true;
    return false;
}

static void order(struct record *r)
{
    for (int j = 0; j < r->n; j++)
        for (int i = 0; i < j && r->op[j].kind != FENCE; i++)
            if (r->op[i].kind != FENCE && is_ordered(r, i, j))
                r->before[j] |= (uint64_t)1 << i;
}

/* ---- All orders ---------------------------------------------------------------------- */

struct state {
    uint64_t written, loaded; /* operations done */
    int memory[PLACES];
    int first, last, part[PARTS]; /* loaded; 0: not yet */
};

/* The slot of a number, as the reader has it: recorded with the number 1. */
static int slot_part(const struct op *op, int seq)
{
    int place = op->place - 1;
    return 1 + ((place / PARTS + seq - 1) % 2) * PARTS + place % PARTS;
}

static void store(struct state *s, const struct op *op)
{
    if (op->kind == STORE)
        s->memory[op->place] = op->value;
}

static void load(struct state *s, const struct record *r, int i)
{
    const struct op *op = &r->op[i];
    if (op->place != SEQ)
        s->part[(op->place - 1) % PARTS] = s->memory[slot_part(op, s->first)];
    else if (s->first == 0)
        s->first = s->memory[SEQ];
    else
        s->last = s->memory[SEQ];
}

static void look(const struct state *s)
{
    orders++;
    if (s->first != s->last || (s->part[0] == s->first && s->part[1] == s->first))
        return;
    printf("a reader takes parts of %d and %d for the whole of %d\n", s->part[0],
           s->part[1], s->first);
    exit(1);
}

static bool is_next(const struct record *r, uint64_t done, int i)
{
    return r->op[i].kind != FENCE && !(done >> i & 1) && (r->before[i] & ~done) == 0;
}

/* Once the reader is through, what else is written does not matter. */
static void go_on(const struct state *s)
{
    const struct record *r = &R.reader, *w = &R.writer;
    bool reads = false;
    for (int i = 0; i < r->n; i++) {
        if (!is_next(r, s->loaded, i))
            continue;
        struct state next = *s;
        load(&next, r, i);
        next.loaded |= (uint64_t)1 << i;
        go_on(&next);
        reads = true;
    }
    for (int i = 0; reads && i < w->n; i++) {
        if (!is_next(w, s->written, i))
            continue;
        struct state next = *s;
        store(&next, &w->op[i]);
        next.written |= (uint64_t)1 << i;
        go_on(&next);
    }
    if (!reads)
        look(s);
}

/* ---- The code's part ----------------------------------------------------------------- */

static void write_one(int seq)
{
    R.seq = seq;
    R.live.snapshot.now_unix_ns = (uint64_t)seq;
    nt__live_write(&R.live);
}

static void show(const char *who, const struct record *r)
{
    printf("%s:", who);
    for (int i = 0; i < r->n; i++) {
        const struct op *op = &r->op[i];
        const char *how = acquires(op->order)   ? ", acquire"
                          : releases(op->order) ? ", release"
                                                : "";
        if (op->kind == FENCE)
            printf(" fence%s;", how);
        else if (op->place == SEQ)
            printf(" %s number%s;", op->kind == LOAD ? "load" : "store", how);
        else
            printf(" %s slot %d.%d%s;", op->kind == LOAD ? "load" : "store",
                   (op->place - 1) / PARTS, (op->place - 1) % PARTS, how);
    }
    printf("\n");
}

static bool record(void)
{
    char folder[] = "/tmp/numatally-model-XXXXXX";
    bool good = mkdtemp(folder) && nt__live_open(folder);
    int fd = good ? open(nt__live_path(), O_RDONLY) : -1;
    R.live.snapshot = (struct nt_snapshot){.size = sizeof(struct nt_snapshot),
                                           .version = NT_SNAPSHOT_VERSION,
                                           .nodes = 1,
                                           .classes = 1};
    R.live.nthreads = R.live.npools = R.live.nphases = R.live.ntracked = 1;
    write_one(1);
    R.now = &R.reader;
    good = fd >= 0 && nt__live_read_fd(fd, &R.read) == 0;
    R.now = &R.writer;
    for (int seq = 2; good && seq < 2 + WRITES; seq++)
        write_one(seq);
    R.now = NULL;
    unlink(nt__live_path());
    rmdir(folder);
    return good;
}

int main(void)
{
    struct state start = {0};
    if (!record()) {
        printf("no live file was written and read\n");
        return 1;
    }
    start.memory[SEQ] = 1;
    for (int i = 0; i < R.reader.n; i++) /* the slot that the reader found 1 in */
        if (R.reader.op[i].kind == LOAD && R.reader.op[i].place != SEQ)
            start.memory[R.reader.op[i].place] = 1;
    show("writer", &R.writer);
    show("reader", &R.reader);
    order(&R.writer);
    order(&R.reader);
    go_on(&start);
    printf("%llu orders: a reader has what was written whole, or tries again\n",
           (unsigned long long)orders);
    return 0;
}
