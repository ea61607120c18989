/* SPDX-License-Identifier: MIT */
#include "src/track/blocks.h"

#include "src/base/guest.h"
#include "src/base/os.h"
#include "src/track/count.h"

#define FIRST_ROWS 256 /* a page of 4 KiB */
#define COUNTS (sizeof(struct nt_block_counts) / sizeof(uint64_t))

struct nt_block_lock nt__block_locks[NT_BLOCK_SHARDS] = {
    [0 ... NT_BLOCK_SHARDS - 1] = {.lock = NT_LOCK_INIT(NT_RANK_TRACKED)}};

/* ---- Rows ------------------------------------------------------------------------------ */

/* Low bits say where in a table, the four highest which shard. */
static uint64_t hash_of(uintptr_t address)
{
    uint64_t x = address * 0x9e3779b97f4a7c15u;
    return x ^ x >> 32;
}

static unsigned number_of(const void *p)
{
    return (unsigned)(hash_of((uintptr_t)p) >> 60);
}

/* The shard of `p`, locked. */
static struct nt_block_shard *lock_shard(struct nt_blocks *b, const void *p)
{
    unsigned n = number_of(p);
    nt__lock(&nt__block_locks[n].lock);
    return &b->shard[n];
}

static void unlock_shard(const void *p)
{
    nt__unlock(&nt__block_locks[number_of(p)].lock);
}

static size_t next(const struct nt_block_shard *s, size_t i)
{
    return (i + 1) & (s->room - 1);
}

/* The row of `address`, or the empty one where it would be. There is a table. */
static size_t search(const struct nt_block_shard *s, uintptr_t address)
{
    size_t i = hash_of(address) & (s->room - 1);
    while (s->rows[i].address != 0 && s->rows[i].address != address)
        i = next(s, i);
    return i;
}

/* Empty row `i`, and move up what it had displaced. */
static void clear_row(struct nt_block_shard *s, size_t i)
{
    size_t mask = s->room - 1;
    s->used--;
    for (size_t j = next(s, i); s->rows[j].address != 0; j = next(s, j)) {
        size_t home = hash_of(s->rows[j].address) & mask;
        if (((j - home) & mask) < ((j - i) & mask))
            continue;
        s->rows[i] = s->rows[j];
        i = j;
    }
    s->rows[i].address = 0;
}

static bool is_crowded(const struct nt_block_shard *s)
{
    return s->used >= s->room / 4 * 3;
}

/* Into a larger table; what is to be unmapped is put in *rows and *room. */
static void move_to(struct nt_block_shard *s, struct nt_block_row **rows, size_t *room)
{
    struct nt_block_row *old = s->rows;
    size_t old_room = s->room;
    s->rows = *rows;
    s->room = *room;
    for (size_t i = 0; i < old_room; i++)
        if (old[i].address != 0)
            s->rows[search(s, old[i].address)] = old[i];
    *rows = old;
    *room = old_room;
}

static void unmap(struct nt_block_row *rows, size_t room)
{
    if (rows && !nt__guest_mpi())
        nt__os_unmap(rows, nt__align_up(room * sizeof *rows, nt__os_page_size()));
}

/* The lock of `p`, which is of this shard, is held, and given up meanwhile. False: no
 * memory. */
static bool grow(struct nt_block_shard *s, const void *p)
{
    struct nt_lock *lock = &nt__block_locks[number_of(p)].lock;
    size_t room = s->room != 0 ? 2 * s->room : FIRST_ROWS;
    nt__unlock(lock);
    struct nt_block_row *rows =
        nt__os_map(nt__align_up(room * sizeof *rows, nt__os_page_size()));
    nt__lock(lock);
    if (!rows)
        return false;
    if (room > s->room) /* else another thread was here */
        move_to(s, &rows, &room);
    nt__unlock(lock);
    unmap(rows, room);
    nt__lock(lock);
    return true;
}

/* The shard of `p`, locked, with room for one more row; NULL, not locked: there is none. */
static struct nt_block_shard *lock_with_room(struct nt_blocks *b, const void *p)
{
    struct nt_block_shard *s = lock_shard(b, p);
    while (NT_UNLIKELY(is_crowded(s)))
        if (!grow(s, p))
            break;
    if (NT_LIKELY(s->used + 1 < s->room)) /* a search must come to an empty row */
        return s;
    unlock_shard(p);
    return NULL;
}

/* ---- Counting -------------------------------------------------------------------------- */

