// SPDX-License-Identifier: MIT
//
// A C++ library for a C program that loads it with RTLD_LOCAL: the C++ runtime comes
// late and out of the global scope, yet a failing operator new throws. dl.sh builds it.
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

static int calls;

static void handler()
{
    calls++;
    throw std::bad_alloc();
}

/* What the calling thread has until its end, and the library until it is unloaded: freed by
 * destructors of the library's. */
static std::vector<std::string> everybodys;
thread_local std::vector<std::string> mine;

extern "C" void cxx_keep()
{
    for (size_t i = 0; i < 100; i++)
        mine.push_back(std::string(i * 50, 'b'));
}

extern "C" void cxx_keep_for_all()
{
    for (size_t i = 0; i < 100; i++)
        everybodys.push_back(std::string(i * 50, 'c'));
}

extern "C" int cxx_work()
{
    std::vector<std::string> strings;
    for (int i = 0; i < 1000; i++)
        strings.push_back(std::string(static_cast<size_t>(i), 'a'));
    if (strings.back().size() != 999)
        return 1;
    volatile size_t huge = SIZE_MAX / 2 + 1;
    try {
        operator delete(operator new(huge));
        return 2;
    } catch (const std::bad_alloc &) {
    }
    if (operator new(huge, std::nothrow))
        return 3;
    std::set_new_handler(handler);
    if (operator new[](huge, std::nothrow) || calls != 1)
        return 4;
    try {
        operator delete(operator new(huge));
        return 5;
    } catch (const std::bad_alloc &) {
    }
    std::set_new_handler(nullptr);
    return calls == 2 ? 0 : 6;
}
