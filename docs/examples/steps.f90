! SPDX-License-Identifier: MIT
! Scratch arrays of each step in a pool that is emptied as a whole.
program steps
  use mpi
  use numatally
  implicit none
  type(nt_pool) :: scratch
  double precision, pointer, contiguous :: work(:, :)
  double precision :: mine, all
  integer :: step, rank, ranks, error

  call MPI_Init(error)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, error)
  call MPI_Comm_size(MPI_COMM_WORLD, ranks, error)
  call nt_pool_create(scratch, name='scratch')
  mine = 0
  do step = 1, 10
    call nt_allocate(work, [100, 100 * step], nt_in_pool(scratch))
    work = 1
    mine = mine + sum(work)
    call nt_pool_reset(scratch) ! work is gone
  end do
  call nt_pool_destroy(scratch)
  call MPI_Allreduce(mine, all, 1, MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD, error)
  if (rank == 0) print '(a, i0)', 'each rank summed ', nint(all / ranks)
  call MPI_Finalize(error)
end program
