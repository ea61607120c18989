/* SPDX-License-Identifier: MIT */
/*
 * What an ELF file says of itself: for which machine, loaded by whom, and whose names are in
 * its symbol tables. A file that is broken says less; nothing is believed that libelf does
 * not find whole.
 */
#include "src/base/base.h"
#include "src/tool/doctor.h"
#include "src/tool/report.h"

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names ------------------------------------------------------------------------------ */

/* Names that tell whose code is inside, or is called. */
static const struct {
    const char *name;
    unsigned has;
    bool defined; /* only a definition tells */
} names[] = {{"malloc", NT_HAS_MALLOC, true},
             {"mallctl", NT_HAS_JEMALLOC, false},
             {"je_malloc", NT_HAS_JEMALLOC, false},
             {"je_mallctl", NT_HAS_JEMALLOC, false},
             {"mallocx", NT_HAS_JEMALLOC, false},
             {"tc_malloc", NT_HAS_TCMALLOC, false},
             {"MallocExtension_ReleaseFreeMemory", NT_HAS_TCMALLOC, false},
             {"mi_malloc", NT_HAS_MIMALLOC, false},
             {"scalable_malloc", NT_HAS_TBBMALLOC, false},
             {"__asan_init", NT_HAS_ASAN, true},
             {"__tsan_init", NT_HAS_TSAN, true},
             {"__msan_init", NT_HAS_MSAN, true}};

static const struct {
    const char *begins, *allocator;
} libraries[] = {{"libjemalloc", "jemalloc"},
                 {"libtcmalloc", "tcmalloc"},
                 {"libmimalloc", "mimalloc"},
                 {"libtbbmalloc", "tbbmalloc"},
                 {"libhoard", "Hoard"},
                 {"librpmalloc", "rpmalloc"},
                 {"libsnmalloc", "snmalloc"},
                 {"libscudo", "Scudo"},
                 {"libumem", "libumem"},
                 {"libhardened_malloc", "hardened_malloc"},
                 {"libheaptrack_preload", "heaptrack"}};

const char *nt__malloc_of_library(const char *name)
{
    for (size_t i = 0; i < NT_ARRAY_LEN(libraries); i++)
        if (strncmp(name, libraries[i].begins, strlen(libraries[i].begins)) == 0)
            return libraries[i].allocator;
    return NULL;
}

const char *nt__binary_machine(int machine)
{
    static const struct {
        int number;
        const char *name;
    } known[] = {{EM_X86_64, "x86-64"},   {EM_386, "i386"},    {EM_AARCH64, "aarch64"},
                 {EM_ARM, "arm"},         {EM_PPC64, "ppc64"}, {EM_S390, "s390x"},
                 {EM_RISCV, "riscv"},     {EM_IA_64, "ia64"},  {EM_MIPS, "mips"},
                 {EM_SPARCV9, "sparc64"}, {258, "loongarch"}};
    static char number[32];
    for (size_t i = 0; i < NT_ARRAY_LEN(known); i++)
        if (known[i].number == machine)
            return known[i].name;
    snprintf(number, sizeof number, "machine %d", machine);
    return number;
}

/* ---- reading ------------------------------------------------------------------------------ */

static void read_interpreter(struct nt_binary *b, Elf *elf)
{
    size_t n = 0, size = 0;
    const char *bytes = elf_rawfile(elf, &size);
    GElf_Phdr p;
    if (bytes == NULL || elf_getphdrnum(elf, &n) != 0)
        return;
    for (size_t i = 0; i < n && gelf_getphdr(elf, (int)i, &p) != NULL; i++)
        if (p.p_type == PT_INTERP && b->interpreter == NULL && p.p_offset < size &&
            p.p_filesz <= size - p.p_offset)
            b->interpreter =
                nt__tool_memory(strndup(bytes + p.p_offset, (size_t)p.p_filesz));
}

