// SPDX-License-Identifier: MIT
// A mesh in a pool, and how much of the solver's memory is vectors.
#include <cstdio>
#include <map>
#include <numatally/allocator.hpp>
#include <vector>

template <class T> using vector = std::vector<T, numatally::allocator<T>>;

int main()
{
    numatally::pool mesh({"mesh", 1 << 30}); // a name for reports, and a limit
    numatally::tracked solver("solver");
    {
        vector<double> x(1000, mesh);
        vector<double> residual(500, solver), step(250, solver);
        std::printf(
            "the solver has %llu bytes\n",
            static_cast<unsigned long long>(solver.figures().live_requested_bytes_now));

        numatally::memory_resource first(numatally::on_node{0});
        std::pmr::map<int, double> boundary(&first);
        boundary[7] = x[0];
    }
    std::printf(
        "it had %llu in %llu blocks\n",
        static_cast<unsigned long long>(solver.figures().live_requested_bytes_peak),
        static_cast<unsigned long long>(solver.figures().allocations_total));
    return 0;
}
