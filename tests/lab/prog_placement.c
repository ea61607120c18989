/* SPDX-License-Identifier: MIT */
/*
 * Where do blocks of malloc lie on a machine with several nodes? A plain program: the
 * allocator is preloaded. Pages are asked of the kernel, every page of every block.
 *
 *   own       a thread per cpu allocates blocks of every size class and writes to them:
 *             they lie on its node
 *   crossed   the same after threads of all nodes freed each other's blocks a million
 *             times, at random
 *   moved     a thread moves to another node: what it had stays, what it gets from the
 *             next refills on lies on its new node
 *   gone      threads end with blocks in use, others take over what they left
 *   fork      the child's blocks, on the parent's node and on another
 *   full NODE more is used than the node has: the rest lies elsewhere, on nodes with cpus
 *             as long as these have memory, and nobody is killed
 *
 * Without an argument all but the last. A node without memory counts as the nearest
 * that has some.
 */
#include "bench/nodes.h"
#include "tests/front/check.h"

#include <malloc.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum { CLASSES = 512, BLOCKS = 8192, PLACES = 2048, CROSSED = 1000000, CPUS = 64 };

static struct {
    struct nodes nodes;
    size_t size[CLASSES]; /* a size in each class, rising */
    size_t copies[CLASSES];
    unsigned sizes;
    _Atomic(uint32_t *) place[PLACES];
    atomic_uint crossed;
    pthread_barrier_t all;
} g;

/* Blocks of all sizes. */
struct set {
    size_t count;
    void *block[BLOCKS];
    size_t size[BLOCKS];
};

static struct set *set_new(void)
{
    return nodes_map(sizeof(struct set));
}

static void set_fill(struct set *s)
{
    s->count = 0;
    for (unsigned c = 0; c < g.sizes; c++)
        for (size_t i = 0; i < g.copies[c]; i++) {
            void *p = malloc(g.size[c]);
            nodes_touch(p, g.size[c]);
            s->block[s->count] = p;
            s->size[s->count++] = g.size[c];
        }
}

static void set_free(struct set *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->block[i]);
    s->count = 0;
}

/* Sizes: whatever the allocator rounds to, and some it has no class for. */
static void choose_sizes(void)
{
    size_t least = SIZE_MAX, most, size = 1;

    for (unsigned i = 0; i < g.nodes.count; i++)
        if (g.nodes.node[i].total_kib && g.nodes.node[i].free_kib < least)
            least = g.nodes.node[i].free_kib;
    most = least * KIB / 256; /* of all sets together nodes must not fill up */
    while (size <= most && size <= 512 * KIB && g.sizes < CLASSES - 4) {
        void *p = malloc(opaque(size));
        size_t usable = malloc_usable_size(p);
        free(p);
        g.copies[g.sizes] = usable < 256 ? 64 : usable < 4096 ? 16 : 2;
        g.size[g.sizes++] = usable;
        size = usable + 1 + usable / 32;
    }
    for (size = 600 * KIB; most > 512 * KIB && size <= 3 * MIB; size += 800 * KIB) {
        g.copies[g.sizes] = 1;
        g.size[g.sizes++] = size;
    }
}

/* All pages of the set must lie on the home of `node`. */
static void expect(const struct set *s, unsigned node, const char *what)
{
    struct tally t = {0};
    struct nodes_asker asker = {.nodes = &g.nodes, .tally = &t};
    unsigned home = nodes_home(&g.nodes, node);
    char line[512];
    int length;

    for (size_t i = 0; i < s->count; i++)
        nodes_add(&asker, s->block[i], s->size[i]);
    nodes_ask(&asker);
    uint64_t all = tally_sum(&t);
    length = snprintf(line, sizeof line, "%s, node %d: %.1f of %.1f KiB on node %d",
                      what, g.nodes.node[node].id, (double)t.on[home] / 1024,
                      (double)all / 1024, g.nodes.node[home].id);
    for (unsigned i = 0; i < g.nodes.count; i++)
        if (i != home && t.on[i])
            length +=
                snprintf(line + length, sizeof line - (size_t)length, ", %.1f on %d",
                         (double)t.on[i] / 1024, g.nodes.node[i].id);
    CHECK(line, s->count != 0 && all == t.on[home]);
}

