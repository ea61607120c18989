/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "src/base/sanitizer.h"

#include "src/base/fmt.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void __asan_init(void) __attribute__((weak));
void __lsan_init(void) __attribute__((weak));

static bool malloc_is_ours(void)
{
    void *(*front)(size_t) = nt__front_malloc;
    void *own;
    memcpy(&own, &front, sizeof own);
    return own != NULL && dlsym(RTLD_DEFAULT, "malloc") == own;
}

void nt__sanitizer_look(void)
{
    char line[512];
    struct nt_fmt f;
    const char *name = NULL, *library = NULL;
    bool goes_on = false;
    if (__asan_init)
        name = "AddressSanitizer", library = "libasan.so";
    else if (__tsan_init)
        name = "ThreadSanitizer", library = "libtsan.so";
    else if (__lsan_init)
        name = "LeakSanitizer", library = "liblsan.so", goes_on = true;
    if (name == NULL || !malloc_is_ours())
        return;
    nt__fmt_init(&f, line, sizeof line, -1);
    nt__fmt_print(
        &f,
        "numatally: %s is in this program, and malloc is no longer its own: %s; "
        "preload its runtime (gcc -print-file-name=%s) before this library, which "
        "then counts nothing, or do without one of them\n",
        name, goes_on ? "it finds no leaks" : "stopping", library);
    (void)!syscall(SYS_write, STDERR_FILENO, line,
                   f.len); /* write is the sanitizer's */
    if (!goes_on)
        syscall(SYS_exit_group, 1);
}
