/* SPDX-License-Identifier: MIT */
/*
 * numatally doctor: what stands in the way of counting and placing memory here.
 *
 *   doctor.c           the verb: the tables of checks, text and JSON
 *   doctor_source.c    where all knowledge comes from: files below a root, other programs
 *   doctor_machine.c   nodes, cpusets, policies, the kernel's calls and habits
 *   doctor_memory.c    huge pages, overcommit, limits, control groups
 *   doctor_setup.c     /proc and /sys, the library, its settings, what else is preloaded
 *   doctor_program.c   the program: where it is, can a library be preloaded into it
 *   doctor_linked.c    what it is linked to: another malloc, an MPI, sanitizers
 *   doctor_elf.c       what is read of an ELF file
 *
 * A check says what it found at least once, unless there is nothing to look at (libraries of
 * a static program), so that silence need not be understood. It changes nothing and needs no
 * rights. A *problem* means that memory is not counted, not
 * placed as asked, or that the program will not run; a *note* is good to know when figures
 * surprise.
 */
#ifndef NT_TOOL_DOCTOR_H
#define NT_TOOL_DOCTOR_H

#include "src/base/conf.h"
#include "src/tool/machine.h"

enum nt_level { NT_LEVEL_OK, NT_LEVEL_NOTE, NT_LEVEL_PROBLEM };

struct nt_diagnosis {
    const char *check;
    enum nt_level level;
    const char *value;  /* what is, in few words */
    const char *text;   /* why it matters */
    const char *advice; /* what to do; "": nothing */
};

/* What an ELF program or library says; all zero for a file that is neither. */
struct nt_binary {
    bool is_elf;
    int elf_class, machine; /* as in elf.h */
    char *interpreter;      /* NULL: linked statically, or a library */
    bool library;           /* it is to be loaded, not run */
    char *runpath;          /* DT_RUNPATH, else DT_RPATH; NULL: neither */
    bool rpath;             /* it is DT_RPATH */
    bool go, rust;
    unsigned has; /* bits of enum nt_binary_has */
};

enum nt_binary_has {
    NT_HAS_MALLOC = 1,   /* defines malloc */
    NT_HAS_JEMALLOC = 2, /* defines or calls jemalloc's own names */
    NT_HAS_TCMALLOC = 4, /* the same of the others */
    NT_HAS_MIMALLOC = 8,
    NT_HAS_TBBMALLOC = 16,
    NT_HAS_ASAN = 32, /* has its runtime inside */
    NT_HAS_TSAN = 64,
    NT_HAS_MSAN = 128,
};

struct nt_doctor {
    const char *root;    /* "", or the folder that stands for / */
    char *const *words;  /* the command line of PROGRAM; words[0] NULL: none */
    struct nt_conf conf; /* the settings, as a program here would have them */
    struct nt_machine machine;
    char *library; /* NULL: not found */

    /* the program; path NULL: none, or not found */
    char *path;    /* after all #! lines */
    char *scripts; /* these, "a -> b", or NULL */
    struct nt_binary binary;
    char *libraries; /* the loader's list of its libraries, a line each; NULL: none */

    struct nt_diagnosis *list;
    size_t count, cap;
};

typedef void (*nt_check)(struct nt_doctor *d);

/* Add what a check found. The texts must last. */
void nt__doctor_say(struct nt_doctor *d, const char *check, enum nt_level level,
                    const char *value, const char *text, const char *advice);

/* ---- doctor_source.c ---------------------------------------------------------------- */

/* A text made by printf, to be freed or kept. */
char *nt__form(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The file `path` below the root, up to 256 KiB, without blanks at its end. NULL: it cannot
 * be read. The caller frees it. */
char *nt__doctor_file(const struct nt_doctor *d, const char *path);

/* The number that the file holds; false: none. */
bool nt__doctor_number(const struct nt_doctor *d, const char *path, uint64_t *n);

/* What stands behind "KEY:" in the file, up to the line's end. NULL: nothing. */
char *nt__doctor_field(const struct nt_doctor *d, const char *path, const char *key);

/* Such a field in KiB, as bytes; 0: it is not there. */
uint64_t nt__doctor_bytes(const struct nt_doctor *d, const char *path, const char *key);

/* Is there such a file or folder below the root, with these rights (access(2))? */
bool nt__doctor_may(const struct nt_doctor *d, const char *path, int rights);

/* Run a command with `changes` ("NAME=VALUE" or "NAME", which takes it away; NULL ends) and
 * without input. What it wrote to stderr, or with `with_output` to both; *status as of
 * waitpid. NULL: it could not be started, or did not end within 20 s. */
char *nt__doctor_run(char *const *command, const char *const *changes, bool with_output,
                     int *status);

/* The settings, read as the library does, in another process: here they are not meant. */
void nt__doctor_settings(struct nt_conf *conf);

/* ---- the checks ----------------------------------------------------------------------- */

void nt__check_nodes(struct nt_doctor *d);
void nt__check_allowed(struct nt_doctor *d);
void nt__check_policy(struct nt_doctor *d);
void nt__check_calls(struct nt_doctor *d);
void nt__check_kernel(struct nt_doctor *d);
void nt__check_sandbox(struct nt_doctor *d);
void nt__check_balancing(struct nt_doctor *d);
void nt__check_reclaim(struct nt_doctor *d);

void nt__check_thp(struct nt_doctor *d);
void nt__check_hugetlb(struct nt_doctor *d);
void nt__check_overcommit(struct nt_doctor *d);
void nt__check_maps(struct nt_doctor *d);
void nt__check_limits(struct nt_doctor *d);
void nt__check_cgroup(struct nt_doctor *d);

void nt__check_files(struct nt_doctor *d);
void nt__check_live(struct nt_doctor *d);
void nt__check_library(struct nt_doctor *d);
void nt__check_settings(struct nt_doctor *d); /* with nt__check_library */
void nt__check_preload(struct nt_doctor *d);

/* Find the program and read it; says so itself. The others want d->path. */
void nt__check_program(struct nt_doctor *d);
void nt__check_loader(struct nt_doctor *d);
void nt__check_rights(struct nt_doctor *d);

void nt__check_malloc(struct nt_doctor *d);
void nt__check_sanitizer(struct nt_doctor *d);
void nt__check_runpath(struct nt_doctor *d);
void nt__check_libraries(struct nt_doctor *d);
void nt__check_mpi(struct nt_doctor *d);
void nt__check_language(struct nt_doctor *d);

/* ---- doctor_elf.c ----------------------------------------------------------------------- */

/* Read the file; nt__binary_free in the end. */
void nt__binary_read(struct nt_binary *b, const char *path);
void nt__binary_free(struct nt_binary *b);

/* "x86-64", or a number. */
const char *nt__binary_machine(int machine);

/* The allocator of which a library has the name ("libjemalloc.so.2": "jemalloc"); NULL. */
const char *nt__malloc_of_library(const char *name);

#endif
