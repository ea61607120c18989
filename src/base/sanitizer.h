/* SPDX-License-Identifier: MIT */
/*
 * A sanitizer in the process that wanted to be malloc, and came too late.
 *
 * What is built with -fsanitize=address, thread or leak finds misuse of memory by a malloc
 * of the sanitizer's own. Where ours comes before it, LeakSanitizer finds nothing, and the
 * others, which allocate while they prepare themselves, fall over. So there is a word, and
 * under these two it is the program's end, with status 1.
 *
 * Each runtime has a function that is asked for by a weak name: without one this costs nothing.
 */
#ifndef NT_BASE_SANITIZER_H
#define NT_BASE_SANITIZER_H

#include "src/base/base.h"

/* Inside the first allocation, before anything of libc's that a sanitizer has replaced. */
NT_HIDDEN void nt__sanitizer_look(void);

/* Not NULL: ThreadSanitizer is in the process. */
void __tsan_init(void) __attribute__((weak));

/* The front's malloc, where there is a front. */
extern NT_HIDDEN void *nt__front_malloc(size_t size) __attribute__((weak));

#endif
