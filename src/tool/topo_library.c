/* SPDX-License-Identifier: MIT */
/*
 * The machine as the library sees it: this one, or the one NUMATALLY_TOPOLOGY makes up.
 * Only the lists of cpus are not in the library's interface: they are read where it
 * reads them.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/machine.h"

#include <numatally/numa.h>
#include <numatally/stats.h>
#include <stdlib.h>
#include <string.h>

int nt__machine_init(struct nt_machine *m, size_t nodes)
{
    m->node = calloc(nodes + 1, sizeof *m->node);
    m->distance = calloc(nodes * nodes + 1, sizeof *m->distance);
    if (m->node == NULL || m->distance == NULL)
        return -1;
    m->nodes = nodes;
    for (size_t i = 0; i < nodes; i++) {
        m->node[i].cpus = hwloc_bitmap_alloc();
        if (m->node[i].cpus == NULL)
            return -1;
        for (size_t j = 0; j < nodes; j++)
            m->distance[i * nodes + j] = i == j ? 10 : 20;
    }
    return 0;
}

void nt__machine_free(struct nt_machine *m)
{
    for (size_t i = 0; m->node != NULL && i < m->nodes; i++)
        hwloc_bitmap_free(m->node[i].cpus);
    free(m->node);
    free(m->distance);
    m->node = NULL;
    m->distance = NULL;
    m->nodes = 0;
}

int nt__machine_index(const struct nt_machine *m, long id)
{
    for (size_t i = 0; i < m->nodes; i++)
        if (m->node[i].id == id)
            return (int)i;
    return -1;
}

/* Set what a list such as "0-3,8" names. */
static void set_list(hwloc_bitmap_t cpus, const char *list)
{
    char text[1 << 15];
    size_t length = strspn(list, "0123456789-,");
    if (length != 0 && length < sizeof text) {
        memcpy(text, list, length);
        text[length] = '\0';
        hwloc_bitmap_list_sscanf(cpus, text);
    }
}

static void cpus_of_this_machine(struct nt_machine_node *node)
{
    char path[64], text[1 << 15];
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", node->id);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    if (fgets(text, sizeof text, f) != NULL)
        set_list(node->cpus, text);
    fclose(f);
}

/* What the library understood, so it is either form of numa/topo_fake.c. */
static void cpus_made_up(struct nt_machine *m, const char *text)
{
    unsigned long each;
    if (strncmp(text, "node", 4) != 0) {
        each = strtoul(strchr(text, 'x') + 1, NULL, 10);
        for (size_t i = 0; i < m->nodes; i++)
            hwloc_bitmap_set_range(m->node[i].cpus, (unsigned)(i * each),
                                   (int)((i + 1) * each - 1));
        return;
    }
    for (size_t i = 0; i < m->nodes && text != NULL; i++) {
        const char *end = strchr(text, '/'), *cpus = strstr(text, ":cpus=");
        if (cpus != NULL && (end == NULL || cpus < end))
            set_list(m->node[i].cpus, cpus + strlen(":cpus="));
        text = end != NULL ? end + 1 : NULL;
    }
}

static bool is_made_up(void)
{
    static struct nt_snapshot s;
    return nt_snapshot(&s) == 0 && s.fake_topology != 0;
}

/* Start the library that is in this tool. Settings are for the programs it runs: with
 * them it would write a report of the tool itself. */
static unsigned start_library(void)
{
    static const char *const names[] = {"NUMATALLY_CONF", "NUMATALLY_CONF_FILE",
                                        "NUMATALLY_RUN"};
    char *kept[NT_ARRAY_LEN(names)];
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);
        kept[i] = value != NULL ? strdup(value) : NULL;
        unsetenv(names[i]);
    }
    unsigned nodes = nt_node_count();
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++) {
        if (kept[i] != NULL)
            setenv(names[i], kept[i], 1);
        free(kept[i]);
    }
    return nodes;
}

int nt__machine_from_library(struct nt_machine *m)
{
    if (nt__machine_init(m, start_library()) != 0) {
        nt__warn("out of memory");
        return -1;
    }
    for (size_t i = 0; i < m->nodes; i++) {
        struct nt_machine_node *node = &m->node[i];
        struct nt_node_info info;
        nt_node_info((unsigned)i, &info);
        node->id = info.node;
        node->has_memory = info.has_memory;
        node->allowed = info.allowed;
        node->memory_bytes = info.memory_bytes;
        node->free_bytes = info.free_bytes;
        node->free_known = info.memory_bytes != 0;
    }
    for (size_t i = 0; i < m->nodes; i++)
        for (size_t j = 0; j < m->nodes; j++)
            m->distance[i * m->nodes + j] =
                (unsigned)nt_node_distance(m->node[i].id, m->node[j].id);
    m->distances_known = true;
    const char *made_up = getenv("NUMATALLY_TOPOLOGY");
    if (made_up != NULL && is_made_up()) {
        m->source = NT_MACHINE_MADE_UP;
        cpus_made_up(m, made_up);
    } else {
        for (size_t i = 0; i < m->nodes; i++)
            cpus_of_this_machine(&m->node[i]);
    }
    return 0;
}
