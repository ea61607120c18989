/* SPDX-License-Identifier: MIT */
/*
 * A machine's nodes as the tool shows them, and node lists in words.
 *
 * Read from one source: an hwloc XML file, the machine that NUMATALLY_TOPOLOGY makes up,
 * or this machine. Of this one the library itself is asked (nt_node_info), so that the
 * tool and the allocator never differ; hwloc adds what kinds of memory there are, which
 * is what the library does without. Loading it takes some 5 ms.
 *
 * A *tier* is all memory of one kind. It is what hwloc says, or a guess (tier.c).
 */
#ifndef NT_TOOL_MACHINE_H
#define NT_TOOL_MACHINE_H

#include <hwloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum nt_tier {
    NT_TIER_NONE,  /* the node has no memory */
    NT_TIER_OTHER, /* memory without cpus that nobody says more about */
    NT_TIER_DRAM,
    NT_TIER_HBM,
    NT_TIER_CXL,
    NT_TIER_NVM,
    NT_TIER_GPU,
    NT_TIERS
};

struct nt_machine_node {
    int id;                   /* the system's number */
    hwloc_bitmap_t cpus;      /* empty: none */
    bool has_memory, allowed; /* allowed: this process may take its memory */
    bool free_known;
    uint64_t memory_bytes; /* 0: none, or not known */
    uint64_t free_bytes;
    enum nt_tier tier;
    bool tier_guessed;
    uint64_t bandwidth_mib_s; /* from the cpus nearest to it; 0: not known */
    uint64_t latency_ns;      /* the same */
    uint64_t process_bytes;   /* what the process of --pid has there */
};

struct nt_machine {
    enum { NT_MACHINE_THIS, NT_MACHINE_FILE, NT_MACHINE_MADE_UP } source;
    const char *file; /* NT_MACHINE_FILE: its name, the caller's */
    size_t nodes;
    struct nt_machine_node *node; /* by rising id */
    unsigned *distance;           /* nodes x nodes, by row */
    bool distances_known;         /* else they are 10 and 20 */
    pid_t pid;                    /* 0: no process is shown */
    char command[64];             /* its name */
};

/* ---- topo_hwloc.c, topo_library.c: reading ------------------------------------- */

/* Read `file`, or without one the machine we are to act as. 0, or -1 after a
 * complaint. nt__machine_free in the end. */
int nt__machine_read(struct nt_machine *m, const char *file);
void nt__machine_free(struct nt_machine *m);

/* Make room for `nodes` nodes, all empty, with distances 10 and 20. */
int nt__machine_init(struct nt_machine *m, size_t nodes);

/* Fill *m with the nodes of the library. 0, or -1 after a complaint. */
int nt__machine_from_library(struct nt_machine *m);

/* Index of the node with this number; -1: there is none. */
int nt__machine_index(const struct nt_machine *m, long id);

/* ---- tier.c: kinds of memory and lists of nodes -------------------------------- */

/* "dram", "hbm", "cxl", ...; for NT_TIER_NONE "none". */
const char *nt__tier_word(enum nt_tier tier);

/* What hwloc's word for a node's memory means; NT_TIER_NONE: nothing. */
enum nt_tier nt__tier_of_subtype(const char *subtype);

/* Guess the tiers that are NT_TIER_NONE on nodes with memory. */
void nt__tier_guess(struct nt_machine *m);

/* The nodes of a tier ("hbm", "dram", "cxl", "nvm", "gpu", "other"), of the one with the
 * highest bandwidth ("fastest") or of the one with most memory in all ("largest"), as
 * far as this process may use them. False: that is no such word. */
bool nt__tier_nodes(const struct nt_machine *m, const char *word, hwloc_bitmap_t out);

/* The nodes of a list: "0-3,5", "!2" (all but), "all", and tiers in place of numbers.
 * False, and in `why` what is wrong with it and what there is, when it is malformed,
 * empty, or names what is not there or may not be used. */
bool nt__machine_list(const struct nt_machine *m, const char *text, hwloc_bitmap_t out,
                      char *why, size_t why_size);

/* ---- numa_maps.c: where a process's memory lies --------------------------------- */

/* Fill in m->pid, command and process_bytes. 0, or -1 after a complaint. */
int nt__machine_process(struct nt_machine *m, pid_t pid);

/* Add what a file in the form of /proc/PID/numa_maps says to process_bytes. */
void nt__machine_numa_maps(struct nt_machine *m, FILE *maps);

/* ---- writing: topo_text.c, topo_json.c, topo_svg.c ------------------------------- */

void nt__machine_text(const struct nt_machine *m, FILE *out);
int nt__machine_json(const struct nt_machine *m, FILE *out); /* 0 or -1: no memory */
void nt__machine_svg(const struct nt_machine *m, FILE *out);

/* A line for NUMATALLY_TOPOLOGY. 0, or -1 after a complaint: it cannot be said. */
int nt__machine_export(const struct nt_machine *m, FILE *out);

/* "31.25 GiB"; a size that is not known is "?". `buf` is returned. */
const char *nt__size_text(char *buf, size_t size, uint64_t bytes);

/* ---- policy.c: numactl's options of `numatally run` -------------------------------- */

/* The setting `policy` for a policy in the words of numa.h, whose list may name tiers,
 * as it stands in NUMATALLY_CONF: "bind:0-3;5". `option` is what the user wrote, for
 * complaints. NULL after a complaint; the caller frees it. */
char *nt__policy_setting(const char *policy, const char *option);

#endif
