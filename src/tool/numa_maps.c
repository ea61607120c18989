/* SPDX-License-Identifier: MIT */
/*
 * Where a process's memory lies, by /proc/PID/numa_maps: a line for each mapping, with
 * N0=12 for twelve pages on node 0, and at its end the size of these pages. The kernel
 * walks the page tables for it, which takes a second for some ten GiB of small pages.
 */
#include "src/base/fmt.h"
#include "src/tool/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void nt__machine_numa_maps(struct nt_machine *m, FILE *maps)
{
    char *line = NULL, *word, *rest;
    size_t room = 0;
    while (getline(&line, &room, maps) >= 0) {
        const char *size = strstr(line, " kernelpagesize_kB=");
        uint64_t page = 4096;
        if (size != NULL)
            page = strtoull(size + strlen(" kernelpagesize_kB="), NULL, 10) * 1024;
        for (word = strtok_r(line, " \n", &rest); word != NULL;
             word = strtok_r(NULL, " \n", &rest)) {
            char *end;
            int i;
            if (word[0] != 'N' || word[1] < '0' || word[1] > '9')
                continue;
            i = nt__machine_index(m, strtol(word + 1, &end, 10));
            if (i >= 0 && *end == '=')
                m->node[i].process_bytes += strtoull(end + 1, NULL, 10) * page;
        }
    }
    free(line);
}

static void read_command(struct nt_machine *m)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)m->pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    if (fgets(m->command, sizeof m->command, f) != NULL)
        m->command[strcspn(m->command, "\n")] = '\0';
    fclose(f);
}

int nt__machine_process(struct nt_machine *m, pid_t pid)
{
    char path[64];
    FILE *f;
    int err;
    m->pid = pid;
    read_command(m);
    snprintf(path, sizeof path, "/proc/%d/numa_maps", (int)pid);
    f = fopen(path, "re");
    if (f == NULL && errno == ENOENT && m->command[0] == '\0')
        nt__warn("--pid %d: there is no such process", (int)pid);
    else if (f == NULL && errno == ENOENT)
        nt__warn("--pid %d: this kernel does not say where memory lies (no %s)",
                 (int)pid, path);
    else if (f == NULL)
        nt__warn(
            "--pid %d: %s cannot be read: %s; run it as the user of process %d, or "
            "as root",
            (int)pid, path, nt__errno_text(errno), (int)pid);
    if (f == NULL)
        return -1;
    errno = 0;
    nt__machine_numa_maps(m, f);
    err = ferror(f) ? errno : 0;
    fclose(f);
    if (err != 0)
        nt__warn("--pid %d: %s cannot be read to its end: %s; run it as the user of "
                 "process %d, or as root",
                 (int)pid, path, nt__errno_text(err), (int)pid);
    return err != 0 ? -1 : 0;
}
