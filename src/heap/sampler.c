/* SPDX-License-Identifier: MIT */
#include "src/heap/sampler.h"

#include "pools/sampled.h"
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/heap/calls.h"
#include "src/heap/figures.h"
#include "src/heap/start.h"
#include "src/heap/thread.h"
#include "src/track/live.h"
#include "src/track/profile_out.h"

#include <errno.h>
#include <string.h>

#define USUAL_INTERVAL (512 * NT_KIB) /* of sample_signal, when there is none set */

static struct {
    struct nt_lock lock;
    bool ready;
} sampler = {.lock = NT_LOCK_INIT(NT_RANK_START)};

/* Not inside malloc. The lock is not held while the linker is asked: it allocates. */
static int make_ready(void)
{
    const struct nt_conf *conf = nt__conf();
    enum nt_unwinder how = conf->sample_frames ? NT_UNWIND_FRAMES : NT_UNWIND_TABLES;
    int result = nt__unwind_start(how);
    if (result != 0)
        return result;
    nt__lock(&sampler.lock);
    if (!sampler.ready)
        nt__profile_start(how, conf->sample_seed);
    __atomic_store_n(&sampler.ready, true, __ATOMIC_RELEASE);
    nt__unlock(&sampler.lock);
    return 0;
}

/* For the calling thread at once; others come by. */
static void set(uint64_t interval)
{
    nt__profile_set(interval);
    struct nt_shard *s = nt__thread_shard();
    if (s)
        nt__sampled_sync(s);
}

int nt_sample(size_t interval)
{
    NT_FORWARD(sample(interval));
    if (interval > NT_CONF_SAMPLE_MAX)
        return -EINVAL;
    int saved = errno;
    nt__start();
    nt__start_check_fork();
    int result = interval != 0 ? make_ready() : 0;
    if (result == 0)
        set(interval);
    errno = saved;
    return result;
}

void nt__sampler_signalled(void)
{
    uint64_t interval = nt__conf()->sample;
    if (!__atomic_load_n(&sampler.ready, __ATOMIC_ACQUIRE))
        return;
    if (__atomic_load_n(&nt__sampler.interval, __ATOMIC_RELAXED) != 0)
        nt__profile_set(0);
    else
        nt__profile_set(interval != 0 ? interval : USUAL_INTERVAL);
}

bool nt__sampler_read(struct nt_profile *profile, struct nt_tables *tables, bool wait)
{
    tables->profile = NULL;
    if (!nt__profile_read(profile, wait))
        return false;
    tables->profile = profile->memory ? profile : NULL;
    return true;
}

void nt__sampler_save(bool wait)
{
    char path[NT_LIVE_PATH_MAX];
    struct nt_profile profile;
    if (!nt__profile_exists() ||
        !nt__profile_path(path, sizeof path, nt__live_path()) ||
        !nt__profile_read(&profile, wait))
        return;
    (void)nt__profile_save(path,
                           &profile); /* then the report says that there is none */
    nt__profile_free(&profile);
}

/* May there be a setting of ours? If not, the library is not to be started before the program
 * asks for memory. */
static bool is_asked_for(void)
{
    const char *conf = nt__conf_env("NUMATALLY_CONF");
    return (conf && strstr(conf, "sample")) || nt__conf_env("NUMATALLY_CONF_FILE");
}

__attribute__((constructor)) static void begin(void)
{
    if (!nt__conf_is_meant || nt__elsewhere() || !is_asked_for())
        return;
    nt__start(); /* reads the settings */
    const struct nt_conf *conf = nt__conf();
    if (conf->sample == 0 && conf->sample_signal == 0)
        return;
    if (make_ready() != 0)
        nt__warn(
            "no sampling: libgcc_s.so.1 cannot be loaded; sample_stack:frames does "
            "without");
    else if (conf->sample != 0)
        set(conf->sample);
}

long nt_snapshot_sites(struct nt_site_figures *out, size_t max)
{
    NT_FORWARD(snapshot_sites(out, max));
    return nt__profile_sites(out, max);
}

long nt_snapshot_samples(struct nt_sample_figures *out, size_t max)
{
    NT_FORWARD(snapshot_samples(out, max));
    return nt__profile_samples(out, max);
}

long nt_snapshot_remote(struct nt_remote_figures *out, size_t max)
{
    NT_FORWARD(snapshot_remote(out, max));
    return nt__profile_remotes(out, max);
}

/* ---- fork ---------------------------------------------------------------------------- */

void nt__sampler_fork_lock(void)
{
    nt__lock_for_fork(&sampler.lock);
}

void nt__sampler_fork_unlock(enum nt_fork how)
{
    if (how == NT_FORK_PARENT)
        nt__unlock_after_fork(&sampler.lock);
    else
        nt__lock_init(&sampler.lock, NT_RANK_START);
}
