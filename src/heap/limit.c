/* SPDX-License-Identifier: MIT */
#include "src/heap/limit.h"

#include "pools/peak.h"
#include "src/heap/calls.h"
#include "src/heap/start.h"

#include <errno.h>

struct request {
    void (*callback)(uint64_t live_bytes, void *context); /* NULL: none */
    void *context;
    uint64_t bytes;
};

static struct {
    struct nt_lock lock; /* guards all */
    struct request request;
    bool running; /* a callback; what is watched begins again when it returns */
    pthread_t runner;
} limit = {.lock = NT_LOCK_INIT(NT_RANK_PHASES)};

/* Under the lock. */
static void watch(void)
{
    nt__peak_watch(limit.request.callback ? limit.request.bytes : 0);
}

int nt_on_limit(uint64_t bytes, void (*callback)(uint64_t live_bytes, void *context),
                void *context)
{
    NT_FORWARD(on_limit(bytes, callback, context));
    int saved = errno;
    nt__start();
    nt__start_check_fork();
    nt__lock(&limit.lock);
    limit.request =
        (struct request){bytes != 0 ? callback : NULL, context, callback ? bytes : 0};
    if (!limit.running)
        watch();
    nt__unlock(&limit.lock);
    errno = saved;
    return 0;
}

void nt__limit_crossed(void)
{
    if (!nt__peak_crossed_here())
        return;
    int saved = errno;
    uint64_t live_bytes = 0;
    nt__lock(&limit.lock);
    struct request r = limit.request;
    bool ours = nt__peak_take_crossing(&live_bytes);
    if (ours) {
        limit.running = true;
        limit.runner = pthread_self();
    }
    nt__unlock(&limit.lock);
    if (ours) {
        r.callback(live_bytes, r.context);
        nt__lock(&limit.lock);
        limit.running = false;
        watch();
        nt__unlock(&limit.lock);
    }
    errno = saved;
}

void nt__limit_fork_lock(void)
{
    nt__lock_for_fork(&limit.lock);
}

void nt__limit_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT) {
        nt__unlock_after_fork(&limit.lock);
        return;
    }
    bool torn = how == NT_FORK_RAW && nt__lock_raw(&limit.lock);
    nt__lock_init(&limit.lock, NT_RANK_PHASES);
    if (torn)
        limit.request = (struct request){0};
    /* A callback that another thread ran stayed in the parent. */
    limit.running = limit.running && !torn && limit.runner == pthread_self();
    if (!limit.running && (limit.request.callback || torn))
        watch();
}