static bool has_cpus(unsigned node)
{
    return g.nodes.node[node].cpu_count != 0;
}

/* The next node with cpus after `node`, going round. */
static unsigned next_node(unsigned node)
{
    do
        node = (node + 1) % g.nodes.count;
    while (!has_cpus(node));
    return node;
}

/* ---- own, crossed ------------------------------------------------------------------- */

struct worker {
    unsigned node, number;
    bool crossing;
};

static void cross(const struct worker *w)
{
    uint64_t random = w->number * UINT64_C(0x9E3779B97F4A7C15) + 1;

    for (unsigned i = 0, mine = 0;; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t size = 16 + random % 4080;
        uint32_t *block = malloc(size);
        nodes_touch(block, size);
        block[0] = w->number;
        block[1] = (uint32_t)size;
        uint32_t *old = atomic_exchange(&g.place[(random >> 32) % PLACES], block);
        mine += old && old[0] != w->number;
        free(old);
        if (i % 256 == 255) {
            if (atomic_fetch_add(&g.crossed, mine) + mine >= CROSSED)
                return;
            mine = 0;
        }
    }
}

static void *work(void *argument)
{
    const struct worker *w = argument;
    struct set *s = set_new();

    if (w->crossing)
        cross(w);
    set_fill(s);
    expect(s, w->node,
           w->crossing ? "blocks after crossed frees" : "a thread's own blocks");
    pthread_barrier_wait(&g.all);
    set_free(s);
    return NULL;
}

/* A thread per cpu, all at once. What is left in the table goes to its owners' tallies. */
static void all_threads(bool crossing)
{
    pthread_t thread[CPUS];
    struct worker worker[CPUS];
    unsigned threads = 0;

    for (unsigned n = 0; n < g.nodes.count; n++)
        for (unsigned c = 0; c < g.nodes.node[n].cpu_count && threads < CPUS;
             c++, threads++)
            worker[threads] = (struct worker){n, threads, crossing};
    pthread_barrier_init(&g.all, NULL, threads);
    for (unsigned i = 0; i < threads; i++)
        thread[i] = nodes_thread(&g.nodes.node[worker[i].node], work, &worker[i]);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&g.all);
    if (!crossing)
        return;
    CHECK("a million frees by other threads", g.crossed >= CROSSED);
    struct set *s = set_new();
    for (unsigned i = 0; i < threads; i++) {
        s->count = 0;
        for (unsigned at = 0; at < PLACES; at++)
            if (g.place[at] && g.place[at][0] == i) {
                s->block[s->count] = g.place[at];
                s->size[s->count++] = g.place[at][1];
            }
        expect(s, worker[i].node, "blocks left by crossing threads");
    }
    for (unsigned at = 0; at < PLACES; at++)
        free(atomic_exchange(&g.place[at], NULL));
}

/* ---- moved -------------------------------------------------------------------------- */

/* The thread has moved. The library notices at the next refill, and in lists that never
 * run dry there is none: a block of a new slab or a large one is one for all sizes. */
static void refill(void)
{
    free(hidden(malloc(opaque(600 * KIB))));
}

/* There and back, to several nodes. */
static void *move(void *argument)
{
    unsigned from = *(unsigned *)argument;
    unsigned to = next_node(from);
    struct set *before = set_new(), *after = set_new();

    for (unsigned hop = 0; hop < 3; hop++, to = next_node(to)) {
        if (to == from)
            continue;
        set_fill(before);
        expect(before, from, "before the move");
        nodes_pin(&g.nodes.node[to]);
        refill();
        expect(before, from, "allocated before the move");
        set_fill(after);
        expect(after, to, "allocated after the move");
        set_free(before);
        set_fill(before);
        expect(before, to, "after the old node's were freed from the new one");
        set_free(before);
        set_free(after);
        nodes_pin(&g.nodes.node[from]);
        refill();
    }
    return NULL;
}

/* ---- gone --------------------------------------------------------------------------- */

static void *fill_and_go(void *set)
{
    set_fill(set);
    return NULL;
}

static void *free_and_go(void *set)
{
    set_free(set);
    return NULL;
}

static void filled_on(struct set *s, unsigned node, const char *what)
{
    pthread_join(nodes_thread(&g.nodes.node[node], fill_and_go, s), NULL);
    expect(s, node, what);
}

