! SPDX-License-Identifier: MIT
! MPI's module for Fortran 90.
program usempi
  use mpi
  implicit none
  integer :: ierr, rank, all
  real(8), allocatable :: a(:)

  call MPI_Init(ierr)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierr)
  allocate (a(100000 * (rank + 1)))
  a = 1
  call MPI_Allreduce(nint(sum(a)), all, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, ierr)
  if (rank == 0) print '(a, i0)', 'use mpi ', all
  deallocate (a)
  call MPI_Finalize(ierr)
end program
