/* SPDX-License-Identifier: MIT */
/*
 * What differs between MPIs beside the types of their mpi.h, with which each library is
 * compiled: openmpi.c, mpich.c.
 */
#ifndef NT_MPI_ABI_H
#define NT_MPI_ABI_H

#include "src/base/base.h"

#include <mpi.h>

/* The names by which programs load it, the one of the build first; NULL ends them. */
extern NT_HIDDEN const char *const nt__mpi_names[];

/* Constants of mpi.h which may be addresses in the MPI's library, loaded as `library`. */
struct nt_mpi_constants {
    MPI_Comm world;
    MPI_Datatype byte;
    MPI_Datatype none;
    MPI_Errhandler errors_return;
};

/* False: they are not there. */
NT_HIDDEN bool nt__mpi_constants(void *library, struct nt_mpi_constants *out);

#endif
