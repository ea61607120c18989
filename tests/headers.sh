#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each header compiles alone: the public ones as strict C17 and as C++17, the private
# ones as the library compiles them.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
bad=0 count=0

# alone HEADER COMPILER...: a file that holds nothing but the include, twice.
alone() {
    local header=$1
    shift
    count=$((count + 1))
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        "$@" -fsyntax-only -Wall -Wextra -Wundef -Werror - && return
    printf '%s does not compile alone: %s\n' "$header" "$*" >&2
    bad=1
}

for header in include/numatally/*.h; do
    name=${header#include/}
    alone "$name" "${CC:-gcc}" -x c -std=c17 -pedantic -Iinclude
    alone "$name" "${CXX:-g++}" -x c++ -std=c++17 -pedantic -Iinclude
done
# Of MPIs any will do.
mpi=()
for module in ompi-c mpich; do
    read -ra mpi < <(pkg-config --cflags-only-I $module 2>/dev/null) && break
done
while IFS= read -r header; do
    [ ${#mpi[@]} -gt 0 ] || [[ $header != src/mpi/* ]] || continue
    alone "$header" "${CC:-gcc}" -x c -std=gnu17 -D_GNU_SOURCE= -I. -Iinclude "${mpi[@]}"
done < <(find src numa pools -name '*.h')
printf '%d headers compiled\n' "$count"
exit "$bad"
