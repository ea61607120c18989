/* SPDX-License-Identifier: MIT */
/* The part "history" of a record: the inverse of nt__history_json. */
#include "src/tool/record.h"

/* Words of a point, one for each node. */
static bool get_levels(const json_t *object, const char *key, unsigned nodes,
                       uint64_t *out)
{
    size_t n;

    if (!nt__record_numbers(object, key, nodes, out, &n))
        return false;
    if (n != nodes)
        return nt__record_refuse("has not one number for each node", key);
    for (size_t i = 0; i < n; i++)
        if (out[i] > INT64_MAX)
            return nt__record_refuse("is negative", key);
    return true;
}

bool nt__record_history(const json_t *root, unsigned nodes, struct nt_history *out)
{
    const json_t *history = json_object_get(root, "history"), *points;

    if (history == NULL)
        return true;
    nt__history_start(out, nodes);
    if (!nt__record_u64(history, "interval_ns", &out->interval_ns) ||
        !nt__record_array(history, "points", nt__history_room(out), &points))
        return false;
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *o = json_array_get(points, i);
        uint64_t point[NT_HISTORY_ROW_MAX];

        if (!nt__record_u64(o, "ns", &point[0]) ||
            !get_levels(o, "live_bytes_now", nodes, point + 1) ||
            !get_levels(o, "committed_bytes_now", nodes, point + 1 + nodes))
            return false;
        if (!nt__history_end(out, point))
            return nt__record_refuse("is not above that of the point before", "ns");
    }
    return true;
}
