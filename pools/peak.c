/* SPDX-License-Identifier: MIT */
#include "pools/peak.h"

#include "src/base/os.h"

#include <pthread.h>
#include <string.h>
#include <sys/single_threaded.h>

enum watch {
    WATCH_OFF = 0,
    WATCH_BELOW, /* the sum was at the watched bytes or below when last settled */
    WATCH_ABOVE, /* it was above, and the crossing is dealt with */
};

/* Where nothing else is said: written by the settler. */
static struct {
    struct nt_peaks live; /* sums of what is published; atomic adds */
    struct nt_peaks peak;
    struct nt_peaks limit; /* settle when live is above; that of the total is the least
                              of the peak's own, the phase's and the watched bytes' */
    int64_t low;           /* settle when the total is not above this either */
    int64_t phase;         /* most since the phase began */
    bool in_phase;         /* by whoever begins and ends phases, one at a time */
    uint8_t restart;       /* the same sets it, the settler clears it: a phase begins */
    bool active; /* somebody settles: what is published may not be in the sums */
    enum watch watch;
    int64_t watched;   /* bytes */
    pthread_t crosser; /* who is to take the crossing, if nt__peak_crossed */
    int64_t crossing;  /* the sum then */
    bool threads;      /* there were others when the lock was taken for a fork */
    struct nt_lock settling;
} peak = {.low = INT64_MIN, .settling = NT_LOCK_INIT(NT_RANK_PEAK)};

bool nt__peak_crossed, nt__peak_noted;
bool nt__peak_watching; /* watch is not WATCH_OFF; written by the settler */
uint64_t nt__peak_note_ms;

