/* SPDX-License-Identifier: MIT */
#include "numa/window.h"

#include "src/base/os.h"

#include <errno.h>
#include <string.h>

#define BASE_ALIGN NT_GIB
#define HEADER_BYTES(bytes) ((bytes) >> (NT_SLICE_SHIFT - NT_HEADER_SHIFT))
#define MAP_BYTES(bytes) ((bytes) >> NT_SLICE_SHIFT << 3)
/* Headers and the map are mapped this far ahead: 1 GiB of window costs 2 MiB and 128 KiB of
 * addresses. */
#define HEADER_STEP NT_GIB
/* Addresses between the map, the headers and the window. AMD's Zen keeps one line of those in its
 * first-level cache whose bits 6 to 11, and a hash of bits 12 to 27, are the same (Lipp and others,
 * Take A Way, 2020): where all three began at such bits, the first blocks took 17 ns, not 6. */
#define APART (32 * NT_MIB)

struct nt_window nt__window;

static struct {
    struct nt_lock lock;
    size_t size;     /* bytes the window may reach; 0: there was no place for it yet */
    bool reserved;   /* the kernel chose the place and holds it for us */
    size_t headered; /* bytes of window whose headers are mapped */
    uint32_t holes;  /* first hole; units linked by nt_unit.next, lengths in .length */
} window = {.lock = NT_LOCK_INIT(NT_RANK_WINDOW), .holes = NT_NO_UNIT};

/* Open [at, at+size): in a reservation of ours by the rights to it. */
static bool open_range(void *at, size_t size, bool hugetlb)
{
    if (window.reserved && !hugetlb)
        return nt__os_protect(at, size, true);
    return nt__os_map_at(at, size, hugetlb);
}

/* Map what stands for the window from `from` to `end`. */
static bool map_headers(size_t from, size_t end)
{
    char *headers = nt__window.headers + HEADER_BYTES(from);
    char *map = (char *)nt__window.map + MAP_BYTES(from);
    if (!nt__os_map_at(headers, HEADER_BYTES(end - from), false))
        return false;
    if (nt__os_map_at(map, MAP_BYTES(end - from), false))
        return true;
    nt__os_unmap(headers, HEADER_BYTES(end - from));
    return false;
}

/* The map, the headers, and then the window itself. */
static void set_place(uintptr_t base, size_t size)
{
    size_t apart = window.reserved ? 0 : APART;
    nt__window.base = base;
    nt__window.headers = (char *)base - HEADER_BYTES(size) - apart;
    nt__window.map = (void **)(void *)(nt__window.headers - MAP_BYTES(size) - apart);
    window.size = size;
}

static bool try_place(uintptr_t base, size_t size)
{
    set_place(base, size);
    if (!map_headers(0, HEADER_STEP))
        return false;
    if (!nt__os_map_at((void *)base, NT_UNIT, false)) {
        nt__os_unmap(nt__window.headers, HEADER_BYTES(HEADER_STEP));
        nt__os_unmap(nt__window.map, MAP_BYTES(HEADER_STEP));
        return false;
    }
    nt__os_unmap((void *)base, NT_UNIT);
    /* Of these few are touched in a small program. */
    nt__os_advise_small(nt__window.headers, HEADER_BYTES(HEADER_STEP));
    window.headered = HEADER_STEP;
    return true;
}

/* The kernel chooses: as much as it lets us have, down to 64 MiB. */
static void reserve_place(void)
{
    window.size = 0;
    for (size_t size = 256 * NT_GIB; size >= 64 * NT_MIB; size /= 4) {
        size_t ahead =
            nt__align_up(HEADER_BYTES(size) + MAP_BYTES(size), nt__os_page_size());
        char *p = nt__os_reserve(size + ahead + NT_UNIT);
        if (!p)
            continue;
        char *base = (char *)nt__align_up((uintptr_t)p + ahead, NT_UNIT);
        if (!nt__os_protect(base - ahead, ahead, true)) {
            nt__os_unmap(p, size + ahead + NT_UNIT);
            continue;
        }
        window.reserved = true;
        set_place((uintptr_t)base, size);
        window.headered = size;
        return;
    }
}

static void find_place(void)
{
    /* 32 TiB and up is free in 47-bit address spaces, sanitizers included; 8 TiB is
     * for valgrind, which keeps its clients below 16; 128 GiB for 39-bit kernels. */
    static const struct {
        uintptr_t base, random;
        size_t size;
    } places[] = {
        {(uintptr_t)32 << 40, (uintptr_t)16 << 40, NT_WINDOW_MOST},
        {(uintptr_t)8 << 40, (uintptr_t)1 << 40, NT_WINDOW_MOST / 4},
        {(uintptr_t)128 << 30, (uintptr_t)32 << 30, 128 * NT_GIB},
    };
    uint64_t random = nt__os_random();
    for (size_t i = 0; i < NT_ARRAY_LEN(places); i++) {
        uintptr_t offset = nt__align_down(random % places[i].random, BASE_ALIGN);
        if (try_place(places[i].base + offset, places[i].size))
            return;
    }
    reserve_place();
}

