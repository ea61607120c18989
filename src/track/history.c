/* SPDX-License-Identifier: MIT */
#include "src/track/history.h"

#include <string.h>

size_t nt__history_room(const struct nt_history *h)
{
    return nt__min(NT_HISTORY_WORDS / nt__history_row(h), NT_HISTORY_POINTS) & ~1u;
}

void nt__history_start(struct nt_history *h, unsigned nodes)
{
    h->interval_ns = NT_HISTORY_INTERVAL_NS;
    h->nodes = nodes;
    h->count = 0;
}

static uint64_t ns_of(const struct nt_history *h, size_t i)
{
    return nt__history_point(h, i)[0];
}

/* The first, the third, and so on stay. */
static void thin_out(struct nt_history *h)
{
    size_t row = nt__history_row(h);

    h->count /= 2;
    for (size_t i = 1; i < h->count; i++)
        memcpy(&h->word[i * row], &h->word[2 * i * row], row * sizeof h->word[0]);
    __atomic_store_n(&h->interval_ns, 2 * h->interval_ns, __ATOMIC_RELAXED);
}

bool nt__history_end(struct nt_history *h, const uint64_t *point)
{
    size_t row = nt__history_row(h);

    if (h->count > 0 && point[0] <= ns_of(h, h->count - 1))
        return false;
    if (h->count == nt__history_room(h))
        thin_out(h);
    memcpy(&h->word[h->count * row], point, row * sizeof h->word[0]);
    h->count++;
    return true;
}

void nt__history_add(struct nt_history *h, const uint64_t *point)
{
    if (h->count == 0 || point[0] >= ns_of(h, h->count - 1) + h->interval_ns)
        nt__history_end(h, point);
}

bool nt__history_is_whole(const struct nt_history *h)
{
    if (h->nodes > NT_NODES_MAX || h->count > nt__history_room(h))
        return false;
    for (size_t i = 1; i < h->count; i++)
        if (ns_of(h, i) <= ns_of(h, i - 1))
            return false;
    return true;
}

static void numbers(struct nt_fmt *f, const char *key, const uint64_t *v, size_t n)
{
    nt__json_key(f, key);
    nt__json_open(f, '[');
    for (size_t i = 0; i < n; i++)
        nt__json_u64(f, v[i]);
    nt__json_close(f, ']');
}

void nt__history_json(struct nt_fmt *f, const struct nt_history *h)
{
    nt__json_key(f, "history");
    nt__json_open(f, '{');
    nt__json_key(f, "interval_ns");
    nt__json_u64(f, h->interval_ns);
    nt__json_key(f, "points");
    nt__json_open(f, '[');
    for (size_t i = 0; i < h->count; i++) {
        const uint64_t *point = nt__history_point(h, i);

        nt__json_open(f, '{');
        nt__json_key(f, "ns");
        nt__json_u64(f, point[0]);
        numbers(f, "live_bytes_now", point + 1, h->nodes);
        numbers(f, "committed_bytes_now", point + 1 + h->nodes, h->nodes);
        nt__json_close(f, '}');
    }
    nt__json_close(f, ']');
    nt__json_close(f, '}');
}
