/* SPDX-License-Identifier: MIT */
#include "src/base/lock.h"

#include <sys/single_threaded.h>

unsigned nt__lock_missed;

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

void nt__lock_for_fork(struct nt_lock *lock)
{
    if (!__libc_single_threaded) {
        pthread_mutex_lock(&lock->mutex);
    } else if (pthread_mutex_trylock(&lock->mutex) != 0) {
        nt__lock_missed++;
        return;
    }
    lock->forked = true;
    nt__lock_hint(lock, true);
}

void nt__unlock_after_fork(struct nt_lock *lock)
{
    if (!lock->forked)
        return;
    lock->forked = false;
    nt__lock_hint(lock, false);
    pthread_mutex_unlock(&lock->mutex);
}
