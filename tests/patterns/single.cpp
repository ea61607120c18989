// SPDX-License-Identifier: MIT
// Vectors that get one element each: none outgrows its first room, each has one.
#include "pattern.h"

#include <vector>

struct particle {
    double position[3], velocity[3];
};

static SITE void begin_list(std::vector<particle> &list, unsigned i)
{
    list.push_back({{double(i), 0, 0}, {0, 0, 0}});
}

int main()
{
    set_up();
    for (unsigned i = 0; i < 8000000; i++) {
        std::vector<particle> list;
        begin_list(list, i);
    }
    return 0;
}
