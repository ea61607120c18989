/* SPDX-License-Identifier: MIT */
/*
 * On a machine with several nodes: how much of a thread's memory lies on other nodes?
 *
 *   bench_placement ROW SIZES [BLOCKS]
 *
 * prints the bytes looked at and those on a wrong node, by move_pages. Each node has a
 * thread; "the other node" is the next one, going round; each node has its turn. Sizes:
 * small (16..4096 bytes), medium (4..64 KiB), large (0.5..1.5 MiB), even over the range,
 * 16 MiB of them (BLOCKS: so many) a thread. Rows, and what is looked at:
 *   own     blocks that threads of all nodes allocate at the same time
 *   freed   a thread allocates after it has freed blocks of the other node's thread
 *   exited  a new thread allocates after a thread of the other node has allocated,
 *           freed and ended
 *   moved   a thread allocates and frees, moves to the other node and allocates
 *   handed  a consumer frees what a producer on the other node allocates meanwhile, 64
 *           MiB of it; then both allocate
 *   array   arrays of 1 MiB in reused space, written to by two nodes, half each (SIZES
 *           does not matter)
 *
 * placement.py runs it in the lab (tests/lab). With --list, as run.py calls it, it has
 * nothing to time.
 */
#define _GNU_SOURCE
#include "nodes.h"

#include <dlfcn.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { BLOCKS_MOST = 65536, RING = 256, ROUNDS = 4, ARRAYS = 16 };

struct set {
    size_t count;
    void *block[BLOCKS_MOST];
    size_t size[BLOCKS_MOST];
};

struct worker {
    pthread_t thread;
    unsigned node;
    sem_t begin, end;
    void (*job)(struct worker *self, struct set *set); /* NULL: end */
    struct set *set;
    struct set *own, *other; /* this worker's two sets */
    uint64_t random;
};

static struct {
    struct nodes nodes;
    struct worker worker[NODES_MOST];
    unsigned workers;
    size_t blocks, least, most;
    uint64_t wrong, all;
    _Atomic(void *) ring[RING];
} g;

/* ---- threads on nodes --------------------------------------------------------------- */

static void *serve(void *argument)
{
    struct worker *self = argument;

    for (;;) {
        sem_wait(&self->begin);
        if (!self->job)
            return NULL;
        self->job(self, self->set);
        sem_post(&self->end);
    }
}

static void hire(struct worker *w, unsigned node)
{
    w->node = node;
    w->random = node * UINT64_C(0x9E3779B97F4A7C15) + 88172645463325252u;
    sem_init(&w->begin, 0, 0);
    sem_init(&w->end, 0, 0);
    w->own = w->own ? w->own : nodes_map(sizeof *w->own);
    w->other = w->other ? w->other : nodes_map(sizeof *w->other);
    w->thread = nodes_thread(&g.nodes.node[node], serve, w);
}

static void begin(struct worker *w, void (*job)(struct worker *, struct set *),
                  struct set *set)
{
    w->job = job;
    w->set = set;
    sem_post(&w->begin);
}

static void end(struct worker *w)
{
    sem_wait(&w->end);
}

static void run(struct worker *w, void (*job)(struct worker *, struct set *),
                struct set *set)
{
    begin(w, job, set);
    end(w);
}

static void dismiss(struct worker *w)
{
    begin(w, NULL, NULL);
    pthread_join(w->thread, NULL);
}

static struct worker *next(const struct worker *w)
{
    return &g.worker[((unsigned)(w - g.worker) + 1) % g.workers];
}

/* ---- jobs --------------------------------------------------------------------------- */

static size_t draw(struct worker *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return g.least + (self->random >> 11) % (g.most - g.least + 1);
}

static void fill(struct worker *self, struct set *set)
{
    for (set->count = 0; set->count < g.blocks; set->count++) {
        size_t size = draw(self);
        void *block = malloc(size);
        nodes_touch(block, size);
        set->block[set->count] = block;
        set->size[set->count] = size;
    }
}

static void empty(struct worker *self, struct set *set)
{
    (void)self;
    for (size_t i = 0; i < set->count; i++)
        free(set->block[i]);
    set->count = 0;
}

static void produce(struct worker *self, struct set *set)
{
    (void)set;
    for (size_t i = 0; i < ROUNDS * g.blocks; i++) {
        size_t size = draw(self);
        void *block = malloc(size), *none = NULL;
        nodes_touch(block, size);
        while (!atomic_compare_exchange_weak(&g.ring[i % RING], &none, block)) {
            none = NULL;
            sched_yield();
        }
    }
}

static void consume(struct worker *self, struct set *set)
{
    (void)self;
    (void)set;
    for (size_t i = 0; i < ROUNDS * g.blocks; i++) {
        void *block;
        while (!(block = atomic_exchange(&g.ring[i % RING], NULL)))
            sched_yield();
        free(block);
    }
}

static void move(struct worker *self, struct set *set)
{
    (void)set;
    nodes_pin(&g.nodes.node[next(self)->node]);
}

static void get_arrays(struct worker *self, struct set *set)
{
    (void)self;
    for (set->count = 0; set->count < ARRAYS; set->count++) {
        set->block[set->count] = malloc((size_t)1 << 20);
        set->size[set->count] = (size_t)1 << 20;
    }
}

static void touch_half(struct set *set, size_t from)
{
    for (size_t i = 0; i < set->count; i++)
        nodes_touch((char *)set->block[i] + from, set->size[i] / 2);
}

