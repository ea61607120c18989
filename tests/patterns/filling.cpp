// SPDX-License-Identifier: MIT
// A vector is filled one by one, again and again, from nothing.
#include "pattern.h"

#include <vector>

struct particle {
    double position[3], velocity[3];
};

static SITE void collect(std::vector<particle> &list, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        list.push_back({{double(i), 0, 0}, {0, 0, 0}});
}

int main()
{
    set_up();
    for (unsigned i = 0; i < 400000; i++) {
        std::vector<particle> list;
        collect(list, 100);
        compute(100);
    }
    return 0;
}
