! SPDX-License-Identifier: MIT
program user
  use numatally
  implicit none
  real, pointer :: a(:, :)
  call nt_allocate(a, [10, 20], nt_on_node(nt_node_here()))
  a = 1
  if (sum(a) /= 200) error stop 1
  call nt_deallocate(a)
end program
