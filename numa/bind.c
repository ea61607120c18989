/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "numa/bind.h"

#include "numa/topo.h"
#include "src/base/os.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the libnuma that Debian 12 has. */
#define PREFERRED_MANY 5
#define WEIGHTED_INTERLEAVE 6
#define SYS_HOME_NODE 450

#define MASK_BITS (8 * sizeof(unsigned long))

static struct {
    int error;     /* see nt__bind_error; written once at start */
    bool inherits; /* the process has a policy */
    bool inherits_strictly;
    uint64_t cpuful; /* slots with memory and cpus */
    bool cpuless;    /* there are usable slots without cpus */
} bind = {.error = -ENOSYS};

/* The system's node numbers of some slots, as mbind reads them. */
struct mask {
    unsigned long bits[NT_NODE_ID_MAX / MASK_BITS + 1];
};

static void fill_mask(struct mask *mask, uint64_t slots)
{
    *mask = (struct mask){0};
    for (; slots != 0; slots &= slots - 1) {
        unsigned id = (unsigned)nt__topo()->node[__builtin_ctzll(slots)].id;
        mask->bits[id / MASK_BITS] |= 1ul << (id % MASK_BITS);
    }
}

static int bind_range(void *at, size_t size, int mode, uint64_t slots, unsigned flags)
{
    struct mask mask;
    fill_mask(&mask, slots);
    /* The kernel reads one bit less than it is told. */
    if (syscall(SYS_mbind, at, size, mode, mask.bits, NT_NODE_ID_MAX + 1, flags) != 0)
        return -errno;
    return 0;
}

static uint64_t one(unsigned slot)
{
    return (uint64_t)1 << slot;
}

void nt__bind_start(void)
{
    const struct nt_topo *topo = nt__topo();
    uint64_t usable = nt__topo_usable();
    bind.error = -ENOSYS;
    bind.inherits = bind.inherits_strictly = false;
    bind.cpuful = 0;
    for (unsigned i = 0; i < topo->nodes; i++)
        if (topo->node[i].has_cpus)
            bind.cpuful |= usable & one(i);
    bind.cpuless = bind.cpuful != usable && bind.cpuful != 0;
    if (topo->fake || topo->nodes < 2)
        return;
    int mode;
    bind.inherits = syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) == 0 &&
                    mode != MPOL_DEFAULT;
    bind.inherits_strictly = bind.inherits && mode == MPOL_BIND;
    /* libnuma's numa_available() takes EPERM for a yes; so try it on a page. */
    size_t page = nt__os_page_size();
    void *probe = nt__os_map(page);
    if (!probe)
        return;
    bind.error = bind_range(probe, page, MPOL_PREFERRED, usable & -usable, 0);
    nt__os_unmap(probe, page);
}

bool nt__bind_inherits(void)
{
    return bind.inherits;
}

bool nt__bind_is_strict(const struct nt_policy *policy)
{
    return policy->mode == NT_INHERIT ? bind.inherits_strictly
                                      : policy->mode == NT_BIND && bind.error == 0;
}

int nt__bind_error(void)
{
    return bind.error;
}

uint64_t nt__bind_allowed(void)
{
    struct mask mask = {0};
    uint64_t slots = 0;
    if (syscall(SYS_get_mempolicy, NULL, mask.bits, NT_NODE_ID_MAX, NULL,
                MPOL_F_MEMS_ALLOWED) != 0)
        return nt__topo_usable();
    for (unsigned i = 0; i < nt__topo()->nodes; i++) {
        unsigned id = (unsigned)nt__topo()->node[i].id;
        if (mask.bits[id / MASK_BITS] >> (id % MASK_BITS) & 1)
            slots |= one(i);
    }
    return slots;
}

static void set_home(void *at, size_t size, int home)
{
    if (home != NT_BY_TOUCH)
        syscall(SYS_HOME_NODE, at, size, nt__topo()->node[home].id, 0);
}

static int bind_many(void *at, size_t size, uint64_t slots, int home)
{
    int result = bind_range(at, size, PREFERRED_MANY, slots, 0);
    if (result == 0) {
        set_home(at, size, home);
    } else if (result == -EINVAL && home == NT_BY_TOUCH) {
        return -ENOSYS; /* whoever touches first is local, at least */
    } else if (result == -EINVAL) {
        unsigned nearest = nt__topo_nearest((unsigned)home, slots);
        return bind_range(at, size, MPOL_PREFERRED, one(nearest), 0);
    }
    return result;
}

static int bind_local(void *at, size_t size, int home)
{
    if (bind.cpuless)
        return bind_many(at, size, bind.cpuful, home);
    if (home == NT_BY_TOUCH && !bind.inherits)
        return -ENOSYS;
    /* No node at all is the node of whoever touches, whatever the process inherited. */
    uint64_t slots = home == NT_BY_TOUCH ? 0 : one((unsigned)home);
    return bind_range(at, size, MPOL_PREFERRED, slots, 0);
}

static int bind_strictly(void *at, size_t size, uint64_t slots, int home)
{
    int result = bind_range(at, size, MPOL_BIND, slots, 0);
    if (result == 0 && (slots & (slots - 1)) != 0)
        set_home(at, size, home);
    return result;
}

static int bind_weighted(void *at, size_t size, uint64_t slots)
{
    int result = bind_range(at, size, WEIGHTED_INTERLEAVE, slots, 0);
    return result == -EINVAL ? bind_range(at, size, MPOL_INTERLEAVE, slots, 0) : result;
}

int nt__bind(void *at, size_t size, const struct nt_policy *policy, int home)
{
    if (bind.error != 0)
        return bind.error;
    switch ((enum nt_policy_mode)policy->mode) {
    case NT_LOCAL:
        return bind_local(at, size, home);
    case NT_BIND:
        return bind_strictly(at, size, policy->slots, home);
    case NT_PREFERRED:
        return bind_range(at, size, MPOL_PREFERRED, policy->slots, 0);
    case NT_PREFERRED_MANY:
        return bind_many(at, size, policy->slots, home);
    case NT_INTERLEAVE:
        return bind_range(at, size, MPOL_INTERLEAVE, policy->slots, 0);
    case NT_WEIGHTED_INTERLEAVE:
        return bind_weighted(at, size, policy->slots);
    case NT_INHERIT:
        break;
    }
    return -ENOSYS;
}

int nt__bind_move(void *at, size_t size, unsigned slot)
{
    if (bind.error != 0)
        return bind.error;
    return bind_range(at, size, MPOL_PREFERRED, one(slot),
                      MPOL_MF_MOVE | MPOL_MF_STRICT);
}

int nt__bind_where(const void *const *pages, size_t count, int *status)
{
    /* The prototype has no const; with no target nothing is written through it. */
    if (syscall(SYS_move_pages, 0, count, pages, NULL, status, 0) != 0)
        return -errno;
    return 0;
}
