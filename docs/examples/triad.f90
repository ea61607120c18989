! SPDX-License-Identifier: MIT
! A triad whose arrays lie where their threads run.
program triad
  use, intrinsic :: iso_fortran_env, only: real64
  use numatally
  implicit none
  integer, parameter :: n = 2000000
  real(real64), pointer, contiguous :: a(:), b(:), c(:)
  integer :: i

  call nt_mark('setup')
  call nt_allocate(a, [n], nt_distributed())
  call nt_allocate(b, [n], nt_distributed())
  call nt_allocate(c, [n], nt_distributed())
  !$omp parallel do schedule(static)
  do i = 1, n
    b(i) = i
    c(i) = 1
  end do
  call nt_mark('triad')
  !$omp parallel do schedule(static)
  do i = 1, n
    a(i) = b(i) + 2 * c(i)
  end do
  print '(a, i0)', 'the last is ', nint(a(n))
  call nt_deallocate(a)
  call nt_deallocate(b)
  call nt_deallocate(c)
end program
