/* SPDX-License-Identifier: MIT */
/* A stack in one line, as flamegraph.pl's collapsed stacks have it. */
#include "src/tool/rows.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN "[unknown]"

void nt__stack_put(FILE *out, const char *name)
{
    for (const char *s = name[0] != '\0' ? name : UNKNOWN; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        putc(c == ';' ? ':' : isspace(c) || iscntrl(c) ? '_' : c, out);
    }
}

char *nt__stack_text(struct nt_symbols *symbols, const struct nt_site_figures *site)
{
    int saved = errno; /* of a stream, perhaps, that nobody asked yet why it failed */
    char *text = NULL, *clean;
    size_t bytes = 0;
    FILE *out = nt__tool_memory(open_memstream(&text, &bytes));

    if (site->depth == 0)
        fputs(UNKNOWN, out);
    for (size_t i = site->depth; i-- > 0;) {
        const struct nt_frame *frames;
        size_t n = nt__symbols_find(symbols, site->generation, site->stack[i], &frames);

        for (size_t k = n; k-- > 0;) {
            nt__stack_put(out, frames[k].function);
            if (i > 0 || k > 0)
                putc(';', out);
        }
    }
    if (fclose(out) != 0)
        nt__tool_memory(NULL);
    clean = nt__tool_utf8(text, bytes);
    free(text);
    errno = saved;
    return clean;
}
