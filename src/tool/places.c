/* SPDX-License-Identifier: MIT */
#include "src/tool/places.h"
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/track/profile_out.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINES_MAX 12 /* of a stack that is shown: enough to know the way by */

/* ---- Frames that all programs have ---------------------------------------------------- */

/* Modules by the beginning of their names: the language's own. */
static const char *const modules[] = {
    "libc.so",    "libc-",   "libstdc++.so", "libc++.so",     "libgfortran.so",
    "ld-linux",   "ld-musl", "libpthread",   "libgcc_s.so.1", "libnumatally",
    "libgomp.so", "libm.so", "libomp.so"};

/* Functions by the beginning of their names: containers, and allocators of frameworks that
 * say nothing about who called them. */
static const char *const beginnings[] = {"std::",
                                         "__gnu_cxx::",
                                         "operator new",
                                         "operator delete",
                                         "nt__",
                                         "alloc::",
                                         "__rust_",
                                         "__rdl_",
                                         "g_slice_",
                                         "PyMem_",
                                         "_PyMem_",
                                         "PyObject_New",
                                         "_PyObject_New",
                                         "_PyObject_GC",
                                         "PyObject_Free",
                                         "ggc_",
                                         "obstack_",
                                         "_obstack_",
                                         "objalloc_",
                                         "_objalloc_",
                                         "sqlite3Db",
                                         "PyType_GenericAlloc",
                                         "LAMMPS_NS::Memory::"};

/* Functions by what is in their names, in any case: malloc, xmalloc, PyMem_Malloc,
 * sqlite3MallocZero, av_mallocz, my_strdup. */
static const char *const parts[] = {"malloc", "calloc",   "realloc",
                                    "strdup", "memalign", "aligned_alloc"};

/* Functions by their whole names. */
static const char *const frees[] = {"free",         "cfree", "xfree",   "g_free",
                                    "sqlite3_free", "zfree", "nt_free", "free_sized"};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The qualified name in a demangled one: without parameters, and without the return type that
 * a template has before it. */
static void qualified(const char *function, char *out, size_t cap)
{
    size_t n = strcspn(function, "<("), from = n;

    while (from > 0 && function[from - 1] != ' ')
        from--;
    if (begins(function, "operator "))
        from = 0;
    snprintf(out, cap, "%.*s", (int)nt__min(n - from, cap - 1), function + from);
}

static bool is_allocator(const char *name)
{
    for (size_t i = 0; i < NT_ARRAY_LEN(parts); i++)
        if (strcasestr(name, parts[i]) != NULL)
            return true;
    return false;
}

bool nt__frame_is_common(const struct nt_frame *frame)
{
    const char *module = frame->module != NULL ? nt__after_slash(frame->module) : NULL;
    char name[128];

    qualified(frame->function, name, sizeof name);
    for (size_t i = 0; module != NULL && i < NT_ARRAY_LEN(modules); i++)
        if (begins(module, modules[i]))
            return true;
    for (size_t i = 0; i < NT_ARRAY_LEN(beginnings); i++)
        if (begins(name, beginnings[i]))
            return true;
    for (size_t i = 0; i < NT_ARRAY_LEN(frees); i++)
        if (strcmp(name, frees[i]) == 0)
            return true;
    return is_allocator(name);
}

/* A container that has outgrown its room: libstdc++'s vectors and strings. */
static bool is_growth(const struct nt_frame *frame)
{
    return strstr(frame->function, "::_M_realloc_") != NULL ||
           strstr(frame->function, "::_M_mutate") != NULL;
}

/* ---- Where the user's code begins ------------------------------------------------------ */

/* A function without a name that a wrapper calls is a part of the wrapper. */
static bool is_wrapped(const struct nt_site_figures *s, struct nt_symbols *symbols,
                       uint32_t at, const char *function)
{
    const struct nt_frame *outer;

    if (strstr(function, "+0x") == NULL || at + 1 >= s->depth)
        return false;
    nt__symbols_find(symbols, s->generation, s->stack[at + 1], &outer);
    return is_allocator(outer->function);
}

