/* SPDX-License-Identifier: MIT */
/*
 * Memory over time: what was live and committed on each node, at a few hundred moments
 * from the start of a process to now.
 *
 * Points are added at most once per interval. When there is no room for more, every second
 * one is dropped and the interval doubles: so the size is bounded, and the whole life of the
 * process is always covered. The last point is the present, of whoever asked, and may come
 * sooner.
 *
 * A point is a row of words: nanoseconds since the start, live bytes of each node, committed
 * bytes of each node. Rows are as long as there are nodes, so machines with few of them
 * touch little memory, and those with more than eight have room for fewer points.
 *
 * Whoever holds a history sees to it that one caller at a time changes or reads it.
 */
#ifndef NT_TRACK_HISTORY_H
#define NT_TRACK_HISTORY_H

#include "src/base/fmt.h"

#include <numatally/stats.h>

#define NT_HISTORY_POINTS 256u /* most points, of up to 8 nodes */
#define NT_HISTORY_WORDS ((size_t)NT_HISTORY_POINTS * (1 + 2 * 8))
#define NT_HISTORY_ROW_MAX (1 + 2 * NT_NODES_MAX) /* words of a point */
#define NT_HISTORY_INTERVAL_NS 10000000u          /* at the start */

/* Zeroed: there is none. */
struct nt_history {
    uint64_t interval_ns; /* least time between two points, the last apart */
    uint32_t nodes;
    uint32_t count; /* points */
    uint64_t word[NT_HISTORY_WORDS];
};

static inline size_t nt__history_row(const struct nt_history *h)
{
    return 1 + 2 * (size_t)h->nodes;
}

static inline const uint64_t *nt__history_point(const struct nt_history *h, size_t i)
{
    return &h->word[i * nt__history_row(h)];
}

/* Most points of it: an even number. */
NT_HIDDEN size_t nt__history_room(const struct nt_history *h);

/* Bytes of it that mean something. */
static inline size_t nt__history_bytes(const struct nt_history *h)
{
    return offsetof(struct nt_history, word) +
           h->count * nt__history_row(h) * sizeof h->word[0];
}

/* Empty it, for so many nodes (1 to NT_NODES_MAX). */
NT_HIDDEN void nt__history_start(struct nt_history *h, unsigned nodes);

/* Add a point; one that comes too early is left out. */
NT_HIDDEN void nt__history_add(struct nt_history *h, const uint64_t *point);

/* Add the last point, at any time after the others. False: it is not after them. */
NT_HIDDEN bool nt__history_end(struct nt_history *h, const uint64_t *point);

/* May it be read, whoever made it? */
NT_HIDDEN bool nt__history_is_whole(const struct nt_history *h);

/* The part "history" of a record. */
NT_HIDDEN void nt__history_json(struct nt_fmt *f, const struct nt_history *h);

#endif
