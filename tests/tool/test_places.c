/* SPDX-License-Identifier: MIT */
/* Which frames are the user's, and sites put together to places. */
#include "tests/tool/findings.h"

static bool common(const char *function, const char *module)
{
    const struct nt_frame frame = {.function = function, .module = module};

    return nt__frame_is_common(&frame);
}

static void test_common(void **state)
{
    static const char *const users[] = {
        "main",
        "assemble",
        "allocate_mesh",
        "LAMMPS_NS::Neighbor::build(int)",
        "void solve<std::vector<int> >(std::vector<int>&)",
        "mesh::operator+(mesh const&)",
        "operator<<(std::ostream&, mesh const&)",
        "stdlib_like",
        "newton",
        "tree_free",
        "prog+0x1234",
        "_ZN",
        "",
    };
    static const char *const others[] = {
        "operator new(unsigned long)",
        "operator new[](unsigned long, std::align_val_t)",
        "std::vector<int, std::allocator<int> >::push_back(int const&)",
        "void std::vector<int>::_M_realloc_insert<int>(int*, int&&)",
        "std::_Node<std::pair<int, int> >* std::_Tree<int>::_M_get_node()",
        "__gnu_cxx::new_allocator<int>::allocate(unsigned long, void const*)",
        "xmalloc",
        "PyMem_RawMalloc",
        "PyObject_Calloc",
        "sqlite3MallocZero",
        "my_strdup",
        "g_malloc0",
        "xfree",
        "zfree",
        "operator delete(void*)",
        "LAMMPS_NS::Memory::smalloc(long, char const*)",
        "double* LAMMPS_NS::Memory::create<double>(double*&, int, char const*)",
        "alloc::vec::Vec<T>::with_capacity",
    };

    (void)state;
    for (size_t i = 0; i < NT_ARRAY_LEN(users); i++)
        if (common(users[i], "/usr/bin/prog"))
            fail_msg("\"%s\" is the user's", users[i]);
    for (size_t i = 0; i < NT_ARRAY_LEN(others); i++)
        if (!common(others[i], "/usr/bin/prog"))
            fail_msg("\"%s\" is not the user's", others[i]);
    assert_true(common("getline", "/lib/x86_64-linux-gnu/libc.so.6"));
    assert_true(common("libstdc++.so.6+0x1234", "/usr/lib/libstdc++.so.6"));
    assert_false(common("getline", "/opt/libcurl.so.4"));
    assert_false(common("0x1234", NULL));
}

static void test_places(void **state)
{
    struct nt_profile *p = &made.record.profile;
    struct nt_places places;
    const struct nt_place *place;
    struct nt_symbols *symbols;
    char **lines;

    (void)state;
    make_profile();
    made.sites[2].stack[0] = made.sites[0].stack[0]; /* with another caller */
    made.sites[2].depth = 2;
    made.sites[2].stack[1] = 0x77000;
    made.sites[3].depth = 0;
    for (unsigned i = 0; i < SITES; i++) {
        made.sites[i].samples_total = 10 + i;
        made.sites[i].allocations_total = 100;
        made.sites[i].requested_bytes_total = 1000 * (i + 1);
        made.sites[i].requested_bytes_total_error = 3 + i / 2;
        made.sites[i].lifetimes[3] = 1;
        made.sites[i].sampled_frees_total = 4;
        made.sites[i].lifetime_ns_total = 400;
    }
    symbols = nt__symbols_open(p);
    nt__places_make(p, symbols, &places);
    assert_int_equal(places.n, 3);
    assert_int_equal(places.of_site[0], places.of_site[2]);
    assert_int_not_equal(places.of_site[0], places.of_site[1]);
    place = &places.list[places.of_site[0]];
    assert_string_equal(place->name, "0x1000");
    assert_int_equal(place->samples, 22);
    assert_int_equal(place->lifetimes[3], 2);
    assert_true(place->blocks == 200 && place->bytes == 4000);
    assert_true(place->bytes_error > 4.999 && place->bytes_error < 5.001);
    assert_true(nt__place_lived(place, 7) == 100);
    assert_false(place->grows);
    assert_int_equal(nt__place_lines(p, symbols, 2, &lines), 2);
    assert_string_equal(lines[1], "0x77000");
    for (int i = 0; i < 2; i++)
        free(lines[i]);
    free(lines);
    place = &places.list[places.of_site[3]];
    assert_string_equal(place->name, "code without a stack");
    assert_int_equal(nt__place_lines(p, symbols, 3, &lines), 0);
    free(lines);
    nt__places_free(&places);
    nt__symbols_close(symbols);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_common), TEST(test_places)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
