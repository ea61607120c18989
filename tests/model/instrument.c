/* SPDX-License-Identifier: MIT */
#include "tests/model/instrument.h"

#include "tests/model/sched.h"
#include "tests/model/world.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { CLOCKS = SCHED_THREADS + 1, AREAS = 2 };
enum { READ, WRITE, ATOMIC_READ, ATOMIC_WRITE, KINDS };

typedef uint16_t clocks[CLOCKS]; /* 0: never */

/* Of each byte that an access begins at: when each thread accessed it last, and what one
 * that acquires there has seen. */
struct cell {
    uint32_t run; /* else it is all zero */
    clocks last[KINDS], released;
};

static struct state {
    uint32_t run;
    clocks now[CLOCKS];
    struct area {
        const char *from;
        size_t size;
        struct cell *cell;
    } area[AREAS];
} * I; /* outside the executable's data, see sched.c */

extern char __data_start[], _end[]; /* NOLINT: the linker's */

void *instrument_map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

void instrument_watch(const void *memory, size_t size)
{
    int i = 0;
    while (I->area[i].from)
        i++;
    I->area[i] =
        (struct area){memory, size, instrument_map(size * sizeof(struct cell))};
}

static struct cell *cell_of(const void *at)
{
    for (int i = 0; i < AREAS; i++) {
        size_t offset = (size_t)((const char *)at - I->area[i].from);
        if (offset >= I->area[i].size)
            continue;
        struct cell *c = &I->area[i].cell[offset];
        if (c->run != I->run)
            *c = (struct cell){.run = I->run};
        return c;
    }
    return NULL; /* a stack */
}

static void join(clocks to, const clocks from)
{
    for (int t = 0; t < CLOCKS; t++)
        if (to[t] < from[t])
            to[t] = from[t];
}

void instrument_begin(void)
{
    I->run++;
    for (int t = 0; t < CLOCKS; t++)
        for (int u = 0; u < CLOCKS; u++)
            I->now[t][u] = t == u;
}

void instrument_end(void)
{
    for (int t = 1; t < CLOCKS; t++)
        join(I->now[0], I->now[t]);
}

/* ---- Accesses ---------------------------------------------------------------------- */

static const char *const kinds[KINDS] = {"a read", "a write", "an atomic read",
                                         "an atomic write"};

static void access(const void *at, int kind)
{
    static const uint8_t excludes[KINDS] = {
        [READ] = 1 << WRITE | 1 << ATOMIC_WRITE,
        [WRITE] = 1 << READ | 1 << WRITE | 1 << ATOMIC_READ | 1 << ATOMIC_WRITE,
        [ATOMIC_READ] = 1 << WRITE,
        [ATOMIC_WRITE] = 1 << READ | 1 << WRITE,
    };
    int me = sched_self();
    struct cell *c = cell_of(at);
    char name[64];
    sched_step();
    if (!c)
        return;
    for (int t = 1; me != 0 && t < CLOCKS; t++)
        for (int k = 0; k < KINDS; k++)
            if (excludes[kind] >> k & 1 && c->last[k][t] > I->now[me][t])
                sched_fail("data race: %s of %s by thread %d, and %s by %d",
                           kinds[kind], world_name(at, name, sizeof name), me, kinds[k],
                           t);
    c->last[kind][me] = I->now[me][me];
    if (!world_may_touch(at))
        sched_fail("thread %d: %s of memory that was given back", me, kinds[kind]);
}

static bool acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME ||
           order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL ||
           order == __ATOMIC_SEQ_CST;
}

/* `modifies`: reads what it replaces, and so goes on with the release before it. */
static void ordered(const void *at, bool reads, bool writes, int order)
{
    int me = sched_self();
    struct cell *c = cell_of(at);
    if (!c)
        return;
    if (reads)
        access(at, ATOMIC_READ);
    if (writes)
        access(at, ATOMIC_WRITE);
    if (reads && acquires(order))
        join(I->now[me], c->released);
    if (!writes)
        return;
    if (!reads)
        for (int t = 0; t < CLOCKS; t++)
            c->released[t] = 0;
    if (releases(order)) {
        join(c->released, I->now[me]);
        I->now[me][me]++;
    }
}

void instrument_acquire(const void *lock)
{
    ordered(lock, true, true, __ATOMIC_ACQUIRE);
}

