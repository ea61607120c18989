/* SPDX-License-Identifier: MIT */
/*
 * A process whose memory is bounded from outside; surroundings.sh sets the bounds.
 *
 *   only NODE        a cpuset leaves this node's memory only: all pages lie there, and
 *                    blocks on any other node are refused with EINVAL
 *   eat MIB          allocate until there is no more, at most so much, without touching
 *                    it: it ends with ENOMEM, and once all is freed malloc works again
 *   churn MIB ROUNDS keep so much in use, written to, and replace it again and again, in
 *                    other sizes each time: what is freed makes room for what comes
 */
#include "bench/nodes.h"
#include "tests/front/check.h"

#include <dlfcn.h>

enum { BLOCKS = 65536 };

static struct {
    struct nodes nodes;
    void **block;
    size_t *size;
    size_t count;
} g;

static void free_all(void)
{
    for (size_t i = 0; i < g.count; i++)
        free(g.block[i]);
    g.count = 0;
}

/* Blocks of mixed sizes about `typical`, `bytes` in all. False: malloc returned NULL. */
static bool take(size_t bytes, size_t typical, bool touch)
{
    for (size_t got = 0; got < bytes && g.count < BLOCKS;) {
        size_t size = typical / 2 + g.count * 977 % typical;
        void *p = malloc(size);
        if (!p)
            return false;
        if (touch)
            nodes_touch(p, size);
        g.block[g.count] = p;
        g.size[g.count++] = size;
        got += size;
    }
    return true;
}

static int only(int node)
{
    void *(*onnode)(size_t, int) =
        (void *(*)(size_t, int))dlsym(RTLD_DEFAULT, "nt_malloc_onnode");
    struct tally t = {0};
    struct nodes_asker asker = {.nodes = &g.nodes, .tally = &t};
    unsigned index = nodes_index(&g.nodes, node);

    if (index == NODES_MOST || !onnode)
        nodes_fail("want a node of this machine, and libnumatally_malloc.so preloaded");
    CHECK("memory is to be had", take(8 * MIB, 2000, true) &&
                                     take(8 * MIB, 40000, true) &&
                                     take(8 * MIB, MIB, true));
    for (size_t i = 0; i < g.count; i++)
        nodes_add(&asker, g.block[i], g.size[i]);
    nodes_ask(&asker);
    CHECK("all of it on the cpuset's node", t.on[index] == tally_sum(&t));
    for (unsigned i = 0; i < g.nodes.count; i++) {
        errno = 0;
        void *p = onnode(1000, g.nodes.node[i].id);
        if (i == index)
            CHECK("a block on the cpuset's node", p != NULL);
        else
            CHECK("none on another, with EINVAL", p == NULL && errno == EINVAL);
        free(p);
    }
    free_all();
    return done();
}

static int eat(size_t bytes)
{
    errno = 0;
    bool all = take(bytes, 256 * KIB, false);
    int error = errno;
    printf("%zu blocks, then %s\n", g.count, all ? "enough" : strerror(error));
    CHECK("it ends with ENOMEM", !all && error == ENOMEM);
    CHECK("there was some", g.count > 10);
    free_all();
    CHECK("it works again", take(2 * MIB, 1000, true));
    free_all();
    return done();
}

static int churn(size_t bytes, int rounds)
{
    static const size_t typical[] = {2000, 40 * KIB, 300 * KIB, 2 * MIB};

    for (int i = 0; i < rounds; i++) {
        CHECK("memory is to be had", take(bytes, typical[i % 4], true));
        free_all();
    }
    return done();
}

int main(int argc, char **argv)
{
    nodes_read(&g.nodes);
    g.block = nodes_map(BLOCKS * sizeof *g.block);
    g.size = nodes_map(BLOCKS * sizeof *g.size);
    if (argc == 3 && !strcmp(argv[1], "only"))
        return only(atoi(argv[2]));
    if (argc == 3 && !strcmp(argv[1], "eat"))
        return eat(strtoul(argv[2], NULL, 10) * MIB);
    if (argc == 4 && !strcmp(argv[1], "churn"))
        return churn(strtoul(argv[2], NULL, 10) * MIB, atoi(argv[3]));
    fprintf(stderr, "usage: %s only NODE | eat MIB | churn MIB ROUNDS\n", argv[0]);
    return 2;
}
