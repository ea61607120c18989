#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# use.sh PREFIX: what is installed there can be used by somebody who has nothing else, in C,
# C++ and Fortran: by CMake (each target), by pkg-config and by plain compiler lines, shared
# and static. With PREFIX /usr nothing need be told where it is.
set -euo pipefail
prefix=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# says TEXT COMMAND...
says() {
    local text=$1 out
    shift
    out=$("$@") && [ "$out" = "$text" ] || { echo "$*: '$out', not '$text'"; exit 1; }
}
# run MALLOC PROGRAM...: programs in C, and what is malloc in them.
run() {
    local kind=$1 program
    shift
    for program in "$@"; do
        says "$version $kind" "./$program"
    done
}

if [ "$prefix" != /usr ]; then
    export CMAKE_PREFIX_PATH=$prefix
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name numatally.pc)")
    export PKG_CONFIG_PATH
fi
pc() { pkg-config "$@" numatally; }
version=$(pc --modversion)
libdir=$(pc --variable=libdir)
where=()
plain=()
if [ "$prefix" != /usr ]; then
    export LD_LIBRARY_PATH=$libdir
    where=(-L "$libdir")
    plain=(-I "$prefix/include")
fi

echo "CMake"
cmake -G Ninja -S "$here" -B build >log 2>&1 || { cat log; exit 1; }
cmake --build build >log 2>&1 || { cat log; exit 1; }
run "nt_malloc alone" build/c_numatally build/c_static
run malloc build/c_malloc build/c_malloc_static build/c_alone
for program in build/cxx_* build/fortran; do
    says "" "$program"
done

echo "pkg-config"
# shellcheck disable=SC2046  # words on purpose
{
    gcc "$here/user.c" -o shared $(pc --cflags --libs)
    gcc "$here/user.c" -o static $(pc --cflags) "$libdir/libnumatally.a" \
        $(pc --libs --static | tr ' ' '\n' | grep -v numatally)
    g++ -std=c++17 "$here/user.cpp" -o cxx $(pc --cflags --libs)
    gfortran "$(pc --variable=fortran)" "$here/user.f90" -o fortran $(pc --libs)
}
run "nt_malloc alone" shared static
says "" ./cxx
says "" ./fortran

echo "plain compiler lines"
gcc "${plain[@]}" "$here/user.c" -o plain "${where[@]}" -lnumatally
gcc "${plain[@]}" "$here/user.c" -o replaced "${where[@]}" -lnumatally_malloc
gcc "${plain[@]}" "$here/user.c" -o archive "$libdir/libnumatally_malloc.a"
gcc -static "${plain[@]}" "$here/user.c" -o alone "$libdir/libnumatally_malloc.a" 2>log ||
    { cat log; exit 1; }
run "nt_malloc alone" plain
run malloc replaced archive alone
says "$version malloc" env LD_PRELOAD="$libdir/libnumatally_malloc.so" ./plain