static int64_t load(const int64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store(int64_t *p, int64_t n)
{
    __atomic_store_n(p, n, __ATOMIC_RELAXED);
}

/* With one thread there is only a signal handler to interrupt it, so the bus needs no lock. */
static void add(int64_t *p, int64_t n)
{
#if defined(__x86_64__)
    if (__libc_single_threaded) {
        __asm__("addq %1, %0" : "+m"(*p) : "re"(n) : "cc");
        return;
    }
#endif
    __atomic_fetch_add(p, n, __ATOMIC_RELAXED);
}

/* Block bytes of class `c` that were handed out here less those freed here. */
static int64_t bytes_of(const struct nt_shard *s, unsigned c)
{
    if (c == nt__sizeclass_large())
        return nt__peak_large(s);
    uint64_t allocs = __atomic_load_n(&s->allocs[c], __ATOMIC_ACQUIRE); /* see peak.h */
    uint64_t blocks =
        allocs - nt__count_read(&s->frees[c]) - nt__count_read(&s->sent[c]);
    return (int64_t)(blocks * nt__sizeclasses.size[c]);
}

/* Returns the change. */
static int64_t publish_class(struct nt_shard *s, unsigned c)
{
    int64_t now = bytes_of(s, c);
    /* Acquire and release: who finds the change published finds `active` set. */
    if (now == __atomic_load_n(&s->published[c], __ATOMIC_ACQUIRE))
        return 0;
    int64_t change = now - __atomic_exchange_n(&s->published[c], now, __ATOMIC_ACQ_REL);
    add(&s->live_bytes, change);
    add(&peak.live.class_[c], change);
    add(&peak.live.node[s->slot], change);
    add(&peak.live.total, change);
    if (!s->pool)
        add(&peak.live.process, change);
    return change;
}

/* What was freed here but lived on another node comes off that node's sum. */
static void publish_sent(struct nt_shard *s)
{
    if (nt__topo()->nodes == 1)
        return;
    for (unsigned home = 0; home < nt__topo()->nodes; home++) {
        if (home == s->slot)
            continue;
        int64_t now = (int64_t)nt__count_read(&s->sent_bytes[home]);
        int64_t change =
            now - __atomic_exchange_n(&s->published_sent[home], now, __ATOMIC_RELAXED);
        if (change != 0) {
            add(&peak.live.node[s->slot], change);
            add(&peak.live.node[home], -change);
        }
    }
}

/* What is published, and what is not yet: nothing is for long where others free the blocks
 * as fast as the owner allocates, as no slab of its becomes full. */
static int64_t live_of(const struct nt_shard *s)
{
    int64_t live = 0;
    for (unsigned c = 0; c <= nt__sizeclass_large(); c = nt__sizeclass_next(c))
        live += bytes_of(s, c);
    return live;
}

int64_t nt__peak_restart(struct nt_shard *s)
{
    int64_t live = live_of(s);
    store(&s->live_peak, live);
    return live;
}

int64_t nt__peak_of_shard(const struct nt_shard *s)
{
    int64_t live = live_of(s), noted = load(&s->live_peak);
    return live > noted ? live : noted;
}

/* ---- Settling ------------------------------------------------------------------------ */

static void publish_all(void)
{
    for (struct nt_shard *s = nt__shard_first(); s; s = s->next) {
        for (unsigned c = 0; c <= nt__sizeclass_large(); c = nt__sizeclass_next(c))
            publish_class(s, c);
        publish_sent(s);
    }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How much more than `bytes` there may be before somebody looks. */
static int64_t step(int64_t bytes)
{
    return bytes < 128 * 64 * 1024 ? 64 * 1024 : bytes / 128;
}

/* Take a peak. Returns what may be live before it is taken again. */
static int64_t take(const int64_t *live, int64_t *top)
{
    int64_t now = load(live);
    if (now > load(top))
        store(top, now);
    return load(top) + step(load(top));
}

static int64_t take_phase(void)
{
    /* Acquire: pairs with nt__peak_phase_begin. */
    if (__atomic_exchange_n(&peak.restart, 0, __ATOMIC_ACQUIRE))
        store(&peak.phase, load(&peak.live.total));
    if (!__atomic_load_n(&peak.in_phase, __ATOMIC_RELAXED))
        return INT64_MAX;
    return take(&peak.live.total, &peak.phase);
}

/* Is the sum, just made exact, above what is watched? `allocating`: the calling thread can
 * take the crossing. Returns what may be live before it is looked at again. */
static int64_t look_at_watched(bool allocating)
{
    int64_t now = load(&peak.live.total);
    if (peak.watch == WATCH_ABOVE && now <= peak.watched)
        peak.watch = WATCH_BELOW;
    store(&peak.low, peak.watch == WATCH_ABOVE ? peak.watched : INT64_MIN);
    __atomic_store_n(&nt__peak_watching, peak.watch != WATCH_OFF, __ATOMIC_RELAXED);
    if (peak.watch == WATCH_OFF)
        return INT64_MAX;
    if (peak.watch == WATCH_ABOVE)
        return now + step(now);
    if (now <= peak.watched)
        return now + step(now) > peak.watched ? now + step(now) : peak.watched;
    if (allocating) {
        peak.crossing = now;
        __atomic_store_n(&peak.crosser, pthread_self(), __ATOMIC_RELAXED);
        /* Release: pairs with nt__peak_crossed_here. */
        __atomic_store_n(&nt__peak_crossed, true, __ATOMIC_RELEASE);
    }
    return peak.watched; /* until it is taken, each who adds may take it */
}

static void settle_locked(bool allocating)
{
    __atomic_store_n(&peak.active, true, __ATOMIC_RELAXED);
    publish_all();
    int64_t total = take(&peak.live.total, &peak.peak.total);
    total = least(total, take_phase());
    store(&peak.limit.total, least(total, look_at_watched(allocating)));
    take(&peak.live.process, &peak.peak.process);
    for (unsigned n = 0; n < nt__topo()->nodes; n++)
        store(&peak.limit.node[n], take(&peak.live.node[n], &peak.peak.node[n]));
    for (unsigned c = 0; c <= nt__sizeclass_large(); c = nt__sizeclass_next(c))
        store(&peak.limit.class_[c], take(&peak.live.class_[c], &peak.peak.class_[c]));
    __atomic_store_n(&peak.active, false, __ATOMIC_RELEASE); /* see nt__peak_publish */
}

/* `wait`: if somebody else is at it, what they see may be older than what we did. */
static void settle(bool allocating, bool wait)
{
    do {
        if (!nt__lock_or_try(&peak.settling, wait))
            return;
        settle_locked(allocating);
        nt__unlock(&peak.settling);
        /* Acquire and release, and a write: who asked for a restart before this is seen
         * here; who asks after it finds the lock given up. */
        wait = false;
    } while (NT_UNLIKELY(__atomic_fetch_or(&peak.restart, 0, __ATOMIC_ACQ_REL)));
}

void nt__peak_settle(void)
{
    settle(false, false);
}

/* Is it time to note what is live, now that it changed? Asked when it changed by a 64th, and
 * at one of eight smaller changes: the clock costs a large block some percent. So less than
 * an eighth of what is live comes unasked, of each thread's. */
static void look_at_clock(struct nt_shard *s, int64_t change)
{
    int64_t size = change < 0 ? -change : change;
    if (size == 0 || (size < load(&peak.live.total) / 64 && ++s->changes % 8 != 0))
        return;
    if (nt__os_now_ms() >= __atomic_load_n(&nt__peak_note_ms, __ATOMIC_RELAXED))
        __atomic_store_n(&nt__peak_noted, true, __ATOMIC_RELAXED);
}

void nt__peak_publish(struct nt_shard *s, unsigned c)
{
    look_at_clock(s, publish_class(s, c));
    publish_sent(s);
    int64_t live = load(&s->live_bytes);
    if (live > load(&s->live_peak))
        store(&s->live_peak, live);
    /* Acquire: who found its change published, by a settler that is through, finds it in
     * the sums. Who is watched does not go on before that is so. */
    bool watching = __atomic_load_n(&nt__peak_watching, __ATOMIC_RELAXED);
    bool unsure = watching && __atomic_load_n(&peak.active, __ATOMIC_ACQUIRE);
    int64_t total = load(&peak.live.total);
    if (total > load(&peak.limit.total) ||
        load(&peak.live.node[s->slot]) > load(&peak.limit.node[s->slot]) ||
        load(&peak.live.class_[c]) > load(&peak.limit.class_[c]) ||
        (watching && (unsure || total <= load(&peak.low))))
        settle(true, watching);
}

const struct nt_peaks *nt__peaks(void)
{
    return &peak.peak;
}

const struct nt_peaks *nt__peak_live(void)
{
    return &peak.live;
}

/* ---- Phases, and what is watched ----------------------------------------------------- */

void nt__peak_phase_begin(void)
{
    __atomic_store_n(&peak.in_phase, true, __ATOMIC_RELAXED);
    /* Acquire and release: pairs with settle. If somebody is at it, it is done there. */
    __atomic_fetch_or(&peak.restart, 1, __ATOMIC_ACQ_REL);
    settle(false, false);
}

void nt__peak_phase_end(void)
{
    __atomic_store_n(&peak.in_phase, false, __ATOMIC_RELAXED);
}

uint64_t nt__peak_phase(void)
{
    int64_t most = load(&peak.phase);
    bool stale = __atomic_load_n(&peak.restart, __ATOMIC_RELAXED) != 0;
    return stale || most < 0 ? 0 : (uint64_t)most;
}

void nt__peak_watch(uint64_t bytes)
{
    nt__lock(&peak.settling);
    peak.watch = bytes == 0 ? WATCH_OFF : WATCH_ABOVE;
    peak.watched = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
    __atomic_store_n(&nt__peak_crossed, false, __ATOMIC_RELAXED);
    settle_locked(false);
    nt__unlock(&peak.settling);
    settle(false, false);
}

bool nt__peak_is_above(void)
{
    return load(&peak.low) != INT64_MIN;
}

bool nt__peak_crossed_here(void)
{
    /* Acquire: pairs with look_at_watched. */
    return __atomic_load_n(&nt__peak_crossed, __ATOMIC_ACQUIRE) &&
           __atomic_load_n(&peak.crosser, __ATOMIC_RELAXED) == pthread_self();
}

bool nt__peak_take_crossing(uint64_t *bytes)
{
    nt__lock(&peak.settling);
    bool mine = nt__peak_crossed_here();
    if (mine) {
        __atomic_store_n(&nt__peak_crossed, false, __ATOMIC_RELAXED);
        peak.watch = WATCH_OFF;
        __atomic_store_n(&nt__peak_watching, false, __ATOMIC_RELAXED);
        *bytes = (uint64_t)peak.crossing;
    }
    nt__unlock(&peak.settling);
    return mine;
}

/* ---- fork ---------------------------------------------------------------------------- */

void nt__peak_fork_lock(void)
{
    nt__lock_for_fork(&peak.settling);
    peak.threads = !__libc_single_threaded;
}

/* Another thread may have been between publishing a change and adding it to the sums, which
 * nobody does in the child: so they begin anew. Where there was none, whoever is in between
 * goes on from there when the signal handler that forked returns. */
static void forget_published(void)
{
    peak.live = (struct nt_peaks){0};
    for (struct nt_shard *s = nt__shard_first(); s; s = s->next) {
        memset(s->published, 0, sizeof s->published);
        memset(s->published_sent, 0, sizeof s->published_sent);
        s->live_bytes = 0;
    }
}

void nt__peak_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&peak.settling);
        return;
    }
    nt__lock_init(&peak.settling, NT_RANK_PEAK);
    if (how == NT_FORK_RAW || peak.threads)
        forget_published();
    peak.peak = (struct nt_peaks){0};
    peak.phase = 0;
    nt__peak_crossed = false;
    nt__peak_settle();
}
