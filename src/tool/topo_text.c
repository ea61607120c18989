/* SPDX-License-Identifier: MIT */
/*
 * A machine as text: a row for each node, the distances as numactl prints them, the
 * tiers as `numatally run` takes them; and as one line for NUMATALLY_TOPOLOGY.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/machine.h"

#include <stdlib.h>
#include <string.h>

const char *nt__size_text(char *buf, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"MiB", "GiB", "TiB", "PiB"};
    double n = (double)bytes / (double)NT_MIB;
    size_t unit = 0;
    while (n >= 1024 && unit < NT_ARRAY_LEN(units) - 1) {
        n /= 1024;
        unit++;
    }
    snprintf(buf, size, "%.2f %s", n, units[unit]);
    return buf;
}

/* ---- the table ------------------------------------------------------------------ */

static char *list_text(hwloc_const_bitmap_t set)
{
    char *text = NULL;
    if (hwloc_bitmap_iszero(set) || hwloc_bitmap_list_asprintf(&text, set) < 0)
        text = strdup("none");
    return text;
}

static void print_head(const struct nt_machine *m, FILE *out)
{
    hwloc_bitmap_t ids = hwloc_bitmap_alloc();
    uint64_t bytes = 0;
    unsigned cpus = 0;
    char size[32];
    for (size_t i = 0; i < m->nodes; i++) {
        hwloc_bitmap_set(ids, (unsigned)m->node[i].id);
        cpus += (unsigned)hwloc_bitmap_weight(m->node[i].cpus);
        bytes += m->node[i].memory_bytes;
    }
    char *list = list_text(ids);
    hwloc_bitmap_free(ids);
    if (m->source == NT_MACHINE_THIS)
        fputs("This machine: ", out);
    else if (m->source == NT_MACHINE_MADE_UP)
        fputs("Made up by NUMATALLY_TOPOLOGY: ", out);
    else
        fprintf(out, "%s: ", m->file != NULL ? m->file : "hwloc");
    fprintf(out, "%zu node%s (%s), %u cpu%s", m->nodes, m->nodes == 1 ? "" : "s", list,
            cpus, cpus == 1 ? "" : "s");
    if (bytes != 0)
        fprintf(out, ", %s of memory", nt__size_text(size, sizeof size, bytes));
    fputs("\n\n", out);
    free(list);
}

static void print_node(const struct nt_machine *m, const struct nt_machine_node *n,
                       FILE *out)
{
    char size[32], rate[32] = "-", delay[32] = "-", tier[16];
    char *cpus = list_text(n->cpus);
    snprintf(tier, sizeof tier, "%s%s", nt__tier_word(n->tier),
             n->tier_guessed ? "?" : "");
    if (n->bandwidth_mib_s != 0)
        snprintf(rate, sizeof rate, "%.1f GiB/s", (double)n->bandwidth_mib_s / 1024);
    if (n->latency_ns != 0)
        snprintf(delay, sizeof delay, "%llu ns", (unsigned long long)n->latency_ns);
    fprintf(out, "%4d %12s", n->id,
            !n->has_memory    ? "none"
            : n->memory_bytes ? nt__size_text(size, sizeof size, n->memory_bytes)
                              : "not known");
    fprintf(out, " %12s",
            n->free_known && n->has_memory
                ? nt__size_text(size, sizeof size, n->free_bytes)
                : "-");
    if (m->pid != 0)
        fprintf(out, " %12s", nt__size_text(size, sizeof size, n->process_bytes));
    fprintf(out, "  %-6s %11s %8s  %-7s  %s\n", tier, rate, delay,
            !n->has_memory ? "-"
            : n->allowed   ? "yes"
                           : "no",
            cpus);
    free(cpus);
}

static void print_distances(const struct nt_machine *m, FILE *out)
{
    fprintf(out, "\nNode distances%s\nnode",
            m->distances_known ? "" : " (not said, so assumed)");
    for (size_t i = 0; i < m->nodes; i++)
        fprintf(out, " %4d", m->node[i].id);
    fputc('\n', out);
    for (size_t i = 0; i < m->nodes; i++) {
        fprintf(out, "%4d", m->node[i].id);
        for (size_t j = 0; j < m->nodes; j++)
            fprintf(out, " %4u", m->distance[i * m->nodes + j]);
        fputc('\n', out);
    }
}

