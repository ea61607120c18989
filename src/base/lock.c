/* SPDX-License-Identifier: MIT */
#include "src/base/lock.h"

#if NT_DEBUG
_Thread_local uint32_t nt__lock_held;
#endif
