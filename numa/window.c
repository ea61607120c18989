/* SPDX-License-Identifier: MIT */
#include "numa/window.h"

#include "src/base/os.h"

#include <errno.h>
#include <string.h>

#define BASE_ALIGN NT_GIB
#define HEADER_BYTES(bytes) ((bytes) >> (NT_SLICE_SHIFT - NT_HEADER_SHIFT))
/* Headers are mapped this far ahead: 1 GiB of window costs 2 MiB of addresses. */
#define HEADER_STEP NT_GIB

struct nt_window nt__window;

static struct {
    struct nt_lock lock;
    size_t size;     /* bytes the window may reach */
    bool reserved;   /* the kernel chose the place and holds it for us */
    size_t headered; /* bytes of window whose headers are mapped */
    uint32_t holes;  /* first hole; units linked by nt_unit.next, lengths in .length */
} window = {.lock = NT_LOCK_INIT(NT_RANK_WINDOW), .holes = NT_NO_UNIT};

/* Open [at, at+size): in a reservation of ours by replacing it. */
static bool open_range(void *at, size_t size, bool hugetlb)
{
    if (window.reserved && !hugetlb)
        return nt__os_remap(at, size);
    return nt__os_map_at(at, size, hugetlb);
}

static bool try_place(uintptr_t base, size_t size)
{
    uintptr_t headers = base - HEADER_BYTES(size);
    if (!nt__os_map_at((void *)headers, HEADER_BYTES(HEADER_STEP), false))
        return false;
    if (!nt__os_map_at((void *)base, NT_UNIT, false)) {
        nt__os_unmap((void *)headers, HEADER_BYTES(HEADER_STEP));
        return false;
    }
    nt__os_unmap((void *)base, NT_UNIT);
    nt__window.base = base;
    nt__window.headers = (char *)headers;
    window.size = size;
    window.headered = HEADER_STEP;
    return true;
}

/* The kernel chooses: as much as it lets us have, down to 64 MiB. */
static void reserve_place(void)
{
    for (size_t size = 256 * NT_GIB; size >= 64 * NT_MIB; size /= 4) {
        size_t headers = nt__align_up(HEADER_BYTES(size), nt__os_page_size());
        char *p = nt__os_reserve(size + headers + NT_UNIT);
        if (!p)
            continue;
        char *base = (char *)nt__align_up((uintptr_t)p + headers, NT_UNIT);
        if (!nt__os_remap(base - headers, headers)) {
            nt__os_unmap(p, size + headers + NT_UNIT);
            continue;
        }
        nt__window.base = (uintptr_t)base;
        nt__window.headers = base - headers;
        window.size = size;
        window.headered = size;
        window.reserved = true;
        return;
    }
}

void nt__window_start(void)
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

/* Map the headers of the window up to `end` bytes. */
static bool grow_headers(size_t end)
{
    while (window.headered < end) {
        char *at = nt__window.headers + HEADER_BYTES(window.headered);
        if (!nt__os_map_at(at, HEADER_BYTES(HEADER_STEP), false))
            return false;
        window.headered += HEADER_STEP;
    }
    return true;
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

uint32_t nt__window_map(uint32_t units, size_t align, bool hugetlb)
{
    size_t size = (size_t)units << NT_UNIT_SHIFT;
    nt__lock(&window.lock);
    uint32_t first = hole_take(units, align, hugetlb);
    /* Skip past whatever else is mapped there, a bounded number of times. */
    for (int tries = 0; first == NT_NO_UNIT && tries < 64; tries++) {
        uintptr_t at = nt__align_up(nt__window.base + nt__window.limit, align);
        size_t end = at - nt__window.base + size;
        if (size > window.size || end > window.size || !grow_headers(end))
            break;
        errno = 0;
        if (open_range((void *)at, size, hugetlb)) {
            first = nt__window_unit_number((void *)at);
        } else if (errno != 0 && errno != EEXIST) {
            break; /* nobody sits there: the system has no such memory for us */
        } else {
            end = nt__min(end, nt__window.limit + NT_GIB);
        }
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
        nt__window_unit(first)->length = units;
        nt__window_unit(first)->next = window.holes;
        window.holes = first;
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
