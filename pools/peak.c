/* SPDX-License-Identifier: MIT */
#include "pools/peak.h"

#include "src/base/lock.h"

static struct {
    struct nt_peaks live;  /* sums of what is published; atomic adds */
    struct nt_peaks peak;  /* written by the settler */
    struct nt_peaks limit; /* settle when live is above; written by the settler */
    struct nt_lock settling;
} peak = {.settling = NT_LOCK_INIT(NT_RANK_FIGURES)};

static int64_t load(const int64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static int64_t add(int64_t *p, int64_t n)
{
    return __atomic_add_fetch(p, n, __ATOMIC_RELAXED);
}

/* Block bytes of class `c` that were handed out here less those freed here. */
static int64_t bytes_of(const struct nt_shard *s, unsigned c)
{
    if (c == nt__sizeclass_large())
        return (int64_t)(nt__count_read(&s->large_allocated) -
                         nt__count_read(&s->large_freed) -
                         nt__count_read(&s->large_sent));
    uint64_t blocks = nt__count_read(&s->allocs[c]) - nt__count_read(&s->frees[c]) -
                      nt__count_read(&s->sent[c]);
    return (int64_t)(blocks * nt__sizeclasses.size[c]);
}

static void publish_class(struct nt_shard *s, unsigned c)
{
    int64_t now = bytes_of(s, c);
    if (now == load(&s->published[c]))
        return;
    int64_t change = now - __atomic_exchange_n(&s->published[c], now, __ATOMIC_RELAXED);
    add(&s->live_bytes, change);
    add(&peak.live.class_[c], change);
    add(&peak.live.node[s->slot], change);
    add(&peak.live.total, change);
    if (!s->pool)
        add(&peak.live.process, change);
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

void nt__peak_publish(struct nt_shard *s, unsigned c)
{
    publish_class(s, c);
    publish_sent(s);
    int64_t live = load(&s->live_bytes);
    if (live > load(&s->live_peak))
        __atomic_store_n(&s->live_peak, live, __ATOMIC_RELAXED);
    if (load(&peak.live.total) > load(&peak.limit.total) ||
        load(&peak.live.node[s->slot]) > load(&peak.limit.node[s->slot]) ||
        load(&peak.live.class_[c]) > load(&peak.limit.class_[c]))
        nt__peak_settle();
}

int64_t nt__peak_restart(struct nt_shard *s)
{
    int64_t live = load(&s->live_bytes);
    __atomic_store_n(&s->live_peak, live, __ATOMIC_RELAXED);
    return live;
}

static void take(const int64_t *live, int64_t *top, int64_t *limit)
{
    int64_t now = load(live);
    if (now > load(top))
        __atomic_store_n(top, now, __ATOMIC_RELAXED);
    int64_t step = load(top) / 128;
    step = step < 64 * 1024 ? 64 * 1024 : step;
    __atomic_store_n(limit, load(top) + step, __ATOMIC_RELAXED);
}

void nt__peak_settle(void)
{
    if (!nt__trylock(&peak.settling))
        return;
    for (struct nt_shard *s = nt__shard_first(); s; s = s->next) {
        for (unsigned c = 0; c <= nt__sizeclass_large(); c++)
            publish_class(s, c);
        publish_sent(s);
    }
    take(&peak.live.total, &peak.peak.total, &peak.limit.total);
    take(&peak.live.process, &peak.peak.process, &peak.limit.process);
    for (unsigned n = 0; n < nt__topo()->nodes; n++)
        take(&peak.live.node[n], &peak.peak.node[n], &peak.limit.node[n]);
    for (unsigned c = 0; c <= nt__sizeclass_large(); c++)
        take(&peak.live.class_[c], &peak.peak.class_[c], &peak.limit.class_[c]);
    nt__unlock(&peak.settling);
}

const struct nt_peaks *nt__peaks(void)
{
    return &peak.peak;
}

void nt__peak_fork_child(void)
{
    nt__lock_init(&peak.settling, NT_RANK_FIGURES);
    peak.peak = (struct nt_peaks){0};
    nt__peak_settle();
}
