/* SPDX-License-Identifier: MIT */
/*
 * How much memory does a long life with random ends hold beyond what is live, and what
 * does a block cost in it?
 *
 * A life has phases. In each, blocks of the phase's sizes are allocated while blocks
 * picked at random, from whatever phase, are freed so that the bytes live stay what the
 * phase wants. A phase ends when it has allocated as many bytes as were ever live.
 *   fragment/drift  16 MiB live; sizes around 64 bytes, then twice that and so on up to
 *                   16 KiB, and down again: holes of the old sizes have to serve new ones
 *   fragment/tide   all sizes from 16 bytes to 16 KiB; 48 MiB live, then 24, 12, 6, and
 *                   up again: what remains at low tide pins pages
 * A step is one life through all phases; the next one goes on with its blocks. One
 * operation is one block allocated and one freed. Figures besides:
 *   rss_live       resident bytes over live bytes, mean over the ends of the last life's
 *                  phases; what was resident before the first block is taken off
 *   rss_live_most  the most at the end of any phase since the start
 */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 1 << 19, PHASES_MOST = 16, LIVE_MOST_MIB = 48 };

struct phase {
    size_t least, doublings; /* sizes: bench_random_scale */
    size_t live;             /* bytes that stay live */
};

static struct {
    uint64_t state;
    size_t phases;
    struct phase phase[PHASES_MOST];
    size_t turnover; /* bytes that a phase allocates */
    /* What is live, in no order. */
    size_t count, bytes;
    void *block[SLOTS];
    uint32_t size[SLOTS];
    size_t resident_before;
    double most;
} life;

/* Bytes resident, to some hundred KiB. */
static size_t resident(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        bench_wrong("/proc/self/statm cannot be opened");
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    const char *second = strchr(text, ' ');
    if (!second)
        bench_wrong("/proc/self/statm has no second number");
    return (size_t)strtoull(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static void add_phase(size_t least, size_t doublings, size_t live_mib)
{
    life.phase[life.phases++] = (struct phase){least, doublings, live_mib << 20};
}

/* Writes the tables, so that they are resident before the first block. */
static void begin_life(size_t turnover_mib)
{
    memset(&life, 1, sizeof life);
    memset(&life, 0, sizeof life);
    life.state = 0x2545F4914F6CDD1Du;
    life.turnover = turnover_mib << 20;
    life.resident_before = resident();
}

static void begin_drift(const struct bench_case *c)
{
    (void)c;
    begin_life(16);
    for (size_t size = 32; size < 8192; size *= 2)
        add_phase(size, 2, 16);
    for (size_t size = 8192; size > 32; size /= 2)
        add_phase(size, 2, 16);
}

static void begin_tide(const struct bench_case *c)
{
    (void)c;
    begin_life(LIVE_MOST_MIB);
    for (size_t live = LIVE_MOST_MIB; live > 6; live /= 2)
        add_phase(16, 10, live);
    for (size_t live = 6; live < LIVE_MOST_MIB; live *= 2)
        add_phase(16, 10, live);
}

static void free_one(void)
{
    size_t at = bench_random_below(&life.state, life.count);
    size_t last = --life.count;

    free(life.block[at]);
    life.bytes -= life.size[at];
    life.block[at] = life.block[last];
    life.size[at] = life.size[last];
}

/* Lives through one phase; the number of blocks that were allocated. */
static uint64_t live_on(const struct phase *phase)
{
    uint64_t blocks = 0;

    for (size_t allocated = 0; allocated < life.turnover; blocks++) {
        size_t size = bench_random_scale(&life.state, phase->least, phase->doublings);
        while (life.count && (life.bytes + size > phase->live || life.count == SLOTS))
            free_one();
        char *block = malloc(size);
        bench_touch(block);
        bench_touch_pages(block, 0, size);
        life.block[life.count] = block;
        life.size[life.count++] = (uint32_t)size;
        life.bytes += size;
        allocated += size;
    }
    return blocks;
}

BENCH_WORK uint64_t work_fragment(const struct bench_case *c)
{
    uint64_t blocks = 0;
    double sum = 0;

    (void)c;
    for (size_t i = 0; i < life.phases; i++) {
        blocks += live_on(&life.phase[i]);
        double over = (double)(resident() - life.resident_before) / (double)life.bytes;
        sum += over;
        if (over > life.most)
            life.most = over;
    }
    bench_figure("rss_live", sum / (double)life.phases);
    bench_figure("rss_live_most", life.most);
    return blocks;
}

static const struct bench_case cases[] = {
    {.name = "fragment/drift",
     .unit = "block",
     .step = work_fragment,
     .begin = begin_drift,
     .threads = 1,
     .slow = 1},
    {.name = "fragment/tide",
     .unit = "block",
     .step = work_fragment,
     .begin = begin_tide,
     .threads = 1},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
