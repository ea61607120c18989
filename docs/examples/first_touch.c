/* SPDX-License-Identifier: MIT */
/* The same loop over an array that one thread began, and one that all did. */
#include <numatally/numa.h>
#include <stdio.h>

#define N ((size_t)8 << 20)

/* Bytes of array[from..to) on another node than the thread that asks. */
static size_t elsewhere(const double *array, size_t from, size_t to)
{
    struct nt_residency r = {.size = sizeof r};
    size_t away = 0;

    if (nt_residency(array + from, (to - from) * sizeof *array, 0, &r) != 0)
        return 0;
    for (unsigned i = 0; i < nt_node_count(); i++) {
        struct nt_node_info node;

        if (nt_node_info(i, &node) == 0 && node.node != nt_node_here())
            away += r.on_node[i] * r.page_bytes;
    }
    return away;
}

static size_t use(double *array)
{
    size_t away = 0;

#pragma omp parallel for schedule(static) reduction(+ : away)
    for (size_t part = 0; part < 4; part++) {
        for (size_t i = part * (N / 4); i < (part + 1) * (N / 4); i++)
            array[i] += 1;
        away += elsewhere(array, part * (N / 4), (part + 1) * (N / 4));
    }
    return away;
}

int main(void)
{
    double *serial = nt_malloc(N * sizeof *serial),
           *parallel = nt_malloc(N * sizeof *parallel);

    if (serial == NULL || parallel == NULL)
        return 1;
    for (size_t i = 0; i < N; i++)
        serial[i] = 0;
#pragma omp parallel for schedule(static)
    for (size_t part = 0; part < 4; part++)
        for (size_t i = part * (N / 4); i < (part + 1) * (N / 4); i++)
            parallel[i] = 0;
    printf("begun by one thread: %zu MiB elsewhere\n", use(serial) >> 20);
    printf("begun by all:        %zu MiB elsewhere\n", use(parallel) >> 20);
    nt_free(serial);
    nt_free(parallel);
    return 0;
}
