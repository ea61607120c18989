/* SPDX-License-Identifier: MIT */
/* Nothing but set-up for half of its run; then it serves in bursts, and keeps what it served. */
#include "pattern.h"

enum { WAIT_MS = 1000, BURSTS = 10, REQUESTS = 2000 };

static SITE char *request(unsigned i)
{
    char *text = malloc(500 + i % 100);

    memset(text, 7, 500);
    KEEP(text);
    return text;
}

int main(void)
{
    set_up();
    for (unsigned ms = 0; ms < WAIT_MS; ms += 100)
        wait_ms(100);
    for (unsigned burst = 0; burst < BURSTS; burst++) {
        for (unsigned i = 0; i < REQUESTS; i++) {
            refresh(i);
            request(i);
            compute(10000);
        }
        wait_ms(100);
    }
    return 0;
}
