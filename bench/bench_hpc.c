/* SPDX-License-Identifier: MIT */
/*
 * What do the inner parts of simulation codes cost that allocate all the time?
 *
 *   hpc/neighbours-N  as molecular dynamics does: particles in a periodic box are sorted
 *                     into cells, whose arrays grow by doubling; then each particle's
 *                     list of all others within the cutoff grows the same way. The lists
 *                     are walked and live until the next step, which builds them anew
 *                     after the particles have moved. One operation is one particle.
 *   hpc/assembly-N    as finite elements do: element matrices are added to the rows of a
 *                     sparse matrix, which grow by realloc from 4 entries; then all is
 *                     compressed to three arrays (CSR), the rows are freed, the matrix is
 *                     multiplied by a vector and freed. One operation is one row.
 * N is the number of threads, which share particles or rows. Cells and the three arrays
 * are allocated by one of them. Where the particles are divided changes from step to
 * step, as load balancing does, so some lists are freed by the thread that has not made
 * them. Most of the time is arithmetic on what was allocated, as in the real codes.
 */
#include "bench.h"
#include "crew.h"

#include <string.h>

/* What every growing array here does: doubles, from `least` elements. */
static void *grow(void *array, uint32_t *room, uint32_t least, size_t size)
{
    *room = *room ? 2 * *room : least;
    array = realloc(array, *room * size);
    if (!array)
        bench_no_memory();
    return array;
}

/* ---- neighbour lists ---------------------------------------------------------------- */

enum { SIDE = 12, CELLS = SIDE * SIDE * SIDE, PARTICLES = 8 * CELLS, FINE = 4096 };

struct list {
    uint32_t count, room;
    uint32_t *at;
};

/* Lengths are in cells, whose side is the cutoff. All are multiples of 1/FINE, so that
 * differences are exact: what A sees of B, B sees of A. */
static struct {
    uint64_t state;
    unsigned threads;
    uint32_t begin[CREW_MOST + 1]; /* particles of thread i: begin[i]..begin[i + 1]-1 */
    float position[PARTICLES][3];
    struct list cell[CELLS];
    struct list near[PARTICLES];
    uint64_t numbers[CREW_MOST]; /* sum of what the thread's lists hold */
    uint64_t wanted[CREW_MOST];  /* what that is over all threads: pairs count twice */
} box;

static void begin_box(const struct bench_case *c)
{
    box.state = 0xE7037ED1A0B428DBu;
    box.threads = c->threads;
    for (size_t i = 0; i < PARTICLES; i++)
        for (size_t k = 0; k < 3; k++)
            box.position[i][k] =
                (float)bench_random_below(&box.state, SIDE * FINE) / FINE;
}

static void list_add(struct list *list, uint32_t number, uint32_t least)
{
    if (list->count == list->room)
        list->at = grow(list->at, &list->room, least, sizeof *list->at);
    list->at[list->count++] = number;
}

static void list_end(struct list *list)
{
    free(list->at);
    *list = (struct list){0};
}

static size_t cell_of(const float *position)
{
    return ((size_t)position[0] * SIDE + (size_t)position[1]) * SIDE +
           (size_t)position[2];
}

static void move_and_sort(void)
{
    for (size_t i = 0; i < CELLS; i++)
        list_end(&box.cell[i]);
    for (uint32_t i = 0; i < PARTICLES; i++) {
        uint64_t draw = bench_random(&box.state);
        for (size_t k = 0; k < 3; k++) {
            float *x = &box.position[i][k];
            *x += ((float)(draw >> (16 * k) & 255) - 127.0F) / FINE;
            *x += *x < 0 ? (float)SIDE : 0.0F;
            *x -= *x >= (float)SIDE ? (float)SIDE : 0.0F;
        }
        list_add(&box.cell[cell_of(box.position[i])], i, 4);
    }
}

