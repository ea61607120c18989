/* SPDX-License-Identifier: MIT */
/* Three callers of one function: most is asked for by one that frees it at once, one fills a
 * cache that stays full, and remember frees nothing. */
#include "pattern.h"

enum { STEPS = 60000, HELD = 20000 };

struct node {
    char text[400];
};

static struct node *held[HELD];

static SITE struct node *node_new(void)
{
    struct node *node = malloc(sizeof *node);

    memset(node, 5, sizeof *node);
    KEEP(node);
    return node;
}

static SITE void parse(void)
{
    struct node *node = node_new();

    KEEP(node);
    free(node);
}

static SITE void cache(unsigned step)
{
    struct node **slot = &held[step % HELD];

    free(*slot);
    *slot = node_new();
    KEEP(*slot);
}

static SITE void remember(void)
{
    struct node *node = node_new();

    KEEP(node);
}

int main(void)
{
    set_up();
    for (unsigned step = 0; step < STEPS; step++) {
        for (unsigned i = 0; i < 10; i++)
            parse();
        cache(step);
        if (step % 2 == 0)
            remember();
        compute(4000);
        if (step % 500 == 0)
            wait_ms(10);
    }
    return 0;
}