void instrument_release(const void *lock)
{
    ordered(lock, true, true, __ATOMIC_RELEASE);
}

static void point(const volatile void *at, bool writes, const char *what)
{
    if (!world_is_quiet((const void *)at))
        sched_point((const void *)at, writes, what);
}

/* ---- The compiler's calls: tsan_interface_atomic.h of compiler-rt, and its kin --------- */

void __tsan_init(void);
void __tsan_func_entry(void *from);
void __tsan_func_exit(void);
void __tsan_write_range(void *at, size_t size);
void __tsan_read_range(void *at, size_t size);

void __tsan_init(void)
{
    if (I)
        return;
    I = instrument_map(sizeof *I);
    I->run = 1;
    instrument_watch(__data_start, (size_t)(_end - __data_start));
}

void __tsan_func_entry(void *from)
{
    (void)from;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        access((char *)at + i, READ);
}

void __tsan_write_range(void *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        access((char *)at + i, WRITE);
}

#define PLAIN(bytes)                                                                   \
    void __tsan_read##bytes(void *at);                                                 \
    void __tsan_write##bytes(void *at);                                                \
    void __tsan_read##bytes(void *at)                                                  \
    {                                                                                  \
        access(at, READ);                                                              \
    }                                                                                  \
    void __tsan_write##bytes(void *at)                                                 \
    {                                                                                  \
        access(at, WRITE);                                                             \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

#define MODIFY(bits, name, operator)                                                   \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *at,           \
                                                uint##bits##_t value, int order);      \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *at,           \
                                                uint##bits##_t value, int order)       \
    {                                                                                  \
        point(at, true, #name);                                                        \
        ordered((const void *)at, true, true, order);                                  \
        uint##bits##_t old = *at;                                                      \
        *at = (uint##bits##_t)(operator);                                              \
        return old;                                                                    \
    }

#define EXCHANGE(bits, name, may_fail)                                                 \
    int __tsan_atomic##bits##_##name(volatile uint##bits##_t *at,                      \
                                     uint##bits##_t *expected, uint##bits##_t value,   \
                                     int order, int failing);                          \
    int __tsan_atomic##bits##_##name(volatile uint##bits##_t *at,                      \
                                     uint##bits##_t *expected, uint##bits##_t value,   \
                                     int order, int failing)                           \
    {                                                                                  \
        point(at, true, #name);                                                        \
        if (*at == *expected && !((may_fail) && sched_flip())) {                       \
            ordered((const void *)at, true, true, order);                              \
            *at = value;                                                               \
            return 1;                                                                  \
        }                                                                              \
        ordered((const void *)at, true, false, failing);                               \
        *expected = *at;                                                               \
        return 0;                                                                      \
    }

/* clang's, which does not say whether it may fail for no reason. */
#define EXCHANGE_CLANG(bits)                                                           \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                         \
        volatile uint##bits##_t *at, uint##bits##_t expected, uint##bits##_t value,    \
        int order, int failing);                                                       \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                         \
        volatile uint##bits##_t *at, uint##bits##_t expected, uint##bits##_t value,    \
        int order, int failing)                                                        \
    {                                                                                  \
        __tsan_atomic##bits##_compare_exchange_strong(at, &expected, value, order,     \
                                                      failing);                        \
        return expected;                                                               \
    }

#define ATOMIC(bits)                                                                   \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at,       \
                                              int order);                              \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at,       \
                                              int order)                               \
    {                                                                                  \
        point(at, false, "loads");                                                     \
        ordered((const void *)at, true, false, order);                                 \
        return *at;                                                                    \
    }                                                                                  \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *at,                      \
                                     uint##bits##_t value, int order);                 \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *at,                      \
                                     uint##bits##_t value, int order)                  \
    {                                                                                  \
        point(at, true, "stores");                                                     \
        ordered((const void *)at, false, true, order);                                 \
        *at = value;                                                                   \
    }                                                                                  \
    MODIFY(bits, exchange, value)                                                      \
    MODIFY(bits, fetch_add, old + value)                                               \
    MODIFY(bits, fetch_sub, old - value)                                               \
    MODIFY(bits, fetch_and, old &value)                                                \
    MODIFY(bits, fetch_or, old | value)                                                \
    EXCHANGE(bits, compare_exchange_strong, false)                                     \
    EXCHANGE(bits, compare_exchange_weak, true)                                        \
    EXCHANGE_CLANG(bits)

ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)
