/* SPDX-License-Identifier: MIT */
/*
 * C++ operator new and delete, all forms, without a C++ library.
 *
 * The functions below carry the names that the Itanium C++ ABI gives the operators
 * (size_t is `m`, unsigned long, on every 64-bit Linux). The library is linked to no
 * libstdc++, which would cost each process 0.7 ms; the two helpers that failing needs,
 * std::get_new_handler and std::__throw_bad_alloc, are weak references, and a runtime
 * that came late or out of sight (dlopen with RTLD_LOCAL) is asked for by name.
 * libstdc++ and libc++ both have these under the same names.
 *
 * Out of memory: the new-handler is called until there is memory, it throws, or there
 * is none; then bad_alloc. Exceptions pass through these frames by their unwind tables.
 *
 * A program may replace only some operators. The standard then promises that the
 * other forms call those: each `[]`, sized and nothrow form is defined by another one.
 * So each derived form below calls its base through the dynamic linker, as a jump, and
 * finds a replacement there. Else an operator new that adds a header would have its
 * delete called on blocks without one. (Bases are NT_BASE: a compiler must not inline
 * what the process may have from elsewhere.)
 *
 * nothrow new must turn an exception of the new-handler (or of a replaced operator
 * new) into NULL. C cannot catch; the C++ runtime's own nothrow form can: it calls its
 * base inside try and catch. It is used for just these cases.
 *
 * A size given to delete is not checked, unlike free_sized's: programs that delete
 * through a base class without a virtual destructor pass a wrong one, and run well
 * everywhere else.
 */
#include "src/heap/heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <numatally/numatally.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void (*new_handler)(void);
typedef void *(*new_nothrow)(size_t, const void *);
typedef void *(*new_aligned_nothrow)(size_t, size_t, const void *);

#define NT_BASE NT_API __attribute__((noinline))

/* A base and what derives from it. `tag` is std::nothrow. */
NT_BASE void *_Znwm(size_t size);
NT_BASE void *_Znam(size_t size);
NT_API void *_ZnwmRKSt9nothrow_t(size_t size, const void *tag);
NT_API void *_ZnamRKSt9nothrow_t(size_t size, const void *tag);

NT_BASE void *_ZnwmSt11align_val_t(size_t size, size_t alignment);
NT_BASE void *_ZnamSt11align_val_t(size_t size, size_t alignment);
NT_API void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment,
                                                const void *tag);
NT_API void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment,
                                                const void *tag);

NT_BASE void _ZdlPv(void *p);
NT_BASE void _ZdaPv(void *p);
NT_API void _ZdlPvm(void *p, size_t size);
NT_API void _ZdaPvm(void *p, size_t size);
NT_API void _ZdlPvRKSt9nothrow_t(void *p, const void *tag);
NT_API void _ZdaPvRKSt9nothrow_t(void *p, const void *tag);

NT_BASE void _ZdlPvSt11align_val_t(void *p, size_t alignment);
NT_BASE void _ZdaPvSt11align_val_t(void *p, size_t alignment);
NT_API void _ZdlPvmSt11align_val_t(void *p, size_t size, size_t alignment);
NT_API void _ZdaPvmSt11align_val_t(void *p, size_t size, size_t alignment);
NT_API void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment,
                                                const void *tag);
NT_API void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment,
                                                const void *tag);

/* The C++ runtime's helpers, if one was there when we were loaded. */
extern new_handler _ZSt15get_new_handlerv(void) __attribute__((weak));
extern _Noreturn void _ZSt17__throw_bad_allocv(void) __attribute__((weak));

/* Our own plain forms under names that nothing can replace. */
__asm__(".hidden nt__own_new\n.set nt__own_new, _Znwm\n"
        ".hidden nt__own_new_array\n.set nt__own_new_array, _Znam\n"
        ".hidden nt__own_new_aligned\n"
        ".set nt__own_new_aligned, _ZnwmSt11align_val_t\n"
        ".hidden nt__own_new_array_aligned\n"
        ".set nt__own_new_array_aligned, _ZnamSt11align_val_t\n");
