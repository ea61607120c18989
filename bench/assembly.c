/* SPDX-License-Identifier: MIT */
/*
 * A sparse matrix, assembled as finite elements do, for tuning.py: what it asks for is many
 * blocks of few sizes, which no built-in table can know.
 *
 * A grid of N x N x N nodes with three unknowns each; a node's row of blocks of 3 x 3 doubles
 * has a place for each of its neighbours (27 inside, 18, 12 or 8 at the border), and a list of
 * their numbers. The elements are added, the rows are summed up, and everything is freed.
 * Prints the sum of all entries, which is that of the elements' matrices.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 40, BLOCK = 9, CORNERS = 8 };

struct row {
    unsigned count, room;
    uint32_t *column;
    double (*block)[BLOCK];
};

static struct row rows[N * N * N];

static uint32_t node(int x, int y, int z)
{
    return (uint32_t)((z * N + y) * N + x);
}

/* Places along one direction: a node at the border has a neighbour less. */
static unsigned places(int i)
{
    return i == 0 || i == N - 1 ? 2 : 3;
}

static void make(int x, int y, int z)
{
    struct row *row = &rows[node(x, y, z)];

    row->room = places(x) * places(y) * places(z);
    row->column = malloc(row->room * sizeof *row->column);
    row->block = calloc(row->room, sizeof *row->block);
    if (row->column == NULL || row->block == NULL)
        abort();
}

static void add(struct row *row, uint32_t column, const double *block)
{
    unsigned at = 0;

    while (at < row->count && row->column[at] != column)
        at++;
    if (at == row->count) {
        if (row->count == row->room)
            abort();
        row->column[row->count++] = column;
    }
    for (int i = 0; i < BLOCK; i++)
        row->block[at][i] += block[i];
}

static void element(int x, int y, int z, const double *block)
{
    uint32_t corner[CORNERS];

    for (int i = 0; i < CORNERS; i++)
        corner[i] = node(x + (i & 1), y + (i >> 1 & 1), z + (i >> 2));
    for (int i = 0; i < CORNERS; i++)
        for (int k = 0; k < CORNERS; k++)
            add(&rows[corner[i]], corner[k], block);
}

int main(void)
{
    const double block[BLOCK] = {2, 0, 0, 0, 2, 0, 0, 0, 2};
    double sum = 0;

    for (int z = 0; z < N; z++)
        for (int y = 0; y < N; y++)
            for (int x = 0; x < N; x++)
                make(x, y, z);
    for (int z = 0; z + 1 < N; z++)
        for (int y = 0; y + 1 < N; y++)
            for (int x = 0; x + 1 < N; x++)
                element(x, y, z, block);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned k = 0; k < rows[i].count; k++)
            for (int b = 0; b < BLOCK; b++)
                sum += rows[i].block[k][b];
        free(rows[i].column);
        free(rows[i].block);
    }
    printf("%.0f\n", sum);
    return 0;
}
