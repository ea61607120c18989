// SPDX-License-Identifier: MIT
// What <numatally/allocator.hpp> promises, by the library's own figures. On the made-up
// machine 3x1; run by allocator.sh, also with exceptions or run-time type information off.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <forward_list>
#include <list>
#include <map>
#include <memory>
#include <numatally/allocator.hpp>
#include <numatally/stats.h>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#define CHECK(what)                                                                    \
    do {                                                                               \
        if (!(what)) {                                                                 \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #what);  \
            std::exit(1);                                                              \
        }                                                                              \
    } while (0)

namespace nt = numatally;

template <class T> using vector = std::vector<T, nt::allocator<T>>;

static std::uint64_t live_on(unsigned node)
{
    static struct nt_snapshot s;
    CHECK(nt_snapshot(&s) == 0 && node < s.nodes);
    return s.node[node].live_bytes_now;
}

static nt_pool_figures figures_of(const char *name)
{
    static nt_pool_figures all[64];
    long n = nt_snapshot_pools(all, 64);
    for (long i = 0; i < n && i < 64; i++)
        if (std::strcmp(all[i].name, name) == 0)
            return all[i];
    return {};
}

struct alignas(64) line {
    double x[8];
};
struct alignas(4096) page {
    char c[4096];
};

template <class T> static bool aligned(const T *p)
{
    return reinterpret_cast<std::uintptr_t>(p) % alignof(T) == 0;
}

// Every container works with a place, and lies there.
static void containers(const nt::source &place)
{
    vector<int> v(1000, 1, place);
    v.resize(100000, 7);
    CHECK(v[999] == 1 && v[99999] == 7 && v.get_allocator().place() == place);
    std::list<int, nt::allocator<int>> l({1, 2, 3}, place);
    std::forward_list<int, nt::allocator<int>> f({1, 2, 3}, place);
    std::deque<line, nt::allocator<line>> d(place);
    for (int i = 0; i < 100; i++)
        d.push_front({{double(i)}});
    CHECK(d[0].x[0] == 99 && aligned(&d[0]) && aligned(&d[50]));
    std::set<int, std::less<>, nt::allocator<int>> s(place);
    std::map<int, int, std::less<>, nt::allocator<std::pair<const int, int>>> m(place);
    std::unordered_map<int, int, std::hash<int>, std::equal_to<>,
                       nt::allocator<std::pair<const int, int>>>
        u(16, std::hash<int>{}, std::equal_to<>{},
          nt::allocator<std::pair<const int, int>>(place));
    for (int i = 0; i < 1000; i++) {
        s.insert(i);
        m[i] = i;
        u[i] = -i;
    }
    CHECK(s.size() == 1000 && m[999] == 999 && u[999] == -999 && l.size() == 3 &&
          *f.begin() == 1);
    std::basic_string<char, std::char_traits<char>, nt::allocator<char>> text(1000, 'x',
                                                                              place);
    text += "y";
    CHECK(text.size() == 1001);
    auto shared = std::allocate_shared<line>(nt::allocator<line>(place));
    CHECK(aligned(shared.get()));
    vector<page> pages(3, place);
    CHECK(aligned(pages.data()));
}

static void nodes()
{
    for (int node = 0; node < 3; node++) {
        std::uint64_t others = live_on(0) + live_on(1) + live_on(2);
        std::uint64_t before = live_on(unsigned(node));
        vector<double> x(1 << 20, nt::on_node{node});
        CHECK(live_on(unsigned(node)) >= before + (8 << 20));
        vector<line> few(3, nt::on_node{node});
        CHECK(aligned(few.data()));
        containers(nt::on_node{node});
        CHECK(live_on(0) + live_on(1) + live_on(2) >= others + (8 << 20));
        CHECK(live_on(0) + live_on(1) + live_on(2) < others + (9 << 20));
    }
}

