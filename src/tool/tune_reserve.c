/* SPDX-License-Identifier: MIT */
/*
 * What a node's memory always comes to again, after it was given back: that much is better
 * kept (setting `reserve`).
 *
 * A record's history has the committed bytes of each node at some hundred moments. Each time
 * they fall to less than half of the most and come up again counts; the least that they then
 * came to is what was always needed again. Of n such times, if they are alike, the next one
 * needs as much as the least of them in n of n + 1 cases: so two at least are asked for. What
 * lies between two points is not seen, so the true levels are no lower.
 *
 * With several nodes large blocks may lie by first touch, in memory that no reserve keeps. So
 * the most that ever was of them is taken off.
 */
#include "src/base/base.h"
#include "src/tool/tune.h"

#include <inttypes.h>
#include <math.h>

#define WORTH 0.02 /* of the processor's time */
/* Of what `return` saves. Where a reserve saves as much, return stays as it is; else there
 * is no reserve: both do the same. */
#define SAME 0.5
#define FAULT_NS 1000.0 /* of a page: docs/tuning.md */
#define LEAST_TIMES 2
#define LEAST_BYTES (16 * (double)NT_MIB)
#define MOST_BYTES 0x1p40 /* what the setting takes, and up to which node */
#define NODE_MAX 1023

static struct nt_tune_node *node_of(struct nt_evidence *e, int32_t id)
{
    for (size_t n = 0; n < e->nodes; n++)
        if (e->node[n].id == id)
            return &e->node[n];
    if (e->nodes == NT_NODES_MAX)
        return NULL;
    e->node[e->nodes] = (struct nt_tune_node){.id = id};
    return &e->node[e->nodes++];
}

/* At most that was ever live in large blocks. */
static double large_peak(const struct nt_snapshot *s)
{
    for (size_t c = 0; c < s->classes; c++)
        if (s->class_[c].block_bytes == 0)
            return (double)s->class_[c].live_bytes_peak;
    return 0;
}

static double committed(const struct nt_history *h, size_t i, size_t n)
{
    return (double)nt__history_point(h, i)[1 + h->nodes + n];
}

/* The level is taken, less what no reserve keeps. */
static void came_to(struct nt_tune_node *to, double level, double off)
{
    level = level > off ? level - off : 0;
    if (!to->low_is_known || level < to->low)
        to->low = level;
    if (level > to->high)
        to->high = level;
    to->low_is_known = true;
}

static void look(struct nt_tune_node *to, const struct nt_history *h, size_t n,
                 double off)
{
    double most = 0, top = 0, bottom = 0;
    bool up = false, been_up = false, again = false;

    for (size_t i = 0; i < h->count; i++)
        if (committed(h, i, n) > most)
            most = committed(h, i, n);
    for (size_t i = 0; i < h->count; i++) {
        double level = committed(h, i, n);
        bool is_up = level > most / 2;

        if (is_up && !up && been_up) {
            to->again++;
            to->fallen += bottom > off ? bottom - off : 0;
            again = true;
            top = 0;
        }
        if (!is_up && up && again)
            came_to(to, top, off);
        if (!is_up && (up || level < bottom))
            bottom = level;
        if (is_up && level > top)
            top = level;
        up = is_up;
        been_up |= is_up;
    }
    if (up)
        came_to(to, again ? top : most, off);
    else if (!again)
        came_to(to, most, off);
}

void nt__evidence_reserve(struct nt_evidence *e, const struct nt_record *r)
{
    const struct nt_snapshot *s = &r->snapshot;
    double off = s->nodes > 1 ? large_peak(s) : 0;

    if (r->history.count < 3 || r->history.nodes != s->nodes)
        return;
    e->histories++;
    for (size_t n = 0; n < s->nodes; n++) {
        struct nt_tune_node *to = node_of(e, s->node_id[n]);

        if (to == NULL)
            return;
        to->returned += (double)s->node[n].returned_bytes_total;
        look(to, &r->history, n, off);
    }
}

/* Bytes that the reserve spares the node's pages to be faulted in again. */
static double spared(const struct nt_tune_node *n)
{
    double again = n->again * n->low - n->fallen;

    return again < 0 ? 0 : again < n->returned ? again : n->returned;
}

