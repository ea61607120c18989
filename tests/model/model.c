/* SPDX-License-Identifier: MIT */
/*
 * Remote frees, adoption and the ends of threads (pools/remote.c, pools/adopt.c and what of
 * pools/ they need) in all interleavings of small scenarios: model [SCENARIO...]. After each run
 * world_end looks for everything that design.md says always holds.
 *
 * mutants.sh runs the same on copies of the sources with one thing wrong in each.
 */
#include "pools/remote.h"
#include "tests/model/sched.h"
#include "tests/model/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 12 };

static struct nt_shard *a, *b, *c, *d; /* of threads that were there before */
static void *block[BLOCKS];            /* a's */

static struct nt_shard *attached(void)
{
    world_is(&nt__shard_none);
    world_attach();
    return nt__heap_shard;
}

/* a has allocated so many; b, c and d are there. Four blocks are a slab. */
static void with_blocks(int n)
{
    a = attached();
    for (int i = 0; i < n; i++)
        block[i] = world_malloc(WORLD_BYTES);
    b = attached();
    c = attached();
    d = attached();
}

static void retire_a(void)
{
    world_is(a);
    world_detach();
}

/* What a thread sends, on its way at once. */
static void send(struct nt_shard *s, int i)
{
    world_is(s);
    world_free(block[i]);
    nt__remote_flush(s);
}

static void allocate(struct nt_shard *s, int n)
{
    world_is(s);
    while (n-- != 0)
        world_malloc(WORLD_BYTES);
}

/* Life of a thread that was not there. */
static void new_thread(void)
{
    world_attach();
    world_malloc(WORLD_BYTES);
    world_detach();
}

static void b_sends_0(void)
{
    send(b, 0);
}

static void b_sends_0_1(void)
{
    send(b, 0);
    send(b, 1);
}

static void b_sends_1(void)
{
    send(b, 1);
}

static void b_sends_all(void)
{
    world_is(b);
    for (int i = 0; i < 4; i++)
        world_free(block[i]);
    nt__remote_flush(b);
}

static void b_sends_of_two(void)
{
    send(b, 0);
    send(b, 4);
}

static void c_sends_1(void)
{
    send(c, 1);
}

static void c_sends_2(void)
{
    send(c, 2);
}

static void c_sends_of_two(void)
{
    send(c, 5);
    send(c, 1);
}

static void d_sends_3(void)
{
    send(d, 3);
}

static void a_receives(void)
{
    nt__remote_receive(a);
    nt__remote_receive(a);
}

static void a_allocates_two(void)
{
    allocate(a, 2);
}

static void a_trims(void)
{
    nt__shard_trim(a);
    nt__shard_trim(a);
}

/* Takes what was sent while its slab may not be on the stack yet, and has no block out then. */
static void a_takes_and_trims(void)
{
    world_is(a);
    void *p = world_malloc(WORLD_BYTES);
    for (int i = 1; i < 4; i++)
        world_free(block[i]);
    world_free(p);
    nt__shard_trim(a);
}

static void b_allocates(void)
{
    allocate(b, 1);
}

static void c_allocates(void)
{
    allocate(c, 1);
}

static void d_allocates(void)
{
    allocate(d, 1);
}

static void c_allocates_a_slab(void)
{
    allocate(c, 5);
}

/* ---- Where they begin ---------------------------------------------------------------- */

static void full_slab(void)
{
    with_blocks(5);
}

static void two_full_slabs(void)
{
    with_blocks(9);
}

static void dry_slab(void)
{
    with_blocks(4);
}

static void slab_with_room(void)
{
    with_blocks(4);
    world_is(a);
    world_free(block[0]);
}

static void idle_with_room(void)
{
    slab_with_room();
    retire_a();
}

/* b and c look after idle shards when they have sent something. */
static void idle_looked_after(void)
{
    with_blocks(4);
    retire_a();
    b->sent_to_idle = c->sent_to_idle = 15;
}

static void idle_looked_after_with_room(void)
{
    idle_with_room();
    b->sent_to_idle = c->sent_to_idle = 15;
}

