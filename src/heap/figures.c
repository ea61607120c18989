/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "src/heap/figures.h"

#include "numa/residency.h"
#include "pools/peak.h"
#include "pools/pool.h"
#include "pools/sampled.h"
#include "src/base/conf.h"
#include "src/base/meta.h"
#include "src/base/os.h"
#include "src/heap/calls.h"
#include "src/heap/history.h"
#include "src/heap/limit.h"
#include "src/heap/phases.h"
#include "src/heap/sampler.h"
#include "src/heap/start.h"
#include "src/heap/thread.h"
#include "src/track/live.h"
#include "src/track/profile.h"
#include "src/track/report.h"
#include "src/track/timeline.h"
#include "src/track/wrap.h"

#include <errno.h>
#include <numatally/stats.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

_Static_assert(NT_NODES_MAX == NT_TOPO_NODES, "a slot is a slot");
_Static_assert(NT_CLASSES_MAX == NT_CLASSES, "a class is a class");

#define WATCH_MS 10        /* least time between two live snapshots */
#define LYING_MS 1000      /* least time between two looks at where memory lies */
#define WATCH_SHARE 1000u  /* and at least so many times what one costs, */
#define WATCH_LATE_MS 1000 /* unless they get older than that: then so many times: */
#define WATCH_LATE_SHARE 100u

bool nt__figures_watched, nt__figures_due;

/* What is large: for a small stack, and for the library's file, so nothing initialises it. */
static struct {
    struct nt_live now;      /* under the lock of figures */
    struct nt_snapshot base; /* what was counted before the fork; sums only */
    struct nt_lying lying;   /* under the lock */
} large;

static struct {
    struct nt_lock lock; /* guards `now` */
    bool forked;
    bool ended;    /* the last word is said; under `lock` */
    bool reported; /* what report: asks for is written already; under `lock` */
    bool live;     /* there is a live file, or is to be one */
    pid_t pid;     /* whose figures these are; 0: nobody's yet */
    uint64_t start_ns;
    int64_t rank; /* as it was last read */
    uint64_t foreign;
    uint64_t due_ms;   /* the next live snapshot */
    uint64_t row_ms;   /* the next row of the timeline */
    uint64_t lying_ms; /* when `lying` was asked; 0: never */
} figures = {.lock = NT_LOCK_INIT(NT_RANK_FIGURES)};

/* Give the lock up. A report that was asked for by then is seen by the tick that follows;
 * who asks later finds the lock free. It takes acquire, release and a write on both sides. */
static void let_go(void)
{
    bool none = false;
    nt__unlock(&figures.lock);
    __atomic_compare_exchange_n(&nt__figures_due, &none, false, false, __ATOMIC_ACQ_REL,
                                __ATOMIC_ACQUIRE);
}

/* ---- Reading ------------------------------------------------------------------------- */

static void identify(struct nt_snapshot *out, bool wait)
{
    struct utsname host;
    out->size = sizeof *out;
    out->version = NT_SNAPSHOT_VERSION;
    out->pid = getpid();
    if (wait) /* else in a signal handler: the environment may be changing just now */
        __atomic_store_n(&figures.rank, nt__conf_rank(), __ATOMIC_RELAXED);
    out->rank = __atomic_load_n(&figures.rank, __ATOMIC_RELAXED);
    out->start_unix_ns = __atomic_load_n(&figures.start_ns, __ATOMIC_RELAXED);
    out->now_unix_ns = nt__os_unix_ns();
    if (uname(&host) == 0)
        memcpy(out->host, host.nodename, strnlen(host.nodename, sizeof out->host - 1));
    const char *program = program_invocation_short_name;
    if (program)
        memcpy(out->program, program, strnlen(program, sizeof out->program - 1));
    memcpy(out->version_string, NT_VERSION_STRING, sizeof NT_VERSION_STRING);
    out->page_bytes = nt__os_page_size();
    out->metadata_bytes_now = nt__meta_bytes();
    out->foreign_frees_total = nt__count_read(&figures.foreign);
    out->fake_topology = nt__topo()->fake;
    out->inherited = figures.forked;
    nt__thread_counts(&out->threads_now, &out->threads_total);
    out->pools_now = nt__pool_count();
    out->tracked_now = nt__trackers_count();
    out->cpu_ns_total = nt__os_cpu_ns();
}

