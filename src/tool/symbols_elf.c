/* SPDX-License-Identifier: MIT */
/*
 * One ELF file: is it the one that was mapped, and which function lies where.
 *
 * It is the same if it has the same build-id. Without any, as some linkers make them, its
 * segments must at least span what was mapped. libdwfl finds the debug info that belongs to
 * it: in the file, beside it, by build-id below /usr/lib/debug, and, if DEBUGINFOD_URLS is
 * set and libdebuginfod installed, from the servers named there.
 *
 * libdwfl would look an address up by walking over all symbols, and finds no debug info of
 * programs by clang, which have no .debug_aranges. So symbols are sorted once, here, and
 * units in symbols_dwarf.c.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RANGES_MAX (1u << 24) /* a file that has more is none */
#define BACK_MAX 16           /* ranges that may lie within another's */
#define PATIENCE_S 10         /* with servers that have nothing to give */

struct nt_elf {
    Dwfl *dwfl;
    Dwfl_Module *module;
    struct nt_dwarf *dwarf; /* NULL: there is none */
    uint64_t dwarf_bias;    /* address in the file - address in the debug info */
    const char **names;     /* of symbols */
    size_t nnames;
    struct nt_ranges symbols; /* of these */
};

/* ---- ranges --------------------------------------------------------------------------- */

bool nt__ranges_add(struct nt_ranges *r, uint64_t low, uint64_t high, size_t index)
{
    if (r->n == RANGES_MAX)
        return false;
    if (r->n == r->cap) {
        r->cap = 2 * r->cap + 64;
        r->at = nt__tool_memory(reallocarray(r->at, r->cap, sizeof *r->at));
    }
    r->at[r->n++] = (struct nt_range){low, high, index};
    return true;
}

static int by_low(const void *a, const void *b)
{
    const struct nt_range *x = a, *y = b;

    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

void nt__ranges_sort(struct nt_ranges *r)
{
    if (r->n > 0)
        qsort(r->at, r->n, sizeof *r->at, by_low);
}

const struct nt_range *nt__ranges_find(const struct nt_ranges *r, uint64_t address)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (r->at[mid].low <= address)
            low = mid + 1;
        else
            high = mid;
    }
    for (size_t i = low; i-- > 0 && low - i <= BACK_MAX;)
        if (address < r->at[i].high)
            return &r->at[i];
    return NULL;
}

/* ---- the file ------------------------------------------------------------------------- */

/* An ELF file, or a negative errno. Nothing else gets as far as libdw, which would also
 * unpack compressed files. */
static int open_elf(const char *path)
{
    char magic[SELFMAG] = "";
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        pread(fd, magic, SELFMAG, 0) == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0)
        return fd;
    close(fd);
    return -ENOEXEC;
}

static bool same_span(Elf *elf, const struct nt_module *m)
{
    uint64_t start = UINT64_MAX, end = 0;
    size_t n = 0;
    GElf_Phdr p;

    if (elf_getphdrnum(elf, &n) != 0)
        return false;
    for (size_t i = 0; i < n && gelf_getphdr(elf, (int)i, &p) != NULL; i++) {
        if (p.p_type != PT_LOAD)
            continue;
        start = nt__min(start, p.p_vaddr);
        end = nt__max(end, p.p_vaddr + p.p_memsz);
    }
    return start == m->start - m->bias && end == m->end - m->bias;
}

static bool is_same(Dwfl_Module *module, const struct nt_module *m)
{
    const unsigned char *id;
    GElf_Addr where;
    GElf_Addr bias;
    Elf *elf = dwfl_module_getelf(module, &bias);
    int bytes = dwfl_module_build_id(module, &id, &where);
    GElf_Ehdr head;

    if (elf == NULL || gelf_getehdr(elf, &head) == NULL ||
        (head.e_type != ET_DYN && head.e_type != ET_EXEC))
        return false;
    if (bytes <= 0)
        return m->build_id_bytes == 0 && same_span(elf, m);
    return m->build_id_bytes == nt__min((uint32_t)bytes, NT_BUILD_ID_MAX) &&
           memcmp(m->build_id, id, m->build_id_bytes) == 0;
}

/* libdwfl's own way. Servers that gave nothing and took long over it, all in all, are not asked
 * again, so that a report without a network comes out all the same. */
static int find_debuginfo(Dwfl_Module *module, void **data, const char *name,
                          Dwarf_Addr base, const char *file, const char *link,
                          GElf_Word crc, char **found)
{
    static int64_t waited_ns; /* for nothing */
    struct timespec from, to;
    int fd;

    /* Left alone it waits for 90 s, three times. */
    setenv("DEBUGINFOD_TIMEOUT", "15", 0);
    setenv("DEBUGINFOD_RETRY_LIMIT", "0", 0);
    clock_gettime(CLOCK_MONOTONIC, &from);
    fd = dwfl_standard_find_debuginfo(module, data, name, base, file, link, crc, found);
    clock_gettime(CLOCK_MONOTONIC, &to);
    if (fd < 0)
        waited_ns +=
            (to.tv_sec - from.tv_sec) * INT64_C(1000000000) + to.tv_nsec - from.tv_nsec;
    if (waited_ns >= PATIENCE_S * INT64_C(1000000000) &&
        getenv("DEBUGINFOD_URLS") != NULL) {
        nt__warn("debug info is not asked for at DEBUGINFOD_URLS any more: %lld s were "
                 "waited there for files that it has not, last %.256s",
                 (long long)(waited_ns / 1000000000), file);
        unsetenv("DEBUGINFOD_URLS");
    }
    return fd;
}

