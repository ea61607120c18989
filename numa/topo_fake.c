/* SPDX-License-Identifier: MIT */
/*
 * NUMATALLY_TOPOLOGY=NODESxCPUS: a machine with that many nodes and that many cpus on
 * each, wherever this really runs. All multi-node code runs, nothing is bound. Cpu c
 * belongs to node c / CPUS; cpus past the last node begin again at node 0. How much
 * memory they have is not known; the distance is 10 to itself and 20 elsewhere.
 */
#include "numa/topo.h"
#include "src/base/fmt.h"

#include <stdlib.h>

bool nt__topo_fake(struct nt_topo *t, const char *text)
{
    char *end;
    unsigned long nodes = strtoul(text, &end, 10);
    unsigned long cpus = *end == 'x' ? strtoul(end + 1, &end, 10) : 0;
    if (*end != '\0' || nodes < 1 || nodes > NT_TOPO_NODES || cpus < 1 ||
        cpus > NT_TOPO_CPUS) {
        nt__warn(
            "NUMATALLY_TOPOLOGY=%s is not NODESxCPUS with 1-%u nodes and 1-%u cpus "
            "on each, such as 2x4; using the real machine",
            text, (unsigned)NT_TOPO_NODES, (unsigned)NT_TOPO_CPUS);
        return false;
    }
    t->nodes = (unsigned)nodes;
    t->fake = true;
    for (unsigned i = 0; i < nodes; i++)
        t->node[i] = (struct nt_topo_node){
            .id = (int)i, .has_memory = true, .has_cpus = true, .allowed = true};
    nt__topo_distances(t);
    for (unsigned cpu = 0; cpu < NT_TOPO_CPUS; cpu++)
        t->slot_of_cpu[cpu] = (uint8_t)(cpu / cpus % nodes);
    return true;
}
