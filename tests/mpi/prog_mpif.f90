! SPDX-License-Identifier: MIT
! The oldest of MPI's interfaces to Fortran: mpif.h.
program mpif
  implicit none
  include 'mpif.h'
  integer :: ierr, rank, all
  real(8), allocatable :: a(:)

  call MPI_Init(ierr)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierr)
  allocate (a(100000 * (rank + 1)))
  a = 1
  call MPI_Allreduce(nint(sum(a)), all, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, ierr)
  if (rank == 0) print '(a, i0)', 'mpif.h ', all
  deallocate (a)
  call MPI_Finalize(ierr)
end program
