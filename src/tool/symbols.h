/* SPDX-License-Identifier: MIT */
/*
 * What symbols.c stands on: one ELF file with its symbols and its debug info, by libdw.
 *
 * Files are not to be trusted: what is read from them is whatever libdw makes of it, texts
 * may hold any byte and be of any length, and each walk here has an end that does not depend
 * on the file's being well-formed. Addresses are those of the file's own headers. Texts live
 * as long as the file is open.
 */
#ifndef NT_TOOL_SYMBOLS_H
#define NT_TOOL_SYMBOLS_H

#include "src/tool/report.h"

#include <elfutils/libdwfl.h>
#include <string.h>

#define NT_INLINED_MAX 64 /* functions at one address */

/* Addresses from low to high - 1 belong to number `index` of something. */
struct nt_range {
    uint64_t low, high;
    size_t index;
};

struct nt_ranges {
    struct nt_range *at; /* by `low`, once sorted; those with the same by `index` */
    size_t n, cap;
};

/* False: there are too many, and it was left out. */
bool nt__ranges_add(struct nt_ranges *r, uint64_t low, uint64_t high, size_t index);
void nt__ranges_sort(struct nt_ranges *r);

/* The range around `address` that begins last; NULL: none. */
const struct nt_range *nt__ranges_find(const struct nt_ranges *r, uint64_t address);

/* C++ and Rust put all that is known of a function into its name in the file. */
static inline bool nt__is_mangled(const char *name)
{
    return strncmp(name, "_Z", 2) == 0 || strncmp(name, "_R", 2) == 0;
}

/* ---- symbols_elf.c -------------------------------------------------------------------- */

struct nt_elf;

/* The file that `m` was mapped from; NULL, and why in words, if it is not there any more or
 * another. nt__elf_close takes NULL. */
struct nt_elf *nt__elf_open(const struct nt_module *m, const char **why);
void nt__elf_close(struct nt_elf *elf);

/* The functions at `address`, as nt__symbols_find has them, with their names as they are in
 * the file. 0: none known. */
size_t nt__elf_find(struct nt_elf *elf, uint64_t address,
                    struct nt_frame out[NT_INLINED_MAX]);

/* ---- symbols_dwarf.c ------------------------------------------------------------------ */

struct nt_dwarf;

/* The debug info of a file; `dwarf` may be NULL. */
struct nt_dwarf *nt__dwarf_open(Dwarf *dwarf);
void nt__dwarf_close(struct nt_dwarf *d);

/* As nt__elf_find; the function of a frame may be NULL. */
size_t nt__dwarf_find(struct nt_dwarf *d, uint64_t address,
                      struct nt_frame out[NT_INLINED_MAX]);

#endif
