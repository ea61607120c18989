/* SPDX-License-Identifier: MIT */
/* The setting `reserve`: off, a size for each node, or NODE=SIZE;NODE=SIZE. */
#include "src/base/conf.h"
#include "src/base/text.h"

#include <string.h>

#define NODE_MAX 1023 /* the kernel's own bound */

static const char *add(struct nt_reserve *r, uint64_t node, uint64_t bytes)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->node[i] == (int32_t)node)
            return "names a node twice";
    if (r->count == NT_ARRAY_LEN(r->node))
        return "names more than 64 nodes";
    r->node[r->count] = (int32_t)node;
    r->bytes[r->count++] = bytes;
    return NULL;
}

const char *nt__conf_reserve(struct nt_text v, struct nt_reserve *out)
{
    struct nt_reserve r = {0};
    struct nt_text part, node;
    uint64_t n, bytes;
    const char *wrong = NULL;

    if (nt__text_is(v, "off")) {
        *out = r;
        return NULL;
    }
    if (nt__text_number(v, NT_CONF_RESERVE_MAX, true, &bytes)) {
        r.each = bytes;
        *out = r;
        return NULL;
    }
    while (wrong == NULL && nt__text_next(&v, ';', &part)) {
        part = nt__text_trim(part);
        if (part.len == 0 && v.s == NULL && r.count > 0)
            break; /* a ';' at the end is fine */
        if (!nt__text_next(&part, '=', &node) || part.s == NULL ||
            !nt__text_number(nt__text_trim(node), NODE_MAX, false, &n) ||
            !nt__text_number(nt__text_trim(part), NT_CONF_RESERVE_MAX, true, &bytes))
            return "has a part that is no NODE=SIZE";
        wrong = add(&r, n, bytes);
    }
    if (wrong == NULL)
        *out = r;
    return wrong;
}
