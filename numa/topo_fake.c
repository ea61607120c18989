/* SPDX-License-Identifier: MIT */
/*
 * NUMATALLY_TOPOLOGY: a made-up machine, wherever this really runs. All multi-node code
 * runs, nothing is bound. Two forms:
 *
 *   NODESxCPUS        that many nodes with that many cpus on each: cpu c belongs to node
 *                     c / CPUS. Memory of unknown size, 10 to itself and 20 elsewhere.
 *   NODE/NODE/...     one by one, in rising order of their numbers. NODE is "node" and a
 *                     number, then what it has, each behind a colon, in any order:
 *       cpus=LIST         its cpus, as "0-3,8"; left out: none
 *       mem=SIZE          as 16G, 512M, 64K; 0: no memory; left out: of unknown size
 *       distance=D,D,...  to each node, in their order: 10 to itself, 11 to 255 to others;
 *                         left out: 10 and 20
 *       forbidden         this process may not take its memory, as a cpuset would have it
 *
 * In both, cpus past the last one that is named begin again at cpu 0, and one that is
 * named nowhere belongs to the first node with cpus. One word without quotes for a shell:
 *   node0:cpus=0-3:mem=16G:distance=10,17/node2:mem=64G:distance=17,10
 * What is wrong is named in one line, and the machine is the real one then.
 */
#include "numa/topo.h"
#include "src/base/fmt.h"
#include "src/base/text.h"

#include <string.h>

#define NOBODY 255    /* slot_of_cpu of a cpu that nobody has taken yet */
#define PART_SHOWN 60 /* bytes of what is wrong that the warning quotes */
#define MEMORY_MAX ((uint64_t)1 << 56) /* of a node: 64 of them can be added up */

/* What is kept while the longer form is read. */
struct reading {
    struct nt_topo *t;
    struct nt_topo_node *node;         /* the one being read */
    const char *at;                    /* what is read next */
    unsigned distances[NT_TOPO_NODES]; /* how many each node has named */
    unsigned cpus;                     /* 1 + the highest cpu that is named */
    bool cpu_of_another;
};

/* ---- the longer form ----------------------------------------------------------- */

/* Digits up to `max`. False: there are none, or they are too many. */
static bool read_number(struct reading *r, uint64_t max, uint64_t *out)
{
    const char *first = r->at;
    uint64_t n = 0;
    for (; *r->at >= '0' && *r->at <= '9'; r->at++) {
        n = n * 10 + (uint64_t)(*r->at - '0');
        if (n > max)
            return false;
    }
    *out = n;
    return r->at != first;
}

static bool take_cpu(void *context, unsigned long cpu)
{
    struct reading *r = context;
    uint8_t *slot = &r->t->slot_of_cpu[cpu];
    r->cpu_of_another = *slot != NOBODY;
    if (r->cpu_of_another)
        return false;
    *slot = (uint8_t)(r->t->nodes - 1);
    r->node->has_cpus = true;
    if (cpu >= r->cpus)
        r->cpus = (unsigned)cpu + 1;
    return true;
}

/* Readers of what a node has: NULL, or what is wrong with it. */

static const char *read_cpus(struct reading *r)
{
    const char *end = nt__topo_numbers(r->at, NT_TOPO_CPUS, take_cpu, r);
    if (r->cpu_of_another)
        return "names a cpu for the second time; each belongs to one node";
    if (!end || end == r->at || end[-1] == ',')
        return "is no list of cpus such as 0-3,8";
    r->at = end;
    return NULL;
}

static const char *read_memory(struct reading *r)
{
    static const char units[] = "KMGT";
    uint64_t n;
    if (!read_number(r, MEMORY_MAX, &n))
        return "is no size such as 16G, 512M, 64K or 0";
    if (n != 0) {
        const char *unit = *r->at ? strchr(units, *r->at) : NULL;
        if (!unit)
            return "lacks its unit: K, M, G or T";
        unsigned shift = 10 * (unsigned)(unit - units + 1);
        if (n > MEMORY_MAX >> shift)
            return "is too large: 65536T are possible";
        n <<= shift;
        r->at++;
    }
    r->node->has_memory = n != 0;
    r->node->memory_bytes = n;
    return NULL;
}

static const char *read_distances(struct reading *r)
{
    unsigned *named = &r->distances[r->t->nodes - 1];
    uint64_t units;
    do {
        if (!read_number(r, UINT8_MAX, &units) || units < NT_DISTANCE_HERE)
            return "is no list of distances from 10 to 255 such as 10,21";
        if (*named == NT_TOPO_NODES)
            return "has more than 64 distances";
        r->node->distance[(*named)++] = (uint8_t)units;
    } while (*r->at == ',' && *r->at++);
    return NULL;
}

static const char *read_forbidden(struct reading *r)
{
    r->node->allowed = false;
    return NULL;
}

static const struct {
    const char *word;
    const char *(*read)(struct reading *r);
} attributes[] = {{"cpus=", read_cpus},
                  {"mem=", read_memory},
                  {"distance=", read_distances},
                  {"forbidden", read_forbidden}};

static const char *read_attribute(struct reading *r, unsigned *seen)
{
    for (unsigned i = 0; i < NT_ARRAY_LEN(attributes); i++) {
        size_t length = strlen(attributes[i].word);
        if (strncmp(r->at, attributes[i].word, length) != 0)
            continue;
        if (*seen >> i & 1)
            return "is said for the second time";
        *seen |= 1u << i;
        r->at += length;
        const char *wrong = attributes[i].read(r);
        return wrong || strchr(":/", *r->at) /* or the end */
                   ? wrong
                   : "goes on where ':', '/' or the end should be";
    }
    return "is unknown; a node has cpus=LIST, mem=SIZE, distance=D,D,... or forbidden";
}

