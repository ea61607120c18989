/* SPDX-License-Identifier: MIT */
#include "numa/policy.h"

#include "numa/topo.h"
#include "src/base/fmt.h"

#include <string.h>

static const struct {
    const char *word;
    bool takes_list;
} modes[] = {
    [NT_LOCAL] = {"local", false},
    [NT_BIND] = {"bind", true},
    [NT_PREFERRED] = {"preferred", true},
    [NT_PREFERRED_MANY] = {"preferred-many", true},
    [NT_INTERLEAVE] = {"interleave", true},
    [NT_WEIGHTED_INTERLEAVE] = {"weighted-interleave", true},
    [NT_INHERIT] = {"inherit", false},
};

const char *nt__policy_make(const char *mode, size_t length, const char *list,
                            struct nt_policy *out)
{
    struct nt_policy p = {0};
    unsigned m = 0;
    while (m < NT_ARRAY_LEN(modes) && (strlen(modes[m].word) != length ||
                                       memcmp(modes[m].word, mode, length) != 0))
        m++;
    if (m == NT_ARRAY_LEN(modes))
        return "is none of local, bind, preferred, preferred-many, interleave, "
               "weighted-interleave, inherit";
    if (list && !modes[m].takes_list)
        return "takes no nodes";
    if (!list && m == NT_PREFERRED)
        return "needs a node, as in preferred:1";
    p.mode = (uint8_t)m;
    if (!nt__topo_slots(list ? list : "all", &p.slots))
        return "has nodes that are no list such as 0-3,5 or !2 or all, or that this "
               "process may not take memory of";
    if (m == NT_PREFERRED && (p.slots & (p.slots - 1)) != 0)
        return "takes one node; preferred-many takes several";
    *out = p;
    return NULL;
}

const char *nt__policy_parse(const char *text, struct nt_policy *out)
{
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text);
    return nt__policy_make(text, length, colon ? colon + 1 : NULL, out);
}

void nt__policy_name(const struct nt_policy *p, char *name, size_t max)
{
    const struct nt_topo *topo = nt__topo();
    size_t at = 0;
    at += nt__fmt_into(name, max, "%s", modes[p->mode].word);
    char before = ':';
    for (uint64_t left = modes[p->mode].takes_list ? p->slots : 0; left != 0;) {
        unsigned first = (unsigned)__builtin_ctzll(left), last = first;
        while (last + 1 < topo->nodes && (left >> (last + 1) & 1) &&
               topo->node[last + 1].id == topo->node[last].id + 1)
            last++;
        at += nt__fmt_into(name + at, max - at, last > first ? "%c%d-%d" : "%c%d",
                           before, topo->node[first].id, topo->node[last].id);
        before = ',';
        left &= last == 63 ? 0 : ~(uint64_t)0 << (last + 1);
    }
}