NT_HIDDEN void *nt__own_new(size_t size);
NT_HIDDEN void *nt__own_new_array(size_t size);
NT_HIDDEN void *nt__own_new_aligned(size_t size, size_t alignment);
NT_HIDDEN void *nt__own_new_array_aligned(size_t size, size_t alignment);

/* Is the form that the process uses our own? The compiler must not answer: it takes
 * two names for two functions. */
#define IS_OWN(used, own)                                                              \
    ({                                                                                 \
        __typeof__(&(own)) used_ = &(used);                                            \
        __asm__("" : "+r"(used_));                                                     \
        used_ == &(own);                                                               \
    })

/* ---- When memory is out --------------------------------------------------- */

/* Find `name` in the C++ runtime, wherever it was loaded; not our own. */
static void *runtime_symbol(const char *name)
{
    static const char *const runtimes[] = {"libstdc++.so.6", "libc++.so.1"};
    void *found = dlsym(RTLD_NEXT, name);

    for (size_t i = 0; !found && i < NT_ARRAY_LEN(runtimes); i++) {
        void *runtime = dlopen(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);
        if (runtime)
            found = dlsym(runtime, name);
    }
    return found;
}

static new_handler current_handler(void)
{
    new_handler (*get)(void) = _ZSt15get_new_handlerv;

    if (!get) {
        void *symbol = runtime_symbol("_ZSt15get_new_handlerv");
        memcpy(&get, &symbol, sizeof(get));
    }
    return get ? get() : NULL;
}

static _Noreturn void throw_bad_alloc(void)
{
    static const char message[] = "numatally: operator new is out of memory, and no "
                                  "C++ runtime is there to throw "
                                  "std::bad_alloc; link or load libstdc++\n";
    void (*throw)(void) = _ZSt17__throw_bad_allocv;

    if (!throw) {
        void *symbol = runtime_symbol("_ZSt17__throw_bad_allocv");
        memcpy(&throw, &symbol, sizeof(throw));
    }
    if (throw)
        throw();
    (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
    abort();
}

/* alignment 0: none asked for. */
static void *get(size_t size, size_t alignment)
{
    return alignment == 0 ? nt_malloc(size) : nt_aligned_alloc(alignment, size);
}

/* A new-handler cannot mend an alignment that is no power of two. */
static bool is_alignment(size_t alignment)
{
    return alignment == 0 || nt__is_pow2(alignment);
}

NT_SLOW static void *new_slow(size_t size, size_t alignment)
{
    while (is_alignment(alignment)) {
        new_handler handler = current_handler();
        if (!handler)
            break;
        handler();
        void *p = get(size, alignment);
        if (p)
            return p;
    }
    throw_bad_alloc();
}

/* ---- operator new --------------------------------------------------------- */

void *_Znwm(size_t size)
{
    void *p = nt__heap_malloc(size);

    return NT_LIKELY(p != NULL) ? p : new_slow(size, 0);
}

void *_Znam(size_t size)
{
    return _Znwm(size);
}

void *_ZnwmSt11align_val_t(size_t size, size_t alignment)
{
    void *p = nt_aligned_alloc(alignment, size);

    return NT_LIKELY(p != NULL) ? p : new_slow(size, alignment);
}

void *_ZnamSt11align_val_t(size_t size, size_t alignment)
{
    return _ZnwmSt11align_val_t(size, alignment);
}

/* ---- operator new, nothrow ------------------------------------------------ */

/* With all plain forms our own and no new-handler, nothing can throw. Otherwise the C++ runtime's form of the same name does it all. */
NT_SLOW static void *nothrow_slow(bool all_own, const char *name, size_t size,
                                  const void *tag)
{
    new_nothrow catching;

    if (all_own && !current_handler())
        return NULL;
    void *symbol = runtime_symbol(name);
    memcpy(&catching, &symbol, sizeof(catching));
    return catching ? catching(size, tag) : NULL;
}

NT_SLOW static void *nothrow_aligned_slow(bool all_own, const char *name, size_t size,
                                          size_t alignment, const void *tag)
{
    new_aligned_nothrow catching;

    if (all_own && !current_handler())
        return NULL;
    void *symbol = runtime_symbol(name);
    memcpy(&catching, &symbol, sizeof(catching));
    return catching ? catching(size, alignment, tag) : NULL;
}

void *_ZnwmRKSt9nothrow_t(size_t size, const void *tag)
{
    bool own = IS_OWN(_Znwm, nt__own_new);
    void *p = own ? nt__heap_malloc(size) : NULL;

    return NT_LIKELY(p != NULL) ? p
                                : nothrow_slow(own, "_ZnwmRKSt9nothrow_t", size, tag);
}

void *_ZnamRKSt9nothrow_t(size_t size, const void *tag)
{
    bool own = IS_OWN(_Znam, nt__own_new_array) && IS_OWN(_Znwm, nt__own_new);
    void *p = own ? nt__heap_malloc(size) : NULL;

    return NT_LIKELY(p != NULL) ? p
                                : nothrow_slow(own, "_ZnamRKSt9nothrow_t", size, tag);
}

void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment, const void *tag)
{
    bool own = IS_OWN(_ZnwmSt11align_val_t, nt__own_new_aligned);
    void *p = own ? nt_aligned_alloc(alignment, size) : NULL;

    return NT_LIKELY(p != NULL)
               ? p
               : nothrow_aligned_slow(own, "_ZnwmSt11align_val_tRKSt9nothrow_t", size,
                                      alignment, tag);
}