void nt__window_start(void)
{
    find_place();
}

static bool grow_headers(size_t end)
{
    while (window.headered < end) {
        if (!map_headers(window.headered, window.headered + HEADER_STEP))
            return false;
        window.headered += HEADER_STEP;
    }
    return true;
}

/* The slices up to `end`, of no slab, speak for themselves. */
static void grow_map(size_t end)
{
    size_t i = nt__window.limit >> NT_SLICE_SHIFT;
    for (; i < end >> NT_SLICE_SHIFT; i++)
        nt__window.map[i] = nt__window_header_at(i);
}

static uint32_t hole_take(uint32_t units, size_t align, bool hugetlb)
{
    uint32_t *link = &window.holes;
    for (uint32_t u = window.holes; u != NT_NO_UNIT; u = *link) {
        struct nt_unit *hole = nt__window_unit(u);
        char *at = nt__window_unit_address(u);
        if (hole->length >= units && ((uintptr_t)at & (align - 1)) == 0 &&
            open_range(at, (size_t)units << NT_UNIT_SHIFT, hugetlb)) {
            uint32_t rest = u + units;
            if (hole->length > units) {
                *nt__window_unit(rest) = (struct nt_unit){
                    .next = hole->next, .length = hole->length - units};
                *link = rest;
            } else {
                *link = hole->next;
            }
            *hole = (struct nt_unit){0};
            return u;
        }
        link = &hole->next;
    }
    return NT_NO_UNIT;
}

/* Units that nothing is mapped in, and whose headers are. Under the lock. */
static void hole_put(uint32_t first, uint32_t units)
{
    struct nt_unit *hole = nt__window_unit(first);
    hole->length = units;
    hole->next = window.holes;
    window.holes = first;
}

uint32_t nt__window_map(uint32_t units, size_t align, bool hugetlb)
{
    size_t size = (size_t)units << NT_UNIT_SHIFT;
    nt__lock(&window.lock);
    if (NT_UNLIKELY(window.size == 0)) /* there may be memory by now */
        find_place();
    uint32_t first = hole_take(units, align, hugetlb);
    /* Skip past whatever else is mapped there, a bounded number of times. */
    for (int tries = 0; first == NT_NO_UNIT && tries < 64; tries++) {
        uintptr_t at = nt__align_up(nt__window.base + nt__window.limit, align);
        size_t end = at - nt__window.base + size;
        if (size > window.size || end > window.size || !grow_headers(end))
            break;
        errno = 0;
        uint32_t skipped = 0;
        if (open_range((void *)at, size, hugetlb)) {
            first = nt__window_unit_number((void *)at);
            skipped = first - (uint32_t)(nt__window.limit >> NT_UNIT_SHIFT);
        } else if (errno != 0 && errno != EEXIST) {
            break; /* nobody sits there: the system has no such memory for us */
        } else {
            end = nt__min(end, nt__window.limit + NT_GIB);
        }
        grow_map(end);
        if (skipped != 0) /* for the alignment: addresses are not to be lost by that */
            hole_put(first - skipped, skipped);
        /* Release: a reader that sees the limit sees the headers mapped. */
        __atomic_store_n(&nt__window.limit, end, __ATOMIC_RELEASE);
    }
    nt__unlock(&window.lock);
    return first;
}

bool nt__window_unmap(uint32_t first, uint32_t units)
{
    if (window.reserved) /* unmapping would let others into our stretch */
        return false;
    nt__lock(&window.lock);
    bool gone =
        nt__os_unmap(nt__window_unit_address(first), (size_t)units << NT_UNIT_SHIFT);
    if (gone) {
        for (uint32_t u = first; u < first + units; u++)
            *nt__window_unit(u) = (struct nt_unit){0};
        hole_put(first, units);
    }
    nt__unlock(&window.lock);
    return gone;
}

void nt__window_fork_lock(void)
{
    nt__lock_for_fork(&window.lock);
}

void nt__window_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&window.lock);
        return;
    }
    if (how == NT_FORK_RAW && nt__lock_raw(&window.lock))
        window.holes = NT_NO_UNIT;
    nt__lock_init(&window.lock, NT_RANK_WINDOW);
}