static const char *read_node(struct reading *r)
{
    struct nt_topo *t = r->t;
    uint64_t id;
    if (strncmp(r->at, "node", 4) != 0)
        return "is no node: write node and its number";
    r->at += 4;
    if (!read_number(r, NT_NODE_ID_MAX - 1, &id) || !strchr(":/", *r->at))
        return "is no node: its number may be 0 to 1023";
    if (t->nodes == NT_TOPO_NODES)
        return "is one too many: 64 are told apart";
    if (t->nodes != 0 && id <= (uint64_t)t->node[t->nodes - 1].id)
        return "is not in rising order of numbers";
    r->node = &t->node[t->nodes++];
    *r->node =
        (struct nt_topo_node){.id = (int)id, .has_memory = true, .allowed = true};
    return NULL;
}

/* What can only be said when all nodes are known: NULL, or what is wrong with a node. */
static const char *finish_distances(struct nt_topo *t, unsigned from, unsigned named)
{
    uint8_t *distance = t->node[from].distance;
    if (named != 0 && named != t->nodes)
        return "distance= must have one number for each node";
    for (unsigned to = 0; to < t->nodes; to++) {
        if (named == 0)
            distance[to] = to == from ? NT_DISTANCE_HERE : NT_DISTANCE_FAR;
        if ((distance[to] == NT_DISTANCE_HERE) != (to == from))
            return "distance= must be 10 to itself and more to each other node";
    }
    return NULL;
}

static bool check_machine(struct reading *r)
{
    struct nt_topo *t = r->t;
    bool memory = false;
    for (unsigned i = 0; i < t->nodes; i++) {
        const char *wrong = finish_distances(t, i, r->distances[i]);
        if (wrong) {
            nt__warn("NUMATALLY_TOPOLOGY: node%d: %s; using the real machine",
                     t->node[i].id, wrong);
            return false;
        }
        memory |= t->node[i].has_memory && t->node[i].allowed;
    }
    if (!memory || r->cpus == 0)
        nt__warn("NUMATALLY_TOPOLOGY: %s; using the real machine",
                 memory ? "no node has cpus: say cpus=LIST of one"
                        : "no node has memory that is not forbidden");
    return memory && r->cpus != 0;
}

static bool complain(const struct reading *r, const char *part, bool whole_node,
                     const char *wrong)
{
    size_t length = strcspn(part, ":/");
    char of[16] = "";
    if (!whole_node)
        nt__fmt_into(of, sizeof of, "node%d: ", r->node->id);
    nt__warn("NUMATALLY_TOPOLOGY: %s\"%.*s%s\" %s; using the real machine", of,
             (int)nt__min(length, PART_SHOWN), part, length > PART_SHOWN ? "..." : "",
             wrong);
    return false;
}

static bool read_machine(struct reading *r)
{
    do {
        const char *part = r->at, *wrong = read_node(r);
        unsigned seen = 0;
        if (wrong)
            return complain(r, part, true, wrong);
        while (*r->at == ':') {
            part = ++r->at;
            wrong = read_attribute(r, &seen);
            if (wrong)
                return complain(r, part, false, wrong);
        }
    } while (*r->at == '/' && *r->at++);
    return check_machine(r);
}

/* Cpus that the text does not know: see the head. */
static void place_other_cpus(struct nt_topo *t, unsigned named)
{
    uint8_t first = 0;
    while (!t->node[first].has_cpus)
        first++;
    for (unsigned cpu = 0; cpu < NT_TOPO_CPUS && named != 0; cpu++)
        if (t->slot_of_cpu[cpu] == NOBODY)
            t->slot_of_cpu[cpu] = cpu < named ? first : t->slot_of_cpu[cpu % named];
}

static bool fake_nodes(struct nt_topo *t, const char *text)
{
    static struct reading r; /* at start only, one thread: stacks may be small */
    memset(t->slot_of_cpu, NOBODY, sizeof t->slot_of_cpu);
    r = (struct reading){.t = t, .at = text};
    if (!read_machine(&r)) {
        memset(t, 0, sizeof *t);
        return false;
    }
    place_other_cpus(t, r.cpus);
    return true;
}

/* ---- NODESxCPUS, and both ------------------------------------------------------- */

static bool fake_equal(struct nt_topo *t, const char *text)
{
    const char *end;
    uint64_t nodes = nt__text_leading(text, &end);
    uint64_t cpus = *end == 'x' ? nt__text_leading(end + 1, &end) : 0;
    if (*end != '\0' || nodes < 1 || nodes > NT_TOPO_NODES || cpus < 1 ||
        cpus > NT_TOPO_CPUS) {
        nt__warn("NUMATALLY_TOPOLOGY=%.256s is neither NODESxCPUS with 1-%u nodes and "
                 "1-%u cpus on each, such as 2x4, nor nodes such as "
                 "node0:cpus=0-3:mem=16G/node1:cpus=4-7:mem=8G; using the real machine",
                 text, (unsigned)NT_TOPO_NODES, (unsigned)NT_TOPO_CPUS);
        return false;
    }
    t->nodes = (unsigned)nodes;
    for (unsigned i = 0; i < nodes; i++)
        t->node[i] = (struct nt_topo_node){
            .id = (int)i, .has_memory = true, .has_cpus = true, .allowed = true};
    nt__topo_distances(t);
    for (unsigned cpu = 0; cpu < NT_TOPO_CPUS; cpu++)
        t->slot_of_cpu[cpu] = (uint8_t)(cpu / cpus % nodes);
    return true;
}

bool nt__topo_fake(struct nt_topo *t, const char *text)
{
    t->fake = strncmp(text, "node", 4) == 0 ? fake_nodes(t, text) : fake_equal(t, text);
    return t->fake;
}
