/* SPDX-License-Identifier: MIT */
/*
 * Kinds of memory, and lists of nodes in words.
 *
 * hwloc names a node's memory where the firmware or the kernel does. Where it does not,
 * memory with cpus is called DRAM. Memory without cpus is guessed, and marked so: HBM
 * when the firmware's table (HMAT) gives it at least half as much bandwidth again as the
 * best DRAM has; CXL when it has less than DRAM; else "other".
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/machine.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[NT_TIERS] = {
    [NT_TIER_NONE] = "none", [NT_TIER_OTHER] = "other", [NT_TIER_DRAM] = "dram",
    [NT_TIER_HBM] = "hbm",   [NT_TIER_CXL] = "cxl",     [NT_TIER_NVM] = "nvm",
    [NT_TIER_GPU] = "gpu"};

const char *nt__tier_word(enum nt_tier tier)
{
    return words[tier];
}

enum nt_tier nt__tier_of_subtype(const char *subtype)
{
    static const struct {
        const char *part;
        enum nt_tier tier;
    } known[] = {{"CXL", NT_TIER_CXL}, {"HBM", NT_TIER_HBM}, {"MCDRAM", NT_TIER_HBM},
                 {"NVM", NT_TIER_NVM}, {"GPU", NT_TIER_GPU}, {"DRAM", NT_TIER_DRAM}};
    for (size_t i = 0; subtype != NULL && i < NT_ARRAY_LEN(known); i++)
        if (strcasestr(subtype, known[i].part) != NULL)
            return known[i].tier;
    return NT_TIER_NONE;
}

void nt__tier_guess(struct nt_machine *m)
{
    uint64_t dram = 0; /* the best bandwidth of ordinary memory */
    for (size_t i = 0; i < m->nodes; i++) {
        struct nt_machine_node *n = &m->node[i];
        if (!n->has_memory) {
            n->tier = NT_TIER_NONE;
        } else if (n->tier == NT_TIER_NONE && !hwloc_bitmap_iszero(n->cpus)) {
            n->tier = NT_TIER_DRAM;
        }
        if (n->tier == NT_TIER_DRAM && n->bandwidth_mib_s > dram)
            dram = n->bandwidth_mib_s;
    }
    for (size_t i = 0; i < m->nodes; i++) {
        struct nt_machine_node *n = &m->node[i];
        if (!n->has_memory || n->tier != NT_TIER_NONE)
            continue;
        n->tier_guessed = true;
        n->tier = NT_TIER_OTHER;
        if (dram != 0 && n->bandwidth_mib_s >= dram + dram / 2)
            n->tier = NT_TIER_HBM;
        else if (n->bandwidth_mib_s != 0 && n->bandwidth_mib_s < dram)
            n->tier = NT_TIER_CXL;
    }
}

/* ---- tiers to nodes ------------------------------------------------------------ */

static bool usable(const struct nt_machine_node *n)
{
    return n->has_memory && n->allowed;
}

/* Without figures: what is faster than what by its kind. */
static uint64_t usual_speed(enum nt_tier tier)
{
    static const uint64_t speed[NT_TIERS] = {
        [NT_TIER_HBM] = 3, [NT_TIER_DRAM] = 2, [NT_TIER_CXL] = 1};
    return speed[tier];
}

/* Bandwidth counts only when it is known of all; a GPU's is not meant by "fastest". */
static enum nt_tier fastest(const struct nt_machine *m)
{
    enum nt_tier best = NT_TIER_NONE;
    uint64_t most = 0;
    bool known = true;
    for (size_t i = 0; i < m->nodes; i++)
        if (usable(&m->node[i]) && m->node[i].tier != NT_TIER_GPU)
            known = known && m->node[i].bandwidth_mib_s != 0;
    for (size_t i = 0; i < m->nodes; i++) {
        const struct nt_machine_node *n = &m->node[i];
        uint64_t speed = known ? n->bandwidth_mib_s : usual_speed(n->tier);
        if (!usable(n) || n->tier == NT_TIER_GPU || (best && speed <= most))
            continue;
        best = n->tier;
        most = speed;
    }
    return best;
}

static enum nt_tier largest(const struct nt_machine *m)
{
    uint64_t bytes[NT_TIERS] = {0};
    unsigned best = NT_TIER_NONE;
    for (size_t i = 0; i < m->nodes; i++)
        if (usable(&m->node[i]))
            bytes[m->node[i].tier] += m->node[i].memory_bytes + 1; /* 0: not known */
    for (unsigned t = 0; t < NT_TIERS; t++)
        if (bytes[t] > bytes[best])
            best = t;
    return (enum nt_tier)best;
}

bool nt__tier_nodes(const struct nt_machine *m, const char *word, hwloc_bitmap_t out)
{
    unsigned tier = NT_TIER_NONE;
    hwloc_bitmap_zero(out);
    if (strcasecmp(word, "fastest") == 0)
        tier = fastest(m);
    else if (strcasecmp(word, "largest") == 0)
        tier = largest(m);
    else
        for (tier = NT_TIER_NONE + 1; tier < NT_TIERS; tier++)
            if (strcasecmp(word, words[tier]) == 0)
                break;
    if (tier == NT_TIERS)
        return false;
    for (size_t i = 0; i < m->nodes; i++)
        if (usable(&m->node[i]) && m->node[i].tier == tier)
            hwloc_bitmap_set(out, (unsigned)m->node[i].id);
    return true;
}

