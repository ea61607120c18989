/* SPDX-License-Identifier: MIT */
/* Each step's blocks in the pool of the node that the thread runs on. */
#include <numatally/numa.h>
#include <stdio.h>

enum { NODES = 64, STEPS = 10, BLOCKS = 1000 };

int main(void)
{
    struct nt_pool *pools[NODES] = {NULL};
    int failed = 0;

    for (unsigned i = 0; i < nt_node_count(); i++) {
        struct nt_node_info node;
        char name[32], list[16];

        if (nt_node_info(i, &node) != 0 || !node.has_memory || node.node >= NODES)
            continue;
        snprintf(name, sizeof name, "node-%d", node.node);
        snprintf(list, sizeof list, "%d", node.node);
        if (nt_pool_create(
                &(struct nt_pool_options){.size = sizeof(struct nt_pool_options),
                                          .name = name,
                                          .nodes = list},
                &pools[node.node]) != 0)
            return 1;
    }
    for (int step = 0; step < STEPS; step++) {
#pragma omp parallel reduction(+ : failed)
        {
            struct nt_pool *pool = pools[nt_node_here()];

            for (size_t i = 0; i < BLOCKS; i++)
                failed += nt_pool_malloc(pool, 100 + i) == NULL;
        }
        for (int node = 0; node < NODES; node++)
            if (pools[node] != NULL)
                nt_pool_reset(pools[node]);
    }
    for (int node = 0; node < NODES; node++)
        nt_pool_destroy(pools[node]);
    printf("%d failed\n", failed);
    return failed != 0;
}
