// SPDX-License-Identifier: MIT
//
// new and delete through the standard library's containers, for the comparison of
// counts. libstdc++ gets 72,704 bytes for exceptions at its start: all counters see
// that block. Left out are new of 0 bytes, of which libstdc++ makes malloc(1), and
// over-aligned new, whose size it rounds up: the shim sees only what libstdc++ asks.
#include <cstdio>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

int main()
{
    std::map<std::string, std::vector<int>> table;
    std::list<std::unique_ptr<double[]>> arrays;
    for (int i = 0; i < 20000; i++)
        table["key number " + std::to_string(i * 7919 % 1013)].push_back(i);
    for (std::size_t i = 0; i < 500; i++)
        arrays.push_back(std::make_unique<double[]>(i * i % 9000 + 1));
    while (arrays.size() > 100)
        arrays.pop_front();
    try {
        throw std::string("an exception is a block too");
    } catch (const std::string &text) {
        table[text].push_back(1);
    }
    int *plain = new (std::nothrow) int(5);
    delete plain;
    std::printf("%zu keys, %zu arrays\n", table.size(), arrays.size());
    return 0;
}
