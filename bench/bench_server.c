/* SPDX-License-Identifier: MIT */
/*
 * What does a request cost in a server: bursts of mixed sizes, sessions that live on, and
 * blocks that other threads free?
 *
 * Each worker has 128 sessions and a mailbox. A request picks a session, frees what is in
 * the mailbox, and allocates 8 to 39 blocks, each doubling from 16 to 4095 bytes alike
 * likely, and one in 32 of 16 to 64 KiB. Their beginnings are written. One block in eight
 * goes to another worker's mailbox, one in sixteen of those up to 1 KiB is kept by the
 * session, and the others are freed at the end of the request, the last or the first one
 * first. A session ends after 1 to 63 requests; then what it kept is freed. When a mailbox
 * is full, as when its worker is put aside, the block stays with the sender.
 *   server/2  two workers
 *   server/4  four workers: more than a small machine has CPUs
 * Workers, sessions and mailboxes live on from step to step. One operation is one
 * request, some 23 blocks, by the wall clock.
 */
#include "bench.h"
#include "crew.h"

#include <stdatomic.h>
#include <string.h>

enum {
    WORKERS = 4,
    SESSIONS = 128,
    REQUESTS = 8000, /* of all workers in a step */
    BURST_LEAST = 8,
    BURST_MORE = 32,
    WRITTEN = 256, /* bytes of a block that are written, at most */
    KEPT_MOST = 1024,
    MAILBOX = 2048 /* blocks that may wait */
};

/* The beginning of each block that waits in a mailbox or in a session. */
struct note {
    struct note *next;
};

struct session {
    struct note *kept;
    size_t left; /* requests until it ends */
};

struct worker {
    /* Pushed on by anybody with release, emptied by its worker with acquire. */
    _Alignas(64) _Atomic(struct note *) mailbox;
    atomic_uint waiting; /* blocks in it, give or take those under way */
    _Alignas(64) uint64_t state;
    struct session session[SESSIONS];
};

static struct {
    unsigned workers;
    struct worker worker[WORKERS];
} server;

static void begin_server(const struct bench_case *c)
{
    server.workers = c->threads;
    for (size_t i = 0; i < WORKERS; i++)
        server.worker[i].state = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

static unsigned free_notes(struct note *note)
{
    unsigned count = 0;

    for (; note; count++) {
        struct note *next = note->next;
        free(note);
        note = next;
    }
    return count;
}

/* 1 if the block was taken. */
static int post(struct worker *to, struct note *note)
{
    if (atomic_load_explicit(&to->waiting, memory_order_relaxed) >= MAILBOX)
        return 0;
    atomic_fetch_add_explicit(&to->waiting, 1, memory_order_relaxed);
    note->next = atomic_load_explicit(&to->mailbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        &to->mailbox, &note->next, note, memory_order_release, memory_order_relaxed)) {
    }
    return 1;
}

static size_t draw_size(uint64_t *state)
{
    if (bench_random_below(state, 32) == 0)
        return bench_random_scale(state, 16384, 2);
    return bench_random_scale(state, 16, 8);
}

/* Gives a block away, or leaves it to the end of the request: NULL or the block. */
static void *place(struct worker *self, unsigned number, struct session *session,
                   void *block, size_t size)
{
    size_t draw = bench_random_below(&self->state, 16);

    if (draw < 2) {
        size_t other =
            number + 1 + bench_random_below(&self->state, server.workers - 1);
        return post(&server.worker[other % server.workers], block) ? NULL : block;
    }
    if (draw == 2 && size <= KEPT_MOST) {
        struct note *note = block;
        note->next = session->kept;
        session->kept = note;
        return NULL;
    }
    return block;
}

static void serve_request(struct worker *self, unsigned number)
{
    void *block[BURST_LEAST + BURST_MORE];
    uint64_t *state = &self->state;
    struct session *session = &self->session[bench_random_below(state, SESSIONS)];
    size_t count = BURST_LEAST + bench_random_below(state, BURST_MORE);

    unsigned emptied = free_notes(
        atomic_exchange_explicit(&self->mailbox, NULL, memory_order_acquire));
    atomic_fetch_sub_explicit(&self->waiting, emptied, memory_order_relaxed);
    if (session->left-- == 0) {
        free_notes(session->kept);
        session->kept = NULL;
        session->left = bench_random_scale(state, 1, 6);
    }
    for (size_t i = 0; i < count; i++) {
        size_t size = draw_size(state);
        block[i] = malloc(size);
        bench_touch(block[i]);
        memset(block[i], (int)i, size < WRITTEN ? size : WRITTEN);
        if (size > 4096)
            bench_touch_pages(block[i], 0, size);
        block[i] = place(self, number, session, block[i], size);
    }
    int backwards = count % 2;
    for (size_t i = 0; i < count; i++)
        free(block[backwards ? count - 1 - i : i]);
}

static void serve(unsigned number)
{
    for (unsigned i = 0; i < REQUESTS / server.workers; i++)
        serve_request(&server.worker[number], number);
}

BENCH_WORK uint64_t work_server(const struct bench_case *c)
{
    crew_run(c->threads, serve);
    return REQUESTS;
}

static const struct bench_case cases[] = {
    {.name = "server/2",
     .unit = "request",
     .step = work_server,
     .begin = begin_server,
     .threads = 2},
    {.name = "server/4",
     .unit = "request",
     .step = work_server,
     .begin = begin_server,
     .threads = 4},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
