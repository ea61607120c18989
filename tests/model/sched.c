/* SPDX-License-Identifier: MIT */
#include "tests/model/sched.h"

#include "tests/model/instrument.h"
#include "tests/model/world.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { NODES = 2000, MUTEXES = 8, STACK = 256 * 1024, STEPS = 300000 };

/* What a thread does next. */
struct op {
    const void *at; /* NULL: nothing that others see */
    const char *what;
    bool writes, locks;
};

struct thread {
    ucontext_t context;
    struct op next;
    bool done;
    struct world_own own; /* what is thread-local in the code */
};

/* A choice. Sets of threads are bits. */
struct node {
    bool is_flip;
    uint8_t enabled, asleep, tried;
    int8_t current, chosen; /* of a flip: chosen is the answer */
    int stops;              /* until here */
    struct op op;           /* what was done */
};

/* Not in the executable's data, which is put back before each run. */
static struct sched {
    const struct sched_plan *plan;
    ucontext_t main;
    struct thread thread[SCHED_THREADS];
    char *stack;
    struct node path[NODES];
    int depth, replay; /* choices made; those given beforehand */
    int last;          /* choice of a thread; -1: none yet */
    int current;       /* thread that runs; -1: none */
    int flips;
    bool cut;
    uint64_t runs, cuts, steps;
    struct {
        const void *at;
        int holder; /* thread + 1; 0: nobody */
    } mutex[MUTEXES];
} * S;

uint64_t sched_runs(void)
{
    return S->runs;
}

uint64_t sched_cut(void)
{
    return S->cuts;
}

int sched_self(void)
{
    return S ? S->current + 1 : 0;
}

void sched_fail(const char *format, ...)
{
    va_list arguments;
    char name[64];
    printf("%s: ", S && S->plan ? S->plan->name : "model");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    for (int i = 0; S && i < S->depth; i++) {
        const struct node *n = &S->path[i];
        if (n->is_flip && n->chosen)
            printf("      it fails for no reason\n");
        else if (!n->is_flip && n->op.at)
            printf("    %d %s %s\n", n->chosen + 1, n->op.what,
                   world_name(n->op.at, name, sizeof name));
    }
    fflush(stdout);
    _exit(1);
}

void sched_step(void)
{
    if (S && S->current >= 0 && ++S->steps > STEPS)
        sched_fail("a thread goes on for ever");
}

/* ---- Locks ------------------------------------------------------------------------- */

static int mutex_of(const void *at)
{
    int i = 0;
    while (i < MUTEXES && S->mutex[i].at && S->mutex[i].at != at)
        i++;
    if (i == MUTEXES)
        sched_fail("too many locks");
    S->mutex[i].at = at;
    return i;
}

bool sched_is_mutex(const void *at)
{
    for (int i = 0; i < MUTEXES && S->mutex[i].at; i++)
        if (S->mutex[i].at == at)
            return true;
    return false;
}

/* ---- Choices ----------------------------------------------------------------------- */

static bool is_enabled(const struct thread *t)
{
    return !t->done && !(t->next.locks && S->mutex[mutex_of(t->next.at)].holder);
}

static bool commute(const struct op *a, const struct op *b)
{
    return !a->at || !b->at || a->at != b->at || (!a->writes && !b->writes);
}

/* Threads of which everything that begins with their next operation was seen. */
static unsigned asleep(void)
{
    unsigned set = 0;
    if (S->last < 0 || S->plan->bound != SCHED_ALL)
        return 0;
    const struct node *n = &S->path[S->last];
    for (int t = 0; t < SCHED_THREADS; t++)
        if ((n->asleep | n->tried) >> t & 1 && commute(&S->thread[t].next, &n->op))
            set |= 1u << t;
    return set;
}

/* May `t` be chosen there? To go on with the current thread costs no stop. */
static bool is_candidate(const struct node *n, int t)
{
    if (!((n->enabled & ~n->asleep & ~n->tried) >> t & 1))
        return false;
    bool stops = n->current >= 0 && t != n->current && n->enabled >> n->current & 1;
    return !stops || S->plan->bound == SCHED_ALL || n->stops < S->plan->bound;
}

/* The thread to be chosen next; -1: none is left. */
static int candidate(const struct node *n)
{
    if (n->current >= 0 && is_candidate(n, n->current))
        return n->current;
    for (int t = 0; t < SCHED_THREADS; t++)
        if (is_candidate(n, t))
            return t;
    return -1;
}

static struct node *new_node(void)
{
    if (S->depth == NODES)
        sched_fail("a run has more choices than %d", NODES);
    return &S->path[S->depth];
}

static int stops_so_far(void)
{
    if (S->last < 0)
        return 0;
    const struct node *n = &S->path[S->last];
    bool stopped =
        n->current >= 0 && n->chosen != n->current && n->enabled >> n->current & 1;
    return n->stops + stopped;
}