/* Each thread's share is even, give or take an eighth of it. */
static void divide(void)
{
    const uint32_t share = PARTICLES / box.threads;
    for (uint32_t i = 1; i < box.threads; i++)
        box.begin[i] =
            i * share - share / 8 + (uint32_t)bench_random_below(&box.state, share / 4);
    box.begin[box.threads] = PARTICLES;
}

/* The cell `step` - 1 cells from `from`; past the box's end it comes in on the other side,
 * and `shift` is where its particles are then seen. */
static size_t neighbour_cell(float from, size_t step, float *shift)
{
    size_t cell = (size_t)from + step;
    *shift = cell == 0 ? -(float)SIDE : cell > SIDE ? (float)SIDE : 0.0F;
    return cell == 0 ? SIDE - 1 : cell > SIDE ? 0 : cell - 1;
}

static void look_in_cell(uint32_t particle, const struct list *cell,
                         const float shift[3], struct list *near)
{
    const float *here = box.position[particle];
    float from[3] = {here[0] - shift[0], here[1] - shift[1], here[2] - shift[2]};

    for (uint32_t k = 0; k < cell->count; k++) {
        const float *there = box.position[cell->at[k]];
        float x = from[0] - there[0], y = from[1] - there[1], z = from[2] - there[2];
        if (x * x + y * y + z * z < 1.0F && cell->at[k] != particle)
            list_add(near, cell->at[k], 8);
    }
}

static void build_list(uint32_t particle)
{
    const float *here = box.position[particle];
    struct list *near = &box.near[particle];
    float shift[3];

    list_end(near);
    for (size_t i = 0; i < 3; i++) {
        size_t x = neighbour_cell(here[0], i, &shift[0]);
        for (size_t j = 0; j < 3; j++) {
            size_t y = neighbour_cell(here[1], j, &shift[1]);
            for (size_t k = 0; k < 3; k++) {
                size_t z = neighbour_cell(here[2], k, &shift[2]);
                look_in_cell(particle, &box.cell[(x * SIDE + y) * SIDE + z], shift,
                             near);
            }
        }
    }
}

static void build_and_walk(unsigned number)
{
    uint64_t numbers = 0, wanted = 0;

    for (uint32_t i = box.begin[number]; i < box.begin[number + 1]; i++)
        build_list(i);
    for (uint32_t i = box.begin[number]; i < box.begin[number + 1]; i++) {
        for (uint32_t k = 0; k < box.near[i].count; k++)
            numbers += box.near[i].at[k];
        wanted += (uint64_t)i * box.near[i].count;
    }
    box.numbers[number] = numbers;
    box.wanted[number] = wanted;
}

/* If A is near B, B is near A: the sum over what the lists hold can be had both ways. */
BENCH_WORK uint64_t work_neighbours(const struct bench_case *c)
{
    uint64_t numbers = 0, wanted = 0;

    move_and_sort();
    divide();
    crew_run(c->threads, build_and_walk);
    for (unsigned i = 0; i < c->threads; i++) {
        numbers += box.numbers[i];
        wanted += box.wanted[i];
    }
    if (numbers != wanted || !numbers)
        bench_wrong("the neighbour lists are not symmetric");
    return PARTICLES;
}

/* ---- sparse-matrix assembly --------------------------------------------------------- */

/* A square grid of nodes, each a row; four nodes are the corners of an element. */
enum { GRID = 160, ROWS = GRID * GRID, ENTRIES = (3 * GRID - 2) * (3 * GRID - 2) };

struct row {
    uint32_t count, room;
    struct entry {
        double value;
        uint32_t column;
    } * entry;
};

static struct {
    unsigned threads;
    struct row row[ROWS];
    uint32_t *begin; /* the entries of row i: begin[i]..begin[i + 1]-1 */
    uint32_t *column;
    double *value;
} matrix;

static void begin_matrix(const struct bench_case *c)
{
    matrix.threads = c->threads;
}

