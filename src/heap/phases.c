/* SPDX-License-Identifier: MIT */
#include "src/heap/phases.h"

#include "pools/peak.h"
#include "pools/pool.h"
#include "src/base/fmt.h"
#include "src/base/os.h"
#include "src/heap/calls.h"
#include "src/heap/figures.h"
#include "src/heap/start.h"

#include <errno.h>
#include <string.h>

static const char others[] = "(other)";

/* All counters of the process, added up. */
struct reading {
    uint64_t ns;
    struct nt_sums sums;
    uint64_t remote, far;
};

static struct {
    struct nt_lock lock; /* guards all but `signalled` */
    struct nt_phase_figures row[NT_PHASES_MAX];
    unsigned rows;
    struct nt_phase_figures *running; /* NULL: none */
    struct reading begin;             /* of its present entry */
    uint64_t signalled;               /* marks that handlers asked for */
    uint64_t signals;                 /* of these, made */
} phases = {.lock = NT_LOCK_INIT(NT_RANK_PHASES)};

/* ---- Reading -------------------------------------------------------------------------- */

/* Frees of a pool's blocks are remote, and far, where its matrix has them off the
 * diagonal, as in adding.c. */
static void add_pools(struct reading *r)
{
    unsigned nodes = nt__topo()->nodes;
    for (const struct nt_pool *p = nt__pool_first(); p; p = p->next)
        for (unsigned slot = 0; slot < nodes; slot++)
            for (unsigned home = 0; home < nodes; home++)
                if (slot != home)
                    r->far += nt__count_read(&p->freed_by[slot][home]);
    r->remote += r->far;
}

static void read_counters(struct reading *r)
{
    *r = (struct reading){.ns = nt__os_now_ns()};
    add_pools(r);
    for (const struct nt_shard *s = nt__shard_first(); s; s = s->next) {
        nt__sums_add_shard(&r->sums, s);
        for (unsigned home = 0; home < nt__topo()->nodes; home++)
            if (home != s->slot)
                r->far += nt__count_read(&s->sent_blocks[home]);
    }
    r->remote += r->sums.remote;
}

static uint64_t live(const struct reading *r)
{
    return nt__not_below_zero(r->sums.allocated - r->sums.freed);
}

static void raise_to(uint64_t *peak, uint64_t bytes)
{
    if (*peak < bytes)
        *peak = bytes;
}

/* The running phase's part of what was counted by `now`, added to `row`. */
static void add_part(struct nt_phase_figures *row, const struct reading *now)
{
    const struct reading *begin = &phases.begin;
    struct nt_sums sums = now->sums;
    nt__sums_subtract(&sums, &begin->sums);
    row->spent_ns_total += now->ns - begin->ns;
    row->allocations_total += sums.allocs;
    row->allocated_bytes_total += sums.allocated;
    row->requested_bytes_total += sums.requested;
    row->frees_total += sums.frees;
    row->freed_bytes_total += sums.freed;
    row->remote_frees_total += now->remote - begin->remote;
    row->far_frees_total += now->far - begin->far;
    row->last_live_bytes = live(now);
    raise_to(&row->live_bytes_peak, nt__peak_phase());
    raise_to(&row->live_bytes_peak, live(now));
}

/* ---- Marking ---------------------------------------------------------------------------- */

static struct nt_phase_figures *find(const char *name)
{
    for (unsigned i = 0; i < phases.rows; i++)
        if (strcmp(phases.row[i].name, name) == 0)
            return &phases.row[i];
    return NULL;
}

/* The row of this name, a new one, or the one that all further names share. */
static struct nt_phase_figures *row_of(const char *name)
{
    char cut[sizeof phases.row->name];
    nt__name_copy(cut, sizeof cut, name);
    struct nt_phase_figures *row = find(cut);
    bool last = phases.rows >= NT_PHASES_MAX - 1;
    if (!row && last)
        row = find(others);
    if (row)
        return row;
    row = &phases.row[phases.rows++];
    nt__name_copy(row->name, sizeof row->name, last ? others : cut);
    return row;
}