/* The thread to go on; -1: the run is at its end, or cut. */
static int choose(void)
{
    unsigned enabled = 0, left = 0;
    for (int t = 0; t < SCHED_THREADS; t++) {
        left |= (unsigned)!S->thread[t].done << t;
        enabled |= (unsigned)is_enabled(&S->thread[t]) << t;
    }
    if (!left)
        return -1;
    if (!enabled)
        sched_fail("all threads wait");
    struct node *n = new_node();
    if (S->depth < S->replay) {
        if (n->is_flip || n->enabled != enabled)
            sched_fail("another run than before, after the same choices");
    } else {
        *n = (struct node){.enabled = (uint8_t)enabled, .current = (int8_t)S->current};
        n->asleep = (uint8_t)asleep();
        n->stops = stops_so_far();
        n->chosen = (int8_t)candidate(n);
        S->cut = n->chosen < 0;
        if (S->cut)
            return -1;
    }
    n->op = S->thread[n->chosen].next;
    S->last = S->depth++;
    return n->chosen;
}

bool sched_flip(void)
{
    if (S->current < 0 || S->flips == S->plan->flips)
        return false;
    struct node *n = new_node();
    if (S->depth < S->replay) {
        if (!n->is_flip)
            sched_fail("another run than before, after the same choices");
    } else {
        *n = (struct node){.is_flip = true};
    }
    S->depth++;
    S->flips += n->chosen;
    return n->chosen;
}

/* Change the last choice that can be made otherwise. False: there is none. */
static bool go_back(void)
{
    for (; S->depth > 0; S->depth--) {
        struct node *n = &S->path[S->depth - 1];
        if (n->is_flip) {
            if (n->chosen++ == 0)
                break;
            continue;
        }
        n->tried |= (uint8_t)(1u << n->chosen);
        n->chosen = (int8_t)candidate(n);
        if (n->chosen >= 0)
            break;
    }
    S->replay = S->depth;
    return S->depth > 0;
}

/* ---- Threads ----------------------------------------------------------------------- */

static void run(int t)
{
    S->current = t;
    world_own_put(&S->thread[t].own);
}

static void stop(void)
{
    if (S->current >= 0)
        world_own_get(&S->thread[S->current].own);
}

/* The current thread is about to do this. Returns when it is its turn. */
static void wait_for_turn(struct op op)
{
    int me = S->current;
    S->thread[me].next = op;
    int t = choose();
    if (t == me)
        return;
    stop();
    if (t < 0)
        setcontext(&S->main);
    run(t);
    swapcontext(&S->thread[me].context, &S->thread[t].context);
}

static void body(void)
{
    S->plan->body[S->current]();
    S->thread[S->current].done = true;
    int t = choose();
    stop();
    if (t < 0)
        setcontext(&S->main);
    run(t);
    setcontext(&S->thread[t].context);
    abort();
}

void sched_point(const void *at, bool writes, const char *what)
{
    if (S->current >= 0)
        wait_for_turn((struct op){.at = at, .what = what, .writes = writes});
}

void sched_lock(const void *mutex)
{
    int i = mutex_of(mutex);
    if (S->current >= 0)
        wait_for_turn((struct op){mutex, "locks", true, true});
    if (S->mutex[i].holder)
        sched_fail("a lock is taken twice");
    S->mutex[i].holder = S->current + 2;
    instrument_acquire(mutex);
}

bool sched_trylock(const void *mutex)
{
    int i = mutex_of(mutex);
    sched_point(mutex, true, "tries to lock");
    if (S->mutex[i].holder)
        return false;
    S->mutex[i].holder = S->current + 2;
    instrument_acquire(mutex);
    return true;
}

void sched_unlock(const void *mutex)
{
    int i = mutex_of(mutex);
    sched_point(mutex, true, "unlocks");
    if (S->mutex[i].holder != S->current + 2)
        sched_fail("a lock is given up by who does not have it");
    S->mutex[i].holder = 0;
    instrument_release(mutex);
}

static void crashed(int signal)
{
    sched_fail("signal %d", signal);
}

static void start(void)
{
    struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_ONSTACK};
    size_t size = sizeof *S + (size_t)STACK * (SCHED_THREADS + 1);
    void *p =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    S = p;
    S->stack = (char *)(S + 1);
    S->current = -1;
    const stack_t stack = {.ss_sp = S->stack + (size_t)STACK * SCHED_THREADS,
                           .ss_size = STACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

static void make(int t)
{
    struct thread *thread = &S->thread[t];
    thread->next = (struct op){0};
    thread->done = !S->plan->body[t];
    thread->own = (struct world_own){0};
    getcontext(&thread->context);
    thread->context.uc_stack.ss_sp = S->stack + (size_t)t * STACK;
    thread->context.uc_stack.ss_size = STACK;
    makecontext(&thread->context, body, 0);
}

static void run_once(void)
{
    volatile bool back = false;
    S->depth = S->flips = 0;
    S->last = -1;
    S->cut = false;
    S->steps = 0;
    S->plan->begin();
    instrument_begin();
    for (int i = 0; i < MUTEXES; i++)
        S->mutex[i].holder = 0;
    for (int t = 0; t < SCHED_THREADS; t++)
        make(t);
    getcontext(&S->main);
    if (!back) {
        back = true;
        int t = choose();
        run(t);
        setcontext(&S->thread[t].context);
    }
    S->current = -1;
    world_own_put(&(struct world_own){0});
    instrument_end();
    S->runs += !S->cut;
    S->cuts += S->cut;
    if (!S->cut)
        S->plan->end();
}

void sched_explore(const struct sched_plan *plan)
{
    S->plan = plan;
    S->replay = 0;
    S->runs = S->cuts = 0;
    do
        run_once();
    while (go_back());
}

__attribute__((constructor)) static void before_main(void)
{
    start();
}
