/* SPDX-License-Identifier: MIT */
/*
 * Machines as hwloc knows them: from an XML file everything, from this machine what kind
 * of memory its nodes have.
 *
 * To hwloc a node without cpus, such as HBM, has the cpus that are near it; to Linux a
 * cpu has one node. In a file the cpu is given to the node whose set is the smallest that
 * has it, ordinary memory first, then the lower number: that is how Linux numbers them.
 */
#include "src/base/fmt.h"
#include "src/tool/machine.h"

#include <errno.h>
#include <hwloc/distances.h>
#include <hwloc/memattrs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- memory attributes -------------------------------------------------------- */

/* Of the cpus that have it best; 0: not known. */
static uint64_t attribute(hwloc_topology_t topology, hwloc_memattr_id_t id,
                          hwloc_obj_t node)
{
    struct hwloc_location from;
    hwloc_uint64_t value;
    if (hwloc_memattr_get_best_initiator(topology, id, node, 0, &from, &value) != 0)
        return 0;
    return value;
}

static uint64_t attribute_or(hwloc_topology_t topology, hwloc_memattr_id_t id,
                             hwloc_memattr_id_t other, hwloc_obj_t node)
{
    uint64_t value = attribute(topology, id, node);
    return value != 0 ? value : attribute(topology, other, node);
}

static void read_kind(hwloc_topology_t topology, hwloc_obj_t from,
                      struct nt_machine_node *to)
{
    to->tier = nt__tier_of_subtype(from->subtype);
    if (to->tier == NT_TIER_NONE)
        to->tier = nt__tier_of_subtype(hwloc_obj_get_info_by_name(from, "DAXType"));
    to->bandwidth_mib_s = attribute_or(topology, HWLOC_MEMATTR_ID_BANDWIDTH,
                                       HWLOC_MEMATTR_ID_READ_BANDWIDTH, from);
    to->latency_ns = attribute_or(topology, HWLOC_MEMATTR_ID_LATENCY,
                                  HWLOC_MEMATTR_ID_READ_LATENCY, from);
}

/* ---- a file -------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const hwloc_obj_t *x = a, *y = b;
    return (*x)->os_index < (*y)->os_index ? -1 : (*x)->os_index > (*y)->os_index;
}

/* Does `cpu` rather belong to node `a` than to node `b`, of those that have it? */
static bool rather(const struct nt_machine *m, const hwloc_obj_t *obj, size_t a,
                   size_t b)
{
    int wa = hwloc_bitmap_weight(obj[a]->cpuset),
        wb = hwloc_bitmap_weight(obj[b]->cpuset);
    bool da = m->node[a].tier == NT_TIER_DRAM, db = m->node[b].tier == NT_TIER_DRAM;
    if (wa != wb)
        return wa < wb;
    return da != db ? da : a < b;
}

static void place_cpus(hwloc_topology_t topology, struct nt_machine *m,
                       const hwloc_obj_t *obj)
{
    for (hwloc_obj_t pu = NULL;
         (pu = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, pu)) != NULL;) {
        size_t best = m->nodes;
        for (size_t i = 0; i < m->nodes; i++)
            if (hwloc_bitmap_isset(obj[i]->cpuset, pu->os_index) &&
                (best == m->nodes || rather(m, obj, i, best)))
                best = i;
        if (best < m->nodes)
            hwloc_bitmap_set(m->node[best].cpus, pu->os_index);
    }
}

static void read_distances(hwloc_topology_t topology, struct nt_machine *m)
{
    struct hwloc_distances_s *d;
    unsigned n = 1;
    unsigned long kind =
        HWLOC_DISTANCES_KIND_FROM_OS | HWLOC_DISTANCES_KIND_MEANS_LATENCY;
    if (hwloc_distances_get_by_type(topology, HWLOC_OBJ_NUMANODE, &n, &d, kind, 0) !=
            0 ||
        n == 0)
        return;
    m->distances_known = true;
    for (unsigned i = 0; i < d->nbobjs; i++)
        for (unsigned j = 0; j < d->nbobjs; j++) {
            int from = nt__machine_index(m, d->objs[i]->os_index);
            int to = nt__machine_index(m, d->objs[j]->os_index);
            uint64_t value = d->values[i * d->nbobjs + j];
            if (from >= 0 && to >= 0)
                m->distance[(size_t)from * m->nodes + (size_t)to] =
                    value < 255 ? (unsigned)value : 255;
        }
    hwloc_distances_release(topology, d);
}

