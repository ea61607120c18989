/* SPDX-License-Identifier: MIT */
/* Machines to try the tool's parts on, and what these parts print. */
#ifndef NT_TESTS_MACHINES_H
#define NT_TESTS_MACHINES_H

#include "src/tool/machine.h"

#include "tests/child.h"

/* Nodes 0 and 1 with cpus 0-3 and 4-7 and 8 GiB each; node 3: 4 GiB of HBM, guessed;
 * node 8: 16 GiB of CXL memory that is forbidden; node 70: cpu 9, no memory. */
static inline void machine_make(struct nt_machine *m)
{
    static const struct {
        int id, first, last; /* cpus; -1: none */
        unsigned gib;
        enum nt_tier tier;
    } nodes[] = {{0, 0, 3, 8, NT_TIER_DRAM},
                 {1, 4, 7, 8, NT_TIER_DRAM},
                 {3, -1, -1, 4, NT_TIER_HBM},
                 {8, -1, -1, 16, NT_TIER_CXL},
                 {70, 9, 9, 0, NT_TIER_NONE}};
    memset(m, 0, sizeof *m);
    assert_int_equal(nt__machine_init(m, 5), 0);
    for (size_t i = 0; i < m->nodes; i++) {
        struct nt_machine_node *n = &m->node[i];
        n->id = nodes[i].id;
        if (nodes[i].first >= 0)
            hwloc_bitmap_set_range(n->cpus, (unsigned)nodes[i].first, nodes[i].last);
        n->memory_bytes = (uint64_t)nodes[i].gib << 30;
        n->has_memory = n->memory_bytes != 0;
        n->allowed =
            n->id != 8 && n->id != 70; /* the kernel allows no memory that is none */
        n->tier = nodes[i].tier;
        n->tier_guessed = n->id == 3;
    }
    m->node[0].free_known = true;
    m->node[0].free_bytes = (uint64_t)2 << 30;
    m->node[2].bandwidth_mib_s = 2048;
    m->node[2].latency_ns = 130;
    m->distance[1] = m->distance[5] = 12;
    m->distances_known = true;
    m->source = NT_MACHINE_FILE;
    m->file = "some/<dir>/a&b.xml";
}

/* What `print` writes. The next call overwrites it. */
static inline const char *printed(void (*print)(const struct nt_machine *m, FILE *out),
                                  const struct nt_machine *m)
{
    static char text[1 << 20];
    FILE *out = tmpfile();
    assert_non_null(out);
    print(m, out);
    rewind(out);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    fclose(out);
    return text;
}

static inline void assert_has(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is missing in:\n%s", words, text);
}

#endif
