/* SPDX-License-Identifier: MIT */
/*
 * Stacks of known chains: each address lies in the function that is expected there, by what
 * the dynamic linker says of the program's symbols. Frame pointers: the functions here have
 * them on x86-64, being compiled so.
 */
#include "src/base/unwind.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#define NOINLINE __attribute__((noinline, visibility("default")))

void look(void);
void inner(void);
void middle(void);
void outer(void);
void interrupted(void);
void jumper(void);
void above(void);
unsigned recurse(unsigned n);

#define AFTER __asm__ volatile("" ::: "memory") /* keeps a call from being a jump */

static enum nt_unwinder how;
static uintptr_t stack[NT_STACK_MAX];
static unsigned depth;

NOINLINE void look(void)
{
    depth = nt__unwind(how, stack, NT_STACK_MAX);
    AFTER;
}

NOINLINE void inner(void)
{
    look();
    AFTER;
}

NOINLINE void middle(void)
{
    inner();
    AFTER;
}

NOINLINE void outer(void)
{
    middle();
    AFTER;
}

static bool lies_in(uintptr_t pc, void (*f)(void))
{
    Dl_info info;
    return dladdr((void *)(pc - 1), &info) != 0 && info.dli_saddr == (void *)f;
}

/* Where in the stack is `f`? */
static int find(void (*f)(void))
{
    for (unsigned i = 0; i < depth; i++)
        if (lies_in(stack[i], f))
            return (int)i;
    return -1;
}

static void assert_chain(void)
{
    int at = find(look);
    assert_true(at >= 0);
    assert_int_equal(find(inner), at + 1);
    assert_int_equal(find(middle), at + 2);
    assert_int_equal(find(outer), at + 3);
}

static void test_chain(void **state)
{
    (void)state;
    for (how = NT_UNWIND_TABLES; how <= NT_UNWIND_FRAMES; how++) {
        outer();
        assert_chain();
    }
}

/* ---- Signals ------------------------------------------------------------------------- */

static void on_signal(int number)
{
    (void)number;
    look();
    AFTER;
}

NOINLINE void interrupted(void)
{
    raise(SIGUSR1);
    AFTER;
}

static void test_signal(void **state)
{
    (void)state;
    static char other[65536];
    stack_t alternative = {.ss_sp = other, .ss_size = sizeof other};
    assert_int_equal(sigaltstack(&alternative, NULL), 0);
    for (int flags = 0; flags < 2; flags++) {
        struct sigaction act = {.sa_handler = on_signal,
                                .sa_flags = flags != 0 ? SA_ONSTACK : 0};
        sigaction(SIGUSR1, &act, NULL);
        how = NT_UNWIND_TABLES;
        interrupted();
        assert_true(find(look) >= 0 && find(interrupted) > find(look));
        how = NT_UNWIND_FRAMES; /* may lose the way, not the program */
        interrupted();
        assert_true(depth > 0);
    }
}

/* ---- What is hard --------------------------------------------------------------------- */

/* A caller that jumps is not on the stack. */
NOINLINE void jumper(void)
{
    __asm__ volatile("" ::: "memory");
    look(); /* the last thing: a jump at -O2 */
}

NOINLINE void above(void)
{
    jumper();
    AFTER;
}

static void test_tail_call(void **state)
{
    (void)state;
    how = NT_UNWIND_TABLES;
    above();
    assert_true(find(look) >= 0);
    assert_int_equal(find(above), find(look) + (find(jumper) >= 0 ? 2 : 1));
}

NOINLINE unsigned recurse(unsigned n)
{
    unsigned sum = n;
    if (n == 0)
        look();
    else
        sum += recurse(n - 1);
    AFTER;
    return sum;
}

static void test_deep(void **state)
{
    (void)state;
    how = NT_UNWIND_TABLES;
    assert_int_equal(recurse(1000), 500500);
    assert_int_equal(depth, NT_STACK_MAX);
    assert_int_equal(nt__unwind(how, stack, 3), 3);
    assert_int_equal(nt__unwind(how, stack, 0), 0);
}

/* Frame pointers that lead to where nothing can be read, or nowhere. */
static void test_bad_frames(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + page, page, PROT_READ | PROT_WRITE), 0);
    uintptr_t first = (uintptr_t)(map + page), end = first + page;
    uintptr_t *frame = (uintptr_t *)(end - 16);
    static const uintptr_t nowhere[] = {
        0, 8, 1, UINTPTR_MAX, UINTPTR_MAX - 15, (uintptr_t)1 << 60, (uintptr_t)1 << 47};
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        assert_int_equal(nt__unwind_frames(nowhere[i], stack, NT_STACK_MAX), 0);
        frame[0] = nowhere[i];
        frame[1] = 0x1234;
        assert_int_equal(nt__unwind_frames(end - 16, stack, NT_STACK_MAX), 1);
        assert_int_equal(stack[0], 0x1234);
    }
    frame[0] = end + 64; /* the guard behind it */
    assert_int_equal(nt__unwind_frames(end - 16, stack, NT_STACK_MAX), 1);
    frame[0] = end - 16; /* itself */
    assert_int_equal(nt__unwind_frames(end - 16, stack, NT_STACK_MAX), 1);
    frame[1] = end - 16; /* half of a frame can be read */
    assert_int_equal(nt__unwind_frames(end - 8, stack, NT_STACK_MAX), 0);
    assert_int_equal(nt__unwind_frames(first - 8, stack, NT_STACK_MAX), 0);
    assert_int_equal(nt__unwind_frames(first + 4, stack, NT_STACK_MAX), 0);
    munmap(map, 3 * page);
}

