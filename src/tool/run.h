/* SPDX-License-Identifier: MIT */
/*
 * One numatally run: run.c starts the program and waits for it, run_report.c says where
 * live files and the report go, by itself or with the other ranks of a job (ranks.h).
 */
#ifndef NT_TOOL_RUN_H
#define NT_TOOL_RUN_H

#include "src/tool/ranks.h"

#include <signal.h>

struct nt_run {
    const char *report; /* path pattern; NULL: stderr */
    int format;         /* -1: by the report's suffix */
    char **program;     /* the command line */
    char *path;         /* the file to execute */
    char *library;
    const char *policy_option; /* what the user wrote for a policy; NULL: nothing */
    char *policy;              /* in the words of numa.h, then as a setting */
    const char *sample;        /* the setting; NULL: as the environment has it */
    struct nt_collector collector;
    struct nt_meet meet;
    bool meets;             /* one of the ranks of a job, which meet */
    uint64_t hurry_unix_ns; /* then a launcher will kill us; 0: it does not want to */
    sigset_t waited;        /* signals that the loop takes */
    sigset_t mask;          /* as the tool found it */
    bool child_ignored;     /* SIGCHLD was ignored when the tool started */
    int report_fd;
    bool no_report; /* it cannot be opened, which was complained about */
};

/* The folder for live files: one of the job's, if this is a rank and one report is wanted
 * of all. 0, or -1 after a complaint. */
int nt__run_open_folder(struct nt_run *r);

/* Open the report's file, emptied, or to add to it what there may be of other hosts. 0, or
 * -1 after a complaint. */
int nt__run_open_report(struct nt_run *r, bool again);

/* Is this a rank whose part in the job is not over? */
bool nt__run_in_job(const struct nt_run *r);

/* It is for this rank to report, or not, and its part in the job is over. */
void nt__run_part(struct nt_run *r, struct nt_ranks *ranks, bool reports);

/* A signal came to a rank: some mean that all will be killed soon. */
void nt__run_heed(struct nt_run *r, const siginfo_t *info);

/* How long until the launcher kills us, in nanoseconds. */
uint64_t nt__run_hurry_ns(const struct nt_run *r);

/* The program has ended, with this status of wait: report. */
void nt__run_report(struct nt_run *r, int status);

uint64_t nt__run_unix_ns(void);

#endif
