/* SPDX-License-Identifier: MIT */
/* Of all requests one in three is not freed: what parse_header made. */
#include "pattern.h"

enum { STEPS = 120000 };

static SITE char *parse_header(unsigned step)
{
    char *header = malloc(300 + step % 200);
    KEEP(header);
    return header;
}

static SITE void serve(unsigned step)
{
    char *header = parse_header(step);

    memset(header, 3, 300);
    compute(4000);
    if (step % 3 != 0)
        free(header);
}

int main(void)
{
    set_up();
    for (unsigned step = 0; step < STEPS; step++) {
        refresh(step);
        serve(step);
        if (step % 1000 == 0)
            wait_ms(10);
    }
    return 0;
}
