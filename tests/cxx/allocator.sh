#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# <numatally/allocator.hpp>: without a warning from either compiler at any standard from
# C++17 on, also where exceptions or run-time types are off; and it does what it promises.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-O1 -g -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wold-style-cast
    -Wnon-virtual-dtor -Werror -I "$NT_SOURCE/include" "$NT_SOURCE/tests/cxx/allocator.cpp")
link=(-L "$NT_BUILD" -lnumatally "-Wl,-rpath,$NT_BUILD")

# runs COMPILER OPTION...
runs() {
    echo "$*"
    "$@" "${flags[@]}" "${link[@]}" -o "$work/program"
    NUMATALLY_TOPOLOGY=3x1 "$work/program"
    # One heap: the program's own malloc is the library's, too.
    NUMATALLY_TOPOLOGY=3x1 LD_PRELOAD=$NT_BUILD/libnumatally_malloc.so "$work/program"
}

compilers=(g++)
! command -v clang++ >/dev/null || compilers+=(clang++)
for compiler in "${compilers[@]}"; do
    runs "$compiler" -std=c++17
    for options in -std=c++20 "-std=c++17 -fno-rtti"; do
        # shellcheck disable=SC2086  # words on purpose
        "$compiler" $options "${flags[@]}" -fsyntax-only
    done
done
runs g++ -std=c++17 -fno-exceptions -fno-rtti
runs g++ -std=c++17 -fsanitize=undefined -fno-sanitize-recover=all

# Where nothing can be thrown a failure ends the program.
cat >"$work/fails.cpp" <<'CXX'
#include <numatally/allocator.hpp>
int main() { numatally::pool none({"none", 0, nullptr, "nonsense"}); }
CXX
g++ -std=c++17 -fno-exceptions -I "$NT_SOURCE/include" "$work/fails.cpp" "${link[@]}" -o "$work/fails"
status=0
(ulimit -c 0 && exec "$work/fails") || status=$?
[ "$status" = 134 ] || { echo "without exceptions it ended with $status, not by abort"; exit 1; }