static void pools()
{
    nt::pool mesh({"mesh"});
    CHECK(mesh && mesh.get() != nullptr);
    {
        containers(mesh);
        nt_pool_figures f = figures_of("mesh");
        CHECK(f.allocations_total > 3000 && f.live_blocks_now == 0);
        vector<int> kept(100, mesh);
        CHECK(figures_of("mesh").live_blocks_now == 1);
    }
    // All at once, whoever still has blocks of it.
    CHECK(nt::source(mesh).get(100, 8) != nullptr &&
          figures_of("mesh").live_blocks_now == 1);
    mesh.reset();
    CHECK(figures_of("mesh").live_blocks_now == 0);

    nt::pool other({"other", 0, "1"});
    nt::pool moved(std::move(other));
    CHECK(!other && moved && figures_of("other").name[0] != '\0');
    vector<int> on_one(1000, moved);
    CHECK(live_on(1) >= 4000);
    on_one = vector<int>();
    moved = std::move(mesh);
    CHECK(figures_of("other").name[0] == '\0' && moved.get() != nullptr && !mesh);
    nt_pool *raw = moved.release();
    CHECK(!moved);
    nt::pool taken(raw);
    CHECK(figures_of("mesh").name[0] != '\0');
    taken = nt::pool(nullptr);
    CHECK(figures_of("mesh").name[0] == '\0');

    std::error_code error;
    nt::pool none = nt::pool::make({"none", 0, nullptr, "nonsense"}, error);
    CHECK(!none && error == std::errc::invalid_argument);
    nt::pool good = nt::pool::make({"good"}, error);
    CHECK(good && !error);

    const std::uint32_t sizes[] = {16, 272, 70000}, falling[] = {32, 16};
    nt::pool fitted({"fitted", 0, nullptr, nullptr, sizes, 3});
    CHECK(nt_usable_size(nt::source(fitted).get(265, 8)) == 272);
    CHECK(nt_usable_size(nt::source(good).get(265, 8)) == 288);
    nt::pool bad = nt::pool::make({"bad", 0, nullptr, nullptr, falling, 2}, error);
    CHECK(!bad && error == std::errc::invalid_argument);
    std::uint32_t many[60];
    for (std::uint32_t i = 0; i < 60; i++)
        many[i] = 100016 + 16 * i;
    bad = nt::pool::make({"bad", 0, nullptr, nullptr, many, 60}, error);
    CHECK(!bad && error == std::errc::no_space_on_device);
}

static void counted()
{
    nt::tracked count("solver");
    {
        vector<double> x(1000, count);
        CHECK(count.figures().live_requested_bytes_now == 8000);
        containers(count);
        CHECK(count.figures().live_requested_bytes_now == 8000);
    }
    struct nt_tracked_figures f = count.figures();
    CHECK(f.live_blocks_now == 0 && f.allocations_total > 3000 &&
          f.allocations_total == f.frees_total && f.live_requested_bytes_peak > 8000);
    CHECK(std::strcmp(f.name, "solver") == 0);
    count.reset();
    CHECK(count.figures().allocations_total == 0);

    nt::pool mesh({"counted"});
    nt::tracked around("around", mesh);
    vector<int> v(10, around);
    CHECK(around.figures().live_blocks_now == 1 &&
          figures_of("counted").live_blocks_now == 1);

    // An allocator of the program's own.
    nt_allocator system = nt_system_allocator();
    containers(system);
    vector<line> lines(3, system);
    CHECK(aligned(lines.data()));
}

