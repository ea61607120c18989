/* SPDX-License-Identifier: MIT */
/*
 * The profile for the page: names in place of addresses.
 *
 * A profile of ten thousand sites holds the same addresses again and again, and these lie in
 * the same functions: so each address is looked up once, each name is written once, and
 * everything else is a number. Both tables are found by tsearch's trees; an entry's number
 * is its place in the order of first use.
 */
#include "src/base/fmt.h"
#include "src/tool/page.h"
#include "src/tool/report.h"
#include "src/track/report.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct place {
    uint32_t generation;
    uint64_t pc;
    size_t number;
};

struct name {
    size_t number;
    char text[];
};

struct names {
    void *tree, *places;
    struct name **list; /* by number */
    size_t n, cap, nplaces;
    struct nt_symbols *symbols;
    struct nt_fmt out;
};

/* ---- names ---------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* The number of `text`; -1 for NULL. */
static long long number_of(struct names *t, const char *text)
{
    struct name *name, **found;

    if (text == NULL)
        return -1;
    name = nt__tool_memory(malloc(sizeof *name + strlen(text) + 1));
    memcpy(name->text, text, strlen(text) + 1);
    found = nt__tool_memory(tsearch(name, &t->tree, by_text));
    if (*found != name) {
        free(name);
        return (long long)(*found)->number;
    }
    if (t->n == t->cap) {
        t->cap = 2 * t->cap + 256;
        t->list = nt__tool_memory(reallocarray(t->list, t->cap, sizeof(struct name *)));
    }
    name->number = t->n;
    t->list[t->n++] = name;
    return (long long)name->number;
}

static void names_json(struct names *t)
{
    nt__json_key(&t->out, "strings");
    nt__json_open(&t->out, '[');
    for (size_t i = 0; i < t->n; i++)
        nt__json_str(&t->out, t->list[i]->text);
    nt__json_close(&t->out, ']');
}

/* ---- places --------------------------------------------------------------------------- */

static int by_address(const void *va, const void *vb)
{
    const struct place *a = va, *b = vb;

    if (a->pc != b->pc)
        return a->pc < b->pc ? -1 : 1;
    return (a->generation > b->generation) - (a->generation < b->generation);
}

static void place_json(struct names *t, uint32_t generation, uint64_t pc)
{
    const struct nt_frame *frames;
    size_t n = nt__symbols_find(t->symbols, generation, pc, &frames);

    nt__json_open(&t->out, '[');
    for (size_t i = 0; i < n; i++) {
        nt__json_open(&t->out, '[');
        nt__json_i64(&t->out, number_of(t, frames[i].function));
        nt__json_i64(&t->out, number_of(t, frames[i].module));
        nt__json_i64(&t->out, number_of(t, frames[i].file));
        nt__json_i64(&t->out, frames[i].line != 0 ? (int64_t)frames[i].line : -1);
        nt__json_close(&t->out, ']');
    }
    nt__json_close(&t->out, ']');
}

/* The number of the place; it is written when it is first asked for. */
static size_t place_of(struct names *t, uint32_t generation, uint64_t pc)
{
    struct place key = {.generation = generation, .pc = pc};
    struct place *new, **found = tfind(&key, &t->places, by_address);

    if (found != NULL)
        return (*found)->number;
    new = nt__tool_memory(malloc(sizeof *new));
    key.number = t->nplaces++;
    *new = key;
    nt__tool_memory(tsearch(new, &t->places, by_address));
    place_json(t, generation, pc);
    return new->number;
}

static void places_of_site(struct names *t, const struct nt_site_figures *s)
{
    for (uint32_t i = 0; i < s->depth; i++)
        place_of(t, s->generation, s->stack[i]);
}

/* All there are: site_json finds them. */
static void places_json(struct names *t, const struct nt_profile *p)
{
    nt__json_key(&t->out, "places");
    nt__json_open(&t->out, '[');
    places_of_site(t, &p->total);
    for (size_t i = 0; i < p->nsites; i++)
        places_of_site(t, &p->sites[i]);
    nt__json_close(&t->out, ']');
}

/* ---- sites ---------------------------------------------------------------------------- */

static void key_u64(struct nt_fmt *f, const char *key, uint64_t v)
{
    nt__json_key(f, key);
    nt__json_u64(f, v);
}

static void site_json(struct names *t, const struct nt_site_figures *s)
{
    struct nt_fmt *f = &t->out;

    nt__json_open(f, '{');
    for (const struct nt_figure *g = nt__figures(NT_LIST_SITE); g->name != NULL; g++) {
        uint64_t v;

        memcpy(&v, (const char *)s + g->offset, sizeof v);
        key_u64(f, g->name, v);
    }
    nt__json_key(f, "lifetimes");
    nt__json_open(f, '[');
    for (size_t i = 0; i < NT_LIFETIMES; i++)
        nt__json_u64(f, s->lifetimes[i]);
    nt__json_close(f, ']');
    nt__json_key(f, "stack");
    nt__json_open(f, '[');
    for (uint32_t i = 0; i < s->depth; i++)
        nt__json_u64(f, place_of(t, s->generation, s->stack[i]));
    nt__json_close(f, ']');
    nt__json_close(f, '}');
}

static void remote_json(struct nt_fmt *f, const struct nt_remote_figures *r)
{
    nt__json_open(f, '{');
    key_u64(f, "site", r->site);
    key_u64(f, "free_site", r->free_site);
    key_u64(f, "samples_total", r->samples_total);
    key_u64(f, "frees_total", r->frees_total);
    key_u64(f, "requested_bytes_total", r->requested_bytes_total);
    nt__json_close(f, '}');
}

static void profile_json(struct names *t, const struct nt_profile *p)
{
    struct nt_fmt *f = &t->out;

    nt__json_open(f, '{');
    key_u64(f, "interval_bytes", p->interval_bytes);
    nt__json_key(f, "sampling");
    nt__json_bool(f, p->sampling != 0);
    key_u64(f, "lost_total", p->lost_total);
    places_json(t, p);
    names_json(t);
    nt__json_key(f, "total");
    site_json(t, &p->total);
    nt__json_key(f, "sites");
    nt__json_open(f, '[');
    for (size_t i = 0; i < p->nsites; i++)
        site_json(t, &p->sites[i]);
    nt__json_close(f, ']');
    nt__json_key(f, "remote_frees");
    nt__json_open(f, '[');
    for (size_t i = 0; i < p->nremotes; i++)
        remote_json(f, &p->remotes[i]);
    nt__json_close(f, ']');
    nt__json_close(f, '}');
}

int nt__page_profile(int fd, const struct nt_profile *profile)
{
    static char buffer[65536];
    struct names t = {.symbols = nt__symbols_open(profile)};
    int err;

    nt__fmt_init(&t.out, buffer, sizeof buffer, fd);
    profile_json(&t, profile);
    err = nt__fmt_flush(&t.out);
    tdestroy(t.tree, free);
    tdestroy(t.places, free);
    free(t.list);
    nt__symbols_close(t.symbols);
    return err;
}
