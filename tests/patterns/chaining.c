/* SPDX-License-Identifier: MIT */
/* Texts that are put together a few bytes at a time. */
#include "pattern.h"

enum { TEXTS = 60000, STEPS = 250, STEP = 48 };

static SITE char *append(char *text, size_t bytes)
{
    text = realloc(text, bytes);
    KEEP(text);
    return text;
}

static SITE char *write_text(void)
{
    char *text = NULL;

    for (size_t i = 1; i <= STEPS; i++) {
        text = append(text, i * STEP);
        memset(text + (i - 1) * STEP, 7, STEP);
    }
    return text;
}

int main(void)
{
    set_up();
    for (unsigned i = 0; i < TEXTS; i++) {
        char *text = write_text();
        KEEP(text);
        refresh(i);
        free(text);
    }
    return 0;
}
