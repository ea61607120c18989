/* SPDX-License-Identifier: MIT */
#include "src/track/profile_out.h"

#include "src/track/report.h"

#include <string.h>

#define SITES_SHOWN 20
#define FRAMES_SHOWN 12

const struct nt_module *nt__profile_module(const struct nt_profile *p,
                                           uint32_t generation, uint64_t pc)
{
    for (size_t i = p->nmodules; i-- > 0;) {
        const struct nt_module *m = &p->modules[i];
        if (nt__module_has(m, generation, pc - 1))
            return m;
    }
    return NULL;
}

/* ---- Text ---------------------------------------------------------------------------- */

static void mib(struct nt_fmt *f, uint64_t bytes, int width)
{
    char text[32];
    uint64_t cents =
        bytes / NT_MIB * 100 + (bytes % NT_MIB * 100 + NT_MIB / 2) / NT_MIB;
    nt__fmt_into(text, sizeof text, "%llu.%02llu", (unsigned long long)(cents / 100),
                 (unsigned long long)(cents % 100));
    nt__fmt_print(f, " %*s", width - 1, text);
}

static void count(struct nt_fmt *f, uint64_t n, int width)
{
    nt__fmt_print(f, " %*llu", width - 1, (unsigned long long)n);
}

static void row(struct nt_fmt *f, const struct nt_site_figures *s)
{
    mib(f, s->at_peak_requested_bytes, 12);
    mib(f, s->at_peak_requested_bytes_error, 9);
    mib(f, s->live_requested_bytes_now, 12);
    mib(f, s->live_requested_bytes_now_error, 9);
    mib(f, s->requested_bytes_total, 13);
    count(f, s->allocations_total, 13);
    count(f, s->samples_total, 10);
    nt__fmt_char(f, '\n');
}

static void frames(struct nt_fmt *f, const struct nt_profile *p,
                   const struct nt_site_figures *s)
{
    for (uint32_t i = 0; i < s->depth && i < FRAMES_SHOWN; i++) {
        if (p->print_frame) {
            p->print_frame(f, p->print_context, s->generation, s->stack[i]);
            continue;
        }
        const struct nt_module *m = nt__profile_module(p, s->generation, s->stack[i]);
        if (!m) {
            nt__fmt_print(f, "    %p\n", (void *)(uintptr_t)s->stack[i]);
            continue;
        }
        nt__fmt_str(f, "    ");
        nt__fmt_name(f, 0, m->path[0] != '\0' ? m->path : "?");
        nt__fmt_print(f, "+0x%llx\n", (unsigned long long)(s->stack[i] - m->bias));
    }
    if (s->depth > FRAMES_SHOWN)
        nt__fmt_print(f, "    (%u more)\n", s->depth - FRAMES_SHOWN);
}

/* Sites in falling order of what they had at the peak, then of all they asked for; each call
 * finds the one after `last`. */
static const struct nt_site_figures *next_site(const struct nt_profile *p,
                                               const struct nt_site_figures *last)
{
    const struct nt_site_figures *best = NULL;
    for (size_t i = 0; i < p->nsites; i++) {
        const struct nt_site_figures *s = &p->sites[i];
        const struct nt_site_figures *bounds[] = {last, best};
        bool is[2]; /* does it come after that one? */
        for (int k = 0; k < 2; k++) {
            const struct nt_site_figures *b = bounds[k];
            is[k] = b && (s->at_peak_requested_bytes != b->at_peak_requested_bytes
                              ? s->at_peak_requested_bytes < b->at_peak_requested_bytes
                          : s->requested_bytes_total != b->requested_bytes_total
                              ? s->requested_bytes_total < b->requested_bytes_total
                              : s > b);
        }
        if (s->samples_total != 0 && s != last && (!last || is[0]) && (!best || !is[1]))
            best = s;
    }
    return best;
}

static void lifetimes(struct nt_fmt *f, const struct nt_site_figures *total)
{
    static const char *const names[NT_LIFETIMES] = {
        "1 us",  "4 us",   "16 us",  "64 us", "256 us", "1 ms", "4 ms",  "16 ms",
        "66 ms", "262 ms", "1.05 s", "4.2 s", "16.8 s", "67 s", "268 s", "longer"};
    if (total->sampled_frees_total == 0)
        return;
    nt__fmt_str(f, "Samples that were freed, by how long they lived:");
    for (int i = 0; i < NT_LIFETIMES; i++)
        if (total->lifetimes[i] != 0)
            nt__fmt_print(f, "  %s%s %llu", i < NT_LIFETIMES - 1 ? "< " : "", names[i],
                          (unsigned long long)total->lifetimes[i]);
    nt__fmt_char(f, '\n');
}

static void text_remotes(struct nt_fmt *f, const struct nt_profile *p)
{
    if (p->nremotes == 0)
        return;
    nt__fmt_print(f,
                  "\nRemote frees, by site of allocation and of free: %zu pairs; the "
                  "JSON report has them\n",
                  p->nremotes);
}

