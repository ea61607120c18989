/* SPDX-License-Identifier: MIT */
#include "src/track/profile_tables.h"

#include "src/base/os.h"

#include <errno.h>
#include <string.h>

static uint64_t rounded(double x)
{
    return x > 0 ? (uint64_t)(x + 0.5) : 0;
}

static void describe_site(struct nt_site_figures *out, const struct nt_site *site)
{
    const struct tally *peak =
        site->peak == nt__profile.peak ? &site->at_peak : &site->live;
    memset(out, 0, sizeof *out);
    out->depth = site->depth;
    out->generation = site->generation;
    out->samples_total = site->allocated.samples;
    out->allocations_total = rounded(site->allocated.sum.blocks);
    out->reallocs_total = rounded(site->reallocs);
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
        .born_ns = s->born_ns - nt__profile.begin_ns,
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
    for (const struct nt_site *site = nt__profile.first; site && n < max;
         site = site->next)
        describe_site(&out[n++], site);
    return nt__profile.sites.count;
}

static size_t read_samples(struct nt_sample_figures *out, size_t max)
{
    const struct nt_sample *rows = nt__profile.samples.rows;
    size_t n = 0;
    for (size_t i = 0; i < nt__profile.samples.room && n < max; i++)
        if (rows[i].block)
            describe_sample(&out[n++], &rows[i]);
    return nt__profile.samples.count;
}

static size_t read_remotes(struct nt_remote_figures *out, size_t max)
{
    const struct pair *rows = nt__profile.pairs.rows;
    size_t n = 0;
    for (size_t i = 0; i < nt__profile.pairs.room && n < max; i++)
        if (rows[i].site)
            describe_pair(&out[n++], &rows[i]);
    return nt__profile.pairs.count;
}

/* The sums over all sites. */
static void read_total(struct nt_site_figures *out)
{
    struct nt_site all = {.peak = nt__profile.peak};
    for (struct nt_site *site = nt__profile.first; site; site = site->next) {
        const struct tally *from[] = {&site->allocated, &site->live,
                                      site->peak == nt__profile.peak ? &site->at_peak
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
        all.reallocs += site->reallocs;
        all.remote_frees += site->remote_frees;
        for (int i = 0; i < NT_LIFETIMES; i++)
            all.lifetimes[i] += site->lifetimes[i];
    }
    describe_site(out, &all);
}

bool nt__profile_exists(void)
{
    return __atomic_load_n(&nt__profile.interval, __ATOMIC_RELAXED) != 0;
}

/* Arrays for what there is, in one mapping. */
static bool make_arrays(struct nt_profile *out)
{
    out->nsites = nt__profile.sites.count;
    out->nsamples = nt__profile.samples.count;
    out->nremotes = nt__profile.pairs.count;
    out->nsizes = nt__profile_sizes(NULL, 0);
    size_t sites = out->nsites * sizeof *out->sites;
    size_t samples = out->nsamples * sizeof *out->samples;
    size_t remotes = out->nremotes * sizeof *out->remotes;
    size_t modules = out->nmodules * sizeof *out->modules;
    size_t sizes = out->nsizes * sizeof *out->sizes;
    out->memory_bytes = nt__align_up(sites + samples + remotes + modules + sizes + 1,
                                     nt__os_page_size());
    char *at = out->memory = nt__os_map(out->memory_bytes);
    if (!at)
        return false;
    out->sites = (void *)at;
    out->samples = (void *)(at + sites);
    out->remotes = (void *)(at + sites + samples);
    out->modules = (void *)(at + sites + samples + remotes);
    out->sizes = (void *)(at + sites + samples + remotes + modules);
    return true;
}

bool nt__profile_read(struct nt_profile *out, bool wait)
{
    memset(out, 0, sizeof *out);
    if (!nt__profile_exists())
        return true;
    out->nmodules = nt__modules_count();
    if (!nt__lock_or_try(&nt__profile.lock, wait))
        return false;
    nt_float_state state = nt__estimate_begin();
    bool made = make_arrays(out);
    if (made) {
        out->interval_bytes = nt__profile.interval;
        out->sampling = nt__sampler.interval != 0;
        out->lost_total = nt__profile.lost;
        read_total(&out->total);
        read_sites(out->sites, out->nsites);
        read_samples(out->samples, out->nsamples);
        read_remotes(out->remotes, out->nremotes);
        nt__profile_sizes(out->sizes, out->nsizes);
    }
    nt__estimate_end(state);
    nt__unlock(&nt__profile.lock);
    for (size_t i = 0; made && i < out->nmodules; i++)
        out->modules[i] = *nt__modules_get((unsigned)i);
    return true;
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
        nt__lock(&nt__profile.lock);                                                   \
        size_t n = what(out, max);                                                     \
        nt__unlock(&nt__profile.lock);                                                 \
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
