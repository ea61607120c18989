/* SPDX-License-Identifier: MIT */
/*
 * A small MPI program whose ranks allocate differently, and end as they are told to:
 *     prog_ranks [HOW [RANK]]
 * All ranks allocate, share a sum and finalize; RANK (1 if none is named) ends by HOW
 * before, where the others wait for it in MPI_Barrier. HOW is finalize, abort, mpi_abort,
 * kill, segv, exit, _exit, skip (it returns without MPI_Finalize, all others as usual),
 * after (it dies of a signal after MPI_Finalize), term (it aborts, and the others ignore
 * SIGTERM).
 */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS 2000

static void end_by(const char *how)
{
    if (strcmp(how, "abort") == 0 || strcmp(how, "term") == 0)
        abort();
    if (strcmp(how, "mpi_abort") == 0)
        MPI_Abort(MPI_COMM_WORLD, 7);
    if (strcmp(how, "kill") == 0)
        raise(SIGKILL);
    if (strcmp(how, "segv") == 0)
        raise(SIGSEGV);
    if (strcmp(how, "exit") == 0)
        exit(5);
    if (strcmp(how, "_exit") == 0)
        _exit(6);
    if (strcmp(how, "skip") == 0)
        exit(0);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "finalize";
    int rank, ranks, mine, odd = argc > 2 ? atoi(argv[2]) : 1;
    long sum, all;
    void **blocks;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    mine = BLOCKS * (rank + 1);
    blocks = malloc((size_t)mine * sizeof *blocks);
    for (int i = 0; i < mine; i++)
        blocks[i] = memset(malloc((size_t)(i % 500 + 1)), 1, 1);
    for (int i = 0; i < mine / 2; i++)
        free(blocks[i]);
    sum = mine;
    MPI_Allreduce(&sum, &all, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0)
        printf("%d ranks, %ld blocks\n", ranks, all);
    fflush(stdout);
    if (rank != odd && strcmp(how, "term") == 0)
        signal(SIGTERM, SIG_IGN);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == odd) {
        usleep(100000); /* live files are up to date */
        free(malloc(5000000));
        end_by(how);
    }
    if (strcmp(how, "finalize") != 0 && strcmp(how, "after") != 0 &&
        strcmp(how, "skip") != 0)
        MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    if (rank == odd && strcmp(how, "after") == 0)
        raise(SIGSEGV);
    return 0;
}
