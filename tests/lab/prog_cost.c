/* SPDX-License-Identifier: MIT */
/*
 * What memory costs in system calls and mappings on a machine with several nodes.
 *
 *   fill SIZE MIB   a thread on each node allocates MIB in blocks of SIZE bytes, keeps
 *                   them, and ends: calls.sh counts what was asked of the kernel. Up to
 *                   512 KiB they are written to; larger ones would cost a huge page each
 *   mappings        a million blocks of nt_malloc_onnode, above 512 KiB, on two nodes in
 *                   turn and all in use: the process's mappings stay far below the
 *                   limit, and some of the blocks are asked where they lie
 */
#include "bench/nodes.h"
#include "tests/front/check.h"

#include <dlfcn.h>

enum { MAPPED = 1000000 };

static struct {
    struct nodes nodes;
    size_t size, count;
} g;

static void *fill_up(void *argument)
{
    void **last = NULL;

    (void)argument;
    for (size_t i = 0; i < g.count; i++) {
        void **block = malloc(g.size);
        if (!block)
            nodes_fail("malloc returned NULL: give the machine more memory");
        if (g.size <= 512 * KIB)
            *block = last;
        last = (void **)block;
    }
    return last;
}

static int fill_nodes(const char *size, const char *mib)
{
    pthread_t thread[NODES_MOST];

    g.size = strtoul(size, NULL, 10);
    if (g.size < sizeof(void *))
        nodes_fail("blocks of less than 8 bytes: name a larger size");
    g.count = strtoul(mib, NULL, 10) * MIB / g.size;
    for (unsigned i = 0; i < g.nodes.count; i++)
        if (g.nodes.node[i].cpu_count)
            thread[i] = nodes_thread(&g.nodes.node[i], fill_up, NULL);
    for (unsigned i = 0; i < g.nodes.count; i++)
        if (g.nodes.node[i].cpu_count)
            pthread_join(thread[i], NULL);
    return 0;
}

static size_t lines_of(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "r");
    size_t lines = 0;

    while (file && fgets(text, sizeof text, file))
        lines++;
    if (file)
        fclose(file);
    return lines;
}

static bool lies_on(void *block, unsigned node)
{
    struct tally t = {0};
    struct nodes_asker asker = {.nodes = &g.nodes, .tally = &t};

    nodes_touch(block, 1);
    nodes_add(&asker, block, 1);
    nodes_ask(&asker);
    return t.on[node] == 1;
}

/* The library's own notes on that many blocks fill a node of 1 GiB: the blocks looked at
 * are among the first. */
static int mappings(void)
{
    void *(*onnode)(size_t, int) =
        (void *(*)(size_t, int))dlsym(RTLD_DEFAULT, "nt_malloc_onnode");
    char text[64] = "";
    unsigned wrong = 0;
    size_t got = 0;

    if (!onnode)
        nodes_fail("no nt_malloc_onnode here: preload libnumatally_malloc.so");
    void **block = nodes_map(MAPPED * sizeof *block);
    for (; got < MAPPED; got++) {
        unsigned node = (unsigned)got % g.nodes.count;
        if (!(block[got] = onnode(513 * KIB, g.nodes.node[node].id)))
            break;
        if (got < MAPPED / 4 && got % 4999 == 0)
            wrong += !lies_on(block[got], node);
    }
    CHECK("a million blocks", got == MAPPED);
    nodes_text("/proc/sys/vm/max_map_count", text, sizeof text);
    size_t most = strtoul(text, NULL, 10), maps = lines_of("/proc/self/maps");
    printf("%zu blocks in use, %zu mappings, vm.max_map_count %zu\n", got, maps, most);
    CHECK("mappings are less than a tenth of the limit", maps < most / 10);
    CHECK("those looked at are on their nodes", wrong == 0);
    for (size_t i = 0; i < got; i++)
        free(block[i]);
    return done();
}

int main(int argc, char **argv)
{
    nodes_read(&g.nodes);
    if (argc == 4 && !strcmp(argv[1], "fill"))
        return fill_nodes(argv[2], argv[3]);
    if (argc == 2 && !strcmp(argv[1], "mappings"))
        return mappings();
    fprintf(stderr, "usage: %s fill SIZE MIB | mappings\n", argv[0]);
    return 2;
}
