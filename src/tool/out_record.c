/* SPDX-License-Identifier: MIT */
/* Text and the JSON record: written by the library's own writer, src/track/report.c. */
#include "src/base/fmt.h"
#include "src/tool/report.h"
#include "src/track/report.h"

#include <errno.h>
#include <unistd.h>

static int write_all(FILE *out, enum nt_format format, struct nt_record *const *records,
                     size_t n)
{
    int err = fflush(out) != 0 ? -errno : 0;

    for (size_t i = 0; i < n && err == 0; i++) {
        const struct nt_record *r = records[i];
        const struct nt_tables tables = {
            .threads = r->threads,
            .pools = r->pools,
            .phases = r->phases,
            .tracked = r->tracked,
            .nthreads = r->nthreads,
            .npools = r->npools,
            .nphases = r->nphases,
            .ntracked = r->ntracked,
            .profile = r->profile.sites != NULL ? &r->profile : NULL,
            .history = &r->history};

        err = nt__report_write(fileno(out), format, &r->snapshot, &tables);
    }
    return err;
}

int nt__out_text(FILE *out, struct nt_record *const *records, size_t n, size_t written)
{
    (void)written;
    return write_all(out, NT_FORMAT_TEXT, records, n);
}

int nt__out_json(FILE *out, struct nt_record *const *records, size_t n, size_t written)
{
    (void)written;
    return write_all(out, NT_FORMAT_JSON, records, n);
}
