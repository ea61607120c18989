/* SPDX-License-Identifier: MIT */
/*
 * _exit and _Exit: a program that ends by them runs no exit handler, but has figures.
 *
 * Shells, os._exit and MPI_Abort end this way. exit() itself does not come by here: its
 * last step is a call inside libc. Whoever calls may be in a signal handler, in the
 * middle of malloc or in a vfork child, so nothing here waits for a lock or allocates,
 * and what the program's parent sees is the status alone.
 */
#include "src/heap/figures.h"

#include <numatally/numatally.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Noreturn void leave(int status)
{
    nt__figures_exit();
    syscall(SYS_exit_group, status);
    __builtin_trap(); /* not reached, unless a filter forbids to end */
}

NT_API _Noreturn void _exit(int status)
{
    leave(status);
}

NT_API _Noreturn void _Exit(int status)
{
    leave(status);
}
