/* SPDX-License-Identifier: MIT */
/* Policies in numactl's words: the setting they become, and what is said of others. */
#include "tests/tool/machines.h"

#include "src/base/base.h"

static const struct {
    const char *policy;
    const char *setting; /* NULL: refused */
    const char *why;
} cases[] = {
    {"local", "local", NULL},
    {"inherit", "inherit", NULL},
    {"bind", "bind", NULL},
    {"bind:all", "bind", NULL},
    {"bind:0", "bind:0", NULL},
    {"bind:0-1,70", "bind:0-1;70", NULL},
    {"bind:!1", "bind:0;70", NULL},
    {"interleave", "interleave", NULL},
    {"interleave:0,70", "interleave:0;70", NULL},
    {"weighted-interleave:0-1", "weighted-interleave:0-1", NULL},
    {"preferred:1", "preferred:1", NULL},
    {"preferred:other", "preferred:70", NULL},
    {"preferred:fastest", "preferred-many:0-1", NULL}, /* a tier of two nodes */
    {"preferred-many:dram", "preferred-many:0-1", NULL},
    {"preferred", NULL, "preferred needs a node, as in preferred:0"},
    {"preferred:0-1", NULL, "preferred takes one node and these are 2"},
    {"preferred:!0", NULL, "preferred takes one node and these are 2"},
    {"local:0", NULL, "local takes no nodes; leave \":0\" out"},
    {"inherit:", NULL, "inherit takes no nodes"},
    {"bind:", NULL, "\"\" is no node list"},
    {"bind:2", NULL, "there is no node 2; this process may use 0-1,70"},
    {"bind:hbm", NULL, "there is no hbm memory"},
    {"", NULL, "there is no policy \"\""},
    {"binds:0", NULL, "there is no policy \"binds\"; did you mean \"bind\"?"},
    {"interleaved", NULL, "did you mean \"interleave\"?"},
    {"Bind:0", NULL, "did you mean \"bind\"?"},
};

static size_t at;

static int act_case(void)
{
    char *setting = nt__policy_setting(cases[at].policy, "--option=it");
    int wrong = cases[at].setting == NULL
                    ? setting != NULL
                    : setting == NULL || strcmp(setting, cases[at].setting) != 0;
    if (wrong)
        fprintf(stderr, "became: %s\n", setting != NULL ? setting : "nothing");
    free(setting);
    return wrong;
}

static void test_cases(void **state)
{
    static char said[4096];
    (void)state;
    for (at = 0; at < NT_ARRAY_LEN(cases); at++) {
        if (child_status(act_case, said, sizeof said) != 0)
            fail_msg("'%s': %s", cases[at].policy, said);
        if (cases[at].setting != NULL) {
            assert_string_equal(said, "");
            continue;
        }
        assert_has(said, "numatally: --option=it: ");
        assert_has(said, cases[at].why);
    }
}

int main(void)
{
    setenv("NUMATALLY_TOPOLOGY",
           "node0:cpus=0:mem=1G/node1:cpus=1:mem=1G/node5:cpus=2:mem=0/node70:mem=1G",
           1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