static bool open_module(struct nt_elf *e, const struct nt_module *m, const char **why)
{
    static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf,
                                             .find_debuginfo = find_debuginfo};
    int fd = open_elf(m->path);

    *why = fd == -ENOEXEC ? "it is no program or library any more" : nt__errno_text(fd);
    if (fd < 0)
        return false;
    e->dwfl = nt__tool_memory(dwfl_begin(&callbacks));
    dwfl_report_begin(e->dwfl);
    e->module = dwfl_report_elf(e->dwfl, m->path, m->path, fd, 0, true);
    if (e->module == NULL)
        close(fd);
    *why = "it is another file by now than the one that ran";
    return dwfl_report_end(e->dwfl, NULL, NULL) == 0 && e->module != NULL &&
           is_same(e->module, m);
}

/* ---- symbols -------------------------------------------------------------------------- */

struct symbol {
    uint64_t address, size;
    const char *name;
    int rank; /* of those at one address, the lowest names it */
};

static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->rank != y->rank ? x->rank - y->rank : strcmp(x->name, y->name);
}

/* Names that are seen from outside before others, and malloc before __libc_malloc. */
static int rank_of(const GElf_Sym *sym, const char *name)
{
    int binding = GELF_ST_BIND(sym->st_info);
    int rank = binding == STB_GLOBAL ? 0 : binding == STB_WEAK ? 1 : 2;

    return 4 * rank + (sym->st_size == 0 ? 16 : 0) + (int)strspn(name, "_") % 4;
}

static size_t read_symbols(Dwfl_Module *module, struct symbol **out)
{
    int n = dwfl_module_getsymtab(module);
    struct symbol *list =
        nt__tool_memory(calloc((size_t)(n > 0 ? n : 1), sizeof *list));
    size_t count = 0;

    for (int i = 1; i < n; i++) {
        GElf_Sym sym;
        GElf_Addr address;
        GElf_Word section;
        const char *name =
            dwfl_module_getsym_info(module, i, &sym, &address, &section, NULL, NULL);
        int type = name != NULL ? GELF_ST_TYPE(sym.st_info) : STT_NOTYPE;

        if ((type == STT_FUNC || type == STT_GNU_IFUNC) && section != SHN_UNDEF &&
            name[0] != '\0')
            list[count++] =
                (struct symbol){address, sym.st_size, name, rank_of(&sym, name)};
    }
    qsort(list, count, sizeof *list, by_address);
    *out = list;
    return count;
}

/* A symbol without a size, of assembly code, goes as far as the next. */
static void sort_symbols(struct nt_elf *e)
{
    struct symbol *list;
    size_t n = read_symbols(e->module, &list);

    e->names = nt__tool_memory(calloc(n + 1, sizeof *e->names));
    for (size_t i = 0, next; i < n; i = next) {
        uint64_t end = list[i].address + list[i].size;

        for (next = i + 1; next < n && list[next].address == list[i].address;)
            next++;
        if (list[i].size == 0)
            end = next < n ? list[next].address : UINT64_MAX;
        e->names[e->nnames] = list[i].name;
        nt__ranges_add(&e->symbols, list[i].address, end, e->nnames++);
    }
    free(list);
}

/* ---- both ----------------------------------------------------------------------------- */

struct nt_elf *nt__elf_open(const struct nt_module *m, const char **why)
{
    struct nt_elf *e = nt__tool_memory(calloc(1, sizeof *e));
    Dwarf_Addr bias = 0;

    if (!open_module(e, m, why)) {
        nt__elf_close(e);
        return NULL;
    }
    e->dwarf = nt__dwarf_open(dwfl_module_getdwarf(e->module, &bias));
    e->dwarf_bias = bias;
    sort_symbols(e);
    return e;
}

void nt__elf_close(struct nt_elf *e)
{
    if (e == NULL)
        return;
    nt__dwarf_close(e->dwarf);
    dwfl_end(e->dwfl);
    free(e->names);
    free(e->symbols.at);
    free(e);
}

size_t nt__elf_find(struct nt_elf *e, uint64_t address,
                    struct nt_frame out[NT_INLINED_MAX])
{
    const struct nt_range *symbol = nt__ranges_find(&e->symbols, address);
    const char *name = symbol != NULL ? e->names[symbol->index] : NULL;
    size_t n = nt__dwarf_find(e->dwarf, address - e->dwarf_bias, out);

    if (n == 0 && name != NULL)
        out[n++] = (struct nt_frame){0};
    /* gcc's debug info has the short names only of functions in functions. */
    if (n > 0 && name != NULL &&
        (out[n - 1].function == NULL ||
         (nt__is_mangled(name) && !nt__is_mangled(out[n - 1].function))))
        out[n - 1].function = name;
    return n;
}
