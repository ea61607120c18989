/* SPDX-License-Identifier: MIT */
/*
 * The machine's nodes, which of them this process may use, what policy it was given, and
 * whether the kernel takes the calls by which memory is placed.
 *
 * The calls are tried, on a page of our own: a filter or an old kernel shows in no file. The
 * library does the same (numa/bind.c), and replaces what the kernel does not know.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SYS_HOME_NODE 450
#define MODE_PREFERRED 1
#define MODE_BIND 2
#define MODE_PREFERRED_MANY 5
#define MODE_WEIGHTED 6
#define NODES_MAX 1024
#define MASK_BITS (8 * sizeof(unsigned long))

static char *list_of(hwloc_const_bitmap_t set)
{
    char *list = NULL;
    if (hwloc_bitmap_list_asprintf(&list, set) < 0)
        list = nt__form("?");
    return list;
}

static bool is_several(const struct nt_doctor *d)
{
    return d->machine.nodes > 1;
}

/* ---- nodes ------------------------------------------------------------------------ */

static void say_incomplete(struct nt_doctor *d, bool memory)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    bool cpus = false;
    for (size_t i = 0; i < d->machine.nodes; i++) {
        const struct nt_machine_node *n = &d->machine.node[i];
        if (memory ? !n->has_memory : hwloc_bitmap_iszero(n->cpus))
            hwloc_bitmap_set(set, (unsigned)n->id);
        cpus |= !hwloc_bitmap_iszero(n->cpus);
    }
    if (!cpus && !memory) /* without /sys nobody knows whose they are */
        hwloc_bitmap_zero(set);
    char *list = list_of(set);
    bool one = hwloc_bitmap_weight(set) == 1;
    if (hwloc_bitmap_iszero(set))
        ;
    else if (memory)
        nt__doctor_say(
            d, "nodes", NT_LEVEL_NOTE,
            nt__form("node%s %s without memory", one ? "" : "s", list),
            "Threads on their cpus are served by the nearest node that has some.",
            "Bind threads to the cpus of other nodes, if these have enough.");
    else
        nt__doctor_say(
            d, "nodes", NT_LEVEL_NOTE,
            nt__form("node%s %s without cpus", one ? "" : "s", list),
            "Memory of its own kind (HBM, CXL, a GPU's). No thread is local to it, so "
            "it "
            "is taken only when asked for, or when the others are full.",
            nt__form("numatally topo shows its kind; numatally run --preferred=%d -- "
                     "PROGRAM uses it.",
                     hwloc_bitmap_first(set)));
    free(list);
    hwloc_bitmap_free(set);
}

void nt__check_nodes(struct nt_doctor *d)
{
    const struct nt_machine *m = &d->machine;
    hwloc_bitmap_t ids = hwloc_bitmap_alloc();
    bool made_up = m->source == NT_MACHINE_MADE_UP;
    uint64_t bytes = 0;
    unsigned cpus = 0;
    char size[32];
    for (size_t i = 0; i < m->nodes; i++) {
        hwloc_bitmap_set(ids, (unsigned)m->node[i].id);
        cpus += (unsigned)hwloc_bitmap_weight(m->node[i].cpus);
        bytes += m->node[i].memory_bytes;
    }
    char *list = list_of(ids);
    char *value =
        nt__form("%zu node%s (%s), %u cpu%s%s%s%s", m->nodes, m->nodes == 1 ? "" : "s",
                 list, cpus, cpus == 1 ? "" : "s", bytes != 0 ? ", " : "",
                 bytes != 0 ? nt__size_text(size, sizeof size, bytes) : "",
                 made_up ? ", made up by NUMATALLY_TOPOLOGY" : "");
    nt__doctor_say(d, "nodes", made_up ? NT_LEVEL_NOTE : NT_LEVEL_OK, value,
                   made_up ? "Memory is placed on such nodes in the books only."
                   : is_several(d)
                       ? "Memory is placed on the node of the thread that allocates it."
                       : "All memory is equally near: there is nothing to place.",
                   made_up ? "Unset NUMATALLY_TOPOLOGY to see this machine." : "");
    free(list);
    hwloc_bitmap_free(ids);
    say_incomplete(d, true);
    say_incomplete(d, false);
}

