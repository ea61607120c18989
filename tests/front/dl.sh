#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Ways to load libraries, and to link ours, with the outcome each has:
#
#   way                              outcome
#   dlopen, dlclose                  one heap; blocks outlive the library
#   dlopen with RTLD_DEEPBIND        the same (src/front/dlopen.c)
#   dlmopen                          the library has glibc's heap; its blocks may be given
#                                    to us (glibc's free may not be given ours)
#   C++ with RTLD_LOCAL              operator new throws all the same
#   libnumatally.so linked, or by    one heap: this copy of the library passes every call
#   dlopen with RTLD_LOCAL, or       on (src/heap/calls.h) and never starts
#   libnumatally.a linked, its
#   symbols exported or not; under
#   the preload
#   the same beside                  one heap, in either order of linking
#   libnumatally_malloc.so linked
#   libnumatally.so by dlmopen       a heap of its own: blocks may not cross over
#   libnumatally.so by dlopen or     nt_* works; glibc's blocks go back to glibc; it stays
#   libnumatally.a, no preload       in the process after dlclose
#   libnumatally.a in a static       nt_* works by itself
#   program
# shellcheck source=tests/front/common.bash
. "$(dirname "$0")/common.bash"

here=$source_dir/tests/front
cc=${CC:-cc}
build() {
    "$@" -g -O1 -fno-builtin -D_GNU_SOURCE -I"$source_dir/include" || {
        echo "cannot build: $*"
        exit 1
    }
}
mkdir "$work/beside"
build "$cc" -shared -fPIC -o "$work/beside/libbeside.so" "$here/dl_lib.c" -lpthread
# shellcheck disable=SC2016  # the loader's $ORIGIN
build "$cc" -shared -fPIC -o "$work/lib.so" "$here/dl_lib.c" -lpthread \
    -Wl,--enable-new-dtags '-Wl,-rpath,$ORIGIN/beside'
build "${CXX:-c++}" -shared -fPIC -o "$work/cxx.so" "$here/dl_cxx.cpp"
link=(-L"$build_dir" "-Wl,-rpath,$build_dir")
build "$cc" -o "$work/linked" "$here/dl_both.c" "${link[@]}" -lnumatally
build "$cc" -o "$work/core_first" "$here/dl_both.c" "${link[@]}" -Wl,--no-as-needed \
    -lnumatally -lnumatally_malloc
build "$cc" -o "$work/malloc_first" "$here/dl_both.c" "${link[@]}" -Wl,--no-as-needed \
    -lnumatally_malloc -lnumatally
archive=("$build_dir/libnumatally.a" -lpthread)
build "$cc" -o "$work/archive" "$here/dl_both.c" "${archive[@]}"
build "$cc" -o "$work/archive_and_malloc" "$here/dl_both.c" "${archive[@]}" \
    "${link[@]}" -Wl,--no-as-needed -lnumatally_malloc
build "$cc" -rdynamic -o "$work/archive_exporting" "$here/dl_both.c" "${archive[@]}"

dl=$programs/prog_dl
for way in reload shared deepbind namespace runpath; do
    program "$way" -- "$dl" "$way" "$work/lib.so"
done
program "C++ out of sight" -- "$dl" cxx "$work/cxx.so"
program "C++ closed before its threads end" -- "$dl" cxx-ends "$work/cxx.so"
program "libnumatally.so by dlopen under the preload" -- \
    "$dl" late "$build_dir/libnumatally.so"
program "libnumatally.so by dlmopen under the preload" -- \
    "$dl" late-apart "$build_dir/libnumatally.so"

# one_heap WHAT COMMAND: it works, and one copy of the library has started: it alone has
# read the settings, and says that it does not know one.
one_heap() {
    program "$1" -- "$2"
    run NUMATALLY_CONF=chekc:off -- "$2"
    ok "$1: one copy starts" test "$(grep -c '^numatally: .*chekc' "$work/err")" = 1
    run -- "$2" misuse
    ok "$1: misuse is seen" test "$status" = 0
    run NUMATALLY_CONF=report:exit -- "$2"
    ok "$1: one report" test "$(grep -c '^At its end' "$work/err")" = 1
}
one_heap "linked to the core" "$work/linked"
one_heap "the archive under the preload" "$work/archive"
one_heap "the archive, exporting its symbols, under the preload" "$work/archive_exporting"

# Without the preload.
preload=
one_heap "both linked, the core first" "$work/core_first"
one_heap "both linked, malloc first" "$work/malloc_first"
one_heap "the archive and malloc linked" "$work/archive_and_malloc"
program "the core by dlopen" -- "$dl" late-alone "$build_dir/libnumatally.so"
program "the malloc library by dlopen" -- \
    "$dl" late-alone "$build_dir/libnumatally_malloc.so"
program "the archive by itself" -- "$work/archive" alone
# That it uses dlopen is worth a warning to the linker.
build "$cc" -static -o "$work/static" "$here/dl_both.c" "${archive[@]}" 2>/dev/null
program "linked statically" -- "$work/static" alone
finish
