/* SPDX-License-Identifier: MIT */
/*
 * Blocks that come and go in a loop, on nodes that are real: space is recycled with its
 * pages for a thread that has shown it uses them alone, and for no other.
 */
#include "lab.h"

#include <numatally/numatally.h>

enum { SIZE = 1 << 20, LOCAL = 30, PROVED = 4 };

static void touch_rest(void *arg)
{
    char *p = arg;
    memset(p + SIZE / 2, 1, SIZE / 2);
}

/* A block written to by this thread, which runs on `own`, or half by one on another. Does
 * all of it lie with who wrote first? */
static bool cycle(int own, int other)
{
    struct lab_pages half[2] = {{.all = 0}, {.all = 0}};
    char *p = nt_malloc(SIZE);
    memset(p, 1, SIZE / 2);
    lab_on(other, touch_rest, p);
    lab_ask(&half[0], p, SIZE / 2);
    lab_ask(&half[1], p + SIZE / 2, SIZE / 2);
    nt_free(p);
    return half[0].on[own] == half[0].all && half[1].on[other] == half[1].all;
}

/* A loop that is shared from its start on has no block wrong. */
static void run_shared(void)
{
    lab_go(lab_node[0]);
    for (int i = 0; i < 64; i++)
        CHECK(cycle(lab_node[0], lab_node[1]));
}

/* One that becomes shared has some wrong until the next probe, fewer than were right by the
 * habit before, and then none for ever: after 4 come the probes after 4, 8 and 16 more. */
static void run_changed(void)
{
    lab_go(lab_node[0]);
    for (int i = 0; i < LOCAL; i++)
        CHECK(cycle(lab_node[0], lab_node[0]));
    int wrong = 0;
    while (!cycle(lab_node[0], lab_node[1]))
        wrong++;
    printf("%d blocks by the old habit\n", wrong);
    CHECK(wrong == 4 + 4 + 8 + 16 - LOCAL);
    for (int i = 0; i < 64; i++)
        CHECK(cycle(lab_node[0], lab_node[1]));
    /* And once more by the new one. */
    for (int i = 0; i < PROVED; i++)
        CHECK(cycle(lab_node[0], lab_node[0]));
    CHECK(!cycle(lab_node[0], lab_node[1]));
}

/* The thread moves: what it kept stays behind. */
static void run_moved(void)
{
    lab_go(lab_node[0]);
    for (int i = 0; i < LOCAL; i++)
        CHECK(cycle(lab_node[0], lab_node[0]));
    lab_go(lab_node[1]);
    for (int i = 0; i < LOCAL; i++)
        CHECK(cycle(lab_node[1], lab_node[1]));
}

int main(int argc, char **argv)
{
    static const struct lab_case cases[] = {
        {"shared", run_shared, NULL, NULL, 2},
        {"changed", run_changed, NULL, NULL, 2},
        {"moved", run_moved, NULL, NULL, 2},
    };
    return lab_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