static void read_names(struct nt_binary *b, Elf *elf, Elf_Scn *section,
                       const GElf_Shdr *head)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t n =
        data != NULL && head->sh_entsize != 0 ? data->d_size / head->sh_entsize : 0;
    GElf_Sym symbol;
    for (size_t i = 1; i < n && gelf_getsym(data, (int)i, &symbol) != NULL; i++) {
        const char *name = elf_strptr(elf, head->sh_link, symbol.st_name);
        if (name == NULL || GELF_ST_TYPE(symbol.st_info) == STT_FILE)
            continue;
        for (size_t k = 0; k < NT_ARRAY_LEN(names); k++)
            if ((!names[k].defined || symbol.st_shndx != SHN_UNDEF) &&
                strcmp(name, names[k].name) == 0)
                b->has |= names[k].has;
    }
}

static void read_dynamic(struct nt_binary *b, Elf *elf, Elf_Scn *section,
                         const GElf_Shdr *head)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t n =
        data != NULL && head->sh_entsize != 0 ? data->d_size / head->sh_entsize : 0;
    GElf_Dyn entry;
    for (size_t i = 0; i < n && gelf_getdyn(data, (int)i, &entry) != NULL; i++) {
        const char *text;
        if (entry.d_tag == DT_FLAGS_1 && (entry.d_un.d_val & DF_1_PIE) != 0)
            b->library = false;
        if (entry.d_tag != DT_RUNPATH && entry.d_tag != DT_RPATH)
            continue;
        text = elf_strptr(elf, head->sh_link, entry.d_un.d_val);
        /* With both, the loader reads DT_RUNPATH only. */
        if (text == NULL || (b->runpath != NULL && entry.d_tag == DT_RPATH))
            continue;
        free(b->runpath);
        b->runpath = nt__tool_memory(strdup(text));
        b->rpath = entry.d_tag == DT_RPATH;
    }
}

static void read_sections(struct nt_binary *b, Elf *elf)
{
    Elf_Scn *section = NULL;
    size_t names_at = 0;
    GElf_Shdr head;
    if (elf_getshdrstrndx(elf, &names_at) != 0)
        return;
    while ((section = elf_nextscn(elf, section)) != NULL) {
        if (gelf_getshdr(section, &head) == NULL)
            continue;
        const char *name = elf_strptr(elf, names_at, head.sh_name);
        if (head.sh_type == SHT_DYNSYM || head.sh_type == SHT_SYMTAB)
            read_names(b, elf, section, &head);
        else if (head.sh_type == SHT_DYNAMIC)
            read_dynamic(b, elf, section, &head);
        else if (name != NULL && (strcmp(name, ".go.buildinfo") == 0 ||
                                  strcmp(name, ".note.go.buildid") == 0))
            b->go = true;
        else if (name != NULL && strcmp(name, ".comment") == 0) {
            Elf_Data *data = elf_getdata(section, NULL);
            b->rust |= data != NULL && data->d_buf != NULL &&
                       memmem(data->d_buf, data->d_size, "rustc version", 13) != NULL;
        }
    }
}

void nt__binary_read(struct nt_binary *b, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    GElf_Ehdr head;
    *b = (struct nt_binary){0};
    if (fd < 0)
        return;
    elf_version(EV_CURRENT);
    Elf *elf = fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
                   ? elf_begin(fd, ELF_C_READ_MMAP, NULL)
                   : NULL;
    if (elf != NULL && elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &head) != NULL &&
        (head.e_type == ET_EXEC || head.e_type == ET_DYN)) {
        b->is_elf = true;
        b->elf_class = gelf_getclass(elf);
        b->machine = head.e_machine;
        read_interpreter(b, elf);
        b->library = head.e_type == ET_DYN && b->interpreter == NULL;
        read_sections(b, elf);
    }
    elf_end(elf);
    close(fd);
}

void nt__binary_free(struct nt_binary *b)
{
    free(b->interpreter);
    free(b->runpath);
    *b = (struct nt_binary){0};
}
