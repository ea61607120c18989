/* SPDX-License-Identifier: MIT */
/* A machine as one JSON object; the manual page says what each key means. */
#include "src/base/base.h"
#include "src/tool/machine.h"

#include <jansson.h>
#include <numatally/numatally.h>
#include <stdlib.h>

/* A number, or null where it is not known. */
static json_t *number_or_null(bool known, uint64_t n)
{
    return known ? json_integer((json_int_t)n) : json_null();
}

static json_t *list(hwloc_const_bitmap_t set)
{
    char *text = NULL;
    if (hwloc_bitmap_list_asprintf(&text, set) < 0)
        return NULL;
    json_t *s = json_string(text);
    free(text);
    return s;
}

static json_t *node(const struct nt_machine *m, const struct nt_machine_node *n)
{
    json_t *o = json_object();
    json_object_set_new(o, "node", json_integer(n->id));
    json_object_set_new(o, "cpus", list(n->cpus));
    json_object_set_new(o, "cpu_count", json_integer(hwloc_bitmap_weight(n->cpus)));
    json_object_set_new(
        o, "memory_bytes",
        number_or_null(!n->has_memory || n->memory_bytes != 0, n->memory_bytes));
    json_object_set_new(o, "free_bytes",
                        number_or_null(!n->has_memory || n->free_known, n->free_bytes));
    json_object_set_new(o, "allowed", json_boolean(n->allowed));
    json_object_set_new(o, "tier", json_string(nt__tier_word(n->tier)));
    json_object_set_new(o, "tier_guessed", json_boolean(n->tier_guessed));
    json_object_set_new(o, "bandwidth_mib_s",
                        number_or_null(n->bandwidth_mib_s != 0, n->bandwidth_mib_s));
    json_object_set_new(o, "latency_ns",
                        number_or_null(n->latency_ns != 0, n->latency_ns));
    if (m->pid != 0)
        json_object_set_new(o, "process_bytes",
                            json_integer((json_int_t)n->process_bytes));
    return o;
}

static json_t *distances(const struct nt_machine *m)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < m->nodes; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < m->nodes; j++)
            json_array_append_new(row, json_integer(m->distance[i * m->nodes + j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *tiers(const struct nt_machine *m)
{
    static const char *const words[] = {"dram", "hbm",   "cxl",     "nvm",
                                        "gpu",  "other", "fastest", "largest"};
    hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
    json_t *o = json_object();
    for (size_t i = 0; i < NT_ARRAY_LEN(words); i++) {
        nt__tier_nodes(m, words[i], nodes);
        if (!hwloc_bitmap_iszero(nodes))
            json_object_set_new(o, words[i], list(nodes));
    }
    hwloc_bitmap_free(nodes);
    return o;
}

int nt__machine_json(const struct nt_machine *m, FILE *out)
{
    static const char *const sources[] = {"this machine", "hwloc file",
                                          "NUMATALLY_TOPOLOGY"};
    json_t *o = json_object(), *nodes = json_array();
    json_object_set_new(o, "format", json_string("numatally-topo"));
    json_object_set_new(o, "format_version", json_integer(1));
    json_object_set_new(o, "numatally", json_string(NT_VERSION_STRING));
    json_object_set_new(o, "source", json_string(sources[m->source]));
    if (m->source == NT_MACHINE_FILE && m->file != NULL) {
        json_t *file = json_string(m->file);
        json_object_set_new(o, "file", file != NULL ? file : json_null());
    }
    for (size_t i = 0; i < m->nodes; i++)
        json_array_append_new(nodes, node(m, &m->node[i]));
    json_object_set_new(o, "nodes", nodes);
    json_object_set_new(o, "distances", distances(m));
    json_object_set_new(o, "distances_known", json_boolean(m->distances_known));
    json_object_set_new(o, "tiers", tiers(m));
    if (m->pid != 0) {
        json_t *command = json_string(m->command);
        json_object_set_new(o, "pid", json_integer(m->pid));
        json_object_set_new(o, "command", command != NULL ? command : json_null());
    }
    int err = json_dumpf(o, out, JSON_COMPACT);
    json_decref(o);
    fputc('\n', out);
    return err;
}
