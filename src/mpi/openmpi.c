/* SPDX-License-Identifier: MIT */
/* Open MPI: handles are addresses of objects of its library. */
#include "src/mpi/abi.h"

#include <dlfcn.h>

const char *const nt__mpi_names[] = {NT_MPI_SONAME, NULL};

/* Of the object's name: first as the whole program sees it, since an executable that names
 * the object may have the one copy in force in itself (a copy relocation). */
static void *object(void *library, const char *name)
{
    void *seen = dlsym(RTLD_DEFAULT, name);

    return seen != NULL ? seen : dlsym(library, name);
}

bool nt__mpi_constants(void *library, struct nt_mpi_constants *out)
{
    out->world = object(library, "ompi_mpi_comm_world");
    out->byte = object(library, "ompi_mpi_byte");
    out->none = object(library, "ompi_mpi_datatype_null");
    out->errors_return = object(library, "ompi_mpi_errors_return");
    return out->world && out->byte && out->none && out->errors_return;
}
