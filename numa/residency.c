/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "numa/residency.h"

#include "src/base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BATCH 512u        /* pages asked in one call; on the stack */
#define BUDGET 16384u     /* pages of the heap asked for one report: 64 MiB exactly */
#define HUGE_BUDGET 1024u /* units asked about huge pages */
#define OWED_BUDGET (16 * NT_GIB)

/* ---- Asking ------------------------------------------------------------------------- */

/* Where a made-up machine has it: pages of ours, on the slot they were asked from. */
static int made_up(const void *p)
{
    if (!nt__window_has(p))
        return -EFAULT;
    uint32_t u = nt__window_unit_number(p);
    unsigned owner = __atomic_load_n(&nt__window_unit(u)->arena, __ATOMIC_ACQUIRE);
    if (owner == 0)
        return -ENOENT;
    return nt__topo()->node[nt__arenas_get(owner - 1)->slot].id;
}

static bool is_mapped(const void *p)
{
    size_t page = nt__os_page_size();
    unsigned char vec;
    return mincore((void *)nt__align_down((uintptr_t)p, page), page, &vec) == 0;
}

/* The kernel answers EFAULT for a page without a page table, too, and for one that was
 * read and never written. */
static int where(const void *const *pages, size_t n, int *status)
{
    if (nt__topo()->fake) {
        for (size_t i = 0; i < n; i++)
            status[i] = made_up(pages[i]);
        return 0;
    }
    int result = nt__bind_where(pages, n, status);
    for (size_t i = 0; result == 0 && i < n; i++)
        if (status[i] == -EFAULT && is_mapped(pages[i]))
            status[i] = -ENOENT;
    return result;
}

int nt__residency_of(const void *p)
{
    int status = -EFAULT;
    int result = where(&p, 1, &status);
    return result < 0 ? result : status;
}

/* ---- Huge pages ----------------------------------------------------------------------- */

/* Linux 6.7; newer than Debian 12's headers. */
struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t inverted, mask, anyof, returned;
};
#define SCAN_PAGEMAP _IOWR('f', 16, struct scan)
#define SCAN_HUGE (1u << 6)

/* Bytes of [start, end) in huge pages. */
static uint64_t huge_in(int pagemap, uintptr_t start, uintptr_t end)
{
    struct {
        uint64_t start, end, categories;
    } region[32];
    uint64_t bytes = 0;
    while (start < end) {
        struct scan s = {.size = sizeof s,
                         .start = start,
                         .end = end,
                         .vec = (uintptr_t)region,
                         .vec_len = NT_ARRAY_LEN(region),
                         .mask = SCAN_HUGE,
                         .returned = SCAN_HUGE};
        int n = ioctl(pagemap, SCAN_PAGEMAP, &s);
        if (n < 0)
            break;
        for (int i = 0; i < n; i++)
            bytes += region[i].end - region[i].start;
        if (s.walk_end <= start)
            break;
        start = s.walk_end;
    }
    return bytes;
}