/* ---- what is allowed ---------------------------------------------------------------- */

/* The list that a file or one of its fields holds, into `set`; false: there is none. */
static bool read_list(const struct nt_doctor *d, const char *path, const char *key,
                      hwloc_bitmap_t set)
{
    char *text =
        key != NULL ? nt__doctor_field(d, path, key) : nt__doctor_file(d, path);
    bool good =
        text != NULL && text[0] != '\0' && hwloc_bitmap_list_sscanf(set, text) == 0;
    free(text);
    return good;
}

static void allowed_cpus(struct nt_doctor *d, hwloc_bitmap_t cpus)
{
    hwloc_bitmap_t online = hwloc_bitmap_alloc();
    bool known = read_list(d, "/sys/devices/system/cpu/online", NULL, online);
    char *list = list_of(cpus);
    if (!known || hwloc_bitmap_isincluded(online, cpus))
        nt__doctor_say(d, "cpus", NT_LEVEL_OK, nt__form("all (%s)", list),
                       "Threads may run on every cpu.", "");
    else
        nt__doctor_say(
            d, "cpus", NT_LEVEL_NOTE,
            nt__form("only %s of %d", list, hwloc_bitmap_weight(online)),
            "A cpuset, taskset or the batch system keeps threads on these. Nodes whose "
            "cpus are not among them are local to no thread.",
            "Intended for a rank that is bound; else look at the job's binding "
            "options.");
    free(list);
    hwloc_bitmap_free(online);
}

static void allowed_memory(struct nt_doctor *d, hwloc_const_bitmap_t cpus)
{
    hwloc_bitmap_t allowed = hwloc_bitmap_alloc(), refused = hwloc_bitmap_alloc();
    bool near = false;
    for (size_t i = 0; i < d->machine.nodes; i++) {
        const struct nt_machine_node *n = &d->machine.node[i];
        if (!n->has_memory)
            continue;
        hwloc_bitmap_set(n->allowed ? allowed : refused, (unsigned)n->id);
        near |= n->allowed && hwloc_bitmap_intersects(n->cpus, cpus);
    }
    char *yes = list_of(allowed), *no = list_of(refused);
    if (hwloc_bitmap_iszero(refused))
        nt__doctor_say(d, "memory", NT_LEVEL_OK, nt__form("all nodes (%s)", yes),
                       "This process may take memory of every node.", "");
    else
        nt__doctor_say(
            d, "memory", near ? NT_LEVEL_NOTE : NT_LEVEL_PROBLEM,
            nt__form("only of node%s %s, not of %s",
                     hwloc_bitmap_weight(allowed) == 1 ? "" : "s", yes, no),
            near ? "A cpuset forbids the others; a policy that names them is refused."
                 : "A cpuset forbids the nodes on whose cpus this process runs, so all "
                   "of "
                   "its memory is far.",
            near ? "Intended in many batch systems; else ask for whole nodes."
                 : "Give the cpuset (cpuset.cpus, cpuset.mems) cpus and memory of the "
                   "same "
                   "nodes.");
    free(yes);
    free(no);
    hwloc_bitmap_free(allowed);
    hwloc_bitmap_free(refused);
}

void nt__check_allowed(struct nt_doctor *d)
{
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    if (read_list(d, "/proc/self/status", "Cpus_allowed_list", cpus))
        allowed_cpus(d, cpus);
    else
        hwloc_bitmap_fill(cpus); /* not known, so nothing is held against it */
    allowed_memory(d, cpus);
    hwloc_bitmap_free(cpus);
}

/* ---- the policy ----------------------------------------------------------------------- */

static char *list_of_mask(const unsigned long *mask)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    for (unsigned i = 0; i < NODES_MAX; i++)
        if (mask[i / MASK_BITS] >> (i % MASK_BITS) & 1)
            hwloc_bitmap_set(set, i);
    char *list = list_of(set);
    hwloc_bitmap_free(set);
    return list;
}

