/* SPDX-License-Identifier: MIT */
/* Binding asks the kernel only on a real machine with several nodes that allows it. */
#define _GNU_SOURCE
#include "numa/bind.h"

#include "numa/topo.h"
#include "src/base/os.h"
#include "tests/child.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

static int policy_of(void *at)
{
    int mode = -1;
    return syscall(SYS_get_mempolicy, &mode, NULL, 0, at, MPOL_F_ADDR) == 0 ? mode : -1;
}

/* Ask for slots under a policy, from slot 0. */
static int ask(void *at, size_t size, enum nt_policy_mode mode, uint64_t slots)
{
    return nt__bind(at, size, &(struct nt_policy){(uint8_t)mode, slots}, 0);
}

static int act_off(const char *topology)
{
    setenv("NUMATALLY_TOPOLOGY", topology, 1);
    nt__topo_start();
    nt__bind_start();
    size_t page = nt__os_page_size();
    void *p = nt__os_map(page);
    int before = policy_of(p);
    CHECK(ask(p, page, NT_PREFERRED, 1) == -ENOSYS);
    CHECK(ask(p, page, NT_BIND, 1) == -ENOSYS);
    CHECK(policy_of(p) == before);
    return 0;
}

static int act_fake(void)
{
    return act_off("2x1");
}

static int act_one_node(void)
{
    return act_off("1x1");
}

static int act_not_started(void)
{
    CHECK(ask(NULL, 0, NT_PREFERRED, 1) == -ENOSYS);
    return 0;
}

static void test_off(void **state)
{
    (void)state;
    child_ok(act_not_started);
    child_ok(act_fake);
    child_ok(act_one_node);
}

/* Make believe there are two nodes: the kernel is asked for the one that there is. */
static int act_works(void)
{
    unsetenv("NUMATALLY_TOPOLOGY");
    nt__topo_start();
    struct nt_topo *t = (struct nt_topo *)(uintptr_t)nt__topo();
    unsigned real = t->nodes;
    if (real < 2)
        t->node[1] = (struct nt_topo_node){.id = 900};
    t->nodes = real < 2 ? 2 : real;
    size_t page = nt__os_page_size();
    char *p = nt__os_map(4 * page), *probe = nt__os_map(page);
    unsigned long mask = 1;
    int id = t->node[0].id;
    if (id >= 64 || syscall(SYS_mbind, probe, page, MPOL_PREFERRED, &mask, 65, 0) != 0)
        return 77; /* this sandbox refuses mbind */
    nt__bind_start();
    CHECK(ask(p, 2 * page, NT_PREFERRED, 1) == 0);
    CHECK(policy_of(p) == MPOL_PREFERRED && policy_of(p + page) == MPOL_PREFERRED);
    CHECK(policy_of(p + 2 * page) == MPOL_DEFAULT);
    memset(p, 1, 4 * page);
    CHECK(real > 1 || ask(p, page, NT_PREFERRED, 2) == -EINVAL); /* no such node */
    CHECK(ask(p + 1, page, NT_PREFERRED, 1) == -EINVAL);
    return 0;
}

static void test_works(void **state)
{
    char text[4096];
    (void)state;
    int status = child_status(act_works, text, sizeof text);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("mbind is refused here\n");
        skip();
    }
    if (status != 0)
        fail_msg("status 0x%x: %s", (unsigned)status, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
