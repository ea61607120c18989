/* SPDX-License-Identifier: MIT */
/* Lists of small nodes, built and taken apart all the time. */
#include "pattern.h"

enum { LISTS = 100000, LENGTH = 200 };

struct node {
    struct node *next;
    uint64_t key;
};

static SITE struct node *prepend(struct node *list, uint64_t key)
{
    struct node *node = malloc(sizeof *node);

    node->next = list;
    node->key = key;
    return node;
}

int main(void)
{
    set_up();
    for (unsigned i = 0; i < LISTS; i++) {
        struct node *list = NULL;

        for (unsigned k = 0; k < LENGTH; k++)
            list = prepend(list, k);
        compute(1000);
        while (list != NULL) {
            struct node *next = list->next;
            free(list);
            list = next;
        }
    }
    return 0;
}