static void print_tiers(const struct nt_machine *m, FILE *out)
{
    static const char *const words[] = {"dram", "hbm",   "cxl",     "nvm",
                                        "gpu",  "other", "fastest", "largest"};
    hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
    bool guessed = false;
    fputs("\nTiers, as in \"numatally run --membind=TIER\"\n", out);
    for (size_t i = 0; i < NT_ARRAY_LEN(words); i++) {
        uint64_t bytes = 0;
        char size[32];
        nt__tier_nodes(m, words[i], nodes);
        if (hwloc_bitmap_iszero(nodes))
            continue;
        char *list = list_text(nodes);
        for (size_t k = 0; k < m->nodes; k++)
            if (hwloc_bitmap_isset(nodes, (unsigned)m->node[k].id))
                bytes += m->node[k].memory_bytes;
        fprintf(out, "%-8s node%s %s", words[i],
                hwloc_bitmap_weight(nodes) == 1 ? "" : "s", list);
        if (bytes != 0)
            fprintf(out, " (%s)", nt__size_text(size, sizeof size, bytes));
        fputc('\n', out);
        free(list);
    }
    for (size_t i = 0; i < m->nodes; i++)
        guessed |= m->node[i].tier_guessed;
    if (guessed)
        fputs("? = the machine does not say; guessed from the bandwidth\n", out);
    hwloc_bitmap_free(nodes);
}

void nt__machine_text(const struct nt_machine *m, FILE *out)
{
    print_head(m, out);
    fprintf(out, "node %12s %12s", "memory", "free");
    if (m->pid != 0)
        fprintf(out, " %12s", "process");
    fprintf(out, "  %-6s %11s %8s  %-7s  %s\n", "tier", "bandwidth", "latency",
            "allowed", "cpus");
    for (size_t i = 0; i < m->nodes; i++)
        print_node(m, &m->node[i], out);
    if (m->pid != 0)
        fprintf(out, "\nprocess = pages that %d (%s) has in memory there\n",
                (int)m->pid, m->command);
    print_distances(m, out);
    print_tiers(m, out);
}

/* ---- the line -------------------------------------------------------------------- */

static bool usual_distances(const struct nt_machine *m, size_t from)
{
    for (size_t to = 0; to < m->nodes; to++)
        if (m->distance[from * m->nodes + to] != (from == to ? 10 : 20))
            return false;
    return true;
}

static void export_memory(const struct nt_machine_node *n, FILE *out)
{
    static const char units[] = "KMGT";
    uint64_t size = n->memory_bytes / 1024;
    size_t unit = 0;
    if (n->has_memory && size == 0)
        return; /* not known */
    while (size != 0 && size % 1024 == 0 && unit < 3) {
        size /= 1024;
        unit++;
    }
    fprintf(out, ":mem=%llu%.*s", (unsigned long long)size, size != 0, units + unit);
}

/* NULL, or why the machine cannot be said in a line. */
static const char *unspeakable(const struct nt_machine *m)
{
    bool cpus = false, memory = false;
    if (m->nodes > 64)
        return "more than 64 nodes";
    for (size_t i = 0; i < m->nodes; i++) {
        cpus |= !hwloc_bitmap_iszero(m->node[i].cpus);
        memory |= m->node[i].has_memory && m->node[i].allowed;
        if (m->node[i].id > 1023)
            return "a node with a number above 1023";
    }
    return !cpus ? "no node with cpus" : !memory ? "no memory that may be used" : NULL;
}

int nt__machine_export(const struct nt_machine *m, FILE *out)
{
    const char *why = unspeakable(m);
    if (why != NULL) {
        nt__warn("--export: the machine has %s: NUMATALLY_TOPOLOGY cannot say that",
                 why);
        return -1;
    }
    for (size_t i = 0; i < m->nodes; i++) {
        const struct nt_machine_node *n = &m->node[i];
        char *cpus = list_text(n->cpus);
        fprintf(out, "%snode%d", i != 0 ? "/" : "", n->id);
        if (!hwloc_bitmap_iszero(n->cpus))
            fprintf(out, ":cpus=%s", cpus);
        export_memory(n, out);
        free(cpus);
        for (size_t j = 0; j < m->nodes && !usual_distances(m, i); j++) {
            unsigned d = m->distance[i * m->nodes + j];
            fprintf(out, "%s%u", j == 0 ? ":distance=" : ",",
                    i == j ? 10 : (d > 10 ? d : 11));
        }
        if (!n->allowed && n->has_memory)
            fputs(":forbidden", out);
    }
    fputc('\n', out);
    return 0;
}
