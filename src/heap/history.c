/* SPDX-License-Identifier: MIT */
#include "src/heap/history.h"

#include "numa/arenas.h"
#include "pools/peak.h"
#include "src/base/lock.h"
#include "src/base/os.h"
#include "src/heap/figures.h"

#include <string.h>

#define SHARE 1000u /* the time from one point to the next is so many times a point's */

/* Not initialised: it is large, and would be in the library's file. */
static struct {
    uint64_t began_ns; /* 0: not yet, and nothing of it is to be touched */
    struct nt_lock lock;
    struct nt_history history;
} kept;

/* The next is due when the interval is over, and not before this one's cost is made good. By
 * the exact clock: the other may be behind now, and not then. */
static void put_off(uint64_t cost_ns)
{
    uint64_t interval = __atomic_load_n(&kept.history.interval_ns, __ATOMIC_RELAXED);
    uint64_t due_ns = nt__os_now_ns() + nt__max(interval, cost_ns * SHARE);
    __atomic_store_n(&nt__peak_note_ms, due_ns / 1000000 + 2, __ATOMIC_RELAXED);
}

static void read_levels(uint64_t point[static NT_HISTORY_ROW_MAX])
{
    const struct nt_peaks *live = nt__peak_live();
    unsigned nodes = nt__topo()->nodes;
    nt__peak_settle();
    for (unsigned n = 0; n < nodes; n++) {
        int64_t bytes = __atomic_load_n(&live->node[n], __ATOMIC_RELAXED);
        point[1 + n] = nt__not_below_zero((uint64_t)bytes);
    }
    for (unsigned i = 0; i < nt__arenas_count(); i++) {
        const struct nt_arena *a = nt__arenas_get(i);
        point[1 + nodes + a->slot] += nt__count_read(&a->committed) << NT_SLICE_SHIFT;
    }
}

static void levels_of(const struct nt_snapshot *s,
                      uint64_t point[static NT_HISTORY_ROW_MAX])
{
    for (unsigned n = 0; n < s->nodes; n++) {
        point[1 + n] = s->node[n].live_bytes_now;
        point[1 + s->nodes + n] = s->node[n].committed_bytes_now;
    }
}

void nt__history_begin(const struct nt_snapshot *now)
{
    uint64_t point[NT_HISTORY_ROW_MAX] = {0};
    nt__lock_init(&kept.lock, NT_RANK_HISTORY);
    nt__history_start(&kept.history, nt__topo()->nodes);
    if (now)
        levels_of(now, point);
    nt__history_add(&kept.history, point);
    put_off(0);
    __atomic_store_n(&nt__peak_noted, false, __ATOMIC_RELAXED);
    /* Release: pairs with ns_since. */
    __atomic_store_n(&kept.began_ns, nt__os_now_ns(), __ATOMIC_RELEASE);
}

/* Nanoseconds since the beginning. False: it is still to come. */
static bool ns_since(uint64_t *ns)
{
    uint64_t began = __atomic_load_n(&kept.began_ns, __ATOMIC_ACQUIRE);
    *ns = nt__os_now_ns() - began;
    return began != 0;
}

void nt__history_note(void)
{
    uint64_t point[NT_HISTORY_ROW_MAX] = {0};
    if (!__atomic_exchange_n(&nt__peak_noted, false, __ATOMIC_RELAXED) ||
        !ns_since(&point[0]))
        return;
    put_off(0); /* as somebody else may find it due meanwhile */
    uint64_t ran = nt__os_ran_ns();
    read_levels(point);
    if (nt__trylock(&kept.lock)) {
        nt__history_add(&kept.history, point);
        nt__unlock(&kept.lock);
    }
    put_off(nt__os_ran_ns() - ran); /* by the interval of now */
}

void nt__history_read(struct nt_history *out, const struct nt_snapshot *now, bool wait)
{
    uint64_t point[NT_HISTORY_ROW_MAX];
    if (!ns_since(&point[0]))
        return;
    if (nt__lock_or_try(&kept.lock, wait)) {
        memcpy(out, &kept.history, nt__history_bytes(&kept.history));
        nt__unlock(&kept.lock);
    }
    if (out->nodes == 0) /* never had */
        return;
    levels_of(now, point);
    nt__history_end(out, point);
}
