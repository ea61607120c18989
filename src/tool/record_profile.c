/* SPDX-License-Identifier: MIT */
/* The part "profile" of a record: the inverse of nt__profile_json. */
#include "src/tool/record.h"

#include <stdlib.h>
#include <string.h>

static bool get_u32(const json_t *object, const char *key, uint32_t *out)
{
    uint64_t v;

    if (!nt__record_u64(object, key, &v))
        return false;
    if (v > UINT32_MAX)
        return nt__record_refuse("is too large", key);
    *out = (uint32_t)v;
    return true;
}

/* Not negative. */
static bool get_i32(const json_t *object, const char *key, int32_t *out)
{
    uint32_t v = 0;

    if (!get_u32(object, key, &v))
        return false;
    if (v > INT32_MAX)
        return nt__record_refuse("is too large", key);
    *out = (int32_t)v;
    return true;
}

static bool get_site(const json_t *object, struct nt_site_figures *out)
{
    size_t depth, n;

    if (!nt__record_figures(object, NT_LIST_SITE, out) ||
        !get_u32(object, "generation", &out->generation) ||
        !nt__record_numbers(object, "lifetimes", NT_LIFETIMES, out->lifetimes, &n) ||
        !nt__record_numbers(object, "stack", NT_STACK_MAX, out->stack, &depth))
        return false;
    out->depth = (uint32_t)depth;
    return true;
}

static bool get_sites(const json_t *profile, struct nt_profile *p)
{
    const json_t *rows;

    if (!nt__record_rows(profile, "sites", sizeof *p->sites, &rows, &p->sites,
                         &p->nsites))
        return false;
    for (size_t i = 0; i < p->nsites; i++)
        if (!get_site(json_array_get(rows, i), &p->sites[i]))
            return false;
    return true;
}

static bool get_samples(const json_t *profile, struct nt_profile *p)
{
    const json_t *rows;

    if (!nt__record_rows(profile, "samples", sizeof *p->samples, &rows, &p->samples,
                         &p->nsamples))
        return false;
    for (size_t i = 0; i < p->nsamples; i++) {
        const json_t *o = json_array_get(rows, i);
        struct nt_sample_figures *s = &p->samples[i];

        if (!nt__record_u64(o, "address", &s->address) ||
            !nt__record_u64(o, "requested_bytes", &s->requested_bytes) ||
            !nt__record_u64(o, "block_bytes", &s->block_bytes) ||
            !nt__record_u64(o, "site", &s->site) ||
            !nt__record_u64(o, "born_ns", &s->born_ns) || !get_i32(o, "tid", &s->tid) ||
            !get_i32(o, "node", &s->node))
            return false;
    }
    return true;
}

static bool get_remotes(const json_t *profile, struct nt_profile *p)
{
    const json_t *rows;

    if (!nt__record_rows(profile, "remote_frees", sizeof *p->remotes, &rows,
                         &p->remotes, &p->nremotes))
        return false;
    for (size_t i = 0; i < p->nremotes; i++) {
        const json_t *o = json_array_get(rows, i);
        struct nt_remote_figures *r = &p->remotes[i];

        if (!nt__record_u64(o, "site", &r->site) ||
            !nt__record_u64(o, "free_site", &r->free_site) ||
            !nt__record_u64(o, "samples_total", &r->samples_total) ||
            !nt__record_u64(o, "frees_total", &r->frees_total) ||
            !nt__record_u64(o, "requested_bytes_total", &r->requested_bytes_total))
            return false;
    }
    return true;
}

/* Records of before there were any have none. */
static bool get_sizes(const json_t *profile, struct nt_profile *p)
{
    const json_t *rows;

    if (json_object_get(profile, "sizes") == NULL)
        return true;
    if (!nt__record_rows(profile, "sizes", sizeof *p->sizes, &rows, &p->sizes,
                         &p->nsizes))
        return false;
    for (size_t i = 0; i < p->nsizes; i++)
        if (!nt__record_figures(json_array_get(rows, i), NT_LIST_SIZE, &p->sizes[i]))
            return false;
    return true;
}

static bool get_build_id(const json_t *object, struct nt_module *m)
{
    char text[2 * NT_BUILD_ID_MAX + 1];

    if (!nt__record_text(object, "build_id", text, sizeof text))
        return false;
    for (const char *at = text; *at != '\0'; at += 2) {
        char pair[3] = {at[0], at[1], '\0'};
        char *end;

        m->build_id[m->build_id_bytes++] = (uint8_t)strtoul(pair, &end, 16);
        if (end != pair + 2)
            return nt__record_refuse("is no row of pairs of hexadecimal digits",
                                     "build_id");
    }
    return true;
}

static bool get_modules(const json_t *profile, struct nt_profile *p)
{
    const json_t *rows;

    if (!nt__record_rows(profile, "modules", sizeof *p->modules, &rows, &p->modules,
                         &p->nmodules))
        return false;
    for (size_t i = 0; i < p->nmodules; i++) {
        const json_t *o = json_array_get(rows, i);
        struct nt_module *m = &p->modules[i];

        if (!nt__record_text(o, "path", m->path, sizeof m->path) ||
            !get_build_id(o, m) || !nt__record_u64(o, "start", &m->start) ||
            !nt__record_u64(o, "end", &m->end) ||
            !nt__record_u64(o, "bias", &m->bias) ||
            !get_u32(o, "from_generation", &m->from) ||
            !get_u32(o, "to_generation", &m->to))
            return false;
    }
    return true;
}

bool nt__record_profile(const json_t *root, struct nt_profile *p)
{
    const json_t *profile = json_object_get(root, "profile");
    uint8_t sampling = 0;

    if (profile == NULL)
        return true;
    if (!nt__record_u64(profile, "interval_bytes", &p->interval_bytes) ||
        !nt__record_bool(profile, "sampling", &sampling) ||
        !nt__record_u64(profile, "lost_total", &p->lost_total) ||
        !get_site(json_object_get(profile, "total"), &p->total))
        return false;
    p->sampling = sampling;
    return get_sites(profile, p) && get_samples(profile, p) &&
           get_remotes(profile, p) && get_modules(profile, p) && get_sizes(profile, p);
}

void nt__record_profile_free(struct nt_profile *p)
{
    free(p->sites);
    free(p->samples);
    free(p->remotes);
    free(p->modules);
    free(p->sizes);
    memset(p, 0, sizeof *p);
}