static int open_pagemap(void)
{
    return open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

/* ---- A range ------------------------------------------------------------------------- */

struct batch {
    const void *page[BATCH];
    int status[BATCH];
    unsigned n;
};

static int ask_range(struct batch *b, struct nt_residency *out)
{
    int result = b->n ? where(b->page, b->n, b->status) : 0;
    for (unsigned i = 0; result == 0 && i < b->n; i++) {
        int slot = b->status[i] >= 0 ? nt__topo_slot(b->status[i]) : -1;
        if (b->status[i] == -EFAULT)
            return -EFAULT;
        out->asked++;
        if (slot >= 0)
            out->on_node[slot]++;
        else
            out->absent++;
    }
    b->n = 0;
    return result;
}

int nt__residency_range(const void *p, size_t bytes, size_t most,
                        struct nt_residency *out)
{
    size_t page = nt__os_page_size();
    uintptr_t start = nt__align_down((uintptr_t)p, page);
    struct nt_residency r = {.size = sizeof r, .page_bytes = page};
    struct batch b = {.n = 0};
    if ((uintptr_t)p + bytes < (uintptr_t)p)
        return -EFAULT;
    r.pages = bytes ? (nt__align_up((uintptr_t)p + bytes, page) - start) / page : 0;
    size_t n = most == 0 ? r.pages : nt__min(most, r.pages);
    int pagemap = nt__topo()->fake ? -1 : open_pagemap();
    int result = 0;
    for (size_t i = 0; i < n && result == 0; i++) {
        uintptr_t at = start + (uintptr_t)((__uint128_t)i * r.pages / n) * page;
        b.page[b.n++] = (const void *)at;
        if (n < r.pages && pagemap >= 0)
            r.huge += huge_in(pagemap, at, at + page) / page;
        if (b.n == BATCH)
            result = ask_range(&b, &r);
    }
    if (result == 0)
        result = ask_range(&b, &r);
    if (result == 0 && n == r.pages && pagemap >= 0)
        r.huge = huge_in(pagemap, start, start + r.pages * page) / page;
    if (pagemap >= 0)
        close(pagemap);
    if (result == 0)
        *out = r;
    return result;
}

int nt__residency_move(void *at, size_t size, unsigned slot)
{
    int result = nt__bind_move(at, size, slot);
    struct nt_residency r = {.size = sizeof r};
    if (result != 0 || nt__residency_range(at, size, 0, &r) != 0)
        return result; /* or the kernel does not say */
    return r.on_node[slot] + r.absent == r.asked ? 0 : -EIO;
}

/* ---- The heap ------------------------------------------------------------------------- */

/* Units that are an arena's, of all the window's. */
static uint64_t owned_units(void)
{
    uint64_t owned = 0;
    uint32_t units = (uint32_t)(NT_RACY(nt__window.limit) >> NT_UNIT_SHIFT);
    for (uint32_t u = 0; u < units; u++)
        owned += __atomic_load_n(&nt__window_unit(u)->arena, __ATOMIC_RELAXED) != 0;
    return owned;
}

/* May a page asked for in `a` lie on slot `slot`? */
static bool is_wanted(const struct nt_arena *a, unsigned slot)
{
    if (a->policy.mode == NT_INHERIT)
        return true;
    if (a->policy.mode == NT_LOCAL)
        return a->home == NT_BY_TOUCH || (unsigned)a->home == slot;
    return a->policy.slots >> slot & 1;
}

/* What is found out once for a look at the heap. */
struct causes {
    uint64_t allowed; /* slots this process may use now */
    uint64_t known, full;
};

static bool is_full(struct causes *c, unsigned slot)
{
    uint64_t bit = (uint64_t)1 << slot;
    if (!(c->known & bit) &&
        nt__topo_free_bytes(slot) < nt__topo()->node[slot].memory_bytes / 16)
        c->full |= bit;
    c->known |= bit;
    return c->full & bit;
}

/* A page that `a` asked for lies elsewhere: why? */
static void explain(struct nt_lying *out, struct causes *c, const struct nt_arena *a)
{
    uint64_t wanted =
        a->policy.mode == NT_LOCAL ? (uint64_t)1 << a->slot : a->policy.slots;
    bool full = true;
    for (uint64_t left = wanted; left != 0 && full; left &= left - 1)
        full = is_full(c, (unsigned)__builtin_ctzll(left));
    if (nt__bind_error() != 0 || (wanted & c->allowed) == 0)
        out->slot[a->slot].refused++;
    else if (full)
        out->slot[a->slot].full++;
    else
        out->slot[a->slot].moved++;
}

/* Pages of several units, and whose they are. */
struct sample {
    struct batch batch;
    uint16_t owner[BATCH]; /* arenas' numbers */
};

static int ask_sample(struct nt_lying *out, struct causes *c, struct sample *s)
{
    struct batch *b = &s->batch;
    int result = b->n ? where(b->page, b->n, b->status) : 0;
    for (unsigned i = 0; result == 0 && i < b->n; i++) {
        const struct nt_arena *a = nt__arenas_get(s->owner[i]);
        int slot = b->status[i] >= 0 ? nt__topo_slot(b->status[i]) : -1;
        out->pages_asked++;
        if (slot < 0)
            continue;
        out->slot[a->slot].resident++;
        out->slot[slot].on_node++;
        if (!is_wanted(a, (unsigned)slot))
            explain(out, c, a);
    }
    b->n = 0;
    return result;
}

/* `n` of a unit's pages, evenly spread from a random one on. */
static int sample_unit(struct nt_lying *out, struct causes *c, struct sample *s,
                       uint32_t u, unsigned owner, unsigned n, uint64_t random)
{
    size_t page = nt__os_page_size(), pages = NT_UNIT / page;
    struct batch *b = &s->batch;
    int result = 0;
    for (unsigned i = 0; i < n && result == 0; i++) {
        s->owner[b->n] = (uint16_t)owner;
        b->page[b->n++] = nt__window_unit_address(u) +
                          (random + (uint64_t)i * pages / n) % pages * page;
        if (b->n == BATCH)
            result = ask_sample(out, c, s);
    }
    return result;
}

/* Is the unit in a huge page? One of its pages is asked about, and its node. */
static void add_huge(struct nt_lying *out, int pagemap, uint32_t u, uint64_t pages)
{
    const void *at = nt__window_unit_address(u);
    int node = -1;
    if (huge_in(pagemap, (uintptr_t)at, (uintptr_t)at + nt__os_page_size()) == 0 ||
        where(&at, 1, &node) != 0 || node < 0 || nt__topo_slot(node) < 0)
        return;
    out->slot[nt__topo_slot(node)].huge += pages;
}

/* From pages of the sample to bytes of the heap. */
static void scale(struct nt_lying *out, uint64_t step, uint64_t each)
{
    for (unsigned i = 0; i < nt__topo()->nodes; i++) {
        uint64_t *v = &out->slot[i].resident; /* the first of the slot's figures */
        for (size_t k = 0; k < sizeof out->slot[0] / sizeof *v; k++)
            v[k] = v[k] * step * NT_UNIT / each;
    }
}

void nt__residency_heap(struct nt_lying *out)
{
    memset(out, 0, sizeof *out);
    uint64_t owned = nt__topo()->nodes > 1 ? owned_units() : 0;
    if (owned == 0)
        return;
    unsigned pages = (unsigned)(NT_UNIT / nt__os_page_size());
    unsigned each =
        (unsigned)nt__max(1, nt__min(nt__min(pages, BATCH), BUDGET / owned));
    uint64_t step =
        (owned + BUDGET - 1) / BUDGET; /* of so many units one is looked at */
    uint64_t huge_step = (owned + HUGE_BUDGET - 1) / HUGE_BUDGET;
    struct causes causes = {.allowed = nt__bind_allowed()};
    static struct sample s; /* a report by signal comes on whatever stack there is */
    s.batch.n = 0;
    int pagemap = nt__topo()->fake ? -1 : open_pagemap(), result = 0;
    uint64_t random = nt__os_random(), seen = random % step;
    uint32_t units = (uint32_t)(NT_RACY(nt__window.limit) >> NT_UNIT_SHIFT);
    for (uint32_t u = 0; u < units && result == 0; u++) {
        unsigned owner = __atomic_load_n(&nt__window_unit(u)->arena, __ATOMIC_ACQUIRE);
        if (owner == 0)
            continue;
        if (pagemap >= 0 && seen % huge_step == 0)
            add_huge(out, pagemap, u, each * huge_step / step);
        if (seen++ % step == 0)
            result = sample_unit(out, &causes, &s, u, owner - 1, each,
                                 random += 0x9e3779b97f4a7c15);
    }
    ask_sample(out, &causes, &s);
    scale(out, step, each);
    if (pagemap >= 0)
        close(pagemap);
}

/* ---- What is promised ------------------------------------------------------------------ */

uint64_t nt__residency_owed(const struct nt_arena *a)
{
    size_t page = nt__os_page_size();
    uint64_t looked = 0, absent = 0, all = 0;
    unsigned char vec[NT_UNIT / 4096];
    uint32_t units = (uint32_t)(NT_RACY(nt__window.limit) >> NT_UNIT_SHIFT);
    for (uint32_t u = 0; u < units; u++) {
        unsigned owner = __atomic_load_n(&nt__window_unit(u)->arena, __ATOMIC_RELAXED);
        if (owner != a->index + 1u)
            continue;
        all += NT_UNIT;
        if (looked >= OWED_BUDGET ||
            mincore(nt__window_unit_address(u), NT_UNIT, vec) != 0)
            continue;
        looked += NT_UNIT;
        for (size_t i = 0; i < NT_UNIT / page; i++)
            absent += vec[i] & 1 ? 0 : page;
    }
    return absent + (all - looked); /* what was not looked at may all be yet to come */
}
