/* SPDX-License-Identifier: MIT */
/*
 * Return addresses to functions, files and lines.
 *
 * An address in memory leads to a module of its generation, and by the module's bias to an
 * address in its file. All that was found there is kept with the file until the tool ends,
 * in a tree by address: of the thousands of frames in a profile most are alike, and the
 * records of a job's ranks name the same files.
 *
 * Each text is one row of UTF-8 without control characters, and no longer than
 * NT_SYMBOL_MAX, whatever the file or the record has.
 */
#include "src/tool/symbols.h"
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/progress.h"
#include "src/track/profile_out.h"

#include <libiberty/demangle.h>
#include <search.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define NT_SYMBOL_MAX 4096

/* What is at an address. */
struct place {
    uint64_t address;
    size_t n;
    struct nt_frame *frame;
};

struct file {
    struct file *next;
    struct nt_module as; /* as it was first asked for */
    char *path;          /* NULL: nothing is known of it */
    const char *base;    /* the name without folders */
    struct nt_elf *elf;  /* NULL: nothing can be read of it */
    void *places;        /* tsearch */
};

static struct {
    struct file *files;
    struct file nowhere; /* addresses in memory that no module is known for */
} S;

struct nt_symbols {
    const struct nt_profile *profile;
    struct file **file; /* of each module; NULL: not asked for yet */
};

/* ---- texts ---------------------------------------------------------------------------- */

static char *printable(const char *text)
{
    char whole[NT_SYMBOL_MAX], out[NT_SYMBOL_MAX];
    struct nt_fmt f;

    nt__name_copy(whole, sizeof whole, text); /* cut between two characters */
    nt__fmt_init(&f, out, sizeof out, -1);
    nt__fmt_name(&f, 0, whole);
    return nt__tool_memory(strdup(out));
}

/* A name that is being demangled. libiberty gives it away in pieces, and must be stopped: a
 * name of 200 characters may stand for one of gigabytes. */
struct demangling {
    char text[NT_SYMBOL_MAX];
    size_t bytes;
    jmp_buf full;
};

static void on_piece(const char *piece, size_t bytes, void *context)
{
    struct demangling *d = context;
    size_t room = sizeof d->text - 1 - d->bytes;

    memcpy(d->text + d->bytes, piece, nt__min(bytes, room));
    d->bytes += nt__min(bytes, room);
    if (bytes > room)
        longjmp(d->full, 1); /* nothing in there is on the heap */
}

/* libiberty rather than libstdc++'s __cxa_demangle: it is C, adds nothing to the tool's
 * start, knows Rust, and can be stopped. Its own limit of depth refuses names from 1 KiB
 * on, which C++ has; up to NT_SYMBOL_MAX its recursion takes less than 1 MiB of stack. */
static char *readable(const char *name)
{
    const int options = DMGL_PARAMS | DMGL_ANSI | DMGL_NO_RECURSE_LIMIT;
    static struct demangling d;
    char *clone;

    d.bytes = 0;
    if (strnlen(name, NT_SYMBOL_MAX) == NT_SYMBOL_MAX)
        return printable(name);
    if (setjmp(d.full) == 0 &&
        rust_demangle_callback(name, DMGL_PARAMS, on_piece, &d) == 0) {
        d.bytes = 0;
        if (cplus_demangle_v3_callback(name, options, on_piece, &d) == 0)
            return printable(name);
    }
    d.text[d.bytes] = '\0';
    clone = strstr(d.text, " [clone ");
    if (clone != NULL)
        *clone = '\0'; /* which of the compiler's copies it is helps nobody */
    return printable(d.text);
}

/* ---- files ---------------------------------------------------------------------------- */