/* ---- lists ---------------------------------------------------------------------- */

/* What is said of a list that is refused: the nodes that would do. */
static void list_usable(const struct nt_machine *m, char *buf, size_t size)
{
    hwloc_bitmap_t all = hwloc_bitmap_alloc();
    for (size_t i = 0; i < m->nodes; i++)
        if (usable(&m->node[i]))
            hwloc_bitmap_set(all, (unsigned)m->node[i].id);
    hwloc_bitmap_list_snprintf(buf, size, all);
    hwloc_bitmap_free(all);
}

static void list_tiers(const struct nt_machine *m, char *buf, size_t size)
{
    hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
    size_t at = 0;
    buf[0] = '\0';
    for (unsigned t = NT_TIER_NONE + 1; t < NT_TIERS; t++) {
        char list[256];
        nt__tier_nodes(m, words[t], nodes);
        if (hwloc_bitmap_iszero(nodes))
            continue;
        hwloc_bitmap_list_snprintf(list, sizeof list, nodes);
        at += nt__fmt_into(buf + at, size - at, "%s%s (node%s %s)", at ? ", " : "",
                           words[t], hwloc_bitmap_weight(nodes) == 1 ? "" : "s", list);
    }
    hwloc_bitmap_free(nodes);
}

/* One entry without its commas: a number, a range or a tier. NULL, or what is wrong. */
static const char *add_numbers(const struct nt_machine *m, unsigned long first,
                               unsigned long last, hwloc_bitmap_t out,
                               unsigned long *bad)
{
    for (unsigned long id = first; id <= last; id++) {
        int i = nt__machine_index(m, id <= INT32_MAX ? (long)id : -1);
        *bad = id;
        if (i < 0)
            return "there is no node";
        if (!m->node[i].has_memory)
            return "there is no memory on node";
        if (!m->node[i].allowed)
            return "a cpuset forbids this process the memory of node";
        hwloc_bitmap_set(out, (unsigned)id);
    }
    return NULL;
}

/* "3" or "0-3": true and its ends. */
static bool is_range(const char *entry, unsigned long *first, unsigned long *last)
{
    char *end;
    if (*entry < '0' || *entry > '9')
        return false;
    *first = *last = strtoul(entry, &end, 10);
    if (*end == '-' && end[1] >= '0' && end[1] <= '9')
        *last = strtoul(end + 1, &end, 10);
    return *end == '\0' && *first <= *last;
}

static bool add_entry(const struct nt_machine *m, const char *entry, hwloc_bitmap_t out,
                      char *why, size_t size)
{
    hwloc_bitmap_t nodes;
    unsigned long first, last, bad = 0;
    char there[512];
    const char *wrong;
    bool good;
    if (is_range(entry, &first, &last)) {
        wrong = add_numbers(m, first, last, out, &bad);
        list_usable(m, there, sizeof there);
        if (wrong != NULL)
            nt__fmt_into(why, size, "%s %lu; this process may use %s", wrong, bad,
                         there);
        return wrong == NULL;
    }
    nodes = hwloc_bitmap_alloc();
    list_tiers(m, there, sizeof there);
    good = nt__tier_nodes(m, entry, nodes);
    if (!good) {
        list_usable(m, there, sizeof there);
        nt__fmt_into(
            why, size,
            "\"%.64s\" is no node list such as 0-3,5, !2 or all, and no kind of "
            "memory (dram, hbm, cxl, nvm, gpu, other, fastest, largest); this "
            "process may use %s",
            entry, there);
    } else if (hwloc_bitmap_iszero(nodes)) {
        nt__fmt_into(why, size,
                     "there is no %.16s memory that this process may use; "
                     "there is %s",
                     entry, there);
        good = false;
    }
    hwloc_bitmap_or(out, out, nodes);
    hwloc_bitmap_free(nodes);
    return good;
}

/* The complement of `out` among what may be used. */
static void all_but(const struct nt_machine *m, hwloc_bitmap_t out)
{
    for (size_t i = 0; i < m->nodes; i++) {
        unsigned id = (unsigned)m->node[i].id;
        bool named = hwloc_bitmap_isset(out, id);
        hwloc_bitmap_clr(out, id);
        if (!named && usable(&m->node[i]))
            hwloc_bitmap_set(out, id);
    }
}

bool nt__machine_list(const struct nt_machine *m, const char *text, hwloc_bitmap_t out,
                      char *why, size_t why_size)
{
    bool inverted = *text == '!';
    char *copy = strdup(text + inverted), *rest = copy;
    bool good = copy != NULL;
    hwloc_bitmap_zero(out);
    if (strcmp(text, "all") == 0) {
        inverted = true;
        rest = NULL;
    }
    while (good && rest != NULL) {
        const char *entry = strsep(&rest, ",");
        good = add_entry(m, entry, out, why, why_size);
    }
    free(copy);
    if (good && inverted)
        all_but(m, out);
    if (good && hwloc_bitmap_iszero(out)) {
        nt__fmt_into(why, why_size, "no node is left that this process may use");
        good = false;
    }
    return good;
}