// What a container does with its place when it is copied, moved, swapped.
static void places()
{
    nt::pool one({"one"}), two({"two"});
    vector<int> a(100, 1, one), b(100, 2, two);
    const int *at = a.data();
    vector<int> copy(a), moved(std::move(a));
    CHECK(copy.get_allocator().place() == one && moved.data() == at);
    b = copy; // stays where it is
    CHECK(b.get_allocator().place() == two && b[0] == 1);
    b = std::move(moved); // takes the place along
    CHECK(b.get_allocator().place() == one && b.data() == at);
    vector<int> c(10, 3, two);
    swap(b, c);
    CHECK(c.data() == at && c.get_allocator().place() == one &&
          b.get_allocator().place() == two);
    vector<int> other(std::move(c), nt::allocator<int>(two)); // asked for: copied there
    CHECK(other.data() != at && other.get_allocator().place() == two && other[0] == 1);

    nt::allocator<int> heap, node0(nt::on_node{0}), node1(nt::on_node{1}), in(one);
    nt::allocator<double> node1_too(node1);
    CHECK(heap == nt::allocator<int>() && heap != node0 && node0 != node1 &&
          node1 == node1_too);
    CHECK(in != heap && in == nt::allocator<char>(one) &&
          in != nt::allocator<int>(two));
    static_assert(std::is_nothrow_move_constructible_v<vector<int>>);
    static_assert(std::is_nothrow_move_assignable_v<vector<int>>);
    // A place that would be gone before what comes from it.
    static_assert(!std::is_constructible_v<nt::allocator<int>, nt::pool>);
    static_assert(!std::is_constructible_v<nt::memory_resource, nt::pool>);
    static_assert(!std::is_copy_constructible_v<nt::pool>);
    static_assert(!std::is_copy_constructible_v<nt::tracked>);
}

static void resources()
{
    nt::pool mesh({"resource"});
    nt::memory_resource in(mesh), in_too(mesh), on(nt::on_node{1}), heap;
    {
        std::pmr::vector<std::pmr::string> v(&in);
        for (int i = 0; i < 100; i++)
            v.emplace_back(
                "a string that is too long to lie in itself, and so in the pool");
        CHECK(figures_of("resource").live_blocks_now == 101);
        std::pmr::map<int, int> m(&on);
        m[1] = 2;
        void *p = in.allocate(100, 256);
        CHECK(reinterpret_cast<std::uintptr_t>(p) % 256 == 0);
        in.deallocate(p, 100, 256);
        std::pmr::monotonic_buffer_resource bumps(&in);
        std::pmr::vector<int> w(1000, &bumps);
        CHECK(figures_of("resource").live_blocks_now >= 102);
    }
    CHECK(figures_of("resource").live_blocks_now == 0);
    CHECK(in == in && in != on && on != heap && in != *std::pmr::new_delete_resource());
#if defined(__cpp_rtti)
    CHECK(in == in_too);
#else
    CHECK(in != in_too);
#endif
}

#if defined(__cpp_exceptions)
template <class E, class F> static bool throws(F f)
{
    try {
        f();
    } catch (const E &) {
        return true;
    }
    return false;
}

static void failures()
{
    CHECK(throws<std::bad_alloc>(
        [] { (void)nt::allocator<char>().allocate(PTRDIFF_MAX); }));
    CHECK(throws<std::bad_array_new_length>(
        [] { (void)nt::allocator<line>().allocate(SIZE_MAX / 64 + 1); }));
    CHECK(throws<std::bad_alloc>(
        [] { (void)nt::allocator<int>(nt::on_node{99}).allocate(1); }));
    nt::pool small({"small", 8 << 20});
    CHECK(throws<std::bad_alloc>([&] { vector<char> v(64 << 20, small); }));
    nt::memory_resource in(small);
    CHECK(throws<std::bad_alloc>([&] { (void)in.allocate(64 << 20); }));
    vector<char> v(1000, small); // and is as good as before
    CHECK(figures_of("small").limit_bytes == 8 << 20);
    CHECK(throws<std::system_error>([] { nt::pool none({"none", 0, "77"}); }));
    CHECK(throws<std::system_error>([] { nt::tracked none(""); }));
    CHECK(throws<std::system_error>([] { nt::tracked none("x", nt::pool(nullptr)); }));
    // No aligned blocks of an allocator that has none.
    nt_allocator plain = nt_system_allocator();
    plain.aligned_alloc = nullptr;
    CHECK(
        throws<std::bad_alloc>([&] { (void)nt::allocator<line>(plain).allocate(1); }));
}
#else
static void failures()
{
}
#endif

int main()
{
    containers(nt::source());
    nodes();
    pools();
    counted();
    places();
    resources();
    failures();
    return 0;
}
