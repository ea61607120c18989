/* SPDX-License-Identifier: MIT */
/*
 * Return addresses to functions: so far to the module and the place in it.
 */
#include "src/base/base.h"
#include "src/tool/report.h"
#include "src/track/profile_out.h"

#include <stdlib.h>
#include <string.h>

struct nt_symbols {
    const struct nt_profile *profile;
    struct nt_frame frame;
    char text[4096 + 32];
};

struct nt_symbols *nt__symbols_open(const struct nt_profile *profile)
{
    struct nt_symbols *s = nt__tool_memory(calloc(1, sizeof *s));

    s->profile = profile;
    return s;
}

void nt__symbols_close(struct nt_symbols *s)
{
    free(s);
}

size_t nt__symbols_find(struct nt_symbols *s, uint32_t generation, uint64_t pc,
                        const struct nt_frame **frames)
{
    const struct nt_module *m = nt__profile_module(s->profile, generation, pc);
    const char *slash = m != NULL ? strrchr(m->path, '/') : NULL;

    if (m == NULL)
        snprintf(s->text, sizeof s->text, "0x%llx", (unsigned long long)pc);
    else
        snprintf(s->text, sizeof s->text, "%s+0x%llx",
                 slash != NULL ? slash + 1 : m->path,
                 (unsigned long long)(pc - m->bias));
    s->frame =
        (struct nt_frame){.function = s->text, .module = m != NULL ? m->path : NULL};
    *frames = &s->frame;
    return 1;
}