const char *nt__after_slash(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* What has no slash in its name is no file: the kernel's linux-vdso.so.1. */
static struct file *file_open(const struct nt_module *m)
{
    struct file *f = nt__tool_memory(calloc(1, sizeof *f));
    const char *why;

    f->as = *m;
    f->path = printable(m->path);
    f->base = nt__after_slash(f->path);
    if (strchr(m->path, '/') != NULL) {
        f->elf = nt__elf_open(m, &why);
        if (f->elf == NULL) {
            nt__progress_clear();
            nt__warn("no names of functions in %.512s: %s", f->path, why);
        }
    }
    f->next = S.files;
    S.files = f;
    return f;
}

static bool same_file(const struct nt_module *a, const struct nt_module *b)
{
    return a->build_id_bytes == b->build_id_bytes &&
           memcmp(a->build_id, b->build_id, a->build_id_bytes) == 0 &&
           a->start - a->bias == b->start - b->bias &&
           a->end - a->bias == b->end - b->bias && strcmp(a->path, b->path) == 0;
}

static struct file *file_of(const struct nt_module *m)
{
    for (struct file *f = S.files; f != NULL; f = f->next)
        if (same_file(&f->as, m))
            return f;
    return file_open(m);
}

/* ---- places --------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return (x->address > y->address) - (x->address < y->address);
}

/* What addr2line would be asked for, though with the return address itself. */
static char *name_by_address(const struct file *f, uint64_t address)
{
    char text[NT_SYMBOL_MAX];

    if (f->base == NULL || f->base[0] == '\0')
        snprintf(text, sizeof text, "0x%llx", (unsigned long long)address);
    else
        snprintf(text, sizeof text, "%s+0x%llx", f->base, (unsigned long long)address);
    return nt__tool_memory(strdup(text));
}

static void fill(struct place *p, const struct file *f)
{
    struct nt_frame found[NT_INLINED_MAX] = {0};
    size_t n = f->elf != NULL ? nt__elf_find(f->elf, p->address - 1, found) : 0;

    p->n = n > 0 ? n : 1;
    p->frame = nt__tool_memory(calloc(p->n, sizeof *p->frame));
    for (size_t i = 0; i < p->n; i++) {
        p->frame[i].module = f->path;
        p->frame[i].function = found[i].function != NULL
                                   ? readable(found[i].function)
                                   : name_by_address(f, p->address);
        p->frame[i].file = found[i].file != NULL ? printable(found[i].file) : NULL;
        p->frame[i].line = found[i].line;
    }
}

static const struct place *place_of(struct file *f, uint64_t address)
{
    struct place key = {.address = address}, *p;
    void *node = tfind(&key, &f->places, by_address);

    if (node != NULL)
        return *(struct place **)node;
    p = nt__tool_memory(malloc(sizeof *p));
    *p = key;
    fill(p, f);
    nt__tool_memory(tsearch(p, &f->places, by_address));
    return p;
}

/* ---- what a profile names ------------------------------------------------------------- */

struct nt_symbols *nt__symbols_open(const struct nt_profile *profile)
{
    struct nt_symbols *s = nt__tool_memory(calloc(1, sizeof *s));
    size_t addresses = 0;

    for (size_t i = 0; i < profile->nsites && profile->sites != NULL; i++)
        addresses += profile->sites[i].depth;
    nt__progress_naming(addresses);
    s->profile = profile;
    s->file = nt__tool_memory(calloc(profile->nmodules + 1, sizeof(struct file *)));
    return s;
}

void nt__symbols_close(struct nt_symbols *s)
{
    if (s == NULL)
        return;
    nt__progress_reading();
    free(s->file);
    free(s);
}

size_t nt__symbols_find(struct nt_symbols *s, uint32_t generation, uint64_t pc,
                        const struct nt_frame **frames)
{
    const struct nt_module *m = nt__profile_module(s->profile, generation, pc);
    const struct place *p;

    nt__progress_named();
    if (m == NULL) {
        p = place_of(&S.nowhere, pc);
    } else {
        struct file **f = &s->file[m - s->profile->modules];

        if (*f == NULL)
            *f = file_of(m);
        p = place_of(*f, pc - m->bias);
    }
    *frames = p->frame;
    return p->n;
}
