/* SPDX-License-Identifier: MIT */
/*
 * Runs of a program, measured.
 *
 * The runs are started by a process of their own, forked before the tool has read anything: the
 * resident peak that the kernel reports of a program includes what its parent had when it
 * forked, and the tool may have much by then. It runs one at a time, in a process group of its
 * own that is ended when the time is up or the tool is; and so is whatever it left behind when it
 * ended. The program's output goes to /dev/null;
 * its input is the tool's, from the beginning, if that is a file, else empty.
 */
#ifndef NT_TOOL_TUNE_TRIAL_H
#define NT_TOOL_TUNE_TRIAL_H

#include <stdbool.h>
#include <sys/types.h>

enum nt_trial_kind {
    NT_TRIAL_WITHOUT, /* as the environment has it */
    NT_TRIAL_WITH,    /* with the settings of `conf` */
    NT_TRIAL_RECORD,  /* sampled, into `record`; the program's stderr is seen */
    NT_TRIAL_RECORD_WITH,
};

struct nt_trials {
    /* What to run: set before nt__trials_start. */
    char **program; /* the command line */
    char *path;     /* the file */
    char *library;
    const char *conf; /* a file of settings */
    const char *record, *sample;
    unsigned timeout_s;
    /* trial.c's */
    int channel;
    pid_t pid;
};

struct nt_trial {
    double wall_s, cpu_s, rss_bytes; /* of all processes it waited for; the largest */
    int status;                      /* as of waitpid */
    bool late;                       /* it was ended */
    int err;                         /* positive errno: it was not started */
};

/* 0, or -1 after a complaint. */
int nt__trials_start(struct nt_trials *t);

#define NT_TRIAL_MORE_MAX 1024

/* `more`: settings beside those of `conf`, as in NUMATALLY_CONF; "": none. 0, or -1: the tool
 * was interrupted. */
int nt__trials_run(struct nt_trials *t, enum nt_trial_kind kind, const char *more,
                   struct nt_trial *out);
void nt__trials_end(struct nt_trials *t);

#endif
