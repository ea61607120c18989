/* SPDX-License-Identifier: MIT */
/* An MPI is found by the name of a library, when it comes late too, and not by a rank alone. */
#define _GNU_SOURCE
#include "src/base/guest.h"
#include "src/base/os.h"
#include "tests/child.h"

#include <dlfcn.h>

/* Load an empty library of this name, by a folder of its own. */
static bool load(const char *name)
{
    char folder[] = "/tmp/numatally-guest-XXXXXX", command[8192], path[4096];
    if (!mkdtemp(folder))
        return false;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(command, sizeof command,
             "echo 'int nothing;' | ${CC:-cc} -shared -fPIC -x c -o '%s' -", path);
    bool loaded = system(command) == 0 && dlopen(path, RTLD_NOW | RTLD_LOCAL);
    unlink(path);
    rmdir(folder);
    return loaded;
}

/* Ask as who is about to take something away, as often as it takes to be sure. */
static enum nt_guest ask(void)
{
    enum nt_guest guest = nt__guest();
    for (int i = 0; i < 10 && guest == NT_GUEST_UNSURE; i++) {
        nt__guest_meet();
        guest = nt__guest();
    }
    return guest;
}

static bool found_as(const char *name)
{
    if (!load(name))
        exit(1);
    usleep((NT_GUEST_MS + 50) * 1000);
    return ask() == NT_GUEST_MPI;
}

static int act_none(void)
{
    CHECK(nt__guest() == NT_GUEST_UNSURE); /* before anybody asked */
    nt__guest_meet();
    CHECK(nt__guest() == NT_GUEST_NONE && !nt__guest_mpi() && !nt__guest_wanted);
    usleep((NT_GUEST_MS + 50) * 1000);
    CHECK(nt__guest() == NT_GUEST_UNSURE && nt__guest_wanted);
    nt__guest_refresh();
    CHECK(nt__guest() == NT_GUEST_NONE);
    return 0;
}

static int act_rank(void)
{
    setenv("PMI_RANK", "0", 1);
    CHECK(ask() == NT_GUEST_NONE);
    return 0;
}

static int act_others(void)
{
    CHECK(!found_as("xlibmpi.so") && !found_as("libucmx.so") && !found_as("mpi.so"));
    return 0;
}

static int act_late(void)
{
    CHECK(ask() == NT_GUEST_NONE);
    CHECK(found_as("libmpich.so.12") && nt__guest_mpi());
    usleep((NT_GUEST_MS + 50) * 1000);
    CHECK(nt__guest() == NT_GUEST_MPI); /* the answer stays */
    return 0;
}

static int act_ucx(void)
{
    CHECK(found_as("libucm.so.0"));
    return 0;
}

static int act_fabric(void)
{
    CHECK(found_as("libfabric.so.1"));
    return 0;
}

static int act_fork(void)
{
    CHECK(ask() == NT_GUEST_NONE);
    nt__guest_fork_child(); /* of one without threads: may ask */
    CHECK(found_as("libmpi.so.40"));
    nt__guest_fork_child();
    CHECK(nt__guest() == NT_GUEST_MPI);
    return 0;
}

int main(void)
{
    struct CMUnitTest tests[] = {
        ACT(none), ACT(rank), ACT(others), ACT(late), ACT(ucx), ACT(fabric), ACT(fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