/* End the phase that runs and begin `name`, or none. Under the lock. */
static void mark(const char *name)
{
    struct reading now;
    nt__peak_settle();
    read_counters(&now);
    if (phases.running) {
        add_part(phases.running, &now);
        phases.running->running = 0;
    }
    phases.running = name ? row_of(name) : NULL;
    if (!phases.running) {
        nt__peak_phase_end();
        return;
    }
    struct nt_phase_figures *row = phases.running;
    if (row->entries_total++ == 0)
        row->first_live_bytes = live(&now);
    row->running = 1;
    raise_to(&row->live_bytes_peak, live(&now));
    phases.begin = now;
    nt__peak_phase_begin();
}

/* Give the lock up, once no mark is asked for that nobody else will make. */
static void let_go(void)
{
    char name[32];
    do {
        while (phases.signals != __atomic_load_n(&phases.signalled, __ATOMIC_RELAXED)) {
            nt__fmt_into(name, sizeof name, "signal %llu",
                         (unsigned long long)++phases.signals);
            mark(name);
        }
        uint64_t made = phases.signals;
        nt__unlock(&phases.lock);
        /* Acquire and release, and a write: a handler that came before this is seen here;
         * one that comes after it finds the lock given up. */
        if (made == __atomic_fetch_add(&phases.signalled, 0, __ATOMIC_ACQ_REL))
            return;
    } while (nt__trylock(&phases.lock));
}

void nt__phases_signalled(void)
{
    /* Acquire and release: pairs with let_go. */
    __atomic_add_fetch(&phases.signalled, 1, __ATOMIC_ACQ_REL);
    if (nt__trylock(&phases.lock))
        let_go();
}

int nt_mark(const char *name)
{
    NT_FORWARD(mark(name));
    if (name && *name == '\0')
        return -EINVAL;
    int saved = errno;
    nt__start();
    nt__start_check_fork();
    nt__lock(&phases.lock);
    mark(name);
    let_go();
    nt__figures_tick(); /* whoever is killed later should be seen to have come so far */
    errno = saved;
    return 0;
}

/* ---- Listing ---------------------------------------------------------------------------- */

bool nt__phases_read(struct nt_phase_figures *out, size_t max, bool wait, size_t *n)
{
    if (!nt__lock_or_try(&phases.lock, wait))
        return false;
    *n = phases.rows;
    if (nt__min(max, *n) > 0)
        memcpy(out, phases.row, nt__min(max, *n) * sizeof *out);
    size_t at = phases.running ? (size_t)(phases.running - phases.row) : max;
    if (at < max) {
        struct reading now;
        nt__peak_settle();
        read_counters(&now);
        add_part(&out[at], &now);
    }
    let_go();
    return true;
}

long nt_snapshot_phases(struct nt_phase_figures *out, size_t max)
{
    NT_FORWARD(snapshot_phases(out, max));
    if (!out && max != 0)
        return -EINVAL;
    int saved = errno;
    size_t n = 0;
    nt__start();
    nt__start_check_fork();
    nt__phases_read(out, max, true, &n);
    nt__figures_tick();
    errno = saved;
    return (long)n;
}

/* ---- fork -------------------------------------------------------------------------------- */

void nt__phases_fork_lock(void)
{
    nt__lock_for_fork(&phases.lock);
}

static void begin_child(bool torn)
{
    char name[sizeof phases.row->name] = "";
    if (phases.running && !torn)
        memcpy(name, phases.running->name, sizeof name);
    memset(phases.row, 0, sizeof phases.row);
    phases.rows = 0;
    phases.running = NULL;
    phases.signals = phases.signalled;
    if (name[0] != '\0')
        mark(name);
    else
        nt__peak_phase_end();
}

void nt__phases_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&phases.lock);
        if (nt__trylock(&phases.lock)) /* a handler may have found it taken */
            let_go();
        return;
    }
    bool torn = how == NT_FORK_RAW && nt__lock_raw(&phases.lock);
    nt__lock_init(&phases.lock, NT_RANK_PHASES);
    begin_child(torn);
}