/* Index in the stack of the first address with a frame that is the user's, and which of its
 * frames; the innermost if there is none. */
static uint32_t users(const struct nt_site_figures *s, struct nt_symbols *symbols,
                      size_t *inlined, bool *grows)
{
    const struct nt_frame *frames;

    *grows = false;
    for (uint32_t i = 0; i < s->depth; i++) {
        size_t n = nt__symbols_find(symbols, s->generation, s->stack[i], &frames);

        for (size_t k = 0; k < n; k++) {
            *inlined = k;
            *grows |= is_growth(&frames[k]);
            if (nt__frame_is_common(&frames[k]))
                continue;
            if (is_wrapped(s, symbols, i, frames[k].function))
                break; /* it is alone: who has no name has nothing inlined */
            return i;
        }
    }
    *inlined = 0;
    *grows = false;
    return 0;
}

/* A function's name without its parameters: short, and enough to find it by. */
static int name_length(const char *function)
{
    size_t depth = 0, n = 0;

    if (begins(function, "operator") || begins(function, "(anonymous"))
        return (int)strnlen(function, 200);
    for (; function[n] != '\0' && n < 200; n++) {
        if (function[n] == '<')
            depth++;
        else if (function[n] == '>' && depth > 0)
            depth--;
        else if (function[n] == '(' && depth == 0 && n > 0 &&
                 strncmp(function + n, "(anonymous", 10) != 0)
            break;
    }
    return (int)n;
}

/* A frame in words: "function (file:line)", without a line "function (module+offset)". */
static char *frame_line(const struct nt_profile *p, const struct nt_site_figures *s,
                        uint32_t at, const struct nt_frame *frame)
{
    bool lines = frame->file != NULL && frame->line != 0;
    const char *from = lines ? frame->file : frame->module;
    const char *base = from != NULL ? nt__after_slash(from) : NULL;
    const struct nt_module *m = nt__profile_module(p, s->generation, s->stack[at]);
    int n = name_length(frame->function);
    char raw[512], clean[3 * sizeof raw];
    struct nt_fmt f;

    if (lines)
        snprintf(raw, sizeof raw, "%.*s (%.200s:%u)", n, frame->function, base,
                 frame->line);
    else if (m != NULL && base != NULL && !begins(frame->function, base))
        snprintf(raw, sizeof raw, "%.*s (%.200s+0x%llx)", n, frame->function, base,
                 (unsigned long long)(s->stack[at] - m->bias));
    else
        snprintf(raw, sizeof raw, "%.*s", n, frame->function);
    nt__fmt_init(&f, clean, sizeof clean, -1);
    nt__fmt_name(&f, 0, raw);
    return nt__tool_memory(strdup(clean));
}

/* What starts a process or a thread. */
static bool is_start(const struct nt_frame *frame)
{
    static const char *const starts[] = {"_start", "start_thread", "clone",
                                         "clone3", "__clone",      "__clone3"};

    for (size_t i = 0; i < NT_ARRAY_LEN(starts); i++)
        if (strcmp(frame->function, starts[i]) == 0)
            return true;
    return begins(frame->function, "__libc_start");
}

size_t nt__place_lines(const struct nt_profile *p, struct nt_symbols *symbols,
                       size_t site, char ***lines)
{
    const struct nt_site_figures *s = &p->sites[site];
    const struct nt_frame *frames;
    size_t lead, written = 0;
    bool grows;
    uint32_t first = users(s, symbols, &lead, &grows);

    *lines = nt__tool_memory(calloc(LINES_MAX, sizeof **lines));
    for (uint32_t i = first; i < s->depth; i++) {
        size_t n = nt__symbols_find(symbols, s->generation, s->stack[i], &frames);

        for (size_t k = i == first ? lead : 0; k < n; k++) {
            if (written == LINES_MAX || is_start(&frames[k]))
                return written;
            (*lines)[written++] = frame_line(p, s, i, &frames[k]);
        }
    }
    return written;
}

