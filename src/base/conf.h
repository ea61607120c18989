/* SPDX-License-Identifier: MIT */
/*
 * The settings of this process, read once from the environment.
 *
 * NUMATALLY_CONF_FILE names a file with one `key:value` a line ('#' starts a
 * comment); NUMATALLY_CONF holds `key:value,key:value` and wins. The table of keys
 * is in conf.c. What cannot be understood costs one line on stderr and leaves the
 * default. A process that runs with more rights than its caller (AT_SECURE) reads
 * nothing at all.
 *
 * nt__conf_load runs once, before a second thread can call; after it the settings
 * never change, so everybody reads them without a lock. Nothing here allocates.
 */
#ifndef NT_BASE_CONF_H
#define NT_BASE_CONF_H

#include "src/base/base.h"

#define NT_CONF_PATH_MAX 1024  /* bytes of a path in a setting, with its 0 */
#define NT_CONF_POLICY_MAX 256 /* bytes of a policy, with its 0 */
#define NT_CONF_SAMPLE_MAX ((uint64_t)1 << 40)
#define NT_CONF_TIMELINE_MS_MAX ((uint64_t)24 * 3600 * 1000) /* a day */
#define NT_CONF_RESERVE_MAX ((uint64_t)1 << 40)              /* bytes of a node */
#define NT_CONF_CLASSES_MAX 127 /* sizes in a class table; large blocks are extra */

/* As enum nt_huge. */
enum nt_hugepages {
    NT_HUGEPAGES_AUTO,
    NT_HUGEPAGES_OFF,
    NT_HUGEPAGES_THP,
    NT_HUGEPAGES_HUGETLB
};

/* So much of each node, or of those that are named. All 0: none. */
struct nt_reserve {
    uint64_t each;
    uint32_t count;
    int32_t node[64]; /* the system's numbers, each once */
    uint64_t bytes[64];
};

struct nt_conf {
    uint32_t timeline_ms; /* at least so long between two rows; 0: none */
    enum nt_hugepages hugepages;
    bool check;           /* proven misuse stops the program */
    bool guard;           /* blocks have guards: pools/guarded.h */
    uint32_t class_count; /* 0: the built-in table */
    uint32_t slab_bytes;  /* the most a slab may be: a power of two, 64K to 2M */
    uint32_t return_ms;   /* free memory is given back after this delay */
    struct nt_reserve reserve;
    bool prefault;                                 /* it is brought in at the start */
    int mark_signal, report_signal, sample_signal; /* numbers; 0: none */
    uint64_t sample;                               /* bytes a sample; 0: off */
    uint64_t sample_seed;                          /* 0: at random */
    bool sample_frames; /* stacks by frame pointers, not by tables */

    /* from NUMATALLY_RUN, which `numatally run` sets: PID:FOLDER:WHO. WHO is 0 for the
     * started program alone, r with what has an MPI rank, 1 for all; j and m are 0 and r
     * with one report for the job */
    int64_t run_pid;   /* 0: not under `numatally run` */
    bool run_children; /* every process below it wants a record */
    bool run_ranks;    /* so do those that an MPI launcher started */
    bool run_job; /* one report is made of those: figures of MPI_Finalize will do */

    /* What most programs leave empty: only the pages of the first take memory. */
    char
        policy[NT_CONF_POLICY_MAX]; /* "": the default; read when the nodes are known */
    char live[NT_CONF_PATH_MAX];    /* "": off; else the folder of the live file */
    char report[NT_CONF_PATH_MAX];  /* "": none; "exit": stderr; else a path pattern,
                                      absolute since the settings were read */
    char timeline[NT_CONF_PATH_MAX];           /* a path pattern */
    char run_dir[NT_CONF_PATH_MAX];            /* from NUMATALLY_RUN, too */
    uint32_t class_bytes[NT_CONF_CLASSES_MAX]; /* ascending multiples of 16, <= 512K */
};

/* Read the settings. Later calls do nothing. */
NT_HIDDEN void nt__conf_load(void);

/* The settings: the defaults until nt__conf_load ran. Never NULL. */
NT_HIDDEN const struct nt_conf *nt__conf(void);

struct nt_text;
/* conf_paths.c: read these settings, and a path, made absolute. NULL, or what is wrong with
 * the value. */
NT_HIDDEN const char *nt__conf_path(struct nt_text v,
                                    char out[static NT_CONF_PATH_MAX]);
NT_HIDDEN const char *nt__conf_report(struct nt_text v, struct nt_conf *out);
NT_HIDDEN const char *nt__conf_live(struct nt_text v, struct nt_conf *out);

/* conf_reserve.c: read the setting `reserve`. NULL with *out, or what is wrong with it. */
NT_HIDDEN const char *nt__conf_reserve(struct nt_text v, struct nt_reserve *out);

struct nt_fmt;
/* Print the table of settings: key, meaning, range and (default), a line each. */
NT_HIDDEN void nt__conf_describe(struct nt_fmt *f);

/* Would `value` do for the setting `key`? NULL, or what is wrong with it. */
NT_HIDDEN const char *nt__conf_check(const char *key, const char *value);

/* Are the settings meant for this program? Not for the tool, which has the library inside, and
 * passes them on: it defines this anew. */
extern NT_HIDDEN bool nt__conf_is_meant;

/* getenv, or NULL in a process with AT_SECURE: for variables of their own, such as
 * NUMATALLY_TOPOLOGY. */
NT_HIDDEN const char *nt__conf_env(const char *name);

/* Is this process, as it is now (a fork changes the answer), one that the
 * `numatally run` above it wants a record of? */
NT_HIDDEN bool nt__conf_run_wants(void);

/* Is the report of the setting report: one for a whole MPI job? That is, there is one and
 * its name is not another for each rank or process. */
NT_HIDDEN bool nt__conf_report_is_one(void);

/* The folder for this process's live file: that of `numatally run` if it wants us,
 * else the setting live:. NULL when there shall be none. */
NT_HIDDEN const char *nt__conf_live_dir(void);

/* The MPI rank that the launcher put into the environment; -1 when there is none. */
NT_HIDDEN int64_t nt__conf_rank(void);

#endif
