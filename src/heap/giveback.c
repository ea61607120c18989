/* SPDX-License-Identifier: MIT */
/* nt_purge: what is free, kept or cached goes back to the system now. And the version. */
#include "numa/arenas.h"
#include "pools/guarded.h"
#include "pools/pool.h"
#include "pools/remote.h"
#include "pools/sampled.h"
#include "src/heap/calls.h"
#include "src/heap/figures.h"
#include "src/heap/thread.h"

#include <errno.h>
#include <numatally/numatally.h>

size_t nt_purge(void)
{
    NT_FORWARD(purge());
    int saved = errno;
    struct nt_shard *s = nt__thread_shard();
    if (s) {
        nt__remote_flush(s);
        nt__shard_trim(s);
    }
    nt__shard_trim_idle();
    nt__pool_trim_all();
    nt__guarded_trim();
    nt__sampled_trim();
    size_t bytes = nt__arenas_purge();
    nt__figures_tick();
    errno = saved;
    return bytes;
}

const char *nt_version(void)
{
    return NT_VERSION_STRING;
}
