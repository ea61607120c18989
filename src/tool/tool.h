/* SPDX-License-Identifier: MIT */
/*
 * What the files of the tool share. The tool is an ordinary program: it may use
 * malloc and stdio. It prints figures through src/track/report.h only, so that text
 * and records are those of the library, and complains through nt__warn.
 *
 * Exit statuses: those of the program that was run; else, as env and timeout have
 * it, 125 when the tool itself failed, 126 when the program cannot be executed and
 * 127 when it was not found. The other verbs: 0, 1 for bad input, 2 for bad usage;
 * tune --verify also those of a program, and 3 for settings that are not kept.
 */
#ifndef NT_TOOL_TOOL_H
#define NT_TOOL_TOOL_H

#include "src/track/history.h"
#include "src/track/job.h"
#include "src/track/profile.h"

#include <jansson.h>
#include <numatally/stats.h>
#include <numatally/wrap.h>
#include <stdbool.h>
#include <sys/types.h>

#define NT_EXIT_BAD_INPUT 1
#define NT_EXIT_USAGE 2
#define NT_EXIT_TOOL 125
#define NT_EXIT_NOT_EXECUTABLE 126
#define NT_EXIT_NOT_FOUND 127

/* The verbs; argv[0] is the verb. They return the tool's exit status. */
int nt__tool_run(int argc, char **argv);
int nt__tool_report(int argc, char **argv);
int nt__tool_topo(int argc, char **argv);
int nt__tool_top(int argc, char **argv);
int nt__tool_tune(int argc, char **argv);
int nt__tool_doctor(int argc, char **argv);

/* Read a verb's command line by argp; an option that does not exist is answered with the
 * nearest. `verb` is its full name, "numatally run". The exit status of a bad line is
 * argp_err_exit_status. */
struct argp;
void nt__tool_parse(const struct argp *argp, const char *verb, int argc, char **argv,
                    unsigned flags, void *input);

/* The word for --format, or -1. */
int nt__tool_format(const char *word);

/* Make `path` a file of these bytes: all of them, or it is as it was. 0 or a negative errno. */
int nt__tool_write(const char *path, const char *text, size_t bytes);

/* ---- program.c: the program to be run and the library it is to load -------------- */

/* Find `name` as execvp would. 0 with *path (the caller frees it), or the exit status
 * after a complaint. Also says when preloading cannot work for that program. */
int nt__tool_find_program(const char *name, char **path);

/* The path of libnumatally_malloc.so that belongs to this tool; NULL after a
 * complaint. The caller frees it. */
char *nt__tool_find_library(void);

/* That, and those of MPIs that lie beside it, as LD_PRELOAD has it. NULL: no memory. The
 * caller frees it. */
char *nt__tool_mpi_libraries(const char *library);

/* Is this the name of a program that starts MPI ranks? */
bool nt__tool_is_launcher(const char *path);
/* The same two without a complaint: 0 or a positive errno; NULL, and why in `why`. */
int nt__program_seek(const char *name, char **path);
char *nt__tool_seek_library(char *why, size_t size);

/* Does the kernel give a process of this file rights that its user has not? Then the loader
 * ignores LD_PRELOAD, and the library its settings. */
struct stat;
bool nt__program_gains_rights(const char *path, const struct stat *st);

/* The interpreter in "#!path args" into `out`; false when that is no such line. */
bool nt__program_script(const char *head, char *out, size_t cap);

/* ---- collect.c: the folder of live files -------------------------------------- */

/* What is known about one `numatally run`. */
struct nt_collector {
    char dir[4096];        /* private folder of the live files */
    enum nt_format format; /* of the report */
    bool children;         /* a record for every process */
    bool job;              /* one for all ranks of an MPI job, if it starts one */
    pid_t pid;             /* the started program */
    uint64_t end_unix_ns;  /* when it ended; 0 while it runs */
    int spool;             /* finished records wait here; -1: none so far */
    unsigned stale;        /* JSON records of others that are not final */
    bool seen;             /* a record of the started program is among them */
};

/* The i-th folder in which such folders may be made, by preference; it may be none, or no
 * path. NULL: there are no more. */
const char *nt__collect_place(unsigned i);

/* Make the folder. 0, or -1 after a complaint. */
int nt__collect_open(struct nt_collector *c);

/* Take the files of processes that are gone, so that a long tree of processes does
 * not fill the file system of the folder. */
void nt__collect_ended(struct nt_collector *c);

/* Take all files there are. */
void nt__collect_all(struct nt_collector *c);

/* Read the live file in `dir` of the program that started last; false: there are no figures. */
struct nt_live;
bool nt__collect_newest(const char *dir, struct nt_live *out);

/* Write the collected records to `fd`. 0 or a negative errno. */
int nt__collect_write(struct nt_collector *c, int fd);

/* Remove the folder and what is in it. */
void nt__collect_close(struct nt_collector *c);

/* ---- run.c: a run that somebody watches -------------------------------------------- */

struct nt_run_watcher {
    void (*began)(const struct nt_collector *c); /* the program runs */
    void (*ended)(int status); /* it has ended so; its live file is still there */
    bool report;               /* is there to be a report? */
};
extern const struct nt_run_watcher *nt__run_watcher; /* NULL: nobody */

/* End as a program did that had this wait status: by its signal, or the exit status is
 * returned. */
int nt__tool_end_like(int status);

/* ---- record.c: the JSON record back to figures ---------------------------------- */

/* The figures of one record. */
struct nt_record {
    struct nt_snapshot snapshot;
    struct nt_thread_figures *threads;
    size_t nthreads;
    struct nt_pool_figures *pools;
    size_t npools;
    struct nt_phase_figures *phases;
    size_t nphases;
    struct nt_tracked_figures *tracked;
    size_t ntracked;
    struct nt_profile profile; /* without sites: nothing was sampled */
    struct nt_history history; /* without points: it was not kept */
    struct nt_job job;         /* rows NULL: the record of a process */
    bool is_live;              /* it was read from a live file */
};

/* Fill *r from `root`. NULL, or what is wrong with it (static text, or kept in
 * `r` until the next call). nt__record_free in both cases. */
const char *nt__record_read(const json_t *root, struct nt_record *r);
void nt__record_free(struct nt_record *r);

#endif