static int fill_from(hwloc_topology_t topology, struct nt_machine *m)
{
    int count = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    size_t n = count > 0 ? (size_t)count : 0;
    hwloc_obj_t *obj = calloc(n + 1, sizeof(hwloc_obj_t));
    if (obj == NULL || nt__machine_init(m, n) != 0) {
        free(obj);
        nt__warn("out of memory");
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        obj[i] = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, (unsigned)i);
    qsort(obj, n, sizeof(hwloc_obj_t), by_id);
    for (size_t i = 0; i < n; i++) {
        struct nt_machine_node *node = &m->node[i];
        node->id = (int)obj[i]->os_index;
        node->memory_bytes = obj[i]->attr->numanode.local_memory;
        node->has_memory = node->memory_bytes != 0;
        node->allowed = hwloc_bitmap_isset(hwloc_topology_get_allowed_nodeset(topology),
                                           obj[i]->os_index);
        read_kind(topology, obj[i], node);
    }
    place_cpus(topology, m, obj);
    read_distances(topology, m);
    free(obj);
    return 0;
}

/* ---- which source ------------------------------------------------------------- */

/* Load a file, or what hwloc takes for this machine. NULL after a complaint. */
static hwloc_topology_t load(const char *file)
{
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0) {
        nt__warn("hwloc cannot start: %s", nt__errno_text(errno));
        return NULL;
    }
    hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    if (file != NULL && access(file, R_OK) != 0)
        nt__warn("--input %.512s cannot be read: %s", file, nt__errno_text(errno));
    else if ((file != NULL && hwloc_topology_set_xml(topology, file) != 0) ||
             hwloc_topology_load(topology) != 0)
        nt__warn("%s%.512s; write one with: lstopo FILE.xml",
                 file != NULL
                     ? "this is no XML file of hwloc's: --input "
                     : "hwloc cannot read this machine: give its file by --input",
                 file != NULL ? file : "");
    else
        return topology;
    hwloc_topology_destroy(topology);
    return NULL;
}

/* To the nodes of the library, what hwloc says of them. */
static void add_kinds(hwloc_topology_t topology, struct nt_machine *m)
{
    for (size_t i = 0; i < m->nodes; i++) {
        hwloc_obj_t obj =
            hwloc_get_numanode_obj_by_os_index(topology, (unsigned)m->node[i].id);
        if (obj != NULL)
            read_kind(topology, obj, &m->node[i]);
    }
}

int nt__machine_read(struct nt_machine *m, const char *file)
{
    const char *made_up = getenv("NUMATALLY_TOPOLOGY");
    hwloc_topology_t topology = NULL;
    int err = 0;
    *m = (struct nt_machine){.source = NT_MACHINE_THIS};
    if (file == NULL && made_up != NULL && *made_up != '\0')
        err = nt__machine_from_library(m);
    if (err == 0 && m->source != NT_MACHINE_MADE_UP) {
        nt__machine_free(m);
        topology = load(file);
        if (topology == NULL)
            return -1;
        /* hwloc's own variables may name a file, too. */
        if (file == NULL && hwloc_topology_is_thissystem(topology)) {
            err = nt__machine_from_library(m);
            if (err == 0)
                add_kinds(topology, m);
        } else {
            err = fill_from(topology, m);
            m->source = NT_MACHINE_FILE;
            m->file = file != NULL ? file : getenv("HWLOC_XMLFILE");
        }
        hwloc_topology_destroy(topology);
    }
    if (err == 0)
        nt__tier_guess(m);
    else
        nt__machine_free(m);
    return err;
}
