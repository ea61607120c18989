/* SPDX-License-Identifier: MIT */
/*
 * The matrix of frees, node by node, is exactly what this program did.
 *
 * Each node has a thread that allocates, then one that frees what it is given: so many
 * of each other node's blocks as a number made up for the pair says, one by one, large
 * blocks among them. The library is asked by nt_snapshot before and after. It is looked
 * up by name, so that this stays a plain program: without the library it has nothing to
 * ask and says so.
 */
#include "bench/nodes.h"
#include "tests/front/check.h"

#include <dlfcn.h>
#include <numatally/stats.h>

enum { BLOCKS = 60000 };

static struct {
    struct nodes nodes;
    unsigned frees[NODES_MOST][NODES_MOST]; /* by the freeing node, the blocks' node */
    void **block[NODES_MOST];               /* what each node's thread has allocated */
    unsigned taken[NODES_MOST];             /* of these are freed */
    unsigned kept;
} g;

/* Different for each pair, the same in each run. */
static unsigned made_up(unsigned from, unsigned home)
{
    return 100 + (from * 131 + home * 917 + 57) % 1500;
}

static size_t size_of(unsigned i)
{
    return i % 500 == 499 ? MIB : 1 + i * 37 % 3000;
}

static unsigned blocks_of(unsigned home)
{
    unsigned sum = 0;
    for (unsigned from = 0; from < g.nodes.count; from++)
        sum += g.frees[from][home];
    return sum;
}

static void *allocate(void *argument)
{
    unsigned home = *(unsigned *)argument;

    for (unsigned i = 0, all = blocks_of(home); i < all; i++)
        nodes_touch(g.block[home][i] = malloc(size_of(i)), 1);
    return NULL;
}

static void *release(void *argument)
{
    unsigned from = *(unsigned *)argument;

    for (unsigned home = 0; home < g.nodes.count; home++)
        for (unsigned i = 0; i < g.frees[from][home]; i++)
            free(g.block[home][g.taken[home]++]);
    return NULL;
}

/* One thread after the other: all are still when the figures are read. */
static void on_each_node(void *(*run)(void *))
{
    for (unsigned node = 0; node < g.nodes.count; node++)
        if (g.nodes.node[node].cpu_count)
            pthread_join(nodes_thread(&g.nodes.node[node], run, &node), NULL);
}

static void compare(const struct nt_snapshot *before, const struct nt_snapshot *after,
                    unsigned slot_of[])
{
    unsigned expected[NODES_MOST][NODES_MOST] = {0};
    char line[128];

    for (unsigned from = 0; from < g.nodes.count; from++)
        for (unsigned home = 0; home < g.nodes.count; home++)
            expected[slot_of[from]][slot_of[home]] += g.frees[from][home];
    for (unsigned f = 0; f < after->nodes; f++) {
        for (unsigned h = 0; h < after->nodes; h++) {
            uint64_t counted = after->free_matrix[f][h] - before->free_matrix[f][h];
            printf("%8llu", (unsigned long long)counted);
            snprintf(line, sizeof line,
                     "%u frees by node %d of node %d's, %llu counted", expected[f][h],
                     after->node_id[f], after->node_id[h], (unsigned long long)counted);
            CHECK(line, counted == expected[f][h]);
        }
        printf("\n");
    }
}

int main(void)
{
    static struct nt_snapshot before, after;
    unsigned slot_of[NODES_MOST] = {0};
    int (*snapshot)(struct nt_snapshot *) =
        (int (*)(struct nt_snapshot *))dlsym(RTLD_DEFAULT, "nt_snapshot");

    if (!snapshot)
        nodes_fail("no nt_snapshot here: preload libnumatally_malloc.so");
    nodes_read(&g.nodes);
    for (unsigned from = 0; from < g.nodes.count; from++)
        for (unsigned home = 0; home < g.nodes.count; home++)
            if (g.nodes.node[from].cpu_count && g.nodes.node[home].cpu_count)
                g.frees[from][home] = made_up(from, home);
    for (unsigned home = 0; home < g.nodes.count; home++)
        g.block[home] = nodes_map(BLOCKS * sizeof(void *));
    snapshot(&before);
    for (unsigned i = 0; i < g.nodes.count; i++)
        for (unsigned slot = 0; slot < before.nodes; slot++)
            if (before.node_id[slot] == g.nodes.node[i].id)
                slot_of[i] = slot;
    on_each_node(allocate);
    snapshot(&before);
    on_each_node(release);
    snapshot(&after);
    compare(&before, &after, slot_of);
    CHECK("there is a slot for each node", after.nodes == g.nodes.count);
    return done();
}
