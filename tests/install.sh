#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What is installed can be used by somebody who has nothing else: through the CMake
# package (each of its three targets) and through pkg-config, shared and static.
set -euo pipefail
source_dir=${NT_SOURCE:-$(cd "$(dirname "$0")/.." && pwd)}
build=${NT_BUILD:-$source_dir/build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/usr" >"$work/install.log"

mkdir "$work/user"
cat >"$work/user/user.c" <<'END'
#include <numatally/stats.h>
#include <stdio.h>
#include <string.h>

static struct nt_snapshot snapshot;

int main(void)
{
    void *block = nt_malloc(100);
    if (block == NULL || nt_usable_size(block) < 100 || nt_snapshot(&snapshot) != 0)
        return 1;
    nt_free(block);
    puts(nt_version());
    return snapshot.total.allocations_total == 0 ||
           strcmp(nt_version(), NT_VERSION_STRING) != 0;
}
END
cat >"$work/user/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(numatally 0.1 REQUIRED)
foreach(kind numatally static malloc)
  add_executable(user_${kind} user.c)
  target_link_libraries(user_${kind} PRIVATE numatally::${kind})
endforeach()
END
cmake -G Ninja -S "$work/user" -B "$work/user/build" -DCMAKE_PREFIX_PATH="$work/usr" \
    >"$work/configure.log"
cmake --build "$work/user/build" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
for kind in numatally static malloc; do
    echo "CMake, numatally::$kind"
    "$work/user/build/user_$kind"
done

PKG_CONFIG_PATH=$(dirname "$(find "$work/usr" -name numatally.pc)")
export PKG_CONFIG_PATH
pc() { pkg-config "$@" numatally; }
echo "pkg-config $(pc --modversion), shared"
# shellcheck disable=SC2046  # words on purpose
"${CC:-gcc}" "$work/user/user.c" -o "$work/shared" $(pc --cflags --libs)
LD_LIBRARY_PATH=$(pc --variable=libdir) "$work/shared"
echo "pkg-config, static"
# shellcheck disable=SC2046
"${CC:-gcc}" "$work/user/user.c" -o "$work/static" $(pc --cflags) \
    "$(pc --variable=libdir)/libnumatally.a" $(pc --libs --static | tr ' ' '\n' | grep -v numatally)
"$work/static"

echo "C++ and Fortran, by CMake"
mkdir "$work/languages"
cat >"$work/languages/user.cpp" <<'END'
#include <numatally/allocator.hpp>
#include <vector>
int main()
{
    numatally::pool pool({"installed"});
    std::vector<int, numatally::allocator<int>> v(100, 1, pool);
    return v[99] - 1;
}
END
cat >"$work/languages/user.f90" <<'END'
program user
  use numatally
  real, pointer :: a(:, :)
  call nt_allocate(a, [10, 20], nt_on_node(nt_node_here()))
  a = 1
  if (sum(a) /= 200) error stop
  call nt_deallocate(a)
end program
END
cat >"$work/languages/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.20)
project(user CXX Fortran)
find_package(numatally 0.1 REQUIRED)
add_executable(cxx user.cpp)
target_link_libraries(cxx PRIVATE numatally::numatally)
add_executable(fortran user.f90)
target_link_libraries(fortran PRIVATE numatally::fortran)
END
cmake -G Ninja -S "$work/languages" -B "$work/languages/build" -DCMAKE_PREFIX_PATH="$work/usr" \
    >"$work/configure.log"
cmake --build "$work/languages/build" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
"$work/languages/build/cxx"
"$work/languages/build/fortran"
echo "Fortran, by pkg-config"
# shellcheck disable=SC2046
(cd "$work" && gfortran "$(pc --variable=fortran)" languages/user.f90 -o fortran $(pc --libs))
LD_LIBRARY_PATH=$(pc --variable=libdir) "$work/fortran"

echo "the manual"
for page in "$source_dir"/docs/man/*; do
    [ -s "$work/usr/share/man/man${page##*.}/${page##*/}" ] ||
        { echo "${page##*/} is not installed in its section"; exit 1; }
done

echo "completion"
for file in bash-completion/completions/numatally zsh/site-functions/_numatally \
    fish/vendor_completions.d/numatally.fish; do
    [ -s "$work/usr/share/$file" ] || { echo "$file is not installed"; exit 1; }
done
# shellcheck disable=SC2016  # for the inner shell
bash -c '. "$1/share/bash-completion/completions/numatally" && COMP_LINE="numatally ru" &&
    COMP_POINT=12 && _numatally "$1/bin/numatally" && [ "${COMPREPLY[*]}" = run ]' - "$work/usr" ||
    { echo "the installed completion does not work with the installed tool"; exit 1; }

echo "the tool"
env -u LD_LIBRARY_PATH "$work/usr/bin/numatally" run -- true 2>/dev/null ||
    { echo "the installed tool cannot run a program with the installed library"; exit 1; }

echo "the libraries for MPI"
for library in libnumatally_openmpi.so libnumatally_mpich.so; do
    [ ! -e "$build/$library" ] || [ -e "$(pc --variable=libdir)/$library" ] ||
        { echo "$library is built and not installed"; exit 1; }
done