static void touch_first(struct worker *self, struct set *set)
{
    (void)self;
    touch_half(set, 0);
}

static void touch_second(struct worker *self, struct set *set)
{
    (void)self;
    touch_half(set, set->size[0] / 2);
}

/* ---- looking ------------------------------------------------------------------------ */

/* Bytes [from, to) in sixteenths of each block should be on `node`. */
static void look(const struct set *set, unsigned node, unsigned from, unsigned to)
{
    struct tally t = {0};
    struct nodes_asker asker = {.nodes = &g.nodes, .tally = &t};

    for (size_t i = 0; i < set->count; i++) {
        size_t part = set->size[i] / 16;
        size_t last = to == 16 ? set->size[i] : part * to;
        nodes_add(&asker, (char *)set->block[i] + part * from, last - part * from);
    }
    nodes_ask(&asker);
    g.all += tally_sum(&t);
    g.wrong += tally_sum(&t) - t.on[nodes_home(&g.nodes, node)];
}

static void look_at(const struct set *set, unsigned node)
{
    look(set, node, 0, 16);
}

/* ---- rows --------------------------------------------------------------------------- */

static void row_own(struct worker *w, struct worker *other)
{
    (void)other;
    if (w != g.worker)
        return; /* all at once, in the first one's turn */
    for (unsigned i = 0; i < g.workers; i++)
        begin(&g.worker[i], fill, g.worker[i].own);
    for (unsigned i = 0; i < g.workers; i++)
        end(&g.worker[i]);
    for (unsigned i = 0; i < g.workers; i++)
        look_at(g.worker[i].own, g.worker[i].node);
}

static void row_freed(struct worker *w, struct worker *other)
{
    run(w, fill, w->own);
    run(other, fill, other->other);
    run(w, empty, other->other);
    run(w, fill, w->other);
    look_at(w->other, w->node);
    run(w, empty, w->other);
    run(w, empty, w->own);
}

static void row_exited(struct worker *w, struct worker *other)
{
    run(other, fill, other->own);
    run(other, empty, other->own);
    dismiss(other);
    dismiss(w);
    hire(w, w->node);
    run(w, fill, w->own);
    look_at(w->own, w->node);
    run(w, empty, w->own);
    hire(other, other->node);
}

static void row_moved(struct worker *w, struct worker *other)
{
    run(w, fill, w->own);
    run(w, empty, w->own);
    run(w, move, NULL);
    run(w, fill, w->own);
    look_at(w->own, other->node);
    run(w, empty, w->own);
    dismiss(w);
    hire(w, w->node);
}

static void row_handed(struct worker *w, struct worker *other)
{
    begin(w, consume, NULL);
    begin(other, produce, NULL);
    end(w);
    end(other);
    run(w, fill, w->own);
    run(other, fill, other->other);
    look_at(w->own, w->node);
    look_at(other->other, other->node);
    run(w, empty, w->own);
    run(other, empty, other->other);
}

static void row_array(struct worker *w, struct worker *other)
{
    run(w, get_arrays, w->own);
    run(w, touch_first, w->own);
    run(w, touch_second, w->own);
    run(w, empty, w->own);
    run(w, get_arrays, w->own);
    begin(w, touch_first, w->own);
    begin(other, touch_second, w->own);
    end(w);
    end(other);
    look(w->own, w->node, 0, 8);
    look(w->own, other->node, 8, 16);
    run(w, empty, w->own);
}

static const struct row {
    const char *name;
    void (*turn)(struct worker *w, struct worker *other);
} rows[] = {
    {"own", row_own},     {"freed", row_freed},   {"exited", row_exited},
    {"moved", row_moved}, {"handed", row_handed}, {"array", row_array},
};

static const struct sizes {
    const char *name;
    size_t least, most;
} sizes[] = {
    {"small", 16, 4096},
    {"medium", 4 << 10, 64 << 10},
    {"large", 513 << 10, 1536 << 10},
};

static const struct row *find_row(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static const struct sizes *find_sizes(const char *name)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const struct row *row = argc > 2 ? find_row(argv[1]) : NULL;
    const struct sizes *range = argc > 2 ? find_sizes(argv[2]) : NULL;
    Dl_info info = {0};

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return 0;
    if (!row || !range) {
        fprintf(stderr,
                "usage: %s own|freed|exited|moved|handed|array "
                "small|medium|large [BLOCKS]\n",
                argv[0]);
        return 2;
    }
    nodes_read(&g.nodes);
    if (g.nodes.count < 2)
        nodes_fail("this machine has one node: run it in the lab (bench --placement)");
    g.least = range->least;
    g.most = range->most;
    g.blocks = ((size_t)16 << 20) / ((range->least + range->most) / 2);
    if (argc > 3)
        g.blocks = strtoul(argv[3], NULL, 10);
    if (g.blocks == 0 || g.blocks > BLOCKS_MOST)
        nodes_fail("BLOCKS: want 1 to 65536");
    for (unsigned n = 0; n < g.nodes.count; n++)
        if (g.nodes.node[n].cpu_count)
            hire(&g.worker[g.workers++], n);
    for (unsigned i = 0; i < g.workers; i++)
        row->turn(&g.worker[i], next(&g.worker[i]));
    dladdr((void *)(uintptr_t)malloc, &info);
    printf("row %s sizes %s nodes %u bytes %llu wrong %llu malloc %s\n", row->name,
           range->name, g.workers, (unsigned long long)g.all,
           (unsigned long long)g.wrong, info.dli_fname);
    return 0;
}
