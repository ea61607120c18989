/* SPDX-License-Identifier: MIT */
/* Open MPI: handles are addresses of objects of its library. */
#include "src/mpi/abi.h"

#include <dlfcn.h>

const char *const nt__mpi_names[] = {NT_MPI_SONAME, NULL};

bool nt__mpi_constants(void *library, struct nt_mpi_constants *out)
{
    out->world = dlsym(library, "ompi_mpi_comm_world");
    out->byte = dlsym(library, "ompi_mpi_byte");
    out->none = dlsym(library, "ompi_mpi_datatype_null");
    out->errors_return = dlsym(library, "ompi_mpi_errors_return");
    return out->world && out->byte && out->none && out->errors_return;
}