static void read_all(struct nt_snapshot *out, bool wait)
{
    memset(out, 0, sizeof *out);
    identify(out, wait);
    out->nodes = nt__topo()->nodes;
    out->classes = nt__sizeclass_count() + 1;
    for (unsigned n = 0; n < out->nodes; n++)
        out->node_id[n] = nt__topo()->node[n].id;
    nt__figures_add(out, figures.forked ? &large.base : NULL);
}

int nt_snapshot(struct nt_snapshot *out)
{
    NT_FORWARD(snapshot(out));
    if (!out)
        return -EINVAL;
    int saved = errno;
    nt__start();
    nt__start_check_fork();
    read_all(out, true);
    errno = saved;
    return 0;
}

/* ---- Showing ------------------------------------------------------------------------------ */

/* Where the heap's memory lies; the total is the sum. */
static void add_lying(struct nt_snapshot *out, const struct nt_lying *lying)
{
    out->residency_pages_now = lying->pages_asked;
    for (unsigned n = 0; n < out->nodes; n++) {
        struct nt_node_figures *node = &out->node[n];
        node->resident_bytes_now = lying->slot[n].resident;
        node->elsewhere_full_bytes_now = lying->slot[n].full;
        node->elsewhere_refused_bytes_now = lying->slot[n].refused;
        node->elsewhere_moved_bytes_now = lying->slot[n].moved;
        node->lying_bytes_now = lying->slot[n].on_node;
        node->lying_huge_bytes_now = lying->slot[n].huge;
        out->total.resident_bytes_now += lying->slot[n].resident;
        out->total.elsewhere_full_bytes_now += lying->slot[n].full;
        out->total.elsewhere_refused_bytes_now += lying->slot[n].refused;
        out->total.elsewhere_moved_bytes_now += lying->slot[n].moved;
        out->total.lying_bytes_now += lying->slot[n].on_node;
        out->total.lying_huge_bytes_now += lying->slot[n].huge;
    }
}

/* All that a report shows. The kernel is asked where memory lies if what is known is
 * older than `age_ms`. False: something would have to be waited for, and must not be. Under
 * the lock. */
static bool read_now(uint64_t age_ms, bool wait)
{
    struct nt_live *now = &large.now;
    size_t threads = 0, pools = 0, phases = 0, tracked = 0;
    if (!nt__thread_read(now->threads, NT_LIVE_THREADS, wait, &threads) ||
        !nt__pools_read(now->pools, NT_LIVE_POOLS, wait, &pools) ||
        !nt__phases_read(now->phases, NT_PHASES_MAX, wait, &phases) ||
        !nt__trackers_read(now->tracked, NT_LIVE_TRACKED, wait, &tracked))
        return false;
    now->nthreads = (uint32_t)nt__min(threads, NT_LIVE_THREADS);
    now->npools = (uint32_t)nt__min(pools, NT_LIVE_POOLS);
    now->nphases = (uint32_t)phases;
    now->ntracked = (uint32_t)nt__min(tracked, NT_LIVE_TRACKED);
    uint64_t ms = nt__os_now_ms();
    if (figures.lying_ms == 0 || ms - figures.lying_ms >= age_ms) {
        nt__residency_heap(&large.lying);
        figures.lying_ms = ms;
    }
    read_all(&now->snapshot, wait);
    add_lying(&now->snapshot, &large.lying);
    nt__history_read(&now->history, &now->snapshot, wait);
    return true;
}

int nt_report(int fd, enum nt_format format)
{
    NT_FORWARD(report(fd, format));
    int saved = errno, cancel = nt__cancel_off();
    nt__start();
    nt__start_check_fork();
    nt__lock(&figures.lock);
    read_now(0, true);
    struct nt_profile profile;
    struct nt_tables tables = nt__live_tables(&large.now);
    nt__sampler_read(&profile, &tables, true);
    int result = nt__report_write(fd, format, &large.now.snapshot, &tables);
    let_go();
    nt__profile_free(&profile);
    nt__cancel_as(cancel);
    nt__figures_tick();
    errno = saved;
    return result;
}

