/* SPDX-License-Identifier: MIT */
/*
 * Debug info: which functions, inlined into each other, are at an address, and on which
 * lines.
 *
 * Two tables of ranges lead there. That of units (one a source file, roughly) is made when
 * the file is opened, since not every compiler leaves one in the file; that of a unit's
 * functions when the first address in it is looked up, in one walk over all of its entries.
 * What is inlined is then looked for among the function's own entries only.
 *
 * Entries of debug info form a tree, laid out parent first. In a file that is damaged they
 * may lead back: each step must go on in the file, so each walk ends.
 */
#include "src/tool/symbols.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 256 /* of entries in each other; what lies deeper is not looked at */

struct unit {
    Dwarf_Die die;   /* which has the lines */
    Dwarf_Die split; /* and which has the functions: with -gsplit-dwarf another */
    bool read;
    Dwarf_Die *function;
    size_t nfunctions, cap;
    struct nt_ranges ranges; /* of these */
};

struct nt_dwarf {
    struct unit *unit;
    size_t nunits, cap;
    struct nt_ranges ranges; /* of these */
};

/* All that belongs to `die`. */
static void add_ranges(struct nt_ranges *to, Dwarf_Die *die, size_t index)
{
    Dwarf_Addr base, low, high;

    for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &low, &high)) > 0;)
        if (low < high && !nt__ranges_add(to, low, high, index))
            return;
}

/* The next step of a walk: `die` lies behind all that it came to before. */
static bool goes_on(Dwarf_Off *walked, Dwarf_Die *die)
{
    Dwarf_Off offset = dwarf_dieoffset(die);

    if (offset <= *walked)
        return false;
    *walked = offset;
    return true;
}

/* ---- units ---------------------------------------------------------------------------- */

static void add_unit(struct nt_dwarf *d, const Dwarf_Die *die, const Dwarf_Die *split)
{
    struct unit *u;

    if (d->nunits == d->cap) {
        d->cap = 2 * d->cap + 64;
        d->unit = nt__tool_memory(reallocarray(d->unit, d->cap, sizeof *d->unit));
    }
    u = &d->unit[d->nunits];
    *u = (struct unit){.die = *die, .split = *split};
    add_ranges(&d->ranges, &u->die, d->nunits++);
}

struct nt_dwarf *nt__dwarf_open(Dwarf *dwarf)
{
    struct nt_dwarf *d = nt__tool_memory(calloc(1, sizeof *d));
    Dwarf_CU *cu = NULL;
    Dwarf_Die die, split;
    uint8_t type;

    while (dwarf != NULL &&
           dwarf_get_units(dwarf, cu, &cu, NULL, &type, &die, &split) == 0) {
        if (type == DW_UT_compile)
            add_unit(d, &die, &die);
        else if (type == DW_UT_skeleton && dwarf_tag(&split) == DW_TAG_compile_unit)
            add_unit(d, &die, &split);
    }
    nt__ranges_sort(&d->ranges);
    return d;
}

void nt__dwarf_close(struct nt_dwarf *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->nunits; i++) {
        free(d->unit[i].function);
        free(d->unit[i].ranges.at);
    }
    free(d->unit);
    free(d->ranges.at);
    free(d);
}

/* ---- functions of a unit -------------------------------------------------------------- */

static void add_function(struct unit *u, Dwarf_Die *die)
{
    size_t before = u->ranges.n;

    add_ranges(&u->ranges, die, u->nfunctions);
    if (u->ranges.n == before)
        return; /* a declaration, or inlined everywhere */
    if (u->nfunctions == u->cap) {
        u->cap = 2 * u->cap + 16;
        u->function =
            nt__tool_memory(reallocarray(u->function, u->cap, sizeof *u->function));
    }
    u->function[u->nfunctions++] = *die;
}

