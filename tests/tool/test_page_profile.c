/* SPDX-License-Identifier: MIT */
/* The page's profile: each address looked up once, each name written once, all figures. */
#include "src/tool/page.h"
#include "src/tool/report.h"
#include "src/track/report.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct nt_site_figures sites[3];
static struct nt_remote_figures remotes[1] = {
    {.site = 0, .free_site = 2, .samples_total = 3, .frees_total = 40}};
static struct nt_module modules[2] = {
    {.path = "/opt/<b>.so", .start = 0x1000, .end = 0x2000, .bias = 0x1000, .to = 2},
    {.path = "/opt/two.so",
     .start = 0x1000,
     .end = 0x2000,
     .bias = 0x1000,
     .from = 2,
     .to = UINT32_MAX}};

/* Two stacks share an address, and one has it in another generation. */
static struct nt_profile make(void)
{
    const uint64_t stacks[3][2] = {{0x1010, 0x1020}, {0x1030, 0x1020}, {0x1020, 0}};

    for (size_t i = 0; i < 3; i++) {
        sites[i].depth = i < 2 ? 2 : 1;
        sites[i].generation = i < 2 ? 1 : 2;
        memcpy(sites[i].stack, stacks[i], sizeof stacks[i]);
        sites[i].requested_bytes_total = 100 + i;
        sites[i].lifetimes[i] = 7;
    }
    return (struct nt_profile){.interval_bytes = 4096,
                               .sampling = 1,
                               .sites = sites,
                               .nsites = 3,
                               .remotes = remotes,
                               .nremotes = 1,
                               .modules = modules,
                               .nmodules = 2};
}

static json_t *written(const struct nt_profile *p)
{
    int fd = memfd_create("profile", 0);
    json_t *o;

    assert_int_equal(nt__page_profile(fd, p), 0);
    lseek(fd, 0, SEEK_SET);
    o = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    close(fd);
    return o;
}

static json_int_t place_at(json_t *o, size_t site, size_t frame)
{
    json_t *s = json_array_get(json_object_get(o, "sites"), site);

    return json_integer_value(json_array_get(json_object_get(s, "stack"), frame));
}

/* The module of the outermost function at a place. */
static const char *module_of(json_t *o, json_int_t place)
{
    json_t *frames = json_array_get(json_object_get(o, "places"), (size_t)place);
    json_t *frame = json_array_get(frames, json_array_size(frames) - 1);
    json_int_t text = json_integer_value(json_array_get(frame, 1));

    return json_string_value(
        json_array_get(json_object_get(o, "strings"), (size_t)text));
}

static void test_places(void **state)
{
    struct nt_profile p = make();
    json_t *o = written(&p);

    (void)state;
    assert_int_equal(json_array_size(json_object_get(o, "places")), 4);
    assert_int_equal(place_at(o, 0, 1), place_at(o, 1, 1));
    assert_int_not_equal(place_at(o, 0, 1), place_at(o, 2, 0));
    assert_string_equal(module_of(o, place_at(o, 0, 0)), "/opt/<b>.so");
    assert_string_equal(module_of(o, place_at(o, 2, 0)), "/opt/two.so");
    json_decref(o);
}

static void test_strings_are_written_once(void **state)
{
    struct nt_profile p = make();
    json_t *o = written(&p), *strings = json_object_get(o, "strings");

    (void)state;
    assert_true(json_array_size(strings) > 2);
    for (size_t i = 0; i < json_array_size(strings); i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(json_string_value(json_array_get(strings, i)),
                                    json_string_value(json_array_get(strings, k)));
    json_decref(o);
}

static void test_figures(void **state)
{
    struct nt_profile p = make();
    json_t *o = written(&p);
    json_t *site = json_array_get(json_object_get(o, "sites"), 1);
    json_t *remote = json_array_get(json_object_get(o, "remote_frees"), 0);

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(o, "interval_bytes")), 4096);
    assert_true(json_is_true(json_object_get(o, "sampling")));
    for (const struct nt_figure *g = nt__figures(NT_LIST_SITE); g->name != NULL; g++)
        assert_true(json_is_integer(json_object_get(site, g->name)));
    assert_int_equal(json_integer_value(json_object_get(site, "requested_bytes_total")),
                     101);
    assert_int_equal(
        json_integer_value(json_array_get(json_object_get(site, "lifetimes"), 1)), 7);
    assert_int_equal(json_integer_value(json_object_get(remote, "free_site")), 2);
    assert_int_equal(json_integer_value(json_object_get(remote, "frees_total")), 40);
    json_decref(o);
}

/* A record may give all samples together a stack; it is none that a site has. */
static void test_stack_of_the_total(void **state)
{
    struct nt_profile p = make();
    json_t *o;

    (void)state;
    p.total.depth = 1;
    p.total.stack[0] = 0x77;
    o = written(&p);
    assert_int_equal(json_array_size(json_object_get(o, "places")), 5);
    assert_int_equal(json_array_size(json_object_get(o, "sites")), 3);
    json_decref(o);
}

static void test_full_disk(void **state)
{
    struct nt_profile p = make();
    int fd = open("/dev/full", O_WRONLY);

    (void)state;
    assert_int_equal(nt__page_profile(fd, &p), -ENOSPC);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_strings_are_written_once),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_stack_of_the_total),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