void nt__check_policy(struct nt_doctor *d)
{
    static const char *const modes[] = {
        "default",        "preferred",          "bind", "interleave", "local",
        "preferred-many", "weighted-interleave"};
    unsigned long mask[NODES_MAX / MASK_BITS + 1] = {0};
    const char *setting = d->conf.policy;
    int mode = 0;
    bool known = syscall(SYS_get_mempolicy, &mode, mask, NODES_MAX, NULL, 0) == 0;
    mode = known ? mode & 0xff : 0; /* flags stand above */
    if (mode == 0) {
        nt__doctor_say(d, "policy", NT_LEVEL_OK,
                       setting[0] != '\0' ? nt__form("%s, by the settings", setting)
                                          : "local, the default",
                       known ? "No policy was given from outside."
                             : "Whether one was given from outside is not known.",
                       "");
        return;
    }
    char *list = list_of_mask(mask);
    bool inherits = setting[0] == '\0' || strcmp(setting, "inherit") == 0;
    nt__doctor_say(
        d, "policy", NT_LEVEL_NOTE,
        nt__form("%s%s%s, from numactl or set_mempolicy",
                 (size_t)mode < NT_ARRAY_LEN(modes) ? modes[mode] : "unknown",
                 list[0] != '\0' ? ":" : "", list),
        inherits ? "Programs inherit it, and the library leaves all placing to it."
                 : nt__form("The settings ask for policy:%s, which goes before it in "
                            "what the library allocates; stacks and files follow it.",
                            setting),
        inherits ? "Intended with numactl; else start the program without it, or give "
                   "numatally run a policy (--membind, --localalloc, ...)."
                 : "");
    free(list);
}

/* ---- the kernel's calls ------------------------------------------------------------------ */

struct refusal {
    const char *call;
    int err;
};

static int try_mbind(void *page, size_t size, int mode, unsigned long nodes)
{
    return syscall(SYS_mbind, page, size, mode, &nodes, MASK_BITS, 0) == 0 ? 0 : errno;
}

static void *map_page(size_t size)
{
    void *page =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED ? page : NULL;
}

/* A node that this process may use, as a mask. */
static unsigned long usable_node(void)
{
    unsigned long mask[NODES_MAX / MASK_BITS + 1] = {0};
    const int allowed = 4; /* MPOL_F_MEMS_ALLOWED */
    if (syscall(SYS_get_mempolicy, NULL, mask, NODES_MAX, NULL, allowed) != 0 ||
        mask[0] == 0)
        return 1;
    return mask[0] & -mask[0];
}

void nt__check_calls(struct nt_doctor *d)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = map_page(size);
    int mode, where;
    if (page == NULL)
        return;
    *(volatile char *)page = 1;
    struct refusal tried[] = {
        {"mbind", try_mbind(page, size, MODE_PREFERRED, usable_node())},
        {"get_mempolicy",
         syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) == 0 ? 0 : errno},
        {"move_pages",
         syscall(SYS_move_pages, 0, 1, &page, NULL, &where, 0) == 0 ? 0 : errno}};
    static const char *const lost[] = {
        "Nothing can be bound: memory lies where it is first touched, whatever the "
        "policy says, and the figure Bound is 0.",
        "A policy of numactl's and the nodes of a cpuset are not seen.",
        "Nobody can say where pages are: reports lack it, and blocks cannot be "
        "migrated."};
    bool all = true;
    for (size_t i = 0; i < NT_ARRAY_LEN(tried); i++) {
        if (tried[i].err == 0)
            continue;
        all = false;
        nt__doctor_say(
            d, "calls", is_several(d) ? NT_LEVEL_PROBLEM : NT_LEVEL_NOTE,
            nt__form("%s is refused (%s)", tried[i].call, nt__errno_text(tried[i].err)),
            is_several(d) ? lost[i] : "With one node it is not needed.",
            "In a container: allow the call in its seccomp profile, or add the "
            "capability SYS_NICE (docker run --cap-add SYS_NICE).");
    }
    if (all)
        nt__doctor_say(d, "calls", NT_LEVEL_OK,
                       "mbind, get_mempolicy and move_pages work",
                       "Memory can be bound, and asked where it is.", "");
    munmap(page, size);
}