static void last_block(void)
{
    with_blocks(4);
    world_is(a);
    for (int i = 1; i < 4; i++)
        world_free(block[i]);
}

/* ---- Scenarios ----------------------------------------------------------------------- */

static const struct scenario {
    const char *name;
    void (*setup)(void);
    void (*body[SCHED_THREADS])(void);
    int bound, long_bound;
} scenarios[] = {
    {"receive", full_slab, {a_receives, b_sends_0, c_sends_1}, SCHED_ALL, SCHED_ALL},
    {"take", dry_slab, {a_allocates_two, b_sends_0, c_sends_1}, SCHED_ALL, SCHED_ALL},
    {"take-all", dry_slab, {a_allocates_two, b_sends_all}, SCHED_ALL, SCHED_ALL},
    {"two-slabs", two_full_slabs, {a_receives, b_sends_of_two, c_sends_of_two}, 2, 3},
    {"senders", full_slab, {a_receives, b_sends_0_1, c_sends_2, d_sends_3}, 1, 2},
    {"give-back",
     last_block,
     {a_trims, b_sends_0, c_allocates_a_slab},
     SCHED_ALL,
     SCHED_ALL},
    {"give-back-queued",
     dry_slab,
     {a_takes_and_trims, b_sends_0, c_allocates},
     SCHED_ALL,
     SCHED_ALL},
    {"exit", dry_slab, {retire_a, b_sends_0_1, c_sends_2}, 2, SCHED_ALL},
    {"exit-adopt",
     slab_with_room,
     {retire_a, b_sends_1, c_allocates},
     SCHED_ALL,
     SCHED_ALL},
    {"exit-start",
     slab_with_room,
     {retire_a, b_sends_1, new_thread},
     SCHED_ALL,
     SCHED_ALL},
    {"adopt",
     idle_with_room,
     {b_sends_1, c_allocates, new_thread},
     SCHED_ALL,
     SCHED_ALL},
    {"adopt-two",
     idle_with_room,
     {b_allocates, c_allocates, d_sends_3},
     SCHED_ALL,
     SCHED_ALL},
    {"look-after", idle_looked_after, {b_sends_0, c_sends_1, new_thread}, 2, 3},
    {"look-after-adopt",
     idle_looked_after_with_room,
     {b_sends_1, c_sends_2, new_thread, d_allocates},
     1,
     2},
    {"start", idle_with_room, {new_thread, new_thread, new_thread}, 2, 3},
    {"read", slab_with_room, {new_thread, b_sends_1, world_read}, SCHED_ALL, SCHED_ALL},
    {"all", slab_with_room, {retire_a, b_sends_1, c_allocates, new_thread}, 1, 2},
};

static bool asked_for(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc < 2;
}

int main(int argc, char **argv)
{
    const char *text = getenv("NT_LONG");
    bool is_long = text && strcmp(text, "1") == 0, known = false;
    world_start();
    for (size_t i = 0; i < NT_ARRAY_LEN(scenarios); i++) {
        const struct scenario *s = &scenarios[i];
        struct sched_plan plan = {.name = s->name,
                                  .bound = is_long ? s->long_bound : s->bound,
                                  .flips = 1,
                                  .begin = world_begin,
                                  .end = world_end};
        if (!asked_for(s->name, argc, argv))
            continue;
        known = true;
        memcpy(plan.body, s->body, sizeof plan.body);
        world_anew();
        s->setup();
        world_keep();
        sched_explore(&plan);
        printf("%-18s %9llu runs, ", s->name, (unsigned long long)sched_runs());
        if (plan.bound == SCHED_ALL)
            printf("all there are (%llu cut)\n", (unsigned long long)sched_cut());
        else
            printf("all with up to %d stops\n", plan.bound);
        fflush(stdout);
    }
    if (!known)
        fprintf(stderr, "usage: %s [SCENARIO...]; see the table `scenarios`\n",
                argv[0]);
    return known ? 0 : 2;
}
