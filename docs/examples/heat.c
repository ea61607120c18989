/* SPDX-License-Identifier: MIT */
/* Heat spreads over a plate: a code as there are many, with OpenMP. */
#include <stdio.h>
#include <stdlib.h>

#define ROWS 1024
#define COLUMNS 1024

static double *plate(void)
{
    double *p = malloc((size_t)ROWS * COLUMNS * sizeof *p);

    if (p == NULL)
        exit(1);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 0; i < COLUMNS; i++)
            p[row * COLUMNS + i] = row == 0 ? 100 : 0;
    return p;
}

static void step(const double *from, double *to)
{
#pragma omp parallel for schedule(static)
    for (size_t row = 1; row < ROWS - 1; row++)
        for (size_t i = row * COLUMNS + 1; i < (row + 1) * COLUMNS - 1; i++)
            to[i] =
                (from[i - COLUMNS] + from[i - 1] + from[i + 1] + from[i + COLUMNS]) / 4;
}

int main(void)
{
    double *a = plate(), *b = plate();
    double sum = 0;

    for (int i = 0; i < 20; i++) {
        step(a, b);
        step(b, a);
    }
    for (size_t i = 0; i < (size_t)ROWS * COLUMNS; i++)
        sum += a[i];
    printf("heat: %.3f\n", sum);
    return 0;
}