void nt__check_kernel(struct nt_doctor *d)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    struct utsname name = {.release = "?"};
    void *page = map_page(size);
    char *old = nt__form("%s", "");
    if (page == NULL)
        return;
    uname(&name);
    unsigned long node = usable_node();
    if (try_mbind(page, size, MODE_PREFERRED_MANY, node) == EINVAL)
        old = nt__form("%spreferred-many (5.15) is made preferred; ", old);
    if (try_mbind(page, size, MODE_BIND, node) == 0 &&
        syscall(SYS_HOME_NODE, page, size, __builtin_ctzl(node), 0) != 0)
        old = nt__form("%sa node to begin at (5.17) is left out; ", old);
    if (try_mbind(page, size, MODE_WEIGHTED, node) == EINVAL)
        old = nt__form("%sweighted-interleave (6.9) is made interleave; ", old);
    if (old[0] == '\0')
        nt__doctor_say(d, "kernel", NT_LEVEL_OK, nt__form("Linux %s", name.release),
                       "It refuses no policy as unknown.", "");
    else
        nt__doctor_say(
            d, "kernel", is_several(d) ? NT_LEVEL_NOTE : NT_LEVEL_OK,
            nt__form("Linux %s lacks policies", name.release),
            nt__form("What it does not know is replaced: %.*s.", (int)strlen(old) - 2,
                     old),
            "Matters only to those who ask for them; the versions are Linux's that "
            "have them.");
    munmap(page, size);
}

/* ---- surroundings ------------------------------------------------------------------------ */

void nt__check_sandbox(struct nt_doctor *d)
{
    char *seccomp = nt__doctor_field(d, "/proc/self/status", "Seccomp");
    bool filtered = seccomp != NULL && strcmp(seccomp, "0") != 0;
    const char *container = nt__doctor_may(d, "/.dockerenv", F_OK)          ? "Docker's"
                            : nt__doctor_may(d, "/run/.containerenv", F_OK) ? "Podman's"
                                                                            : NULL;
    if (filtered || container != NULL)
        nt__doctor_say(
            d, "sandbox", NT_LEVEL_NOTE,
            nt__form("%s%s%s%s", container != NULL ? container : "",
                     container != NULL ? " container" : "",
                     filtered && container != NULL ? ", " : "",
                     filtered ? "a seccomp filter" : ""),
            "It may refuse calls and hide files; what it does refuse stands here line "
            "by line.",
            "Mount the library's folder into a container, and preload it inside.");
    else
        nt__doctor_say(d, "sandbox", NT_LEVEL_OK, "none seen",
                       "No container's marks, no seccomp filter.", "");
    free(seccomp);
}

void nt__check_balancing(struct nt_doctor *d)
{
    uint64_t on = 0;
    bool known = nt__doctor_number(d, "/proc/sys/kernel/numa_balancing", &on);
    if (on != 0 && is_several(d))
        nt__doctor_say(
            d, "balancing", NT_LEVEL_NOTE,
            nt__form("kernel.numa_balancing is %llu", (unsigned long long)on),
            "The kernel moves pages of large blocks to the threads that use them, "
            "which "
            "faults on purpose to learn who does. Reports count them as moved.",
            "While measuring: sysctl kernel.numa_balancing=0 (root), or bind "
            "(numatally run --membind).");
    else
        nt__doctor_say(
            d, "balancing", NT_LEVEL_OK,
            !known ? "not in this kernel"
                   : nt__form("kernel.numa_balancing is %llu", (unsigned long long)on),
            "Pages stay where they were placed.", "");
}

void nt__check_reclaim(struct nt_doctor *d)
{
    uint64_t mode = 0;
    bool known = nt__doctor_number(d, "/proc/sys/vm/zone_reclaim_mode", &mode);
    char *value =
        !known ? nt__form("not in this kernel")
               : nt__form("vm.zone_reclaim_mode is %llu", (unsigned long long)mode);
    if (mode != 0 && is_several(d))
        nt__doctor_say(
            d, "reclaim", NT_LEVEL_NOTE, value,
            "A full node is swept before another is asked: memory stays near, "
            "but whoever touches the next page waits for the sweep.",
            "If first touches are slow: sysctl vm.zone_reclaim_mode=0 (root).");
    else
        nt__doctor_say(d, "reclaim", NT_LEVEL_OK, value,
                       "A full node is left for the next one at once.", "");
}
