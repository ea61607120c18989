/* SPDX-License-Identifier: MIT */
/* This process's part of its job's report: src/track/leave.h. */
#include "src/heap/leave.h"

#include "src/base/conf.h"
#include "src/heap/figures.h"
#include "src/heap/start.h"

#include <errno.h>

const char *nt__leave_folder(void)
{
    const struct nt_conf *conf = nt__conf();
    return conf->run_job && nt__conf_run_wants() ? conf->run_dir : NULL;
}

bool nt__leave_take(struct nt_snapshot *out)
{
    int saved = errno;
    nt__start();
    nt__start_check_fork();
    bool one = nt__conf_report_is_one();
    bool wanted = one || nt__leave_folder() != NULL;
    if (wanted)
        nt__figures_take(out, !one && nt__conf()->report[0] != '\0');
    errno = saved;
    return wanted;
}

void nt__leave_done(const struct nt_snapshot *sum, const struct nt_tables *tables)
{
    int saved = errno;
    if (sum && nt__conf_report_is_one())
        nt__report_at_exit(sum, tables);
    nt__figures_reported();
    errno = saved;
}
