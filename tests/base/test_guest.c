/* SPDX-License-Identifier: MIT */
/* An MPI is found by a file that is mapped, when it comes late too, and by a rank. */
#define _GNU_SOURCE
#include "src/base/guest.h"
#include "src/base/os.h"
#include "tests/child.h"

#include <fcntl.h>
#include <sys/mman.h>

static const char *const ranks[] = {"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK",
                                    "SLURM_PROCID"};

static int act_none(void)
{
    for (int i = 0; i < 3; i++) {
        CHECK(!nt__guest_mpi());
        usleep(300000);
    }
    return 0;
}

static int act_rank(void)
{
    setenv("PMI_RANK", "0", 1);
    CHECK(nt__guest_mpi());
    return 0;
}

/* Map a file of this name, and unmap it again when it was found, or `looks` had been taken. */
static bool found_in(const char *name, int looks)
{
    char folder[] = "/tmp/numatally-guest-XXXXXX", path[4096];
    bool found = false;
    if (!mkdtemp(folder))
        return false;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    void *p = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, 4096) == 0)
        p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p != MAP_FAILED) {
        for (int i = 0; i < looks && !found; i++) {
            found = nt__guest_mpi();
            usleep(300000);
        }
        munmap(p, 4096);
        if (found)
            found = nt__guest_mpi(); /* the answer stays */
    }
    if (fd >= 0)
        close(fd);
    unlink(path);
    rmdir(folder);
    return found;
}

static bool found_as(const char *name)
{
    return found_in(name, 2);
}

static int act_others(void)
{
    CHECK(!found_as("libm.so.6") && !found_as("xlibmpi.so") && !found_as("libucmx.so"));
    CHECK(!found_as("mpi") && !found_as("libfabric-config"));
    return 0;
}

static int act_late(void)
{
    CHECK(!nt__guest_mpi());
    CHECK(found_as("libmpich.so.12"));
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

/* Names are found wherever the reads of the list end. */
static int act_many_maps(void)
{
    size_t page = nt__os_page_size();
    char *p = mmap(NULL, 2000 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    for (size_t i = 0; i < 2000; i += 2)
        CHECK(mprotect(p + i * page, page, PROT_NONE) == 0);
    CHECK(!nt__guest_mpi());
    CHECK(found_in("libmpi.so.40",
                   200)); /* the longer a look takes the fewer there are */
    return 0;
}

int main(void)
{
    for (size_t i = 0; i < NT_ARRAY_LEN(ranks); i++)
        unsetenv(ranks[i]);
    struct CMUnitTest tests[] = {
        ACT(none), ACT(rank),   ACT(others),    ACT(late),
        ACT(ucx),  ACT(fabric), ACT(many_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
