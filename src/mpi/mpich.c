/* SPDX-License-Identifier: MIT */
/* MPICH, and those that agreed with it on one binary interface: handles are numbers. */
#include "src/mpi/abi.h"

/* The second is the name that was agreed on (Intel MPI, MVAPICH2, MPICH as it comes). */
const char *const nt__mpi_names[] = {NT_MPI_SONAME, "libmpi.so.12", NULL};

bool nt__mpi_constants(void *library, struct nt_mpi_constants *out)
{
    (void)library;
    *out = (struct nt_mpi_constants){.world = MPI_COMM_WORLD,
                                     .byte = MPI_BYTE,
                                     .none = MPI_DATATYPE_NULL,
                                     .errors_return = MPI_ERRORS_RETURN};
    return true;
}
