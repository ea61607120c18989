/* SPDX-License-Identifier: MIT */
#include "src/base/lock.h"

#if NT_DEBUG
_Thread_local uint32_t nt__lock_held;
#endif

/* What our locks guard takes less time than to sleep and be woken. */
#define SPINS 100

static void pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void nt__lock_wait(const struct nt_lock *lock)
{
    for (int i = 0; i < SPINS && __atomic_load_n(&lock->taken, __ATOMIC_RELAXED); i++)
        pause();
}
