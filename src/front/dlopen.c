/* SPDX-License-Identifier: MIT */
/*
 * dlopen without RTLD_DEEPBIND.
 *
 * A library loaded with that flag looks for its symbols in what it depends on before it asks
 * the program: it finds glibc's malloc and free, while glibc itself calls ours. The first
 * block of strdup, getline or getaddrinfo that it frees crashes in glibc; PHP's modules do so
 * under every preloaded malloc. Without the flag it has our heap, like all other libraries,
 * and the program's symbols before its own: what it may do under a sanitizer, too, which
 * cannot do with the flag either.
 *
 * dlmopen makes a namespace with a libc of its own, and is left alone. Not in the archive: a
 * static program has no other dlopen to pass the call on to.
 */
#include "src/base/base.h"

#include <dlfcn.h>
#include <errno.h>
#include <numatally/numatally.h>
#include <string.h>

typedef void *dlopen_call(const char *file, int mode);

/* libc's, or that of whoever was preloaded behind us. */
__attribute__((noinline)) static dlopen_call *find_next(void)
{
    static dlopen_call *next;
    dlopen_call *call = __atomic_load_n(&next, __ATOMIC_RELAXED);
    if (call)
        return call;
    void *symbol = dlsym(RTLD_NEXT, "dlopen");
    memcpy(&call, &symbol, sizeof call);
    __atomic_store_n(&next, call, __ATOMIC_RELAXED);
    return call;
}

/* glibc takes the library that dlopen is called from by the address that it returns to, for
 * its RUNPATH: so the call has to be a jump, whatever the rest is compiled with. */
#if defined(__clang__)
#define JUMP __attribute__((musttail)) return
#else
#define JUMP return
__attribute__((optimize("O2", "optimize-sibling-calls")))
#endif
NT_API void *dlopen(const char *file, int mode)
{
    dlopen_call *next = find_next();
    if (!next) { /* libdl, where there is one, is out of sight; dlerror says so */
        errno = ENOSYS;
        return NULL;
    }
    JUMP next(file, mode & ~RTLD_DEEPBIND);
}