static char coroutine_stack[65536];
static ucontext_t here, there;

static void in_coroutine(void)
{
    outer();
    AFTER;
}

static void test_coroutine(void **state)
{
    (void)state;
    for (how = NT_UNWIND_TABLES; how <= NT_UNWIND_FRAMES; how++) {
        assert_int_equal(getcontext(&there), 0);
        there.uc_stack.ss_sp = coroutine_stack;
        there.uc_stack.ss_size = sizeof coroutine_stack;
        there.uc_link = &here;
        makecontext(&there, in_coroutine, 0);
        depth = 0;
        assert_int_equal(swapcontext(&here, &there), 0);
        assert_chain();
    }
}

static void *in_thread(void *unused)
{
    (void)unused;
    for (how = NT_UNWIND_TABLES; how <= NT_UNWIND_FRAMES; how++) {
        outer();
        assert_chain();
    }
    return NULL;
}

static void test_thread(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, in_thread, NULL), 0);
    pthread_join(thread, NULL);
}

/* ---- Known again ---------------------------------------------------------------------- */

static struct nt_trace trace;
static bool known;
void look_again(void);
void by_inner(void);
void by_other(void);
void on_the_way(void (*f)(void));

/* Is it the stack of `trace`? And what is it really? */
NOINLINE void look_again(void)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    struct nt_trace other;
    known = trace.frame == frame && nt__unwind_is(&trace);
    depth = nt__unwind_trace(frame, stack, NT_STACK_MAX, known ? &other : &trace);
    AFTER;
}

NOINLINE void by_inner(void)
{
    look_again();
    AFTER;
}

NOINLINE void by_other(void)
{
    look_again();
    AFTER;
}

NOINLINE void on_the_way(void (*f)(void))
{
    f();
    AFTER;
}

static void test_known_again(void **state)
{
    (void)state;
#ifndef __x86_64__
    skip();
#endif
    how = NT_UNWIND_TABLES;
    void (*volatile f)(void) = by_inner;
    for (int i = 0; i < 4; i++) {
        if (i == 2)
            f = by_other; /* the same depth and the same return addresses further out */
        on_the_way(f);
        assert_int_equal(known, i == 1 || i == 3);
        assert_true(trace.frame != 0);
        assert_int_equal(trace.n - trace.own, depth);
        assert_memory_equal(trace.pc + trace.own, stack, depth * sizeof stack[0]);
        assert_true(lies_in(stack[0], i < 2 ? by_inner : by_other));
        assert_true(lies_in(stack[1], (void (*)(void))on_the_way));
    }
}

/* The stack is another one by now, and ends before the trace does. */
static void test_shorter_stack(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *stack_was = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(stack_was != MAP_FAILED);
    struct nt_trace two = {.frame = (uintptr_t)stack_was + page - 64, .n = 2};
    two.at[1] = 128;
    for (int i = 0; i < 2; i++) {
        two.pc[i] = 1234 + (uintptr_t)i;
        memcpy((char *)two.frame + two.at[i], &two.pc[i], sizeof two.pc[i]);
    }
    assert_true(nt__unwind_is(&two));
    assert_int_equal(munmap(stack_was + page, page), 0);
    assert_false(nt__unwind_is(&two));
    munmap(stack_was, page);
}

static void look_in_handler(int number)
{
    (void)number;
    look_again();
}

static void test_signal_is_not_known_again(void **state)
{
    (void)state;
    how = NT_UNWIND_TABLES;
    signal(SIGUSR2, look_in_handler);
    for (int i = 0; i < 3; i++) {
        raise(SIGUSR2);
        assert_false(known);
        assert_int_equal(trace.frame, 0);
        assert_true(depth > 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_tail_call),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_bad_frames),
        cmocka_unit_test(test_coroutine),
        cmocka_unit_test(test_thread),
        cmocka_unit_test(test_known_again),
        cmocka_unit_test(test_signal_is_not_known_again),
        cmocka_unit_test(test_shorter_stack),
    };
    if (nt__unwind(NT_UNWIND_TABLES, stack, 1) != 0 || /* not started yet */
        nt__unwind_start(NT_UNWIND_TABLES) != 0 ||
        nt__unwind_start(NT_UNWIND_TABLES) != 0 ||
        nt__unwind_start(NT_UNWIND_FRAMES) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
