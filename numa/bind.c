/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "numa/bind.h"

#include "numa/topo.h"
#include "src/base/os.h"

#include <errno.h>
#include <numaif.h>

static struct {
    bool works; /* written once at start */
} bind;

static int bind_range(void *at, size_t size, int node)
{
    unsigned long mask[NT_NODE_ID_MAX / (8 * sizeof(unsigned long)) + 1] = {0};
    unsigned bits = 8 * sizeof mask[0];
    mask[(unsigned)node / bits] |= 1ul << ((unsigned)node % bits);
    /* The kernel reads one bit less than it is told. */
    if (mbind(at, size, MPOL_PREFERRED, mask, NT_NODE_ID_MAX + 1, 0) != 0)
        return -errno;
    return 0;
}

void nt__bind_start(void)
{
    const struct nt_topo *topo = nt__topo();
    if (topo->fake || topo->nodes < 2)
        return;
    /* A policy that numactl gave this process is to be kept, not overridden. */
    int mode;
    if (get_mempolicy(&mode, NULL, 0, NULL, 0) == 0 && mode != MPOL_DEFAULT)
        return;
    /* libnuma's numa_available() takes EPERM for a yes; so try it on a page. */
    size_t page = nt__os_page_size();
    void *probe = nt__os_map(page);
    if (!probe)
        return;
    for (unsigned i = 0; i < topo->nodes && !bind.works; i++)
        bind.works =
            topo->node[i].has_memory && bind_range(probe, page, topo->node[i].id) == 0;
    nt__os_unmap(probe, page);
}

int nt__bind_node(void *at, size_t size, int node)
{
    if (!bind.works)
        return -ENOSYS;
    return bind_range(at, size, node);
}
