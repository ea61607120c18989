/* SPDX-License-Identifier: MIT */
/*
 * The best table of size classes: arithmetic alone.
 *
 * Given are n sizes that a class may have, ascending, and how many blocks are to be served by
 * a class of at least that size. A table is some of these sizes, the last one among them;
 * each block gets the smallest class that is large enough. It costs the bytes by which classes
 * are larger than what they serve, and `class_cost` for each class. Wanted is the cheapest
 * table of at most `most` classes: exactly, not nearly.
 *
 * How. A class at i that follows one at j costs w(j, i) = size[i] (P[i] - P[j]), P being sums
 * of blocks. These costs have the Monge property (w(a,c) + w(b,d) <= w(a,d) + w(b,c) for
 * a <= b <= c <= d), from which two things follow:
 *
 *  - With a price for each class instead of a limit, the best table is found in one pass: as
 *    a function of size[i] what follows j is a straight line, and the lower envelope of these
 *    is kept in a queue. That is O(n).
 *  - The cost of the best table of m classes is convex in m. So there is a price at which the
 *    best tables have `most` classes, and it is searched for, by chords and halving. Costs are
 *    whole numbers, so at half of an odd one no two numbers of classes are equally good; if
 *    at the price k the best tables have from m1 to m2 classes, one of m1 and one of m2 are
 *    known and can be crossed to one with any number in between (Aggarwal, Schieber and
 *    Tokuyama 1994).
 *
 * The guard. What was not seen may be asked for tomorrow: so no size given, whether any block
 * asked for it or not, is to waste more than a part of its class. A class then may follow
 * another only so far, and not beyond a size that must be a class; the property above holds
 * with such costs infinite.
 */
#ifndef NT_TOOL_TUNE_CLASSES_H
#define NT_TOOL_TUNE_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The sum of `blocks`, times the last size, is to stay below this: then no sum overflows. */
#define NT_CLASSES_COST_MAX ((uint64_t)1 << 52)

struct nt_classes_problem {
    const uint64_t *size, *blocks;
    size_t n; /* 1 or more, below 2^32 */
    uint64_t class_cost;
    const bool *must; /* these sizes are to be classes; NULL: none need be */
    unsigned most;    /* 1 to 256 */
    unsigned
        guard; /* of 100 bytes of a class, the most that a size may waste; 100: none */
};

/* Find it: *chosen (room for n) gets the indices of its sizes. How many; 0: with this
 * guard no table is small enough, or there is no memory for the search (errno ENOMEM). */
size_t nt__classes_best(const struct nt_classes_problem *problem, uint32_t *chosen);

/* Bytes that a table of sizes of the problem wastes, without class_cost. */
uint64_t nt__classes_waste(const struct nt_classes_problem *problem,
                           const uint32_t *chosen, size_t count);

#endif