void nt__profile_text(struct nt_fmt *f, const struct nt_profile *p)
{
    const struct nt_site_figures *site = NULL;
    nt__fmt_print(
        f,
        "\nSampled: one block for each %llu bytes asked for, on average; %llu "
        "samples, %llu in use%s\n",
        (unsigned long long)p->interval_bytes,
        (unsigned long long)p->total.samples_total,
        (unsigned long long)p->total.live_samples_now,
        p->sampling ? "" : "; it is off now");
    if (p->lost_total != 0)
        nt__fmt_print(f, "There was no memory to keep %llu more samples\n",
                      (unsigned long long)p->lost_total);
    lifetimes(f, &p->total);
    nt__fmt_str(f, "Estimates of what was asked for, each with its standard error\n\n"
                   "     At peak, MiB       +-        Live       +-    Requested  "
                   "Allocations   Samples\n");
    nt__fmt_str(f, "all ");
    row(f, &p->total);
    for (unsigned i = 0; i < SITES_SHOWN && (site = next_site(p, site)); i++) {
        nt__fmt_print(f, "%3u ", i + 1);
        row(f, site);
        frames(f, p, site);
    }
    if (p->nsites > SITES_SHOWN)
        nt__fmt_print(f, "(%zu sites in all; the JSON report has them)\n", p->nsites);
    text_remotes(f, p);
}

/* ---- JSON ---------------------------------------------------------------------------- */

static void key_u64(struct nt_fmt *f, const char *key, uint64_t v)
{
    nt__json_key(f, key);
    nt__json_u64(f, v);
}

static void numbers(struct nt_fmt *f, const char *key, const uint64_t *v, size_t n)
{
    nt__json_key(f, key);
    nt__json_open(f, '[');
    for (size_t i = 0; i < n; i++)
        nt__json_u64(f, v[i]);
    nt__json_close(f, ']');
}

static void figures_json(struct nt_fmt *f, enum nt_figure_list list, const void *base)
{
    for (const struct nt_figure *g = nt__figures(list); g->name; g++) {
        uint64_t v;
        memcpy(&v, (const char *)base + g->offset, sizeof v);
        key_u64(f, g->name, v);
    }
}

static void site_json(struct nt_fmt *f, const struct nt_site_figures *s)
{
    nt__json_open(f, '{');
    figures_json(f, NT_LIST_SITE, s);
    numbers(f, "lifetimes", s->lifetimes, NT_LIFETIMES);
    key_u64(f, "generation", s->generation);
    numbers(f, "stack", s->stack, s->depth);
    nt__json_close(f, '}');
}

static void samples_json(struct nt_fmt *f, const struct nt_profile *p)
{
    nt__json_key(f, "samples");
    nt__json_open(f, '[');
    for (size_t i = 0; i < p->nsamples; i++) {
        const struct nt_sample_figures *s = &p->samples[i];
        nt__json_open(f, '{');
        key_u64(f, "address", s->address);
        key_u64(f, "requested_bytes", s->requested_bytes);
        key_u64(f, "block_bytes", s->block_bytes);
        key_u64(f, "site", s->site);
        key_u64(f, "born_ns", s->born_ns);
        key_u64(f, "tid", (uint64_t)s->tid);
        key_u64(f, "node", (uint64_t)s->node);
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
}

static void remotes_json(struct nt_fmt *f, const struct nt_profile *p)
{
    nt__json_key(f, "remote_frees");
    nt__json_open(f, '[');
    for (size_t i = 0; i < p->nremotes; i++) {
        const struct nt_remote_figures *r = &p->remotes[i];
        nt__json_open(f, '{');
        key_u64(f, "site", r->site);
        key_u64(f, "free_site", r->free_site);
        key_u64(f, "samples_total", r->samples_total);
        key_u64(f, "frees_total", r->frees_total);
        key_u64(f, "requested_bytes_total", r->requested_bytes_total);
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
}

static void modules_json(struct nt_fmt *f, const struct nt_profile *p)
{
    nt__json_key(f, "modules");
    nt__json_open(f, '[');
    for (size_t i = 0; i < p->nmodules; i++) {
        const struct nt_module *m = &p->modules[i];
        char id[2 * NT_BUILD_ID_MAX + 1] = "";
        for (uint32_t k = 0; k < m->build_id_bytes; k++)
            nt__fmt_into(id + 2 * k, 3, "%02x", m->build_id[k]);
        nt__json_open(f, '{');
        nt__json_key(f, "path");
        nt__json_str(f, m->path);
        nt__json_key(f, "build_id");
        nt__json_str(f, id);
        key_u64(f, "start", m->start);
        key_u64(f, "end", m->end);
        key_u64(f, "bias", m->bias);
        key_u64(f, "from_generation", m->from);
        key_u64(f, "to_generation", m->to);
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
}

static void sizes_json(struct nt_fmt *f, const struct nt_profile *p)
{
    nt__json_key(f, "sizes");
    nt__json_open(f, '[');
    for (size_t i = 0; i < p->nsizes; i++) {
        nt__json_open(f, '{');
        figures_json(f, NT_LIST_SIZE, &p->sizes[i]);
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
}

void nt__profile_json(struct nt_fmt *f, const struct nt_profile *p)
{
    nt__json_key(f, "profile");
    nt__json_open(f, '{');
    key_u64(f, "interval_bytes", p->interval_bytes);
    nt__json_key(f, "sampling");
    nt__json_bool(f, p->sampling != 0);
    key_u64(f, "lost_total", p->lost_total);
    nt__json_key(f, "total");
    site_json(f, &p->total);
    nt__json_key(f, "sites");
    nt__json_open(f, '[');
    for (size_t i = 0; i < p->nsites; i++)
        site_json(f, &p->sites[i]);
    nt__json_close(f, ']');
    samples_json(f, p);
    remotes_json(f, p);
    modules_json(f, p);
    sizes_json(f, p);
    nt__json_close(f, '}');
}