/* The report that is due, if it still is. Under the lock. */
static void write_due(bool wait)
{
    if (!__atomic_exchange_n(&nt__figures_due, false, __ATOMIC_ACQ_REL) ||
        figures.ended)
        return;
    struct nt_profile profile;
    struct nt_tables tables;
    if (!read_now(0, wait) || (tables = nt__live_tables(&large.now),
                               !nt__sampler_read(&profile, &tables, wait))) {
        (void)__atomic_exchange_n(&nt__figures_due, true, __ATOMIC_ACQ_REL);
        return;
    }
    nt__report_on_signal(&large.now.snapshot, &tables);
    nt__profile_free(&profile);
}

/* What cannot be had is left to those who have it: they come by nt__figures_tick. Twice, as
 * they may have come by just before it was left to them. */
static void report_due(bool wait)
{
    for (int i = 0; i < 2 && __atomic_load_n(&nt__figures_due, __ATOMIC_ACQUIRE); i++)
        if (nt__lock_or_try(&figures.lock, wait)) {
            write_due(wait);
            let_go();
        }
}

bool nt__figures_are_ours(void)
{
    return __atomic_load_n(&figures.pid, __ATOMIC_RELAXED) == getpid();
}

void nt__figures_signalled(void)
{
    (void)__atomic_exchange_n(&nt__figures_due, true,
                              __ATOMIC_ACQ_REL); /* see let_go */
    report_due(false);
}

/* What is seen to now and then: is there anything? */
static void set_watched(bool live)
{
    bool watched = live || nt__timeline_goes_on();
    __atomic_store_n(&figures.live, live, __ATOMIC_RELAXED);
    __atomic_store_n(&nt__figures_watched, watched, __ATOMIC_RELAXED);
}

/* In the folder of live: what others left is swept; that of `numatally run` is for the
 * tool to look after. */
static void open_live(void)
{
    const char *dir = nt__conf_live_dir();
    set_watched(nt__live_open(dir));
    if (figures.live && !nt__conf_run_wants())
        nt__live_sweep(dir);
}

static void update_live(void)
{
    if (!nt__live_is_open())
        open_live();
    /* The first reading costs ten times the next: its pages are new to the process. */
    bool first = __atomic_load_n(&figures.due_ms, __ATOMIC_RELAXED) == 0;
    uint64_t ran = nt__os_ran_ns(); /* not what others run meanwhile */
    read_now(LYING_MS, true);
    nt__live_write(&large.now);
    nt__sampler_save(true);
    ran = first ? 0 : nt__os_ran_ns() - ran;
    uint64_t pause = nt__min(ran * WATCH_SHARE / 1000000,
                             nt__max(ran * WATCH_LATE_SHARE / 1000000, WATCH_LATE_MS));
    __atomic_store_n(&figures.due_ms, nt__os_now_ms() + nt__max(pause, WATCH_MS),
                     __ATOMIC_RELAXED);
}

static void update_timeline(void)
{
    read_all(&large.now.snapshot, true);
    nt__timeline_write(&large.now.snapshot);
    set_watched(figures.live);
    /* By the exact clock, as the other may be behind now and not then. */
    uint64_t ms = nt__os_now_ns() / 1000000 + nt__timeline_pause_ms() + 2;
    __atomic_store_n(&figures.row_ms, nt__timeline_goes_on() ? ms : UINT64_MAX,
                     __ATOMIC_RELAXED);
}

static void watch(void)
{
    uint64_t ms = nt__os_now_ms();
    bool live = __atomic_load_n(&figures.live, __ATOMIC_RELAXED) &&
                ms >= __atomic_load_n(&figures.due_ms, __ATOMIC_RELAXED);
    bool row = nt__conf()->timeline_ms != 0 &&
               ms >= __atomic_load_n(&figures.row_ms, __ATOMIC_RELAXED);
    if ((!live && !row) || !nt__figures_are_ours() || !nt__trylock(&figures.lock))
        return;
    if (!figures.ended && live)
        update_live();
    if (!figures.ended && row)
        update_timeline();
    let_go();
}

void nt__figures_act(void)
{
    int saved = errno; /* a realloc in place does not keep it */
    int cancel = nt__cancel_off();
    if (__atomic_load_n(&nt__peak_noted, __ATOMIC_RELAXED))
        nt__history_note();
    if (nt__figures_watched)
        watch();
    if (__atomic_load_n(&nt__figures_due, __ATOMIC_RELAXED))
        report_due(true);
    nt__cancel_as(cancel);
    if (__atomic_load_n(&nt__peak_crossed, __ATOMIC_RELAXED))
        nt__limit_crossed();
    errno = saved;
}

