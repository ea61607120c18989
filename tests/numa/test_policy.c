/* SPDX-License-Identifier: MIT */
/* Policies in words: what is understood, what is refused and why, and the words again. */
#include "numa/policy.h"

#include "numa/topo.h"
#include "tests/child.h"

static void start(const char *topology)
{
    setenv("NUMATALLY_TOPOLOGY", topology, 1);
    nt__topo_start();
}

static void test_understood(void **state)
{
    static const struct {
        const char *text;
        enum nt_policy_mode mode;
        uint64_t slots;
        bool by_touch;
        const char *name;
    } cases[] = {
        {"local", NT_LOCAL, 15, true, "local"},
        {"inherit", NT_INHERIT, 15, true, "inherit"},
        {"bind:0-1,3", NT_BIND, 11, true, "bind:0-1,3"},
        {"bind:0-1;3", NT_BIND, 11, true, "bind:0-1,3"},
        {"bind:2", NT_BIND, 4, false, "bind:2"},
        {"bind", NT_BIND, 15, true, "bind:0-3"},
        {"preferred:3", NT_PREFERRED, 8, false, "preferred:3"},
        {"preferred-many:!0", NT_PREFERRED_MANY, 14, true, "preferred-many:1-3"},
        {"interleave", NT_INTERLEAVE, 15, false, "interleave:0-3"},
        {"interleave:0,2", NT_INTERLEAVE, 5, false, "interleave:0,2"},
        {"weighted-interleave:all", NT_WEIGHTED_INTERLEAVE, 15, false,
         "weighted-interleave:0-3"},
    };
    (void)state;
    start("4x1");
    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        struct nt_policy p, again;
        char name[NT_POLICY_NAME_MAX];
        const char *wrong = nt__policy_parse(cases[i].text, &p);
        if (wrong)
            fail_msg("%s %s", cases[i].text, wrong);
        assert_int_equal(p.mode, cases[i].mode);
        assert_int_equal(p.slots, cases[i].slots);
        assert_int_equal(nt__policy_by_touch(&p), cases[i].by_touch);
        nt__policy_name(&p, name, sizeof name);
        assert_string_equal(name, cases[i].name);
        assert_null(nt__policy_parse(name, &again));
        assert_true(nt__policy_same(&p, &again));
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "is none of"},          {"Local", "is none of"},
        {"loca", "is none of"},      {"bind0", "is none of"},
        {"local:0", "takes no"},     {"inherit:all", "takes no"},
        {"preferred", "needs a"},    {"preferred:0-1", "takes one"},
        {"bind:", "no list"},        {"bind:4", "no list"},
        {"bind:0-", "no list"},      {"interleave:!0-3", "no list"},
        {"interleave:x", "no list"}, {"bind:0 1", "no list"},
    };
    (void)state;
    start("4x1");
    for (size_t i = 0; i < NT_ARRAY_LEN(cases); i++) {
        struct nt_policy p = {.mode = 99};
        const char *wrong = nt__policy_parse(cases[i].text, &p);
        if (!wrong || !strstr(wrong, cases[i].why))
            fail_msg("'%s': %s", cases[i].text, wrong ? wrong : "understood");
        assert_int_equal(p.mode, 99);
    }
}

/* A name too long for its place is cut, with its 0. */
static void test_cut(void **state)
{
    struct nt_policy p;
    char name[16];
    (void)state;
    start("64x1");
    assert_null(nt__policy_parse("bind:0,2,4,6,8,10,12,63", &p));
    memset(name, 'x', sizeof name);
    nt__policy_name(&p, name, sizeof name);
    assert_string_equal(name, "bind:0,2,4,6,8,");
    assert_null(nt__policy_parse("interleave", &p));
    char whole[NT_POLICY_NAME_MAX];
    nt__policy_name(&p, whole, sizeof whole);
    assert_string_equal(whole, "interleave:0-63");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_understood),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
