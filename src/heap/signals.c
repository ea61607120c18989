/* SPDX-License-Identifier: MIT */
#include "src/heap/signals.h"

#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/base/lock.h"
#include "src/heap/figures.h"
#include "src/heap/phases.h"
#include "src/heap/sampler.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static void on_signal(int number)
{
    const struct nt_conf *conf = nt__conf();
    if (!nt__figures_are_ours())
        return;
    int saved = errno, cancel = nt__cancel_off();
#if NT_DEBUG
    uint32_t held = nt__lock_held; /* by what was interrupted */
#endif
    if (number == conf->mark_signal)
        nt__phases_signalled();
    if (number == conf->report_signal)
        nt__figures_signalled();
    if (number == conf->sample_signal)
        nt__sampler_signalled();
#if NT_DEBUG
    nt__lock_held = held;
#endif
    nt__cancel_as(cancel);
    errno = saved;
}

/* One of the two does not interrupt the other. */
static void take(int number, const char *setting)
{
    const struct nt_conf *conf = nt__conf();
    struct sigaction old, ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    if (number == 0 || sigaction(number, NULL, &old) != 0 ||
        ((old.sa_flags & SA_SIGINFO) == 0 && old.sa_handler == on_signal))
        return;
    if ((old.sa_flags & SA_SIGINFO) != 0 || old.sa_handler != SIG_DFL) {
        nt__warn("%s: the signal %s is left alone: the program %s it", setting,
                 sigabbrev_np(number) ? sigabbrev_np(number) : "named",
                 old.sa_handler == SIG_IGN ? "ignores" : "handles");
        return;
    }
    sigemptyset(&ours.sa_mask);
    if (conf->mark_signal != 0)
        sigaddset(&ours.sa_mask, conf->mark_signal);
    if (conf->report_signal != 0)
        sigaddset(&ours.sa_mask, conf->report_signal);
    if (conf->sample_signal != 0)
        sigaddset(&ours.sa_mask, conf->sample_signal);
    sigaction(number, &ours, NULL);
}

void nt__signals_start(void)
{
    take(nt__conf()->mark_signal, "mark_signal");
    take(nt__conf()->report_signal, "report_signal");
    take(nt__conf()->sample_signal, "sample_signal");
}
