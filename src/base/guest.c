/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "src/base/guest.h"

#include "src/base/conf.h"
#include "src/base/lock.h"
#include "src/base/modules.h"
#include "src/base/os.h"
#include "src/base/sanitizer.h"

#include <link.h>
#include <string.h>

bool nt__guest_found;
bool nt__guest_wanted = true; /* once at the beginning */

static struct {
    bool busy;               /* somebody asks */
    bool closed;             /* nobody may ask any more: what is known stays */
    uint64_t looked_ms;      /* 0: not yet */
    unsigned long long adds; /* objects that the linker had loaded by then */
} guest;

/* What the names of libraries begin with: those of Open MPI, MPICH, Intel, Cray; UCX's and
 * libfabric's own hooks, which others use, too. */
static const char *const names[] = {"libmpi", "libucm.so", "libfabric.so"};

struct look {
    bool begun, found, shared;
};

static int on_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct look *look = argument;
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *name = slash ? slash + 1 : info->dlpi_name;
    (void)size;
    if (!look->begun && info->dlpi_adds == guest.adds)
        return 1; /* nothing came */
    look->begun = true;
    guest.adds = info->dlpi_adds;
    look->shared |= strncmp(name, "libc.so", 7) == 0;
    for (size_t i = 0; i < NT_ARRAY_LEN(names); i++)
        look->found |= strncmp(name, names[i], strlen(names[i])) == 0;
    return 0;
}

void nt__guest_look(void)
{
    struct look look = {0};
#if NT_DEBUG
    NT_ASSERT(nt__lock_held == 0);
#endif
    if (__atomic_exchange_n(&guest.busy, true, __ATOMIC_ACQUIRE))
        return;
    if (guest.looked_ms == 0)
        nt__sanitizer_look();
    dl_iterate_phdr(on_object, &look);
    /* In a static program nothing has a name; where there is a rank there is MPI. */
    if (look.found || (look.begun && !look.shared && nt__conf_rank() >= 0))
        __atomic_store_n(&nt__guest_found, true, __ATOMIC_RELAXED);
    __atomic_store_n(&guest.looked_ms, nt__os_now_ms(), __ATOMIC_RELAXED);
    __atomic_store_n(&nt__guest_wanted, false, __ATOMIC_RELAXED);
    __atomic_store_n(&guest.busy, false, __ATOMIC_RELEASE);
}

enum nt_guest nt__guest(void)
{
    if (nt__guest_mpi())
        return NT_GUEST_MPI;
    if (guest.closed)
        return NT_GUEST_NONE;
    uint64_t looked = __atomic_load_n(&guest.looked_ms, __ATOMIC_RELAXED);
    if (looked != 0 && nt__os_now_ms() - looked < NT_GUEST_MS)
        return NT_GUEST_NONE;
    __atomic_store_n(&nt__guest_wanted, true, __ATOMIC_RELAXED);
    return NT_GUEST_UNSURE;
}

void nt__guest_fork_child(void)
{
    guest.busy = nt__guest_wanted = false;
    guest.closed = !nt__modules_may_ask();
}
