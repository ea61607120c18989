/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "src/track/profile_tables.h"

#include "src/base/fmt.h"
#include "src/base/guest.h"
#include "src/base/meta.h"
#include "src/base/os.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ROWS 1024 /* of the tables, powers of two */
#define FRAMES_SAID 8   /* of a site, in a message */

struct nt_sampler nt__sampler;

struct nt_profile_tables nt__profile = {.lock = NT_LOCK_INIT(NT_RANK_PROFILE)};

/* ---- Draws ------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea, Flood 2014), whose state is but a sum. */
static uint64_t next_random(void)
{
    uint64_t z =
        __atomic_add_fetch(&nt__profile.random, 0x9e3779b97f4a7c15u, __ATOMIC_RELAXED);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t nt__profile_draw(uint64_t interval)
{
    if (interval == 0)
        return 0;
    nt_float_state state = nt__estimate_begin();
    uint64_t bytes = nt__estimate_draw(interval, next_random());
    nt__estimate_end(state);
    return bytes;
}

void nt__profile_start(enum nt_unwinder how, uint64_t seed)
{
    nt__sampler.how = (uint8_t)how;
    __atomic_store_n(&nt__profile.random, seed != 0 ? seed : nt__os_random(),
                     __ATOMIC_RELAXED);
}

void nt__profile_set(uint64_t interval)
{
    uint64_t none = 0;
    if (interval != 0) {
        __atomic_compare_exchange_n(&nt__profile.begin_ns, &none, nt__os_now_ns(),
                                    false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        __atomic_store_n(&nt__profile.interval, interval, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&nt__sampler.interval, interval, __ATOMIC_RELAXED);
    nt__profile_renew();
}

void nt__profile_renew(void)
{
    /* Release: who sees the generation sees its interval. */
    __atomic_add_fetch(&nt__sampler.generation, 1, __ATOMIC_RELEASE);
}

/* ---- Tables ------------------------------------------------------------------------ */

static uint64_t hash_of(uint64_t x)
{
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 32;
}

/* Room for one more row of `size` bytes. `again` puts an old row into the new table. */
static bool make_room(struct table *t, size_t size,
                      void (*again)(struct table *t, const void *row))
{
    if (t->room != 0 && t->count < t->room / 4 * 3)
        return true;
    struct table larger = {.room = t->room != 0 ? 2 * t->room : FIRST_ROWS};
    size_t page = nt__os_page_size();
    larger.rows = nt__os_map(nt__align_up(larger.room * size, page));
    if (!larger.rows)
        return false;
    for (size_t i = 0; i < t->room; i++)
        again(&larger, (const char *)t->rows + i * size);
    if (t->room != 0 && !nt__guest_mpi())
        nt__os_unmap(t->rows, nt__align_up(t->room * size, page));
    *t = larger;
    return true;
}

/* ---- Stacks ------------------------------------------------------------------------- */

/* Stacks that were unwound, in rows by the depth that they began at. */
#define TRACE_ROWS 16
#define TRACES 4

static struct nt_trace traces[TRACE_ROWS][TRACES];

/* Is it one of them? Under the lock. */
static bool recall(uintptr_t frame, struct nt_stack *out)
{
    const struct nt_trace *row = traces[hash_of(frame >> 4) % TRACE_ROWS];
    for (const struct nt_trace *t = row; t < row + TRACES; t++) {
        if (t->frame != frame || t->generation != out->generation || !nt__unwind_is(t))
            continue;
        out->depth = t->n - t->own;
        memcpy(out->pc, t->pc + t->own, out->depth * sizeof out->pc[0]);
        return true;
    }
    return false;
}

/* In the place of the row's oldest. Under the lock. */
static void remember(const struct nt_trace *trace)
{
    struct nt_trace *row = traces[hash_of(trace->frame >> 4) % TRACE_ROWS];
    memmove(row + 1, row, (TRACES - 1) * sizeof *row);
    row[0] = *trace;
}

NT_SLOW void nt__profile_stack(struct nt_stack *out)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    struct nt_trace trace;
    /* What is on our stack is not unloaded while we are here. */
    out->generation = nt__modules_refresh();
    if (nt__sampler.how == NT_UNWIND_FRAMES) {
        out->depth = nt__unwind(NT_UNWIND_FRAMES, out->pc, NT_STACK_MAX);
        return;
    }
    nt__lock(&nt__profile.lock);
    bool known = recall(frame, out);
    nt__unlock(&nt__profile.lock);
    if (known)
        return;
    out->depth = nt__unwind_trace(frame, out->pc, NT_STACK_MAX, &trace);
    trace.generation = out->generation;
    if (trace.frame == 0)
        return;
    nt__lock(&nt__profile.lock);
    remember(&trace);
    nt__unlock(&nt__profile.lock);
}

/* ---- Sites ------------------------------------------------------------------------- */

static uint64_t hash_stack(const struct nt_stack *stack)
{
    uint64_t hash = stack->generation;
    for (unsigned i = 0; i < stack->depth; i++)
        hash = hash_of(hash ^ stack->pc[i]);
    return hash;
}

static void put_site(struct table *t, struct nt_site *site)
{
    struct nt_site **rows = t->rows;
    size_t i = site->hash & (t->room - 1);
    while (rows[i])
        i = (i + 1) & (t->room - 1);
    rows[i] = site;
    t->count++;
}

static void put_site_again(struct table *t, const void *row)
{
    struct nt_site *const *site = row;
    if (*site)
        put_site(t, *site);
}

static struct nt_site *find_site(const struct nt_stack *stack, uint64_t hash)
{
    const struct table *t = &nt__profile.sites;
    struct nt_site *const *rows = t->rows;
    if (t->room == 0)
        return NULL;
    for (size_t i = hash & (t->room - 1); rows[i]; i = (i + 1) & (t->room - 1))
        if (rows[i]->hash == hash && rows[i]->depth == stack->depth &&
            rows[i]->generation == stack->generation &&
            memcmp(rows[i]->pc, stack->pc, stack->depth * sizeof stack->pc[0]) == 0)
            return rows[i];
    return NULL;
}

/* The site with this stack; NULL: no memory. */
static struct nt_site *site_of(const struct nt_stack *stack)
{
    uint64_t hash = hash_stack(stack);
    struct nt_site *site = find_site(stack, hash);
    if (site)
        return site;
    if (!make_room(&nt__profile.sites, sizeof(struct nt_site *), put_site_again))
        return NULL;
    site = nt__meta_alloc(sizeof *site + stack->depth * sizeof site->pc[0],
                          sizeof(uint64_t));
    if (!site)
        return NULL;
    site->hash = hash;
    site->number = (uint32_t)nt__profile.sites.count;
    site->peak = nt__profile.peak; /* it had nothing then */
    site->depth = stack->depth;
    site->generation = stack->generation;
    memcpy(site->pc, stack->pc, stack->depth * sizeof site->pc[0]);
    if (nt__profile.last)
        nt__profile.last->next = site;
    else
        nt__profile.first = site;
    nt__profile.last = site;
    put_site(&nt__profile.sites, site);
    return site;
}

const struct nt_site *nt__profile_site(const struct nt_stack *stack)
{
    nt__lock(&nt__profile.lock);
    const struct nt_site *site = site_of(stack);
    nt__unlock(&nt__profile.lock);
    return site;
}

static const struct nt_module *module_of(uintptr_t pc, uint32_t generation)
{
    for (unsigned i = 0; i < nt__modules_count(); i++) {
        const struct nt_module *m = nt__modules_get(i);
        if (nt__module_has(m, generation, pc))
            return m;
    }
    return NULL;
}

void nt__profile_site_text(const struct nt_site *site, char *out, size_t cap)
{
    size_t at = 0;
    for (uint32_t i = 0; i < site->depth && i < FRAMES_SAID; i++) {
        uintptr_t pc = site->pc[i] - 1; /* in the call */
        const struct nt_module *m = module_of(pc, site->generation);
        const char *slash = m ? strrchr(m->path, '/') : NULL;
        at += nt__fmt_into(out + at, cap - at, "%s%.60s+0x%zx", i ? " < " : "",
                           slash ? slash + 1 : "?", (size_t)(pc - (m ? m->bias : 0)));
    }
    if (site->depth == 0)
        nt__fmt_into(out, cap, "?");
}

/* ---- Figures of a site --------------------------------------------------------------- */

static void keep_peak(struct nt_site *site)
{
    if (site->peak == nt__profile.peak)
        return;
    site->peak = nt__profile.peak;
    site->at_peak = site->live;
}

static void add_to(struct tally *tally, const struct nt_weight *w)
{
    tally->samples++;
    tally->sum.blocks += w->blocks;
    tally->sum.bytes += w->bytes;
    tally->sum.variance += w->variance;
}

static void take_from(struct tally *tally, const struct nt_weight *w)
{
    if (--tally->samples == 0) { /* what rounding left */
        tally->sum = (struct nt_weight){0};
        return;
    }
    tally->sum.blocks -= w->blocks;
    tally->sum.bytes -= w->bytes;
    tally->sum.variance -= w->variance;
}

static void count_in(const struct nt_sample *sample)
{
    struct nt_site *site = sample->site;
    keep_peak(site);
    add_to(&site->allocated, &sample->weight);
    add_to(&site->live, &sample->weight);
    nt__profile_size_in(sample);
    nt__profile.live += sample->weight.bytes;
    if (nt__profile.live > nt__profile.most) {
        nt__profile.most = nt__profile.live;
        nt__profile.peak++;
    }
}

static unsigned lifetime(uint64_t ns)
{
    unsigned i = 0;
    for (uint64_t end = 1000; i < NT_LIFETIMES - 1 && ns >= end; end *= 4)
        i++;
    return i;
}

static void count_out(const struct nt_sample *sample)
{
    struct nt_site *site = sample->site;
    uint64_t ns = nt__os_now_ns() - sample->born_ns;
    keep_peak(site);
    take_from(&site->live, &sample->weight);
    nt__profile_size_out(sample);
    site->frees++;
    site->lived_ns += ns;
    site->lifetimes[lifetime(ns)]++;
    nt__profile.live -= sample->weight.bytes;
    if (nt__profile.samples.count == 0)
        nt__profile.live = 0;
}

/* ---- Sampled blocks ------------------------------------------------------------------ */

static size_t sample_at(const struct table *t, const void *block)
{
    return hash_of((uintptr_t)block >> 4) & (t->room - 1);
}

static void put_sample(struct table *t, const void *row)
{
    const struct nt_sample *sample = row;
    struct nt_sample *rows = t->rows;
    if (!sample->block)
        return;
    size_t i = sample_at(t, sample->block);
    while (rows[i].block)
        i = (i + 1) & (t->room - 1);
    rows[i] = *sample;
    t->count++;
}

/* Empty row `i`, and move up what had been displaced by it. */
static void clear_row(struct table *t, size_t i)
{
    struct nt_sample *rows = t->rows;
    size_t mask = t->room - 1;
    t->count--;
    for (size_t j = (i + 1) & mask; rows[j].block; j = (j + 1) & mask) {
        size_t home = sample_at(t, rows[j].block);
        if (((j - home) & mask) < ((j - i) & mask))
            continue;
        rows[i] = rows[j];
        i = j;
    }
    rows[i].block = NULL;
}

bool nt__profile_add(struct nt_sample *sample, const struct nt_stack *stack)
{
    nt_float_state state = nt__estimate_begin();
    sample->weight = nt__estimate_weight(sample->size, sample->interval);
    sample->born_ns = nt__os_now_ns();
    nt__lock(&nt__profile.lock);
    struct table *t = &nt__profile.samples;
    bool room = make_room(t, sizeof *sample, put_sample);
    sample->site = room ? site_of(stack) : NULL;
    if (sample->site) {
        put_sample(t, sample);
        count_in(sample);
    } else {
        nt__profile.lost++;
    }
    nt__unlock(&nt__profile.lock);
    nt__estimate_end(state);
    return sample->site != NULL;
}

/* The block's row; NULL: it is not sampled. Under the lock. */
static struct nt_sample *find_sample(const struct table *t, const void *block)
{
    struct nt_sample *rows = t->rows;
    if (t->room == 0)
        return NULL;
    size_t i = sample_at(t, block);
    while (rows[i].block && rows[i].block != block)
        i = (i + 1) & (t->room - 1);
    return rows[i].block ? &rows[i] : NULL;
}

void nt__profile_moved(const void *block)
{
    nt_float_state state = nt__estimate_begin();
    nt__lock(&nt__profile.lock);
    const struct nt_sample *sample = find_sample(&nt__profile.samples, block);
    if (sample)
        sample->site->reallocs += sample->weight.blocks;
    nt__unlock(&nt__profile.lock);
    nt__estimate_end(state);
}

bool nt__profile_remove(const void *block, struct nt_sample *out)
{
    nt_float_state state = nt__estimate_begin();
    nt__lock(&nt__profile.lock);
    struct table *t = &nt__profile.samples;
    const struct nt_sample *found = find_sample(t, block);
    if (found) {
        *out = *found;
        clear_row(t, (size_t)(found - (struct nt_sample *)t->rows));
        count_out(out);
    }
    nt__unlock(&nt__profile.lock);
    nt__estimate_end(state);
    return found != NULL;
}

void nt__profile_remove_range(uintptr_t start, uintptr_t end)
{
    nt_float_state state = nt__estimate_begin();
    nt__lock(&nt__profile.lock);
    struct table *t = &nt__profile.samples;
    const struct nt_sample *rows = t->rows;
    for (size_t i = 0; i < t->room;) {
        uintptr_t block = (uintptr_t)rows[i].block;
        if (block == 0 || block < start || block >= end) {
            i++;
            continue;
        }
        struct nt_sample sample = rows[i];
        clear_row(t, i); /* another may be in row `i` now */
        count_out(&sample);
    }
    nt__unlock(&nt__profile.lock);
    nt__estimate_end(state);
}

/* ---- Remote frees -------------------------------------------------------------------- */

static struct pair *find_pair(const struct table *t, const struct nt_site *site,
                              const struct nt_site *free_site)
{
    struct pair *rows = t->rows;
    size_t i = hash_of(site->hash ^ hash_of(free_site->hash)) & (t->room - 1);
    while (rows[i].site && (rows[i].site != site || rows[i].free_site != free_site))
        i = (i + 1) & (t->room - 1);
    return &rows[i];
}

static void put_pair(struct table *t, const void *row)
{
    const struct pair *pair = row;
    if (!pair->site)
        return;
    *find_pair(t, pair->site, pair->free_site) = *pair;
    t->count++;
}

void nt__profile_add_remote(const struct nt_sample *sample,
                            const struct nt_stack *stack)
{
    nt_float_state state = nt__estimate_begin();
    nt__lock(&nt__profile.lock);
    struct table *t = &nt__profile.pairs;
    struct nt_site *free_site =
        make_room(t, sizeof(struct pair), put_pair) ? site_of(stack) : NULL;
    sample->site->remote_frees += sample->weight.blocks;
    if (free_site) {
        struct pair *pair = find_pair(t, sample->site, free_site);
        if (!pair->site) {
            pair->site = sample->site;
            pair->free_site = free_site;
            t->count++;
        }
        pair->samples++;
        pair->frees += sample->weight.blocks;
        pair->bytes += sample->weight.bytes;
    }
    nt__unlock(&nt__profile.lock);
    nt__estimate_end(state);
}

/* ---- fork ---------------------------------------------------------------------------- */

void nt__profile_fork_lock(void)
{
    nt__lock_for_fork(&nt__profile.lock);
}

void nt__profile_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&nt__profile.lock);
        return;
    }
    if (how == NT_FORK_RAW && nt__lock_raw(&nt__profile.lock)) {
        /* Half changed: it begins anew, empty. Its blocks are freed as any other. */
        nt__profile.first = nt__profile.last = NULL;
        nt__profile.sites = nt__profile.samples = nt__profile.pairs = (struct table){0};
        nt__profile.sizes = NULL;
        nt__profile.live = nt__profile.most = 0;
        nt__profile.peak = 0;
    }
    nt__lock_init(&nt__profile.lock, NT_RANK_PROFILE);
}