void nt__propose_reserve(struct nt_proposal *out)
{
    const struct nt_evidence *e = out->evidence;

    if (e->page_bytes == 0 || e->cpu_ns <= 0)
        return;
    for (size_t i = 0; i < e->nodes; i++) {
        const struct nt_tune_node *n = &e->node[i];

        if (n->again < LEAST_TIMES || n->low < LEAST_BYTES || n->low > MOST_BYTES ||
            n->id < 0 || n->id > NODE_MAX || spared(n) <= 0)
            continue;
        out->reserve[i] = floor(n->low / (double)NT_MIB) * (double)NT_MIB;
        out->reserve_saves_ns += spared(n) / (double)e->page_bytes * FAULT_NS;
    }
    if (out->reserve_saves_ns < WORTH * e->cpu_ns)
        return;
    out->reserves =
        out->return_ms == 0 || out->reserve_saves_ns >= SAME * out->return_saves_ns;
    if (out->reserves)
        out->return_ms = 0;
}

/* ---- as text ------------------------------------------------------------------------------- */

static double mib(double bytes)
{
    return bytes / (double)NT_MIB;
}

static void put_node(FILE *out, const struct nt_tune_node *n)
{
    fprintf(
        out,
        "#   node %" PRId32 ": %u times it had given memory back and came to %.2f to "
        "%.2f MiB again;\n#     the next time needs the least of these, too, in %u of "
        "%u cases, if it is like the others.\n",
        n->id, n->again, mib(n->low), mib(n->high), n->again, n->again + 1);
}

void nt__reserve_conf(FILE *out, const struct nt_proposal *p)
{
    const struct nt_evidence *e = p->evidence;
    const char *between = "";

    if (e->histories == 0) {
        fputs("\n# reserve is not set: no record has a history (those of jobs have "
              "none).\n",
              out);
        return;
    }
    if (!p->reserves && p->return_ms != 0 && p->reserve_saves_ns > 0) {
        fputs("\n# reserve is not set: return does the same, for more of the memory.\n",
              out);
        return;
    }
    if (!p->reserves) {
        fputs(
            "\n# reserve is not set: no node gave back, twice or more, what it had in "
            "use again each time,\n# or it cost too little; and of several nodes "
            "blocks above 512 KiB do not count.\n",
            out);
        return;
    }
    fputs("\n# reserve. What each of these nodes had in use again each time:\n", out);
    for (size_t i = 0; i < e->nodes; i++)
        if (p->reserve[i] > 0)
            put_node(out, &e->node[i]);
    fprintf(out,
            "# Kept, it saves page faults of some %.2f s, of %.2f s of processor time; "
            "others\n# have to do without the memory. prefault:on may help, too: only "
            "a run "
            "can say so\n# (--verify --search).\nreserve:",
            p->reserve_saves_ns / 1e9, e->cpu_ns / 1e9);
    for (size_t i = 0; i < e->nodes; i++) {
        if (p->reserve[i] <= 0)
            continue;
        fprintf(out, "%s%" PRId32 "=%.0fM", between, e->node[i].id, mib(p->reserve[i]));
        between = ";";
    }
    fputc('\n', out);
}

json_t *nt__reserve_setting(const struct nt_proposal *p)
{
    json_t *nodes = json_object();
    char id[16];

    for (size_t i = 0; i < p->evidence->nodes; i++) {
        if (p->reserve[i] <= 0)
            continue;
        snprintf(id, sizeof id, "%" PRId32, p->evidence->node[i].id);
        json_object_set_new(nodes, id, json_integer((json_int_t)p->reserve[i]));
    }
    return nodes;
}

json_t *nt__reserve_json(const struct nt_proposal *p)
{
    json_t *nodes = json_array();

    for (size_t i = 0; i < p->evidence->nodes; i++) {
        const struct nt_tune_node *n = &p->evidence->node[i];

        json_array_append_new(nodes, json_pack("{s:i, s:i, s:f, s:f, s:f}", "node",
                                               n->id, "times", (int)n->again,
                                               "least_bytes", n->low, "most_bytes",
                                               n->high, "returned_bytes", n->returned));
    }
    return json_pack("{s:f, s:o}", "saves_ns", p->reserve_saves_ns, "nodes", nodes);
}
