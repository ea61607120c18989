// SPDX-License-Identifier: MIT
#include <numatally/allocator.hpp>
#include <vector>

int main()
{
    numatally::pool pool({"installed"});
    std::vector<int, numatally::allocator<int>> v(100, 1, pool);
    return v[99] - 1;
}
