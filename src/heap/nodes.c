/* SPDX-License-Identifier: MIT */
/* The public calls on the machine itself: nodes, distances, where a thread runs. */
#include "numa/topo.h"
#include "src/heap/calls.h"
#include "src/heap/start.h"

#include <errno.h>
#include <numatally/numa.h>

/* The machine, read if nobody has yet. errno is kept: starting makes system calls. */
static const struct nt_topo *machine(void)
{
    int saved = errno;
    nt__start();
    errno = saved;
    return nt__topo();
}

unsigned nt_node_count(void)
{
    NT_FORWARD(node_count());
    return machine()->nodes;
}

int nt_node_info(unsigned index, struct nt_node_info *out)
{
    NT_FORWARD(node_info(index, out));
    const struct nt_topo *t = machine();
    if (!out || index >= t->nodes)
        return -EINVAL;
    const struct nt_topo_node *node = &t->node[index];
    *out = (struct nt_node_info){.node = node->id,
                                 .has_cpus = node->has_cpus,
                                 .has_memory = node->has_memory,
                                 .allowed = node->allowed,
                                 .memory_bytes = node->memory_bytes,
                                 .free_bytes = nt__topo_free_bytes(index)};
    return 0;
}

int nt_node_distance(int from, int to)
{
    NT_FORWARD(node_distance(from, to));
    const struct nt_topo *t = machine();
    int a = nt__topo_slot(from), b = nt__topo_slot(to);
    return a < 0 || b < 0 ? -EINVAL : t->node[a].distance[b];
}

int nt_node_here(void)
{
    NT_FORWARD(node_here());
    return machine()->node[nt__topo_here()].id;
}
