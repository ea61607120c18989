/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "numa/topo.h"

#include "src/base/conf.h"
#include "src/base/text.h"

#include <limits.h>
#include <sched.h>
#include <string.h>

#define NODE_FOLDER "/sys/devices/system/node"

struct nt_topo nt__topo_machine;

int nt__topo_slot(int id)
{
    for (unsigned i = 0; i < nt__topo_machine.nodes; i++)
        if (nt__topo_machine.node[i].id == id)
            return (int)i;
    return -1;
}

const char *nt__topo_numbers(const char *text, unsigned long max,
                             bool (*set)(void *context, unsigned long number),
                             void *context)
{
    while (*text >= '0' && *text <= '9') {
        const char *end;
        unsigned long first = nt__text_leading(text, &end);
        unsigned long last = first;
        if (*end == '-' && end[1] >= '0' && end[1] <= '9')
            last = nt__text_leading(end + 1, &end);
        if (last < first || last == ULONG_MAX)
            return NULL;
        for (unsigned long n = first; n <= last && n < max; n++)
            if (!set(context, n))
                return NULL;
        text = end;
        if (*text != ',' && *text != ';') /* settings write lists with ; */
            break;
        text++;
    }
    return text;
}

bool nt__topo_list(const char *text, unsigned long max,
                   bool (*set)(void *context, unsigned long number), void *context)
{
    text = nt__topo_numbers(text, max, set, context);
    return text && (*text == '\0' || *text == '\n');
}

static bool name_slot(void *context, unsigned long id)
{
    uint64_t *slots = context;
    int slot = id < NT_NODE_ID_MAX ? nt__topo_slot((int)id) : -1;
    if (slot >= 0)
        *slots |= (uint64_t)1 << slot;
    return slot >= 0;
}

/* The kernel's lists may be empty and end in a newline; ours end in a number. */
static bool named_slots(const char *list, uint64_t *slots)
{
    size_t length = strlen(list);
    return length != 0 && list[length - 1] >= '0' && list[length - 1] <= '9' &&
           nt__topo_list(list, ULONG_MAX, name_slot, slots);
}

uint64_t nt__topo_usable(void)
{
    uint64_t usable = 0;
    for (unsigned i = 0; i < nt__topo_machine.nodes; i++)
        if (nt__topo_machine.node[i].has_memory && nt__topo_machine.node[i].allowed)
            usable |= (uint64_t)1 << i;
    return usable;
}

unsigned nt__topo_nearest(unsigned from, uint64_t among)
{
    unsigned best = (unsigned)__builtin_ctzll(among);
    for (uint64_t left = among; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        if (nt__topo_machine.node[i].has_cpus != nt__topo_machine.node[best].has_cpus
                ? nt__topo_machine.node[i].has_cpus
                : nt__topo_machine.node[from].distance[i] <
                      nt__topo_machine.node[from].distance[best])
            best = i;
    }
    return best;
}

void nt__topo_distances(struct nt_topo *t)
{
    for (unsigned from = 0; from < t->nodes; from++)
        for (unsigned to = 0; to < t->nodes; to++)
            t->node[from].distance[to] =
                from == to ? NT_DISTANCE_HERE : NT_DISTANCE_FAR;
}

uint64_t nt__topo_free_bytes(unsigned slot)
{
    const struct nt_topo_node *node = &nt__topo_machine.node[slot];
    if (nt__topo_machine.fake || !node->has_memory)
        return node->memory_bytes;
    uint64_t bytes = nt__topo_sysfs_free(NODE_FOLDER, (unsigned)node->id);
    return bytes > node->kept_bytes ? bytes - node->kept_bytes : 0;
}

bool nt__topo_slots(const char *list, uint64_t *slots)
{
    uint64_t named = 0, usable = nt__topo_usable();
    bool all_but = *list == '!';
    if (strcmp(list, "all") == 0)
        named = usable;
    else if (!named_slots(list + all_but, &named))
        return false;
    *slots = all_but ? usable & ~named : named;
    return *slots != 0 && (*slots & ~usable) == 0;
}

void nt__topo_start(void)
{
    const char *fake = nt__conf_env("NUMATALLY_TOPOLOGY");
    if (fake && *fake && nt__topo_fake(&nt__topo_machine, fake))
        return;
    if (nt__topo_machine.nodes != 0) /* else nobody has written to its pages yet */
        memset(&nt__topo_machine, 0, sizeof nt__topo_machine);
    if (nt__topo_sysfs(&nt__topo_machine, NODE_FOLDER))
        return;
    memset(&nt__topo_machine, 0, sizeof nt__topo_machine);
    nt__topo_machine.nodes = 1;
    nt__topo_machine.node[0] =
        (struct nt_topo_node){.has_memory = true, .has_cpus = true, .allowed = true};
    nt__topo_distances(&nt__topo_machine);
}

const struct nt_topo *nt__topo(void)
{
    return &nt__topo_machine;
}