/* Functions are found anywhere: in namespaces, and in classes in other functions. */
static void read_functions(struct unit *u)
{
    Dwarf_Die path[DEPTH_MAX]; /* from the unit down to where the walk is */
    Dwarf_Off walked = dwarf_dieoffset(&u->split);
    size_t depth = 0;

    u->read = true;
    path[0] = u->split;
    for (;;) {
        Dwarf_Die next;

        if (depth + 1 < DEPTH_MAX && dwarf_child(&path[depth], &next) == 0 &&
            goes_on(&walked, &next)) {
            depth++;
        } else {
            while (depth > 0 && (dwarf_siblingof(&path[depth], &next) != 0 ||
                                 !goes_on(&walked, &next)))
                depth--;
            if (depth == 0)
                break;
        }
        path[depth] = next;
        if (dwarf_tag(&next) == DW_TAG_subprogram)
            add_function(u, &next);
    }
    nt__ranges_sort(&u->ranges);
}

/* ---- an address ----------------------------------------------------------------------- */

static const char *text_of(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;

    return dwarf_formstring(dwarf_attr_integrate(die, name, &attribute));
}

/* Of others than C++ and Rust the linkage name says less than the name. */
static const char *name_of(Dwarf_Die *die)
{
    const char *name = text_of(die, DW_AT_linkage_name);

    if (name == NULL)
        name = text_of(die, DW_AT_MIPS_linkage_name);
    return name != NULL && nt__is_mangled(name) ? name : dwarf_diename(die);
}

/* The part of `die` around `address` that may have inlined functions in it. */
static bool step_in(Dwarf_Die *die, uint64_t address, Dwarf_Die *part)
{
    Dwarf_Off walked = dwarf_dieoffset(die);
    int end = dwarf_child(die, part);

    for (; end == 0 && goes_on(&walked, part); end = dwarf_siblingof(part, part)) {
        int tag = dwarf_tag(part);

        if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
             tag == DW_TAG_try_block || tag == DW_TAG_catch_block) &&
            dwarf_haspc(part, address) == 1)
            return true;
    }
    return false;
}

/* Where the inlined function `die` was called. */
static void set_call(struct unit *u, Dwarf_Die *die, struct nt_frame *frame)
{
    Dwarf_Attribute attribute;
    Dwarf_Word file = 0, line = 0;
    Dwarf_Files *files = NULL;
    size_t n = 0;

    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attribute), &file) == 0 &&
        dwarf_getsrcfiles(&u->die, &files, &n) == 0 && file < n)
        frame->file = dwarf_filesrc(files, file, NULL, NULL);
    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attribute), &line) == 0 &&
        line <= INT32_MAX)
        frame->line = (unsigned)line;
}

static void set_line(struct unit *u, uint64_t address, struct nt_frame *frame)
{
    Dwarf_Line *line = dwarf_getsrc_die(&u->die, address);
    int number = 0;

    if (line == NULL)
        return;
    frame->file = dwarf_linesrc(line, NULL, NULL);
    if (dwarf_lineno(line, &number) == 0 && number > 0)
        frame->line = (unsigned)number;
}

/* The chain of inlined functions is found outermost first and wanted innermost first. */
static size_t find_in(struct unit *u, Dwarf_Die *function, uint64_t address,
                      struct nt_frame out[NT_INLINED_MAX])
{
    Dwarf_Die chain[NT_INLINED_MAX], here = *function, next;
    size_t n = 1;

    chain[0] = *function;
    while (n < NT_INLINED_MAX && step_in(&here, address, &next)) {
        here = next;
        if (dwarf_tag(&here) == DW_TAG_inlined_subroutine)
            chain[n++] = here;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct nt_frame){.function = name_of(&chain[n - 1 - i])};
        if (i > 0)
            set_call(u, &chain[n - i], &out[i]);
    }
    set_line(u, address, &out[0]);
    return n;
}

size_t nt__dwarf_find(struct nt_dwarf *d, uint64_t address,
                      struct nt_frame out[NT_INLINED_MAX])
{
    const struct nt_range *r = nt__ranges_find(&d->ranges, address);
    struct unit *u;

    if (r == NULL)
        return 0;
    u = &d->unit[r->index];
    if (!u->read)
        read_functions(u);
    r = nt__ranges_find(&u->ranges, address);
    return r != NULL ? find_in(u, &u->function[r->index], address, out) : 0;
}