/* ---- Sites to places --------------------------------------------------------------------- */

/* What makes a place. */
struct key {
    char *name;
    bool grows;
    size_t site;
};

static int compare_keys(const void *left, const void *right)
{
    const struct key *a = left, *b = right;
    int by_name = strcmp(a->name, b->name);

    return by_name != 0           ? by_name
           : a->grows != b->grows ? a->grows - b->grows
           : a->site < b->site    ? -1
                                  : a->site > b->site;
}

static struct key key_of(const struct nt_profile *p, struct nt_symbols *symbols,
                         size_t site)
{
    const struct nt_site_figures *s = &p->sites[site];
    struct key key = {.site = site};
    const struct nt_frame *frames;
    size_t inlined;
    uint32_t at;

    if (s->depth == 0) {
        key.name = nt__tool_memory(strdup("code without a stack"));
        return key;
    }
    at = users(s, symbols, &inlined, &key.grows);
    nt__symbols_find(symbols, s->generation, s->stack[at], &frames);
    key.name = frame_line(p, s, at, &frames[inlined]);
    return key;
}

void nt__place_add(struct nt_place *place, const struct nt_site_figures *s)
{
    double error = (double)s->requested_bytes_total_error;
    double live_error = (double)s->live_requested_bytes_now_error;
    double peak_error = (double)s->at_peak_requested_bytes_error;

    place->samples += s->samples_total;
    place->freed_samples += s->sampled_frees_total;
    for (size_t i = 0; i < NT_LIFETIMES; i++)
        place->lifetimes[i] += s->lifetimes[i];
    place->lived_ns += (double)s->lifetime_ns_total;
    place->blocks += (double)s->allocations_total;
    place->moved += (double)s->reallocs_total;
    place->bytes += (double)s->requested_bytes_total;
    place->live_blocks += (double)s->live_blocks_now;
    place->live_bytes += (double)s->live_requested_bytes_now;
    place->peak_bytes += (double)s->at_peak_requested_bytes;
    /* Of independent estimates the squares add up. */
    place->bytes_error =
        nt__estimate_root(place->bytes_error * place->bytes_error + error * error);
    place->live_error = nt__estimate_root(place->live_error * place->live_error +
                                          live_error * live_error);
    place->peak_error = nt__estimate_root(place->peak_error * place->peak_error +
                                          peak_error * peak_error);
}

void nt__places_make(const struct nt_profile *p, struct nt_symbols *symbols,
                     struct nt_places *out)
{
    struct key *keys = nt__tool_memory(calloc(p->nsites + 1, sizeof *keys));

    out->n = 0;
    out->list = nt__tool_memory(calloc(p->nsites + 1, sizeof *out->list));
    out->of_site = nt__tool_memory(calloc(p->nsites + 1, sizeof *out->of_site));
    for (size_t i = 0; i < p->nsites; i++)
        keys[i] = key_of(p, symbols, i);
    qsort(keys, p->nsites, sizeof *keys, compare_keys);
    for (size_t i = 0; i < p->nsites; i++) {
        size_t site = keys[i].site;
        struct nt_place *place = out->n > 0 ? &out->list[out->n - 1] : NULL;

        if (place != NULL && strcmp(place->name, keys[i].name) == 0 &&
            place->grows == keys[i].grows) {
            free(keys[i].name);
        } else {
            place = &out->list[out->n++];
            place->name = keys[i].name;
            place->grows = keys[i].grows;
        }
        nt__place_add(place, &p->sites[site]);
        out->of_site[site] = out->n - 1;
    }
    free(keys);
}

double nt__place_lived(const struct nt_place *place, double run_ns)
{
    return place->freed_samples != 0 ? place->lived_ns / (double)place->freed_samples
                                     : run_ns;
}

void nt__places_free(struct nt_places *places)
{
    for (size_t i = 0; i < places->n; i++)
        free(places->list[i].name);
    free(places->list);
    free(places->of_site);
    *places = (struct nt_places){0};
}
