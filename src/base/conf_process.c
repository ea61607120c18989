/* SPDX-License-Identifier: MIT */
/*
 * What the settings and the environment mean for this process, as it is now: a fork changes
 * the answers, so nothing is kept.
 */
#include "src/base/conf.h"
#include "src/base/text.h"

#include <string.h>
#include <unistd.h>

int64_t nt__conf_rank(void)
{
    static const char *const names[] = {"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK",
                                        "SLURM_PROCID"};

    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++) {
        const char *s = nt__conf_env(names[i]);
        uint64_t rank;

        if (s != NULL &&
            nt__text_number((struct nt_text){s, strlen(s)}, INT32_MAX, false, &rank))
            return (int64_t)rank;
    }
    return -1;
}

bool nt__conf_run_wants(void)
{
    const struct nt_conf *c = nt__conf();

    if (c->run_pid == 0)
        return false;
    return c->run_children || c->run_pid == getpid() ||
           (c->run_ranks && nt__conf_rank() >= 0);
}

bool nt__conf_report_is_one(void)
{
    const char *p = nt__conf()->report;

    if (*p == '\0')
        return false;
    for (; *p != '\0'; p++)
        if (*p == '%' && (*++p == 'r' || *p == 'p'))
            return false;
    return true;
}

const char *nt__conf_live_dir(void)
{
    const struct nt_conf *c = nt__conf();

    if (nt__conf_run_wants())
        return c->run_dir;
    return c->live[0] != '\0' ? c->live : NULL;
}
