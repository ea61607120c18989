! SPDX-License-Identifier: MIT
! MPI's module for Fortran 2008, whose handles are types.
program f08
  use mpi_f08
  implicit none
  integer :: rank, all
  real(8), allocatable :: a(:)

  call MPI_Init()
  call MPI_Comm_rank(MPI_COMM_WORLD, rank)
  allocate (a(100000 * (rank + 1)))
  a = 1
  call MPI_Allreduce(nint(sum(a)), all, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD)
  if (rank == 0) print '(a, i0)', 'mpi_f08 ', all
  deallocate (a)
  call MPI_Finalize()
end program