void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment, const void *tag)
{
    bool own = IS_OWN(_ZnamSt11align_val_t, nt__own_new_array_aligned) &&
               IS_OWN(_ZnwmSt11align_val_t, nt__own_new_aligned);
    void *p = own ? nt_aligned_alloc(alignment, size) : NULL;

    return NT_LIKELY(p != NULL)
               ? p
               : nothrow_aligned_slow(own, "_ZnamSt11align_val_tRKSt9nothrow_t", size,
                                      alignment, tag);
}

/* ---- operator delete ------------------------------------------------------ */

void _ZdlPv(void *p)
{
    nt__heap_free(p);
}

void _ZdaPv(void *p)
{
    _ZdlPv(p);
}

void _ZdlPvm(void *p, size_t size)
{
    (void)size;
    _ZdlPv(p);
}

void _ZdaPvm(void *p, size_t size)
{
    (void)size;
    _ZdaPv(p);
}

void _ZdlPvRKSt9nothrow_t(void *p, const void *tag)
{
    (void)tag;
    _ZdlPv(p);
}

void _ZdaPvRKSt9nothrow_t(void *p, const void *tag)
{
    (void)tag;
    _ZdaPv(p);
}

void _ZdlPvSt11align_val_t(void *p, size_t alignment)
{
    (void)alignment;
    nt__heap_free(p);
}

void _ZdaPvSt11align_val_t(void *p, size_t alignment)
{
    _ZdlPvSt11align_val_t(p, alignment);
}

void _ZdlPvmSt11align_val_t(void *p, size_t size, size_t alignment)
{
    (void)size;
    _ZdlPvSt11align_val_t(p, alignment);
}

void _ZdaPvmSt11align_val_t(void *p, size_t size, size_t alignment)
{
    (void)size;
    _ZdaPvSt11align_val_t(p, alignment);
}

void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment, const void *tag)
{
    (void)tag;
    _ZdlPvSt11align_val_t(p, alignment);
}

void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment, const void *tag)
{
    (void)tag;
    _ZdaPvSt11align_val_t(p, alignment);
}
