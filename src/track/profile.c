/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "src/track/profile.h"

#include "src/base/meta.h"
#include "src/base/os.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ROWS 1024 /* of the tables, powers of two */

struct nt_sampler nt__sampler;

struct tally {
    uint64_t samples;
    struct nt_weight sum;
};

struct nt_site {
    struct nt_site *next; /* in the order of their numbers */
    uint64_t hash;
    uint32_t number;
    struct tally allocated, live, at_peak;
    uint64_t peak; /* whose `at_peak` is; an older one: `live` is what it was then */
    uint64_t frees, lived_ns, lifetimes[NT_LIFETIMES];
    double remote_frees;
    uint32_t depth, generation;
    uintptr_t pc[];
};

struct pair {
    struct nt_site *site, *free_site; /* NULL: unused */
    uint64_t samples;
    double frees, bytes;
};

/* An open hash table: rows of `size` bytes, those in use spread by their hash. */
struct table {
    void *rows;
    size_t count, room; /* room: a power of two, or 0 */
};

static struct {
    struct nt_lock lock;
    struct nt_site *first, *last;
    struct table sites;   /* struct nt_site * */
    struct table samples; /* struct nt_sample */
    struct table pairs;   /* struct pair */
    double live, most;    /* bytes, of all sites; the most of it */
    uint64_t peak;        /* how often `most` rose */
    uint64_t begin_ns;    /* when sampling was first on */
    uint64_t interval;    /* the last one */
    uint64_t lost;
    uint64_t random; /* added to and mixed for each draw: atomic */
} profile = {.lock = NT_LOCK_INIT(NT_RANK_PROFILE)};

/* ---- Draws ------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea, Flood 2014), whose state is but a sum. */
static uint64_t next_random(void)
{
    uint64_t z =
        __atomic_add_fetch(&profile.random, 0x9e3779b97f4a7c15u, __ATOMIC_RELAXED);
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
    __atomic_store_n(&profile.random, seed != 0 ? seed : nt__os_random(),
                     __ATOMIC_RELAXED);
}