void nt__figures_foreign(void)
{
    __atomic_add_fetch(&figures.foreign, 1, __ATOMIC_RELAXED);
}

void nt__figures_start(void)
{
    /* Other threads may be reading already. */
    __atomic_store_n(&figures.start_ns, nt__os_unix_ns(), __ATOMIC_RELAXED);
    __atomic_store_n(&figures.rank, nt__conf_rank(), __ATOMIC_RELAXED);
    nt__report_start();
    nt__history_begin(NULL);
    __atomic_store_n(&figures.pid, getpid(), __ATOMIC_RELAXED);
    set_watched(nt__conf_live_dir() != NULL);
    nt__figures_tick();
}

/* The lock is held. Calls after the first do nothing. */
static void say_last_word(bool wait)
{
    struct nt_live *now = &large.now;
    if (figures.ended)
        return;
    if (!nt__figures_watched &&
        (figures.reported || nt__conf()->report[0] == '\0')) { /* nobody asked */
        figures.ended = true;
        return;
    }
    if (!read_now(0, wait))
        return;
    figures.ended = true;
    now->snapshot.final = 1;
    if (figures.live && !nt__live_is_open())
        nt__live_open(nt__conf_live_dir());
    nt__live_write(now);
    nt__sampler_save(wait);
    nt__timeline_write(&now->snapshot);
    struct nt_profile profile;
    struct nt_tables tables = nt__live_tables(now);
    bool read = nt__sampler_read(&profile, &tables, wait);
    if (!figures.reported)
        nt__report_at_exit(&now->snapshot, &tables);
    if (read)
        nt__profile_free(&profile);
}

void nt__figures_take(struct nt_snapshot *out, bool write)
{
    struct nt_profile profile;
    nt__lock(&figures.lock);
    read_now(0, true);
    *out = large.now.snapshot;
    if (write) {
        struct nt_tables tables = nt__live_tables(&large.now);
        nt__sampler_read(&profile, &tables, true);
        nt__report_at_exit(out, &tables);
        nt__profile_free(&profile);
    }
    let_go();
}

void nt__figures_reported(void)
{
    nt__lock(&figures.lock);
    figures.reported = true;
    let_go();
}

void nt__figures_end(void)
{
    int saved = errno, cancel = nt__cancel_off();
    nt__start_check_fork();
    nt__lock(&figures.lock);
    say_last_word(true);
    let_go();
    nt__cancel_as(cancel);
    errno = saved;
}

void nt__figures_exit(void)
{
    pid_t pid = __atomic_load_n(&figures.pid, __ATOMIC_RELAXED);
    /* Another process where the kernel wiped no page: the memory is its parent's. */
    if (pid == 0 || (pid != getpid() && *nt__start_alive != 0))
        return;
    int saved = errno, cancel = nt__cancel_off();
#if NT_DEBUG
    nt__lock_held = 0; /* what a handler interrupted never goes on */
#endif
    nt__start_check_fork();
    if (nt__trylock(&figures.lock)) {
        say_last_word(false);
        let_go();
    }
    nt__cancel_as(cancel);
    errno = saved;
}

/* ---- fork ------------------------------------------------------------------------------------ */

void nt__figures_fork_lock(void)
{
    nt__lock_for_fork(&figures.lock);
}

/* What was counted by now becomes the base. In a raw child other threads' last counts
 * may be missing from it: they are gone with them. */
static void begin_child(void)
{
    figures.forked = false;
    figures.foreign = 0;
    figures.start_ns = nt__os_unix_ns();
    figures.due_ms = figures.row_ms = figures.lying_ms = 0;
    read_all(&large.base, true);
    nt__pools_begin_child();
    nt__history_begin(&large.base);
    large.now.history.count = 0;
    figures.forked = true;
    figures.ended = figures.reported = false;
    nt__figures_due = false; /* it was the parent that was asked */
    __atomic_store_n(&figures.pid, getpid(), __ATOMIC_RELAXED);
    nt__report_fork_child();
    nt__live_fork_child();
    nt__timeline_fork_child();
    set_watched(nt__conf_live_dir() != NULL);
}

void nt__figures_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&figures.lock);
        return;
    }
    nt__lock_init(&figures.lock, NT_RANK_FIGURES);
    begin_child();
}
