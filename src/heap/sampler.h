/* SPDX-License-Identifier: MIT */
/*
 * Turning the sampling profiler on and off: by setting, call and signal.
 *
 * What it needs of the dynamic linker (libgcc's unwinder) is loaded in a constructor when a
 * setting says that there may be sampling, else by nt_sample; never inside malloc, which the
 * linker itself calls.
 */
#ifndef NT_HEAP_SAMPLER_H
#define NT_HEAP_SAMPLER_H

#include "src/base/base.h"

/* On if it is off, and off if it is on. In a signal handler. */
NT_HIDDEN void nt__sampler_signalled(void);

#endif