static uint32_t first_row(unsigned number)
{
    return ROWS / matrix.threads * number;
}

static void add(uint32_t number, uint32_t column, double value)
{
    struct row *row = &matrix.row[number];
    uint32_t at = 0;

    while (at < row->count && row->entry[at].column != column)
        at++;
    if (at == row->count) {
        if (row->count == row->room)
            row->entry = grow(row->entry, &row->room, 4, sizeof *row->entry);
        row->entry[row->count++] = (struct entry){.column = column};
    }
    row->entry[at].value += value;
}

/* Adds the rows that are this thread's of all elements that have some. */
static void assemble(unsigned number)
{
    uint32_t begin = first_row(number), end = first_row(number + 1);

    for (uint32_t y = begin / GRID ? begin / GRID - 1 : 0; y < GRID - 1; y++) {
        if (y * GRID >= end)
            break;
        for (uint32_t x = 0; x < GRID - 1; x++) {
            uint32_t corner = y * GRID + x;
            uint32_t node[4] = {corner, corner + 1, corner + GRID, corner + GRID + 1};
            for (size_t i = 0; i < 4; i++)
                for (size_t k = 0; k < 4 && node[i] >= begin && node[i] < end; k++)
                    add(node[i], node[k], i == k ? 3 : -1);
        }
    }
}

static void compress(unsigned number)
{
    for (uint32_t i = first_row(number); i < first_row(number + 1); i++) {
        struct row *row = &matrix.row[i];
        uint32_t begin = matrix.begin[i];

        /* Sorted by column, by insertion. */
        for (uint32_t k = 0; k < row->count; k++) {
            uint32_t at = begin + k;
            for (; at > begin && matrix.column[at - 1] > row->entry[k].column; at--) {
                matrix.column[at] = matrix.column[at - 1];
                matrix.value[at] = matrix.value[at - 1];
            }
            matrix.column[at] = row->entry[k].column;
            matrix.value[at] = row->entry[k].value;
        }
        free(row->entry);
        *row = (struct row){0};
    }
}

/* Each row sums to zero, so the product with a vector of ones is zero. */
static void multiply(unsigned number)
{
    for (uint32_t i = first_row(number); i < first_row(number + 1); i++) {
        double sum = 0;
        for (uint32_t k = matrix.begin[i]; k < matrix.begin[i + 1]; k++)
            sum += matrix.value[k];
        if (sum < 0 || sum > 0)
            bench_wrong("a row of the matrix");
    }
}

static void *get(size_t size)
{
    void *array = malloc(size);
    if (!array)
        bench_no_memory();
    return array;
}

BENCH_WORK uint64_t work_assembly(const struct bench_case *c)
{
    crew_run(c->threads, assemble);
    matrix.begin = get((ROWS + 1) * sizeof *matrix.begin);
    uint32_t entries = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        matrix.begin[i] = entries;
        entries += matrix.row[i].count;
    }
    matrix.begin[ROWS] = entries;
    if (entries != ENTRIES)
        bench_wrong("the number of the matrix's entries");
    matrix.column = get(entries * sizeof *matrix.column);
    matrix.value = get(entries * sizeof *matrix.value);
    crew_run(c->threads, compress);
    crew_run(c->threads, multiply);
    free(matrix.value);
    free(matrix.column);
    free(matrix.begin);
    return ROWS;
}

/* ------------------------------------------------------------------------------------- */

#define HPC(what, prepare, one, count)                                                 \
    {                                                                                  \
        .name = "hpc/" #what "-" #count, .unit = (one), .step = work_##what,           \
        .begin = (prepare), .threads = (count)                                         \
    }

static const struct bench_case cases[] = {HPC(neighbours, begin_box, "particle", 1),
                                          HPC(neighbours, begin_box, "particle", 2),
                                          HPC(assembly, begin_matrix, "row", 1),
                                          HPC(assembly, begin_matrix, "row", 2)};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
