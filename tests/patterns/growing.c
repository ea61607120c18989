/* SPDX-License-Identifier: MIT */
/* A queue that is filled by two and emptied by one at a time, and whole at the end. */
#include "pattern.h"

enum { STEPS = 32000 };

struct job {
    struct job *next;
    char payload[2792];
};

static struct job *first, **last = &first;

static SITE void enqueue(void)
{
    struct job *job = malloc(sizeof *job);

    memset(job, 4, sizeof *job);
    job->next = NULL;
    *last = job;
    last = &job->next;
}

static SITE void work_off(void)
{
    struct job *job = first;

    first = job->next;
    if (first == NULL)
        last = &first;
    free(job);
}

int main(void)
{
    set_up();
    for (unsigned step = 0; step < STEPS; step++) {
        enqueue();
        enqueue();
        compute(25000);
        work_off();
        if (step % 160 == 0)
            wait_ms(6);
    }
    while (first != NULL)
        work_off();
    return 0;
}
