/* SPDX-License-Identifier: MIT */
/*
 * A job in text, above the report of its sum: what is wrong with it comes first.
 */
#include "src/track/job.h"
#include "src/track/report.h"

static void head(struct nt_fmt *f, const struct nt_job *job,
                 const struct nt_snapshot *sum)
{
    nt__fmt_print(f, "numatally %s: a job of %llu ranks, ", sum->version_string,
                  (unsigned long long)job->ranks);
    nt__fmt_name(f, 0, sum->program);
    nt__fmt_char(f, '\n');
}

void nt__job_text(struct nt_fmt *f, const struct nt_job *job,
                  const struct nt_snapshot *sum)
{
    head(f, job, sum);
}
