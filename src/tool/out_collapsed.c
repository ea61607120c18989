/* SPDX-License-Identifier: MIT */
/*
 * Collapsed stacks, the format of Brendan Gregg's flamegraph.pl: a line for each site with
 * its program and its functions, from the root on, and after a blank the figure that --value
 * says. Sites that have nothing of it are left out; lines that are the same are not put
 * together, since all that read them do that.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct collapsed {
    FILE *out;
    char *program;
    size_t column; /* of the figure */
};

static void write_site(const struct nt_row *row, void *context)
{
    const struct collapsed *c = context;

    if (row->table != NT_TABLE_SITE || row->values[c->column] == 0)
        return;
    nt__stack_put(c->out, c->program);
    fprintf(c->out, ";%s %" PRIu64 "\n", row->name, row->values[c->column]);
}

int nt__out_collapsed(FILE *out, struct nt_record *const *records, size_t n,
                      size_t written)
{
    const struct nt_column *columns = nt__table_columns(NT_TABLE_SITE);
    struct collapsed c = {.out = out};
    size_t sampled = 0;

    (void)written;
    while (strcmp(columns[c.column].name, nt__report_value) != 0)
        c.column++;
    for (size_t i = 0; i < n; i++) {
        const struct nt_snapshot *s = &records[i]->snapshot;

        if (records[i]->profile.sites == NULL)
            continue;
        sampled++;
        c.program = nt__tool_utf8(s->program, sizeof s->program);
        nt__rows_many(records[i], write_site, &c);
        free(c.program);
    }
    if (sampled < n)
        nt__warn(
            "nothing was sampled in %zu of %zu records; numatally run --sample 512K "
            "does",
            n - sampled, n);
    return sampled > 0 ? 0 : NT_REFUSED;
}