/* The order of other operations does not matter: what `live` comes to is what the peak is
 * taken of. */
static void change_live(struct nt_blocks *b, uint64_t difference)
{
    int64_t now = __atomic_add_fetch(&b->live, (int64_t)difference, __ATOMIC_RELAXED);
    int64_t peak = __atomic_load_n(&b->peak, __ATOMIC_RELAXED);
    while (NT_UNLIKELY(now > peak) &&
           !__atomic_compare_exchange_n(&b->peak, &peak, now, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
        ;
}

static void count_allocation(struct nt_block_shard *s, size_t size)
{
    unsigned power = size > 1 ? 63u - (unsigned)__builtin_clzll(size) : 0;
    nt__count_add_two(&s->counts.allocations, 1, &s->counts.requested, size);
    nt__count_add(&s->counts.sizes[nt__min(power, NT_TRACKED_SIZES - 1)], 1);
}

static void count_free(struct nt_block_shard *s, size_t size)
{
    nt__count_add_two(&s->counts.frees, 1, &s->counts.freed, size);
}

/* A row for `p`. What is to be taken off `live` for one that stood there. */
static size_t put(struct nt_block_shard *s, const void *p, size_t size)
{
    struct nt_block_row *row = &s->rows[search(s, (uintptr_t)p)];
    size_t stale = 0;
    if (NT_UNLIKELY(row->address != 0)) {
        stale = row->size;
        count_free(s, stale);
    } else {
        s->used++;
    }
    *row = (struct nt_block_row){.address = (uintptr_t)p, .size = size};
    return stale;
}

/* nt__blocks_add, with `before` to be taken off `live` in the same moment. */
static bool add(struct nt_blocks *b, const void *p, size_t size, size_t before)
{
    struct nt_block_shard *s = lock_with_room(b, p);
    if (NT_LIKELY(s != NULL)) {
        before += put(s, p, size);
        count_allocation(s, size);
        unlock_shard(p);
    }
    change_live(b, (s ? size : 0) - before);
    return s != NULL;
}

bool nt__blocks_add(struct nt_blocks *b, const void *p, size_t size)
{
    return add(b, p, size, 0);
}

/* Take the row of `p` out. The lock is held. */
static bool take(struct nt_block_shard *s, const void *p, size_t *size)
{
    size_t i = s->room != 0 ? search(s, (uintptr_t)p) : 0;
    if (s->room == 0 || s->rows[i].address == 0)
        return false;
    *size = s->rows[i].size;
    clear_row(s, i);
    return true;
}

void nt__blocks_remove(struct nt_blocks *b, const void *p)
{
    struct nt_block_shard *s = lock_shard(b, p);
    size_t size = 0;
    if (take(s, p, &size))
        count_free(s, size);
    else
        nt__count_add(&s->counts.foreign, 1);
    unlock_shard(p);
    if (size != 0)
        change_live(b, (uint64_t)0 - size);
}

bool nt__blocks_find(struct nt_blocks *b, const void *p, size_t *size)
{
    struct nt_block_shard *s = lock_shard(b, p);
    bool found = false;
    if (s->room != 0) {
        const struct nt_block_row *row = &s->rows[search(s, (uintptr_t)p)];
        found = row->address != 0;
        *size = row->size;
    }
    unlock_shard(p);
    return found;
}

bool nt__blocks_take(struct nt_blocks *b, const void *p, size_t *size)
{
    struct nt_block_shard *s = lock_shard(b, p);
    bool found = take(s, p, size);
    unlock_shard(p);
    return found;
}

static void count_lost(struct nt_blocks *b, const void *p, size_t size)
{
    struct nt_block_shard *s = lock_shard(b, p);
    count_free(s, size);
    unlock_shard(p);
}

/* The block that was taken is still at `p`, whether it was resized or not. */
static void stayed(struct nt_blocks *b, const void *p, size_t old, size_t size,
                   bool resized)
{
    struct nt_block_shard *s = lock_with_room(b, p);
    if (!s) {
        count_lost(b, p, old);
        change_live(b, (uint64_t)0 - old);
        return;
    }
    size_t stale = put(s, p, size);
    if (resized) {
        nt__count_add_two(&s->counts.requested, size, &s->counts.freed, old);
        nt__count_add(&s->counts.in_place, 1);
    }
    unlock_shard(p);
    change_live(b, (uint64_t)size - old - stale);
}

void nt__blocks_settle(struct nt_blocks *b, const void *p, size_t old, const void *q,
                       size_t size)
{
    if (!q || q == p) {
        stayed(b, p, old, q ? size : old, q != NULL);
        return;
    }
    count_lost(b, p, old);
    add(b, q, size, old);
}

void nt__blocks_adopt(struct nt_blocks *b, const void *p, const void *q, size_t size)
{
    struct nt_block_shard *s = lock_shard(b, p);
    nt__count_add(&s->counts.foreign, 1);
    unlock_shard(p);
    add(b, q, size, 0);
}

void nt__blocks_sums(const struct nt_blocks *b, struct nt_block_counts *out)
{
    uint64_t *to = (uint64_t *)out;
    *out = (struct nt_block_counts){0};
    for (unsigned i = 0; i < NT_BLOCK_SHARDS; i++) {
        const uint64_t *from = (const uint64_t *)&b->shard[i].counts;
        for (size_t k = 0; k < COUNTS; k++)
            to[k] += nt__count_read(&from[k]);
    }
}

void nt__blocks_restart_peak(struct nt_blocks *b)
{
    __atomic_store_n(&b->peak, __atomic_load_n(&b->live, __ATOMIC_RELAXED),
                     __ATOMIC_RELAXED);
}

/* ---- End, check, fork -------------------------------------------------------------------- */

static size_t bytes_of(const struct nt_block_shard *s)
{
    size_t bytes = 0;
    for (size_t i = 0; i < s->room; i++)
        bytes += s->rows[i].address != 0 ? s->rows[i].size : 0;
    return bytes;
}

void nt__blocks_close(struct nt_blocks *b)
{
    for (unsigned i = 0; i < NT_BLOCK_SHARDS; i++) {
        struct nt_block_shard *s = &b->shard[i];
        nt__lock(&nt__block_locks[i].lock);
        size_t bytes = bytes_of(s), room = s->room;
        struct nt_block_row *rows = s->rows;
        nt__count_add_two(&s->counts.frees, s->used, &s->counts.freed, bytes);
        s->rows = NULL;
        s->room = s->used = 0;
        nt__unlock(&nt__block_locks[i].lock);
        unmap(rows, room);
        change_live(b, (uint64_t)0 - bytes);
    }
}

static bool check_shard(const struct nt_blocks *b, unsigned number)
{
    const struct nt_block_shard *s = &b->shard[number];
    size_t used = 0;
    for (size_t i = 0; i < s->room; i++) {
        uintptr_t address = s->rows[i].address;
        if (address == 0)
            continue;
        if (search(s, address) != i || hash_of(address) >> 60 != number)
            return false;
        used++;
    }
    return used == s->used && used == s->counts.allocations - s->counts.frees &&
           bytes_of(s) == s->counts.requested - s->counts.freed;
}

bool nt__blocks_check(struct nt_blocks *b)
{
    bool good = true;
    for (unsigned i = 0; i < NT_BLOCK_SHARDS; i++) {
        nt__lock(&nt__block_locks[i].lock);
        good = good && check_shard(b, i);
        nt__unlock(&nt__block_locks[i].lock);
    }
    return good;
}

void nt__blocks_fork_lock(void)
{
    for (unsigned i = 0; i < NT_BLOCK_SHARDS; i++)
        nt__lock_for_fork(&nt__block_locks[i].lock);
}

uint32_t nt__blocks_fork_unlock(enum nt_fork how)
{
    uint32_t torn = 0;
    for (unsigned i = 0; i < NT_BLOCK_SHARDS; i++) {
        struct nt_lock *lock = &nt__block_locks[i].lock;
        if (how == NT_FORK_PARENT)
            nt__unlock_after_fork(lock);
        else if (how == NT_FORK_RAW && nt__lock_raw(lock))
            torn |= 1u << i;
        else
            nt__lock_init(lock, NT_RANK_TRACKED);
    }
    return torn;
}

/* Their blocks' frees will be foreign ones. */
void nt__blocks_forget(struct nt_blocks *b, uint32_t shards)
{
    if (shards == 0)
        return;
    for (unsigned i = 0; i < NT_BLOCK_SHARDS; i++) {
        struct nt_block_shard *s = &b->shard[i];
        if ((shards >> i & 1) == 0)
            continue;
        s->rows = NULL;
        s->room = s->used = 0;
        s->counts.frees = s->counts.allocations;
        s->counts.freed = s->counts.requested;
    }
    struct nt_block_counts sums;
    nt__blocks_sums(b, &sums);
    b->live = (int64_t)(sums.requested - sums.freed);
}
