/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "src/base/unwind.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#define FRAME_BYTES_MAX (8 * NT_MIB) /* of one function: what is more is no frame */
#define PAGE ((uintptr_t)4096)       /* no page is smaller */

static struct {
    _Unwind_Reason_Code (*backtrace)(_Unwind_Trace_Fn, void *);
    uintptr_t (*get_ip)(struct _Unwind_Context *, int *);
    uintptr_t (*get_cfa)(struct _Unwind_Context *);
    uintptr_t start, end; /* of this library's code; 0: not known apart */
    bool ready[2];        /* by enum nt_unwinder */
} unwind;

struct walk {
    uintptr_t *pc;
    unsigned n, max;
    struct nt_trace *trace; /* NULL: none is wanted */
};

static bool is_ours(const struct walk *w, uintptr_t pc)
{
    return w->n == 0 && pc - 1 - unwind.start < unwind.end - unwind.start;
}

/* False: enough. */
static bool note(struct walk *w, uintptr_t pc)
{
    if (is_ours(w, pc))
        return true;
    w->pc[w->n++] = pc;
    return w->n < w->max;
}

/* ---- By tables ----------------------------------------------------------------------- */

/* The address `pc`, of this library if `ours`, is to be at `slot`. */
static void add_to_trace(struct nt_trace *t, uintptr_t pc, uintptr_t slot, bool ours)
{
    if (t->frame == 0)
        return;
    if (slot - t->frame > UINT32_MAX || t->n == NT_ARRAY_LEN(t->pc) ||
        *(const uintptr_t *)slot != pc) {
        t->frame = 0;
        return;
    }
    t->at[t->n] = (uint32_t)(slot - t->frame);
    t->pc[t->n++] = pc;
    t->own += ours;
}

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *argument)
{
    struct walk *w = argument;
    int before = 0;
    uintptr_t pc = unwind.get_ip(context, &before);
    if (pc == 0)
        return _URC_END_OF_STACK;
    if (w->trace && before) {
        w->trace->frame = 0; /* a signal came: no call pushed this */
    } else if (w->trace) {
        uintptr_t slot = unwind.get_cfa(context) - sizeof pc;
        if (slot < w->trace->frame)
            return _URC_NO_REASON; /* what the one who looks has called */
        add_to_trace(w->trace, pc, slot, is_ours(w, pc));
    }
    return note(w, before ? pc + 1 : pc) ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static int load_libgcc(void)
{
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return -ENOENT;
    void *backtrace = dlsym(library, "_Unwind_Backtrace");
    void *get_ip = dlsym(library, "_Unwind_GetIPInfo");
    void *get_cfa = dlsym(library, "_Unwind_GetCFA");
    if (!backtrace || !get_ip || !get_cfa)
        return -ENOENT;
    __builtin_memcpy(&unwind.get_ip, &get_ip, sizeof get_ip);
    __builtin_memcpy(&unwind.get_cfa, &get_cfa, sizeof get_cfa);
    __builtin_memcpy(&unwind.backtrace, &backtrace, sizeof backtrace);
    return 0;
}

unsigned nt__unwind_trace(uintptr_t frame, uintptr_t *pc, unsigned max,
                          struct nt_trace *trace)
{
    struct walk w = {.pc = pc, .max = max, .trace = trace};
    trace->frame = frame;
    trace->n = trace->own = 0;
    if (__atomic_load_n(&unwind.ready[NT_UNWIND_TABLES], __ATOMIC_ACQUIRE))
        unwind.backtrace(on_frame, &w);
    if (trace->n == 0)
        trace->frame = 0;
    return w.n;
}

/* ---- By frames ----------------------------------------------------------------------- */

#if defined(__aarch64__)
/* Less the signature that -mbranch-protection puts into its upper bits; the instruction does
 * nothing where there are none. */
static uintptr_t address_of(uintptr_t caller)
{
    register uintptr_t x30 __asm__("x30") = caller;
    __asm__("hint 7 /* xpaclri */" : "+r"(x30));
    return x30;
}
#else
static uintptr_t address_of(uintptr_t caller)
{
    return caller;
}
#endif

/* The kernel reads a signal set of 8 bytes there before it finds that no such change of the
 * mask exists: EFAULT if it cannot. The trick is abseil's (AddressIsReadable). */
static bool is_readable(uintptr_t at)
{
    int saved = errno;
    bool readable =
        syscall(SYS_rt_sigprocmask, -1, at, NULL, (size_t)8) == -1 && errno != EFAULT;
    errno = saved;
    return readable;
}

/* The word at `at`, if it can be read; what is in `*page` can. */
static bool read_word(uintptr_t at, uintptr_t *page, uintptr_t *out)
{
    if (at / PAGE * PAGE != *page) {
        if (!is_readable(at))
            return false;
        *page = at / PAGE * PAGE;
    }
    *out = *(const uintptr_t *)at;
    return true;
}

/* The stack may be another one than the trace's, and end before the trace does. */
bool nt__unwind_is(const struct nt_trace *t)
{
    uintptr_t page = t->frame / PAGE * PAGE, word;
    for (unsigned i = 0; i < t->n; i++)
        if (!read_word(t->frame + t->at[i], &page, &word) || word != t->pc[i])
            return false;
    return t->n != 0;
}

/* A frame: the caller's frame pointer, then the return address. */
unsigned nt__unwind_frames(uintptr_t frame, uintptr_t *pc, unsigned max)
{
    struct walk w = {.pc = pc, .max = max};
    uintptr_t page = 1, next, caller; /* no page known */
    while (frame % sizeof(void *) == 0 && read_word(frame, &page, &next) &&
           read_word(frame + sizeof(void *), &page, &caller) && caller != 0 &&
           note(&w, address_of(caller))) {
        if (next <= frame || next - frame > FRAME_BYTES_MAX)
            break;
        frame = next;
    }
    return w.n;
}

/* ---- Both ---------------------------------------------------------------------------- */

/* Is this the object that this code lies in? The main program has no name. */
static int find_ours(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    uintptr_t here = (uintptr_t)&find_ours;
    if (info->dlpi_name[0] == '\0')
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0 &&
            here - start < p->p_memsz) {
            unwind.start = start;
            unwind.end = start + p->p_memsz;
            return 1;
        }
    }
    return 0;
}

int nt__unwind_start(enum nt_unwinder how)
{
    uintptr_t pc[4];
    if (__atomic_load_n(&unwind.ready[how], __ATOMIC_ACQUIRE))
        return 0;
    int result = how == NT_UNWIND_TABLES ? load_libgcc() : 0;
    if (result != 0)
        return result;
    dl_iterate_phdr(find_ours, NULL);
    /* Release: who finds it ready finds the pointers. */
    __atomic_store_n(&unwind.ready[how], true, __ATOMIC_RELEASE);
    nt__unwind(how, pc, NT_ARRAY_LEN(pc)); /* what is done once is done here */
    return 0;
}

unsigned nt__unwind(enum nt_unwinder how, uintptr_t *pc, unsigned max)
{
    struct walk w = {.pc = pc, .max = max};
    if (max == 0 || !__atomic_load_n(&unwind.ready[how], __ATOMIC_ACQUIRE))
        return 0;
    if (how == NT_UNWIND_FRAMES)
        return nt__unwind_frames((uintptr_t)__builtin_frame_address(0), pc, max);
    unwind.backtrace(on_frame, &w);
    return w.n;
}