static void gone(unsigned node)
{
    struct set *left = set_new(), *others = set_new(), *again = set_new();
    unsigned other = next_node(node);

    filled_on(left, node, "left by a thread that is gone");
    filled_on(others, other, "after a thread of another node is gone");
    filled_on(again, node, "after adoption");
    pthread_join(nodes_thread(&g.nodes.node[other], free_and_go, left), NULL);
    expect(others, other, "still, after frees to the dead");
    set_free(others);
    filled_on(others, other, "after its thread freed a dead thread's blocks");
    filled_on(left, node, "where a dead thread's blocks were freed");
    set_free(left);
    set_free(others);
    set_free(again);
}

/* ---- fork --------------------------------------------------------------------------- */

static int child(unsigned node, struct set *of_parent)
{
    struct set *s = set_new();
    unsigned other = next_node(node);

    check_passed = check_failed = 0;
    set_fill(s);
    expect(s, node, "a child's blocks");
    set_free(of_parent);
    set_free(s);
    set_fill(s);
    expect(s, node, "a child's, its parent's freed");
    nodes_pin(&g.nodes.node[other]);
    refill();
    set_free(s);
    set_fill(s);
    expect(s, other, "a child's that has moved");
    fflush(stdout);
    return check_failed != 0;
}

static void *forked(void *argument)
{
    unsigned node = *(unsigned *)argument;
    struct set *s = set_new(), *later = set_new();
    int status = -1;

    set_fill(s);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(node, s));
    set_fill(later);
    expect(later, node, "the parent's, after a fork");
    CHECK("the child ended well", waitpid(pid, &status, 0) == pid && status == 0);
    set_free(s);
    set_fill(s);
    expect(s, node, "the parent's, after the child's end");
    set_free(s);
    set_free(later);
    return NULL;
}

/* ---- full --------------------------------------------------------------------------- */

static void *fill_up(void *argument)
{
    unsigned node = *(unsigned *)argument;
    struct node *n = &g.nodes.node[node];
    size_t spill = 32 * MIB, block = 64 * KIB;
    size_t count = (n->free_kib * KIB + spill) / block;
    void **blocks = nodes_map(count * sizeof *blocks);
    struct tally t = {0};
    struct nodes_asker asker = {.nodes = &g.nodes, .tally = &t};
    uint64_t without_cpus = 0;

    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(block);
        nodes_touch(blocks[i], block);
    }
    for (size_t i = 0; i < count; i++)
        nodes_add(&asker, blocks[i], block);
    nodes_ask(&asker);
    for (unsigned i = 0; i < g.nodes.count; i++) {
        printf("node %d: %.1f MiB\n", g.nodes.node[i].id,
               (double)t.on[i] / (double)MIB);
        without_cpus += has_cpus(i) ? 0 : t.on[i];
    }
    CHECK("most of what was free on the node is used",
          t.on[node] > n->free_kib * KIB / 10 * 7);
    CHECK("the rest is elsewhere", t.on[node] < count * block && t.absent == 0);
    CHECK("nothing on a node without cpus", without_cpus == 0);
    for (size_t i = 0; i < count; i++)
        free(blocks[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : NULL;

    nodes_read(&g.nodes);
    choose_sizes();
    if (only && !strcmp(only, "full") && argc == 3) {
        unsigned node = nodes_index(&g.nodes, atoi(argv[2]));
        if (node == NODES_MOST)
            nodes_fail("no such node: take one that `numactl -H` lists");
        pthread_join(nodes_thread(&g.nodes.node[node], fill_up, &node), NULL);
        return done();
    }
    if (!only || !strcmp(only, "own"))
        all_threads(false);
    if (!only || !strcmp(only, "crossed"))
        all_threads(true);
    for (unsigned node = 0; node < g.nodes.count; node++) {
        if (!has_cpus(node))
            continue;
        if (!only || !strcmp(only, "moved"))
            pthread_join(nodes_thread(&g.nodes.node[node], move, &node), NULL);
        if (!only || !strcmp(only, "gone"))
            gone(node);
        if (!only || !strcmp(only, "fork"))
            pthread_join(nodes_thread(&g.nodes.node[node], forked, &node), NULL);
    }
    return done();
}
