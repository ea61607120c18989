/* SPDX-License-Identifier: MIT */
/*
 * A process and its live file, for those that look at it while it runs.
 *
 * Which file is the process's is read in /proc/PID/maps, where it is whatever its folder is:
 * that of the setting live:, the private one of a `numatally run`, or one inside a container.
 * Only of a process that is not to be seen here (it has ended, or is in another container
 * that shares the folder) the usual folders are searched for its name.
 *
 * The file stays open: what was in it can be read when it was removed meanwhile. It is the
 * caller's own, or it is refused: anybody may put a file of any name into a shared folder.
 * Nothing here stops the process, or makes it do anything.
 */
#ifndef NT_TOOL_WATCHED_H
#define NT_TOOL_WATCHED_H

#include "src/track/live.h"
#include "src/track/live_file.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

enum nt_life {
    NT_LIFE_RUNS,
    NT_LIFE_ENDED,
    NT_LIFE_UNKNOWN, /* its number means nothing here, or there is no /proc */
};

struct nt_watched {
    pid_t pid;            /* as it is known here; 0: it is not */
    int fd;               /* of the live file; -1: none so far */
    uint64_t start_ticks; /* of that process; 0: not known */
    char path[NT_LIVE_PATH_MAX];
    char folder[NT_LIVE_PATH_MAX]; /* where its files are, if that is known; "" */
};

/* Open the live file of process `pid`; `folder`, if it is not NULL, is searched for its name
 * in place of the usual ones. 0, or
 * NT_EXIT_BAD_INPUT after a complaint which says how a live file is had. */
int nt__watched_open(struct nt_watched *w, pid_t pid, const char *folder);

/* Open the live file `path`. As that. */
int nt__watched_open_file(struct nt_watched *w, const char *path);

/* Process `pid`, which has just begun, will have its live files in `folder`. */
void nt__watched_expect(struct nt_watched *w, pid_t pid, const char *folder);

/* It may have a file by now, or another one as it called exec: then take that one. */
bool nt__watched_follow(struct nt_watched *w);

void nt__watched_close(struct nt_watched *w);

enum nt_life nt__watched_life(const struct nt_watched *w);

/* The processor time that it has used by now; 0: not known. */
uint64_t nt__watched_cpu_ns(const struct nt_watched *w);

/* Has it used no processor time to speak of since these figures of it? */
bool nt__watched_is_idle(const struct nt_watched *w, const struct nt_snapshot *s);

/* How old figures are, by this machine's clock. */
uint64_t nt__watched_age_ns(const struct nt_snapshot *s);

/* In one sentence without its stop: how old the figures are, and what is known of the time
 * since. */
void nt__watched_say_age(const struct nt_watched *w, const struct nt_snapshot *s,
                         char *out, size_t cap);

/* ---- watched_find.c, for watched.c ----------------------------------------------------- */

struct nt_found {
    int fd;        /* of the live file; -1: none */
    int err;       /* of one that could not be opened; -EPERM: it is not our own */
    bool there;    /* the process is to be seen here */
    bool readable; /* so are its mappings */
    bool library;  /* numatally is among these */
    bool removed;  /* so is a live file whose name is gone */
    unsigned long
        inode; /* of the live file among them; 0: none, what was found was by name */
    char path[NT_LIVE_PATH_MAX];
};

/* Look for the process's live file among its mappings; among the files in `folder`, NULL: the
 * usual ones. */
void nt__watched_by_map(pid_t pid, struct nt_found *out);
void nt__watched_by_name(pid_t pid, const char *folder, struct nt_found *out);

/* Open `path` if it is a file of ours, which nobody else may write to: the descriptor or a
 * negative errno. */
int nt__watched_open_own(const char *path, struct stat *st);

/* Does it begin as a live file does? */
bool nt__watched_head(int fd, struct nt_live_head *head);

#endif