void nt__profile_set(uint64_t interval)
{
    uint64_t none = 0;
    if (interval != 0) {
        __atomic_compare_exchange_n(&profile.begin_ns, &none, nt__os_now_ns(), false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        __atomic_store_n(&profile.interval, interval, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&nt__sampler.interval, interval, __ATOMIC_RELAXED);
    /* Release: who sees the generation sees its interval. */
    __atomic_add_fetch(&nt__sampler.generation, 1, __ATOMIC_RELEASE);
}

void nt__profile_stack(struct nt_stack *out)
{
    out->depth = nt__unwind((enum nt_unwinder)nt__sampler.how, out->pc, NT_STACK_MAX);
    /* After it: what is on our stack is not unloaded while we are here. */
    out->generation = nt__modules_refresh();
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
    if (t->room != 0)
        nt__os_unmap(t->rows, nt__align_up(t->room * size, page));
    *t = larger;
    return true;
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
    const struct table *t = &profile.sites;
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
    if (!make_room(&profile.sites, sizeof site, put_site_again))
        return NULL;
    site = nt__meta_alloc(sizeof *site + stack->depth * sizeof site->pc[0],
                          sizeof(uint64_t));
    if (!site)
        return NULL;
    site->hash = hash;
    site->number = (uint32_t)profile.sites.count;
    site->peak = profile.peak; /* it had nothing then */
    site->depth = stack->depth;
    site->generation = stack->generation;
    memcpy(site->pc, stack->pc, stack->depth * sizeof site->pc[0]);
    if (profile.last)
        profile.last->next = site;
    else
        profile.first = site;
    profile.last = site;
    put_site(&profile.sites, site);
    return site;
}

/* ---- Figures of a site --------------------------------------------------------------- */

static void keep_peak(struct nt_site *site)
{
    if (site->peak == profile.peak)
        return;
    site->peak = profile.peak;
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
    profile.live += sample->weight.bytes;
    if (profile.live > profile.most) {
        profile.most = profile.live;
        profile.peak++;
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
    site->frees++;
    site->lived_ns += ns;
    site->lifetimes[lifetime(ns)]++;
    profile.live -= sample->weight.bytes;
    if (profile.samples.count == 0)
        profile.live = 0;
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
    nt__lock(&profile.lock);
    struct table *t = &profile.samples;
    bool room = make_room(t, sizeof *sample, put_sample);
    sample->site = room ? site_of(stack) : NULL;
    if (sample->site) {
        put_sample(t, sample);
        count_in(sample);
    } else {
        profile.lost++;
    }
    nt__unlock(&profile.lock);
    nt__estimate_end(state);
    return sample->site != NULL;
}

bool nt__profile_remove(const void *block, struct nt_sample *out)
{
    bool found = false;
    nt_float_state state = nt__estimate_begin();
    nt__lock(&profile.lock);
    struct table *t = &profile.samples;
    const struct nt_sample *rows = t->rows;
    size_t i = t->room != 0 ? sample_at(t, block) : 0;
    while (t->room != 0 && rows[i].block && rows[i].block != block)
        i = (i + 1) & (t->room - 1);
    if (t->room != 0 && rows[i].block) {
        found = true;
        *out = rows[i];
        clear_row(t, i);
        count_out(out);
    }
    nt__unlock(&profile.lock);
    nt__estimate_end(state);
    return found;
}

void nt__profile_remove_range(uintptr_t start, uintptr_t end)
{
    nt_float_state state = nt__estimate_begin();
    nt__lock(&profile.lock);
    struct table *t = &profile.samples;
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
    nt__unlock(&profile.lock);
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
    nt__lock(&profile.lock);
    struct table *t = &profile.pairs;
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
    nt__unlock(&profile.lock);
    nt__estimate_end(state);
}

/* ---- Reading ------------------------------------------------------------------------- */

static uint64_t rounded(double x)
{
    return x > 0 ? (uint64_t)(x + 0.5) : 0;
}

static void describe_site(struct nt_site_figures *out, const struct nt_site *site)
{
    const struct tally *peak =
        site->peak == profile.peak ? &site->at_peak : &site->live;
    memset(out, 0, sizeof *out);
    out->depth = site->depth;
    out->generation = site->generation;
    out->samples_total = site->allocated.samples;
    out->allocations_total = rounded(site->allocated.sum.blocks);
    out->requested_bytes_total = rounded(site->allocated.sum.bytes);
    out->requested_bytes_total_error =
        rounded(nt__estimate_root(site->allocated.sum.variance));
    out->live_samples_now = site->live.samples;
    out->live_blocks_now = rounded(site->live.sum.blocks);
    out->live_requested_bytes_now = rounded(site->live.sum.bytes);
    out->live_requested_bytes_now_error =
        rounded(nt__estimate_root(site->live.sum.variance));
    out->at_peak_blocks = rounded(peak->sum.blocks);
    out->at_peak_requested_bytes = rounded(peak->sum.bytes);
    out->at_peak_requested_bytes_error = rounded(nt__estimate_root(peak->sum.variance));
    out->sampled_frees_total = site->frees;
    out->lifetime_ns_total = site->lived_ns;
    out->remote_frees_total = rounded(site->remote_frees);
    memcpy(out->lifetimes, site->lifetimes, sizeof out->lifetimes);
    for (unsigned i = 0; i < site->depth; i++)
        out->stack[i] = site->pc[i];
}

static void describe_sample(struct nt_sample_figures *out, const struct nt_sample *s)
{
    *out = (struct nt_sample_figures){
        .address = (uintptr_t)s->block,
        .requested_bytes = s->size,
        .block_bytes = s->block_bytes,
        .site = s->site->number,
        .born_ns = s->born_ns - profile.begin_ns,
        .tid = s->tid,
        .node = s->node,
    };
}

static void describe_pair(struct nt_remote_figures *out, const struct pair *pair)
{
    *out = (struct nt_remote_figures){
        .site = pair->site->number,
        .free_site = pair->free_site->number,
        .samples_total = pair->samples,
        .frees_total = rounded(pair->frees),
        .requested_bytes_total = rounded(pair->bytes),
    };
}

/* All under the lock, between begin and end. */

static size_t read_sites(struct nt_site_figures *out, size_t max)
{
    size_t n = 0;
    for (const struct nt_site *site = profile.first; site && n < max; site = site->next)
        describe_site(&out[n++], site);
    return profile.sites.count;
}

static size_t read_samples(struct nt_sample_figures *out, size_t max)
{
    const struct nt_sample *rows = profile.samples.rows;
    size_t n = 0;
    for (size_t i = 0; i < profile.samples.room && n < max; i++)
        if (rows[i].block)
            describe_sample(&out[n++], &rows[i]);
    return profile.samples.count;
}

static size_t read_remotes(struct nt_remote_figures *out, size_t max)
{
    const struct pair *rows = profile.pairs.rows;
    size_t n = 0;
    for (size_t i = 0; i < profile.pairs.room && n < max; i++)
        if (rows[i].site)
            describe_pair(&out[n++], &rows[i]);
    return profile.pairs.count;
}

/* The sums over all sites. */
static void read_total(struct nt_site_figures *out)
{
    struct nt_site all = {.peak = profile.peak};
    for (struct nt_site *site = profile.first; site; site = site->next) {
        const struct tally *from[] = {&site->allocated, &site->live,
                                      site->peak == profile.peak ? &site->at_peak
                                                                 : &site->live};
        struct tally *to[] = {&all.allocated, &all.live, &all.at_peak};
        for (int i = 0; i < 3; i++) {
            to[i]->samples += from[i]->samples;
            to[i]->sum.blocks += from[i]->sum.blocks;
            to[i]->sum.bytes += from[i]->sum.bytes;
            to[i]->sum.variance += from[i]->sum.variance;
        }
        all.frees += site->frees;
        all.lived_ns += site->lived_ns;
        all.remote_frees += site->remote_frees;
        for (int i = 0; i < NT_LIFETIMES; i++)
            all.lifetimes[i] += site->lifetimes[i];
    }
    describe_site(out, &all);
}

bool nt__profile_exists(void)
{
    return __atomic_load_n(&nt__sampler.generation, __ATOMIC_RELAXED) != 0;
}

/* Arrays for what there is, in one mapping. */
static bool make_arrays(struct nt_profile *out)
{
    out->nsites = profile.sites.count;
    out->nsamples = profile.samples.count;
    out->nremotes = profile.pairs.count;
    size_t sites = out->nsites * sizeof *out->sites;
    size_t samples = out->nsamples * sizeof *out->samples;
    size_t remotes = out->nremotes * sizeof *out->remotes;
    size_t modules = out->nmodules * sizeof *out->modules;
    out->memory_bytes =
        nt__align_up(sites + samples + remotes + modules + 1, nt__os_page_size());
    char *at = out->memory = nt__os_map(out->memory_bytes);
    if (!at)
        return false;
    out->sites = (void *)at;
    out->samples = (void *)(at + sites);
    out->remotes = (void *)(at + sites + samples);
    out->modules = (void *)(at + sites + samples + remotes);
    return true;
}

bool nt__profile_read(struct nt_profile *out, bool wait)
{
    memset(out, 0, sizeof *out);
    if (!nt__profile_exists())
        return true;
    out->nmodules = nt__modules_count();
    if (!nt__lock_or_try(&profile.lock, wait))
        return false;
    nt_float_state state = nt__estimate_begin();
    bool made = make_arrays(out);
    if (made) {
        out->interval_bytes = profile.interval;
        out->sampling = nt__sampler.interval != 0;
        out->lost_total = profile.lost;
        read_total(&out->total);
        read_sites(out->sites, out->nsites);
        read_samples(out->samples, out->nsamples);
        read_remotes(out->remotes, out->nremotes);
    }
    nt__estimate_end(state);
    nt__unlock(&profile.lock);
    for (size_t i = 0; made && i < out->nmodules; i++)
        out->modules[i] = *nt__modules_get((unsigned)i);
    return made;
}

void nt__profile_free(struct nt_profile *p)
{
    if (p->memory)
        nt__os_unmap(p->memory, p->memory_bytes);
    memset(p, 0, sizeof *p);
}

#define READ(what, out, max)                                                           \
    do {                                                                               \
        if (!(out) && (max) != 0)                                                      \
            return -EINVAL;                                                            \
        nt_float_state state = nt__estimate_begin();                                   \
        nt__lock(&profile.lock);                                                       \
        size_t n = what(out, max);                                                     \
        nt__unlock(&profile.lock);                                                     \
        nt__estimate_end(state);                                                       \
        return (long)n;                                                                \
    } while (0)

long nt__profile_sites(struct nt_site_figures *out, size_t max)
{
    READ(read_sites, out, max);
}

long nt__profile_samples(struct nt_sample_figures *out, size_t max)
{
    READ(read_samples, out, max);
}

long nt__profile_remotes(struct nt_remote_figures *out, size_t max)
{
    READ(read_remotes, out, max);
}

/* ---- fork ---------------------------------------------------------------------------- */

void nt__profile_fork_lock(void)
{
    nt__lock_for_fork(&profile.lock);
}

void nt__profile_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&profile.lock);
        return;
    }
    if (how == NT_FORK_RAW && nt__lock_raw(&profile.lock)) {
        /* Half changed: it begins anew, empty. Its blocks are freed as any other. */
        profile.first = profile.last = NULL;
        profile.sites = profile.samples = profile.pairs = (struct table){0};
        profile.live = profile.most = 0;
        profile.peak = 0;
    }
    nt__lock_init(&profile.lock, NT_RANK_PROFILE);
}
